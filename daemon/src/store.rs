//! What survives a restart: one SQLite database in the data directory.
//!
//! One connection writes and a few read, so that readers never wait for the writer. Every write is a
//! `BEGIN IMMEDIATE` transaction that is on disk before it returns (`synchronous = FULL`). Every
//! change that a person or an agent makes takes a [`crate::audit::By`] and puts its audit row into the same
//! transaction: what cannot be audited does not happen.
//!
//! The tenant is a parameter of every query. The few that find out the tenant (by API id, by session
//! token, by username, by provisioning key) say so. The SQL text runs on PostgreSQL as well.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr, Sqlite, SqlitePool, Transaction};

use crate::event::Feeds;

mod api_token;
mod approval;
mod audit;
mod backup;
mod claim;
mod compliance;
mod directory;
mod enrol;
mod error;
mod event;
mod external;
mod history;
mod host;
mod host_key;
mod import;
mod inbox;
mod job;
mod license;
mod login;
mod look;
mod membership;
mod own;
mod page;
mod passkey;
mod patchmon;
mod provisioning;
mod retention;
mod role;
mod row;
mod schedule;
mod second_factor;
mod security;
mod session;
mod settings;
mod telemetry;
mod tenant;
mod ticket;
mod user;
mod webhook;

pub use api_token::{ApiToken, NewApiToken};
pub use approval::{
    Approval, ApprovalFilter, Decision, ExpiredApprovals, NewApproval, Released, Spending, Verdict,
};
pub use audit::{AuditRow, AuditVerdict};
pub use claim::{Claim, Claimed};
pub use compliance::{
    FleetHost, FleetScore, HostCompliance, RuleFilter, RuleOnHost, RuleWords, ScanRule, ScanSource,
    Series, StoredScan, TrendPoint, WorstRule,
};
pub use directory::DataDir;
pub use enrol::{Accepted, Arrival, Enrolled};
pub use error::StoreError;
pub use event::{
    Appended, Appending, Kept, Missed, Once, Passage, Published, Retention, StoredEvent,
};
pub use external::External;
pub use host::{AgentKind, Enrolment, Host, HostPatch, HostState, NewHost, Presence, StoredKey};
pub use host_key::{Attestation, HostKey, HostKeySource, NewHostKey};
pub use import::Imported;
pub use inbox::{ALERTS_TOGETHER, AlertCounts, Settled, StoredAlert};
pub use job::{
    Announced, Batch, BatchState, Board, Chosen, Concurrency, Consent, Created, CreatedBatch, Due,
    Gap, Heard, Job, JobFilter, JobOutput, JobPiece, JobReply, Leased, NewBatch, NewJob, Reply,
    Scheduled, Selector, StoredReport, Taken, Tally,
};
pub use license::{Delivery, License, Licensed};
pub use login::{LOGIN_IDLE, LOGIN_LIFE, NewLogin};
pub use look::{TenantSettings, tenant_settings};
pub use membership::{Membership, Place};
pub use own::OwnLogin;
pub use page::{Page, PageRequest};
pub use passkey::{NewPasskey, StoredPasskey};
pub use patchmon::{Reported, Scanned};
pub use provisioning::{NewProvisioningKey, ProvisioningKey};
pub use retention::{Said, Whose};
pub use role::Role;
pub use schedule::{NewSchedule, Schedule, Turns};
pub use second_factor::{Factor, SecondFactors, StoredTotp};
pub use security::{SecurityEvent, SecurityFilter, SecurityKind, Severity};
pub use session::{Left, NewSession, Session, SessionMessage, SessionNews};
pub use telemetry::{Ages, Ingested, Names, Parcel, Reading, Readings, Record};
pub use tenant::{Limits, Tenant, TenantCounts, TenantPatch};
pub use ticket::StoredTicket;
pub use user::{Candidate, Grant, NewUser, User};
pub use webhook::{Attempt, Delivery as WebhookDelivery, DeliveryState, NewWebhook, Webhook};

