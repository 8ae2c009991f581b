//! The roles of users: giving and taking them, and what they come to.

use gangplank_proto::id::{TenantId, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::{Grant, read_user, username};
use crate::audit::{By, Entry};
use crate::auth::{Permission, Permissions};
use crate::clock::Timestamp;
use crate::store::audit::append;
use crate::store::row::{parsed, parsed_option, time_option};
use crate::store::{Store, StoreError};

impl Store {
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

/// Roles and rights of a user, as they are now.
pub(in crate::store) async fn rights(
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
        permissions.extend(parsed_option::<Permission>(row, "permission")?);
    }
    roles.dedup();
    Ok((roles, permissions.into_iter().collect()))
}

/// The roles of a user, those whose time is just over among them.
pub(super) async fn grants(
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

/// Gives a user roles, within a transaction.
pub(in crate::store) async fn put_roles(
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
pub(in crate::store) async fn keep_an_admin(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    before: bool,
) -> Result<(), StoreError> {
    if before && !has_admin(write, tenant).await? {
        return Err(StoreError::Refused("this is the last administrator who can log in"));
    }
    Ok(())
}

pub(in crate::store) async fn has_admin(
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
