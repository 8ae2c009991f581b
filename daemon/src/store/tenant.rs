//! Tenants and the roles they come with.

use gangplank_proto::id::TenantId;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::audit::append;
use super::row::{number_option, parsed, time};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::BUILT_IN_ROLES;
use crate::clock::Timestamp;

/// Longest name of a tenant, in bytes.
const LONGEST_NAME: usize = 64;

/// A customer of the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Whether its people and agents are let in.
    pub active: bool,
    /// How much it may have.
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How much a tenant may have; without bound where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Hosts.
    #[serde(default)]
    pub max_hosts: Option<u32>,
    /// Users.
    #[serde(default)]
    pub max_users: Option<u32>,
}

impl Store {
    /// The first tenant; made, with the name `default`, when there is none. Also brings the built-in
    /// roles of every tenant to what this version says. Done at every start.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bootstrap(&self, by: &By) -> Result<Tenant, StoreError> {
        let mut write = self.write().await?;
        let first = sqlx::query(
            "SELECT t.id, t.name, t.active, t.max_hosts, t.max_users, t.created_at FROM tenants t \
             JOIN meta m ON m.value = t.id WHERE m.name = 'first_tenant'",
        )
        .fetch_optional(&mut *write)
        .await?;
        let first = match first {
            Some(row) => tenant_row(&row)?,
            None => {
                let tenant = insert(&mut write, by, "default").await?;
                sqlx::query("INSERT INTO meta (name, value) VALUES ('first_tenant', $1)")
                    .bind(tenant.id.to_string())
                    .execute(&mut *write)
                    .await?;
                tenant
            }
        };
        for row in sqlx::query("SELECT id FROM tenants").fetch_all(&mut *write).await? {
            built_in_roles(&mut write, parsed(&row, "id")?).await?;
        }
        write.commit().await?;
        Ok(first)
    }

    /// The tenant of an id or a name, for whoever is above tenants.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_called(&self, name: &str) -> Result<Option<Tenant>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        named(&mut reader, name).await
    }

    /// Whether the people and agents of a tenant are let in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_active(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT active FROM tenants WHERE id = $1")
            .bind(tenant.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.map_or(Ok(false), |row| Ok(row.try_get("active")?))
    }

    /// Makes a tenant with the built-in roles.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::Invalid`] when it is none.
    pub async fn create_tenant(&self, by: &By, name: &str) -> Result<Tenant, StoreError> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(StoreError::Invalid("a tenant's name has 1 to 64 bytes, none of control"));
        }
        if name.parse::<TenantId>().is_ok() {
            return Err(StoreError::Invalid("a tenant's name can't have the form of an id"));
        }
        let mut write = self.write().await?;
        let tenant = insert(&mut write, by, name).await?;
        built_in_roles(&mut write, tenant.id).await?;
        write.commit().await?;
        Ok(tenant)
    }
}

/// The tenant of an id or a name.
pub(super) async fn named(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Tenant>, StoreError> {
    // No name has the form of an id, so this finds one at most.
    let id = name.parse::<TenantId>().map(|id| id.to_string());
    let row = sqlx::query(
        "SELECT id, name, active, max_hosts, max_users, created_at FROM tenants \
         WHERE (id = $1 OR name = $2) AND deleted_at IS NULL",
    )
    .bind(id.unwrap_or_default())
    .bind(name)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(tenant_row).transpose()
}

/// Says how much a tenant may have.
pub(super) async fn put_limits(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    limits: Limits,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE tenants SET max_hosts = $1, max_users = $2 WHERE id = $3")
        .bind(limits.max_hosts.map(i64::from))
        .bind(limits.max_users.map(i64::from))
        .bind(tenant.to_string())
        .execute(&mut **write)
        .await?;
    Ok(())
}

pub(super) fn tenant_row(row: &SqliteRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        limits: Limits {
            max_hosts: number_option(row, "max_hosts")?,
            max_users: number_option(row, "max_users")?,
        },
        created_at: time(row, "created_at")?,
    })
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    by: &By,
    name: &str,
) -> Result<Tenant, StoreError> {
    let tenant = Tenant {
        id: TenantId::new(),
        name: name.to_owned(),
        active: true,
        limits: Limits::default(),
        created_at: by.at,
    };
    sqlx::query("INSERT INTO tenants (id, name, active, created_at) VALUES ($1, $2, TRUE, $3)")
        .bind(tenant.id.to_string())
        .bind(name)
        .bind(by.at.millis())
        .execute(&mut **write)
        .await
        .map_err(|error| StoreError::named(error, "a tenant of that name"))?;
    append(write, by, Entry::done(tenant.id, "tenant.create", format!("tenant:{name}"))).await?;
    Ok(tenant)
}

async fn built_in_roles(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let tenant = tenant.to_string();
    for (role, permissions) in BUILT_IN_ROLES {
        sqlx::query(
            "INSERT INTO roles (tenant_id, name, built_in) VALUES ($1, $2, TRUE) \
             ON CONFLICT (tenant_id, name) DO NOTHING",
        )
        .bind(&tenant)
        .bind(role)
        .execute(&mut **write)
        .await?;
        sqlx::query("DELETE FROM role_permissions WHERE tenant_id = $1 AND role = $2")
            .bind(&tenant)
            .bind(role)
            .execute(&mut **write)
            .await?;
        for permission in permissions {
            sqlx::query(
                "INSERT INTO role_permissions (tenant_id, role, permission) VALUES ($1, $2, $3)",
            )
            .bind(&tenant)
            .bind(role)
            .bind(permission.as_str())
            .execute(&mut **write)
            .await?;
        }
    }
    Ok(())
}
