//! The opening of a terminal: its backend, and what its viewer says meanwhile.

use std::pin::pin;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Open, Size, ToTerminal};

use super::Environment;
use crate::backend::Backend;
use crate::channel::TerminalEnd;
use crate::input::Input;
use crate::question::{Asked, Questions};
use crate::queue::Item;
use crate::{lent, pty, ssh, tcp};

pub(super) fn ended_early() -> OpenError {
    OpenError::new(ErrorCode::Internal, "the terminal was ended before it was open")
}

/// Opens the backend while the viewer may already answer, resize, type ahead or leave.
pub(super) async fn establish(
    open: Open,
    viewer: &mut TerminalEnd,
    input: &mut Input,
    environment: &Environment,
) -> Result<Backend, OpenError> {
    let asked_size = match &open {
        Open::Ssh { pty, .. } | Open::Pty { pty, .. } => Some(pty.size),
        Open::DirectTcpip { .. } => None,
    };
    let (questions, mut asking) = Questions::new(environment.answer_timeout);
    let mut backend = pin!(connect(open, questions, environment));
    let mut asked: Option<Asked> = None;
    let mut resized: Option<Size> = None;
    let backend = loop {
        tokio::select! {
            backend = &mut backend => break backend?,
            Some(question) = asking.recv() => {
                let (word, question) = question.ask();
                asked = Some(question);
                viewer.word(word).map_err(|_| ended_early())?;
            }
            item = viewer.recv() => match item {
                Ok(Some(Item::Data(data))) => input.push(data),
                Ok(Some(Item::Word(ToTerminal::Resize(size)))) => resized = Some(size),
                Ok(Some(Item::Word(ToTerminal::Eof))) => input.eof(),
                Ok(Some(Item::Word(ToTerminal::Close | ToTerminal::Detach)) | None) => {
                    return Err(ended_early());
                }
                Ok(Some(Item::Word(word))) => asked = asked.and_then(|asked| asked.answer(word)),
                Err(error) => return Err(OpenError::new(ErrorCode::BadRequest, error.to_string())),
            },
        }
    };
    if let Some(size) = resized.filter(|size| Some(*size) != asked_size) {
        input.resize(size);
    }
    Ok(backend)
}

async fn connect(
    open: Open,
    questions: Questions,
    environment: &Environment,
) -> Result<Backend, OpenError> {
    let limit = environment.connect_timeout;
    match open {
        Open::Ssh { host, port, addresses, username, trust, credential, pty } => {
            let target = ssh::Target { host, port, addresses, username, trust, credential, pty };
            match &environment.passage {
                None => ssh::client::open(target, questions, limit).await,
                Some(passage) => ssh::client::open_through(target, questions, passage, limit).await,
            }
        }
        _ if environment.passage.is_some() => {
            Err(OpenError::new(ErrorCode::BadRequest, "only SSH goes through a gateway"))
        }
        #[cfg(test)]
        Open::Pty { .. } if let Some(shell) = crate::simulation::shell::take() => Ok(shell),
        Open::Pty { username, pty } => match (&environment.lender, username) {
            (Some(lender), Some(user)) if !pty::can_become(&user) => {
                lent::open(lender, user, pty).await
            }
            (_, username) => {
                pty::open(username, pty, &environment.spawner, environment.hangup_grace).await
            }
        },
        Open::DirectTcpip { host, port } => tcp::open(&host, port, limit).await,
    }
}
