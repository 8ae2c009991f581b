//! Users: finding and making them.

mod access;
mod roles;

use gangplank_proto::id::{TenantId, UserId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::audit::append;
use super::license::room_for_user;
use super::row::{parsed, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::Username;
use crate::clock::Timestamp;
use roles::grants;
pub(super) use roles::{has_admin, keep_an_admin, put_roles, rights};

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
