//! The server proves who it is before anybody proves anything to it.

use gangplank_proto::error::ErrorCode;
use gangplank_proto::link::{Open, Trust};

use super::sshd::{ED25519, Sshd, keygen};
use super::viewer::{Viewer, keeper};

fn with_password(open: Open) -> Open {
    let Open::Ssh { host, port, addresses, username, trust, mut credential, pty } = open else {
        panic!("not ssh")
    };
    credential.password = Some("hunter2".to_owned().into());
    Open::Ssh { host, port, addresses, username, trust, credential, pty }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_asked_about_and_an_accepted_one_taken() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let unknown = with_password(sshd.open_trusting(&key, Trust::default()));
    let mut viewer = Viewer::open(&keeper(), unknown);
    let error = viewer.connected(Some(&key)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::HostKeyUnknown);
    let shown = error.host_key.unwrap();
    assert_eq!(shown, sshd.host_key("host_ed25519"));
    assert!(!sshd.log().contains("userauth-request"), "a credential was sent:\n{}", sshd.log());

    let accepted = Trust { keys: Vec::new(), accepted: Some(shown.fingerprint.clone()) };
    let mut viewer = Viewer::open(&keeper(), sshd.open_trusting(&key, accepted));
    assert_eq!(viewer.connected(Some(&key)).await.unwrap(), Some(shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_refused_even_when_it_is_accepted() {
    let sshd = Sshd::start("");
    let key = sshd.authorize("id", ED25519, None);
    let other = keygen(sshd.dir(), "other", ED25519).with_extension("pub");
    let other = std::fs::read_to_string(other).unwrap();
    let rsa = keygen(sshd.dir(), "rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    let rsa = std::fs::read_to_string(rsa.with_extension("pub")).unwrap();
    let shown = sshd.host_key("host_ed25519");
    // Another key of the same type, and a known key of a type that the server no longer has.
    for known in [other, rsa] {
        let trust = Trust { keys: vec![known], accepted: Some(shown.fingerprint.clone()) };
        let mut viewer = Viewer::open(&keeper(), with_password(sshd.open_trusting(&key, trust)));
        let error = viewer.connected(Some(&key)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::HostKeyChanged);
        assert_eq!(error.host_key.as_ref(), Some(&shown));
        assert_eq!(viewer.signs, 0);
    }
    assert!(!sshd.log().contains("userauth-request"), "a credential was sent:\n{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_several_keys_shows_the_known_one() {
    let dir = tempfile::tempdir().unwrap();
    keygen(dir.path(), "host_ed25519", ED25519);
    keygen(dir.path(), "host_ecdsa", &["-t", "ecdsa", "-b", "521", "-N", ""]);
    keygen(dir.path(), "host_rsa", &["-t", "rsa", "-b", "2048", "-N", ""]);
    let sshd = Sshd::start_in(dir, "");
    let key = sshd.authorize("id", ED25519, None);
    for name in ["host_rsa", "host_ecdsa", "host_ed25519"] {
        let known = sshd.host_key(name);
        let trust = Trust { keys: vec![known.line.clone()], accepted: None };
        let mut viewer = Viewer::open(&keeper(), sshd.open_trusting(&key, trust));
        assert_eq!(viewer.connected(Some(&key)).await.unwrap(), Some(known));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_an_exchange_of_new_keys() {
    // The server asks for new keys after every 64 KiB.
    let sshd = Sshd::start("RekeyLimit 64K\n");
    let key = sshd.authorize("id", ED25519, None);
    let mut viewer = Viewer::open(&keeper(), sshd.open(&key));
    viewer.connected(Some(&key)).await.unwrap();
    viewer.send("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo $((6*7))\n").await;
    viewer.until("xxxxxx").await;
    viewer.until("\n42").await;
    let exchanges = sshd.log().matches("SSH2_MSG_NEWKEYS received").count();
    assert!(exchanges > 3, "{exchanges} exchanges");
}
