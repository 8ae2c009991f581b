//! A look into the database of a daemon that may be running: nothing is written, and no schema is
//! brought up to date.

use std::path::Path;

use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{PATIENCE, StoreError};

/// Tenants that are named; of the others it is only said that there are more.
const NAMED: i64 = 20;

/// The active tenants that want no second factor of anybody, by name, up to twenty.
///
/// # Errors
/// When the file is no database of ours, or can't be read.
pub async fn tenants_without_second_factor(file: &Path) -> Result<Vec<String>, StoreError> {
    // Without its journal nobody has it open, and so it is read without leaving any file beside it.
    let journal = file.with_extension("db-wal");
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(!journal.exists())
        .busy_timeout(PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let rows = sqlx::query(
        "SELECT name FROM tenants WHERE active AND NOT second_factor_required ORDER BY id LIMIT $1",
    )
    .bind(NAMED)
    .fetch_all(&pool)
    .await;
    pool.close().await;
    rows?.iter().map(|row| Ok(row.try_get("name")?)).collect()
}
