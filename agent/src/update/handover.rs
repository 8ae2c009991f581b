//! Terminals on their way from one program to the one that takes its place.
//!
//! They wait in a socket whose other end may be closed: what lies in it stays as long as somebody has
//! it. It is the standard input of the program that is to take them, so that it needs no name, and goes
//! through any number of programs that don't know of it. Each terminal is one message: a word that says
//! what it is, and the descriptors that hold it, the first of which is a file in memory with all that
//! was said. So a terminal is there as a whole or not at all, and a process that dies takes those with
//! it that nobody else has: their shells are hung up by the kernel.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IoSlice, IoSliceMut, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::process::Stdio;

use gangplank_proto::fact::HeldSession;
use gangplank_terminal::frozen::{FORM, Frozen};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    sockopt,
};
use rustix::stdio::dup2_stdin;
use serde::{Deserialize, Serialize};

/// Longest word about a terminal.
const WORD: usize = 4096;

/// Descriptors of one terminal at most: its file, its PTY, and what its end is heard by.
const DESCRIPTORS: usize = 3;

/// For the words about all terminals that an agent may have.
const SEND_BUFFER: usize = 1 << 20;

/// What is said with a terminal's descriptors. A program that knows other forms reads at least this.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    form: u32,
    session: HeldSession,
}

/// One message.
#[derive(Debug)]
struct Parcel {
    word: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// One end of the socket.
#[derive(Debug)]
pub struct Handover(OwnedFd);

impl Handover {
    /// What the program before left to this one. To be called once: standard input is another
    /// afterwards.
    #[must_use]
    pub fn from_stdin() -> Option<Self> {
        let stdin = io::stdin();
        if !is_ours(stdin.as_fd()) {
            return None;
        }
        let taken = stdin.as_fd().try_clone_to_owned();
        let replaced = File::open("/dev/null").and_then(|null| Ok(dup2_stdin(null)?));
        match (taken, replaced) {
            (Ok(socket), Ok(())) => Some(Self(socket)),
            (taken, replaced) => {
                let error = taken.err().or(replaced.err());
                tracing::warn!(?error, "the terminals of the program before can't be taken");
                None
            }
        }
    }

    /// Both ends of a new one.
    ///
    /// # Errors
    /// When the system has no more.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        for end in [&one, &other] {
            sockopt::set_socket_send_buffer_size(end, SEND_BUFFER)?;
        }
        Ok((Self(one), Self(other)))
    }

    /// As the standard input of a program.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn stdin(&self) -> io::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }

    /// Makes it the standard input of whatever takes this program's place.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn leave_as_stdin(&self) -> io::Result<()> {
        Ok(dup2_stdin(&self.0)?)
    }

    /// Puts terminals in for whoever has the other end. One that can't be put in is hung up.
    pub fn put(&self, terminals: Vec<Frozen>) {
        for terminal in terminals {
            let session_id = terminal.session().session_id;
            if let Err(error) = Parcel::of(&terminal).and_then(|parcel| self.send(&parcel)) {
                tracing::warn!(%session_id, %error, "a terminal can't be handed over");
            }
        }
    }

    /// Takes out what is there.
    #[must_use]
    pub fn take(&self) -> Vec<Frozen> {
        self.parcels().into_iter().filter_map(Parcel::open).collect()
    }

    /// Moves what is there to another one.
    pub fn pass_on(&self, to: &Self) {
        for parcel in self.parcels() {
            if let Err(error) = to.send(&parcel) {
                tracing::warn!(%error, "a terminal can't be handed on");
            }
        }
    }

    fn parcels(&self) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        loop {
            match self.receive() {
                Ok(Some(parcel)) => parcels.push(parcel),
                Ok(None) => return parcels,
                Err(error) => {
                    tracing::warn!(%error, "the terminals of the program before can't be taken");
                    return parcels;
                }
            }
        }
    }

    fn send(&self, parcel: &Parcel) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> =
            parcel.descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        sendmsg(&self.0, &[IoSlice::new(&parcel.word)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next parcel; none when nothing waits.
    fn receive(&self) -> io::Result<Option<Parcel>> {
        let mut word = [0; WORD];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received =
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut word)], &mut control, flags) {
                Ok(received) if received.bytes == 0 => return Ok(None),
                Ok(received) => received,
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        let word = word.get(..received.bytes).unwrap_or_default().to_vec();
        Ok(Some(Parcel { word, descriptors }))
    }
}

