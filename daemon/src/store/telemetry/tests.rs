//! What the store promises about rows that hosts send.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::store::tests::{Fixture, START, by, fixture, host};
use crate::store::{PageRequest, Whose};

const NAMES: Names = Names { of_host: 3, of_tenant: 4 };
const DAY: Duration = Duration::from_secs(24 * 3600);

fn parcel(key: &str, rows: &serde_json::Value, now: Timestamp) -> Parcel {
    let body = rows.to_string();
    let batch = Batch::parse(body.as_bytes(), now).unwrap();
    Parcel { key: Some(key.to_owned()), hash: body, batch }
}

async fn send(fixture: &Fixture, host: HostId, key: &str, rows: serde_json::Value) -> Ingested {
    let sent = parcel(key, &rows, START);
    fixture.store.ingest(fixture.tenant, host, sent, NAMES, START).await.unwrap()
}

async fn readings(fixture: &Fixture, host: HostId) -> Vec<(Timestamp, Readings)> {
    let (from, to) = (START.minus(400 * DAY), START.plus(DAY));
    fixture.store.telemetry(fixture.tenant, host, from, to).await.unwrap()
}

async fn records(fixture: &Fixture, tenant: TenantId, host: HostId) -> Vec<Record> {
    let page = PageRequest { limit: Some(500), cursor: None };
    fixture.store.records(tenant, host, None, &page).await.unwrap().items
}

#[tokio::test]
async fn a_batch_is_kept_once_under_its_key() {
    let fixture = fixture().await;
    let (one, two) = (host(&fixture, "one").await, host(&fixture, "two").await);
    let rows = || json!([{ "kind": "metrics", "cpu": 5 }, { "kind": "door", "open": true }]);
    assert_eq!(send(&fixture, one, "a", rows()).await, Ingested::Kept(None));
    assert_eq!(send(&fixture, one, "a", rows()).await, Ingested::Before);
    assert_eq!(send(&fixture, one, "a", json!([])).await, Ingested::OtherBody);
    assert_eq!(send(&fixture, two, "a", rows()).await, Ingested::Kept(None));
    assert_eq!(readings(&fixture, one).await[0].1["cpu"], Reading(1, 5.0, 5.0, 5.0));
    assert_eq!(records(&fixture, fixture.tenant, one).await.len(), 1);
    assert!(records(&fixture, fixture.other, one).await.is_empty());
    let sent = parcel("b", &rows(), START);
    let foreign = fixture.store.ingest(fixture.other, one, sent, NAMES, START).await.unwrap();
    assert_eq!(foreign, Ingested::NoHost);
    // What a host said goes with it.
    assert!(fixture.store.delete_host(fixture.tenant, &by(START), one).await.unwrap());
    assert!(records(&fixture, fixture.tenant, one).await.is_empty());
}

#[tokio::test]
async fn keys_are_remembered_in_a_bounded_number() {
    let fixture = fixture().await;
    let one = host(&fixture, "one").await;
    for turn in 0..KEYS + 20 {
        let now = START.plus(Duration::from_secs(turn.unsigned_abs()));
        let sent = parcel(&format!("key-{turn}"), &json!([]), now);
        fixture.store.ingest(fixture.tenant, one, sent, NAMES, now).await.unwrap();
    }
    let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ingested")
        .fetch_one(&fixture.store.reader)
        .await
        .unwrap();
    assert!((KEYS..=KEYS + 1).contains(&kept), "{kept}");
}

