//! PatchMon's agents, 1.4 and 2.1, as they are: what they ask and post beside their socket, and what
//! they are told to do.

use std::{fs, sync::LazyLock, time::Duration};

use gangplank_tests::{
    daemon::Daemon,
    eventually,
    http::Client,
    patchmon::{PatchmonAgent, Version, hash, packages},
    scratch,
};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

const BOTH: [Version; 2] = [Version::V14, Version::V21];

/// A host with an agent that has started.
async fn started(daemon: &Daemon, version: Version) -> (Client, String, PatchmonAgent) {
    let admin = daemon.admin().await;
    let host = admin.add_host("patchmon", None).await;
    let id = host["id"].as_str().expect("an id").to_owned();
    let agent = PatchmonAgent::start(&daemon.client(), version, &host).await;
    eventually::until(eventually::patience(), "the agent to be online", || async {
        Some(admin.status(&id).await).filter(|status| status["state"] == "online")
    })
    .await;
    (admin, id, agent)
}

async fn order(admin: &Client, host: &str, command: &str, params: Value) -> String {
    admin.order(host, json!({ "command": command, "params": params })).await
}

#[tokio::test]
async fn its_reports_show_like_those_of_our_own() {
    for version in BOTH {
        let (admin, id, agent) = started(&DAEMON, version).await;
        let host = admin.get(&format!("/api/v1/hosts/{id}")).await.expect(200).json();
        assert_eq!(host["agent"], "patchmon");
        assert_eq!(host["os"], "Debian GNU/Linux");
        assert_eq!(host["hostname"], "web1");
        assert_eq!(host["status"]["agent_version"], version.number());
        assert!(host["first_report_at"].is_string());
        // Where a host is dialled is never taken from its agent.
        assert!(host["address"].is_null(), "{host}");

        let report = admin.get(&format!("/api/v1/hosts/{id}/report")).await.expect(200).json();
        assert_eq!(report["packages"]["installed_count"], 2);
        assert_eq!(report["packages"]["pending"][0]["name"], "openssl");
        assert_eq!(report["packages"]["pending"][0]["security"], true);
        assert_eq!(report["disks"][0]["free"], json!(30_u64 << 30));
        assert_eq!(
            (&report["reboot_needed"], &report["uptime_seconds"]),
            (&json!(true), &json!(3660))
        );
        assert!(report["job_id"].is_null());

        let answer = agent.ping().await;
        if version == Version::V21 {
            // What is here already is not asked for; what changes all the time came with the ping.
            assert_eq!(answer["requestFull"], json!([]));
            let report = admin.get(&format!("/api/v1/hosts/{id}/report")).await.expect(200).json();
            assert_eq!(report["uptime_seconds"], 7260);
            assert_eq!(report["packages"]["installed_count"], 2);
        }
    }
}

#[tokio::test]
async fn a_part_that_changed_is_asked_for_and_taken() {
    let (admin, id, agent) = started(&DAEMON, Version::V21).await;
    let ping = json!({ "hashes": {
        "packagesHash": hash::packages(&packages()), "reposHash": hash::EMPTY_LIST,
        "interfacesHash": hash::EMPTY_LIST, "hostnameHash": hash::hostname("web2"),
    } });
    let answer = agent.post("/api/v1/hosts/ping", ping).await;
    assert_eq!(answer["requestFull"], json!(["hostname"]));
    let part = json!({
        "sections": ["hostname"], "packages": [], "hostname": "web2", "agentVersion": "2.1.4",
        "hashes": { "hostnameHash": hash::hostname("web2") },
    });
    agent.post("/api/v1/hosts/update", part).await;
    let report = admin.get(&format!("/api/v1/hosts/{id}/report")).await.expect(200).json();
    assert_eq!(report["host"]["hostname"], "web2");
    assert_eq!(report["packages"]["installed_count"], 2);
}

