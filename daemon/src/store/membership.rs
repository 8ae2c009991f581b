//! People who belong to several tenants. In each they are a user of their own, with roles of their
//! own; in all but one that user names their account, the user whom they log in as.

use gangplank_proto::id::{LoginId, TenantId, UserId};
use serde::Serialize;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::append;
use super::external::NO_PASSWORD;
use super::license::room_for_user;
use super::row::parsed;
use super::user::{Grant, put_roles};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::{Principal, Username};

/// A tenant that a person belongs to, and who they are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// The tenant.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// The person's user there.
    #[serde(skip)]
    pub user: UserId,
}

/// Where a login begins: one of the tenants that a person belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The tenant.
    pub tenant: TenantId,
    /// The person's user there.
    pub user: UserId,
    /// Whether that tenant wants everybody to have a second factor.
    pub required: bool,
}

impl Store {
    /// Where an account's login begins in the tenant of an id or a name; none when the person isn't
    /// let in there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn place(&self, account: UserId, tenant: &str) -> Result<Option<Place>, StoreError> {
        // No name has the form of an id, so this finds one at most.
        let row = sqlx::query(
            "SELECT t.id AS tenant_id, u.id AS user_id, t.second_factor_required FROM users u \
             JOIN tenants t ON t.id = u.tenant_id \
             WHERE COALESCE(u.account_id, u.id) = $1 AND (t.id = $2 OR t.name = $3) \
             AND NOT u.disabled AND t.active",
        )
        .bind(account.to_string())
        .bind(tenant.to_ascii_lowercase())
        .bind(tenant)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Place {
            tenant: parsed(&row, "tenant_id")?,
            user: parsed(&row, "user_id")?,
            required: row.try_get("second_factor_required")?,
        }))
    }

    /// The tenants that a person is let into, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn memberships(&self, who: &Principal) -> Result<Vec<Membership>, StoreError> {
        let rows = sqlx::query(
            "SELECT t.id, t.name, o.id AS user_id FROM users u \
             JOIN users o ON COALESCE(o.account_id, o.id) = COALESCE(u.account_id, u.id) \
             JOIN tenants t ON t.id = o.tenant_id \
             WHERE u.tenant_id = $1 AND u.id = $2 AND NOT o.disabled AND t.active ORDER BY t.name",
        )
        .bind(who.tenant.to_string())
        .bind(who.user.to_string())
        .fetch_all(&self.reader)
        .await?;
        let membership = |row: &_| {
            let name = sqlx::sqlite::SqliteRow::try_get(row, "name")?;
            Ok(Membership { id: parsed(row, "id")?, name, user: parsed(row, "user_id")? })
        };
        rows.iter().map(membership).collect()
    }

    /// Whether a tenant wants a second factor of its people, and this person's account has none. Who
    /// has no password comes by single sign-on, whose provider sees to that.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lacks_second_factor(&self, to: &Membership) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT t.second_factor_required AND NOT EXISTS (SELECT 1 FROM totp o \
             WHERE o.user_id = a.id AND o.confirmed) \
             AND NOT EXISTS (SELECT 1 FROM passkeys p \
             WHERE p.user_id = a.id) AND a.password_hash <> $3 AS lacks \
             FROM users u JOIN tenants t ON t.id = u.tenant_id \
             JOIN users a ON a.id = COALESCE(u.account_id, u.id) \
             WHERE u.tenant_id = $1 AND u.id = $2",
        )
        .bind(to.id.to_string())
        .bind(to.user.to_string())
        .bind(NO_PASSWORD)
        .fetch_one(&self.reader)
        .await?;
        Ok(row.try_get("lacks")?)
    }

    /// The users of other tenants that belong to an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users_of_account(&self, account: UserId) -> Result<Vec<UserId>, StoreError> {
        let rows = sqlx::query("SELECT id FROM users WHERE account_id = $1")
            .bind(account.to_string())
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| parsed(row, "id")).collect()
    }

    /// Lets a person of another tenant into this one. None when nobody has that name.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when they belong to it already, [`StoreError::Invalid`] when a role is
    /// unknown.
    pub async fn add_member(
        &self,
        tenant: TenantId,
        by: &By,
        username: &Username,
        roles: &[Grant],
    ) -> Result<Option<UserId>, StoreError> {
        let mut write = self.write().await?;
        let account = sqlx::query(
            "SELECT id, tenant_id, username, username_key FROM users \
             WHERE username_key = $1 AND account_id IS NULL",
        )
        .bind(username.key())
        .fetch_optional(&mut *write)
        .await?;
        let Some(account) = account else { return Ok(None) };
        if parsed::<TenantId>(&account, "tenant_id")? == tenant {
            return Err(StoreError::Exists("this user"));
        }
        let user = insert(&mut write, tenant, by, &account).await?;
        put_roles(&mut write, tenant, by, user, roles).await?;
        let name: String = account.try_get("username")?;
        let entry = Entry::done(tenant, "user.join", format!("user:{name}"))
            .with(serde_json::json!({ "roles": roles }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(Some(user))
    }

    /// Ends a login and begins one of the same person in another tenant, which lives no longer than
    /// the first would have. None when that has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn switch_login(
        &self,
        by: &By,
        who: &Principal,
        to: &Membership,
        token_hash: Option<String>,
    ) -> Result<Option<LoginId>, StoreError> {
        let login = LoginId::new();
        let mut write = self.write().await?;
        let made = sqlx::query(
            "INSERT INTO logins (id, tenant_id, user_id, token_hash, source, created_at, used_at, \
             expires_at, must_enrol) \
             SELECT $1, $2, $3, $4, $5, $6, $6, expires_at, must_enrol FROM logins \
             WHERE tenant_id = $7 AND id = $8",
        )
        .bind(login.to_string())
        .bind(to.id.to_string())
        .bind(to.user.to_string())
        .bind(token_hash)
        .bind(by.source.map(|source| source.to_string()))
        .bind(by.at.millis())
        .bind(who.tenant.to_string())
        .bind(who.login.to_string())
        .execute(&mut *write)
        .await?;
        if made.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query("DELETE FROM logins WHERE tenant_id = $1 AND id = $2")
            .bind(who.tenant.to_string())
            .bind(who.login.to_string())
            .execute(&mut *write)
            .await?;
        let left = Entry::done(who.tenant, "login.end", format!("login:{}", who.login));
        append(&mut write, by, left).await?;
        let entered = Entry::done(to.id, "login.create", format!("login:{login}"))
            .with(serde_json::json!({ "kind": "switch" }));
        append(&mut write, by, entered).await?;
        write.commit().await?;
        Ok(Some(login))
    }
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    account: &sqlx::sqlite::SqliteRow,
) -> Result<UserId, StoreError> {
    room_for_user(write, tenant).await?;
    let user = UserId::new();
    // No name that anybody could log in with has a slash, and no password has the empty hash.
    let key = format!("{}/{tenant}", account.try_get::<&str, _>("username_key")?);
    sqlx::query(
        "INSERT INTO users (id, tenant_id, username, username_key, password_hash, disabled, \
         created_at, account_id) VALUES ($1, $2, $3, $4, '', FALSE, $5, $6)",
    )
    .bind(user.to_string())
    .bind(tenant.to_string())
    .bind(account.try_get::<&str, _>("username")?)
    .bind(key)
    .bind(by.at.millis())
    .bind(account.try_get::<&str, _>("id")?)
    .execute(&mut **write)
    .await
    .map_err(|error| StoreError::named(error, "this user"))?;
    Ok(user)
}
