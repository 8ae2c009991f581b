//! A scan as a page that stands for itself: one file without scripts, pictures or addresses, in which
//! everything that a host said is escaped text.

use base64::Engine as _;
use gangplank_proto::scan::RuleOutcome;
use sha2::{Digest as _, Sha256};

use crate::store::{ScanRule, StoredScan};

const STYLE: &str = "\
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}\
body{margin:2rem auto;max-width:60rem;padding:0 1rem}\
h1{font-size:1.5rem}h1,h2{overflow-wrap:anywhere}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}\
dd{margin:0;overflow-wrap:anywhere}\
section{border-top:1px solid #8888;padding:.5rem 0;overflow-wrap:anywhere;break-inside:avoid}\
section h2{font-size:1rem;margin:.25rem 0}p{margin:.25rem 0}\
pre{background:#8882;padding:.5rem;white-space:pre-wrap;overflow-wrap:anywhere}\
.fail,.error,.unknown{color:#b3261e;font-weight:600}.pass,.fixed{color:#1b6e3c;font-weight:600}\
@media(prefers-color-scheme:dark){.fail,.error,.unknown{color:#ff8a80}.pass,.fixed{color:#7bd99a}}\
@media print{body{max-width:none;margin:0}}";

/// What a browser may do with the page: show it.
pub(super) fn policy() -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; sandbox"
    )
}

/// The page up to its first rule.
pub(super) fn head(scan: &StoredScan) -> String {
    let host = escape(&scan.host_name);
    // What a saved copy still says for itself; the other words count in a header only.
    let policy = policy();
    let policy = policy.split("; frame-ancestors").next().unwrap_or_default();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Compliance of {host}</title>\n<style>{STYLE}</style>\n\
         <h1>Compliance of {host}</h1>\n<dl>\n"
    );
    let counts = &scan.counts;
    let scanner = format!("{} {}", scan.scanner, scan.scanner_version.as_str());
    let sum = format!(
        "{} passed, {} failed, {} broken or not known, {} not applicable",
        u64::from(counts.pass) + u64::from(counts.fixed),
        counts.fail,
        u64::from(counts.error) + u64::from(counts.unknown),
        counts.notapplicable,
    );
    let whole =
        if scan.partial { "no: it was ended before all rules were looked at" } else { "yes" };
    let rows = [
        ("Score", percent(scan.score)),
        ("Rules", sum),
        ("Whole", whole.to_owned()),
        ("Scanner", scanner.trim_end().to_owned()),
        ("Profile", scan.profile.as_str().to_owned()),
        ("Content", scan.content.as_str().to_owned()),
        ("Scanner's own score", percent(scan.scanner_score)),
        ("Taken in", scan.at.to_string()),
    ];
    for (name, value) in rows {
        if !value.is_empty() {
            page.push_str(&format!("<dt>{name}<dd>{}\n", escape(&value)));
        }
    }
    page.push_str("</dl>\n");
    page
}

/// One rule.
pub(super) fn rule(rule: &ScanRule) -> String {
    let title = if rule.title.is_empty() { &rule.rule } else { &rule.title };
    let mut section = format!(
        "<section>\n<h2>{}</h2>\n<p><span class=\"{result}\">{}</span>, severity {}: \
         <code>{}</code>\n",
        escape(title.as_str()),
        outcome(rule.result),
        rule.severity,
        escape(rule.rule.as_str()),
        result = rule.result,
    );
    if !rule.rationale.is_empty() {
        section.push_str(&format!("<p>{}\n", escape(rule.rationale.as_str())));
    }
    if !rule.fix.is_empty() {
        section.push_str(&format!("<pre>{}</pre>\n", escape(rule.fix.as_str())));
    }
    section.push_str("</section>\n");
    section
}

/// A score for people. It is rounded down, so that 100 % is all.
pub(super) fn percent(score: Option<f64>) -> String {
    score.map(|score| format!("{:.0} %", score.floor())).unwrap_or_default()
}

fn outcome(outcome: RuleOutcome) -> &'static str {
    match outcome {
        RuleOutcome::Pass => "passed",
        RuleOutcome::Fail => "failed",
        RuleOutcome::Error => "check broke",
        RuleOutcome::Unknown => "not known",
        RuleOutcome::Notapplicable => "not applicable",
        RuleOutcome::Notchecked => "not checked",
        RuleOutcome::Notselected => "not selected",
        RuleOutcome::Informational => "for information",
        RuleOutcome::Fixed => "put right",
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use gangplank_proto::scan::Severity;

    use super::*;

    #[test]
    fn what_a_host_says_is_text() {
        let evil = "</pre><script>alert('\"&')</script>";
        let shown = rule(&ScanRule {
            rule: evil.into(),
            title: evil.into(),
            severity: Severity::High,
            result: RuleOutcome::Fail,
            rationale: evil.into(),
            fix: evil.into(),
        });
        assert!(!shown.contains("<script"), "{shown}");
        assert_eq!(shown.matches("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)").count(), 4);
    }

    #[test]
    fn only_all_is_a_hundred() {
        assert_eq!(percent(Some(99.99)), "99 %");
        assert_eq!(percent(Some(100.0)), "100 %");
        assert_eq!(percent(None), "");
    }
}
