//! SSH host keys that are trusted: attested by the host's own agent, or accepted by a person for one
//! target.

use gangplank_proto::id::{HostId, TenantId};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::audit::append;
use super::row::{parsed, time};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;

/// Where the trust in a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKeySource {
    /// The agent said so over its authenticated link: answers for the ports of the host's own sshd.
    Attested,
    /// A person accepted it, for one target.
    Accepted,
    /// The agent says so instead of what it said before; not trusted until a person agrees.
    Pending,
}

impl HostKeySource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Accepted => "accepted",
            Self::Pending => "pending",
        }
    }
}

impl std::str::FromStr for HostKeySource {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        [Self::Attested, Self::Accepted, Self::Pending]
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or(StoreError::Corrupt("host key source"))
    }
}

/// A key of a host.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// Its id.
    pub id: Uuid,
    /// `host:port` that it was accepted for; none for attested and pending ones.
    pub target: Option<String>,
    /// Type, such as `ssh-ed25519`.
    pub key_type: String,
    /// OpenSSH line, without comment.
    pub openssh: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Why it is trusted, or that it isn't yet.
    pub source: HostKeySource,
    /// Since when.
    pub added_at: Timestamp,
}

/// A key to be kept. Parsing and fingerprint are the caller's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHostKey {
    /// Type, such as `ssh-ed25519`.
    pub key_type: String,
    /// OpenSSH line, without comment.
    pub openssh: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

/// What became of the keys that an agent reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attestation {
    /// The first keys of this host; trusted now.
    First,
    /// The same keys as before.
    Same,
    /// Other keys, at least one of which was trusted before; trusted now.
    Renewed,
    /// None of them was trusted before: they wait for a person. To be alerted.
    Pending,
}

