//! What the helper refuses, whoever asks.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use gangplank_agent::helper::frame::LONGEST;
use gangplank_proto::job::Outcome;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::asker::{Helper, SOON, last};

const ALL: &str = "scan = true\npackages = true\ntools = true";

#[tokio::test]
async fn what_is_not_switched_on_is_off() {
    let helper = Helper::start("").await;
    for (word, key) in [
        (json!({ "verb": "scan", "scanner": "openscap" }), "policy.scan"),
        (json!({ "verb": "packages", "mode": "dry_run" }), "policy.packages"),
        (json!({ "verb": "tool", "name": "whoami", "args": { "flag": "-u" } }), "policy.tools"),
    ] {
        let why = helper.refuses(word).await;
        assert!(why.contains(key), "{why}");
    }
}

#[tokio::test]
async fn only_verbs_are_understood() {
    let helper = Helper::start(ALL).await;
    for word in [
        json!({ "verb": "exec", "argv": ["/bin/sh", "-c", "id"] }),
        json!({ "verb": "scan", "scanner": "openscap", "content": "/etc/shadow" }),
        json!({ "verb": "scan", "scanner": "openscap", "profile": "../../etc/shadow" }),
        json!({ "verb": "scan", "scanner": "openscap", "profile": "--fetch-remote-resources" }),
        json!({ "verb": "tool", "name": "/bin/sh", "args": {} }),
        json!({ "verb": "tool", "name": "whoami", "args": { "flag": "-u" }, "path": "/bin/sh" }),
        json!({ "verb": "packages", "mode": "all", "root": "/" }),
        json!("scan"),
        json!(null),
    ] {
        let why = helper.refuses(word).await;
        assert!(why.contains("that is no verb"), "{why}");
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_not_waited_for() {
    let helper = Helper::start(ALL).await;
    let mut stream = UnixStream::connect(helper.socket()).await.unwrap();
    let length = u32::try_from(LONGEST).unwrap() + 2;
    stream.write_all(&length.to_be_bytes()).await.unwrap();
    let done = last(stream).await;
    assert!(done.error.unwrap().as_str().contains("over the limit"));

    let mut stream = UnixStream::connect(helper.socket()).await.unwrap();
    stream.write_all(&[0, 0, 0, 2, 7, 0]).await.unwrap();
    let done = last(stream).await;
    assert!(done.error.unwrap().as_str().contains("unknown kind"));
}

/// Runs twice: first as root, which starts it again as nobody.
#[tokio::test]
async fn another_user_may_not_ask() {
    if let Some(socket) = env::var_os("SOCKET_OF_ROOT") {
        let stream = UnixStream::connect(socket).await.unwrap();
        let done = last(stream).await;
        assert_eq!(done.status, Outcome::Failed);
        let why = done.error.unwrap();
        assert!(why.as_str().contains("this user may not ask"), "{why:?}");
        return;
    }
    let helper = Helper::start(ALL).await;
    let again = || {
        let mut again = Command::new("setpriv");
        again.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        // Wherever the program lies, nobody can read it there.
        let copy = helper.policy().with_file_name("tests");
        fs::copy(env::current_exe().unwrap(), &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
        again.arg(copy).args(["--exact", "refusal::another_user_may_not_ask", "--nocapture"]);
        again.current_dir("/").env("SOCKET_OF_ROOT", helper.socket());
        again
    };
    // The socket itself is closed to others.
    let output = timeout(SOON, again().output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("PermissionDenied"), "{said}");
    // And where it isn't, the kernel says who asks.
    fs::set_permissions(helper.socket(), Permissions::from_mode(0o666)).unwrap();
    let output = timeout(SOON, again().output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
}
