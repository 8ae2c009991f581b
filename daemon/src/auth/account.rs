//! Changes to users.

use gangplank_proto::id::{TenantId, UserId};
use gangplank_proto::secret::Secret;

use super::{Auth, AuthError, Change, Username};
use crate::audit::By;
use crate::store::{Grant, NewUser};

impl Auth {
    /// Makes a user.
    ///
    /// # Errors
    /// When the password can't be taken, the name is taken, or a role is unknown.
    pub async fn create_user(
        &self,
        tenant: TenantId,
        by: &By,
        username: Username,
        password: &Secret,
        roles: Vec<String>,
    ) -> Result<UserId, AuthError> {
        let password_hash = self.passwords.hash(password).await?;
        let new = NewUser { username, password_hash, roles };
        Ok(self.store.create_user(tenant, by, new).await?)
    }

    /// Gives a user another password; their logins end. False when there is no such user.
    ///
    /// # Errors
    /// When the password can't be taken.
    pub async fn set_password(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        password: &Secret,
    ) -> Result<bool, AuthError> {
        let hash = self.passwords.hash(password).await?;
        let done = self.store.set_password(tenant, by, user, &hash).await?;
        self.told_user(done, user).await
    }

    /// Locks a user out, ending their logins, or lets them in again. False when there is no such
    /// user.
    ///
    /// # Errors
    /// For the last administrator.
    pub async fn set_disabled(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        disabled: bool,
    ) -> Result<bool, AuthError> {
        let done = self.store.set_disabled(tenant, by, user, disabled).await?;
        self.told_user(done, user).await
    }

    /// Gives a user other roles. False when there is no such user.
    ///
    /// # Errors
    /// When a role is unknown, or nobody would be an administrator any more.
    pub async fn set_roles(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        roles: &[Grant],
    ) -> Result<bool, AuthError> {
        let done = self.store.set_roles(tenant, by, user, roles).await?;
        Ok(self.told(done, Change::UserChanged(user)))
    }

    /// Tells a change of a user, and of those that they are in other tenants.
    pub(super) async fn told_user(&self, done: bool, user: UserId) -> Result<bool, AuthError> {
        if done {
            self.revocations.tell(Change::UserChanged(user));
            for other in self.store.users_of_account(user).await? {
                self.revocations.tell(Change::UserChanged(other));
            }
        }
        Ok(done)
    }

    /// Tells a change that was made.
    pub(super) fn told(&self, done: bool, change: Change) -> bool {
        if done {
            self.revocations.tell(change);
        }
        done
    }
}
