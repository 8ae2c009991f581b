//! Where the daemon listens, what it is called, and which pages and credentials it takes.

use std::net::SocketAddr;

use gangplank_certs::Name;
use url::Url;

use super::Values;
use crate::config::{AuthConfig, BehindProxy, Config, Listen, Server, TlsFiles};

impl Values {
    pub(super) fn listen(&mut self) -> Listen {
        let fix = "write addresses with ports, such as [\"0.0.0.0:8443\", \"[::]:8443\"]";
        let trusted = self
            .parsed("listen.behind_proxy.trusted", "write networks, such as [\"127.0.0.1/32\"]");
        let key = "listen.behind_proxy.address";
        let behind_proxy = self.text(key).and_then(|text| match text.parse::<SocketAddr>() {
            Ok(address) => Some(BehindProxy { address, trusted: trusted.clone() }),
            Err(error) => {
                self.wrong(
                    key,
                    &format!("{text:?}: {error}"),
                    "write an address with a port, such as \"127.0.0.1:8080\"",
                );
                None
            }
        });
        if behind_proxy.is_some() && trusted.is_empty() {
            self.wrong(
                "listen.behind_proxy.trusted",
                "without trusted proxies nobody could use listen.behind_proxy.address",
                "write the proxies' networks, such as [\"127.0.0.1/32\"]",
            );
        }
        Listen {
            tls: self.parsed("listen.tls", fix),
            redirect: self.parsed("listen.redirect", fix),
            behind_proxy,
            plain: self.parsed("listen.plain", fix),
        }
    }

    pub(super) fn server(&mut self) -> Server {
        let names: Vec<Name> =
            self.parsed("server.names", "write host names or addresses, without scheme and port");
        let key = "server.public_url";
        let public_url = self.text(key).and_then(|text| {
            let origin = origin(&text, true);
            if origin.is_none() {
                self.wrong(
                    key,
                    &format!("{text:?} is not the URL of a server"),
                    "write https://NAME or https://NAME:PORT",
                );
            }
            origin
        });
        Server { names, public_url }
    }

    pub(super) fn tls(&mut self) -> Option<TlsFiles> {
        match (self.text("tls.cert"), self.text("tls.key")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (Some(_), None) => {
                self.wrong(
                    "tls.key",
                    "tls.cert is given and tls.key is not",
                    "name the key's file",
                );
                None
            }
            (None, Some(_)) => {
                self.wrong(
                    "tls.cert",
                    "tls.key is given and tls.cert is not",
                    "name the chain's file",
                );
                None
            }
            (None, None) => None,
        }
    }

    pub(super) fn auth(&mut self) -> AuthConfig {
        let mut origins = Vec::new();
        for text in self.list("auth.origins") {
            // Only what a browser would write can ever match.
            if text == "*" || origin(&text, false).is_some_and(|origin| origin == text) {
                origins.push(text);
            } else {
                let reason = format!("{text:?} is not an origin as browsers write it");
                let fix = "write scheme, name and a port that is not the scheme's own, in lower case, such as \"https://ops.example.com\"";
                self.wrong("auth.origins", &reason, fix);
            }
        }
        AuthConfig {
            origins,
            legacy_query_token: self.switch("auth.legacy_query_token"),
            legacy_cookie: self.switch("auth.legacy_cookie"),
            secret: self.long_secret("auth.secret", true),
        }
    }

    pub(super) fn forbid_insecure(&mut self, config: &Config) {
        let mut forbid = |key: &str, wrong: bool, reason: &str, fix: &str| {
            if wrong {
                self.wrong(key, &format!("{reason}; GANGPLANK_ENV=production forbids it"), fix);
            }
        };
        let any = config.auth.origins.iter().any(|origin| origin == "*");
        forbid("auth.origins", any, "* lets every web page in", "name the origins");
        let query = config.auth.legacy_query_token;
        forbid(
            "auth.legacy_query_token",
            query,
            "tokens in URLs end up in logs",
            "set it to false",
        );
        let cookie = config.auth.legacy_cookie;
        forbid(
            "auth.legacy_cookie",
            cookie,
            "that cookie name protects nothing",
            "set it to false",
        );
        let plain = !config.listen.plain.is_empty();
        forbid("listen.plain", plain, "cleartext carries credentials", "remove it");
    }
}

/// The origin that a URL names, when it names nothing more than that.
fn origin(text: &str, slash: bool) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let nobody = url.username().is_empty() && url.password().is_none();
    let web = matches!(url.scheme(), "https" | "http") && url.has_host();
    let origin = url.origin().ascii_serialization();
    let exact = (slash || !text.ends_with('/')) && !text.contains('*');
    (bare && nobody && web && exact).then_some(origin)
}
