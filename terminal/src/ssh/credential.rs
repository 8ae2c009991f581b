//! Logging in (RFC 4252): publickey by signatures from elsewhere, keyboard-interactive, password.

use std::future::Future;

use gangplank_proto::error::{ErrorCode, OpenError};
use gangplank_proto::link::{Credential, Prompt, RsaHash};
use gangplank_proto::secret::Secret;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::time::{Instant, timeout_at};

use super::verifier::Verifier;
use super::{host_key, shown};
use crate::question::Questions;

/// How often a person is asked before the login counts as failed.
const ASKS: u32 = 3;

/// Rounds of one keyboard-interactive exchange.
const ROUNDS: u32 = 16;

/// Questions in one round, and characters of each text that are passed on.
const PROMPTS: usize = 16;
const PROMPT_CHARS: usize = 1024;

/// Largest signature that is passed on, in bytes.
const SIGNATURE_BYTES: usize = 16 << 10;

/// One login, tried method by method.
pub(super) struct Login<'a> {
    handle: &'a mut Handle<Verifier>,
    username: &'a str,
    questions: &'a Questions,
    /// When the server must have answered. A person's time is added to it.
    deadline: Instant,
    key: Option<PublicKey>,
    password: Option<Secret>,
    /// Whether the password has not been tried by this method.
    password_for_interactive: bool,
    password_for_password: bool,
    interactive: bool,
    /// Whether a person may be asked for what nobody gave.
    asks_left: u32,
    interactive_is_dead: bool,
}

enum Attempt {
    Success,
    Failure { methods: MethodSet, partial: bool },
}

impl From<AuthResult> for Attempt {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::Success,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Failure { methods: remaining_methods, partial: partial_success }
            }
        }
    }
}

impl<'a> Login<'a> {
    /// A login that is due at `deadline`.
    pub(super) fn new(
        handle: &'a mut Handle<Verifier>,
        username: &'a str,
        credential: &Credential,
        questions: &'a Questions,
        deadline: Instant,
    ) -> Result<Self, OpenError> {
        let key = match credential.public_key.as_deref() {
            None => None,
            Some(line) => Some(host_key::parse(line).ok_or_else(|| {
                OpenError::new(ErrorCode::BadRequest, "the public key can't be read")
            })?),
        };
        let password = credential.password.clone();
        let given = password.is_some();
        let nothing_given = key.is_none() && !given;
        Ok(Self {
            handle,
            username,
            questions,
            deadline,
            key,
            password,
            password_for_interactive: given,
            password_for_password: given,
            interactive: credential.interactive,
            // What was given and is wrong is an answer; asking again would hide it.
            asks_left: if credential.interactive && nothing_given { ASKS } else { 0 },
            interactive_is_dead: false,
        })
    }

    /// Logs in, or says why not. Answers the deadline with a person's time added.
    pub(super) async fn run(mut self) -> Result<Instant, OpenError> {
        let none = self.handle.authenticate_none(self.username);
        let mut attempt = within(self.deadline, none).await?.into();
        let mut taken = String::new();
        loop {
            let methods = match attempt {
                Attempt::Success => return Ok(self.deadline),
                Attempt::Failure { methods, partial } => {
                    if partial && self.interactive {
                        // The next factor: nobody could have given it before.
                        self.asks_left = ASKS;
                    }
                    methods
                }
            };
            if !methods.is_empty() {
                taken = names(&methods);
            }
            attempt = match self.choose(&methods) {
                Some(MethodKind::PublicKey) => self.publickey(methods).await?,
                Some(MethodKind::KeyboardInteractive) => self.keyboard_interactive().await?,
                Some(_) => self.password(methods).await?,
                // russh tells a lost connection as a refusal that names no method.
                None if taken.is_empty() => return Err(closed()),
                None => return Err(refused(&taken)),
            };
        }
    }

    fn choose(&self, methods: &MethodSet) -> Option<MethodKind> {
        let may_ask = self.asks_left > 0;
        let usable = |method: &MethodKind| match method {
            MethodKind::PublicKey => self.key.is_some(),
            MethodKind::KeyboardInteractive => {
                !self.interactive_is_dead && (self.password_for_interactive || may_ask)
            }
            MethodKind::Password => self.password_for_password || may_ask,
            _ => false,
        };
        let order = [MethodKind::PublicKey, MethodKind::KeyboardInteractive, MethodKind::Password];
        order.into_iter().find(|method| methods.contains(method) && usable(method))
    }

    async fn publickey(&mut self, methods: MethodSet) -> Result<Attempt, OpenError> {
        let skipped = Attempt::Failure { methods, partial: false };
        let Some(key) = self.key.take() else { return Ok(skipped) };
        let hash = if key.algorithm().is_rsa() {
            match within(self.deadline, self.handle.best_supported_rsa_hash()).await? {
                Some(Some(hash)) => Some(hash),
                // A server that doesn't tell mostly takes this one.
                None => Some(HashAlg::Sha256),
                // SHA-1 signatures are not made.
                Some(None) => return Ok(skipped),
            }
        } else {
            None
        };
        let mut signer = Signer { questions: self.questions };
        let attempt =
            self.handle.authenticate_publickey_with(self.username, key, hash, &mut signer);
        let late = |_| timed_out();
        match timeout_at(self.deadline, attempt).await.map_err(late)? {
            Ok(result) => Ok(result.into()),
            Err(SignError::Refused) => Ok(skipped),
            Err(SignError::Failed(error)) => Err(error),
            Err(SignError::Gone) => Err(closed()),
        }
    }

