//! Logins: who is here, and for how long.

use std::net::IpAddr;
use std::time::Duration;

use gangplank_proto::id::{LoginId, TenantId, UserId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::audit::append;
use super::row::{json, parsed, parsed_option, time};
use super::second_factor::{Factor, use_factor};
use super::user::rights;
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::{Account, Permission, Permissions, Principal};
use crate::clock::Timestamp;

/// A cookie session ends when it was not used for this long.
pub const LOGIN_IDLE: Duration = Duration::from_secs(12 * 3600);

/// A cookie session ends after this long in any case.
pub const LOGIN_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Use is written down at most this often, so that reading does not become writing.
const TOUCH_EVERY: Duration = Duration::from_secs(300);

/// A login to be made.
#[derive(Debug, Clone)]
pub struct NewLogin {
    /// The tenant that they enter.
    pub tenant: TenantId,
    /// Their user there.
    pub user: UserId,
    /// Whom they logged in as.
    pub account: Account,
    /// Hash of the cookie's token; none for a login that has access tokens only.
    pub token_hash: Option<String>,
    /// Where they came from.
    pub source: Option<IpAddr>,
    /// When it ends in any case.
    pub expires_at: Timestamp,
    /// The code that was shown, used up with this login.
    pub factor: Option<Factor>,
    /// Whether it may do nothing yet but enrol a second factor.
    pub must_enrol: bool,
}

impl Store {
    /// Makes a login, and says so in the audit.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the code that was shown is used up; when the database fails. The
    /// login must then not be confirmed.
    pub async fn create_login(&self, by: &By, new: NewLogin) -> Result<LoginId, StoreError> {
        let login = LoginId::new();
        let mut write = self.write().await?;
        let with_cookie = new.token_hash.is_some();
        if let Some(factor) = &new.factor {
            use_factor(&mut write, new.account.tenant, new.account.user, factor).await?;
        }
        sqlx::query(
            "INSERT INTO logins (id, tenant_id, user_id, token_hash, source, created_at, used_at, \
             expires_at, must_enrol) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8)",
        )
        .bind(login.to_string())
        .bind(new.tenant.to_string())
        .bind(new.user.to_string())
        .bind(new.token_hash)
        .bind(new.source.map(|source| source.to_string()))
        .bind(by.at.millis())
        .bind(new.expires_at.millis())
        .bind(new.must_enrol)
        .execute(&mut *write)
        .await?;
        sqlx::query("UPDATE users SET last_login_at = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(by.at.millis())
            .bind(new.tenant.to_string())
            .bind(new.user.to_string())
            .execute(&mut *write)
            .await?;
        let kind = if with_cookie { "cookie" } else { "token" };
        let entry = Entry::done(new.tenant, "login.create", format!("login:{login}"))
            .with(serde_json::json!({ "kind": kind }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(login)
    }

    /// The person behind a cookie, by the hash of its token; this finds the tenant. None when the
    /// login has ended or expired, or the user or tenant is locked out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn principal_of_cookie(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let sql = select("l.token_hash = $1 AND l.expires_at > $2 AND l.used_at > $3");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(token_hash)
            .bind(now.millis())
            .bind(now.minus(LOGIN_IDLE).millis())
            .fetch_optional(&mut *reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let principal = principal(&mut reader, &row, now).await?;
        drop(reader);
        self.touch(&principal, time(&row, "used_at")?, now).await;
        Ok(Some(principal))
    }

    /// The person behind a login, with their rights of this moment. `held` is for what a login
    /// opened before and holds open: the end of an access token does not end that, but everything
    /// else does. None when it has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn principal_of_login(
        &self,
        tenant: TenantId,
        login: LoginId,
        held: bool,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let Some((principal, used_at)) =
            find_principal(&mut reader, tenant, login, held, now).await?
        else {
            return Ok(None);
        };
        drop(reader);
        self.touch(&principal, used_at, now).await;
        Ok(Some(principal))
    }

    /// What a user may do at this moment, whether logged in or not. None when they, or their tenant,
    /// are locked out or gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn permissions_of_user(
        &self,
        tenant: TenantId,
        user: UserId,
        now: Timestamp,
    ) -> Result<Option<Permissions>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let found = sqlx::query(
            "SELECT u.id FROM users u JOIN tenants t ON t.id = u.tenant_id \
             JOIN users a ON a.id = COALESCE(u.account_id, u.id) \
             JOIN tenants h ON h.id = a.tenant_id \
             WHERE u.tenant_id = $1 AND u.id = $2 AND NOT u.disabled AND t.active \
             AND NOT a.disabled AND h.active",
        )
        .bind(tenant.to_string())
        .bind(user.to_string())
        .fetch_optional(&mut *reader)
        .await?;
        match found {
            Some(_) => Ok(Some(rights(&mut reader, tenant, user, now).await?.1)),
            None => Ok(None),
        }
    }

    /// Ends a login. False when it has ended already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_login(
        &self,
        tenant: TenantId,
        by: &By,
        login: LoginId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM logins WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(login.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut write, by, Entry::done(tenant, "login.end", format!("login:{login}"))).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Removes what has expired: logins, tickets and provisioning keys. To be called now and then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        // A login without a cookie still carries what its access token opened.
        sqlx::query(
            "DELETE FROM logins WHERE (token_hash IS NOT NULL AND (expires_at <= $1 OR used_at <= $2)) \
             OR (token_hash IS NULL AND expires_at <= $3)",
        )
        .bind(now.millis())
        .bind(now.minus(LOGIN_IDLE).millis())
        .bind(now.minus(LOGIN_LIFE).millis())
        .execute(&mut *write)
        .await?;
        sqlx::query("DELETE FROM tickets WHERE expires_at <= $1")
            .bind(now.millis())
            .execute(&mut *write)
            .await?;
        sqlx::query("DELETE FROM provisioning_keys WHERE expires_at <= $1 OR uses_left <= 0")
            .bind(now.millis())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Writes down that a login was used. A failure (a full disk) must not lock anybody out.
    pub(super) async fn touch(&self, principal: &Principal, used_at: Timestamp, now: Timestamp) {
        if now.since(used_at) < TOUCH_EVERY {
            return;
        }
        let touched = async {
            let mut write = self.write().await?;
            sqlx::query("UPDATE logins SET used_at = $1 WHERE tenant_id = $2 AND id = $3")
                .bind(now.millis())
                .bind(principal.tenant.to_string())
                .bind(principal.login.to_string())
                .execute(&mut *write)
                .await?;
            write.commit().await?;
            Ok::<_, StoreError>(())
        };
        if let Err(error) = touched.await {
            tracing::warn!(login = %principal.login, %error, "the use of a login was not recorded");
        }
    }
}

/// The person behind a login and when it was last used.
pub(super) async fn find_principal(
    connection: &mut SqliteConnection,
    tenant: TenantId,
    login: LoginId,
    held: bool,
    now: Timestamp,
) -> Result<Option<(Principal, Timestamp)>, StoreError> {
    // An API token's end ends what it opened, too.
    let sql = select(
        "l.tenant_id = $1 AND l.id = $2 \
         AND (l.expires_at > $3 OR ($4 AND l.token_hash IS NULL AND k.id IS NULL)) \
         AND (l.used_at > $5 OR l.token_hash IS NULL)",
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(tenant.to_string())
        .bind(login.to_string())
        .bind(now.millis())
        .bind(held)
        .bind(now.minus(LOGIN_IDLE).millis())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => Ok(Some((principal(connection, &row, now).await?, time(&row, "used_at")?))),
        None => Ok(None),
    }
}

/// Logins with whom they are of. Both the tenant and the one of the user's account have to be let
/// in, and neither the user nor the account locked out.
fn select(condition: &'static str) -> String {
    format!(
        "SELECT l.id AS login_id, l.used_at, l.must_enrol, t.id AS tenant_id, t.name AS tenant_name, \
         u.id AS user_id, a.tenant_id AS account_tenant, a.id AS account_id, u.username, \
         k.id AS token_id, k.scopes FROM logins l \
         JOIN users u ON u.tenant_id = l.tenant_id AND u.id = l.user_id \
         JOIN tenants t ON t.id = l.tenant_id \
         JOIN users a ON a.id = COALESCE(u.account_id, u.id) \
         JOIN tenants h ON h.id = a.tenant_id \
         LEFT JOIN api_tokens k ON k.login_id = l.id \
         WHERE NOT u.disabled AND t.active AND NOT a.disabled AND h.active AND {condition}"
    )
}

async fn principal(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
    now: Timestamp,
) -> Result<Principal, StoreError> {
    let (tenant, user) = (parsed(row, "tenant_id")?, parsed(row, "user_id")?);
    let (roles, mut permissions) = rights(connection, tenant, user, now).await?;
    let api_token = parsed_option(row, "token_id")?;
    if api_token.is_some() {
        permissions = permissions.limit(&json::<Vec<Permission>>(row, "scopes")?);
    }
    Ok(Principal {
        tenant,
        tenant_name: row.try_get("tenant_name")?,
        user,
        account: Account {
            tenant: parsed(row, "account_tenant")?,
            user: parsed(row, "account_id")?,
        },
        username: row.try_get("username")?,
        login: parsed(row, "login_id")?,
        must_enrol: row.try_get("must_enrol")?,
        roles,
        permissions,
        api_token,
    })
}
