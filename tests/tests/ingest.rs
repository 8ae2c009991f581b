//! Rows that devices send: taken whole or not at all, once, within bounds, and never acknowledged
//! before they are kept.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use gangplank_tests::daemon::Daemon;
use gangplank_tests::eventually;
use gangplank_tests::http::{Answer, Client};
use serde_json::{Value, json};
use sqlx::Connection as _;

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

/// A host that sends for itself.
struct Device {
    id: String,
    client: Client,
}

async fn device(daemon: &Daemon) -> Device {
    let admin = daemon.admin().await;
    let body = json!({ "friendly_name": "a device" });
    let host = admin.post("/api/v1/hosts", body).await.expect(201).json();
    let text = |key: &str| host[key].as_str().expect("a text").to_owned();
    let key = format!("{}.{}", text("api_id"), text("api_key"));
    let client = daemon.client().with_origin(None).with_header("X-Device-Key", &key);
    Device { id: text("id"), client }
}

impl Device {
    async fn send(&self, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut client = self.client.clone();
        for (name, value) in headers {
            client = client.with_header(name, value);
        }
        client.send_bytes("POST", "/v1/ingest", body).await
    }

    async fn rows(&self, rows: Value, key: Option<&str>) -> Answer {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.send(rows.to_string().as_bytes(), &headers).await
    }