#[tokio::test]
async fn what_is_not_of_its_form_is_refused() {
    let (admin, id, agent) = started(&DAEMON, Version::V21).await;
    let update = "/api/v1/hosts/update";
    let mut mismatch = agent.report_body();
    mismatch["hashes"]["packagesHash"] = hash::EMPTY_LIST.into();
    for wrong in [
        mismatch,
        json!({ "packages": "curl" }),
        json!({ "packages": [{ "name": 7 }] }),
        json!({ "needsReboot": "no" }),
        json!({ "sections": ["packages"], "packages": [] }),
        json!({ "sections": ["kernel"] }),
        json!({ "packages": vec![json!({ "name": "x" }); 10_001] }),
        json!([]),
    ] {
        agent.http().post(update, wrong).await.refused(400);
    }
    let long = json!({ "packages": [{ "name": "x".repeat(5 << 20) }] });
    agent.http().post(update, long).await.refused(413);
    let report = admin.get(&format!("/api/v1/hosts/{id}/report")).await.expect(200).json();
    assert_eq!(report["packages"]["installed_count"], 2, "nothing wrong was kept");

    let stranger = DAEMON.client().anonymous().with_origin(None);
    let wrong = stranger.with_header("X-API-ID", "patchmon_0").with_header("X-API-KEY", "0");
    for path in [update, "/api/v1/hosts/ping", "/api/v1/integrations/docker"] {
        wrong.post(path, json!({})).await.refused(401);
    }
    for path in ["/api/v1/hosts/info", "/api/v1/hosts/agent/version", "/api/v1/hosts/install"] {
        wrong.get(path).await.refused(401);
    }
}

#[tokio::test]
async fn a_report_that_is_asked_for_ends_the_job() {
    for version in BOTH {
        let (admin, id, mut agent) = started(&DAEMON, version).await;
        let job = order(&admin, &id, "report_now", json!({})).await;
        agent.next("report_now").await;
        let running = admin.job_is(&job, &["running"]).await;
        assert!(running["received_at"].is_string() && running["started_at"].is_string());
        agent.report().await;
        let over = admin.job_over(&job).await;
        assert_eq!(over["state"], "succeeded", "{over}");
        let report = admin.get(&format!("/api/v1/hosts/{id}/report")).await.expect(200).json();
        assert_eq!(report["job_id"], job.as_str());
    }
}

#[tokio::test]
async fn jobs_wait_for_an_agent_that_is_away_and_are_told_once() {
    let admin = DAEMON.admin().await;
    let host = admin.add_host("patchmon", None).await;
    let id = host["id"].as_str().expect("an id").to_owned();
    let job = order(&admin, &id, "report_now", json!({})).await;
    assert_eq!(admin.job(&job).await["state"], "queued");
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    agent.next("report_now").await;
    admin.job_is(&job, &["running"]).await;
    // It may still be at it: another connection is no reason to tell it again.
    drop(agent);
    let mut agent = PatchmonAgent::connect(&DAEMON.client(), Version::V14, &host).await;
    let other = order(&admin, &id, "refresh_integration_status", json!({})).await;
    agent.next("refresh_integration_status").await;
    admin.job_is(&other, &["running"]).await;
    assert_eq!(admin.job(&job).await["attempt"], 1);
    agent.report().await;
    assert_eq!(admin.job_over(&job).await["state"], "succeeded");
}

