//! Passwords and questions, against a server of russh's own: OpenSSH would need a real user's
//! password.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Credential, Open, Prompt, Trust};
use gangplank_terminal::keeper::KeeperConfig;
use gangplank_terminal::ssh::host_key::fingerprint;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session, run_stream};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::sshd::{me, pty_request};
use super::viewer::{Viewer, keeper, keeper_with, soon};

/// How the server lets people in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Password,
    /// One hidden question for the password.
    Interactive,
    /// The password first, then a visible question for a code.
    TwoFactors,
    /// A hostile one.
    Endless,
}

struct Server {
    door: Door,
    round: u32,
    /// What the server's attempts to open channels of its own came to.
    opened: mpsc::Sender<bool>,
}

fn next(method: MethodKind, partial_success: bool) -> Auth {
    let proceed_with_methods = Some(MethodSet::from([method].as_slice()));
    Auth::Reject { proceed_with_methods, partial_success }
}

fn ask(text: &'static str, echo: bool) -> Auth {
    Auth::Partial {
        name: "name\u{1b}[2J".into(),
        instructions: Cow::Borrowed(""),
        prompts: Cow::Owned(vec![(text.into(), echo)]),
    }
}

impl Handler for Server {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(match self.door {
            Door::Password | Door::TwoFactors => next(MethodKind::Password, false),
            Door::Interactive | Door::Endless => next(MethodKind::KeyboardInteractive, false),
        })
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(match (self.door, password == "right") {
            (Door::Password, true) => Auth::Accept,
            (Door::TwoFactors, true) => next(MethodKind::KeyboardInteractive, true),
            _ => next(MethodKind::Password, false),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let answer = response.and_then(|mut answers| answers.next());
        Ok(match (self.door, answer.as_deref()) {
            (Door::TwoFactors, None) => ask("Code: ", true),
            (Door::TwoFactors, Some(b"123456")) | (Door::Interactive, Some(b"right")) => {
                Auth::Accept
            }
            (Door::Endless, _) => {
                self.round += 1;
                ask("And? ", true)
            }
            (_, None) => ask("Password: ", false),
            _ => next(MethodKind::KeyboardInteractive, false),
        })
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.data(channel, "early ".as_bytes().to_vec())?;
        session.channel_success(channel)?;
        session.extended_data(channel, 1, "and late".as_bytes().to_vec())?;
        let (handle, opened) = (session.handle(), self.opened.clone());
        tokio::spawn(async move {
            let _ = opened.send(handle.channel_open_agent().await.is_ok()).await;
            let x11 = handle.channel_open_x11("localhost", 6000).await.is_ok();
            let _ = opened.send(x11).await;
            let forwarded = handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_ok();
            let _ = opened.send(forwarded).await;
            let _ = opened.send(handle.channel_open_session().await.is_ok()).await;
        });
        Ok(())
    }
}

/// Runs a server for one connection.
async fn serve(door: Door) -> (Open, mpsc::Receiver<bool>) {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    let known = fingerprint(&key.public_key().to_openssh().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = Arc::new(Config {
        keys: vec![key],
        auth_rejection_time: Duration::from_millis(10),
        ..Config::default()
    });
    let (opened, attempts) = mpsc::channel(4);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = Server { door, round: 0, opened };
        if let Ok(session) = run_stream(config, stream, server).await {
            let _ = session.await;
        }
    });
    let open = Open::Ssh {
        host: "127.0.0.1".to_owned(),
        port,
        addresses: None,
        username: me(),
        trust: Trust { keys: vec![known.line], accepted: None },
        credential: Credential::default(),
        pty: pty_request(),
    };
    (open, attempts)
}

fn with(open: Open, given: Credential) -> Open {
    let Open::Ssh { host, port, addresses, username, trust, pty, .. } = open else {
        panic!("not ssh")
    };
    Open::Ssh { host, port, addresses, username, trust, credential: given, pty }
}

async fn log_in(
    door: Door,
    password: Option<&str>,
    answers: Option<Vec<Vec<&'static str>>>,
) -> (Result<(), OpenError>, Vec<Prompt>) {
    let (open, _attempts) = serve(door).await;
    let given = Credential {
        password: password.map(|password| password.to_owned().into()),
        public_key: None,
        interactive: answers.is_some(),
    };
    let mut viewer = Viewer::open(&keeper(), with(open, given));
    viewer.answers = answers.unwrap_or_default();
    let connected = viewer.connected(None).await.map(|_| ());
    (connected, viewer.prompts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_both_of_its_doors() {
    for door in [Door::Password, Door::Interactive] {
        let (connected, prompts) = log_in(door, Some("right"), None).await;
        connected.unwrap();
        assert!(prompts.is_empty());
        // With a person there, a wrong password is still an answer and not a question.
        for answers in [None, Some(vec![])] {
            let (connected, prompts) = log_in(door, Some("wrong"), answers).await;
            assert_eq!(connected.unwrap_err().code, ErrorCode::AuthFailed);
            assert!(prompts.is_empty());
        }
        let (connected, _) = log_in(door, None, None).await;
        let error = connected.unwrap_err();
        assert_eq!(error.code, ErrorCode::AuthFailed);
        assert!(error.message.contains("this server takes: "), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_for_what_nobody_gave_and_may_mistype() {
    for door in [Door::Password, Door::Interactive] {
        let answers = vec![vec!["rigth"], vec!["right"]];
        let (connected, prompts) = log_in(door, None, Some(answers)).await;
        connected.unwrap();
        assert_eq!(prompts.len(), 2);
        assert!(prompts.iter().all(|prompt| prompt.text == "Password: " && !prompt.echo));
        let wrong = vec![vec!["x"], vec!["y"], vec!["z"]];
        let (connected, prompts) = log_in(door, None, Some(wrong)).await;
        assert_eq!(connected.unwrap_err().code, ErrorCode::AuthFailed);
        assert_eq!(prompts.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_after_the_first() {
    let answers = Some(vec![vec!["123456"]]);
    let (connected, prompts) = log_in(Door::TwoFactors, Some("right"), answers).await;
    connected.unwrap();
    assert_eq!(prompts, vec![Prompt { text: "Code: ".to_owned(), echo: true }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_ever_is_given_up() {
    let answers = Some(vec![vec![""]; 50]);
    let (connected, prompts) = log_in(Door::Endless, None, answers).await;
    assert_eq!(connected.unwrap_err().code, ErrorCode::AuthFailed);
    assert!(prompts.len() <= 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_take_longer_than_a_server() {
    let (open, _attempts) = serve(Door::Password).await;
    let config =
        KeeperConfig { connect_timeout: Duration::from_millis(700), ..KeeperConfig::default() };
    let given = Credential { interactive: true, ..Credential::default() };
    let mut viewer = Viewer::open(&keeper_with(config), with(open, given));
    let question = soon("a question", viewer.channel.output.recv()).await;
    assert!(question.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(900)).await;
    viewer.word(gangplank_proto::link::ToTerminal::Answers {
        answers: vec!["right".to_owned().into()],
    });
    viewer.connected(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_no_channel_of_its_own_and_loses_no_output() {
    let (open, mut attempts) = serve(Door::Password).await;
    let password = Some("right".to_owned().into());
    let mut viewer =
        Viewer::open(&keeper(), with(open, Credential { password, ..Credential::default() }));
    viewer.connected(None).await.unwrap();
    viewer.until("early and late").await;
    for _ in 0..4 {
        assert_eq!(soon("a refusal", attempts.recv()).await, Some(false));
    }
}
