//! API tokens: what a person lets a program of theirs do. Each has a login of its own, so that
//! whatever a token opens hangs on it as it does on a person's login.

use gangplank_proto::id::{LoginId, TenantId, UserId};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::audit::append;
use super::login::find_principal;
use super::row::{json, number, parsed, time, to_json};
use super::{Page, PageRequest, Store, StoreError};
use crate::audit::{By, Entry};
use crate::auth::{Permission, Principal};
use crate::clock::Timestamp;

/// Tokens of one user at most.
const MOST: u64 = 50;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 100;

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Its user.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// Hash of it.
    pub hash: String,
    /// What it may do, as far as its user may.
    pub scopes: Vec<Permission>,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A token as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct ApiToken {
    /// Its id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// Its user.
    pub user_id: UserId,
    /// That user's name.
    pub username: String,
    /// What it may do, as far as its user may.
    pub scopes: Vec<Permission>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Timestamp,
    /// When it was last used, give or take five minutes.
    pub last_used_at: Option<Timestamp>,
}

impl Store {
    /// Keeps a new token.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for its name, [`StoreError::Refused`] when the user has too many.
    pub async fn create_api_token(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewApiToken,
    ) -> Result<Uuid, StoreError> {
        let name = new.name.trim();
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(StoreError::Invalid("a token's name has 1 to 100 bytes, none of control"));
        }
        let (id, login) = (Uuid::now_v7(), LoginId::new());
        let mut write = self.write().await?;
        let count = sqlx::query(
            "SELECT COUNT(*) AS tokens FROM api_tokens WHERE tenant_id = $1 AND user_id = $2",
        )
        .bind(tenant.to_string())
        .bind(new.user.to_string())
        .fetch_one(&mut *write)
        .await?;
        if number::<u64>(&count, "tokens")? >= MOST {
            return Err(StoreError::Refused("you have 50 tokens; revoke one that you don't need"));
        }
        // Never used is used at the beginning of time.
        sqlx::query(
            "INSERT INTO logins (id, tenant_id, user_id, token_hash, source, created_at, used_at, \
             expires_at) VALUES ($1, $2, $3, NULL, $4, $5, 0, $6)",
        )
        .bind(login.to_string())
        .bind(tenant.to_string())
        .bind(new.user.to_string())
        .bind(by.source.map(|source| source.to_string()))
        .bind(by.at.millis())
        .bind(new.expires_at.millis())
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "INSERT INTO api_tokens (id, tenant_id, user_id, login_id, name, hash, scopes, \
             created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(new.user.to_string())
        .bind(login.to_string())
        .bind(name)
        .bind(&new.hash)
        .bind(to_json(&new.scopes, "scopes")?)
        .bind(by.at.millis())
        .bind(new.expires_at.millis())
        .execute(&mut *write)
        .await?;
        let detail = serde_json::json!({
            "name": name, "scopes": new.scopes, "expires_at": new.expires_at,
        });
        let entry = Entry::done(tenant, "api_token.create", format!("api_token:{id}"));
        append(&mut write, by, entry.with(detail)).await?;
        write.commit().await?;
        Ok(id)
    }

    /// The tokens of a tenant, or of one of its users.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_tokens(
        &self,
        tenant: TenantId,
        user: Option<UserId>,
        page: &PageRequest,
    ) -> Result<Page<ApiToken>, StoreError> {
        let rows = sqlx::query(
            "SELECT k.id, k.name, k.user_id, u.username, k.scopes, k.created_at, k.expires_at, \
             l.used_at FROM api_tokens k \
             JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id \
             JOIN logins l ON l.id = k.login_id \
             WHERE k.tenant_id = $1 AND ($2 IS NULL OR k.user_id = $2) AND k.id > $3 \
             ORDER BY k.id LIMIT $4",
        )
        .bind(tenant.to_string())
        .bind(user.map(|user| user.to_string()))
        .bind(page.cursor.as_deref().unwrap_or(""))
        .bind(page.size() + 1)
        .fetch_all(&self.reader)
        .await?;
        let tokens = rows.iter().map(api_token).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(tokens, page.size(), |token| token.id.to_string()))
    }

    /// Ends a token of a tenant, or of one of its users, and what it opened. The login that ended;
    /// none when there is no such token.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_api_token(
        &self,
        tenant: TenantId,
        by: &By,
        id: Uuid,
        user: Option<UserId>,
    ) -> Result<Option<LoginId>, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "DELETE FROM logins WHERE tenant_id = $1 AND id = (SELECT login_id FROM api_tokens \
             WHERE tenant_id = $1 AND id = $2 AND ($3 IS NULL OR user_id = $3)) RETURNING id",
        )
        .bind(tenant.to_string())
        .bind(id.to_string())
        .bind(user.map(|user| user.to_string()))
        .fetch_optional(&mut *write)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let login = parsed(&row, "id")?;
        let entry = Entry::done(tenant, "api_token.revoke", format!("api_token:{id}"));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(Some(login))
    }

    /// The person behind a token, by its hash; this finds the tenant. None when it doesn't count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn principal_of_api_token(
        &self,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<Principal>, StoreError> {
        let mut reader = self.reader.acquire().await?;
        let row = sqlx::query("SELECT tenant_id, login_id FROM api_tokens WHERE hash = $1")
            .bind(hash)
            .fetch_optional(&mut *reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (tenant, login) = (parsed(&row, "tenant_id")?, parsed(&row, "login_id")?);
        let found = find_principal(&mut reader, tenant, login, false, now).await?;
        drop(reader);
        let Some((principal, used_at)) = found else { return Ok(None) };
        self.touch(&principal, used_at, now).await;
        Ok(Some(principal))
    }

    /// Ends the tokens whose time is over. The logins that ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn expire_api_tokens(&self, by: &By) -> Result<Vec<LoginId>, StoreError> {
        let over =
            "SELECT id, tenant_id, login_id FROM api_tokens WHERE expires_at <= $1 LIMIT 100";
        let any = sqlx::query(over).bind(by.at.millis()).fetch_optional(&self.reader).await?;
        if any.is_none() {
            return Ok(Vec::new());
        }
        let mut write = self.write().await?;
        let mut ended = Vec::new();
        for row in sqlx::query(over).bind(by.at.millis()).fetch_all(&mut *write).await? {
            let (tenant, login) =
                (parsed::<TenantId>(&row, "tenant_id")?, parsed(&row, "login_id")?);
            sqlx::query("DELETE FROM logins WHERE tenant_id = $1 AND id = $2")
                .bind(tenant.to_string())
                .bind(LoginId::to_string(&login))
                .execute(&mut *write)
                .await?;
            let object = format!("api_token:{}", row.try_get::<&str, _>("id")?);
            append(&mut write, by, Entry::done(tenant, "api_token.expire", object)).await?;
            ended.push(login);
        }
        write.commit().await?;
        Ok(ended)
    }
}

fn api_token(row: &SqliteRow) -> Result<ApiToken, StoreError> {
    let used_at = time(row, "used_at")?;
    Ok(ApiToken {
        id: parsed(row, "id")?,
        name: row.try_get("name")?,
        user_id: parsed(row, "user_id")?,
        username: row.try_get("username")?,
        scopes: json(row, "scopes")?,
        created_at: time(row, "created_at")?,
        expires_at: time(row, "expires_at")?,
        last_used_at: (used_at.millis() > 0).then_some(used_at),
    })
}
