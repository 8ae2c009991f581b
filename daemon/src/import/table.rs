//! Tables in PostgreSQL's COPY text form, which dumps and databases give alike.

use std::collections::HashMap;

use super::ImportError;

/// The tables that are read.
pub(super) const WANTED: [&str; 3] = ["hosts", "users", "role_permissions"];

/// What was read, by name.
#[derive(Debug, Default)]
pub(super) struct Tables(HashMap<&'static str, Table>);

/// The rows of one table.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// One row of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    table: &'a Table,
    cells: &'a [Option<String>],
}

impl Tables {
    pub(super) fn begin(&mut self, name: &'static str, columns: Vec<String>) -> &mut Table {
        let table = self.0.entry(name).or_default();
        table.columns = columns;
        table
    }

    pub(super) fn get(&self, name: &str) -> Option<&Table> {
        self.0.get(name)
    }

    /// A table without which nothing can be brought over.
    pub(super) fn required(
        &self,
        name: &'static str,
        columns: &[&'static str],
    ) -> Result<&Table, ImportError> {
        let table = self.get(name).ok_or(ImportError::NoTable(name))?;
        match columns.iter().find(|column| !table.columns.iter().any(|known| known == *column)) {
            Some(column) => Err(ImportError::NoColumn { table: name, column }),
            None => Ok(table),
        }
    }
}

impl Table {
    /// Takes one line of COPY's text form.
    pub(super) fn push(&mut self, line: &str) {
        self.rows.push(line.split('\t').map(cell).collect());
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { table: self, cells })
    }
}

impl<'a> Row<'a> {
    /// The text of a column; none for null and for a column that there is not.
    pub(super) fn text(&self, column: &str) -> Option<&'a str> {
        let at = self.table.columns.iter().position(|known| known == column)?;
        self.cells.get(at)?.as_deref()
    }

    /// Whether a column says true.
    pub(super) fn is(&self, column: &str) -> bool {
        matches!(self.text(column), Some("t" | "true"))
    }
}

fn cell(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let mut cell = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            cell.push(c);
            continue;
        }
        cell.extend(match chars.next() {
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\u{b}'),
            other => other,
        });
    }
    Some(cell)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_unescaped() {
        let mut tables = Tables::default();
        let names = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        tables.begin("hosts", names).push("\\N\ta\\tb\\\\n\t\tt");
        let row = tables.get("hosts").unwrap().rows().next().unwrap();
        assert_eq!((row.text("a"), row.text("b")), (None, Some("a\tb\\n")));
        assert_eq!((row.text("c"), row.is("d"), row.text("e")), (Some(""), true, None));
        assert!(tables.required("hosts", &["a", "d"]).is_ok());
        assert!(
            tables.required("hosts", &["e"]).is_err() && tables.required("users", &[]).is_err()
        );
    }
}