    async fn kept(&self, admin: &Client) -> Vec<Value> {
        let path = format!("/api/v1/hosts/{}/records?limit=500", self.id);
        let kept = admin.get(&path).await.expect(200).json();
        kept["items"].as_array().expect("a list").clone()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const GZIP: (&str, &str) = ("Content-Encoding", "gzip");

#[tokio::test]
async fn rows_are_kept_and_shown_as_what_they_are() {
    let admin = DAEMON.admin().await;
    let device = device(&DAEMON).await;
    let hostile = "\u{1b}[2J<script>alert(1)</script>'; DROP TABLE hosts; --";
    let rows = json!([
        { "kind": "metrics", "cpu": 25, "memory": { "used": 1, "total": 4 }, "values": { "fans": 3 } },
        { "kind": "event", "title": hostile, "severity": "low" },
        { "kind": "log", "message": hostile },
        { "kind": "badge", "who": hostile },
    ]);
    let answer = device.rows(rows, None).await.expect(204);
    assert!(answer.body.is_empty());
    let path = format!("/api/v1/hosts/{}/telemetry", device.id);
    let shown = admin.get(&path).await.expect(200).json();
    let series = |name: &str| {
        let mut items = shown["items"].as_array().expect("a list").iter();
        items.find(|item| item["metric"] == name).expect("the series").clone()
    };
    assert_eq!(series("cpu")["points"][0]["mean"], 25.0);
    assert_eq!(series("memory")["points"][0]["high"], 25.0);
    assert_eq!(series("disk")["points"], json!([]));
    assert_eq!(shown["own_metrics"], json!(["fans"]));
    let fans = admin.get(&format!("{path}?metric=fans")).await.expect(200).json();
    assert_eq!(fans["items"][0]["points"][0]["low"], 3.0);
    for wrong in ["from=yesterday", "from=2020-01-01T00:00:00Z", "to=2020-01-01T00:00:00Z"] {
        let asked = format!("{path}?{wrong}");
        let status = admin.get(&asked).await.status;
        assert!([200, 400].contains(&status), "{wrong}: {status}");
    }
    let kept = device.kept(&admin).await;
    assert_eq!(kept.len(), 3);
    assert_eq!(kept[0]["data"]["who"], hostile);
    assert!(kept.iter().all(|row| row["kind"] != "metrics"));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_and_keeps_nothing() {
    let admin = DAEMON.admin().await;
    let device = device(&DAEMON).await;
    let row = json!([{ "kind": "x" }]).to_string();
    device.send(row.as_bytes(), &[]).await.refused(415);
    device.send(row.as_bytes(), &[("Content-Type", "text/plain")]).await.refused(415);
    device.send(row.as_bytes(), &[JSON, ("Content-Encoding", "br")]).await.refused(415);
    device.send(row.as_bytes(), &[JSON, GZIP]).await.refused(400);
    device.send(row.as_bytes(), &[JSON, ("Idempotency-Key", "")]).await.refused(400);
    for body in ["", "{}", "[{}]", "[1]", "[{\"kind\":\"x\"},", "[{\"kind\":\"x\"}]]"] {
        device.send(body.as_bytes(), &[JSON]).await.refused(400);
    }
    // Nor what could be kept and never be read again.
    let deep = format!("[{{\"kind\":\"x\",\"y\":{}{}}}]", "[".repeat(900), "]".repeat(900));
    device.send(deep.as_bytes(), &[JSON]).await.refused(400);
    let good = json!({ "kind": "x" });
    let bad = json!([good, good, { "kind": "metrics", "cpu": "much" }]);
    let refused = device.rows(bad, Some("mixed")).await;
    assert!(refused.text().contains("row 2"), "{}", refused.text());
    refused.refused(400);
    // A megabyte and more; and little that unpacks to much.
    let long = vec![json!({ "kind": "x", "s": "y".repeat(10_000) }); 110];
    device.rows(json!(long), None).await.refused(413);
    let bomb = gzip(&[b"[\"".as_slice(), &vec![b'a'; 64 << 20], b"\"]"].concat());
    assert!(bomb.len() < 1 << 20);
    device.send(&bomb, &[JSON, GZIP]).await.refused(413);
    let many = vec![json!({ "kind": "x" }); 5001];
    device.rows(json!(many), None).await.refused(413);
    // One that breaks off in the middle.
    let head: Vec<_> = [("Host", DAEMON.authority()), JSON, ("Content-Length", "1000")].to_vec();
    let mut request = "POST /v1/ingest HTTP/1.1\r\n".to_owned();
    for (name, value) in head {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request
        .push_str(&format!("X-Device-Key: {}\r\n\r\n{row}", device.client.extra("X-Device-Key")));
    device.client.break_off(request.as_bytes()).await;
    assert!(device.kept(&admin).await.is_empty());
    // And what is well is taken, packed too.
    let packed = gzip(json!(vec![json!({ "kind": "x" }); 500]).to_string().as_bytes());
    device.send(&packed, &[JSON, GZIP]).await.expect(204);
    assert_eq!(device.kept(&admin).await.len(), 500);
}

#[tokio::test]
async fn a_batch_counts_once_also_after_a_restart_and_among_many_at_once() {
    let daemon = Daemon::start();
    let device = device(&daemon).await;
    let rows = json!([{ "kind": "x", "n": 1 }, { "kind": "metrics", "cpu": 1 }]);
    let many = (0..8).map(|_| device.rows(rows.clone(), Some("batch-1")));
    for answer in futures_util::future::join_all(many).await {
        answer.expect(204);
    }
    daemon.start_again();
    device.rows(rows, Some("batch-1")).await.expect(204);
    device.rows(json!([{ "kind": "y" }]), Some("batch-1")).await.refused(409);
    device.rows(json!([{ "kind": "y" }]), Some("batch-2")).await.expect(204);
    let admin = daemon.admin().await;
    assert_eq!(device.kept(&admin).await.len(), 2);
}

#[tokio::test]
async fn who_sends_too_much_is_told_to_wait() {
    let daemon = Daemon::with(&[
        ("ingest.rows_per_host", "10"),
        ("ingest.rows_per_tenant", "25"),
        ("ingest.names_per_host", "5"),
    ]);
    let (one, two, three) = (device(&daemon).await, device(&daemon).await, device(&daemon).await);
    let rows = |count: usize| json!(vec![json!({ "kind": "x" }); count]);
    one.rows(rows(10), None).await.expect(204);
    let refused = one.rows(rows(1), Some("later")).await;
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    refused.refused(429);
    two.rows(rows(10), None).await.expect(204);
    three.rows(rows(5), None).await.expect(204);
    three.rows(rows(1), None).await.refused(429);
    let names: serde_json::Map<_, _> = (0..6).map(|n| (format!("n{n}"), json!(n))).collect();
    let four = device(&daemon).await;
    let daemon_of_names = json!([{ "kind": "metrics", "values": names }]);
    assert!([422, 429].contains(&four.rows(daemon_of_names, None).await.status));
}

#[tokio::test]
async fn names_without_end_are_refused_and_cost_no_memory() {
    let device = device(&DAEMON).await;
    let row = |from: usize| {
        let values: serde_json::Map<_, _> =
            (from..from + 60).map(|n| (format!("name-{n}"), json!(1))).collect();
        json!([{ "kind": "metrics", "values": values }])
    };
    device.rows(row(0), None).await.expect(204);
    for turn in 1..20 {
        device.rows(row(turn * 60), None).await.refused(422);
    }
    device.rows(row(0), None).await.expect(204);
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_store_is_away() {
    let daemon = Daemon::start();
    let device = device(&daemon).await;
    let admin = daemon.admin().await;
    let url = format!("sqlite://{}", daemon.directory().join("gangplank.db").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.expect("the database");
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.expect("the lock");
    let rows = json!([{ "kind": "x" }]);
    let refused = device.rows(rows.clone(), Some("batch")).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.refused(503);
    sqlx::query("ROLLBACK").execute(&mut other).await.expect("the end of it");
    assert!(device.kept(&admin).await.is_empty());
    device.rows(rows, Some("batch")).await.expect(204);
    assert_eq!(device.kept(&admin).await.len(), 1);
}

#[tokio::test]
async fn who_may_not_send_is_refused() {
    let admin = DAEMON.admin().await;
    let rows = json!([{ "kind": "x" }]);
    let anonymous = Device { id: String::new(), client: DAEMON.client().with_origin(None) };
    anonymous.rows(rows.clone(), None).await.refused(401);
    // A person has no business here.
    let person = admin.clone().with_origin(None);
    Device { id: String::new(), client: person }.rows(rows.clone(), None).await.refused(401);
    let token = json!({ "approve": true });
    let made = admin.post("/api/v1/enrolment-tokens", token).await.expect(201).json();
    let key = made["token"].as_str().expect("a token");
    let client = DAEMON.client().with_origin(None);
    let wrong =
        Device { id: String::new(), client: client.clone().with_header("X-Device-Key", key) };
    wrong.rows(rows.clone(), None).await.refused(401);
    let registering = client.clone().with_header("X-Provisioning-Key", key);
    let host = registering.post("/api/v1/devices/register", json!({})).await.expect(201).json();
    let id = host["host_id"].as_str().expect("an id").to_owned();
    let key = host["device_key"].as_str().expect("a key");
    let pending = Device { id: id.clone(), client: client.with_header("X-Device-Key", key) };
    pending.rows(rows.clone(), None).await.refused(403);
    admin.post(&format!("/api/v1/hosts/{id}/accept"), json!({})).await.expect(200);
    eventually::until(Duration::from_secs(5), "the host to be let in", || async {
        (pending.rows(json!([{ "kind": "x" }]), None).await.status == 204).then_some(())
    })
    .await;
    admin.delete(&format!("/api/v1/hosts/{id}")).await.expect(204);
    pending.rows(rows, None).await.refused(401);
}
