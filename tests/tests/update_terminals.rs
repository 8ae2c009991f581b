//! Terminals of an agent whose program is replaced under them.

use std::{fs, path::PathBuf};

use gangplank_tests::{
    agent::shell_user,
    eventually,
    page::Page,
    program, scratch,
    site::{Manager, Site},
    sshd::Sshd,
};
use serde_json::json;

/// A page, and a shell that counts until it is told to stop.
struct Counting {
    page: Page,
    shell: u64,
    stop: PathBuf,
    /// Output before it began.
    from: usize,
}

impl Counting {
    async fn start(site: &Site) -> Self {
        let mut page = Page::open(&site.admin, site.agent.host()).await;
        page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
        // What is typed while a shell edits its line is not what the next shell reads.
        page.keys("stty -echo; echo re\"\"ady; ENV= PS1= exec sh\r").await;
        page.shows("ready").await;
        page.keys("echo qu\"\"iet\r").await;
        page.shows("quiet\r\n").await;
        let shell = number(&mut page, "echo \"pid=$$.\"\r", "pid=").await;
        let stop = scratch::shared_directory().join("stop");
        let from = page.output().len();
        let stopped = format!("[ -e {} ]", stop.display());
        let count = "i=$((i+1)); echo \"<$i $i $i $i $i $i $i $i $i $i>\"; sleep 0.01";
        page.keys(&format!("i=0; until {stopped}; do {count}; done; echo \"total=$i.\"\r")).await;
        page.shows("<100 ").await;
        Self { page, shell, stop, from }
    }

    /// Not a byte is missing, none came twice, and it is the same shell.
    async fn is_whole(&mut self) {
        fs::write(&self.stop, "").expect("our own directory");
        self.page.shows("total=").await;
        let total = rest(&mut self.page).await;
        let mut wanted = String::new();
        for i in 1..=total {
            let line = [i; 10].map(|i| i.to_string()).join(" ");
            wanted.push_str(&format!("<{line}>\r\n"));
        }
        wanted.push_str(&format!("total={total}."));
        let shown = self.page.output()[self.from..].to_vec();
        let shown = String::from_utf8(shown).expect("text");
        let differs = wanted.bytes().zip(shown.bytes()).position(|(wanted, shown)| wanted != shown);
        assert_eq!(differs, None, "{total} lines, {} bytes shown", shown.len());
        fs::remove_file(&self.stop).expect("our own file");
        let shell = number(&mut self.page, "echo \"pid=$$.\"\r", "pid=").await;
        assert_eq!(shell, self.shell);
    }

    /// Keys and sizes reach the shell.
    async fn obeys(&mut self, cols: i64) {
        self.page.proves_a_shell().await;
        self.page.resize(cols, 31).await;
        self.page.keys("stty size\r").await;
        self.page.shows(&format!("31 {cols}")).await;
    }
}

/// The number that a command prints after a mark, and before a full stop.
async fn number(page: &mut Page, command: &str, mark: &str) -> u64 {
    page.keys(command).await;
    page.shows(mark).await;
    rest(page).await
}

async fn rest(page: &mut Page) -> u64 {
    let mut digits = String::new();
    loop {
        let next = page.take(1).await;
        match next.as_slice() {
            b"." => return digits.parse().expect("a number"),
            digit => digits.push_str(std::str::from_utf8(digit).expect("text")),
        }
    }
}

/// Without a service manager every version is a child of the installed program, and only the first
/// is the parent of what was opened first.
#[tokio::test]
async fn terminals_outlive_updates() {
    let site = Site::start().await;
    let mut first = Counting::start(&site).await;
    site.offer_version("0.2.0");
    // Nobody is waited for, and nobody is ended.
    let job = site.update().await;
    assert_eq!(job["state"], "succeeded", "{job}\n{}", site.agent.log());
    site.runs("0.2.0").await;
    first.is_whole().await;
    first.obeys(93).await;

    let mut second = Counting::start(&site).await;
    site.offer_version("0.3.0");
    let job = site.admin.job_over(&site.order(json!({ "force": true })).await).await;
    assert_eq!(job["state"], "succeeded", "{job}\n{}", site.agent.log());
    site.runs("0.3.0").await;
    first.obeys(94).await;
    second.is_whole().await;
    second.obeys(95).await;

    // One that does nothing at all is tried, and goes: what it never took is still there.
    let ends = fs::read(program::installed("true")).expect("a program");
    site.offer(&site.signer.release("0.4.0", &ends));
    let job = site.update().await;
    assert_eq!(job["result"]["outcome"], "rolled_back", "{job}");
    site.runs("0.3.0").await;
    for (terminal, cols) in [(&mut first, 96), (&mut second, 97)] {
        terminal.obeys(cols).await;
        terminal.page.keys("exit 7\r").await;
        terminal.page.event_past_errors("closed").await;
    }
    eventually::until(eventually::patience(), "no shell to be left", || async {
        let left = [first.shell, second.shell].map(|pid| PathBuf::from(format!("/proc/{pid}")));
        (!left.iter().any(|process| process.exists())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn under_a_service_manager_shells_stay_children_of_the_agent() {
    let (site, manager) = (Site::start().await, Manager::new());
    site.agent.start_again_with(&manager.variables());
    site.agent.online(&site.admin).await;
    let mut terminal = Counting::start(&site).await;
    for version in ["0.2.0", "0.3.0"] {
        site.offer_version(version);
        let job = site.update().await;
        assert_eq!(job["state"], "succeeded", "{job}\n{}", site.agent.log());
        site.runs(version).await;
        terminal.obeys(if version == "0.2.0" { 93 } else { 94 }).await;
        if version == "0.2.0" {
            terminal.is_whole().await;
        }
    }
    // Whoever ends it hears how it ended.
    terminal.page.keys("exit 7\r").await;
    assert_eq!(terminal.page.event_past_errors("closed").await["exit_status"], 7);
}

#[tokio::test]
async fn an_update_waits_for_ssh_unless_it_is_forced() {
    let sshd = Sshd::start();
    let site = Site::start_for(&sshd.target()).await;
    let ssh = json!({
        "connection_mode": "proxy",
        "username": sshd.account().name,
        "password": sshd.account().password,
        "proxy_host": "127.0.0.1",
        "proxy_port": sshd.port(),
    });
    site.offer_version("0.2.0");
    let mut page = Page::open(&site.admin, site.agent.host()).await;
    page.accepted(ssh.clone()).await;
    let waits = |id: String| {
        let site = &site;
        async move {
            eventually::until(eventually::patience(), "the update to wait", || async {
                (site.admin.job(&id).await["progress"]["phase"] == "waiting").then_some(())
            })
            .await;
        }
    };
    let id = site.order(json!({})).await;
    waits(id.clone()).await;
    page.proves_a_shell().await;
    // Called off, it leaves everything as it was.
    site.admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    assert_eq!(site.admin.job_over(&id).await["state"], "cancelled");
    assert_eq!(site.state()["trial"], serde_json::Value::Null);
    page.proves_a_shell().await;

    let id = site.order(json!({})).await;
    waits(id.clone()).await;
    page.keys("exit\n").await;
    page.ended(eventually::patience()).await;
    let job = site.admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    site.runs("0.2.0").await;

    let mut page = Page::open(&site.admin, site.agent.host()).await;
    page.connected(ssh).await;
    site.offer_version("0.3.0");
    let job = site.admin.job_over(&site.order(json!({ "force": true })).await).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let closed = page.event("closed").await;
    assert_eq!(closed["reason"], "its keeper is being updated", "{closed}");
    site.runs("0.3.0").await;
}
