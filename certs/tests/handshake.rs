//! Real handshakes between the server's and the client's settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod peer;

use gangplank_certs::{
    ClientTrust, Fingerprint, LEAF_LIFE, Leaf, Reloadable, TICKET_KEY_LIFE, TicketKeys, provider,
    server_config,
};
use peer::{At, authority, client, join, names, server, serving, start};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, HandshakeKind, ProtocolVersion,
    RootCertStore,
};
use std::sync::Arc;
use time::Duration;

fn certificate_error<T>(result: Result<T, Error>) -> CertificateError {
    match result {
        Err(Error::InvalidCertificate(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the handshake went through"),
    }
}

#[test]
fn a_client_that_trusts_the_ca_gets_tls13_and_http11() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example", "127.0.0.1", "::1"]);
    let server = server(&ca, &["relay.example", "127.0.0.1", "::1"]);
    let client = client(&ClientTrust::only(ca.pem().as_bytes()).unwrap());
    for name in ["relay.example", "127.0.0.1", "::1"] {
        let joined = join(&server, &client, name).unwrap();
        assert_eq!(joined.client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(joined.client.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn another_ca_and_another_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(&dir.path().join("ours"), &["relay.example"]);
    let other = authority(&dir.path().join("other"), &["relay.example"]);
    let server = server(&ca, &["relay.example"]);
    let wrong_ca = client(&ClientTrust::only(other.pem().as_bytes()).unwrap());
    let error = certificate_error(join(&server, &wrong_ca, "relay.example"));
    assert_eq!(error, CertificateError::UnknownIssuer);
    let right_ca = client(&ClientTrust::only(ca.pem().as_bytes()).unwrap());
    let error = certificate_error(join(&server, &right_ca, "other.example"));
    assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{error:?}");
}

#[test]
fn a_leaf_out_of_its_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let server = server(&ca, &["relay.example"]);
    let trust = ClientTrust::only(ca.pem().as_bytes()).unwrap();
    let late = trust.config_at(Arc::new(At(start() + LEAF_LIFE + Duration::SECOND))).unwrap();
    let error = certificate_error(join(&server, &late, "relay.example"));
    assert!(matches!(error, CertificateError::ExpiredContext { .. }), "{error:?}");
    let early = trust.config_at(Arc::new(At(start() - Duration::hours(2)))).unwrap();
    let error = certificate_error(join(&server, &early, "relay.example"));
    assert!(matches!(error, CertificateError::NotValidYetContext { .. }), "{error:?}");
    let behind = trust.config_at(Arc::new(At(start() - Duration::minutes(59)))).unwrap();
    assert!(join(&server, &behind, "relay.example").is_ok());
}

#[test]
fn the_ca_is_not_believed_for_names_it_was_not_made_for() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let trust = ClientTrust::only(ca.pem().as_bytes()).unwrap();
    // Somebody stole the key and signs with it.
    let stolen = std::fs::read_to_string(dir.path().join("authority.pem")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(
        &stolen,
        KeyPair::from_pem(&stolen[stolen.find("-----BEGIN PRIVATE").unwrap()..]).unwrap(),
    )
    .unwrap();
    for name in ["bank.example", "notrelay.example", "127.0.0.1", "::1"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = start() - Duration::DAY;
        params.not_after = start() + Duration::DAY;
        let forged = params.signed_by(&key, &issuer).unwrap();
        let (chain_file, key_file) = (dir.path().join("chain"), dir.path().join("key"));
        std::fs::write(&chain_file, forged.pem()).unwrap();
        private(&key_file, &key.serialize_pem());
        let server =
            serving(Arc::new(Reloadable::from_files(&chain_file, &key_file, start()).unwrap()));
        let error = certificate_error(join(&server, &client(&trust), name));
        assert!(error.to_string().contains("NameConstraintViolation"), "{name}: {error:?}");
    }
}

fn private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_tls12_client_is_turned_away_with_protocol_version() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let result = join(&server(&ca, &["relay.example"]), &Arc::new(old), "relay.example");
    assert!(matches!(result, Err(Error::PeerIncompatible(_))), "{:?}", result.err());
}

#[test]
fn a_client_that_wants_another_protocol_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let trust = ClientTrust::only(ca.pem().as_bytes()).unwrap();
    let mut h2 = (*client(&trust)).clone();
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let result = join(&server(&ca, &["relay.example"]), &Arc::new(h2), "relay.example");
    let Err(
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol),
    ) = result
    else {
        panic!("{:?}", result.err());
    };
}

