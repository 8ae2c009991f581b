//! A figure's first column as bars, in SVG.

use std::fmt::Write as _;

use crate::table::{Figure, Spread};

/// Left edge and length of the longest bar, height of a row, all in user units.
const LEFT: f64 = 190.0;
const LENGTH: f64 = 400.0;
const ROW: f64 = 28.0;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}\
    .title{font-weight:600}.bar{fill:#8c959f}.own{fill:#0969da}.range{stroke:#1f2328}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.range{stroke:#e6edf3}.own{fill:#4493f8}}";

/// Draws a figure: a bar a way, with the range of its rounds.
pub(crate) fn bars(figure: &Figure) -> String {
    let Some(column) = figure.columns.first() else { return String::new() };
    let spreads: Vec<Option<Spread>> =
        figure.rows.iter().map(|row| row.spread(column.key)).collect();
    let longest = spreads.iter().flatten().map(|spread| spread.max).fold(f64::EPSILON, f64::max);
    let height = ROW * (figure.rows.len() as f64 + 1.5);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 700 {height}\" role=\"img\">\
         <style>{STYLE}</style>\n<text class=\"title\" x=\"0\" y=\"16\">{}: {}</text>\n",
        figure.title, column.head
    );
    for ((row, spread), turn) in figure.rows.iter().zip(spreads).zip(1..) {
        let top = ROW * f64::from(turn);
        let line = top + ROW * 0.7;
        let _ = writeln!(svg, "<text x=\"0\" y=\"{line:.1}\">{}</text>", row.name);
        let Some(Spread { median, min, max }) = spread else {
            let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{line:.1}\">not measured</text>");
            continue;
        };
        let at = |value: f64| LENGTH * value / longest;
        let class = if row.name.starts_with("Gangplank") { "bar own" } else { "bar" };
        let digits = column.digits;
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"18\" rx=\"2\"/>\
             <path class=\"range\" d=\"M{:.1} {:.1}H{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{line:.1}\">{median:.digits$}</text>",
            top + 5.0,
            at(median),
            LEFT + at(min),
            top + 14.0,
            LEFT + at(max),
            LEFT + at(max) + 8.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