    async fn keyboard_interactive(&mut self) -> Result<Attempt, OpenError> {
        let start = self.handle.authenticate_keyboard_interactive_start(self.username, None);
        let mut response = within(self.deadline, start).await?;
        let mut asked = false;
        for _ in 0..ROUNDS {
            let (name, instructions, prompts) = match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(Attempt::Success),
                KeyboardInteractiveAuthResponse::Failure { remaining_methods, partial_success } => {
                    // A server that fails without a question would do so for ever.
                    self.interactive_is_dead = !asked;
                    let partial = partial_success;
                    return Ok(Attempt::Failure { methods: remaining_methods, partial });
                }
                KeyboardInteractiveAuthResponse::InfoRequest { name, instructions, prompts } => {
                    (name, instructions, prompts)
                }
            };
            asked |= !prompts.is_empty();
            let answers = self.answers(name, instructions, prompts).await?;
            let respond = self.handle.authenticate_keyboard_interactive_respond(answers);
            response = within(self.deadline, respond).await?;
        }
        Err(OpenError::new(ErrorCode::AuthFailed, "the server never stops asking questions"))
    }

    /// Answers for one round: the password where one is asked for, else the person's.
    async fn answers(
        &mut self,
        name: String,
        instructions: String,
        prompts: Vec<russh::client::Prompt>,
    ) -> Result<Vec<String>, OpenError> {
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        if prompts.len() > PROMPTS {
            let message = "the server asks too many questions at once";
            return Err(OpenError::new(ErrorCode::AuthFailed, message));
        }
        if let ([only], Some(password)) = (prompts.as_slice(), &self.password)
            && !only.echo
            && self.password_for_interactive
        {
            self.password_for_interactive = false;
            return Ok(vec![password.expose().to_owned()]);
        }
        self.password_for_interactive = false;
        if !self.interactive {
            // An empty answer fails this method in order, so that the next one can be tried.
            return Ok(vec![String::new(); prompts.len()]);
        }
        let prompts = prompts
            .into_iter()
            .map(|prompt| Prompt { text: shown(&prompt.prompt, PROMPT_CHARS), echo: prompt.echo })
            .collect();
        let (name, instructions) = (shown(&name, PROMPT_CHARS), shown(&instructions, PROMPT_CHARS));
        let answers = self.ask(name, instructions, prompts).await?;
        Ok(answers.iter().map(|answer| answer.expose().to_owned()).collect())
    }

    async fn ask(
        &mut self,
        name: String,
        instructions: String,
        prompts: Vec<Prompt>,
    ) -> Result<Vec<Secret>, OpenError> {
        self.asks_left = self.asks_left.saturating_sub(1);
        let asked_at = Instant::now();
        let answers = self.questions.prompt(name, instructions, prompts).await?;
        self.deadline += asked_at.elapsed();
        Ok(answers)
    }

    async fn password(&mut self, methods: MethodSet) -> Result<Attempt, OpenError> {
        let given = self.password.clone().filter(|_| self.password_for_password);
        self.password_for_password = false;
        let password = match given {
            Some(password) => password,
            None => {
                let prompt = Prompt { text: "Password: ".to_owned(), echo: false };
                let asked = self.ask(String::new(), String::new(), vec![prompt]).await?;
                let Some(password) = asked.into_iter().next() else {
                    return Ok(Attempt::Failure { methods, partial: false });
                };
                password
            }
        };
        let attempt = self.handle.authenticate_password(self.username, password.expose());
        Ok(within(self.deadline, attempt).await?.into())
    }
}

/// Waits for the server, but not for ever.
async fn within<T>(
    deadline: Instant,
    answer: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, OpenError> {
    match timeout_at(deadline, answer).await {
        Ok(answer) => answer.map_err(|_| closed()),
        Err(_) => Err(timed_out()),
    }
}

fn timed_out() -> OpenError {
    OpenError::new(ErrorCode::Timeout, "the server did not answer the login in time")
}

fn closed() -> OpenError {
    OpenError::new(ErrorCode::Unreachable, "the server closed the connection during the login")
}

fn refused(taken: &str) -> OpenError {
    let message = format!("the login was refused; this server takes: {taken}");
    OpenError::new(ErrorCode::AuthFailed, message)
}

fn names(methods: &MethodSet) -> String {
    methods.iter().map(<&'static str>::from).collect::<Vec<_>>().join(", ")
}

/// Has signatures made by whoever holds the private key.
struct Signer<'a> {
    questions: &'a Questions,
}

enum SignError {
    Refused,
    Failed(OpenError),
    Gone,
}

impl From<russh::SendError> for SignError {
    fn from(_: russh::SendError) -> Self {
        Self::Gone
    }
}

impl russh::Signer for Signer<'_> {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let hash = match hash {
            None => None,
            Some(HashAlg::Sha512) => Some(RsaHash::Sha512),
            Some(_) => Some(RsaHash::Sha256),
        };
        let signature = self.questions.sign(to_sign.clone(), hash).await;
        let signature = signature.map_err(SignError::Failed)?.ok_or(SignError::Refused)?;
        let len = u32::try_from(signature.len()).map_err(|_| SignError::Refused)?;
        if signature.is_empty() || signature.len() > SIGNATURE_BYTES {
            return Err(SignError::Refused);
        }
        // The request with its signature as a string behind it (RFC 4252 §7).
        let mut signed = to_sign;
        signed.extend(len.to_be_bytes());
        signed.extend(signature);
        Ok(signed)
    }
}