#[tokio::test]
async fn names_are_bounded_and_a_batch_with_too_many_keeps_nothing() {
    let fixture = fixture().await;
    let (one, two) = (host(&fixture, "one").await, host(&fixture, "two").await);
    let named = |names: &[&str]| {
        let values: BTreeMap<_, _> = names.iter().map(|name| (*name, 1)).collect();
        json!([{ "kind": "metrics", "cpu": 1, "values": values }, { "kind": "x" }])
    };
    assert_eq!(send(&fixture, one, "1", named(&["a", "b"])).await, Ingested::Kept(None));
    assert_eq!(send(&fixture, one, "2", named(&["c", "d"])).await, Ingested::Names);
    assert_eq!(records(&fixture, fixture.tenant, one).await.len(), 1);
    // Not even its key: it may come again when there is room.
    assert_eq!(send(&fixture, one, "2", named(&["a", "b"])).await, Ingested::Kept(None));
    assert_eq!(send(&fixture, one, "3", named(&["c"])).await, Ingested::Kept(None));
    assert_eq!(send(&fixture, two, "1", named(&["e"])).await, Ingested::Kept(None));
    assert_eq!(send(&fixture, two, "2", named(&["f"])).await, Ingested::Names);
    // Without names of its own a host is never refused.
    assert_eq!(send(&fixture, two, "3", named(&[])).await, Ingested::Kept(None));
    assert_eq!(fixture.store.telemetry_names(fixture.tenant, one).await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_host_s_other_rows_are_its_newest() {
    let fixture = fixture().await;
    let one = host(&fixture, "one").await;
    let long = "x".repeat(15_000);
    for batch in 0..8 {
        let rows: Vec<_> =
            (0..50).map(|row| json!({ "kind": "x", "n": batch * 50 + row, "s": long })).collect();
        send(&fixture, one, &batch.to_string(), json!(rows)).await;
    }
    let kept = records(&fixture, fixture.tenant, one).await;
    assert_eq!(kept[0].data["n"], 399);
    let bytes: usize = kept.iter().map(|record| record.data.to_string().len()).sum();
    assert!(kept.len() < 400 && bytes <= 4 << 20, "{} rows, {bytes} bytes", kept.len());
}

#[tokio::test]
async fn measurements_grow_coarser_and_lose_nothing_but_detail() {
    let fixture = fixture().await;
    let one = host(&fixture, "one").await;
    let ages = Ages::new(90 * DAY, 7 * DAY);
    let at = |minute: u32| START.minus(10 * DAY).plus(Duration::from_secs(60) * minute);
    let rows: Vec<_> = (0..120)
        .map(|minute| json!({ "kind": "metrics", "at": at(minute), "cpu": minute % 10 }))
        .collect();
    send(&fixture, one, "1", json!(rows)).await;
    assert_eq!(readings(&fixture, one).await.len(), 120);
    fixture.store.age_telemetry(Whose::Others, ages, START.minus(8 * DAY)).await.unwrap();
    let rolled = readings(&fixture, one).await;
    assert_eq!(rolled.len(), 24);
    assert_eq!(rolled[0].1["cpu"], Reading(5, 10.0, 0.0, 4.0));
    // What comes late is put together with what is there.
    send(&fixture, one, "2", json!([{ "kind": "metrics", "at": at(0), "cpu": 50 }])).await;
    for _ in 0..2 {
        fixture.store.age_telemetry(Whose::Others, ages, START).await.unwrap();
        let rolled = readings(&fixture, one).await;
        let all = rolled.iter().map(|(_, readings)| readings["cpu"]).reduce(Reading::with).unwrap();
        assert_eq!((rolled.len() <= 3, all.0, all.3), (true, 121, 50.0));
    }
    fixture.store.age_telemetry(Whose::Others, ages, START.plus(90 * DAY)).await.unwrap();
    assert!(readings(&fixture, one).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_and_the_batch_can_come_again() {
    let fixture = fixture().await;
    let one = host(&fixture, "one").await;
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&fixture.store.writer).await.unwrap();
    let bound = |pages: i64| sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(bound(pages)).execute(&fixture.store.writer).await.unwrap();
    let rows: Vec<_> =
        (0..40).map(|row| json!({ "kind": "x", "n": row, "s": "y".repeat(9000) })).collect();
    let sent = parcel("1", &json!(rows), START);
    let full = fixture.store.ingest(fixture.tenant, one, sent.clone(), NAMES, START).await;
    assert!(matches!(full, Err(StoreError::NotWritable(_))), "{full:?}");
    assert!(records(&fixture, fixture.tenant, one).await.is_empty());
    sqlx::query(bound(pages + 10_000)).execute(&fixture.store.writer).await.unwrap();
    let again = fixture.store.ingest(fixture.tenant, one, sent, NAMES, START).await.unwrap();
    assert_eq!(again, Ingested::Kept(None));
    assert_eq!(records(&fixture, fixture.tenant, one).await.len(), 40);
}