/// Whether this is a socket as [`Handover::pair`] makes them, of a process of this user's.
fn is_ours(input: BorrowedFd<'_>) -> bool {
    sockopt::socket_type(input) == Ok(SocketType::SEQPACKET)
        && sockopt::socket_domain(input) == Ok(AddressFamily::UNIX)
        && sockopt::socket_peercred(input).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

impl Parcel {
    fn of(terminal: &Frozen) -> io::Result<Self> {
        let word = Word { form: FORM, session: terminal.session() };
        let mut file = BufWriter::new(File::from(in_memory()?));
        terminal.write(&mut file)?;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.flush()?;
        file.rewind()?;
        let mut descriptors = vec![OwnedFd::from(file)];
        for descriptor in terminal.held_by() {
            descriptors.push(descriptor.try_clone_to_owned()?);
        }
        Ok(Self { word: serde_json::to_vec(&word)?, descriptors })
    }

    /// The terminal in it; one that is over and says why, if it can't be gone on with.
    fn open(self) -> Option<Frozen> {
        let word: Word = match serde_json::from_slice(&self.word) {
            Ok(word) => word,
            Err(error) => {
                tracing::warn!(%error, "a terminal of the program before has no name");
                return None;
            }
        };
        let session_id = word.session.session_id;
        if word.form != FORM {
            tracing::warn!(%session_id, form = word.form, "a terminal of an unknown form");
            let reason = "the version that runs now can't go on with it";
            return Some(Frozen::lost(&word.session, reason));
        }
        let mut descriptors = self.descriptors.into_iter();
        let file = descriptors.next().map(File::from).map(BufReader::new);
        let read = file.map(|mut file| Frozen::read(&mut file, descriptors.collect()));
        match read {
            Some(Ok(terminal)) => Some(terminal),
            Some(Err(error)) => {
                tracing::warn!(%session_id, %error, "a terminal came broken");
                Some(Frozen::lost(&word.session, "it came broken to the new program"))
            }
            None => Some(Frozen::lost(&word.session, "it came broken to the new program")),
        }
    }
}

/// A file without a name, which is never executed.
fn in_memory() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC;
    match memfd_create("terminal", flags | MemfdFlags::NOEXEC_SEAL) {
        // Kernels before 6.3 don't know the seal.
        Err(Errno::INVAL) => Ok(memfd_create("terminal", flags)?),
        made => Ok(made?),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use gangplank_proto::id::SessionId;

    use super::*;

    fn session() -> HeldSession {
        HeldSession { session_id: SessionId::new(), offset: 7, input_offset: 3, quiet_ms: None }
    }

    fn ids(terminals: &[Frozen]) -> Vec<SessionId> {
        terminals.iter().map(|terminal| terminal.session().session_id).collect()
    }

    #[test]
    fn what_is_put_in_comes_out_once_whoever_is_gone() {
        let (here, there) = Handover::pair().unwrap();
        let sessions: Vec<_> = (0..256).map(|_| session()).collect();
        here.put(sessions.iter().map(|session| Frozen::lost(session, "over")).collect());
        drop(here);
        let (next, way) = Handover::pair().unwrap();
        there.pass_on(&way);
        assert!(there.take().is_empty());
        drop((there, way));
        let taken = next.take();
        assert_eq!(
            ids(&taken),
            sessions.iter().map(|session| session.session_id).collect::<Vec<_>>()
        );
        assert_eq!((taken[0].session().offset, taken[0].session().input_offset), (7, 3));
        assert!(next.take().is_empty());
    }

    #[test]
    fn a_terminal_of_another_form_is_over_and_of_none_is_nothing() {
        let (here, there) = Handover::pair().unwrap();
        let session = session();
        let mut parcel = Parcel::of(&Frozen::lost(&session, "over")).unwrap();
        parcel.word =
            serde_json::to_vec(&Word { form: FORM + 1, session: session.clone() }).unwrap();
        here.send(&parcel).unwrap();
        parcel.word = b"?".to_vec();
        here.send(&parcel).unwrap();
        let word = serde_json::to_vec(&Word { form: FORM, session: session.clone() }).unwrap();
        here.send(&Parcel { word, descriptors: vec![in_memory().unwrap()] }).unwrap();
        let taken = there.take();
        assert_eq!(ids(&taken), [session.session_id; 2]);
    }

    #[test]
    fn standard_input_is_ours_only_as_such_a_socket() {
        let (here, _there) = Handover::pair().unwrap();
        assert!(is_ours(here.0.as_fd()));
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(!is_ours(stream.as_fd()));
        assert!(!is_ours(File::open("/dev/null").unwrap().as_fd()));
    }
}
