//! `update_packages {mode}`: updates by the host's package manager, as far as its owner allows. What
//! the package manager prints is what the command prints.

use gangplank_proto::job::{Done, Outcome};
use serde::Deserialize;
use serde_json::Value;

use super::{Context, failed};
use crate::helper::{Verb, client};
use crate::packages::{self, Mode, PackageError, Setup};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    mode: Mode,
}

pub(super) async fn run(params: &Value, context: &Context) -> Done {
    if !context.local.policy.packages {
        return failed("this host's packages are its owner's, who can set policy.packages = true");
    }
    let mode = match Params::deserialize(params) {
        Ok(Params { mode }) => mode,
        Err(error) => {
            return failed(&format!(
                "update_packages takes mode: dry_run, security or all: {error}"
            ));
        }
    };
    match client::ask(&Verb::Packages { mode }, context).await {
        Ok(done) => done,
        // What would be done anybody may look up.
        Err(_) if super::is_root() || mode == Mode::DryRun => here(mode, context).await,
        Err(absent) => failed(&format!("packages are updated by root, and {absent}")),
    }
}

/// Updates by this very process.
pub(crate) async fn here(mode: Mode, context: &Context) -> Done {
    let setup = match Setup::of_host() {
        Ok(setup) => setup,
        Err(error) => return failed(&error.to_string()),
    };
    let (output, progress) = (&context.output, &context.progress);
    let error = match packages::update(mode, &setup, output, progress, &context.cancel).await {
        Ok(finding) => match serde_json::to_value(finding) {
            Ok(finding) => return Done::new(Outcome::Succeeded, None).with_result(finding),
            Err(error) => return failed(&format!("the result can't be written: {error}")),
        },
        Err(error) => error,
    };
    let outcome = match error {
        PackageError::Cancelled => Outcome::Cancelled,
        _ => Outcome::Failed,
    };
    let mut done = Done::new(outcome, Some(&error.to_string()));
    done.exit_status = error.exit_status();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_ignored() {
        for wrong in ["{}", "{\"mode\":\"remove\"}", "{\"mode\":\"all\",\"packages\":[\"x\"]}"] {
            assert!(serde_json::from_str::<Params>(wrong).is_err(), "{wrong}");
        }
    }
}
