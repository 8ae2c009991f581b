//! The lives of terminals, as people see them afterwards.

mod life;

use std::time::Duration;

use gangplank_proto::channel::SessionState;
use gangplank_proto::id::{HostId, LoginId, SessionId, TenantId, UserId};
use gangplank_proto::link::Size;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

pub use life::{SessionMessage, SessionNews};

use super::audit::append;
use super::license::room_for_terminal;
use super::row::{parsed, parsed_option, time, time_option};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::Principal;
use crate::clock::Timestamp;

/// A terminal that begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id.
    pub id: SessionId,
    /// The host.
    pub host: HostId,
    /// The host's name at this time.
    pub host_name: String,
    /// `direct`, `proxy` or `pty`.
    pub mode: &'static str,
    /// The host that it goes through.
    pub gateway: Option<HostId>,
    /// User on the host.
    pub username: String,
    /// How the host key was checked: `attested`, `accepted`, `unverified`, or `none` for a PTY.
    pub host_key: &'static str,
    /// Its size.
    pub size: Size,
}

/// What is known of a terminal when its viewer leaves.
#[derive(Debug, Clone, Copy)]
pub struct Left {
    /// Its size.
    pub size: Size,
    /// Its last output.
    pub last_output_at: Option<Timestamp>,
    /// When it ends unless somebody comes back.
    pub expires_at: Timestamp,
}

/// A terminal's life.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The host.
    pub host: HostId,
    /// The host's name when it began.
    pub host_name: String,
    /// Whose it is.
    pub user: UserId,
    /// Their name.
    pub user_name: String,
    /// The login that opened it.
    pub login: LoginId,
    /// `direct`, `proxy` or `pty`.
    pub mode: String,
    /// User on the host.
    pub username: String,
    /// How the host key was checked.
    pub host_key: String,
    /// `open`, `detached` or `ended`.
    pub state: String,
    /// Columns and rows that were seen last.
    pub size: Option<(u16, u16)>,
    /// Its last output, as far as it was seen.
    pub last_output_at: Option<Timestamp>,
    /// When it ends unless somebody comes back, while it is detached.
    pub expires_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

impl Store {
    /// Writes down that a terminal begins.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the tenant may have no more; whatever the error, the terminal must
    /// then not be confirmed.
    pub async fn start_session(
        &self,
        owner: &Principal,
        by: &By,
        new: &NewSession,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        room_for_terminal(&mut *write, owner.tenant).await?;
        sqlx::query(
            "INSERT INTO sessions (id, tenant_id, host_id, host_name, user_id, user_name, login_id, \
             mode, username, host_key, state, started_at, cols, \"rows\") \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', $11, $12, $13)",
        )
        .bind(new.id.to_string())
        .bind(owner.tenant.to_string())
        .bind(new.host.to_string())
        .bind(&new.host_name)
        .bind(owner.user.to_string())
        .bind(&owner.username)
        .bind(owner.login.to_string())
        .bind(new.mode)
        .bind(&new.username)
        .bind(new.host_key)
        .bind(by.at.millis())
        .bind(i64::from(new.size.cols()))
        .bind(i64::from(new.size.rows()))
        .execute(&mut *write)
        .await?;
        let detail = serde_json::json!({
            "session": new.id,
            "mode": new.mode,
            "gateway": new.gateway,
            "username": new.username,
            "host_key": new.host_key,
        });
        let object = format!("host:{}", new.host);
        let entry = Entry::done(owner.tenant, "terminal.start", object).with(detail);
        append(&mut write, by, entry).await?;
        let news = SessionNews {
            host_name: Some(new.host_name.clone()),
            mode: Some(new.mode.to_owned()),
            user: Some(owner.username.clone()),
            ..SessionNews::new(new.id, new.host, SessionState::Connected).through(new.gateway)
        };
        let seq = life::append_news(&mut write, owner.tenant, news, by.at).await?;
        write.commit().await?;
        self.told(owner.tenant, seq);
        Ok(())
    }

