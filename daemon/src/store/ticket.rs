//! Tickets: rights to open one socket, kept as hashes.

use gangplank_proto::id::{LoginId, TenantId};
use gangplank_proto::limit::{TICKET_LIFE, TICKETS_PER_LOGIN};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::audit::append;
use super::login::find_principal;
use super::row::{parsed, time};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::Principal;
use crate::clock::Timestamp;

/// A ticket that can still be used, and whose it is.
#[derive(Debug, Clone)]
pub struct StoredTicket {
    /// Whoever asked for it, with their rights of this moment.
    pub principal: Principal,
    /// What it opens, in the text form of [`Target`](crate::ticket::Target).
    pub target: String,
}

impl Store {
    /// Keeps a new ticket; beyond the bound of unused ones of the same login the oldest goes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_ticket(
        &self,
        principal: &Principal,
        by: &By,
        hash: &str,
        target: &str,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let login = principal.login.to_string();
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM tickets WHERE login_id = $1 AND expires_at <= $2")
            .bind(&login)
            .bind(by.at.millis())
            .execute(&mut *write)
            .await?;
        sqlx::query(
            "INSERT INTO tickets (hash, tenant_id, login_id, user_id, target, issued_at, serial, \
             expires_at) SELECT $1, $2, $3, $4, $5, $6, COALESCE(MAX(serial), 0) + 1, $7 \
             FROM tickets WHERE login_id = $3",
        )
        .bind(hash)
        .bind(principal.tenant.to_string())
        .bind(&login)
        .bind(principal.user.to_string())
        .bind(target)
        .bind(by.at.millis())
        .bind(expires_at.millis())
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "DELETE FROM tickets WHERE login_id = $1 AND serial <= \
             (SELECT MAX(serial) FROM tickets WHERE login_id = $1) - $2",
        )
        .bind(&login)
        .bind(i64::from(TICKETS_PER_LOGIN))
        .execute(&mut *write)
        .await?;
        let entry = Entry::done(principal.tenant, "ticket.issue", target)
            .with(serde_json::json!({ "ticket": short(hash), "login": login }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Looks at a ticket without using it; this finds the tenant. None when it can't be used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_ticket(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let row = sqlx::query(
            "SELECT tenant_id, login_id, target, issued_at, expires_at FROM tickets WHERE hash = $1",
        )
        .bind(hash)
        .fetch_optional(&mut *reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if !is_in_time(&row, now)? {
            return Ok(None);
        }
        let tenant: TenantId = parsed(&row, "tenant_id")?;
        let login: LoginId = parsed(&row, "login_id")?;
        let target = row.try_get("target")?;
        let found = find_principal(&mut reader, tenant, login, false, now).await?;
        Ok(found.map(|(principal, _)| StoredTicket { principal, target }))
    }

    /// Takes a ticket: whatever comes of it, it is gone afterwards, and of any number of takers at
    /// once one gets it. The caller compares the target; `target` is what was asked for and goes
    /// into the audit.
    ///
    /// # Errors
    /// When the database fails; the ticket is then still there, and nobody has it.
    pub async fn take_ticket(
        &self,
        by: &By,
        hash: &str,
        target: &str,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "DELETE FROM tickets WHERE hash = $1 \
             RETURNING tenant_id, login_id, target, issued_at, expires_at",
        )
        .bind(hash)
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let tenant: TenantId = parsed(&row, "tenant_id")?;
        let login: LoginId = parsed(&row, "login_id")?;
        let taken: String = row.try_get("target")?;
        let found = if is_in_time(&row, by.at)? {
            find_principal(&mut write, tenant, login, false, by.at).await?
        } else {
            None
        };
        let entry = if found.is_some() && taken == target {
            Entry::done(tenant, "ticket.use", target)
        } else {
            Entry::refused(Some(tenant), "ticket.use", target)
        };
        let detail = serde_json::json!({ "ticket": short(hash), "issued_for": taken });
        append(&mut write, by, entry.with(detail)).await?;
        write.commit().await?;
        Ok(found.map(|(principal, _)| StoredTicket { principal, target: taken }))
    }
}

/// Whether a ticket's time has begun and is not over. One of a time to come was made before the clock
/// was set back, and must not live again; two machines' clocks may differ by less than a ticket's life.
fn is_in_time(row: &SqliteRow, now: Timestamp) -> Result<bool, StoreError> {
    let has_begun = time(row, "issued_at")? <= now.plus(TICKET_LIFE);
    Ok(has_begun && time(row, "expires_at")? > now)
}

/// Enough of the hash to tell tickets apart in the audit.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
