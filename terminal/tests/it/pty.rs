//! What is special about a shell on this host.

use gangplank_proto::error::ErrorCode;
use gangplank_proto::link::{Open, ToTerminal};
use nix::sys::signal::kill;
use nix::unistd::{Pid, User, geteuid};

use super::sshd::{me, pty_request};
use super::viewer::{Viewer, eventually, keeper};

fn open(username: Option<&str>) -> Open {
    Open::Pty { username: username.map(ToOwned::to_owned), pty: pty_request() }
}

/// Reads the numbers between `label` and `;` in the output.
async fn numbers(viewer: &mut Viewer, label: &str) -> Vec<i32> {
    viewer.until(label).await;
    let list = viewer.until(";").await;
    list.split(',').map(|number| number.parse().unwrap()).collect()
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_is_a_login_shell_in_a_clean_home() {
    let mut viewer = Viewer::open(&keeper(), open(Some(&me())));
    viewer.connected(None).await.unwrap();
    viewer.send("echo \"<$0|$HOME|$PWD|$USER|$LOGNAME>\"; env | grep -c CARGO\n").await;
    let user = User::from_uid(geteuid()).unwrap().unwrap();
    let shell = user.shell.file_name().unwrap().to_string_lossy().into_owned();
    let home = user.dir.display();
    viewer.until(&format!("<-{shell}|{home}|{home}|{0}|{0}>", user.name)).await;
    viewer.until("0\r\n").await;
    viewer.word(ToTerminal::Close);
    viewer.exit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_users_and_terminals_are_refused() {
    for (username, code) in [
        ("no-such-user-here", ErrorCode::NotAllowed),
        ("-x", ErrorCode::BadRequest),
        ("", ErrorCode::BadRequest),
        ("a:b", ErrorCode::BadRequest),
        ("../x", ErrorCode::BadRequest),
        ("a\nb", ErrorCode::BadRequest),
    ] {
        let error = Viewer::open(&keeper(), open(Some(username))).connected(None).await;
        assert_eq!(error.unwrap_err().code, code, "{username:?}");
    }
    let mut odd = pty_request();
    odd.term = "x\"; rm".to_owned();
    let odd = Open::Pty { username: None, pty: odd };
    let error = Viewer::open(&keeper(), odd).connected(None).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::BadRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_terminal_leaves_no_process() {
    let mut viewer = Viewer::open(&keeper(), open(None));
    viewer.connected(None).await.unwrap();
    viewer.send("sleep 1000 & A=$!; (trap '' HUP; exec sleep 1000) & B=$!\n").await;
    viewer.send("setsid -f sh -c 'printf \"ow%s=%s;\" n $$; exec sleep 1000'\n").await;
    let own = numbers(&mut viewer, "own=").await;
    viewer.send("printf 'pi%s=%s,%s,%s;' ds $$ $A $B; exec sleep 1000\n").await;
    let pids = numbers(&mut viewer, "pids=").await;
    assert!(pids.len() == 3 && pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    viewer.channel.input.close();
    for pid in pids {
        eventually("a dead process", || (!is_alive(pid)).then_some(())).await;
    }
    // What started a session of its own, as tmux does, stays.
    assert!(is_alive(own[0]));
    kill(Pid::from_raw(own[0]), nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_ends_is_not_held_by_what_it_left() {
    let mut viewer = Viewer::open(&keeper(), open(None));
    viewer.connected(None).await.unwrap();
    viewer.send("nohup sleep 1000 & printf 'pi%s=%s;' ds $!; exit 5\n").await;
    let pids = numbers(&mut viewer, "pids=").await;
    assert_eq!(viewer.exit().await.exit_status, Some(5));
    assert!(is_alive(pids[0]), "nohup means what it says");
    kill(Pid::from_raw(pids[0]), nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// A user other than ours who has a shell, as far as this machine has one.
fn somebody() -> Option<User> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let names = users.lines().filter(|line| line.ends_with("/bash") || line.ends_with("/bin/sh"));
    let mut names = names.filter_map(|line| line.split(':').next());
    names.find_map(|name| User::from_name(name).unwrap().filter(|user| user.uid != geteuid()))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_takes_root_and_gets_all_that_is_theirs() {
    if !geteuid().is_root() {
        let error = Viewer::open(&keeper(), open(Some("root"))).connected(None).await;
        assert_eq!(error.unwrap_err().code, ErrorCode::NotAllowed);
        return;
    }
    let mut viewer = Viewer::open(&keeper(), open(Some("nobody")));
    viewer.connected(None).await.unwrap();
    assert_eq!(viewer.exit().await.exit_status, Some(1), "nobody has no shell");
    let Some(user) = somebody() else {
        eprintln!("no other user with a shell on this machine: their shell was not tried");
        return;
    };
    let mut viewer = Viewer::open(&keeper(), open(Some(&user.name)));
    viewer.connected(None).await.unwrap();
    viewer.send("echo \"<$(id -u)|$(id -G)|$HOME|$USER|$TERM>\"; stty size\n").await;
    let groups = std::process::Command::new("id").arg("-G").arg(&user.name).output().unwrap();
    let groups = String::from_utf8(groups.stdout).unwrap();
    let (uid, groups, home) = (user.uid, groups.trim(), user.dir.display());
    viewer.until(&format!("<{uid}|{groups}|{home}|{}|xterm-256color>", user.name)).await;
    viewer.until("31 97").await;
    // The terminal is theirs by name, too.
    viewer.send("test -O $(tty) && echo mine$((1+1)); echo \"<${0#-*/}>\"\n").await;
    viewer.until("mine2").await;
    viewer.until("<-").await;
    viewer.send("kill -KILL $$\n").await;
    let exit = viewer.exit().await;
    assert!(exit.signal.is_some() || exit.exit_status == Some(137), "{exit:?}");
}