    /// Writes down that somebody shows a living terminal again. False when it has ended, or there
    /// is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attach_session(
        &self,
        tenant: TenantId,
        session: SessionId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE sessions SET state = 'open', expires_at = NULL \
             WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL",
        )
        .bind(tenant.to_string())
        .bind(session.to_string())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Writes down that nobody shows a living terminal any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detach_session(
        &self,
        tenant: TenantId,
        session: SessionId,
        left: &Left,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE sessions SET state = 'detached', cols = $1, \"rows\" = $2, \
             last_output_at = COALESCE($3, last_output_at), expires_at = $4 \
             WHERE tenant_id = $5 AND id = $6 AND ended_at IS NULL",
        )
        .bind(i64::from(left.size.cols()))
        .bind(i64::from(left.size.rows()))
        .bind(left.last_output_at.map(Timestamp::millis))
        .bind(left.expires_at.millis())
        .bind(tenant.to_string())
        .bind(session.to_string())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// At a start: whoever showed a terminal is gone, so each that may live on is detached.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detach_all_sessions(&self, expires_at: Timestamp) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE sessions SET state = 'detached', expires_at = $1 \
             WHERE ended_at IS NULL AND state = 'open'",
        )
        .bind(expires_at.millis())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// The time of day was set by so many milliseconds: who may come back to a terminal has as long
    /// as before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shift_detached(&self, millis: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE sessions SET expires_at = expires_at + $1 \
             WHERE ended_at IS NULL AND state = 'detached'",
        )
        .bind(millis)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// How long a tenant's terminals live without a viewer, where it says so itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detached_life(&self, tenant: TenantId) -> Result<Option<Duration>, StoreError> {
        let row = sqlx::query("SELECT detached_life FROM tenants WHERE id = $1")
            .bind(tenant.to_string())
            .fetch_optional(&self.reader)
            .await?;
        let millis: Option<i64> = match row {
            Some(row) => row.try_get("detached_life")?,
            None => None,
        };
        Ok(millis.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis))
    }

    /// Sets how long a tenant's terminals live without a viewer; absent for the daemon's default.
    ///
    /// # Errors
    /// When the database fails; nothing was changed then.
    pub async fn set_detached_life(
        &self,
        tenant: TenantId,
        by: &By,
        life: Option<Duration>,
    ) -> Result<(), StoreError> {
        let millis = life.map(|life| i64::try_from(life.as_millis()).unwrap_or(i64::MAX));
        let mut write = self.write().await?;
        sqlx::query("UPDATE tenants SET detached_life = $1 WHERE id = $2")
            .bind(millis)
            .bind(tenant.to_string())
            .execute(&mut *write)
            .await?;
        let entry = Entry::done(tenant, "settings.change", format!("tenant:{tenant}"))
            .with(serde_json::json!({ "detached_life_ms": millis }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(())
    }

    /// Writes down that a terminal has ended. False when that was known, or there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_session(
        &self,
        tenant: TenantId,
        by: &By,
        session: SessionId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE sessions SET state = 'ended', ended_at = $1, end_reason = $2 \
             WHERE tenant_id = $3 AND id = $4 AND ended_at IS NULL \
             RETURNING host_id, host_name, mode, user_name, (SELECT h.gateway_id FROM hosts h \
              WHERE h.tenant_id = $3 AND h.id = sessions.host_id) AS gateway_id",
        )
        .bind(by.at.millis())
        .bind(reason)
        .bind(tenant.to_string())
        .bind(session.to_string())
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let host: HostId = parsed(&row, "host_id")?;
        let entry = Entry::done(tenant, "terminal.end", format!("host:{host}"))
            .with(serde_json::json!({ "session": session, "reason": reason }));
        append(&mut write, by, entry).await?;
        let mode: String = row.try_get("mode")?;
        let gateway = parsed_option(&row, "gateway_id")?.filter(|_| mode == "direct");
        let news = SessionNews {
            host_name: row.try_get("host_name")?,
            mode: Some(mode),
            user: row.try_get("user_name")?,
            reason: Some(reason.to_owned()),
            ..SessionNews::new(session, host, SessionState::Disconnected).through(gateway)
        };
        let seq = life::append_news(&mut write, tenant, news, by.at).await?;
        write.commit().await?;
        self.told(tenant, seq);
        Ok(true)
    }

    /// Terminals of every tenant that have not ended as far as the store knows: at a start, those
    /// that the daemon before this one left behind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_sessions(&self) -> Result<Vec<(TenantId, Session)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM sessions WHERE ended_at IS NULL ORDER BY id")
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok((parsed(row, "tenant_id")?, session(row)?))).collect()
    }

    /// Terminals of one host of a tenant that have not ended as far as the store knows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_sessions_of_host(
        &self,
        tenant: TenantId,
        host: HostId,
    ) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE tenant_id = $1 AND host_id = $2 AND ended_at IS NULL \
             ORDER BY id",
        )
        .bind(tenant.to_string())
        .bind(host.to_string())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(session).collect()
    }

    /// One terminal of a tenant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session(
        &self,
        tenant: TenantId,
        id: SessionId,
    ) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(session).transpose()
    }

    /// Terminals of a tenant, newest first; of one user only when `user` says so, and only such as
    /// have not ended when `live` does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        live: bool,
        page: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sessions WHERE tenant_id = $1 AND id < $2 \
             AND ($3 = '' OR user_id = $3) AND (NOT $4 OR ended_at IS NULL) \
             ORDER BY id DESC LIMIT $5",
        )
        .bind(tenant.to_string())
        // Every id sorts before this one.
        .bind(page.cursor.as_deref().unwrap_or("g"))
        .bind(user.map(|user| user.to_string()).unwrap_or_default())
        .bind(live)
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let sessions = rows.iter().map(session).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(sessions, page.size(), |session| session.id.to_string()))
    }
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    Ok(Session {
        id: parsed(row, "id")?,
        host: parsed(row, "host_id")?,
        host_name: row.try_get("host_name")?,
        user: parsed(row, "user_id")?,
        user_name: row.try_get("user_name")?,
        login: parsed(row, "login_id")?,
        mode: row.try_get("mode")?,
        username: row.try_get("username")?,
        host_key: row.try_get("host_key")?,
        state: row.try_get("state")?,
        size: size(row)?,
        last_output_at: time_option(row, "last_output_at")?,
        expires_at: time_option(row, "expires_at")?,
        started_at: time(row, "started_at")?,
        ended_at: time_option(row, "ended_at")?,
        end_reason: row.try_get("end_reason")?,
    })
}

fn size(row: &SqliteRow) -> Result<Option<(u16, u16)>, StoreError> {
    let side = |name| -> Result<Option<u16>, StoreError> {
        let side: Option<i64> = row.try_get(name)?;
        Ok(side.and_then(|side| u16::try_from(side).ok()))
    };
    Ok(side("cols")?.zip(side("rows")?))
}
