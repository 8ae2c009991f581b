//! Commands that arrive: once, whatever dies in between.

use std::{collections::BTreeMap, env, sync::LazyLock, time::Duration};

use gangplank_tests::{
    account::random,
    agent::{Agent, Policy},
    daemon::Daemon,
    http::Client,
    job::{self, Marker},
};
use serde_json::json;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// A host with tools.
struct Worker {
    admin: Client,
    agent: Agent,
    marker: Marker,
}

impl Worker {
    async fn of(daemon: &Daemon) -> Self {
        let admin = daemon.admin().await;
        let marker = Marker::new();
        let policy = Policy::everything("localhost:22");
        let agent = Agent::enrol_with(daemon, &admin, &policy, |t| marker.allow(t)).await;
        Self { admin, agent, marker }
    }

    fn host(&self) -> &str {
        self.agent.host()
    }
}

#[tokio::test]
async fn a_command_runs_and_its_output_arrives() {
    let worker = Worker::of(&DAEMON).await;
    let id = worker.admin.mark(worker.host(), "hello", 0).await;
    let (output, gaps) = worker.admin.job_output(&id).await;
    assert_eq!(String::from_utf8_lossy(&output), "begins hello\nends hello\n");
    assert!(!gaps);
    let job = worker.admin.job_over(&id).await;
    assert_eq!((&job["state"], &job["exit_status"]), (&json!("succeeded"), &json!(0)), "{job}");
    assert_eq!(worker.marker.effects(), BTreeMap::from([("hello".to_owned(), 1)]));
}

#[tokio::test]
async fn a_host_reports_itself_in_full() {
    let worker = Worker::of(&DAEMON).await;
    let path = format!("/api/v1/hosts/{}/report", worker.host());
    worker.admin.get(&path).await.refused(404);
    let id = worker.admin.order(worker.host(), json!({ "command": "report_now" })).await;
    let job = worker.admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let report = worker.admin.get(&path).await.expect(200).json();
    assert_eq!(report["job_id"], id.as_str());
    assert!(report["uptime_seconds"].as_u64().expect("a number") > 0, "{report}");
    assert!(!report["interfaces"].as_array().expect("a list").is_empty(), "{report}");
}

#[tokio::test]
async fn what_a_host_does_not_allow_or_offer_fails_with_a_reason() {
    let worker = Worker::of(&DAEMON).await;
    for (body, reason) in [
        (json!({ "command": "docker_inventory" }), "does not offer docker_inventory"),
        (json!({ "command": "run_tool", "params": { "tool": "rm" } }), "lists no such tool"),
        (
            json!({ "command": "run_tool", "params": Marker::params("$(id)", 0) }),
            "does not allow that value of name",
        ),
        (json!({ "command": "run_tool", "params": { "tool": "fail" } }), "ended with a failure"),
    ] {
        let id = worker.admin.order(worker.host(), body).await;
        let job = worker.admin.job_over(&id).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"].as_str().expect("a reason").contains(reason), "{job}");
    }
    let path = format!("/api/v1/hosts/{}/commands", worker.host());
    worker.admin.post(&path, json!({ "command": "rm" })).await.refused(400);
    let plain = Agent::enrol(&DAEMON, &worker.admin, &Policy::everything("localhost:22")).await;
    let id = worker.admin.mark(plain.host(), "no", 0).await;
    let job = worker.admin.job_over(&id).await;
    assert!(job["error"].as_str().expect("a reason").contains("policy.tools"), "{job}");
}

#[tokio::test]
async fn an_offline_host_gets_its_commands_when_it_returns() {
    let worker = Worker::of(&DAEMON).await;
    worker.agent.kill();
    worker.agent.state(&worker.admin, "offline").await;
    let mut ordered = BTreeMap::new();
    for name in ["one", "two", "three"] {
        ordered.insert(worker.admin.mark(worker.host(), name, 0).await, name.to_owned());
    }
    for id in ordered.keys() {
        assert_eq!(worker.admin.job(id).await["state"], "queued");
    }
    worker.agent.start_again();
    for id in ordered.keys() {
        assert_eq!(worker.admin.job_over(id).await["state"], "succeeded");
    }
    job::check(&worker.admin, &ordered, &worker.marker.effects()).await;
}

#[tokio::test]
async fn a_second_order_with_the_same_key_is_the_first_one() {
    let worker = Worker::of(&DAEMON).await;
    let order = json!({ "command": "run_tool", "params": Marker::params("once", 0),
                        "idempotency_key": format!("key-{}", worker.host()) });
    let first = worker.admin.order(worker.host(), order.clone()).await;
    assert_eq!(worker.admin.order(worker.host(), order.clone()).await, first);
    worker.admin.job_over(&first).await;
    assert_eq!(worker.admin.order(worker.host(), order.clone()).await, first);
    assert_eq!(worker.marker.effects()["once"], 1);
    let mut other = order;
    other["command"] = json!("report_now");
    let path = format!("/api/v1/hosts/{}/commands", worker.host());
    worker.admin.post(&path, other).await.refused(409);
}

