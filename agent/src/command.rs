//! What this agent can be told to do: one file for each command, and the one place where a name
//! leads to it. Whether the host allows it is asked there, for every single job.

pub(crate) mod compliance_scan;
mod context;
mod docker_inventory;
mod refresh_integration_status;
mod report_now;
pub(crate) mod run_tool;
mod settings_update;
mod update_agent;
pub(crate) mod update_packages;

use gangplank_proto::job::{Command, Done, Outcome, Run};
use serde::Serialize;

pub use context::{Context, Piece, Printer, Teller};

use crate::update::state::Ordered;
use crate::update::{End, Updates};

/// Runs a command to its end, as this attempt at a job. The agent's own program is replaced by
/// `updates`.
pub async fn run(run: &Run, context: &Context, updates: &Updates, job: Ordered) -> End {
    let done = match run.command.as_str().parse() {
        Ok(Command::ComplianceScan) => compliance_scan::run(&run.params, context).await,
        Ok(Command::DockerInventory) => docker_inventory::run(context).await,
        Ok(Command::RefreshIntegrationStatus) => refresh_integration_status::run(context).await,
        Ok(Command::ReportNow) => report_now::run(context).await,
        Ok(Command::RunTool) => run_tool::run(&run.params, context).await,
        Ok(Command::SettingsUpdate) => settings_update::run(&run.params, context),
        Ok(Command::UpdatePackages) => update_packages::run(&run.params, context).await,
        // The only one whose end this process may not live to see.
        Ok(Command::UpdateAgent) => {
            return update_agent::run(&run.params, context, updates, job).await;
        }
        _ => failed(&format!("this agent does not offer {}", run.command.as_str())),
    };
    End::Done(done)
}

/// Prints what a command found out, and ends it well.
async fn print(found: &impl Serialize, context: &Context) -> Done {
    match serde_json::to_vec(found) {
        Ok(text) => {
            context.output.print(&text).await;
            Done::new(Outcome::Succeeded, None)
        }
        Err(error) => failed(&format!("what was found can't be written: {error}")),
    }
}

/// An end that is no success.
pub(crate) fn failed(why: &str) -> Done {
    Done::new(Outcome::Failed, Some(why))
}

/// Whether this process may do all on its host.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
