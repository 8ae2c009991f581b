//! The inbox of alerts: what is published is in it, and what people make of it is told to everybody.

use std::sync::LazyLock;

use gangplank_tests::{daemon::Daemon, http::Client, inbox::alert};
use serde_json::{Value, json};

static DAEMON: LazyLock<Daemon> = LazyLock::new(Daemon::start);

async fn one(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/alerts/{id}")).await.expect(200).json()
}

async fn listed(client: &Client, state: &str) -> Vec<String> {
    let list = client.get(&format!("/api/v1/alerts?state={state}&limit=500")).await;
    let list = list.expect(200).json();
    let items = list["items"].as_array().expect("a list");
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn what_people_make_of_an_alert_is_kept_audited_and_told() {
    let admin = DAEMON.admin().await;
    let mut socket = admin.upgrade("/api/v1/ws/events?topics=alerts").open().await.expect("101");
    let mut told = async |id: &str, status: &str| loop {
        let event = socket.next_json().await;
        if event["data"]["id"] == id && event["data"]["status"] == status {
            return event["data"].clone();
        }
    };
    admin.tell("alerts", alert("life", "Guessing")).await;
    told("life", "new").await;
    assert!(listed(&admin, "new").await.contains(&"life".to_owned()));

    let note = json!({ "note": "it is the scanner" });
    let answer = admin.post("/api/v1/alerts/life/acknowledge", note).await.expect(200).json();
    assert_eq!(answer["status"], "acknowledged", "{answer}");
    assert_eq!(
        (&answer["changed_by"], &answer["note"]),
        (&json!("user:admin"), &json!("it is the scanner"))
    );
    // The event is the alert itself, with nothing but its status changed.
    let event = told("life", "acknowledged").await;
    let mut was = alert("life", "Guessing");
    was["status"] = json!("acknowledged");
    assert_eq!(event, was);
    assert!(!listed(&admin, "new").await.contains(&"life".to_owned()));
    let audit = admin.get("/api/v1/audit?limit=500").await.expect(200).json();
    let rows = audit["items"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["object"] == "alert:life").expect("a row");
    assert_eq!(
        (&row["action"], &row["actor"]),
        (&json!("alert.acknowledge"), &json!("user:admin"))
    );

    // Once more changes nothing, and is told to nobody.
    admin.post("/api/v1/alerts/life/acknowledge", json!({})).await.expect(200);
    assert_eq!(one(&admin, "life").await["note"], "it is the scanner");
    // Raised again it stays acknowledged; closed and raised again it is new.
    admin.tell("alerts", alert("life", "Guessing again")).await;
    let kept = one(&admin, "life").await;
    assert_eq!(
        (&kept["status"], &kept["title"]),
        (&json!("acknowledged"), &json!("Guessing again"))
    );
    admin.post("/api/v1/alerts/life/close", json!({})).await.expect(200);
    told("life", "closed").await;
    assert!(listed(&admin, "closed").await.contains(&"life".to_owned()));
    admin.tell("alerts", alert("life", "And again")).await;
    let kept = one(&admin, "life").await;
    assert_eq!((&kept["status"], &kept["changed_by"]), (&json!("new"), &Value::Null));
    admin.post("/api/v1/alerts/life/close", json!({})).await.expect(200);
    admin.post("/api/v1/alerts/life/reopen", json!({})).await.expect(200);
    told("life", "new").await;
}

#[tokio::test]
async fn many_are_changed_together_or_not_at_all() {
    let admin = DAEMON.admin().await;
    let ids: Vec<String> = (0..40).map(|number| format!("many/{number}")).collect();
    let alerts: Vec<_> = ids.iter().map(|id| alert(id, "Many")).collect();
    admin.tell("alerts", json!(alerts)).await;
    let path = "/api/v1/alerts/status";
    let mut unknown = ids.clone();
    unknown.push("nobody knows it".to_owned());
    let order = json!({ "ids": unknown, "status": "closed" });
    admin.post(path, order).await.refused(404);
    assert_eq!(one(&admin, "many%2F0").await["status"], "new");
    let order = json!({ "ids": ids, "status": "closed", "note": "all of them" });
    let answer = admin.post(path, order).await.expect(200).json();
    assert_eq!(answer["items"].as_array().map(Vec::len), Some(40));
    assert_eq!(one(&admin, "many%2F39").await["note"], "all of them");
    for wrong in [
        json!({ "ids": [], "status": "closed" }),
        json!({ "ids": vec!["x"; 501], "status": "closed" }),
        json!({ "ids": ["many/0"], "status": "asleep" }),
        json!({ "ids": ["many/0"], "status": "new", "note": "two\nlines" }),
    ] {
        admin.post(path, wrong).await.refused(400);
    }
    // In pages, newest first, each once.
    let first = admin.get("/api/v1/alerts?state=closed&limit=30").await.expect(200).json();
    let cursor = first["next_cursor"].as_str().expect("there are more");
    let more = format!("/api/v1/alerts?state=closed&limit=500&cursor={cursor}");
    let rest = admin.get(&more).await.expect(200).json();
    let mut seen: Vec<_> = [&first, &rest]
        .iter()
        .flat_map(|page| page["items"].as_array().expect("a list"))
        .filter_map(|item| item["id"].as_str().filter(|id| id.starts_with("many/")))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 40);
    assert!(first["counts"]["closed"].as_u64() >= Some(40), "{}", first["counts"]);
}

#[tokio::test]
async fn alerts_and_what_was_told_are_for_those_who_may() {
    let admin = DAEMON.admin().await;
    admin.tell("alerts", alert("rights", "Rights")).await;
    let (_, viewer) = admin.add_user("alert-viewer", &["viewer"]).await;
    viewer.get("/api/v1/alerts").await.refused(403);
    viewer.get("/api/v1/alerts/rights").await.refused(403);
    viewer.post("/api/v1/alerts/rights/close", json!({})).await.refused(403);
    viewer.get("/api/v1/channels/alerts/events").await.refused(403);
    viewer.get("/api/v1/channels/hosts/events").await.expect(200);
    let (_, operator) = admin.add_user("alert-operator", &["operator"]).await;
    operator.post("/api/v1/alerts/rights/close", json!({})).await.expect(200);
    operator.post("/api/v1/alerts/unknown/close", json!({})).await.refused(404);
    operator.get("/api/v1/channels/nothing/events").await.refused(404);

    // What was told, newest first, and on from where the page before ended.
    let path = "/api/v1/channels/alerts/events?limit=1";
    let newest = operator.get(path).await.expect(200).json();
    let cursor = newest["next_cursor"].as_str().expect("there are more");
    let older = operator.get(&format!("{path}&cursor={cursor}")).await.expect(200).json();
    let seq = |page: &Value| page["items"][0]["seq"].as_u64().expect("a number");
    assert_eq!(seq(&older) + 1, seq(&newest));
}