/// Readers beside the one writer. SQLite answers from the page cache; four keep two cores busy.
const READERS: u32 = 4;

/// How long a query waits for its connection, and a connection for another process's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    directory: Arc<DataDir>,
    /// Whom to tell of events that were committed here.
    feeds: Arc<Feeds>,
}

impl Store {
    /// Opens the database of a data directory, makes it when there is none, and brings its schema up
    /// to date. The directory's lock is held until the last clone is gone.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a later version of the daemon has changed the schema.
    pub async fn open(directory: DataDir) -> Result<Self, StoreError> {
        let file = directory.private_file("gangplank.db")?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrate(&writer).await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self { writer, reader, directory: Arc::new(directory), feeds: Arc::default() })
    }

    /// The directory that the database lies in.
    #[must_use]
    pub fn directory(&self) -> &DataDir {
        &self.directory
    }

    /// Who listens to events.
    #[must_use]
    pub fn feeds(&self) -> Arc<Feeds> {
        Arc::clone(&self.feeds)
    }

    /// Whether the database answers and takes writes, for health checks.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn check(&self) -> Result<(), StoreError> {
        let write = self.write().await?;
        write.rollback().await?;
        Ok(())
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Begins a write. Nobody else writes until it is committed or dropped.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        const BEGIN: &str = "BEGIN IMMEDIATE";

        match self.writer.begin_with(BEGIN).await {
            // On a full disk SQLite may end a transaction by itself, and sqlx, which does not know,
            // never begins another on that connection. A new connection starts from nothing.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                self.writer.acquire().await?.close().await?;
                Ok(self.writer.begin_with(BEGIN).await?)
            }
            begun => Ok(begun?),
        }
    }
}

/// The schema's history. A text that has been released is never edited; a new one is added below.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "detached", include_str!("../migrations/0002_detached.sql")),
    (3, "gateway", include_str!("../migrations/0003_gateway.sql")),
    (4, "jobs", include_str!("../migrations/0004_jobs.sql")),
    (5, "jobs by state", include_str!("../migrations/0005_jobs_by_state.sql")),
    (6, "compliance", include_str!("../migrations/0006_compliance.sql")),
    (7, "schedules", include_str!("../migrations/0007_schedules.sql")),
    (9, "patchmon", include_str!("../migrations/0009_patchmon.sql")),
    (11, "claims", include_str!("../migrations/0011_claims.sql")),
    (12, "job subject", include_str!("../migrations/0012_job_subject.sql")),
    (13, "channels", include_str!("../migrations/0013_channels.sql")),
    (14, "approvals", include_str!("../migrations/0014_approvals.sql")),
    (15, "people", include_str!("../migrations/0015_people.sql")),
    (16, "second factors", include_str!("../migrations/0016_second_factors.sql")),
    (17, "devices", include_str!("../migrations/0017_devices.sql")),
    (18, "security events", include_str!("../migrations/0018_security_events.sql")),
    (19, "job indexes", include_str!("../migrations/0019_job_indexes.sql")),
    (20, "alerts", include_str!("../migrations/0020_alerts.sql")),
    (27, "webhooks", include_str!("../migrations/0027_webhooks.sql")),
    (30, "tenants own", include_str!("../migrations/0030_tenants_own.sql")),
    (31, "linked identities", include_str!("../migrations/0031_linked_identities.sql")),
];

async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let migrations = MIGRATIONS
        .iter()
        .map(|(version, name, sql)| {
            let sql = SqlSafeStr::into_sql_str(*sql);
            Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
        })
        .collect();
    match Migrator::with_migrations(migrations).run(pool).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(StoreError::Newer {
            found,
            known: MIGRATIONS.last().map_or(0, |(version, _, _)| *version),
        }),
        Err(error) => Err(StoreError::Migrate(error)),
    }
}

#[cfg(test)]
pub(crate) mod tests;
