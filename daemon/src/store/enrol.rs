//! Bringing hosts in by provisioning key: new ones, and those that are known already.
//!
//! A machine that is known comes in again as the same host when it brings that host's key along. Without
//! it the newcomer is another host, which waits: a person decides whether it takes the known one's place.

use std::net::IpAddr;

use gangplank_proto::id::{HostId, TenantId};
use ipnet::IpNet;
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::append;
use super::host::insert;
use super::row::{json, parsed};
use super::{Enrolment, HostState, NewHost, Store, StoreError};
use crate::audit::{Actor, By, Entry};
use crate::clock::Timestamp;

/// A host that wants to come in.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// From where it comes.
    pub source: Option<IpAddr>,
    /// What it is called.
    pub host: NewHost,
    /// Hash of what tells its installation from others, if it says.
    pub machine: Option<String>,
    /// The host whose key it brought along.
    pub proved: Option<(TenantId, HostId)>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolled {
    /// The key can't be used.
    No,
    /// The key may not be used from there; it was not.
    WrongNetwork,
    /// It is in, as a new host.
    New(TenantId, HostId, HostState),
    /// It is in, as the host that it was.
    Again(TenantId, HostId, HostState),
}

/// What became of a person's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// There is no such host.
    NoHost,
    /// It is let in.
    In,
    /// It took the place of a known host.
    InPlaceOf(HostId),
    /// There is no host whose place it could take.
    Nobody,
}

impl Store {
    /// Brings a host in with a key, using it once; this finds the tenant. When the key can't be used
    /// nothing has happened.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field of the host; the key is then unused.
    pub async fn enrol(
        &self,
        key_hash: &str,
        arrival: Arrival,
        mut enrolment: Enrolment,
        now: Timestamp,
    ) -> Result<Enrolled, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE provisioning_keys SET uses_left = uses_left - 1 \
             WHERE hash = $1 AND uses_left > 0 AND expires_at > $2 \
             AND tenant_id IN (SELECT id FROM tenants WHERE active) \
             RETURNING id, tenant_id, approve, ephemeral, labels, networks",
        )
        .bind(key_hash)
        .bind(now.millis())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(Enrolled::No) };
        let tenant: TenantId = parsed(&row, "tenant_id")?;
        let id: &str = row.try_get("id")?;
        let Arrival { source, mut host, machine, proved } = arrival;
        let by = By { actor: Actor::ProvisioningKey(id.to_owned()), source, at: now };
        if !allowed(&row, source)? {
            drop(write);
            let entry = Entry::refused(Some(tenant), "host.enrol", format!("token:{id}"));
            self.audit(&by, entry.with(json!({ "why": "network" }))).await?;
            return Ok(Enrolled::WrongNetwork);
        }
        let proved = proved.filter(|(of, _)| *of == tenant).map(|(_, host)| host);
        let machine = machine.as_deref();
        if let Some(host) = proved
            && let Some(state) = again(&mut write, tenant, &by, host, machine, &enrolment).await?
        {
            write.commit().await?;
            return Ok(Enrolled::Again(tenant, host, state));
        }
        enrolment.ephemeral = row.try_get("ephemeral")?;
        // Images of hosts that come and go are copies of each other.
        let known = match machine {
            Some(machine) if !enrolment.ephemeral => known(&mut write, tenant, machine).await?,
            _ => None,
        };
        let waits = known.is_some() || row.try_get("approve")?;
        enrolment.state = if waits { HostState::Pending } else { HostState::Live };
        // What a host says about its own labels doesn't count.
        host.labels = json(&row, "labels")?;
        let state = enrolment.state;
        let host = insert(&mut write, tenant, &by, host, enrolment).await?;
        sqlx::query("UPDATE hosts SET machine = $1, same_as = $2 WHERE tenant_id = $3 AND id = $4")
            .bind(machine)
            .bind(known.map(|known| known.to_string()))
            .bind(tenant.to_string())
            .bind(host.to_string())
            .execute(&mut *write)
            .await?;
        if let Some(known) = known {
            let entry = Entry::done(tenant, "host.known_machine", format!("host:{host}"));
            append(&mut write, &by, entry.with(json!({ "same_as": known }))).await?;
        }
        write.commit().await?;
        Ok(Enrolled::New(tenant, host, state))
    }

    /// Lets a pending host in: as it is, or in the place of the known host whose machine it says it is,
    /// with all that is known of that one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        in_place: bool,
    ) -> Result<Accepted, StoreError> {
        let mut write = self.write().await?;
        if in_place {
            return replace(write, tenant, by, host).await;
        }
        let done = sqlx::query(
            "UPDATE hosts SET state = 'live', same_as = NULL WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Accepted::NoHost);
        }
        append(&mut write, by, Entry::done(tenant, "host.accept", format!("host:{host}"))).await?;
        write.commit().await?;
        Ok(Accepted::In)
    }
}

