//! An app that makes one-time codes.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::http::Client;

/// Seconds that a code is for.
const STEP: u64 = 30;

/// One account of the app.
#[derive(Debug)]
pub struct Authenticator(Totp);

impl Authenticator {
    /// Takes a secret as it is typed into an app.
    ///
    /// # Panics
    /// When it isn't one.
    pub fn typed(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret.trim()).expect("a secret in base32");
        let builder = Builder::new().with_secret(secret).with_account_name("anybody");
        Self(builder.build().expect("a generator"))
    }

    /// The code of this moment.
    pub fn code(&self) -> String {
        self.code_of(0)
    }

    /// The code that comes next, which a daemon takes already.
    pub fn next(&self) -> String {
        self.code_of(1)
    }

    fn code_of(&self, later: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        self.0.generate(now + later * STEP).to_string()
    }
}

impl Client {
    /// Turns one-time codes on for whoever is logged in: the app, and the recovery codes.
    ///
    /// # Panics
    /// When the daemon refuses.
    pub async fn enrol_codes(&self, password: &str) -> (Authenticator, Vec<String>) {
        let body = json!({ "password": password });
        let offer = self.post("/api/v1/account/totp", body).await.expect(201).json();
        let app = Authenticator::typed(offer["secret"].as_str().expect("a secret"));
        let body = json!({ "code": app.code() });
        let answer = self.post("/api/v1/account/totp/confirm", body).await.expect(200).json();
        let codes = answer["recovery_codes"].as_array().expect("codes");
        let text = |code: &Value| code.as_str().expect("text").to_owned();
        (app, codes.iter().map(text).collect())
    }
}
