//! A look into the database of a daemon that may be running: nothing is written, and no schema is
//! brought up to date.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Row as _, SqlitePool};

use super::row::json;
use super::{PATIENCE, StoreError};
use crate::retention::Keeping;

/// Tenants that are named; of the others it is only said that there are more.
const NAMED: i64 = 20;

/// What the store says of tenants that a check of settings wants to know.
#[derive(Debug, Default)]
pub struct TenantSettings {
    /// The active tenants that want no second factor of anybody, by name, up to twenty.
    pub without_second_factor: Vec<String>,
    /// What is granted to tenants beside the configuration, by name.
    pub granted: Vec<(String, Keeping)>,
}

/// Reads it.
///
/// # Errors
/// When the file is no database of ours and of this version, or can't be read.
pub async fn tenant_settings(file: &Path) -> Result<TenantSettings, StoreError> {
    // Without its journal nobody has it open, and so it is read without leaving any file beside it.
    let journal = file.with_extension("db-wal");
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(!journal.exists())
        .busy_timeout(PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let settings = read(&pool).await;
    pool.close().await;
    settings
}

async fn read(pool: &SqlitePool) -> Result<TenantSettings, StoreError> {
    let rows = sqlx::query(
        "SELECT name FROM tenants WHERE active AND NOT second_factor_required ORDER BY id LIMIT $1",
    )
    .bind(NAMED)
    .fetch_all(pool)
    .await?;
    let without_second_factor =
        rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?;
    let rows = sqlx::query(
        "SELECT name, granted_retention FROM tenants \
         WHERE active AND granted_retention IS NOT NULL ORDER BY id",
    )
    .fetch_all(pool)
    .await?;
    let granted =
        rows.iter().map(|row| Ok((row.try_get("name")?, json(row, "granted_retention")?)));
    Ok(TenantSettings {
        without_second_factor,
        granted: granted.collect::<Result<_, StoreError>>()?,
    })
}
