//! What this agent can be told to do: one file for each command, and the one place where a name
//! leads to it. Whether the host allows it is asked there, for every single job.

mod compliance_scan;
mod docker_inventory;
mod refresh_integration_status;
mod report_now;
mod run_tool;
mod settings_update;

use std::sync::Arc;

use gangplank_proto::job::{Command, Done, Outcome, Run};
use gangplank_proto::settings::Settings;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Local;
use crate::job::{Reporter, Spool};

/// What a command has beside its parameters.
#[derive(Debug)]
pub struct Context {
    /// What the host's own file says, at the command's start.
    pub local: Arc<Local>,
    /// Takes what it prints.
    pub output: Arc<Spool>,
    /// Takes how far it is.
    pub progress: Reporter,
    /// What people set this agent to.
    pub settings: watch::Sender<Settings>,
    /// Cancelled when it is to end early; it then answers [`Outcome::Cancelled`].
    pub cancel: CancellationToken,
}

/// Runs a command to its end.
pub async fn run(run: &Run, context: &Context) -> Done {
    match run.command.as_str().parse() {
        Ok(Command::ComplianceScan) => compliance_scan::run(&run.params, context).await,
        Ok(Command::DockerInventory) => docker_inventory::run(context).await,
        Ok(Command::RefreshIntegrationStatus) => refresh_integration_status::run(context).await,
        Ok(Command::ReportNow) => report_now::run(context).await,
        Ok(Command::RunTool) => run_tool::run(&run.params, context).await,
        Ok(Command::SettingsUpdate) => settings_update::run(&run.params, context),
        _ => failed(&format!("this agent does not offer {}", run.command.as_str())),
    }
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
fn failed(why: &str) -> Done {
    Done::new(Outcome::Failed, Some(why))
}
