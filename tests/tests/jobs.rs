//! Commands that arrive: once, whatever dies in between.

use std::{collections::BTreeMap, env, sync::LazyLock, time::Duration};

use base64::Engine as _;
use gangplank_tests::{
    account::random,
    agent::{self, Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    job::{self, Marker},
    nginx::Nginx,
    page::Page,
    scratch,
    sshd::free_port,
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
        (json!({ "command": "docker_inventory" }), "policy.docker = true"),
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
async fn a_tool_that_is_run_for_a_case_is_followed_by_those_who_look_into_it() {
    let worker = Worker::of(&DAEMON).await;
    let follow = worker.admin.upgrade("/api/v1/ws/events?topics=security").open();
    let mut events = follow.await.expect("an upgrade");
    worker.admin.mark(worker.host(), "no-case", 0).await;
    let mut params = Marker::params("a-case", 1);
    params["case_id"] = json!("case-7");
    let order = json!({ "command": "run_tool", "params": params });
    let id = worker.admin.order(worker.host(), order).await;
    let (mut printed, mut frames) = (Vec::new(), 0);
    let last = loop {
        let event = events.next_json().await;
        let message = &event["data"];
        assert_eq!(message["type"], "tool_output", "{event}");
        let frame = &message["data"];
        assert_eq!((&frame["case_id"], &frame["job_id"]), (&json!("case-7"), &json!(id)));
        assert_eq!((&frame["tool"], &frame["host_id"]), (&json!("mark"), &json!(worker.host())));
        if frame["frame"].is_null() {
            break frame.clone();
        }
        assert_eq!((&frame["frame"], &frame["offset"]), (&json!(frames), &json!(printed.len())));
        let data = frame["data"].as_str().expect("base64");
        printed.extend(base64::engine::general_purpose::STANDARD.decode(data).expect("base64"));
        frames += 1;
    };
    assert_eq!(last["state"], "succeeded", "{last}");
    assert_eq!(String::from_utf8_lossy(&printed), "begins a-case\nends a-case\n");
}

#[tokio::test]
async fn a_host_reports_as_often_as_it_is_set_to() {
    let daemon = Daemon::with(&[("jobs.report_every", "1s")]);
    let worker = Worker::of(&daemon).await;
    let path = format!("/api/v1/hosts/{}/report", worker.host());
    eventually::until(eventually::patience(), "a report that nobody asked for", || async {
        (worker.admin.get(&path).await.status == 200).then_some(())
    })
    .await;
    let jobs = format!("/api/v1/jobs?host_id={}&command=report_now", worker.host());
    let jobs = worker.admin.get(&jobs).await.expect(200).json();
    assert_eq!(jobs["items"][0]["created_by"], "daemon", "{jobs}");
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

#[tokio::test]
async fn output_that_nobody_could_keep_has_a_gap_that_is_told_and_keys_go_on() {
    let worker = Worker::of(&DAEMON).await;
    let mut page = Page::open(&worker.admin, worker.host()).await;
    page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
    let params = json!({ "tool": "flood", "args": { "bytes": "8000000" } });
    let order = json!({ "command": "run_tool", "params": params });
    let id = worker.admin.order(worker.host(), order).await;
    worker.admin.job_is(&id, &["running", "succeeded"]).await;
    page.proves_a_shell().await;
    let job = worker.admin.job_over(&id).await;
    assert_eq!((&job["state"], &job["output_end"]), (&json!("succeeded"), &json!(8_000_000)));
    let (output, gaps) = worker.admin.job_output(&id).await;
    assert!(gaps && output.len() <= 1_100_000 && output.len() > 1_000_000, "{}", output.len());
}

#[tokio::test]
async fn one_command_to_many_hosts_goes_in_rings_and_can_be_halted() {
    let daemon = Daemon::start();
    let first = Worker::of(&daemon).await;
    let (second, third) = (Worker::of(&daemon).await, Worker::of(&daemon).await);
    let admin = &first.admin;
    for worker in [&first, &second, &third] {
        let path = format!("/api/v1/hosts/{}", worker.host());
        admin.patch(&path, json!({ "labels": ["web"] })).await.expect(200);
    }
    let mut events =
        admin.upgrade("/api/v1/ws/events?topics=jobs").open().await.expect("an upgrade");
    let order = json!({ "command": "report_now", "labels": ["web"] });
    let made = admin.post("/api/v1/commands", order.clone()).await.expect(202).json();
    assert_eq!(made["jobs"], 3);
    let path = format!("/api/v1/batches/{}", made["batch_id"].as_str().expect("an id"));
    // Followed to its end: each ring opens when the one before is through.
    let mut rings = Vec::new();
    loop {
        let event = events.next_json().await;
        assert_eq!(event["topic"], "jobs", "{event}");
        if event["data"]["kind"] == "batch" {
            rings.push(event["data"]["ring"].as_u64().expect("a number"));
            if event["data"]["state"] == "done" {
                break;
            }
        }
    }
    assert!(rings.is_sorted() && rings.last() == Some(&2), "{rings:?}");
    let batch = admin.get(&path).await.expect(200).json();
    assert_eq!(batch["jobs"], json!({ "succeeded": 3 }), "{batch}");

    let params = Marker::params("many", 600);
    let order = json!({ "command": "run_tool", "params": params, "labels": ["web"] });
    let made = admin.post("/api/v1/commands", order).await.expect(202).json();
    let path = format!("/api/v1/batches/{}", made["batch_id"].as_str().expect("an id"));
    let running = format!("/api/v1/jobs?state=running&batch_id={}", &path[16..]);
    eventually::until(eventually::patience(), "the first ring to run", || async {
        let jobs = admin.get(&running).await.expect(200).json();
        (jobs["items"].as_array().expect("a list").len() == 1).then_some(())
    })
    .await;
    admin.post(&format!("{path}/pause"), json!({})).await.expect(200);
    let halted = admin.post(&format!("{path}/halt"), json!({})).await.expect(200).json();
    assert_eq!(halted["state"], "halted");
    admin.post(&format!("{path}/resume"), json!({})).await.refused(409);
    eventually::until(eventually::patience(), "every job to be cancelled", || async {
        let batch = admin.get(&path).await.expect(200).json();
        (batch["jobs"] == json!({ "cancelled": 3 })).then_some(())
    })
    .await;
    let effects = [&first, &second, &third].map(|w| w.marker.effects().values().sum::<usize>());
    assert_eq!(effects.iter().sum::<usize>(), 1, "{effects:?}");
    for wrong in [json!({}), json!({ "hosts": [] }), json!({ "labels": ["nobody"] })] {
        let mut order = order_of("report_now");
        order.as_object_mut().expect("an object").extend(wrong.as_object().cloned().expect("one"));
        admin.post("/api/v1/commands", order).await.refused(400);
    }
}

fn order_of(command: &str) -> serde_json::Value {
    json!({ "command": command })
}

#[tokio::test]
async fn a_host_without_websockets_asks_for_its_commands() {
    let admin = DAEMON.admin().await;
    let host = admin.add_host("asks", None).await;
    let field = |name: &str| host[name].as_str().expect("a text").to_owned();
    let key = format!("{}.{}", field("api_id"), field("api_key"));
    let device = DAEMON.client().with_origin(None).with_header("X-Device-Key", &key);
    assert_eq!(device.get("/api/v1/commands").await.expect(200).json(), json!([]));
    // It waits, and hears at once.
    let waiting = device.clone();
    let asked = tokio::spawn(async move { waiting.get("/api/v1/commands?wait=20").await });
    let params = json!({ "tool": "anything", "args": {} });
    let order = json!({ "command": "run_tool", "params": params });
    let id = admin.order(&field("id"), order.clone()).await;
    let items = asked.await.expect("an answer").expect(200).json();
    let item = &items[0];
    assert_eq!((&item["id"], &item["command"]), (&json!(id), &json!("run_tool")), "{items}");
    assert_eq!(item["params"], params);
    // What runs there holds the next one back.
    let next = admin.order(&field("id"), order).await;
    assert_eq!(device.get("/api/v1/commands").await.expect(200).json(), json!([]));
    let result = format!("/api/v1/commands/{id}/result");
    device.post(&result, json!({ "status": "queued" })).await.refused(400);
    device.post(&result, json!({ "status": "running" })).await.expect(200);
    admin.job_is(&id, &["running"]).await;
    let body = json!({ "status": "succeeded", "exit_status": 0, "output": "all of it" });
    let told = device.post(&result, body.clone()).await.expect(200).json();
    assert_eq!(told["settled"], true, "{told}");
    assert_eq!(admin.job_output(&id).await, (b"all of it".to_vec(), false));
    // Once more changes nothing.
    device.post(&result, json!({ "status": "failed" })).await.expect(200);
    assert_eq!(admin.job(&id).await["state"], "succeeded");
    let items = device.get("/api/v1/commands?wait=20").await.expect(200).json();
    assert_eq!(items[0]["id"], next.as_str());
    // Another host's is one that doesn't exist.
    let other = admin.add_host("other", None).await;
    let other =
        format!("{}.{}", other["api_id"].as_str().unwrap(), other["api_key"].as_str().unwrap());
    let stranger = DAEMON.client().with_origin(None).with_header("X-Device-Key", &other);
    let foreign = stranger.post(&result, body.clone()).await.expect(404);
    let unknown = "/api/v1/commands/018f0000-0000-7000-8000-000000000000/result";
    assert_eq!(foreign.body, stranger.post(unknown, body).await.expect(404).body);
    let wrong = DAEMON.client().with_origin(None).with_header("X-Device-Key", "gp_0.x");
    wrong.get("/api/v1/commands").await.refused(401);
}

#[tokio::test]
async fn an_agent_does_without_websockets_where_a_proxy_refuses_them_and_goes_back() {
    let (outside, inside) = (Nginx::reserve(), free_port());
    let upstream = format!("127.0.0.1:{inside}");
    let daemon = Daemon::with(&[
        ("listen.behind_proxy.address", &upstream),
        ("listen.behind_proxy.trusted", "127.0.0.1/32"),
        ("server.public_url", &format!("https://127.0.0.1:{outside}")),
    ]);
    let mut nginx = Nginx::start(outside, &upstream);
    let (admin, marker) = (daemon.admin().await, Marker::new());
    let policy = Policy::everything("localhost:22");
    let agent = Agent::enrol_at(&nginx.url(), &nginx.ca(), &daemon, &admin, &policy).await;
    let mut table = agent::read(agent.config());
    marker.allow(&mut table);
    scratch::secret_file(agent.config(), &table.to_string());
    agent.kill();
    nginx.take_upgrades(false);
    agent.start_again();
    let mut ordered = BTreeMap::new();
    for name in ["one", "two"] {
        ordered.insert(admin.mark(agent.host(), name, 0).await, name.to_owned());
    }
    for id in ordered.keys() {
        assert_eq!(admin.job_over(id).await["state"], "succeeded");
        let (output, gaps) = admin.job_output(id).await;
        assert!(output.starts_with(b"begins ") && output.ends_with(b"\n") && !gaps);
    }
    assert_eq!(admin.status(agent.host()).await["state"], "offline");
    let long = admin.mark(agent.host(), "long", 600).await;
    admin.job_is(&long, &["running"]).await;
    admin.post(&format!("/api/v1/jobs/{long}/cancel"), json!({})).await.expect(202);
    assert_eq!(admin.job_over(&long).await["state"], "cancelled");
    nginx.take_upgrades(true);
    agent.online(&admin).await;
    let last = admin.mark(agent.host(), "last", 0).await;
    assert_eq!(admin.job_over(&last).await["state"], "succeeded");
    ordered.insert(long, "long".to_owned());
    ordered.insert(last, "last".to_owned());
    job::check(&admin, &ordered, &marker.effects()).await;
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