#[test]
fn a_pinned_ca_is_found_in_the_chain_and_no_other_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(&dir.path().join("ours"), &["relay.example"]);
    let other = authority(&dir.path().join("other"), &["relay.example"]);
    let server = server(&ca, &["relay.example"]);
    let shown: Fingerprint = ca.fingerprint().to_string().parse().unwrap();
    assert!(join(&server, &client(&ClientTrust::pinned(shown)), "relay.example").is_ok());
    let error = certificate_error(join(&server, &client(&ClientTrust::pinned(shown)), "x.example"));
    assert!(matches!(error, CertificateError::NotValidForNameContext { .. }), "{error:?}");
    let wrong = client(&ClientTrust::pinned(other.fingerprint()));
    let error = certificate_error(join(&server, &wrong, "relay.example"));
    assert_eq!(error, CertificateError::UnknownIssuer);
}

#[test]
fn only_the_dangerous_client_believes_anybody() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let careless = ClientTrust::dangerous_skip_verify();
    assert!(!careless.verifies());
    assert!(join(&server(&ca, &["relay.example"]), &client(&careless), "other.example").is_ok());
}

#[test]
fn what_is_no_ca_can_not_be_trusted() {
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(ClientTrust::only(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn tickets_resume_across_a_restart_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let list = ["relay.example"];
    let ca = authority(dir.path(), &list);
    let client = client(&ClientTrust::only(ca.pem().as_bytes()).unwrap());
    let file = dir.path().join("tickets");
    let run = |now| {
        let served = Reloadable::from_authority(Arc::clone(&ca), names(&list), start()).unwrap();
        let tickets = TicketKeys::load_or_create(&file, now).unwrap();
        server_config(Arc::new(served), Arc::new(tickets)).unwrap()
    };
    assert_eq!(join(&run(start()), &client, list[0]).unwrap().kind, HandshakeKind::Full);
    let later = start() + TICKET_KEY_LIFE;
    assert_eq!(join(&run(later), &client, list[0]).unwrap().kind, HandshakeKind::Resumed);
}

#[test]
fn a_renewed_leaf_is_served_to_new_handshakes_only() {
    let dir = tempfile::tempdir().unwrap();
    let ca = authority(dir.path(), &["relay.example"]);
    let served = Arc::new(
        Reloadable::from_authority(Arc::clone(&ca), names(&["relay.example"]), start()).unwrap(),
    );
    let server = serving(Arc::clone(&served));
    let trust = ClientTrust::only(ca.pem().as_bytes()).unwrap();
    let before = join(&server, &client(&trust), "relay.example").unwrap();
    let first = served.current().fingerprint();
    served.check(start() + Duration::days(59)).unwrap();
    assert_eq!(served.current().fingerprint(), first);
    served.check(start() + Duration::days(60)).unwrap();
    assert_ne!(served.current().fingerprint(), first);
    let later = trust.config_at(Arc::new(At(start() + LEAF_LIFE + Duration::DAY))).unwrap();
    assert!(join(&server, &later, "relay.example").is_ok());
    let presented = before.client.peer_certificates().unwrap();
    assert_eq!(Some(Fingerprint::of(&presented[0])), first);
    assert!(!Leaf::issue(&ca, &names(&["relay.example"]), start()).unwrap().needs_renewal(start()));
}
