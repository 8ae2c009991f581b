//! What is measured, one module a figure.

pub(crate) mod beside;
pub(crate) mod bulk;
pub(crate) mod channels;
pub(crate) mod echo;
pub(crate) mod ingest;
pub(crate) mod jobs;
pub(crate) mod stall;
pub(crate) mod start;

use std::{path::PathBuf, rc::Rc};

use anyhow::Result;

use crate::{
    table::{Row, Values},
    way::Way,
};

/// The OpenSSH client, which the others are compared with.
pub(crate) const OPENSSH: &str = "OpenSSH client";
/// The relay that does nothing else.
pub(crate) const BARE: &str = "bare relay";
/// SSH by the daemon.
pub(crate) const DIRECT: &str = "Gangplank, direct";
/// A PTY of the agent.
pub(crate) const AGENT: &str = "Gangplank, agent PTY";

/// What there is to measure, and how much of it.
pub(crate) struct Bench {
    /// Rounds of each figure that has them.
    pub(crate) rounds: usize,
    /// A run of seconds, whose numbers mean nothing.
    pub(crate) quick: bool,
    /// The client, the bare relay, and Gangplank's two ways.
    pub(crate) own: Vec<Rc<dyn Way>>,
    /// Other relays.
    pub(crate) peers: Vec<Rc<dyn Way>>,
    /// A text of 200 MB with zeros behind it.
    pub(crate) file: PathBuf,
}

impl Bench {
    /// One number for a measurement, another one for a look at whether it works.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// All ways.
    pub(crate) fn all(&self) -> Vec<Rc<dyn Way>> {
        self.own.iter().chain(&self.peers).cloned().collect()
    }
}

/// Rows without values.
fn rows(ways: &[Rc<dyn Way>]) -> Vec<Row> {
    ways.iter().map(|way| Row::new(way.name())).collect()
}

/// Measures every row once a round, beginning with another one each time. What failed once is left
/// out from then on.
async fn rounds(
    count: usize,
    rows: &mut [Row],
    mut measure: impl AsyncFnMut(usize) -> Result<Values>,
) {
    for round in 0..count {
        for turn in 0..rows.len() {
            let index = (round + turn) % rows.len();
            if rows[index].failure.is_none() {
                let measured = measure(index).await;
                rows[index].add(measured);
            }
        }
    }
}
