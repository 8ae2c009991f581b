//! The way of an agent onto its host: the line that a person copies, and the script that it fetches.
//! The program that the script fetches is in [`super::release`].

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use gangplank_proto::release::Target;
use gangplank_proto::secret::Secret;
use http::{HeaderValue, header};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::error::Refusal;
use super::gate::Call;
use super::release::program;
use crate::app::App;

/// The units of what does for an agent what needs root.
const HELPER_SOCKET: &str = include_str!("../../../systemd/gangplank-agent-helper.socket");
const HELPER_SERVICE: &str = include_str!("../../../systemd/gangplank-agent-helper.service");

/// What a person needs to bring a host in.
#[derive(Debug, Serialize)]
pub(super) struct Install {
    url: String,
    ca_fingerprint: Option<String>,
    command: String,
    manual: String,
}

/// The address by which the caller reached us, which is one of our names: the gate saw to that.
pub(super) fn own_url(call: &Call) -> String {
    let scheme = if call.peer.secure { "https" } else { "http" };
    let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

/// The lines to copy. The token goes in by standard input and is never an argument.
pub(super) fn line(app: &App, call: &Call, token: &Secret) -> Install {
    let url = own_url(call);
    let token = token.expose();
    let fingerprint = app.trust.as_ref().map(|trust| trust.fingerprint.clone());
    let command = match &fingerprint {
        // The certificate comes over a connection that nobody vouches for yet, and is trusted only
        // if it is the one whose fingerprint stands here.
        Some(fingerprint) => format!(
            "d=$(mktemp -d) && curl -fsSk {url}/ca.pem -o $d/ca.pem && \
             [ \"$(grep -v -- ----- $d/ca.pem | base64 -d | sha256sum | cut -c1-64)\" = {hex} ] && \
             curl -fsS --cacert $d/ca.pem {url}/install.sh -o $d/install.sh && \
             printf '%s\\n' {token} | sudo sh $d/install.sh; rm -rf \"$d\"",
            hex = fingerprint.replace(':', "").to_ascii_lowercase(),
        ),
        None => format!(
            "d=$(mktemp -d) && curl -fsS {url}/install.sh -o $d/install.sh && \
             printf '%s\\n' {token} | sudo sh $d/install.sh; rm -rf \"$d\""
        ),
    };
    let ca = if fingerprint.is_some() { " --ca ca.pem" } else { "" };
    let manual = format!(
        "printf '%s\\n' {token} | gangplank-agent enroll --server {url} --token-file -{ca} \
         && gangplank-agent run"
    );
    Install { url, ca_fingerprint: fingerprint, command, manual }
}

/// The script, with address, certificate and the programs' hashes filled in, and no secret.
pub(super) async fn script(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let mut hashes = String::new();
    for target in Target::all() {
        if let Some(path) = program(&app, target)
            && let Some(hash) = hash(&path).await
        {
            hashes.push_str(&format!("{target} {hash}\n"));
        }
    }
    let (ca, fingerprint) = match &app.trust {
        Some(trust) => (trust.ca_pem.trim_end(), trust.fingerprint.as_str()),
        None => ("", ""),
    };
    let script = include_str!("install.sh")
        .replace("@URL@", &own_url(&call))
        .replace("@FINGERPRINT@", fingerprint)
        .replace("@HASHES@", hashes.trim_end())
        .replace("@UNIT@", include_str!("../../../systemd/gangplank-agent.service").trim_end())
        .replace("@HELPER_SOCKET@", HELPER_SOCKET.trim_end())
        .replace("@HELPER_SERVICE@", HELPER_SERVICE.trim_end())
        .replace("@CA@", ca);
    Ok(shell(script))
}

/// An answer that is a shell script.
pub(super) fn shell(script: String) -> Response {
    let mut response = Response::new(Body::from(script));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/x-shellscript; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn hash(path: &Path) -> Option<String> {
    let mut file = tokio::fs::File::open(path).await.ok()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer).await.ok()?;
        if read == 0 {
            return Some(hex::encode(hasher.finalize()));
        }
        hasher.update(buffer.get(..read)?);
    }
}
