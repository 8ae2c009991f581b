//! A provider of single sign-on, as small as one can be that still signs real tokens and checks
//! PKCE: it lets in whoever comes, as the person that the test says.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use url::{Url, form_urlencoded};

use crate::{account::random, scratch};

mod token;

pub use token::Twist;
use token::{Keys, now};

/// What the daemon is called there.
pub const CLIENT: &str = "gangplank";

/// Its secret there.
pub const SECRET: &str = "CANARY-client-secret";

/// A running provider.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    ca: PathBuf,
    state: Arc<Mutex<State>>,
}

/// Who is let in next, and how.
#[derive(Debug)]
struct State {
    person: Value,
    twist: Twist,
    keys: Keys,
    codes: HashMap<String, Grant>,
    requests: Vec<String>,
}

/// What a code stands for.
#[derive(Debug)]
struct Grant {
    challenge: String,
    redirect: String,
    nonce: String,
    claims: Value,
}

impl Default for Provider {
    fn default() -> Self {
        Self::start()
    }
}

impl Provider {
    /// Starts one on loopback.
    pub fn start() -> Self {
        Self::speaking(&rustls::version::TLS13)
    }

    /// Starts one that speaks one version of TLS only.
    pub fn speaking(version: &'static SupportedProtocolVersion) -> Self {
        let directory = scratch::directory();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("https://{}", listener.local_addr().expect("an address"));
        let tls = certificates(&directory, version);
        let state = Arc::new(Mutex::new(State {
            person: json!({}),
            twist: Twist::None,
            keys: Keys::default(),
            codes: HashMap::new(),
            requests: Vec::new(),
        }));
        let (own, shared) = (issuer.clone(), Arc::clone(&state));
        // Of its own runtime, because each test has another and all share the provider.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, tls, own, shared));
        });
        Self { issuer, ca: directory.join("ca.pem"), state }
    }

    /// Its address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// File of the CA that signed its certificate.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// What a daemon is told of it, apart from who may do what.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("oidc.issuer", &self.issuer),
            ("oidc.client_id", CLIENT),
            ("oidc.client_secret", SECRET),
            ("oidc.ca", self.ca.to_str().expect("UTF-8")),
        ]
    }

    /// Says who comes next.
    pub fn is(&self, subject: &str, name: &str, groups: &[&str]) {
        let person = json!({
            "sub": subject, "preferred_username": name, "groups": groups,
            "email": "the-same@for.everybody", "email_verified": true,
        });
        self.state().person = person;
    }

    /// Says what is wrong with the tokens to come.
    pub fn twist(&self, twist: Twist) {
        self.state().twist = twist;
    }

    /// Signs by other keys from now on.
    pub fn rotate(&self) {
        self.state().keys = Keys::default();
    }

    /// What was asked so far, `METHOD PATH`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A CA of the provider's own, and a leaf for its address.
fn certificates(directory: &Path, version: &'static SupportedProtocolVersion) -> TlsAcceptor {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&key, &ca).expect("a leaf");
    fs::write(directory.join("ca.pem"), ca.pem()).expect("our own directory");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .expect("a configuration");
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    listener: std::net::TcpListener,
    tls: TlsAcceptor,
    issuer: String,
    state: Arc<Mutex<State>>,
) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = TcpListener::from_std(listener).expect("a socket");
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, issuer, state) = (tls.clone(), issuer.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            // Browsers open connections that they don't use.
            let _ = answer(tcp, tls, &issuer, &state).await;
        });
    }
}

async fn answer(
    tcp: TcpStream,
    tls: TlsAcceptor,
    issuer: &str,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let mut wire = tls.accept(tcp).await?;
    let mut text = Vec::new();
    let (head, body) = loop {
        let mut piece = [0; 4096];
        let length = wire.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        text.extend_from_slice(&piece[..length]);
        let read = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = read.split_once("\r\n\r\n")
            && body.len() >= header(head, "content-length").parse().unwrap_or(0)
        {
            break (head.to_owned(), body.to_owned());
        }
    };
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        respond(&mut state, issuer, &head, &body)
    };
    wire.write_all(answer.as_bytes()).await?;
    wire.shutdown().await
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let field = |line: &'a str| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    };
    head.lines().find_map(field).unwrap_or("")
}

fn respond(state: &mut State, issuer: &str, head: &str, body: &str) -> String {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let url = Url::parse(&format!("{issuer}{target}")).expect("a target");
    state.requests.push(format!("{method} {}", url.path()));
    match url.path() {
        "/.well-known/openid-configuration" => json_answer(200, &description(issuer)),
        "/jwks" => json_answer(200, &state.keys.public()),
        "/authorize" => authorize(state, &url),
        "/token" => token(state, issuer, head, body),
        _ => json_answer(404, &json!({})),
    }
}

fn description(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // More than a daemon may take: it has to be strict by itself.
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
    })
}

/// Lets the person in, and sends their browser back with a code.
fn authorize(state: &mut State, url: &Url) -> String {
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let get = |name: &str| query.get(name).cloned().unwrap_or_default();
    let proper = get("client_id") == CLIENT
        && get("response_type") == "code"
        && get("code_challenge_method") == "S256"
        && get("scope").split(' ').any(|scope| scope == "openid")
        && !get("nonce").is_empty();
    if !proper {
        return json_answer(400, &json!({ "error": "invalid_request" }));
    }
    let mut back = Url::parse(&get("redirect_uri")).expect("an address");
    back.query_pairs_mut().append_pair("state", &get("state"));
    if state.twist == Twist::Denies {
        back.query_pairs_mut().append_pair("error", "access_denied");
    } else {
        let code = hex::encode(random::<16>());
        back.query_pairs_mut().append_pair("code", &code);
        let grant = Grant {
            challenge: get("code_challenge"),
            redirect: get("redirect_uri"),
            nonce: get("nonce"),
            claims: state.person.clone(),
        };
        state.codes.insert(code, grant);
    }
    format!(
        "HTTP/1.1 303 See Other\r\nLocation: {back}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

/// Exchanges a code, once, for whoever can show what its challenge was made from.
fn token(state: &mut State, issuer: &str, head: &str, body: &str) -> String {
    let form: HashMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let get = |name: &str| form.get(name).cloned().unwrap_or_default();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    if header(head, "authorization") != basic {
        return json_answer(401, &json!({ "error": "invalid_client" }));
    }
    let shown = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier")));
    let grant = state.codes.remove(&get("code"));
    let grant = grant.filter(|grant| {
        grant.challenge == shown
            && grant.redirect == get("redirect_uri")
            && get("grant_type") == "authorization_code"
    });
    let Some(grant) = grant else {
        return json_answer(400, &json!({ "error": "invalid_grant" }));
    };
    let mut claims = grant.claims;
    claims["iss"] = issuer.into();
    claims["aud"] = CLIENT.into();
    claims["iat"] = now().into();
    claims["exp"] = (now() + 300).into();
    claims["nonce"] = grant.nonce.into();
    let token = state.keys.token(state.twist, claims);
    let access = hex::encode(random::<16>());
    json_answer(200, &json!({ "access_token": access, "token_type": "Bearer", "id_token": token }))
}

fn json_answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
