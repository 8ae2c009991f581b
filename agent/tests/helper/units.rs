//! Work in transient units, by a real service manager and with the helper in its own unit, sandbox and
//! all.

use gangplank_agent::helper::{Name, Verb};
use gangplank_agent::packages::Mode;
use gangplank_proto::job::Outcome;
use gangplank_proto::scan::{Report, Scanner};

use crate::asker::ask;
use crate::manager::Manager;
use crate::verb::tool;

#[tokio::test]
async fn a_helper_without_capabilities_has_its_work_done() {
    let manager = Manager::start().await;
    let (done, output, _) = ask(manager.socket(), tool("whoami", &[])).end().await;
    assert_eq!((done.status, output.as_slice()), (Outcome::Succeeded, &b"root\n"[..]), "{done:?}");
    let show = ["systemctl", "show", "--property=MainPID", "--value"];
    let helper = manager.run(&[&show[..], &["gangplank-agent-helper.service"]].concat()).await;
    let pid = String::from_utf8(helper.stdout).unwrap();
    let status = manager.run(&["cat", &format!("/proc/{}/status", pid.trim())]).await;
    let status = String::from_utf8(status.stdout).unwrap();
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }

    let packages = Verb::Packages { mode: Mode::DryRun };
    let (done, output, _) = ask(manager.socket(), packages).end().await;
    assert_eq!(done.status, Outcome::Succeeded, "{done:?}");
    assert!(String::from_utf8_lossy(&output).contains("upgraded, "));
    manager.idle().await;
}

#[tokio::test]
async fn a_scan_has_a_unit_with_its_limits() {
    let manager = Manager::start().await;
    let profile = Name::new("strict").ok();
    let scan = Verb::Scan { scanner: Scanner::Openscap, profile };
    let (done, output, progress) = ask(manager.socket(), scan).end().await;
    assert_eq!(done.status, Outcome::Succeeded, "{done:?}");
    let report: Report = serde_json::from_slice(&output).unwrap();
    assert!(report.rules.len() >= 12);
    assert!(progress.iter().any(|step| step.percent.is_some()));

    let scan = Verb::Scan { scanner: Scanner::Lynis, profile: None };
    let mut asking = ask(manager.socket(), scan);
    asking.progress().await;
    let work = manager.work().await;
    let [unit] = &work[..] else { unreachable!("{work:?}") };
    assert!(unit.starts_with("gangplank-scan-"), "{unit}");
    let properties = [
        "MemoryMax=4294967296",
        "TasksMax=512",
        "CPUQuotaPerSecUSec=1s",
        "RuntimeMaxUSec=1h 1min",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=cap_dac_read_search cap_sys_ptrace",
    ];
    let shown = manager.run(&["systemctl", "show", unit]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    for property in properties {
        assert!(shown.lines().any(|line| line == property), "{property}");
    }
    asking.cancel.cancel();
    let (done, output, _) = asking.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    let report: Report = serde_json::from_slice(&output).unwrap();
    assert!(report.scan.partial);
    manager.idle().await;
}

#[tokio::test]
async fn whoever_dies_or_calls_off_leaves_no_unit() {
    let manager = Manager::start().await;
    let stay = || async {
        let mut asking = ask(manager.socket(), tool("stay", &[]));
        assert_eq!(asking.line().await, "here");
        assert_eq!(manager.work().await.len(), 1);
        asking
    };

    let asking = stay().await;
    asking.cancel.cancel();
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Cancelled, "{done:?}");
    manager.idle().await;

    let asking = stay().await;
    asking.task.abort();
    manager.idle().await;

    let asking = stay().await;
    let kill = ["systemctl", "kill", "--signal=KILL"];
    manager.run(&[&kill[..], &["gangplank-agent-helper.service"]].concat()).await;
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Unknown, "{done:?}");
    manager.idle().await;

    // Somebody on the host ends the unit, or it runs out of memory.
    let asking = stay().await;
    let work = manager.work().await;
    manager.run(&[&kill[..], &[&work[0]]].concat()).await;
    let (done, ..) = asking.end().await;
    assert_eq!(done.status, Outcome::Failed, "{done:?}");
    let why = done.error.unwrap_or_default();
    assert!(why.as_str().contains("ended before it could say"), "{why:?}");
    manager.idle().await;
}
