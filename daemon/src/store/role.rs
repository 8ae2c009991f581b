//! Roles: the built-in ones of every tenant, and its own.

use gangplank_proto::id::{TenantId, UserId};
use serde::Serialize;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::audit::append;
use super::row::{number, parsed};
use super::user::{has_admin, keep_an_admin};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::Permission;

/// Roles of a tenant at most.
const MOST: u64 = 100;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Its name, by which it is known in its tenant.
    pub name: String,
    /// Whether every tenant has it and nobody changes it.
    pub built_in: bool,
    /// What it allows, sorted.
    pub permissions: Vec<Permission>,
    /// How many users have it.
    pub users: u64,
}

impl Store {
    /// Every role of a tenant, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn roles(&self, tenant: TenantId) -> Result<Vec<Role>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        read(&mut reader, tenant, None).await
    }

    /// One role of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn role(&self, tenant: TenantId, name: &str) -> Result<Option<Role>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        Ok(read(&mut reader, tenant, Some(name)).await?.pop())
    }

    /// Makes a role.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::Invalid`] when it is none.
    pub async fn create_role(
        &self,
        tenant: TenantId,
        by: &By,
        name: &str,
        permissions: &[Permission],
    ) -> Result<(), StoreError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(allowed) {
            let form = "a role's name has 1 to 64 characters out of letters, digits and - _ .";
            return Err(StoreError::Invalid(form));
        }
        let mut write = self.write().await?;
        let count = sqlx::query("SELECT COUNT(*) AS roles FROM roles WHERE tenant_id = $1")
            .bind(tenant.to_string())
            .fetch_one(&mut *write)
            .await?;
        if number::<u64>(&count, "roles")? >= MOST {
            return Err(StoreError::Refused("a tenant has 100 roles at most"));
        }
        sqlx::query("INSERT INTO roles (tenant_id, name, built_in) VALUES ($1, $2, FALSE)")
            .bind(tenant.to_string())
            .bind(name)
            .execute(&mut *write)
            .await
            .map_err(|error| StoreError::named(error, "a role of that name"))?;
        put(&mut write, tenant, name, permissions).await?;
        let entry = Entry::done(tenant, "role.create", format!("role:{name}"))
            .with(serde_json::json!({ "permissions": permissions }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Lets a role allow something else. The users who have it; none when there is no such role.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a built-in role, and when nobody of the tenant would be an
    /// administrator any more.
    pub async fn set_role(
        &self,
        tenant: TenantId,
        by: &By,
        name: &str,
        permissions: &[Permission],
    ) -> Result<Option<Vec<UserId>>, StoreError> {
        let mut write = self.write().await?;
        if !own(&mut write, tenant, name).await? {
            return Ok(None);
        }
        let before = has_admin(&mut write, tenant).await?;
        sqlx::query("DELETE FROM role_permissions WHERE tenant_id = $1 AND role = $2")
            .bind(tenant.to_string())
            .bind(name)
            .execute(&mut *write)
            .await?;
        put(&mut write, tenant, name, permissions).await?;
        keep_an_admin(&mut write, tenant, before).await?;
        let entry = Entry::done(tenant, "role.change", format!("role:{name}"))
            .with(serde_json::json!({ "permissions": permissions }));
        append(&mut write, by, entry).await?;
        let rows = sqlx::query("SELECT user_id FROM user_roles WHERE tenant_id = $1 AND role = $2")
            .bind(tenant.to_string())
            .bind(name)
            .fetch_all(&mut *write)
            .await?;
        let users = rows.iter().map(|row| parsed(row, "user_id")).collect::<Result<_, _>>()?;
        write.commit().await?;
        Ok(Some(users))
    }

    /// Removes a role that nobody has. False when there is no such role.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a built-in role, and for one that somebody has.
    pub async fn delete_role(
        &self,
        tenant: TenantId,
        by: &By,
        name: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        if !own(&mut write, tenant, name).await? {
            return Ok(false);
        }
        let role = read(&mut write, tenant, Some(name)).await?.pop();
        if role.is_some_and(|role| role.users > 0) {
            return Err(StoreError::Refused("somebody has this role; take it away first"));
        }
        sqlx::query("DELETE FROM roles WHERE tenant_id = $1 AND name = $2")
            .bind(tenant.to_string())
            .bind(name)
            .execute(&mut *write)
            .await?;
        append(&mut write, by, Entry::done(tenant, "role.delete", format!("role:{name}"))).await?;
        write.commit().await?;
        Ok(true)
    }
}

/// Whether the tenant has a role of this name, and it is its own.
async fn own(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    name: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT built_in FROM roles WHERE tenant_id = $1 AND name = $2")
        .bind(tenant.to_string())
        .bind(name)
        .fetch_optional(&mut **write)
        .await?;
    match row {
        None => Ok(false),
        Some(row) if row.try_get("built_in")? => {
            Err(StoreError::Refused("this role is built in and stays as it is"))
        }
        Some(_) => Ok(true),
    }
}

async fn put(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    role: &str,
    permissions: &[Permission],
) -> Result<(), StoreError> {
    for permission in permissions {
        sqlx::query(
            "INSERT INTO role_permissions (tenant_id, role, permission) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        )
        .bind(tenant.to_string())
        .bind(role)
        .bind(permission.as_str())
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}

async fn read(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    name: Option<&str>,
) -> Result<Vec<Role>, StoreError> {
    let rows = sqlx::query(
        "SELECT r.name, r.built_in, p.permission, \
         (SELECT COUNT(*) FROM user_roles u WHERE u.tenant_id = r.tenant_id AND u.role = r.name) \
         AS users FROM roles r \
         LEFT JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role = r.name \
         WHERE r.tenant_id = $1 AND ($2 IS NULL OR r.name = $2) ORDER BY r.name, p.permission",
    )
    .bind(tenant.to_string())
    .bind(name)
    .fetch_all(connection)
    .await?;
    let mut roles = Vec::<Role>::new();
    for row in &rows {
        let name: String = row.try_get("name")?;
        if roles.last().is_none_or(|role| role.name != name) {
            let (built_in, users) = (row.try_get("built_in")?, number(row, "users")?);
            roles.push(Role { name, built_in, permissions: Vec::new(), users });
        }
        let permission = super::row::parsed_option::<Permission>(row, "permission")?;
        if let Some(role) = roles.last_mut() {
            role.permissions.extend(permission);
        }
    }
    Ok(roles)
}
