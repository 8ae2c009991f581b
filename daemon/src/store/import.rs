//! Hosts and users that come from another server: all of them or none.

use gangplank_proto::id::{HostId, TenantId, UserId};
use serde_json::json;

use super::audit::append;
use super::host::insert;
use super::row::to_json;
use super::{Enrolment, HostState, NewHost, NewUser, Store, StoreError};
use crate::audit::{By, Entry};
use crate::import::{Import, Summary};

/// What an import changed.
#[derive(Debug, Default)]
pub struct Imported {
    /// What came and what didn't.
    pub summary: Summary,
    /// The hosts that came.
    pub hosts: Vec<HostId>,
}

impl Store {
    /// Brings hosts and users in, in one transaction; what is here already stays as it is. With
    /// `dry_run` it only says what would come.
    ///
    /// # Errors
    /// When the database fails; then nothing has come.
    pub async fn import(
        &self,
        tenant: TenantId,
        by: &By,
        import: Import,
        dry_run: bool,
    ) -> Result<Imported, StoreError> {
        let mut write = self.write().await?;
        let mut imported = Imported::default();
        imported.summary.dry_run = dry_run;
        for host in import.hosts {
            let tally = &mut imported.summary.hosts;
            // An id is unique over all tenants.
            let known = sqlx::query("SELECT id FROM hosts WHERE api_id = $1")
                .bind(host.api_id.as_str())
                .fetch_optional(&mut *write)
                .await?;
            if known.is_some() {
                tally.present.push(host.name);
                continue;
            }
            tally.taken.push(host.name.clone());
            let new = NewHost { friendly_name: host.name, ..NewHost::default() };
            let enrolment = Enrolment {
                api_id: host.api_id,
                key_hash: host.key.expose().to_owned(),
                state: HostState::Live,
                ephemeral: false,
            };
            let id = insert(&mut write, tenant, by, new, enrolment).await?;
            sqlx::query("UPDATE hosts SET facts = $1 WHERE tenant_id = $2 AND id = $3")
                .bind(to_json(&host.facts, "facts")?)
                .bind(tenant.to_string())
                .bind(id.to_string())
                .execute(&mut *write)
                .await?;
            sqlx::query(
                "INSERT INTO patchmon_agents (tenant_id, host_id, hashes) VALUES ($1, $2, '{}')",
            )
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
            imported.hosts.push(id);
        }
        for user in import.users {
            let tally = &mut imported.summary.users;
            let known = sqlx::query("SELECT id FROM users WHERE username_key = $1")
                .bind(user.username.key())
                .fetch_optional(&mut *write)
                .await?;
            if known.is_some() {
                tally.present.push(user.username.to_string());
                continue;
            }
            tally.taken.push(user.username.to_string());
            let new = NewUser {
                username: user.username,
                password_hash: user.password.expose().to_owned(),
                roles: vec![user.role],
            };
            let id = super::user::insert(&mut write, tenant, by, &new).await?;
            if user.disabled {
                disable(&mut write, tenant, id).await?;
            }
        }
        if dry_run {
            return Ok(imported);
        }
        let (hosts, users) = (&imported.summary.hosts.taken, &imported.summary.users.taken);
        let entry = Entry::done(tenant, "import.patchmon", "store")
            .with(json!({ "hosts": hosts.len(), "users": users.len() }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(imported)
    }
}

async fn disable(
    write: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    tenant: TenantId,
    user: UserId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET disabled = TRUE WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.to_string())
        .bind(user.to_string())
        .execute(&mut **write)
        .await?;
    Ok(())
}
