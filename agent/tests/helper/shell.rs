//! Terminals of other users: shells that the service manager starts, on a PTY that comes over.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use gangplank_agent::helper::borrow;
use gangplank_proto::error::ErrorCode;
use gangplank_proto::link::{PtyRequest, Size};
use gangplank_terminal::lent::Lent;
use tokio::time::timeout;

use crate::asker::{Helper, SOON};
use crate::manager::Manager;

fn request() -> PtyRequest {
    PtyRequest { term: "xterm-256color".to_owned(), size: Size::new(100, 30).unwrap() }
}

/// What comes up to a mark.
async fn until(pty: &OwnedFd, mark: &'static str) -> String {
    let mut pty = File::from(pty.try_clone().unwrap());
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        while !text.contains(mark) {
            let mut piece = [0; 1024];
            let len = pty.read(&mut piece).unwrap();
            text.push_str(&String::from_utf8_lossy(&piece[..len]));
        }
        text
    });
    timeout(SOON, reading).await.unwrap().unwrap()
}

fn write(pty: &OwnedFd, text: &str) {
    File::from(pty.try_clone().unwrap()).write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn a_shell_of_another_user_comes_over_and_is_free() {
    let manager = Manager::start().await;
    let Lent { pty, ended, .. } =
        borrow::shell(&manager.socket(), "ada", &request()).await.unwrap();
    let free = "grep -c NoNewPrivs:.0 /proc/self/status";
    write(&pty, &format!("echo \"<$(id -un)|$PWD|$TERM|$(stty size)|$({free})>\"\n"));
    let said = until(&pty, "|1>").await;
    assert!(said.contains("<ada|/home/ada|xterm-256color|30 100|1>"), "{said}");
    write(&pty, "exit 7\n");
    let exit = timeout(SOON, ended).await.unwrap();
    assert_eq!(exit.exit_status, Some(7), "{exit:?}");
    manager.idle().await;
}

#[tokio::test]
async fn a_shell_goes_on_in_another_program_by_its_line() {
    let manager = Manager::start().await;
    let Lent { pty, ended, line } =
        borrow::shell(&manager.socket(), "ada", &request()).await.unwrap();
    drop(ended);
    write(&pty, "echo up$((1+1))\n");
    until(&pty, "up2").await;
    assert_eq!(manager.work().await.len(), 1);
    let ended = borrow::resumed(line.unwrap()).unwrap();
    write(&pty, "exit 7\n");
    let exit = timeout(SOON, ended).await.unwrap();
    assert_eq!(exit.exit_status, Some(7), "{exit:?}");
    manager.idle().await;
}

#[tokio::test]
async fn whoever_hangs_up_leaves_no_shell() {
    let manager = Manager::start().await;
    let Lent { pty, ended, line } =
        borrow::shell(&manager.socket(), "ada", &request()).await.unwrap();
    write(&pty, "trap '' HUP; echo up$((1+1))\n");
    until(&pty, "up2").await;
    assert_eq!(manager.work().await.len(), 1);
    drop((pty, ended, line));
    manager.idle().await;
}

#[tokio::test]
async fn shells_are_for_whom_root_s_file_names() {
    let manager = Manager::start().await;
    for (user, code, why) in [
        ("root", ErrorCode::NotAllowed, "policy.users"),
        ("ghost", ErrorCode::NotAllowed, "no such user"),
        ("../ada", ErrorCode::BadRequest, "not a user name"),
        ("-x", ErrorCode::BadRequest, "not a user name"),
    ] {
        let error = borrow::shell(&manager.socket(), user, &request()).await.unwrap_err();
        assert_eq!(error.code, code, "{user}");
        assert!(error.to_string().contains(why), "{user}: {error}");
    }
}

#[tokio::test]
async fn without_a_service_manager_there_is_none() {
    let helper = Helper::start("users = [\"nobody\"]").await;
    let error = borrow::shell(&helper.socket(), "nobody", &request()).await.unwrap_err();
    assert!(error.to_string().contains("needs systemd"), "{error}");
    let nowhere = helper.policy();
    let error = borrow::shell(&nowhere, "nobody", &request()).await.unwrap_err();
    assert!(error.to_string().contains("needs the helper"), "{error}");
}
