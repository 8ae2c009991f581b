//! Hosts: what people entered, and what the agent reported.

use gangplank_proto::fact::{HostFacts, PolicyFacts};
use gangplank_proto::id::{ApiId, HostId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::audit::append;
use super::license::room_for_host;
use super::row::{json, number, parsed, parsed_option, time, time_option, to_json};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

mod check;
mod gateway;
mod key;
mod presence;

use check::address;

pub(super) use check::{friendly_name, labels};

pub use key::StoredKey;
pub use presence::Presence;

/// Whether a person has let the host in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Enrolled with a token that wants a person's consent; nothing can be done with it yet.
    Pending,
    /// Part of the fleet.
    Live,
}

impl HostState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Live => "live",
        }
    }
}

impl std::str::FromStr for HostState {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        match text {
            "pending" => Ok(Self::Pending),
            "live" => Ok(Self::Live),
            _ => Err(StoreError::Corrupt("host state")),
        }
    }
}

/// Whose program a host's agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentKind {
    /// Ours.
    Gangplank,
    /// PatchMon's.
    Patchmon,
}

/// A host's row.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Its tenant.
    pub tenant: TenantId,
    /// The public half of its agent's credential.
    pub api_id: ApiId,
    /// What people call it.
    pub friendly_name: String,
    /// Where `direct` mode dials; entered by a person, never taken from the agent.
    pub address: Option<String>,
    /// TCP port for `direct` mode.
    pub port: u16,
    /// The host from which `direct` mode dials; the daemon itself when absent.
    pub gateway: Option<HostId>,
    /// Labels, as they were entered.
    pub labels: Vec<String>,
    /// Whether it is let in.
    pub state: HostState,
    /// The known host that it says it is, while it waits.
    pub same_as: Option<HostId>,
    /// Whether it is to be forgotten when its agent stays away.
    pub ephemeral: bool,
    /// Whose program its agent is; none while none has been there.
    pub agent: Option<AgentKind>,
    /// What the agent says about the host.
    pub facts: HostFacts,
    /// What the agent says its policy allows.
    pub policy: PolicyFacts,
    /// Ports of the host's own sshd, for which the attested keys answer.
    pub ssh_ports: Vec<u16>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its agent reported first.
    pub first_report_at: Option<Timestamp>,
    /// When its agent was last heard of.
    pub last_seen_at: Option<Timestamp>,
    /// The last change of its presence.
    pub presence: Option<Presence>,
}

/// A host to be made.
#[derive(Debug, Clone, Default)]
pub struct NewHost {
    /// What people call it: 1 to 255 characters.
    pub friendly_name: String,
    /// Name or address for `direct` mode.
    pub address: Option<String>,
    /// TCP port for `direct` mode; 22 when absent.
    pub port: Option<u16>,
    /// The host from which `direct` mode dials; the daemon itself when absent.
    pub gateway: Option<HostId>,
    /// Labels: 32 at most, 1 to 64 characters each.
    pub labels: Vec<String>,
}

/// Changes to a host; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct HostPatch {
    /// Another name.
    pub friendly_name: Option<String>,
    /// Another address, or none any more.
    pub address: Option<Option<String>>,
    /// Another port.
    pub port: Option<u16>,
    /// Another gateway, or none any more.
    pub gateway: Option<Option<HostId>>,
    /// Other labels in place of these.
    pub labels: Option<Vec<String>>,
}

/// How a host comes in: with which credential and how far.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The public half of its credential.
    pub api_id: ApiId,
    /// The stored form of its key.
    pub key_hash: String,
    /// Whether it is let in at once.
    pub state: HostState,
    /// Whether it is to be forgotten when its agent stays away.
    pub ephemeral: bool,
}

const COLUMNS: &str = "SELECT id, tenant_id, api_id, friendly_name, address, port, gateway_id, \
    labels, state, ephemeral, facts, policy, ssh_ports, created_at, first_report_at, last_seen_at, presence_at, \
    presence_reason, presence_secure, \
    (SELECT known.id FROM hosts known WHERE known.tenant_id = hosts.tenant_id AND known.id = hosts.same_as) AS same_as, \
    EXISTS (SELECT 1 FROM patchmon_agents p WHERE p.host_id = hosts.id) AS patchmon FROM hosts";

impl Store {
    /// Makes a host.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Exists`] for an API id in use.
    pub async fn create_host(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewHost,
        enrolment: Enrolment,
    ) -> Result<HostId, StoreError> {
        let mut write = self.write().await?;
        let host = insert(&mut write, tenant, by, new, enrolment).await?;
        write.commit().await?;
        Ok(host)
    }

    /// One host of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host(&self, tenant: TenantId, host: HostId) -> Result<Option<Host>, StoreError> {
        let sql = select("tenant_id = $1 AND id = $2");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(host.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(host_row).transpose()
    }

