//! Receivers of events outside.

use gangplank_proto::id::{TenantId, WebhookId};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::audit::append;
use super::row::{json, number, parsed, time, time_option, to_json};
use super::{Store, StoreError};
use crate::audit::{By, Entry};
use crate::clock::Timestamp;
use crate::egress::HttpsUrl;
use crate::event::Topic;

mod delivery;

pub use delivery::{Attempt, Delivery, DeliveryState};

/// Receivers of one tenant at most.
const MOST: i64 = 20;

/// Longest name, in characters.
const NAME: usize = 64;

/// A receiver of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose events it gets.
    #[serde(skip)]
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Where it is.
    #[serde(serialize_with = "as_text")]
    pub url: HttpsUrl,
    /// Which topics it gets, by name.
    pub topics: Vec<String>,
    /// Whether it gets them now.
    pub enabled: bool,
    /// Counts its secrets, from 1.
    #[serde(skip)]
    pub generation: u32,
    /// When it got another secret.
    pub rotated_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

fn as_text<S: serde::Serializer>(url: &HttpsUrl, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

/// What people decide about a receiver.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub url: HttpsUrl,
    /// Which topics it gets.
    pub topics: Vec<Topic>,
    /// Whether it gets them now.
    pub enabled: bool,
}

impl NewWebhook {
    fn check(&self) -> Result<(), StoreError> {
        let name = &self.name;
        if name.trim().is_empty() || name.chars().count() > NAME || name.contains(char::is_control)
        {
            return Err(StoreError::Invalid("name takes 1 to 64 characters"));
        }
        if self.topics.is_empty() {
            return Err(StoreError::Invalid("topics takes at least one topic"));
        }
        Ok(())
    }

    fn topics(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.topics.iter().map(|topic| topic.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Store {
    /// Makes a receiver, which gets what happens from now on.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] for a field, [`StoreError::Exists`] when the name is taken,
    /// [`StoreError::Refused`] when there are too many.
    pub async fn create_webhook(
        &self,
        tenant: TenantId,
        by: &By,
        new: &NewWebhook,
    ) -> Result<WebhookId, StoreError> {
        new.check()?;
        let mut write = self.write().await?;
        let row = sqlx::query("SELECT COUNT(*) AS hooks FROM webhooks WHERE tenant_id = $1")
            .bind(tenant.to_string())
            .fetch_one(&mut *write)
            .await?;
        if row.try_get::<i64, _>("hooks")? >= MOST {
            return Err(StoreError::Refused("there are as many webhooks as may be"));
        }
        let id = WebhookId::new();
        sqlx::query(
            "INSERT INTO webhooks (id, tenant_id, name, url, topics, enabled, generation, \
             created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)",
        )
        .bind(id.to_string())
        .bind(tenant.to_string())
        .bind(&new.name)
        .bind(new.url.as_str())
        .bind(to_json(&new.topics(), "topics")?)
        .bind(new.enabled)
        .bind(by.at.millis())
        .bind(by.actor.to_string())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "a webhook of that name"))?;
        delivery::begin(&mut write, tenant, id, &new.topics).await?;
        // A path may be a secret of the receiver's.
        let entry = Entry::done(tenant, "webhook.create", format!("webhook:{id}"))
            .with(serde_json::json!({ "name": new.name, "to": new.url.origin() }));
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(id)
    }

    /// Changes a receiver. False when there is none.
    ///
    /// # Errors
    /// As [`create_webhook`](Self::create_webhook).
    pub async fn patch_webhook(
        &self,
        tenant: TenantId,
        by: &By,
        id: WebhookId,
        new: &NewWebhook,
    ) -> Result<bool, StoreError> {
        new.check()?;
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE webhooks SET name = $1, url = $2, topics = $3, enabled = $4 \
             WHERE tenant_id = $5 AND id = $6",
        )
        .bind(&new.name)
        .bind(new.url.as_str())
        .bind(to_json(&new.topics(), "topics")?)
        .bind(new.enabled)
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *write)
        .await
        .map_err(|error| StoreError::named(error, "a webhook of that name"))?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        delivery::begin(&mut write, tenant, id, &new.topics).await?;
        let entry = Entry::done(tenant, "webhook.change", format!("webhook:{id}")).with(
            serde_json::json!({ "name": new.name, "to": new.url.origin(), "enabled": new.enabled }),
        );
        append(&mut write, by, entry).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Gives a receiver another secret. False when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotate_webhook(
        &self,
        tenant: TenantId,
        by: &By,
        id: WebhookId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query(
            "UPDATE webhooks SET generation = generation + 1, rotated_at = $1 \
             WHERE tenant_id = $2 AND id = $3",
        )
        .bind(by.at.millis())
        .bind(tenant.to_string())
        .bind(id.to_string())
        .execute(&mut *write)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut write, by, Entry::done(tenant, "webhook.rotate", format!("webhook:{id}")))
            .await?;
        write.commit().await?;
        Ok(true)
    }

    /// Removes a receiver with everything that waits for it. False when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_webhook(
        &self,
        tenant: TenantId,
        by: &By,
        id: WebhookId,
    ) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let done = sqlx::query("DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .execute(&mut *write)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        append(&mut write, by, Entry::done(tenant, "webhook.delete", format!("webhook:{id}")))
            .await?;
        write.commit().await?;
        Ok(true)
    }

    /// The receivers of a tenant, by name; there are few.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhooks(&self, tenant: TenantId) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhooks WHERE tenant_id = $1 ORDER BY name")
            .bind(tenant.to_string())
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(webhook).collect()
    }

    /// One receiver.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query("SELECT * FROM webhooks WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.to_string())
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(webhook).transpose()
    }

    /// The receivers of every active tenant that get something now, for whoever delivers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enabled_webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query(
            "SELECT w.* FROM webhooks w JOIN tenants t ON t.id = w.tenant_id \
             WHERE w.enabled AND t.active",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(webhook).collect()
    }
}

fn webhook(row: &SqliteRow) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: parsed(row, "id")?,
        tenant: parsed(row, "tenant_id")?,
        name: row.try_get("name")?,
        url: parsed(row, "url")?,
        topics: json(row, "topics")?,
        enabled: row.try_get("enabled")?,
        generation: number(row, "generation")?,
        rotated_at: time_option(row, "rotated_at")?,
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
    })
}
