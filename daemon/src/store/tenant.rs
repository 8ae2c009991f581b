//! Tenants and the roles they come with.

use gangplank_proto::id::TenantId;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};

use super::audit::append;
use super::row::{number, number_option, parsed, time};
use super::{Page, PageRequest, Store, StoreError, retention};
use crate::audit::{By, Entry};
use crate::auth::{BUILT_IN_ROLES, PLATFORM_ROLE, Permission};
use crate::clock::Timestamp;
use crate::retention::Keeping;

mod purge;

#[cfg(test)]
pub(super) use purge::TABLES as PURGED;

/// Longest name of a tenant, in bytes.
const LONGEST_NAME: usize = 64;

/// What is read of a tenant.
const COLUMNS: &str = "id, name, active, max_hosts, max_users, max_terminals, max_subscribers, \
                       max_rows_per_minute, max_bytes_per_minute, created_at";

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

/// A tenant with how much it has.
#[derive(Debug, Clone)]
pub struct TenantCounts {
    /// The tenant.
    pub tenant: Tenant,
    /// Its hosts.
    pub hosts: u64,
    /// Its users.
    pub users: u64,
}

/// Changes to a tenant; what is absent stays.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TenantPatch {
    /// Another name.
    pub name: Option<String>,
    /// Whether its people and agents are let in.
    pub active: Option<bool>,
    /// How much it may have.
    pub limits: Option<Limits>,
    /// How long its things are kept, where not as the daemon is configured.
    pub retention: Option<Keeping>,
}

/// How much a tenant may have; without bound of its own where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Hosts.
    #[serde(default)]
    pub max_hosts: Option<u32>,
    /// Users.
    #[serde(default)]
    pub max_users: Option<u32>,
    /// Terminals that are open or detached.
    #[serde(default)]
    pub max_terminals: Option<u32>,
    /// Sockets that follow one topic.
    #[serde(default)]
    pub max_subscribers: Option<u32>,
    /// Rows that its devices send.
    #[serde(default)]
    pub max_rows_per_minute: Option<u32>,
    /// Bytes that its devices send.
    #[serde(default)]
    pub max_bytes_per_minute: Option<u32>,
}

impl Limits {
    /// Of what the daemon allows everybody, as much as this tenant may have.
    #[must_use]
    pub fn within(most: u64, own: Option<u32>) -> u64 {
        own.map_or(most, |own| most.min(own.into()))
    }
}

impl Store {
    /// The first tenant; made, with the name `default`, when there is none. Also brings the built-in
    /// roles of every tenant to what this version says. Done at every start.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bootstrap(&self, by: &By) -> Result<Tenant, StoreError> {
        let mut write = self.write().await?;
        let first = format!(
            "SELECT {COLUMNS} FROM tenants \
             WHERE id = (SELECT value FROM meta WHERE name = 'first_tenant')"
        );
        let first = sqlx::query(sqlx::AssertSqlSafe(first)).fetch_optional(&mut *write).await?;
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
        let tenants = "SELECT id FROM tenants WHERE deleted_at IS NULL";
        for row in sqlx::query(tenants).fetch_all(&mut *write).await? {
            built_in_roles(&mut write, parsed(&row, "id")?).await?;
        }
        put_role(&mut write, first.id, PLATFORM_ROLE).await?;
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

    /// How much a tenant may have.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn limits_of(&self, tenant: TenantId) -> Result<Limits, StoreError> {
        let found = self.tenant_called(&tenant.to_string()).await?;
        Ok(found.map_or(Limits::default(), |tenant| tenant.limits))
    }

    /// Makes a tenant with the built-in roles.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::Invalid`] when it is none.
    pub async fn create_tenant(&self, by: &By, name: &str) -> Result<Tenant, StoreError> {
        check_name(name)?;
        let mut write = self.write().await?;
        let tenant = insert(&mut write, by, name).await?;
        built_in_roles(&mut write, tenant.id).await?;
        write.commit().await?;
        Ok(tenant)
    }

    /// Every tenant, in the order they were made, with how much it has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenants(&self, page: &PageRequest) -> Result<Page<TenantCounts>, StoreError> {
        let sql = counted("id > $1 ORDER BY id LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(page.cursor.as_deref().unwrap_or(""))
            .bind(page.size() + 1)
            .fetch_all(&self.reader)
            .await?;
        let tenants = rows.iter().map(counts_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(tenants, page.size(), |counts| counts.tenant.id.to_string()))
    }

    /// One tenant, with how much it has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tenant_counts(&self, id: TenantId) -> Result<Option<TenantCounts>, StoreError> {
        let sql = counted("id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(counts_row).transpose()
    }

    /// Changes a tenant. False when there is no such tenant.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::Invalid`] when it is none,
    /// [`StoreError::Refused`] when the first tenant would be suspended.
    pub async fn patch_tenant(
        &self,
        by: &By,
        tenant: TenantId,
        patch: TenantPatch,
    ) -> Result<bool, StoreError> {
        patch.name.as_deref().map(check_name).transpose()?;
        let mut write = self.write().await?;
        if named(&mut write, &tenant.to_string()).await?.is_none() {
            return Ok(false);
        }
        if patch.active == Some(false) {
            not_the_first(&mut write, tenant).await?;
        }
        sqlx::query(
            "UPDATE tenants SET name = COALESCE($1, name), active = COALESCE($2, active) \
             WHERE id = $3",
        )
        .bind(&patch.name)
        .bind(patch.active)
        .bind(tenant.to_string())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "a tenant of that name"))?;
        if let Some(limits) = patch.limits {
            put_limits(&mut write, tenant, limits).await?;
        }
        if let Some(granted) = &patch.retention {
            retention::grant(&mut write, tenant, granted).await?;
        }
        let entry = Entry::done(tenant, "tenant.change", format!("tenant:{tenant}"));
        append(&mut write, by, entry.with(serde_json::json!(patch))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Deletes a tenant: from now on nobody of it is let in, and what it has goes soon. False when
    /// there is no such tenant.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for the first tenant.
    pub async fn delete_tenant(&self, by: &By, tenant: TenantId) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let Some(known) = named(&mut write, &tenant.to_string()).await? else { return Ok(false) };
        not_the_first(&mut write, tenant).await?;
        // The row stays, so that the id never names another; the name is free again.
        sqlx::query("UPDATE tenants SET active = FALSE, deleted_at = $1, name = id WHERE id = $2")
            .bind(by.at.millis())
            .bind(tenant.to_string())
            .execute(&mut *write)
            .await?;
        let entry = Entry::done(tenant, "tenant.delete", format!("tenant:{}", known.name));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }
}

