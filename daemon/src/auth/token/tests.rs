#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn tokens() -> Tokens {
    Tokens::new(&ServerSecret::new(vec![1; 32]))
}

fn bearer() -> Bearer {
    Bearer { tenant: TenantId::new(), user: UserId::new(), login: LoginId::new() }
}

/// A token of our own key whose claims were changed before it was signed.
fn forged(header: &Header, change: impl FnOnce(&mut Value)) -> String {
    let bearer = bearer();
    let mut claims = json!({
        "iss": ISSUER, "aud": API_AUDIENCE, "sub": bearer.user, "typ": KIND,
        "exp": NOW.seconds() + 60, "nbf": NOW.seconds(), "iat": NOW.seconds(),
        "tenant": bearer.tenant, "login": bearer.login,
    });
    change(&mut claims);
    jsonwebtoken::encode(header, &claims, &tokens().signing).unwrap()
}

fn hs256() -> Header {
    Header::new(Algorithm::HS256)
}

#[test]
fn a_token_speaks_for_its_bearer_and_purpose_only() {
    let (tokens, bearer) = (tokens(), bearer());
    let token = tokens.sign(bearer, API_AUDIENCE, TOKEN_LIFE, NOW).unwrap();
    let verify = |audience, now| tokens.verify(token.expose(), audience, now);
    assert_eq!(verify(API_AUDIENCE, NOW), Ok(bearer));
    assert_eq!(verify("/api/v1/ws/events", NOW), Err(TokenError));
    assert_eq!(verify(API_AUDIENCE, NOW.plus(TOKEN_LIFE)), Err(TokenError));
    assert_eq!(verify(API_AUDIENCE, NOW.minus(Duration::from_secs(60))), Err(TokenError));
    let other = Tokens::new(&ServerSecret::new(vec![2; 32]));
    assert_eq!(other.verify(token.expose(), API_AUDIENCE, NOW), Err(TokenError));
}

#[test]
fn the_forged_form_is_good_when_nothing_is_changed() {
    assert!(tokens().verify(&forged(&hs256(), |_| ()), API_AUDIENCE, NOW).is_ok());
}

#[test]
fn every_claim_must_be_there_right_and_of_its_type() {
    let changes: &[(&str, Value)] = &[
        ("iss", json!("somebody")),
        ("iss", json!(["gangplank"])),
        ("aud", json!("other")),
        ("aud", json!(["api", "other"])),
        ("typ", json!("refresh")),
        ("typ", json!(null)),
        ("sub", json!(7)),
        ("sub", json!("root")),
        ("exp", json!(NOW.seconds())),
        ("exp", json!((NOW.seconds() + 60).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(1.5e300)),
        ("exp", json!([NOW.seconds() + 60])),
        ("exp", json!(NOW.seconds() + 100_000)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(NOW.seconds() + 30)),
        ("nbf", json!("0")),
        ("nbf", json!(0)),
        ("tenant", json!("default")),
        ("login", json!(null)),
    ];
    for (claim, value) in changes {
        let token = forged(&hs256(), |claims| {
            claims[*claim] = value.clone();
        });
        let verdict = tokens().verify(&token, API_AUDIENCE, NOW);
        assert_eq!(verdict, Err(TokenError), "{claim} = {value}");
    }
    for claim in ["iss", "aud", "sub", "exp", "nbf", "typ", "tenant", "login"] {
        let token = forged(&hs256(), |claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        assert_eq!(tokens().verify(&token, API_AUDIENCE, NOW), Err(TokenError), "no {claim}");
    }
}

#[test]
fn no_other_algorithm_and_no_malformed_token_is_taken() {
    let good = forged(&hs256(), |_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let (payload, signature) = (parts[1], parts[2]);
    for header in [
        json!({ "alg": "none", "typ": "JWT" }),
        json!({ "alg": "None" }),
        json!({ "alg": "" }),
        json!({ "alg": null }),
        json!({ "typ": "JWT" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "HS256", "kid": "../../dev/null" }),
    ] {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        for signature in ["", signature] {
            let token = format!("{header}.{payload}.{signature}");
            assert_eq!(tokens().verify(&token, API_AUDIENCE, NOW), Err(TokenError), "{token}");
        }
    }
    let key = tokens().signing;
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap();
        assert_eq!(tokens().verify(&token, API_AUDIENCE, NOW), Err(TokenError), "{algorithm:?}");
    }
    for malformed in [
        String::new(),
        parts[0].to_owned(),
        format!("{}.{payload}", parts[0]),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{good} "),
        "a".repeat(100_000),
        format!("{good}{}", "A".repeat(5000)),
    ] {
        assert_eq!(tokens().verify(&malformed, API_AUDIENCE, NOW), Err(TokenError));
    }
}
