//! What needs consent.

use gangplank_proto::id::{PolicyId, TenantId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use crate::approval::{LIFE, NewPolicy, Policy};
use crate::audit::{By, Entry};
use crate::store::audit::append;
use crate::store::row::{json, parsed, time, to_json};
use crate::store::{Store, StoreError};

/// Policies of a tenant at most: each is looked at with every order.
const PER_TENANT: i64 = 50;

/// Names in one list of a policy at most.
const NAMES: usize = 100;

fn checked(mut what: NewPolicy) -> Result<NewPolicy, StoreError> {
    let [shortest, longest] = LIFE;
    if !(shortest..=longest).contains(&what.life) {
        return Err(StoreError::Invalid("life takes a duration from 1s to 7d"));
    }
    what.name = crate::store::host::friendly_name(&what.name).map_err(|_| {
        StoreError::Invalid("name takes 1 to 255 characters without control characters")
    })?;
    what.labels = crate::store::host::labels(what.labels)?;
    let wrong = |name: &String| {
        name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control)
    };
    if what.tools.len() > NAMES
        || what.roles.len() > NAMES
        || what.tools.iter().chain(&what.roles).any(wrong)
    {
        return Err(StoreError::Invalid(
            "tools and roles take up to 100 names of 1 to 64 characters",
        ));
    }
    // Each has a few words only.
    if what.commands.len() > NAMES || what.terminals.len() > NAMES || what.permissions.len() > NAMES
    {
        return Err(StoreError::Invalid("a list names the same thing again and again"));
    }
    Ok(what)
}

impl Store {
    /// Makes a policy.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Refused`] when there are as many as may be.
    pub async fn create_approval_policy(
        &self,
        tenant: TenantId,
        by: &By,
        what: NewPolicy,
    ) -> Result<Policy, StoreError> {
        let what = checked(what)?;
        let mut write = self.write().await?;
        let row =
            sqlx::query("SELECT COUNT(*) AS count FROM approval_policies WHERE tenant_id = $1")
                .bind(tenant.to_string())
                .fetch_one(&mut *write)
                .await?;
        if row.try_get::<i64, _>("count")? >= PER_TENANT {
            return Err(StoreError::Refused("there are 50 policies, which is as many as may be"));
        }
        let created_by = by.actor.to_string();
        let policy = Policy { id: PolicyId::new(), what, created_at: by.at, created_by };
        save(&mut write, tenant, by, "approval_policy.create", &policy).await?;
        write.commit().await?;
        Ok(policy)
    }

    /// Changes a policy; what waits already goes on waiting. None when there is no such policy.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, or what `change` says.
    pub async fn patch_approval_policy(
        &self,
        tenant: TenantId,
        by: &By,
        id: PolicyId,
        change: impl FnOnce(NewPolicy) -> Result<NewPolicy, StoreError>,
    ) -> Result<Option<Policy>, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query("SELECT * FROM approval_policies WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&mut *write)
            .await?;
        let Some(before) = row.as_ref().map(policy_row).transpose()? else { return Ok(None) };
        let policy = Policy { what: checked(change(before.what)?)?, ..before };
        save(&mut write, tenant, by, "approval_policy.change", &policy).await?;
        write.commit().await?;
        Ok(Some(policy))
    }

    /// Removes a policy; what waits already goes on waiting. False when there is no such policy.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_approval_policy(
        &self,
        tenant: TenantId,
        by: &By,
        id: PolicyId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "DELETE FROM approval_policies WHERE tenant_id = $1 AND id = $2 RETURNING *",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(policy) = row.as_ref().map(policy_row).transpose()? else { return Ok(false) };
        let entry = Entry::done(tenant, "approval_policy.delete", format!("approval_policy:{id}"))
            .with(serde_json::json!({ "name": policy.what.name }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// The policies of a tenant, oldest first; there are few.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn approval_policies(&self, tenant: TenantId) -> Result<Vec<Policy>, StoreError> {
        let rows = sqlx::query("SELECT * FROM approval_policies WHERE tenant_id = $1 ORDER BY id")
            .bind(tenant.to_string())
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(policy_row).collect()
    }
}

async fn save(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    action: &'static str,
    policy: &Policy,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO approval_policies (id, tenant_id, enabled, rules, created_at, created_by) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) \
         DO UPDATE SET enabled = excluded.enabled, rules = excluded.rules",
    )
    .bind(policy.id.to_string())
    .bind(tenant.to_string())
    .bind(policy.what.enabled)
    .bind(to_json(&policy.what, "policy")?)
    .bind(policy.created_at.millis())
    .bind(&policy.created_by)
    .execute(&mut **write)
    .await?;
    let rules = serde_json::to_value(&policy.what).map_err(|_| StoreError::Corrupt("policy"))?;
    let entry = Entry::done(tenant, action, format!("approval_policy:{}", policy.id)).with(rules);
    append(write, by, entry).await
}

fn policy_row(row: &SqliteRow) -> Result<Policy, StoreError> {
    Ok(Policy {
        id: parsed(row, "id")?,
        what: json(row, "rules")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
    })
}
