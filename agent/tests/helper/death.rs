//! Whoever dies in the middle of a verb, nothing is left running.

use std::process::Stdio;
use std::time::Duration;

use gangplank_agent::helper::broker::Setup;
use gangplank_agent::helper::frame::Frame;
use gangplank_agent::helper::server;
use gangplank_proto::job::Outcome;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::asker::{Helper, SOON, ask, gone};
use crate::verb::tool;

#[tokio::test]
async fn a_helper_that_is_killed_takes_its_work_along_and_the_job_says_so() {
    let mut helper = Helper::start("tools = true").await;
    let mut asking = helper.ask(tool("stay", &[]));
    let pid = asking.line().await;
    helper.kill().await;
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Unknown, "{done:?}");
    assert!(done.error.unwrap().as_str().contains("the helper was lost while it ran"));
    gone(&pid).await;
}

#[tokio::test]
async fn an_agent_that_is_killed_is_worked_for_no_longer() {
    let helper = Helper::start("tools = true").await;
    let mut asking = helper.ask(tool("stay", &[]));
    let pid = asking.line().await;
    // With the task goes its socket, as with a process that dies.
    asking.task.abort();
    gone(&pid).await;
}

#[tokio::test]
async fn a_helper_that_is_stopped_ends_its_work() {
    let mut helper = Helper::start("tools = true").await;
    let mut asking = helper.ask(tool("stay", &[]));
    let pid = asking.line().await;
    let own = nix::unistd::Pid::from_raw(helper.child.id().unwrap().try_into().unwrap());
    nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    gone(&pid).await;
    let status = timeout(SOON, helper.child.wait()).await.unwrap().unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served() {
    let helper = Helper::start("tools = true").await;
    let socket = helper.policy().with_file_name("handed.sock");
    let mut manager = Command::new("systemd-socket-activate");
    manager.arg(format!("--listen={}", socket.display()));
    manager.arg(env!("CARGO_BIN_EXE_gangplank-agent"));
    manager.args(["helper", "--policy"]).arg(helper.policy());
    let _manager = manager.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let connecting = async {
        loop {
            match UnixStream::connect(&socket).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut stream = timeout(SOON, connecting).await.unwrap();
    let ask = json!({ "verb": "tool", "name": "whoami", "args": { "flag": "-un" } });
    Frame::word(&ask).unwrap().write(&mut stream).await.unwrap();
    let mut said = Vec::new();
    timeout(SOON, stream.read_to_end(&mut said)).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("root\n") && said.contains("succeeded"), "{said}");
}

#[tokio::test]
async fn a_helper_ends_when_it_is_left_alone_and_not_while_it_works() {
    let helper = Helper::start("tools = true").await;
    let socket = helper.policy().with_file_name("second.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let program = env!("CARGO_BIN_EXE_gangplank-agent").into();
    let setup = Setup { program, policy: helper.policy(), units: false };
    let idle = Duration::from_millis(200);
    let never = CancellationToken::new();
    let serving = tokio::spawn(server::serve(listener, setup, Some(idle), never));
    let mut working = ask(socket.clone(), tool("stay", &[]));
    let pid = working.line().await;
    // Much longer than it would wait for nothing.
    sleep(5 * idle).await;
    let (done, ..) = ask(socket, tool("whoami", &[("flag", "-u")])).end().await;
    assert_eq!(done.status, Outcome::Succeeded, "{done:?}");
    working.cancel.cancel();
    let (done, ..) = working.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    gone(&pid).await;
    timeout(SOON, serving).await.unwrap().unwrap().unwrap();
}
