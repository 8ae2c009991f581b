//! Dumps as `pg_dump` writes them: plain SQL is read as it comes, every other form by way of
//! `pg_restore`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use super::ImportError;
use super::table::{Tables, WANTED};

/// Longest line that is read, in bytes.
const LINE: u64 = 64 << 20;

/// Reads the tables that are wanted out of a dump.
pub(super) fn read(path: &Path) -> Result<Tables, ImportError> {
    let failed = |cause| ImportError::Io { path: path.to_owned(), cause };
    if path.is_dir() {
        return restore(path);
    }
    let mut start = [0; 5];
    let length = File::open(path).and_then(|mut file| file.read(&mut start)).map_err(failed)?;
    match start.get(..length).unwrap_or_default() {
        [0x1f, 0x8b, ..] => Err(ImportError::Compressed(path.to_owned())),
        b"PGDMP" => restore(path),
        _ => plain(BufReader::new(File::open(path).map_err(failed)?), path),
    }
}

/// Has `pg_restore` write a dump of its own form as plain SQL.
fn restore(path: &Path) -> Result<Tables, ImportError> {
    let mut command = Command::new("pg_restore");
    command.args(["--data-only", "--file=-"]);
    for table in WANTED {
        command.arg("--table").arg(table);
    }
    let failed = |error: &dyn std::fmt::Display| ImportError::Restore(error.to_string());
    let mut child = command
        .arg("--")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))?;
    let read = match child.stdout.take() {
        Some(stdout) => plain(BufReader::new(stdout), path),
        None => Ok(Tables::default()),
    };
    let status = child.wait().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&status));
    }
    read
}

/// Reads plain SQL: the blocks of COPY for the wanted tables, and nothing else of it.
fn plain(mut from: impl BufRead, path: &Path) -> Result<Tables, ImportError> {
    let mut tables = Tables::default();
    // The table whose block this is; none in a block of another table.
    let mut block: Option<Option<(&'static str, Vec<String>)>> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut from).take(LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|cause| ImportError::Io { path: path.to_owned(), cause })?;
        if read == 0 {
            return Ok(tables);
        }
        if read as u64 == LINE {
            return Err(ImportError::LongLine(LINE));
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        match &block {
            Some(_) if text == "\\." => block = None,
            Some(Some((name, columns))) => tables.begin(name, columns.clone()).push(text),
            Some(None) => {}
            None => {
                if let Some(rest) = text.strip_prefix("COPY ") {
                    block = Some(copy(rest));
                    if let Some(Some((name, columns))) = &block {
                        // It counts as there even without a row.
                        tables.begin(name, columns.clone());
                    }
                } else if text
                    .strip_prefix("INSERT INTO ")
                    .is_some_and(|rest| wanted(rest).is_some())
                {
                    return Err(ImportError::Inserts);
                }
            }
        }
    }
}

/// `public.hosts (id, api_id) FROM stdin;` of a wanted table.
fn copy(rest: &str) -> Option<(&'static str, Vec<String>)> {
    let name = wanted(rest)?;
    let (_, rest) = rest.split_once('(')?;
    let (columns, _) = rest.split_once(')')?;
    let columns = columns.split(',').map(|column| column.trim().trim_matches('"').to_owned());
    Some((name, columns.collect()))
}

/// The wanted table that a statement names first.
fn wanted(rest: &str) -> Option<&'static str> {
    let name = rest.split([' ', '(']).next()?;
    let name = name.rsplit('.').next()?.trim_matches('"');
    WANTED.into_iter().find(|wanted| *wanted == name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tables, ImportError> {
        plain(text.as_bytes(), Path::new("dump.sql"))
    }

    #[test]
    fn the_wanted_blocks_are_read_and_nothing_else() {
        let tables = read(
            "SET x = 1;\nCOPY public.hosts (id, \"api_id\") FROM stdin;\n1\tpatchmon_1\n\\.\n\
             COPY public.packages (id) FROM stdin;\nCOPY public.users (id) FROM stdin;\n\\.\n\
             COPY \"public\".\"users\" (id) FROM stdin;\n\\.\n",
        )
        .unwrap();
        let rows: Vec<_> = tables.get("hosts").unwrap().rows().collect();
        assert_eq!(
            rows.iter().map(|row| row.text("api_id")).collect::<Vec<_>>(),
            [Some("patchmon_1")]
        );
        assert_eq!(tables.get("users").unwrap().rows().count(), 0);
        assert!(tables.get("role_permissions").is_none());
    }

    #[test]
    fn a_dump_of_another_form_says_what_to_do() {
        let inserts = read("INSERT INTO public.hosts (id) VALUES (1);\n");
        assert!(matches!(inserts, Err(ImportError::Inserts)));
        assert!(read("INSERT INTO public.packages VALUES (1);\n").is_ok());
    }
}
