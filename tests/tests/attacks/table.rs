//! The table of docs/security-tests.md names tests that are there.

use std::fs;

use gangplank_tests::program;

#[test]
fn every_case_is_tested_where_the_table_says() {
    let table = fs::read_to_string(program::source("docs/security-tests.md")).expect("a document");
    let rows = table.lines().filter(|line| line.starts_with("| ") && line.contains(".rs"));
    let mut named = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, _, file, test, ..] = cells[..] else { panic!("{row}") };
        let file = file.trim_matches('`');
        let source = fs::read_to_string(program::source(file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let test = test.trim_matches('`');
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
        named += 1;
    }
    assert!(named > 25, "{named} rows");
}
