//! The figures as text, for people and for the documents.

use std::{fmt::Write as _, fs, process::Command};

use crate::table::{Aim, Bound, Column, Figure, Row, Spread};

/// A figure on the terminal.
pub(crate) fn text(figure: &Figure) -> String {
    let width = figure.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{}\n{:width$}", figure.title, "");
    for column in figure.columns {
        let _ = write!(text, "  {:>20}", column.head);
    }
    text.push('\n');
    for row in &figure.rows {
        let _ = write!(text, "{:width$}", row.name);
        for column in figure.columns {
            let _ = write!(text, "  {:>20}", cell(row, column));
        }
        if let Some(failure) = &row.failure {
            let _ = write!(text, "  {failure}");
        }
        text.push('\n');
    }
    for aim in &figure.aims {
        let _ = writeln!(text, "  {:6}  {}: {}", verdict(aim), aim.text, outcome(aim));
    }
    text
}

/// A figure in Markdown.
pub(crate) fn markdown(figure: &Figure) -> String {
    let mut text = format!("## {}\n\n![{0}](performance/{}.svg)\n\n| |", figure.title, figure.id);
    for column in figure.columns {
        let _ = write!(text, " {} |", column.head);
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: |".repeat(figure.columns.len()));
    text.push('\n');
    for row in &figure.rows {
        let _ = write!(text, "| {} |", row.name);
        for column in figure.columns {
            let _ = write!(text, " {} |", cell(row, column));
        }
        text.push('\n');
    }
    for row in &figure.rows {
        if let Some(failure) = &row.failure {
            let _ = write!(text, "\n{}: {failure}\n", row.name);
        }
    }
    text.push_str("\n| aim | | |\n| --- | --- | --- |\n");
    for aim in &figure.aims {
        let _ = writeln!(text, "| {} | {} | {} |", aim.text, outcome(aim), verdict(aim));
    }
    text
}

/// Median and range; a quantity measured once is just that.
fn cell(row: &Row, column: &Column) -> String {
    let digits = column.digits;
    match row.spread(column.key) {
        None => "–".to_owned(),
        Some(Spread { median, min, max }) if min == max => format!("{median:.digits$}"),
        Some(Spread { median, min, max }) => {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        }
    }
}

fn verdict(aim: &Aim) -> &'static str {
    match (aim.is_met(), aim.stretch) {
        (true, _) => "met",
        (false, false) => "MISSED",
        (false, true) => "(not)",
    }
}

fn outcome(aim: &Aim) -> String {
    let value = aim.value.map_or("not measured".to_owned(), |value| format!("{value:.2}"));
    let (relation, bound) = match aim.bound {
        Bound::AtMost(bound) => ("≤", bound),
        Bound::AtLeast(bound) => ("≥", bound),
    };
    let kind = if aim.stretch { "stretch" } else { "aim" };
    format!("{value} ({kind} {relation} {bound})")
}

/// What the figures were measured on, one line.
pub(crate) fn machine() -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("CPU");
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = file("/proc/sys/kernel/osrelease");
    let ssh = Command::new("ssh").arg("-V").output().map(|said| said.stderr).unwrap_or_default();
    let ssh = String::from_utf8_lossy(&ssh).split(',').next().unwrap_or_default().to_owned();
    format!("{cores} × {model}, Linux {}, {ssh}, loopback", kernel.trim())
}
