//! What is said of how long a tenant's things are kept, and whose things a sweep is about.

use gangplank_proto::id::TenantId;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::append;
use super::row::{parsed, to_json};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::retention::Keeping;

/// What is said about a tenant; nothing where it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// By those who look after tenants.
    pub granted: Keeping,
    /// By itself.
    pub own: Keeping,
}

/// Whose things a sweep is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of one tenant, about which something is said.
    Tenant(TenantId),
    /// Those of all others.
    Others,
}

impl Whose {
    /// What restricts rows to these, where [`text`](Self::text) is bound as the second parameter.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Tenant(_) => "tenant_id = $2",
            Self::Others => {
                "$2 = '' AND tenant_id NOT IN (SELECT id FROM tenants \
                 WHERE granted_retention IS NOT NULL OR own_retention IS NOT NULL)"
            }
        }
    }

    /// The parameter of the condition.
    pub(super) fn text(self) -> String {
        match self {
            Self::Tenant(tenant) => tenant.to_string(),
            Self::Others => String::new(),
        }
    }
}

impl Store {
    /// What is said about each tenant about which anything is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retentions(&self) -> Result<Vec<(TenantId, Said)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, granted_retention, own_retention FROM tenants \
             WHERE granted_retention IS NOT NULL OR own_retention IS NOT NULL",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(|row| Ok((parsed(row, "id")?, said(row)?))).collect()
    }

    /// What is said about one tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn retention_said(&self, tenant: TenantId) -> Result<Said, StoreError> {
        let row = sqlx::query("SELECT granted_retention, own_retention FROM tenants WHERE id = $1")
            .bind(tenant.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map_or(Ok(Said::default()), said)
    }

    /// Takes a tenant's own wish in place of the one before.
    ///
    /// # Errors
    /// When the database fails; nothing was changed then.
    pub async fn wish_retention(
        &self,
        tenant: TenantId,
        by: &By,
        wish: &Keeping,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE tenants SET own_retention = $1 WHERE id = $2")
            .bind(text(wish)?)
            .bind(tenant.to_string())
            .execute(&mut *write)
            .await?;
        let entry = Entry::done(tenant, "settings.retention", format!("tenant:{tenant}"))
            .with(serde_json::json!({ "retention": wish }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }
}

/// Takes what those say who look after tenants in place of what they said before.
pub(super) async fn grant(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    granted: &Keeping,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE tenants SET granted_retention = $1 WHERE id = $2")
        .bind(text(granted)?)
        .bind(tenant.to_string())
        .execute(&mut **write)
        .await?;
    Ok(())
}

/// Nothing for nothing, so that a tenant that says nothing is one of the others.
fn text(keeping: &Keeping) -> Result<Option<String>, StoreError> {
    if *keeping == Keeping::default() {
        return Ok(None);
    }
    to_json(keeping, "retention").map(Some)
}

fn said(row: &SqliteRow) -> Result<Said, StoreError> {
    let keeping = |column: &'static str| {
        let text = row.try_get::<Option<&str>, _>(column)?;
        let read = text.map_or(Ok(Keeping::default()), serde_json::from_str);
        read.map_err(|_| StoreError::Corrupt(column))
    };
    Ok(Said { granted: keeping("granted_retention")?, own: keeping("own_retention")? })
}