/// Whether a key may be used from an address.
fn allowed(row: &SqliteRow, source: Option<IpAddr>) -> Result<bool, StoreError> {
    let networks: Vec<IpNet> = json(row, "networks")?;
    let source = source.map(|source| source.to_canonical());
    let inside = |source| networks.iter().any(|network| network.contains(&source));
    Ok(networks.is_empty() || source.is_some_and(inside))
}

/// Gives a known host another credential. Its state; none when it is gone.
async fn again(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    host: HostId,
    machine: Option<&str>,
    enrolment: &Enrolment,
) -> Result<Option<HostState>, StoreError> {
    let row = sqlx::query(
        "UPDATE hosts SET api_id = $1, key_hash = $2, machine = COALESCE($3, machine) \
         WHERE tenant_id = $4 AND id = $5 RETURNING state",
    )
    .bind(enrolment.api_id.as_str())
    .bind(&enrolment.key_hash)
    .bind(machine)
    .bind(tenant.to_string())
    .bind(host.to_string())
    .fetch_optional(&mut **write)
    .await?;
    let Some(row) = row else { return Ok(None) };
    append(write, by, Entry::done(tenant, "host.enrol_again", format!("host:{host}"))).await?;
    Ok(Some(parsed(&row, "state")?))
}

/// The host that said before that it is this machine.
async fn known(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    machine: &str,
) -> Result<Option<HostId>, StoreError> {
    let row = sqlx::query(
        "SELECT id FROM hosts WHERE tenant_id = $1 AND machine = $2 AND state = 'live' \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(tenant.to_string())
    .bind(machine)
    .fetch_optional(&mut **write)
    .await?;
    row.map(|row| parsed(&row, "id")).transpose()
}

async fn replace(
    mut write: Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    host: HostId,
) -> Result<Accepted, StoreError> {
    let row = sqlx::query(
        "SELECT n.api_id, n.key_hash, n.machine, o.id AS known FROM hosts n \
         LEFT JOIN hosts o ON o.tenant_id = n.tenant_id AND o.id = n.same_as \
         WHERE n.tenant_id = $1 AND n.id = $2",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .fetch_optional(&mut *write)
    .await?;
    let Some(row) = row else { return Ok(Accepted::NoHost) };
    let Some(known) = super::row::parsed_option::<HostId>(&row, "known")? else {
        return Ok(Accepted::Nobody);
    };
    // First, because no two hosts have one id of a credential.
    sqlx::query("DELETE FROM hosts WHERE tenant_id = $1 AND id = $2")
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
    sqlx::query(
        "UPDATE hosts SET api_id = $1, key_hash = $2, machine = $3 WHERE tenant_id = $4 AND id = $5",
    )
    .bind(row.try_get::<&str, _>("api_id")?)
    .bind(row.try_get::<&str, _>("key_hash")?)
    .bind(row.try_get::<Option<&str>, _>("machine")?)
    .bind(tenant.to_string())
    .bind(known.to_string())
    .execute(&mut *write)
    .await?;
    let entry = Entry::done(tenant, "host.accept_again", format!("host:{known}"));
    append(&mut write, by, entry.with(json!({ "registered_as": host }))).await?;
    write.commit().await?;
    Ok(Accepted::InPlaceOf(known))
}
