//! Users and their roles.

use gangplank_proto::id::{TenantId, UserId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::audit::append;
use super::license::room_for_user;
use super::row::{parsed, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::{Permission, Permissions, Username};
use crate::clock::Timestamp;

/// A user as administrators see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub username: String,
    /// Whether they are locked out.
    pub disabled: bool,
    /// Their roles, sorted.
    pub roles: Vec<Grant>,
    /// Whether their account belongs to another tenant.
    pub guest: bool,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
}

/// A role that a user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// The role's name.
    pub role: String,
    /// Until when; for good when absent.
    pub expires_at: Option<Timestamp>,
}

impl From<String> for Grant {
    /// The role for good.
    fn from(role: String) -> Self {
        Self { role, expires_at: None }
    }
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Their name.
    pub username: Username,
    /// Hash of their password, in PHC or modular crypt form.
    pub password_hash: String,
    /// Their roles; each must exist.
    pub roles: Vec<String>,
}

/// What a login needs to know about the user that it names.
#[derive(Clone)]
pub struct Candidate {
    /// The user's tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The name as it was given when the user was made.
    pub username: String,
    /// Hash of the password.
    pub password_hash: String,
    /// Neither the user nor the tenant is locked out.
    pub enabled: bool,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Store {
    /// Finds the user that a login names. Usernames are unique over all tenants, so this finds the
    /// tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn candidate(&self, username: &Username) -> Result<Option<Candidate>, StoreError> {
        let row = sqlx::query(
            "SELECT u.tenant_id, u.id, u.username, u.password_hash, \
             (t.active AND NOT u.disabled) AS enabled FROM users u \
             JOIN tenants t ON t.id = u.tenant_id WHERE u.username_key = $1",
        )
        .bind(username.key())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Candidate {
            tenant: parsed(&row, "tenant_id")?,
            user: parsed(&row, "id")?,
            username: row.try_get("username")?,
            password_hash: row.try_get("password_hash")?,
            enabled: row.try_get("enabled")?,
        }))
    }

    /// Whether anybody at all can log in yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_users(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query("SELECT id FROM users LIMIT 1")
            .fetch_optional(&self.reader)
            .await?
            .is_some())
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::Invalid`] when a role is unknown.
    pub async fn create_user(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewUser,
    ) -> Result<UserId, StoreError> {
        let mut write = self.write().await?;
        let user = insert(&mut write, tenant, by, &new).await?;
        write.commit().await?;
        Ok(user)
    }

    /// One user of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user(&self, tenant: TenantId, user: UserId) -> Result<Option<User>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        read_user(&mut reader, tenant, user).await
    }

    /// One user of a tenant, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_named(
        &self,
        tenant: TenantId,
        username: &Username,
    ) -> Result<Option<User>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let row =
            sqlx::query("SELECT id FROM users WHERE tenant_id = $1 AND username_key IN ($2, $3)")
                .bind(tenant.to_string())
                .bind(username.key())
                .bind(format!("{}/{tenant}", username.key()))
                .fetch_optional(&mut *reader)
                .await?;
        match row {
            Some(row) => read_user(&mut reader, tenant, parsed(&row, "id")?).await,
            None => Ok(None),
        }
    }

    /// The users of a tenant, in the order they were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<User>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let rows = sqlx::query(
            "SELECT id, username, disabled, created_at, last_login_at, account_id FROM users \
             WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(tenant.to_string())
        .bind(page.cursor.as_deref().unwrap_or(""))
        .bind(page.size() + 1)
        .fetch_all(&mut *reader)
        .await?;
        let mut users = Vec::with_capacity(rows.len());
        for row in &rows {
            users.push(user_row(&mut reader, tenant, row).await?);
        }
        Ok(Page::cut(users, page.size(), |user| user.id.to_string()))
    }

    /// Gives a user another password and ends their logins. False when there is no such user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_password(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        password_hash: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done =
            sqlx::query("UPDATE users SET password_hash = $1 WHERE tenant_id = $2 AND id = $3")
                .bind(password_hash)
                .bind(tenant.to_string())
                .bind(user.to_string())
                .execute(&mut *write)
                .await?;
        if read_user(&mut write, tenant, user).await?.is_some_and(|user| user.guest) {
            return Err(StoreError::Refused("this user's account belongs to another tenant"));
        }
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        end_logins(&mut write, tenant, user).await?;
        let name = username(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, "user.passwd", format!("user:{name}"))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Puts the hash of the same password in a newer form, unless it was changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rehash_password(
        &self,
        tenant: TenantId,
        user: UserId,
        old: &str,
        new: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE users SET password_hash = $1 \
             WHERE tenant_id = $2 AND id = $3 AND password_hash = $4",
        )
        .bind(new)
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(old)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// Locks a user out, ending their logins, or lets them in again. False when there is no such
    /// user.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for the last user of the tenant who is an administrator.
    pub async fn set_disabled(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        disabled: bool,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let before = has_admin(&mut write, tenant).await?;
        let done = sqlx::query("UPDATE users SET disabled = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(disabled)
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if disabled {
            keep_an_admin(&mut write, tenant, before).await?;
            end_logins(&mut write, tenant, user).await?;
        }
        let action = if disabled { "user.disable" } else { "user.enable" };
        let name = username(&mut write, tenant, user).await?;
        append(&mut write, by, Entry::done(tenant, action, format!("user:{name}"))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Takes the roles whose time is over. The users who had them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_grants(&self, by: &By) -> Result<Vec<UserId>, StoreError> {
        let over =
            "SELECT tenant_id, user_id, role FROM user_roles WHERE expires_at <= $1 LIMIT 100";
        let any = sqlx::query(over).bind(by.at.millis()).fetch_optional(&self.reader).await?;
        if any.is_none() {
            return Ok(Vec::new());
        }
        let mut write = self.write().await?;
        let mut users = Vec::new();
        for row in sqlx::query(over).bind(by.at.millis()).fetch_all(&mut *write).await? {
            let (tenant, user) = (parsed(&row, "tenant_id")?, parsed(&row, "user_id")?);
            let role: String = row.try_get("role")?;
            sqlx::query(
                "DELETE FROM user_roles WHERE tenant_id = $1 AND user_id = $2 AND role = $3",
            )
            .bind(TenantId::to_string(&tenant))
            .bind(UserId::to_string(&user))
            .bind(&role)
            .execute(&mut *write)
            .await?;
            let name = username(&mut write, tenant, user).await?;
            let entry = Entry::done(tenant, "user.role_expired", format!("user:{name}"))
                .with(serde_json::json!({ "role": role }));
            append(&mut write, by, entry).await?;
            users.push(user);
        }
        write.commit().await?;
        Ok(users)
    }

    /// Gives a user these roles in place of their own. False when there is no such user.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when a role is unknown, [`StoreError::Refused`] when nobody of the
    /// tenant would be an administrator any more.
    pub async fn set_roles(
        &self,
        tenant: TenantId,
        by: &By,
        user: UserId,
        roles: &[Grant],
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        if read_user(&mut write, tenant, user).await?.is_none() {
            return Ok(false);
        }
        let before = has_admin(&mut write, tenant).await?;
        sqlx::query("DELETE FROM user_roles WHERE tenant_id = $1 AND user_id = $2")
            .bind(tenant.to_string())
            .bind(user.to_string())
            .execute(&mut *write)
            .await?;
        put_roles(&mut write, tenant, by, user, roles).await?;
        keep_an_admin(&mut write, tenant, before).await?;
        let name = username(&mut write, tenant, user).await?;
        let entry = Entry::done(tenant, "user.roles", format!("user:{name}"))
            .with(serde_json::json!({ "roles": roles }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }
}

/// Makes a user within a transaction.
pub(super) async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    new: &NewUser,
) -> Result<UserId, StoreError> {
    room_for_user(write, tenant).await?;
    let user = UserId::new();
    sqlx::query(
        "INSERT INTO users (id, tenant_id, username, username_key, password_hash, disabled, \
         created_at) VALUES ($1, $2, $3, $4, $5, FALSE, $6)",
    )
    .bind(user.to_string())
    .bind(tenant.to_string())
    .bind(new.username.as_str())
    .bind(new.username.key())
    .bind(&new.password_hash)
    .bind(by.at.millis())
    .execute(&mut **write)
    .await
    .map_err(|error| StoreError::named(error, "a user of that name"))?;
    let roles: Vec<_> = new.roles.iter().cloned().map(Grant::from).collect();
    put_roles(write, tenant, by, user, &roles).await?;
    let entry = Entry::done(tenant, "user.create", format!("user:{}", new.username))
        .with(serde_json::json!({ "roles": new.roles }));
    append(write, by, entry).await?;
    Ok(user)
}

/// Roles and rights of a user, as they are now.
pub(super) async fn rights(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    user: UserId,
    now: Timestamp,
) -> Result<(Vec<String>, Permissions), StoreError> {
    let rows = sqlx::query(
        "SELECT r.role, p.permission FROM user_roles r \
         LEFT JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role = r.role \
         WHERE r.tenant_id = $1 AND r.user_id = $2 \
         AND (r.expires_at IS NULL OR r.expires_at > $3) ORDER BY r.role",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .bind(now.millis())
    .fetch_all(connection)
    .await?;
    let mut roles = Vec::new();
    let mut permissions = Vec::<Permission>::new();
    for row in &rows {
        roles.push(row.try_get("role")?);
        permissions.extend(super::row::parsed_option::<Permission>(row, "permission")?);
    }
    roles.dedup();
    Ok((roles, permissions.into_iter().collect()))
}

/// The roles of a user, those whose time is just over among them.
async fn grants(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    user: UserId,
) -> Result<Vec<Grant>, StoreError> {
    let rows = sqlx::query(
        "SELECT role, expires_at FROM user_roles WHERE tenant_id = $1 AND user_id = $2 \
         ORDER BY role",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .fetch_all(connection)
    .await?;
    let grant = |row: &SqliteRow| {
        Ok(Grant { role: row.try_get("role")?, expires_at: time_option(row, "expires_at")? })
    };
    rows.iter().map(grant).collect()
}

async fn read_user(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(
        "SELECT id, username, disabled, created_at, last_login_at, account_id FROM users \
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => Ok(Some(user_row(connection, tenant, &row).await?)),
        None => Ok(None),
    }
}

async fn user_row(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    row: &SqliteRow,
) -> Result<User, StoreError> {
    let id = parsed(row, "id")?;
    let roles = grants(connection, tenant, id).await?;
    Ok(User {
        id,
        username: row.try_get("username")?,
        disabled: row.try_get("disabled")?,
        roles,
        guest: row.try_get::<Option<&str>, _>("account_id")?.is_some(),
        created_at: time(row, "created_at")?,
        last_login_at: time_option(row, "last_login_at")?,
    })
}

/// Gives a user roles, within a transaction.
pub(super) async fn put_roles(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    user: UserId,
    roles: &[Grant],
) -> Result<(), StoreError> {
    for grant in roles {
        if grant.expires_at.is_some_and(|at| at <= by.at) {
            return Err(StoreError::Invalid("expires_at lies in the past"));
        }
        let done = sqlx::query(
            "INSERT INTO user_roles (tenant_id, user_id, role, expires_at) \
             SELECT tenant_id, $2, name, $4 FROM roles WHERE tenant_id = $1 AND name = $3 \
             ON CONFLICT (tenant_id, user_id, role) DO UPDATE SET expires_at = excluded.expires_at",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .bind(&grant.role)
        .bind(grant.expires_at.map(Timestamp::millis))
        .execute(&mut **write)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Invalid("there is no such role"));
        }
    }
    Ok(())
}

/// Refuses a change that takes a tenant its last administrator; `before` says whether it had one.
pub(super) async fn keep_an_admin(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    before: bool,
) -> Result<(), StoreError> {
    if before && !has_admin(write, tenant).await? {
        return Err(StoreError::Refused("this is the last administrator who can log in"));
    }
    Ok(())
}

pub(super) async fn has_admin(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<bool, StoreError> {
    let admin = sqlx::query(
        "SELECT u.id FROM users u \
         JOIN user_roles r ON r.tenant_id = u.tenant_id AND r.user_id = u.id \
         JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role = r.role \
         WHERE u.tenant_id = $1 AND NOT u.disabled AND p.permission = $2 \
         AND r.expires_at IS NULL LIMIT 1",
    )
    .bind(tenant.to_string())
    .bind(Permission::Admin.as_str())
    .fetch_optional(&mut **write)
    .await?;
    Ok(admin.is_some())
}

async fn end_logins(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    // In other tenants, too: whoever loses their account loses everything that they do with it.
    sqlx::query(
        "DELETE FROM logins WHERE (tenant_id = $1 AND user_id = $2) \
         OR user_id IN (SELECT id FROM users WHERE account_id = $2)",
    )
    .bind(tenant.to_string())
    .bind(user.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn username(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<String, StoreError> {
    let row = sqlx::query("SELECT username FROM users WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .fetch_one(&mut **write)
        .await?;
    Ok(row.try_get("username")?)
}
