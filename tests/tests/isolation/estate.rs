//! What a tenant has: an object for every parameter of every route, and every kind of credential.

use std::collections::BTreeMap;

use gangplank_tests::{
    account::canary,
    agent::{Agent, Policy, shell_user},
    daemon::Daemon,
    eventually,
    http::Client,
    inbox,
    page::{self, Page},
};
use serde_json::{Value, json};

/// A tenant with something of everything.
pub(crate) struct Estate {
    /// Its administrator.
    pub(crate) admin: Client,
    /// An object of it for each name of a parameter.
    pub(crate) objects: BTreeMap<&'static str, String>,
    bearer: String,
    api_token: String,
    api_id: String,
    api_key: String,
    enrolment: String,
    plain: Client,
    /// Kept so that its objects live.
    living: Option<(Agent, Page)>,
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

impl Estate {
    /// The tenant that a new daemon begins with, with an agent, its keys and a terminal.
    pub(crate) async fn of_the_first(daemon: &Daemon) -> Self {
        let admin = daemon.admin().await;
        let agent = Agent::enrol(daemon, &admin, &Policy::everything("localhost:22")).await;
        let mut page = Page::open(&admin, agent.host()).await;
        page.connected(json!({ "connection_mode": "pty", "username": shell_user() })).await;
        let keys = format!("/api/v1/hosts/{}/host-keys", agent.host());
        let key = eventually::until(eventually::patience(), "the host's keys", || async {
            let keys = admin.get(&keys).await.expect(200).json();
            keys["items"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
        let sessions = admin.get("/api/v1/sessions").await.expect(200).json();
        let sockets = admin.get("/api/v1/sockets").await.expect(200).json();
        let look = json!({ "socket_id": sockets["items"][0]["socket_id"], "minutes": 10 });
        let look = admin.post("/api/v1/inspections", look).await.json();
        let mut estate = Self::of(daemon, admin, daemon.password(), "admin").await;
        estate.objects.insert("inspection_id", id(&look));
        estate.objects.insert("key_id", key);
        estate.objects.insert("session_id", id(&sessions["items"][0]));
        estate.living = Some((agent, page));
        estate
    }

    /// A tenant that somebody who looks after tenants makes now.
    pub(crate) async fn of_a_new_tenant(daemon: &Daemon, platform: &Client, name: &str) -> Self {
        let (_, password, admin) = platform.add_tenant(name).await;
        let mut estate = Self::of(daemon, admin, &password, &format!("{name}-admin")).await;
        // As first objects of paths that name two.
        for name in ["key_id", "session_id", "inspection_id"] {
            estate.objects.insert(name, uuid());
        }
        estate
    }

    async fn of(daemon: &Daemon, admin: Client, password: &str, username: &str) -> Self {
        let me = admin.get("/api/v1/auth/me").await.expect(200).json();
        let host = admin.add_host("estate", None).await;
        let text = |name: &str| host[name].as_str().expect("text").to_owned();
        let (host_id, api_id, api_key) = (text("id"), text("api_id"), text("api_key"));
        let role = format!("role-of-{username}");
        let body = json!({ "name": role, "permissions": ["hosts:read"] });
        admin.post("/api/v1/roles", body).await.expect(201);
        let user = json!({ "username": format!("user-of-{username}"),
            "password": canary("user"), "roles": [role] });
        let user = admin.post("/api/v1/users", user).await.expect(201).json();
        let token = json!({ "name": "estate", "scopes": ["admin"] });
        let token = admin.post("/api/v1/tokens", token).await.expect(201).json();
        let login = json!({ "username": username, "password": password });
        let bearer = admin.clone().anonymous().post("/api/v1/auth/token", login).await.expect(200);
        let job = admin
            .post(&format!("/api/v1/hosts/{host_id}/commands"), json!({ "command": "report_now" }))
            .await
            .expect(202)
            .json();
        let batch = json!({ "command": "report_now", "hosts": [host_id], "rings": false });
        let batch = admin.post("/api/v1/commands", batch).await.expect(202).json();
        let plain = daemon.client().with_origin(None);
        let agent =
            plain.clone().with_header("X-API-ID", &api_id).with_header("X-API-KEY", &api_key);
        let rule = format!("rule-of-{username}");
        let scan = agent.post("/api/v1/compliance/scans", scan(&rule)).await.expect(200).json();
        let schedule =
            admin.post("/api/v1/compliance/schedules", schedule()).await.expect(201).json();
        let device = plain.clone().with_header("X-Device-Key", &format!("{api_id}.{api_key}"));
        let device = device.with_header("Idempotency-Key", &uuid());
        let rows = json!([{ "kind": "metrics", "cpu": 25, "values": { "fans": 3 } },
            { "kind": "badge", "who": username }]);
        device.post("/v1/ingest", rows).await.expect(204);
        let approval = admin.post("/api/v1/approvals", consent()).await.expect(201).json();
        let hook = json!({ "name": "estate", "url": "https://127.0.0.1:1/", "topics": ["alerts"] });
        let hook = admin.post("/api/v1/webhooks", hook).await.expect(201).json();
        let alert = format!("alert-of-{username}");
        admin.tell("alerts", inbox::alert(&alert, "Estate")).await;
        let deliveries = format!("/api/v1/webhooks/{}/deliveries", id(&hook));
        let delivery = eventually::until(eventually::patience(), "a delivery", || async {
            let deliveries = admin.get(&deliveries).await.expect(200).json();
            deliveries["items"][0]["id"].as_str().map(str::to_owned)
        })
        .await;
        let policy = json!({ "name": "estate", "labels": ["nowhere"] });
        let policy = admin.post("/api/v1/approval-policies", policy).await.expect(201).json();
        let logins = admin.get("/api/v1/account/logins").await.expect(200).json();
        let enrolment = json!({ "uses": 5, "expires": "10m" });
        let enrolment = admin.post("/api/v1/enrolment-tokens", enrolment).await.expect(201).json();
        let words = |value: &Value| value.as_str().expect("text").to_owned();
        let objects = BTreeMap::from([
            ("host_id", host_id),
            ("role", role),
            ("user_id", id(&user)),
            ("token_id", id(&token)),
            ("job_id", words(&job["job_id"])),
            ("batch_id", words(&batch["batch_id"])),
            ("scan_id", words(&scan["scans"][0]["scan_id"])),
            ("schedule_id", id(&schedule)),
            ("rule", rule),
            ("approval_id", id(&approval)),
            ("policy_id", id(&policy)),
            ("alert_id", alert),
            ("webhook_id", id(&hook)),
            ("login_id", id(&logins["items"][0])),
            ("passkey_id", uuid()),
            ("delivery_id", delivery),
            ("tenant_id", words(&me["user"]["tenant"]["id"])),
        ]);
        Self {
            objects,
            bearer: words(&bearer.json()["access_token"]),
            api_token: words(&token["token"]),
            api_id,
            api_key,
            enrolment: words(&enrolment["token"]),
            plain,
            admin,
            living: None,
        }
    }

    /// A client for each kind of credential, by its name in the document, and what it adds to a path.
    pub(crate) async fn credentials(&self, path: &str) -> Vec<(&'static str, Client, String)> {
        let none = String::new;
        let own = self.admin.clone().anonymous();
        let device = format!("{}.{}", self.api_id, self.api_key);
        let agent = self.plain.clone().with_header("X-API-ID", &self.api_id);
        let mut all = vec![
            ("cookie", self.admin.clone(), none()),
            ("bearer", own.clone().with_bearer(&self.bearer), none()),
            ("bearer", own.clone().with_bearer(&self.api_token), none()),
            ("agentKey", agent.with_header("X-API-KEY", &self.api_key), none()),
            ("deviceKey", self.plain.clone().with_header("X-Device-Key", &device), none()),
            (
                "provisioningKey",
                self.plain.clone().with_header("X-Provisioning-Key", &self.enrolment),
                none(),
            ),
        ];
        if path.contains("ssh-terminal") {
            all.push(("ticket", own, none()));
        }
        all
    }

    /// A path with a ticket for a terminal on a host of this tenant's own.
    pub(crate) async fn with_ticket(&self, path: &str) -> String {
        let host = path.rsplit('/').next().expect("a host");
        let ticket = self.admin.ticket(&self.objects["host_id"]).await;
        page::path(host, &ticket)
    }

    /// A schedule as it may be changed to.
    pub(crate) fn schedule(&self) -> Value {
        schedule()
    }

    /// Checks that everything is there still and works.
    pub(crate) async fn is_whole(&self) {
        for (name, list) in [
            ("host_id", "hosts"),
            ("user_id", "users"),
            ("token_id", "tokens"),
            ("schedule_id", "compliance/schedules"),
        ] {
            let list = self.admin.get(&format!("/api/v1/{list}?limit=100")).await.expect(200);
            assert!(list.text().contains(&self.objects[name]), "{name}: {}", list.text());
        }
        let users = self.admin.get("/api/v1/users").await.expect(200).json();
        let disabled = |user: &Value| user["disabled"] == true;
        assert!(!users["items"].as_array().expect("a list").iter().any(disabled), "{users}");
        let job = self.admin.get(&format!("/api/v1/jobs/{}", self.objects["job_id"])).await;
        assert_eq!(job.expect(200).json()["state"], "queued");
        let session = format!("/api/v1/sessions/{}", self.objects["session_id"]);
        assert_eq!(self.admin.get(&session).await.expect(200).json()["state"], "open");
        let keys =
            format!("/api/v1/hosts/{}/host-keys", self.living.as_ref().expect("one").0.host());
        let keys = self.admin.get(&keys).await.expect(200).text();
        assert!(keys.contains(&self.objects["key_id"]), "{keys}");
    }
}

fn uuid() -> String {
    "019a0000-0000-7000-8000-0000000000aa".to_owned()
}

fn schedule() -> Value {
    json!({ "name": "Nightly", "labels": ["none"], "profile": "basic", "every": "1d",
        "jitter": "0s", "max_concurrent": 1 })
}

/// What somebody asks another's consent for.
pub(crate) fn consent() -> Value {
    json!({ "action": "isolate_host", "object": "host:web-1", "payload": { "vlan": 7 },
        "risk_level": "high" })
}

fn scan(rule: &str) -> Value {
    json!({
        "scans": [{ "profile_name": "strict", "profile_type": "openscap", "status": "completed",
            "score": 50, "total_rules": 1, "passed": 0, "failed": 1, "warnings": 0, "skipped": 0,
            "not_applicable": 0, "started_at": "2026-01-02T03:04:05Z",
            "completed_at": "2026-01-02T03:14:05Z",
            "results": [{ "rule_ref": rule, "title": rule, "status": "fail" }] }],
        "os_info": { "family": "debian", "name": "Debian", "version": "12" },
        "scanner_info": { "openscap_available": true, "openscap_version": "1.3.7" },
        "hostname": "estate", "machine_id": "m", "agent_version": "2.1.4",
    })
}
