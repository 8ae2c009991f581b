//! A PatchMon database that runs: read in one transaction that can't write.

use futures_util::TryStreamExt as _;
use gangplank_proto::secret::Secret;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::ImportError;
use super::table::{Tables, WANTED};

/// Reads the tables that are wanted. What the URL does not say comes from PostgreSQL's own
/// variables, such as `PGPASSWORD`.
pub(super) async fn read(url: &Secret) -> Result<Tables, ImportError> {
    let options: PgConnectOptions = url.expose().parse()?;
    let mut connection = PgConnection::connect_with(&options).await?;
    let mut tables = Tables::default();
    sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut connection).await?;
    for table in WANTED {
        copy(&mut connection, table, &mut tables).await?;
    }
    connection.close().await?;
    Ok(tables)
}

async fn copy(
    connection: &mut PgConnection,
    table: &'static str,
    tables: &mut Tables,
) -> Result<(), ImportError> {
    let rows = sqlx::query(
        "SELECT column_name::text AS name FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let columns = rows.iter().map(|row| row.try_get("name")).collect::<Result<Vec<_>, _>>()?;
    let filled = tables.begin(table, columns);
    // The name is one of our own list.
    let mut stream = connection.copy_out_raw(&format!("COPY {table} TO STDOUT")).await?;
    let mut text = Vec::new();
    while let Some(bytes) = stream.try_next().await? {
        text.extend_from_slice(&bytes);
    }
    String::from_utf8_lossy(&text).lines().for_each(|line| filled.push(line));
    Ok(())
}