fn counted(condition: &'static str) -> String {
    format!(
        "SELECT {COLUMNS}, \
         (SELECT COUNT(*) FROM hosts h WHERE h.tenant_id = tenants.id) AS hosts, \
         (SELECT COUNT(*) FROM users u WHERE u.tenant_id = tenants.id) AS users \
         FROM tenants WHERE deleted_at IS NULL AND {condition}"
    )
}

fn counts_row(row: &SqliteRow) -> Result<TenantCounts, StoreError> {
    let (hosts, users) = (number(row, "hosts")?, number(row, "users")?);
    Ok(TenantCounts { tenant: tenant_row(row)?, hosts, users })
}

fn check_name(name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(StoreError::Invalid("a tenant's name has 1 to 64 bytes, none of control"));
    }
    if name.parse::<TenantId>().is_ok() {
        return Err(StoreError::Invalid("a tenant's name can't have the form of an id"));
    }
    Ok(())
}

/// Those who look after tenants are of the first one.
async fn not_the_first(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
) -> Result<(), StoreError> {
    let first = sqlx::query("SELECT value FROM meta WHERE name = 'first_tenant' AND value = $1")
        .bind(tenant.to_string())
        .fetch_optional(&mut **write)
        .await?;
    match first {
        Some(_) => Err(StoreError::Refused("the first tenant stays: it looks after the others")),
        None => Ok(()),
    }
}

/// The tenant of an id or a name.
pub(super) async fn named(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Tenant>, StoreError> {
    // No name has the form of an id, so this finds one at most.
    let id = name.parse::<TenantId>().map(|id| id.to_string());
    let sql = format!(
        "SELECT {COLUMNS} FROM tenants WHERE (id = $1 OR name = $2) AND deleted_at IS NULL"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
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
    sqlx::query(
        "UPDATE tenants SET max_hosts = $1, max_users = $2, max_terminals = $3, \
         max_subscribers = $4, max_rows_per_minute = $5, max_bytes_per_minute = $6 WHERE id = $7",
    )
    .bind(limits.max_hosts.map(i64::from))
    .bind(limits.max_users.map(i64::from))
    .bind(limits.max_terminals.map(i64::from))
    .bind(limits.max_subscribers.map(i64::from))
    .bind(limits.max_rows_per_minute.map(i64::from))
    .bind(limits.max_bytes_per_minute.map(i64::from))
    .bind(tenant.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

fn tenant_row(row: &SqliteRow) -> Result<Tenant, StoreError> {
    Ok(Tenant {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        active: row.try_get("active")?,
        limits: Limits {
            max_hosts: number_option(row, "max_hosts")?,
            max_users: number_option(row, "max_users")?,
            max_terminals: number_option(row, "max_terminals")?,
            max_subscribers: number_option(row, "max_subscribers")?,
            max_rows_per_minute: number_option(row, "max_rows_per_minute")?,
            max_bytes_per_minute: number_option(row, "max_bytes_per_minute")?,
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
    for role in BUILT_IN_ROLES {
        put_role(write, tenant, role).await?;
    }
    Ok(())
}

/// Makes a built-in role, or brings it to what this version says. A tenant's own role of that name
/// stays what it is: nobody gets a right by a new version.
async fn put_role(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    (role, permissions): (&str, &[Permission]),
) -> Result<(), StoreError> {
    let tenant = tenant.to_string();
    let row = sqlx::query(
        "INSERT INTO roles (tenant_id, name, built_in) VALUES ($1, $2, TRUE) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET built_in = roles.built_in \
         RETURNING built_in",
    )
    .bind(&tenant)
    .bind(role)
    .fetch_one(&mut **write)
    .await?;
    if !row.try_get::<bool, _>("built_in")? {
        return Ok(());
    }
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
    Ok(())
}
