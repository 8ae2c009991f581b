//! What a command has beside its parameters.

use std::sync::Arc;

use gangplank_proto::job::Progress;
use gangplank_proto::settings::Settings;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Local;
use crate::job::{Reporter, Spool};

/// What a command has beside its parameters.
#[derive(Debug)]
pub struct Context {
    /// What the host's own file says, at the command's start.
    pub local: Arc<Local>,
    /// Takes what it prints.
    pub output: Printer,
    /// Takes how far it is.
    pub progress: Teller,
    /// What people set this agent to.
    pub settings: watch::Sender<Settings>,
    /// Cancelled when it is to end early; it then answers
    /// [`Cancelled`](gangplank_proto::job::Outcome::Cancelled).
    pub cancel: CancellationToken,
}

/// What a command says on its way, apart from any job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// It printed something.
    Output(Vec<u8>),
    /// It is this far.
    Progress(Progress),
}

/// Where a command prints.
#[derive(Debug, Clone)]
pub enum Printer {
    /// A job's output.
    Spool(Arc<Spool>),
    /// Whoever ran it apart from any job.
    Pieces(mpsc::Sender<Piece>),
}

impl Printer {
    /// Takes what a command printed; waits for room.
    pub async fn print(&self, data: &[u8]) {
        match self {
            Self::Spool(spool) => spool.print(data).await,
            // A command whose words nobody hears any more is about to be ended.
            Self::Pieces(pieces) => drop(pieces.send(Piece::Output(data.to_vec())).await),
        }
    }
}

/// Where a command says how far it is.
#[derive(Debug, Clone)]
pub enum Teller {
    /// A job.
    Job(Reporter),
    /// Whoever ran it apart from any job.
    Pieces(mpsc::Sender<Piece>),
}

impl Teller {
    /// Says it, unless what was said before still waits.
    pub fn say(&self, progress: Progress) {
        match self {
            Self::Job(reporter) => reporter.say(progress),
            // The next one says more.
            Self::Pieces(pieces) => drop(pieces.try_send(Piece::Progress(progress))),
        }
    }
}
