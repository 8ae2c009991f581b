//! Hosts and users brought over from a PatchMon server: out of its database or a dump of it, into
//! one transaction of ours.

mod database;
mod dump;
mod patchmon;
mod table;

use std::path::PathBuf;

use gangplank_proto::fact::HostFacts;
use gangplank_proto::id::ApiId;
use gangplank_proto::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::auth::Username;

/// Everything that is to be brought over.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Import {
    /// Hosts.
    pub hosts: Vec<ImportedHost>,
    /// Users.
    pub users: Vec<ImportedUser>,
}

/// A host with its agent's credential as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedHost {
    /// The public half of the credential.
    pub api_id: ApiId,
    /// The stored form of the secret half: bcrypt, or the key itself.
    pub key: Secret,
    /// What people call it.
    pub name: String,
    /// What its agent reported last.
    pub facts: HostFacts,
}

/// A user with their password as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ImportedUser {
    /// Their name.
    pub username: Username,
    /// bcrypt of their password.
    pub password: Secret,
    /// Their role here.
    pub role: String,
    /// Whether they are locked out.
    pub disabled: bool,
}

/// What was brought over, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether this only says what would be done.
    pub dry_run: bool,
    /// Hosts.
    pub hosts: Tally,
    /// Users.
    pub users: Tally,
}

/// One kind of thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Names of those that came.
    pub taken: Vec<String>,
    /// Names of those that were here already; they stay as they are.
    pub present: Vec<String>,
    /// Those that could not come.
    pub refused: Vec<Refused>,
}

/// Something that could not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

impl Tally {
    fn refuse(&mut self, name: &str, why: &str) {
        self.refused.push(Refused { name: name.to_owned(), why: why.to_owned() });
    }
}

/// Where to read from.
#[derive(Debug, Clone)]
pub enum From {
    /// A dump, as `pg_dump` writes it.
    Dump(PathBuf),
    /// A database that runs.
    Database(Secret),
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file can't be read.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// It is compressed.
    #[error("{}: unpack it first, with gunzip", .0.display())]
    Compressed(PathBuf),
    /// It has rows in a form that is not read.
    #[error("the dump has its rows as INSERT: make it again without --inserts")]
    Inserts,
    /// A line is longer than any of PatchMon's.
    #[error("the dump has a line of more than {0} bytes")]
    LongLine(u64),
    /// Its own form needs PostgreSQL's program.
    #[error(
        "pg_restore can't unpack the dump ({0}); install postgresql-client, or make a plain dump"
    )]
    Restore(String),
    /// It isn't PatchMon's.
    #[error("there is no table {0} in it: is this PatchMon's database?")]
    NoTable(&'static str),
    /// A table lacks what is needed.
    #[error("the table {table} has no column {column}: is this PatchMon's database?")]
    NoColumn {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
    },
    /// The database does not answer, or not as it should.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Reads what is to be brought over; what can't be is in the summary already.
///
/// # Errors
/// When nothing can be read.
pub async fn read(from: From) -> Result<(Import, Summary), ImportError> {
    let tables = match from {
        From::Dump(path) => dump::read(&path)?,
        From::Database(url) => database::read(&url).await?,
    };
    patchmon::import(&tables)
}