    /// The hosts of a tenant, in the order they were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hosts(
        &self,
        tenant: TenantId,
        page: &PageRequest,
    ) -> Result<Page<Host>, StoreError> {
        let sql = select("tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(tenant.to_string())
            .bind(page.cursor.as_deref().unwrap_or(""))
            .bind(page.size() + 1)
            .fetch_all(&self.reader)
            .await?;
        let hosts = rows.iter().map(host_row).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(hosts, page.size(), |host| host.id.to_string()))
    }

    /// Changes what people entered about a host. False when there is no such host.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, among them a gateway that can't be one.
    pub async fn patch_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        patch: HostPatch,
    ) -> Result<bool, StoreError> {
        let name = patch.friendly_name.as_deref().map(friendly_name).transpose()?;
        let address_given = patch.address.is_some();
        let address = patch.address.flatten().as_deref().map(address).transpose()?;
        let labels = patch.labels.map(labels).transpose()?;
        let labels = labels.map(|labels| to_json(&labels, "labels")).transpose()?;
        let gateway_given = patch.gateway.is_some();
        let mut write = self.write().await?;
        if let Some(Some(gateway)) = patch.gateway {
            gateway::check(&mut write, tenant, Some(host), gateway).await?;
        }
        let done = sqlx::query(
            "UPDATE hosts SET friendly_name = COALESCE($1, friendly_name), \
             address = CASE WHEN $2 THEN $3 ELSE address END, port = COALESCE($4, port), \
             labels = COALESCE($5, labels), \
             gateway_id = CASE WHEN $6 THEN $7 ELSE gateway_id END \
             WHERE tenant_id = $8 AND id = $9",
        )
        .bind(name)
        .bind(address_given)
        .bind(address)
        .bind(patch.port.map(i64::from))
        .bind(labels)
        .bind(gateway_given)
        .bind(patch.gateway.flatten().map(|gateway| gateway.to_string()))
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        finish(write, tenant, by, host, "host.update", done.rows_affected()).await
    }

    /// Removes a host, its credential and its host keys. False when there is no such host.
    ///
    /// # Errors
    /// [`StoreError::Refused`] while it is the gateway of others.
    pub async fn delete_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        gateway::check_removable(&mut write, tenant, host).await?;
        let done = sqlx::query("DELETE FROM hosts WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(host.to_string())
            .execute(&mut *write)
            .await?;
        finish(write, tenant, by, host, "host.delete", done.rows_affected()).await
    }
}

/// Makes a host within a transaction.
pub(super) async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    new: NewHost,
    enrolment: Enrolment,
) -> Result<HostId, StoreError> {
    let host = HostId::new();
    let name = friendly_name(&new.friendly_name)?;
    room_for_host(write, tenant).await?;
    if let Some(gateway) = new.gateway {
        gateway::check(write, tenant, None, gateway).await?;
    }
    sqlx::query(
        "INSERT INTO hosts (id, tenant_id, api_id, key_hash, friendly_name, address, port, \
         gateway_id, labels, state, ephemeral, facts, policy, ssh_ports, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(host.to_string())
    .bind(tenant.to_string())
    .bind(enrolment.api_id.as_str())
    .bind(enrolment.key_hash)
    .bind(&name)
    .bind(new.address.as_deref().map(address).transpose()?)
    .bind(i64::from(new.port.unwrap_or(22)))
    .bind(new.gateway.map(|gateway| gateway.to_string()))
    .bind(to_json(&labels(new.labels)?, "labels")?)
    .bind(enrolment.state.as_str())
    .bind(enrolment.ephemeral)
    .bind(to_json(&HostFacts::default(), "facts")?)
    .bind(to_json(&PolicyFacts::default(), "policy")?)
    .bind("[]")
    .bind(by.at.millis())
    .execute(&mut **write)
    .await
    .map_err(|error| StoreError::named(error, "a host with that API id"))?;
    let entry = Entry::done(tenant, "host.create", format!("host:{host}"))
        .with(serde_json::json!({ "friendly_name": name, "state": enrolment.state }));
    append(write, by, entry).await?;
    Ok(host)
}

/// Audits a change of one host and commits it; false and no audit when there was no such host.
async fn finish(
    mut write: Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    host: HostId,
    action: &'static str,
    rows: u64,
) -> Result<bool, StoreError> {
    if rows == 0 {
        return Ok(false);
    }
    append(&mut write, by, Entry::done(tenant, action, format!("host:{host}"))).await?;
    write.commit().await?;
    Ok(true)
}

fn select(condition: &'static str) -> String {
    format!("{COLUMNS} WHERE {condition}")
}

fn host_row(row: &SqliteRow) -> Result<Host, StoreError> {
    let presence = match time_option(row, "presence_at")? {
        Some(since) => Some(Presence {
            since,
            reason: row.try_get("presence_reason")?,
            secure: row.try_get("presence_secure")?,
        }),
        None => None,
    };
    let agent = match (row.try_get("patchmon")?, time_option(row, "last_seen_at")?) {
        (true, _) => Some(AgentKind::Patchmon),
        (false, Some(_)) => Some(AgentKind::Gangplank),
        (false, None) => None,
    };
    Ok(Host {
        id: parsed(row, "id")?,
        tenant: parsed(row, "tenant_id")?,
        agent,
        api_id: parsed(row, "api_id")?,
        friendly_name: row.try_get("friendly_name")?,
        address: row.try_get("address")?,
        port: number(row, "port")?,
        gateway: parsed_option(row, "gateway_id")?,
        labels: json(row, "labels")?,
        state: row.try_get::<&str, _>("state")?.parse()?,
        same_as: parsed_option(row, "same_as")?,
        ephemeral: row.try_get("ephemeral")?,
        facts: json(row, "facts")?,
        policy: json(row, "policy")?,
        ssh_ports: json(row, "ssh_ports")?,
        created_at: time(row, "created_at")?,
        first_report_at: time_option(row, "first_report_at")?,
        last_seen_at: time_option(row, "last_seen_at")?,
        presence,
    })
}
