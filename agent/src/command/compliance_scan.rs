//! `compliance_scan {scanner?, profile?, content?}`: looks what does not comply. The report is what
//! the command prints, its sum is the result; one that was called off prints what it has.

use std::path::PathBuf;

use gangplank_proto::job::{self, Done, Outcome};
use gangplank_proto::limit;
use gangplank_proto::scan::Scanner;
use serde::Deserialize;
use serde_json::Value;

use super::{Context, failed};
use crate::helper::{Name, Verb, client};
use crate::scan::{self, Finding, Progress, Request, ScanError, Setup, Stopped};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Params {
    scanner: Scanner,
    profile: Option<String>,
    content: Option<PathBuf>,
    /// For whom it is done, which is the daemon's business.
    #[serde(rename = "case_id")]
    _case_id: Option<String>,
    #[serde(rename = "network_attack_id")]
    _network_attack_id: Option<String>,
}

pub(super) async fn run(params: &Value, context: &Context) -> Done {
    let params = match params {
        Value::Null => Ok(Params::default()),
        given => Params::deserialize(given),
    };
    let Params { scanner, profile, content, .. } = match params {
        Ok(params) => params,
        Err(error) => {
            return failed(&format!("compliance_scan takes scanner, profile and content: {error}"));
        }
    };
    if !context.local.policy.scan {
        return failed(&ScanError::Refused.to_string());
    }
    // A helper takes no path: what is scanned by content of one's own is scanned by this process.
    if content.is_none() {
        // What is no name is no profile either, as the scan says.
        if let Ok(profile) = profile.as_deref().map(Name::new).transpose()
            && let Ok(done) = client::ask(&Verb::Scan { scanner, profile }, context).await
        {
            return done;
        }
    }
    let request = Request { scanner, profile, content, page: None };
    here(&request, context).await
}

/// Scans by this very process, as far as its policy allows.
pub(crate) async fn here(request: &Request, context: &Context) -> Done {
    let said = |progress: Progress| context.progress.say(words(&progress));
    let (policy, setup) = (&context.local.policy, Setup::of_host());
    match scan::scan(request, policy, &setup, &context.cancel, said).await {
        Ok(finding) => tell(finding, context).await,
        Err(error) => failed(&error.to_string()),
    }
}

/// Prints the report and says how it came to its end.
async fn tell(finding: Finding, context: &Context) -> Done {
    let report = finding.report.fit(limit::SCAN_REPORT);
    let (text, sum) = match (serde_json::to_vec(&report), serde_json::to_value(&report.scan)) {
        (Ok(text), Ok(sum)) => (text, sum),
        (Err(error), _) | (_, Err(error)) => {
            return failed(&format!("the report can't be written: {error}"));
        }
    };
    context.output.print(&text).await;
    let mut done = match finding.stopped {
        None => Done::new(Outcome::Succeeded, None),
        Some(Stopped::Cancelled) => Done::new(Outcome::Cancelled, Some("called off while it ran")),
        Some(Stopped::TooLong) => failed("it took too long and was ended"),
    };
    done.exit_status = finding.exit_status;
    done.with_result(sum)
}

fn words(progress: &Progress) -> job::Progress {
    let percent = progress.total.filter(|total| *total > 0).map(|total| {
        u8::try_from(progress.done.saturating_mul(100) / total).unwrap_or(100).min(100)
    });
    let count = match progress.total {
        Some(total) => format!("{} of {total}", progress.done),
        None => progress.done.to_string(),
    };
    let what = progress.what.as_str();
    job::Progress { percent, phase: Some(count.as_str().into()), message: Some(what.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_numbers() {
        let progress = Progress { done: 3, total: Some(15), what: "A rule".to_owned() };
        let said = words(&progress);
        assert_eq!(said.percent, Some(20));
        assert_eq!(said.phase, Some("3 of 15".into()));
        assert_eq!(words(&Progress { total: None, ..progress.clone() }).percent, None);
        assert_eq!(words(&Progress { total: Some(0), ..progress }).percent, None);
    }

    #[test]
    fn what_is_not_known_is_not_ignored() {
        for wrong in ["{\"remediate\":true}", "{\"scanner\":\"other\"}", "{\"profile\":1}"] {
            let read = serde_json::from_str::<Params>(wrong);
            assert!(read.is_err(), "{wrong}");
        }
    }
}