impl Store {
    /// All keys of a host, pending ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_keys(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Vec<HostKey>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        read(&mut reader, tenant, host).await
    }

    /// Takes the keys that an agent reports for its host's own sshd. Reporting none changes nothing.
    ///
    /// # Errors
    /// When the database fails, or there is no such host.
    pub async fn attest_host_keys(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        reported: &[NewHostKey],
    ) -> Result<Attestation, StoreError> {
        let mut write = self.write().await?;
        let known = read(&mut write, tenant, host).await?;
        let of = |source| known.iter().filter(move |key| key.source == source);
        let common = of(HostKeySource::Attested)
            .filter(|key| reported.iter().any(|new| new.fingerprint == key.fingerprint))
            .count();
        let trusted = of(HostKeySource::Attested).count();
        if reported.is_empty() || (common == trusted && trusted == reported.len()) {
            // Back to what is trusted: a question that was open is answered.
            if !reported.is_empty() && of(HostKeySource::Pending).count() > 0 {
                remove_all(&mut write, tenant, host, HostKeySource::Pending).await?;
                write.commit().await?;
            }
            return Ok(Attestation::Same);
        }
        let (verdict, source) = if trusted == 0 {
            (Attestation::First, HostKeySource::Attested)
        } else if common > 0 {
            (Attestation::Renewed, HostKeySource::Attested)
        } else {
            (Attestation::Pending, HostKeySource::Pending)
        };
        let asked = verdict == Attestation::Pending
            && of(HostKeySource::Pending).count() == reported.len()
            && of(HostKeySource::Pending)
                .all(|key| reported.iter().any(|new| new.fingerprint == key.fingerprint));
        if asked {
            return Ok(verdict);
        }
        remove_all(&mut write, tenant, host, HostKeySource::Pending).await?;
        remove_all(&mut write, tenant, host, source).await?;
        for key in reported {
            insert(&mut write, tenant, by, host, "", source, key).await?;
        }
        let fingerprints: Vec<_> = reported.iter().map(|key| &key.fingerprint).collect();
        let object = format!("host:{host}");
        let entry = if verdict == Attestation::Pending {
            Entry::refused(Some(tenant), "host_key.attest", object)
        } else {
            Entry::done(tenant, "host_key.attest", object)
        };
        append(&mut write, by, entry.with(serde_json::json!({ "fingerprints": fingerprints })))
            .await?;
        write.commit().await?;
        Ok(verdict)
    }

    /// A person agrees to the pending keys of a host, naming them all by their fingerprints. False
    /// when those are not the ones that are pending.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept_attested(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        fingerprints: &[String],
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let known = read(&mut write, tenant, host).await?;
        let pending: Vec<_> =
            known.iter().filter(|key| key.source == HostKeySource::Pending).collect();
        let all_named = pending.iter().all(|key| fingerprints.contains(&key.fingerprint));
        if pending.is_empty() || pending.len() != fingerprints.len() || !all_named {
            return Ok(false);
        }
        remove_all(&mut write, tenant, host, HostKeySource::Attested).await?;
        sqlx::query(
            "UPDATE host_keys SET source = 'attested', added_at = $1, added_by = $2 \
             WHERE tenant_id = $3 AND host_id = $4 AND source = 'pending'",
        )
        .bind(by.at.millis())
        .bind(by.actor.to_string())
        .bind(tenant.to_string())
        .bind(host.to_string())
        .execute(&mut *write)
        .await?;
        let entry = Entry::done(tenant, "host_key.accept_attested", format!("host:{host}"))
            .with(serde_json::json!({ "fingerprints": fingerprints }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Pins a key that a person accepted for a target.
    ///
    /// # Errors
    /// When the database fails, or there is no such host.
    pub async fn pin_host_key(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        target: &str,
        key: &NewHostKey,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        insert(&mut write, tenant, by, host, target, HostKeySource::Accepted, key).await?;
        let entry = Entry::done(tenant, "host_key.accept", format!("host:{host}"))
            .with(serde_json::json!({ "target": target, "fingerprint": key.fingerprint }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Removes one key of a host. False when there is no such key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_host_key(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        key: Uuid,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "DELETE FROM host_keys WHERE tenant_id = $1 AND host_id = $2 AND id = $3 \
             RETURNING target, fingerprint",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(key.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let detail = serde_json::json!({
            "target": row.try_get::<String, _>("target")?,
            "fingerprint": row.try_get::<String, _>("fingerprint")?,
        });
        let entry = Entry::done(tenant, "host_key.delete", format!("host:{host}")).with(detail);
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }
}

async fn read(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    host: HostId,
) -> Result<Vec<HostKey>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, target, key_type, openssh, fingerprint, source, added_at FROM host_keys \
         WHERE tenant_id = $1 AND host_id = $2 ORDER BY added_at, id",
    )
    .bind(tenant.to_string())
    .bind(host.to_string())
    .fetch_all(connection)
    .await?;
    rows.iter().map(host_key).collect()
}

fn host_key(row: &SqliteRow) -> Result<HostKey, StoreError> {
    let target: String = row.try_get("target")?;
    Ok(HostKey {
        id: parsed(row, "id")?,
        target: (!target.is_empty()).then_some(target),
        key_type: row.try_get("key_type")?,
        openssh: row.try_get("openssh")?,
        fingerprint: row.try_get("fingerprint")?,
        source: row.try_get::<&str, _>("source")?.parse()?,
        added_at: time(row, "added_at")?,
    })
}

async fn insert(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    by: &By,
    host: HostId,
    target: &str,
    source: HostKeySource,
    key: &NewHostKey,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO host_keys (id, tenant_id, host_id, target, key_type, openssh, fingerprint, \
         source, added_at, added_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (tenant_id, host_id, target, fingerprint, source) DO NOTHING",
    )
    .bind(Uuid::now_v7().to_string())
    .bind(tenant.to_string())
    .bind(host.to_string())
    .bind(target)
    .bind(&key.key_type)
    .bind(&key.openssh)
    .bind(&key.fingerprint)
    .bind(source.as_str())
    .bind(by.at.millis())
    .bind(by.actor.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn remove_all(
    write: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    host: HostId,
    source: HostKeySource,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM host_keys WHERE tenant_id = $1 AND host_id = $2 AND source = $3")
        .bind(tenant.to_string())
        .bind(host.to_string())
        .bind(source.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}