#[tokio::test]
async fn what_its_agents_do_not_offer_is_refused_at_once() {
    let (admin, id, _agent) = started(&DAEMON, Version::V21).await;
    for (command, params, why) in [
        ("run_tool", json!({ "tool": "df" }), "does not offer run_tool"),
        ("update_packages", json!({}), "does not offer update_packages"),
        ("update_agent", json!({}), "patchmon.programs"),
        ("compliance_scan", json!({ "scanner": "lynis" }), "does not take these parameters"),
    ] {
        let job = order(&admin, &id, command, params).await;
        let over = admin.job_over(&job).await;
        assert_eq!(over["state"], "failed", "{over}");
        let error = over["error"].as_str().expect("a reason");
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn containers_and_integrations_show_like_those_of_our_own() {
    let (admin, id, mut agent) = started(&DAEMON, Version::V21).await;
    let job = order(&admin, &id, "docker_inventory", json!({})).await;
    agent.next("docker_inventory_refresh").await;
    let body = json!({
        "containers": [{ "container_id": "c1", "name": "web", "image_name": "nginx:1.25",
            "image_repository": "nginx", "image_tag": "1.25", "image_source": "docker-hub",
            "image_id": "sha256:1", "status": "running", "state": "Up 2 hours",
            "ports": { "80/tcp": "0.0.0.0:8080" }, "labels": { "token": "CANARY-label" } }],
        "images": [{ "repository": "nginx", "tag": "1.25", "image_id": "sha256:1",
            "source": "docker-hub", "size_bytes": 12 }],
        "updates": [], "daemon_info": { "version": "27.0" }, "hostname": "web1",
        "machine_id": "m1", "agent_version": "2.1.4", "docker_hash": "ab",
    });
    let answer = agent.post("/api/v1/integrations/docker", body).await;
    assert_eq!((&answer["containers_received"], &answer["updates_found"]), (&json!(1), &json!(0)));
    assert_eq!(admin.job_over(&job).await["state"], "succeeded");
    let docker = admin.get(&format!("/api/v1/hosts/{id}/docker")).await.expect(200);
    assert!(!docker.text().contains("CANARY-label"));
    let docker = docker.json();
    assert_eq!(docker["containers"][0]["state"], "running");
    assert_eq!(docker["containers"][0]["ports"][0], "0.0.0.0:8080->80/tcp");
    assert_eq!(docker["job_id"], job.as_str());
    let ping = |hash: &str| json!({ "hashes": { "dockerHash": hash } });
    let answer = agent.post("/api/v1/hosts/ping", ping("ab")).await;
    assert!(!answer["requestFull"].as_array().expect("a list").contains(&json!("docker")));
    let answer = agent.post("/api/v1/hosts/ping", ping("cd")).await;
    assert!(answer["requestFull"].as_array().expect("a list").contains(&json!("docker")));

    let job = order(&admin, &id, "refresh_integration_status", json!({})).await;
    agent.next("refresh_integration_status").await;
    for (name, status) in [("compliance", "ready"), ("docker", "disabled")] {
        let body = json!({ "integration": name, "enabled": status == "ready", "status": status,
            "message": "", "components": { "openscap": "ready" } });
        assert_eq!(agent.post("/api/v1/hosts/integration-status", body).await["success"], true);
    }
    assert_eq!(admin.job_over(&job).await["state"], "succeeded");
    let path = format!("/api/v1/hosts/{id}/integrations");
    let shown = admin.get(&path).await.expect(200).json();
    let statuses = shown["integrations"].as_array().expect("a list").iter();
    let statuses: Vec<_> = statuses.map(|one| (&one["name"], &one["status"])).collect();
    assert_eq!(
        statuses,
        [(&json!("compliance"), &json!("ready")), (&json!("docker"), &json!("disabled")),]
    );
    agent
        .http()
        .post("/api/v1/hosts/integration-status", json!({ "enabled": 1 }))
        .await
        .refused(400);
}

#[tokio::test]
async fn changes_of_containers_are_followed() {
    let (admin, id, mut agent) = started(&DAEMON, Version::V14).await;
    let body =
        json!({ "containers": [{ "container_id": "c1", "name": "web", "status": "running" }] });
    agent.post("/api/v1/integrations/docker", body).await;
    let status = json!({
        "type": "docker_status", "container_id": "c1", "name": "web", "status": "exited",
        "timestamp": "2026-01-02T03:04:05Z",
        "event": { "type": "container_die", "container_id": "c1", "name": "web", "image": "nginx",
            "status": "exited", "timestamp": "2026-01-02T03:04:05Z" },
    });
    agent.socket().json(&status).await;
    eventually::until(eventually::patience(), "the container to have exited", || async {
        let docker = admin.get(&format!("/api/v1/hosts/{id}/docker")).await.expect(200).json();
        Some(()).filter(|()| docker["containers"][0]["state"] == "exited")
    })
    .await;
}

/// What a scan's end posts.
fn scan(profile: &str, results: Value) -> Value {
    json!({
        "scans": [{ "profile_name": profile, "profile_type": "openscap", "status": "completed",
            "score": 50, "total_rules": 2, "passed": 1, "failed": 1, "warnings": 0, "skipped": 0,
            "not_applicable": 0, "started_at": "2026-01-02T03:04:05Z",
            "completed_at": "2026-01-02T03:14:05Z", "results": results }],
        "os_info": { "family": "debian", "name": "Debian", "version": "12" },
        "scanner_info": { "openscap_available": true, "openscap_version": "1.3.7" },
        "hostname": "web1", "machine_id": "m1", "agent_version": "2.1.4",
    })
}

#[tokio::test]
async fn scans_show_like_those_of_our_own() {
    for version in BOTH {
        let (admin, id, mut agent) = started(&DAEMON, version).await;
        let job =
            order(&admin, &id, "compliance_scan", json!({ "profile": "level1_server" })).await;
        let asked = agent.next("compliance_scan").await;
        assert_eq!(asked["profile_id"], "level1_server");
        assert_eq!(
            (&asked["enable_remediation"], &asked["fetch_remote_resources"]),
            (&json!(false), &json!(false))
        );
        let progress = json!({ "type": "compliance_scan_progress", "phase": "evaluating",
            "profile_name": "level1_server", "message": "Rule 3", "progress": 15, "error": "",
            "timestamp": "2026-01-02T03:04:05Z" });
        agent.socket().json(&progress).await;
        eventually::until(eventually::patience(), "the progress to show", || async {
            let job = admin.job(&job).await;
            Some(()).filter(|()| job["progress"]["percent"] == 15)
        })
        .await;
        let results = json!([
            { "rule_ref": "no_empty_passwords", "title": "No empty passwords", "status": "pass" },
            { "rule_ref": "no_empty_passwords", "status": "fail", "severity": "high",
              "title": "No empty passwords", "remediation": "Set one" },
            { "rule_id": "audit", "title": "Audit", "status": "pass" },
        ]);
        let answer = agent.post("/api/v1/compliance/scans", scan("level1_server", results)).await;
        assert_eq!(
            (&answer["scans_received"], &answer["scans"][0]["results_stored"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(admin.job_over(&job).await["state"], "succeeded");
        let scan = answer["scans"][0]["scan_id"].as_str().expect("an id");
        let kept = admin.get(&format!("/api/v1/compliance/scans/{scan}")).await.expect(200).json();
        assert!(kept.to_string().contains(&job), "{kept}");
        let host = admin.get(&format!("/api/v1/hosts/{id}/compliance")).await.expect(200).json();
        assert_eq!(host["score"], 50.0, "{host}");
    }
}

#[tokio::test]
async fn a_scan_is_stopped_and_one_that_failed_says_why() {
    let (admin, id, mut agent) = started(&DAEMON, Version::V21).await;
    let job = order(&admin, &id, "compliance_scan", json!({})).await;
    agent.next("compliance_scan").await;
    admin.job_is(&job, &["running"]).await;
    admin.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(202);
    agent.next("compliance_scan_cancel").await;
    let failed = json!({ "profile_name": "level1_server", "profile_type": "openscap",
        "status": "failed", "error": "context canceled", "results": null });
    agent.post("/api/v1/compliance/scans", failed.clone()).await;
    assert_eq!(admin.job_over(&job).await["state"], "cancelled");

    let job = order(&admin, &id, "compliance_scan", json!({})).await;
    agent.next("compliance_scan").await;
    agent.post("/api/v1/compliance/scans", failed).await;
    let over = admin.job_over(&job).await;
    assert_eq!((&over["state"], &over["error"]), (&json!("failed"), &json!("context canceled")));
    for wrong in [json!({}), json!({ "scans": 1 }), json!({ "scans": [{ "status": "completed" }] })]
    {
        agent.http().post("/api/v1/compliance/scans", wrong).await.refused(400);
    }
    for _ in 0..5 {
        agent.post("/api/v1/compliance/scans", scan("standard", json!([]))).await;
    }
    agent.http().post("/api/v1/compliance/scans", scan("standard", json!([]))).await.refused(429);
}

#[tokio::test]
async fn settings_reach_each_generation_in_its_words() {
    for version in BOTH {
        let (admin, id, mut agent) = started(&DAEMON, version).await;
        let path = format!("/api/v1/hosts/{id}/settings");
        let wanted = json!({
            "update_interval": 30, "integrations": { "docker": true, "compliance": "on-demand" },
        });
        let answer = admin.patch(&path, wanted).await.expect(200).json();
        assert_eq!(agent.next("settings_update").await["update_interval"], 30);
        match version {
            Version::V14 => {
                let toggle = agent.next("integration_toggle").await;
                assert_eq!(
                    (&toggle["integration"], &toggle["enabled"]),
                    (&json!("compliance"), &json!(true))
                );
                assert_eq!(agent.next("set_compliance_mode").await["mode"], "on-demand");
                assert_eq!(agent.next("integration_toggle").await["integration"], "docker");
            }
            Version::V21 => {
                let config = &agent.next("apply_config").await["config"];
                assert_eq!(
                    config,
                    &json!({ "docker": true, "compliance": { "enabled": "on-demand" } })
                );
            }
        }
        let job = answer["job_id"].as_str().expect("a job");
        assert_eq!(admin.job_over(job).await["state"], "succeeded");
        // An agent that starts again asks for the same.
        let again = agent.get("/api/v1/settings/update-interval").await;
        assert_eq!(
            (&again["updateInterval"], &again["cronExpression"]),
            (&json!(30), &json!("*/30 * * * *"))
        );
        let again = agent.get("/api/v1/hosts/integrations").await;
        assert_eq!(again["integrations"], json!({ "docker": true, "compliance": true }));
        assert_eq!(again["compliance_mode"], "on-demand");
    }
}

#[tokio::test]
async fn agents_stay_as_they_are_until_a_program_is_provided() {
    let (_, _, agent) = started(&DAEMON, Version::V14).await;
    let path = "/api/v1/hosts/agent/version?arch=amd64&type=go&currentVersion=1.4.2";
    let answer = agent.get(path).await;
    assert_eq!((&answer["hasUpdate"], &answer["latestVersion"]), (&json!(false), &json!("1.4.2")));
    assert_eq!(agent.get("/api/v1/settings/auto-update").await["autoUpdate"], false);
    agent.http().get("/api/v1/hosts/agent/download?arch=amd64").await.refused(404);
    for wrong in ["arch=../../etc/passwd", "arch=amd64&os=plan9", "arch="] {
        agent.http().get(&format!("/api/v1/hosts/agent/version?{wrong}")).await.refused(400);
        agent.http().get(&format!("/api/v1/hosts/agent/download?{wrong}")).await.refused(400);
    }

    let programs = scratch::directory();
    fs::write(programs.join("patchmon-agent-linux-amd64"), "a newer program").expect("a file");
    fs::write(programs.join("patchmon-agent.version"), "2.2.0\n").expect("a file");
    let daemon = Daemon::with(&[("patchmon.programs", programs.to_str().expect("UTF-8"))]);
    let (admin, id, mut agent) = started(&daemon, Version::V14).await;
    let answer = agent.get(path).await;
    assert_eq!((&answer["hasUpdate"], &answer["latestVersion"]), (&json!(true), &json!("2.2.0")));
    assert_eq!(answer["hash"], hash::hostname("a newer program"));
    let program = agent.http().get("/api/v1/hosts/agent/download?arch=amd64").await.expect(200);
    assert_eq!(program.text(), "a newer program");
    agent.http().get("/api/v1/hosts/agent/download?arch=arm64").await.refused(404);
    let job = order(&admin, &id, "update_agent", json!({})).await;
    agent.next("update_agent").await;
    admin.job_is(&job, &["running"]).await;
    let mut body = agent.report_body();
    body["agentVersion"] = "2.2.0".into();
    agent.post("/api/v1/hosts/update", body).await;
    assert_eq!(admin.job_over(&job).await["state"], "succeeded");
    let job = order(&admin, &id, "update_agent", json!({})).await;
    assert_eq!(admin.job_over(&job).await["state"], "failed", "there is nothing newer");
}

#[tokio::test]
async fn a_script_sets_an_agent_up_with_a_token_that_is_used_once() {
    let (_, _, agent) = started(&DAEMON, Version::V21).await;
    let script = agent.http().get("/api/v1/hosts/install?arch=amd64").await.expect(200).text();
    assert!(script.starts_with("#!/bin/sh"));
    let token = script.lines().find_map(|line| line.strip_prefix("token='")).expect("a token");
    let token = token.trim_end_matches('\'');
    assert!(script.contains("BEGIN CERTIFICATE") && !script.contains("@URL@"));
    for wrong in ["arch=$(id)", "arch=amd64&os=windows", "arch=amd64&os=freebsd"] {
        agent.http().get(&format!("/api/v1/hosts/install?{wrong}")).await.refused(400);
    }
    let anybody = DAEMON.client().anonymous().with_origin(None);
    let exchange = || anybody.post("/api/v1/hosts/bootstrap/exchange", json!({ "token": token }));
    let credential = exchange().await.expect(200).json();
    let again =
        anybody.clone().with_header("X-API-ID", credential["apiId"].as_str().expect("an id"));
    let again = again.with_header("X-API-KEY", credential["apiKey"].as_str().expect("a key"));
    again.get("/api/v1/hosts/info").await.expect(200);
    exchange().await.refused(401);
    anybody.post("/api/v1/hosts/bootstrap/exchange", json!({})).await.refused(400);
    let remove = anybody.get("/api/v1/hosts/remove").await.expect(200).text();
    assert!(remove.starts_with("#!/bin/sh"));
    assert!(!DAEMON.log().contains(token));
}

#[tokio::test]
async fn a_host_that_is_removed_is_heard_no_more() {
    let (admin, id, mut agent) = started(&DAEMON, Version::V14).await;
    let host = admin.get(&format!("/api/v1/hosts/{id}")).await.expect(200).json();
    assert_eq!((&host["agent"], &host["terminal"]), (&json!("patchmon"), &json!(["ssh"])));
    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    assert_eq!(agent.ended(Duration::from_secs(5)).await.code, 4001);
    agent.http().post("/api/v1/hosts/ping", json!({})).await.refused(401);
}
