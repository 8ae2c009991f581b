//! `run_tool {tool, args, case_id}`: a tool that the host's own file lists, with arguments that it allows.

use std::collections::BTreeMap;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gangplank_proto::job::{Done, Outcome};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{Context, failed};
use crate::policy::Tool;

/// Bytes read at once.
const PIECE: usize = 8 << 10;

/// What a tool that was told to end has for it.
const GRACE: Duration = Duration::from_secs(5);

/// For what is left in the pipes of a tool that has ended: a program that left its group may have
/// inherited them.
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
    match start(tool, &arguments) {
        Ok(child) => follow(child, tool, context).await,
        Err(error) => failed(&format!("{} can't be started: {error}", tool.command.display())),
    }
}

fn start(tool: &Tool, arguments: &[String]) -> io::Result<Child> {
    Command::new(&tool.command)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // All that it starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Passes on what it prints until it ends, or is made to.
async fn follow(mut child: Child, tool: &Tool, context: &Context) -> Done {
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut printing = Box::pin(async {
        tokio::join!(copy(stdout, context), copy(stderr, context));
    });
    let mut printed = false;
    let mut limit = Box::pin(sleep(tool.timeout));
    let ended = loop {
        tokio::select! {
            status = child.wait() => break status.map(End::Exit),
            () = context.cancel.cancelled() => break Ok(End::Cancelled),
            () = &mut limit => break Ok(End::TooLong),
            () = &mut printing, if !printed => printed = true,
        }
    };
    if !matches!(ended, Ok(End::Exit(_))) {
        group.signal(Signal::SIGTERM);
        // Its last words are read meanwhile: they may be what it waits for.
        let gone = async {
            loop {
                tokio::select! {
                    ended = child.wait() => return ended,
                    () = &mut printing, if !printed => printed = true,
                }
            }
        };
        // One that stays is killed.
        let _ = timeout(GRACE, gone).await;
    }
    group.end();
    if !printed {
        // What nobody could read in time is lost.
        let _ = timeout(REST, &mut printing).await;
    }
    match ended {
        Ok(End::Exit(status)) => exited(status),
        Ok(End::Cancelled) => Done::new(Outcome::Cancelled, Some("called off while it ran")),
        Ok(End::TooLong) => {
            failed(&format!("it ran for more than {:?} and was ended", tool.timeout))
        }
        Err(error) => failed(&format!("its end was missed: {error}")),
    }
}

enum End {
    Exit(ExitStatus),
    Cancelled,
    TooLong,
}

/// A tool's process group. Whatever is left of it goes when nobody waits for it any more.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = killpg(group, signal);
        }
    }
}

impl Group {
    /// Kills what is left, once: later the number may be another's.
    fn end(&mut self) {
        self.signal(Signal::SIGKILL);
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

async fn copy(source: Option<impl AsyncRead + Unpin>, context: &Context) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(len) => context.output.print(buffer.get(..len).unwrap_or_default()).await,
        }
    }
}

fn exited(status: ExitStatus) -> Done {
    use std::os::unix::process::ExitStatusExt as _;

    let mut done = match (status.success(), status.signal()) {
        (true, _) => Done::new(Outcome::Succeeded, None),
        (false, Some(signal)) => failed(&format!("it was ended by signal {signal}")),
        (false, None) => failed("it ended with a failure"),
    };
    done.exit_status = status.code();
    done
}
