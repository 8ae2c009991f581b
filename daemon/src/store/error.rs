//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// Why the store did not do what it was asked to. Nothing of a failed write remains.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another instance holds the data directory.
    #[error("the data directory {} is in use by another gangplankd", .0.display())]
    InUse(PathBuf),
    /// The database was last opened by a later version.
    #[error(
        "the database has schema version {found}, this gangplankd knows versions up to {known}: \
         install the newer version again, or restore a backup made before the upgrade"
    )]
    Newer {
        /// Version found in the database.
        found: i64,
        /// Latest version that this program knows.
        known: i64,
    },
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date: {0}")]
    Migrate(#[source] MigrateError),
    /// A name that has to be unique is taken.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// A value is not of the form that its field takes.
    #[error("{0}")]
    Invalid(&'static str),
    /// The change is against a rule that keeps the system usable.
    #[error("{0}")]
    Refused(&'static str),
    /// The approval that was named does not let this through.
    #[error("{0}")]
    NotConsented(&'static str),
    /// The disk is full or the database can't be written.
    #[error("the database can't be written: {0}")]
    NotWritable(#[source] sqlx::Error),
    /// A row holds something that this program never wrote.
    #[error("the database holds an unreadable {0}")]
    Corrupt(&'static str),
    /// A file of the data directory can't be made or read.
    #[error("{}: {cause}", .path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// Anything else that the database reports.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
}

impl StoreError {
    /// Turns a broken uniqueness rule into [`Exists`](Self::Exists) of the named thing.
    pub(super) fn named(error: sqlx::Error, what: &'static str) -> Self {
        match error.as_database_error() {
            Some(cause) if cause.is_unique_violation() => Self::Exists(what),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Primary result codes of SQLite: 8 READONLY, 10 IOERR, 13 FULL. The low byte of an
        // extended code is its primary code.
        let code = error.as_database_error().and_then(|cause| cause.code()?.parse::<u32>().ok());
        match code.map(|code| code & 0xff) {
            Some(8 | 10 | 13) => Self::NotWritable(error),
            _ => Self::Database(error),
        }
    }
}
