//! A disk that is full: what is not kept is not confirmed, what was confirmed is not lost, and room
//! is all that is needed.

use std::time::Duration;

use gangplank_proto::channel::Channel;
use gangplank_tests::{
    channel::{alert, number},
    daemon::Daemon,
    disk::Disk,
    eventually,
    http::{Answer, Client},
};
use serde_json::json;

/// Answers that are refused before the disk is called full.
const REFUSED: usize = 5;

/// More than fits into what a full disk has left in files that are there already.
const TRIES: u64 = 3_000;

/// Whether it was confirmed; all else must say when to come back.
fn confirmed(answer: &Answer, status: u16) -> bool {
    if answer.status == status {
        return true;
    }
    answer.refused(503);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=300).contains(&wait), "{wait}");
    false
}

async fn rows(device: &Client, number: u64) -> Answer {
    let device = device.clone().with_header("Idempotency-Key", &number.to_string());
    device.post("/v1/ingest", json!([{ "kind": "numbered", "number": number }])).await
}

#[tokio::test]
async fn what_a_full_disk_does_not_keep_is_not_confirmed() {
    let disk = Disk::of("32m");
    let daemon = Daemon::in_directory(&disk.path().join("data"));
    let admin = daemon.admin().await;
    let host = admin.add_host("device", None).await;
    let text = |name: &str| host[name].as_str().expect("text");
    let key = format!("{}.{}", text("api_id"), text("api_key"));
    let device = daemon.client().with_origin(None).with_header("X-Device-Key", &key);
    let mut subscriber = admin.listen(Channel::Alerts, "").await;

    disk.fill();
    let (mut kept, mut told) = (Vec::new(), Vec::new());
    let (mut rows_refused, mut alerts_refused) = (0, 0);
    for n in 1..=TRIES {
        match confirmed(&rows(&device, n).await, 204) {
            true => kept.push(n),
            false => rows_refused += 1,
        }
        match confirmed(&admin.publish(Channel::Alerts, alert(n)).await, 202) {
            true => told.push(n),
            false => alerts_refused += 1,
        }
        if rows_refused >= REFUSED && alerts_refused >= REFUSED {
            break;
        }
    }
    assert!(rows_refused >= REFUSED && alerts_refused >= REFUSED, "a full disk refused nothing");
    daemon.client().get("/healthz").await.expect(200);
    admin.get("/api/v1/hosts").await.expect(200);
    let pid = daemon.pid();

    disk.free();
    let soon = Duration::from_secs(30);
    let last = TRIES + 1;
    eventually::until(soon, "rows to be kept again", || async {
        (rows(&device, last).await.status == 204).then_some(())
    })
    .await;
    eventually::until(soon, "events to be told again", || async {
        (admin.publish(Channel::Alerts, alert(last)).await.status == 202).then_some(())
    })
    .await;
    kept.push(last);
    told.push(last);
    assert!(daemon.runs() && daemon.pid() == pid, "it needed a restart");

    // What was confirmed is there, once, and nothing else is; also for who listens all the time.
    let records = format!("/api/v1/hosts/{}/records?kind=numbered&limit=500", text("id"));
    let shown = admin.get(&records).await.expect(200).json();
    let items = shown["items"].as_array().expect("a list").iter().rev();
    let there: Vec<_> = items.filter_map(|row| row["data"]["number"].as_u64()).collect();
    assert_eq!(there, kept[kept.len().saturating_sub(500)..]);
    let mut again = admin.listen(Channel::Alerts, "cursor=0").await;
    for n in &told {
        assert_eq!(number(&subscriber.next_json().await), *n);
        assert_eq!(number(&again.next_json().await), *n);
    }
    daemon.kill();
    daemon.start_again();
    let mut again = daemon.admin().await.listen(Channel::Alerts, "cursor=0").await;
    for n in &told {
        assert_eq!(number(&again.next_json().await), *n);
    }
    assert!(!daemon.log().contains("panicked"));
}
