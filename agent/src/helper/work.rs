//! The worker: does one verb as root and says on its standard output what comes of it. It runs in the
//! transient unit of the verb where there is a service manager, and it decides by root's file for
//! itself: nobody is to be believed who could start it. Once its standard input ends it brings its
//! work to an early end.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::job::Done;
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Frames};
use super::policy::Policy;
use super::{Answer, SOCKET, Verb};
use crate::command::{
    Context, Piece, Printer, Teller, compliance_scan, failed, run_tool, update_packages,
};
use crate::config::{Level, Local};
use crate::update::Keys;
use crate::{policy, scan};

/// What the work may say before somebody has taken it.
const PIECES: usize = 8;

/// The arguments with which this program is a worker.
pub(super) fn arguments(policy: &Path) -> [OsString; 4] {
    ["helper".into(), "--work".into(), "--policy".into(), policy.into()]
}

/// Takes the ask from standard input, does it, and says how it ended.
///
/// # Errors
/// When standard input or output is no pipe, or nothing that can be understood comes.
pub async fn run(path: &Path) -> io::Result<()> {
    let input = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let mut output = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
    let mut input = Frames::new(input);
    let ask = input.next().await?.and_then(|frame| frame.parse::<Verb>());
    let Some(verb) = ask else { return Err(io::ErrorKind::InvalidData.into()) };
    let cancel = CancellationToken::new();
    let (pieces, mut said) = mpsc::channel(PIECES);
    let work = perform(verb, path, pieces, cancel.clone());
    let passing = async {
        let mut heard = Ok(());
        while let Some(piece) = said.recv().await {
            // What it still says is taken, or it would wait and not end.
            if heard.is_ok() {
                heard = pass(piece, &mut output).await;
            }
            if heard.is_err() {
                cancel.cancel();
            }
        }
        heard
    };
    let hung_up = async {
        // Whatever else comes is a goodbye too.
        let _ = input.next().await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    let (done, heard) = tokio::select! {
        both = async { tokio::join!(work, passing) } => both,
        () = hung_up => return Ok(()),
    };
    heard?;
    Frame::word(&Answer::Done(done))?.write(&mut output).await
}

async fn pass(piece: Piece, output: &mut pipe::Sender) -> io::Result<()> {
    let frame = match piece {
        Piece::Output(data) => Frame::Output(data.into()),
        Piece::Progress(progress) => Frame::word(&Answer::Progress(progress))?,
    };
    frame.write(output).await
}

/// Does what is asked, as far as root's file allows.
async fn perform(
    verb: Verb,
    path: &Path,
    pieces: mpsc::Sender<Piece>,
    cancel: CancellationToken,
) -> Done {
    let allowed = match Policy::load(path) {
        Ok(allowed) => allowed,
        Err(error) => return failed(&error.to_string()),
    };
    if let Err(refusal) = allowed.check(&verb) {
        return failed(&refusal.to_string());
    }
    let context = Context {
        local: Arc::new(local(&allowed)),
        output: Printer::Pieces(pieces.clone()),
        progress: Teller::Pieces(pieces),
        settings: watch::Sender::default(),
        cancel,
    };
    match verb {
        Verb::Scan { scanner, profile } => {
            let profile = profile.map(String::from);
            let request = scan::Request { scanner, profile, content: None, page: None };
            compliance_scan::here(&request, &context).await
        }
        Verb::Packages { mode } => update_packages::here(mode, &context).await,
        Verb::Tool { name, args } => match allowed.tool(name.as_str()) {
            Ok(tool) => match tool.arguments(&args) {
                Ok(arguments) => run_tool::here(tool, &arguments, &context).await,
                Err(refused) => failed(&refused.to_string()),
            },
            Err(refusal) => failed(&refusal.to_string()),
        },
        Verb::Pty { .. } => failed("a terminal is no work"),
    }
}

/// Root's policy in the words of an agent's.
fn local(allowed: &Policy) -> Local {
    let policy = policy::Policy {
        scan: allowed.scan,
        packages: allowed.packages,
        ..policy::Policy::default()
    };
    Local {
        policy,
        tools: allowed.tools.clone(),
        keys: Keys::default(),
        log: Level::default(),
        ssh_dir: "/etc/ssh".into(),
        helper: SOCKET.into(),
        telemetry: Duration::ZERO,
    }
}
