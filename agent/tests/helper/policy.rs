//! Root's file counts only while it is root's alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

use serde_json::{Value, json};

use crate::asker::Helper;

fn ask() -> Value {
    json!({ "verb": "packages", "mode": "dry_run" })
}

#[tokio::test]
async fn a_file_that_others_can_change_is_not_obeyed() {
    let helper = Helper::start("packages = true").await;
    let policy = helper.policy();
    let mode = |mode| fs::set_permissions(&policy, Permissions::from_mode(mode)).unwrap();
    for writable in [0o664, 0o646, 0o666] {
        mode(writable);
        let why = helper.refuses(ask()).await;
        assert!(why.contains("can be written by others than root"), "{writable:o}: {why}");
    }
    mode(0o644);
    chown(&policy, Some(65534), None).unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("belongs to another user than root"), "{why}");
    chown(&policy, Some(0), None).unwrap();
    assert!(helper.say(ask()).await.error.is_none());
}

#[tokio::test]
async fn neither_is_one_that_others_can_replace() {
    let helper = Helper::start("packages = true").await;
    let policy = helper.policy();
    let directory = policy.parent().unwrap();
    fs::set_permissions(directory, Permissions::from_mode(0o775)).unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("can be written by others than root"), "{why}");
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();

    // A link leads to where others are at home.
    let theirs = tempfile::tempdir().unwrap();
    let file = theirs.path().join("helper.toml");
    fs::rename(&policy, &file).unwrap();
    chown(theirs.path(), Some(65534), None).unwrap();
    symlink(&file, &policy).unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("belongs to another user than root"), "{why}");

    fs::remove_file(&policy).unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("does not exist, so everything is off"), "{why}");
}

#[tokio::test]
async fn a_file_is_read_for_every_ask() {
    let helper = Helper::start("packages = true").await;
    assert!(helper.say(ask()).await.error.is_none());
    fs::write(helper.policy(), "user = \"root\"\n").unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("policy.packages"), "{why}");
    fs::write(helper.policy(), "user = \"root\"\n[policy]\nscna = true\n").unwrap();
    let why = helper.refuses(ask()).await;
    assert!(why.contains("unknown field"), "{why}");
}