#[tokio::test]
async fn a_cancel_reaches_a_running_command_and_what_waits_behind_it() {
    let worker = Worker::of(&DAEMON).await;
    let running = worker.admin.mark(worker.host(), "long", 600).await;
    worker.admin.job_is(&running, &["running"]).await;
    let waiting = worker.admin.mark(worker.host(), "never", 0).await;
    for id in [&waiting, &running] {
        worker.admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
        let job = worker.admin.job_over(id).await;
        assert_eq!(job["state"], "cancelled", "{job}");
        // Once more is no harm.
        worker.admin.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await.expect(202);
    }
    assert_eq!(worker.marker.effects(), BTreeMap::from([("long".to_owned(), 1)]));
    // Repeated, it is a new one.
    let again = worker.admin.post(&format!("/api/v1/jobs/{waiting}/retry"), json!({})).await;
    let again = again.expect(202).json()["job_id"].as_str().expect("an id").to_owned();
    assert_eq!(worker.admin.job_over(&again).await["state"], "succeeded");
    assert_eq!(worker.marker.effects()["never"], 1);
}

#[tokio::test]
async fn what_was_not_started_in_time_expires() {
    let worker = Worker::of(&DAEMON).await;
    let long = worker.admin.mark(worker.host(), "long", 30).await;
    let order = json!({ "command": "run_tool", "params": Marker::params("late", 0),
                        "deadline": "1s" });
    let late = worker.admin.order(worker.host(), order).await;
    assert_eq!(worker.admin.job_over(&late).await["state"], "expired");
    assert_eq!(worker.admin.job_over(&long).await["state"], "succeeded");
    let ordered = BTreeMap::from([(long, "long".to_owned()), (late, "late".to_owned())]);
    job::check(&worker.admin, &ordered, &worker.marker.effects()).await;
}

/// How often something is killed in the test that does so at random.
fn kills() -> usize {
    env::var("GANGPLANK_SOAK_JOB_KILLS").map_or(5, |kills| kills.parse().expect("a number"))
}

#[tokio::test]
async fn no_step_at_which_something_dies_loses_a_command_or_runs_it_twice() {
    let daemon = Daemon::with(&[("jobs.lease", "1s")]);
    let mut worker = Worker::of(&daemon).await;
    let mut ordered = BTreeMap::new();
    // What dies: the agent, the daemon, both; when: as soon as the job is in this state.
    let steps = ["queued", "leased", "received", "running", "succeeded"];
    for (round, state) in steps.into_iter().flat_map(|state| [(0, state), (1, state), (2, state)]) {
        let name = format!("{state}-{round}");
        let id = worker.admin.mark(worker.host(), &name, 5).await;
        // It may be further by the time that it is looked at: that is a step, too.
        let from = steps.iter().position(|step| *step == state).expect("one of them");
        worker.admin.job_is(&id, &steps[from..]).await;
        if round != 1 {
            worker.agent.kill();
        }
        if round != 0 {
            daemon.kill();
            daemon.start_again();
            worker.admin = daemon.admin().await;
        }
        if round != 1 {
            worker.agent.start_again();
        }
        let job = worker.admin.job_over(&id).await;
        // Only what ran when its agent died may be unknown.
        assert!(job["state"] == "succeeded" || round != 1 && job["state"] == "unknown", "{job}");
        ordered.insert(id, name);
    }
    job::check(&worker.admin, &ordered, &worker.marker.effects()).await;
}

#[tokio::test]
async fn random_deaths_lose_no_command_and_run_none_twice() {
    let daemon = Daemon::with(&[("jobs.lease", "1s")]);
    let mut worker = Worker::of(&daemon).await;
    let mut ordered = BTreeMap::new();
    for kill in 0..kills() {
        let [what, wait, tenths, count] = random::<4>();
        for n in 0..1 + count % 3 {
            let name = format!("kill-{kill}-{n}");
            let id = worker.admin.mark(worker.host(), &name, u32::from(tenths % 4)).await;
            ordered.insert(id, name);
        }
        // Not to wait for something, but to die at any moment.
        tokio::time::sleep(Duration::from_millis(u64::from(wait) * 3)).await;
        if what % 3 != 1 {
            worker.agent.kill();
        }
        if what % 3 != 0 {
            daemon.kill();
            daemon.start_again();
            worker.admin = daemon.admin().await;
        }
        if what % 3 != 1 {
            worker.agent.start_again();
        }
    }
    for id in ordered.keys() {
        worker.admin.job_over(id).await;
    }
    job::check(&worker.admin, &ordered, &worker.marker.effects()).await;
}
