//! Copies of the running database.

use std::path::Path;

use super::{Store, StoreError};

impl Store {
    /// Writes a complete copy of the database to `file`, which must not exist, while everything goes
    /// on. The copy is private (0600). The one place whose SQL is SQLite's own.
    ///
    /// # Errors
    /// When the file exists or can't be written; then no part of it is left.
    pub async fn backup(&self, file: &Path) -> Result<(), StoreError> {
        use std::os::unix::fs::OpenOptionsExt;

        let failed = |cause| StoreError::File { path: file.to_owned(), cause };
        let Some(name) = file.to_str() else {
            return Err(failed(std::io::Error::other("the file name is not UTF-8")));
        };
        // VACUUM INTO accepts an existing file that is empty, so the mode is right from the start.
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .map_err(failed)?;
        let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&self.writer).await;
        if let Err(error) = copied {
            std::fs::remove_file(file).map_err(failed)?;
            return Err(error.into());
        }
        Ok(())
    }
}
