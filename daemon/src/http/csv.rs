//! Lines of comma-separated values (RFC 4180) that a spreadsheet opens without harm.

/// One line. Each cell is in quotes, and one that a spreadsheet would take for a formula begins with an
/// apostrophe, which makes it a text.
pub(in crate::http) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (place, cell) in cells.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        line.push('"');
        if is_formula(cell) {
            line.push('\'');
        }
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

/// Whether a spreadsheet might compute what stands in a cell: it may skip blanks, and cut at a tabulator
/// or at a line's end.
fn is_formula(cell: &str) -> bool {
    let computes = |c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    cell.starts_with(['\t', '\r', '\n']) || cell.trim_start().starts_with(computes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_computed_is_a_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1"] {
            let escaped = line([formula]);
            assert_eq!(escaped, format!("\"'{formula}\"\r\n"));
        }
        for text in ["", "a=1", "1-1", "'=1", "/etc/passwd", "ä"] {
            assert_eq!(line([text]), format!("\"{text}\"\r\n"));
        }
    }

    #[test]
    fn quotes_commas_and_lines_stay_in_their_cell() {
        assert_eq!(line(["a\"b", "c,d", "e\nf"]), "\"a\"\"b\",\"c,d\",\"e\nf\"\r\n");
        assert_eq!(line(["\",=1"]), "\"\"\",=1\"\r\n");
    }
}
