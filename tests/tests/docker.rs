//! Containers of a host, with a real engine; what else it can do, and what it is set to.

use std::sync::LazyLock;

use gangplank_tests::{
    agent::{Agent, Policy},
    daemon::Daemon,
    docker::Docker,
    eventually,
    http::Client,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// An agent whose host shows the containers of this engine.
async fn host(admin: &Client, docker: &Docker) -> Agent {
    let socket = docker.socket().display().to_string();
    Agent::enrol_with(&DAEMON, admin, &Policy::everything("localhost:22"), |table| {
        let text = format!("[policy]\ndocker = true\nscan = true\n[docker]\nsocket = {socket:?}");
        let more: toml::Table = text.parse().expect("TOML");
        for (section, value) in more {
            match (table.get_mut(&section), value) {
                (Some(toml::Value::Table(there)), toml::Value::Table(more)) => there.extend(more),
                (_, value) => drop(table.insert(section, value)),
            }
        }
    })
    .await
}

async fn succeeds(admin: &Client, host: &str, command: &str) {
    let id = admin.order(host, json!({ "command": command })).await;
    let job = admin.job_over(&id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
}

fn container<'a>(inventory: &'a Value, id: &str) -> Option<&'a Value> {
    inventory["containers"].as_array().expect("a list").iter().find(|one| one["id"] == id)
}

async fn eventually_is(admin: &Client, path: &str, id: &str, state: Option<&str>) {
    let what = format!("container {id} to be {state:?}");
    eventually::until(eventually::patience(), &what, || async {
        let inventory = admin.get(path).await.expect(200).json();
        let found = container(&inventory, id).map(|one| one["state"].clone());
        (found == state.map(Value::from)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn containers_are_shown_and_followed() {
    let (docker, admin) = (Docker::start(), DAEMON.admin().await);
    let first = docker.sleeper("first");
    let agent = host(&admin, &docker).await;
    let path = format!("/api/v1/hosts/{}/docker", agent.host());
    admin.get(&path).await.refused(404);
    succeeds(&admin, agent.host(), "docker_inventory").await;
    let inventory = admin.get(&path).await.expect(200).json();
    let one = container(&inventory, &first).expect("the container");
    assert_eq!((&one["name"], &one["state"]), (&json!("first"), &json!("running")), "{one}");
    assert_eq!(one["image"], "gangplank-test:1");
    assert!(inventory["engine"]["version"].as_str().is_some_and(|v| !v.is_empty()), "{inventory}");
    let tags = inventory["images"].as_array().expect("a list").iter().map(|i| &i["tags"][0]);
    assert!(tags.into_iter().any(|tag| tag == "gangplank-test:1"), "{inventory}");

    // Nobody follows before somebody says so.
    let settings = format!("/api/v1/hosts/{}/settings", agent.host());
    assert_eq!(admin.get(&settings).await.expect(200).json(), json!({}));
    let set = admin.patch(&settings, json!({ "docker_events": true })).await.expect(200).json();
    assert_eq!(set["settings"], json!({ "docker_events": true }));
    let job = admin.job_over(set["job_id"].as_str().expect("an id")).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    follows(&admin, &docker, &path, &first).await;

    // The daemon says it again to an agent that starts anew.
    agent.kill();
    agent.state(&admin, "offline").await;
    agent.start_again();
    agent.state(&admin, "online").await;
    let second = docker.sleeper("second");
    succeeds(&admin, agent.host(), "docker_inventory").await;
    follows(&admin, &docker, &path, &second).await;
}

/// Pauses a container until that is seen, because the agent may only just begin to follow; then
/// removes it.
async fn follows(admin: &Client, docker: &Docker, path: &str, id: &str) {
    let what = format!("container {id} to be seen paused");
    eventually::until(eventually::patience(), &what, || async {
        docker.run(&["pause", id]);
        let inventory = admin.get(path).await.expect(200).json();
        let paused = container(&inventory, id).is_some_and(|one| one["state"] == "paused");
        docker.run(&["unpause", id]);
        paused.then_some(())
    })
    .await;
    eventually_is(admin, path, id, Some("running")).await;
    docker.run(&["rm", "--force", id]);
    eventually_is(admin, path, id, None).await;
}

#[tokio::test]
async fn a_host_says_what_else_it_can_do() {
    let admin = DAEMON.admin().await;
    let plain = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    let path = format!("/api/v1/hosts/{}/integrations", plain.host());
    admin.get(&path).await.refused(404);
    succeeds(&admin, plain.host(), "refresh_integration_status").await;
    let all = admin.get(&path).await.expect(200).json();
    let named = |name: &str| {
        let list = all["integrations"].as_array().expect("a list");
        list.iter().find(|one| one["name"] == name).cloned().expect("it")
    };
    for (name, key) in
        [("docker", "policy.docker"), ("compliance", "policy.scan"), ("tools", "policy.tools")]
    {
        let one = named(name);
        assert_eq!((&one["enabled"], &one["status"]), (&json!(false), &json!("disabled")), "{one}");
        assert!(one["message"].as_str().expect("a text").contains(key), "{one}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let admin = DAEMON.admin().await;
    let plain = Agent::enrol(&DAEMON, &admin, &Policy::everything("localhost:22")).await;
    let settings = format!("/api/v1/hosts/{}/settings", plain.host());
    for wrong in [
        json!({ "shell": true }),
        json!({ "update_interval": -1 }),
        json!({ "update_interval": 99_999_999 }),
        json!({ "docker_events": "yes" }),
    ] {
        admin.patch(&settings, wrong.clone()).await.refused(400);
        let order = json!({ "command": "settings_update", "params": wrong });
        let path = format!("/api/v1/hosts/{}/commands", plain.host());
        admin.post(&path, order).await.refused(400);
    }
    assert_eq!(admin.get(&settings).await.expect(200).json(), json!({}));
}
