//! `run_tool {tool, args, case_id}`: a tool that the host's own file lists, with arguments that it allows.

use std::collections::BTreeMap;
use std::time::Duration;

use gangplank_proto::job::{Done, Outcome};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Context, Printer, failed};
use crate::helper::{Name, Verb, client};
use crate::policy::Tool;
use crate::process::{End, Farewell, Patience, command, follow};

/// Bytes read at once.
const PIECE: usize = 8 << 10;

/// What a tool that was told to end has for it.
const GRACE: Duration = Duration::from_secs(5);

/// For what is left in the pipes of a tool that has ended.
const REST: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    tool: String,
    #[serde(default)]
    args: BTreeMap<String, String>,
    /// The case that it is run for; that is the daemon's.
    #[serde(default, rename = "case_id")]
    _case_id: Option<String>,
    #[serde(default, rename = "network_attack_id")]
    _network_attack_id: Option<String>,
}

pub(super) async fn run(params: &Value, context: &Context) -> Done {
    if !context.local.policy.tools {
        return failed("this host runs no tools; its owner can set policy.tools = true");
    }
    let Params { tool: name, args, .. } = match Params::deserialize(params) {
        Ok(params) => params,
        Err(error) => return failed(&format!("run_tool takes tool and args: {error}")),
    };
    let Some(tool) = context.local.tools.get(&name) else {
        return failed("this host's file lists no such tool");
    };
    let arguments = match tool.arguments(&args) {
        Ok(arguments) => arguments,
        Err(refused) => return failed(&refused.to_string()),
    };
    if !tool.root {
        return here(tool, &arguments, context).await;
    }
    let Ok(name) = Name::new(&name) else {
        return failed("a tool that runs as root has a name of letters, digits, - and _");
    };
    match client::ask(&Verb::Tool { name, args }, context).await {
        Ok(done) => done,
        Err(_) if super::is_root() => here(tool, &arguments, context).await,
        Err(absent) => failed(&format!("this tool has to run as root, and {absent}")),
    }
}

/// Runs it by this very process.
pub(crate) async fn here(tool: &Tool, arguments: &[String], context: &Context) -> Done {
    let mut child = match command(&tool.command).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            return failed(&format!("{} can't be started: {error}", tool.command.display()));
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printing = async {
        tokio::join!(copy(stdout, &context.output), copy(stderr, &context.output));
    };
    let patience =
        Patience { wall: tool.timeout, farewell: Farewell::Terminate, grace: GRACE, rest: REST };
    match follow(child, printing, &patience, &context.cancel).await {
        Ok(End::Exited(0)) => {
            let mut done = Done::new(Outcome::Succeeded, None);
            done.exit_status = Some(0);
            done
        }
        Ok(End::Exited(status)) => {
            let mut done = failed("it ended with a failure");
            done.exit_status = Some(status);
            done
        }
        Ok(End::Signalled(signal)) => failed(&format!("it was ended by signal {signal}")),
        Ok(End::Cancelled) => Done::new(Outcome::Cancelled, Some("called off while it ran")),
        Ok(End::TooLong) => {
            failed(&format!("it ran for more than {:?} and was ended", tool.timeout))
        }
        Err(error) => failed(&format!("its end was missed: {error}")),
    }
}

async fn copy(source: Option<impl AsyncRead + Unpin>, output: &Printer) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(len) => output.print(buffer.get(..len).unwrap_or_default()).await,
        }
    }
}
