//! Rows that devices send: how many a second are on disk, by large batches and by small ones.

use anyhow::{Context as _, Result};
use futures_util::future::try_join_all;
use gangplank_tests::{daemon::Daemon, http::Client};
use nix::unistd::Pid;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use crate::{
    table::{Column, Figure, Row, Values},
    usage,
};

/// Devices that send at once.
const DEVICES: usize = 8;

/// Batches of each device, and the same for a look whether it works.
const BATCHES: (usize, usize) = (20, 2);

/// Rows of a batch: what an agent sends that was away, and what one sends that wasn't.
const SIZES: [(&str, usize); 2] = [("200 rows a batch", 200), ("5 rows a batch", 5)];

const COLUMNS: &[Column] = &[
    Column { key: "rows", head: "rows/s", digits: 0 },
    Column { key: "batches", head: "batches/s", digits: 0 },
    Column { key: "cpu", head: "daemon CPU µs a row", digits: 0 },
];

/// The figure.
pub(crate) async fn run(rounds: usize, quick: bool) -> Result<Vec<Figure>> {
    let lots = "1000000000";
    let daemon = Daemon::with(&[
        ("ingest.rows_per_host", "10000000"),
        ("ingest.rows_per_tenant", lots),
        ("ingest.bytes_per_host", "1 GiB"),
        ("ingest.bytes_per_tenant", "16 GiB"),
    ]);
    let admin = daemon.admin().await;
    let mut devices = Vec::new();
    for number in 0..DEVICES {
        let body = json!({ "friendly_name": format!("device {number}") });
        let host = admin.post("/api/v1/hosts", body).await.expect(201).json();
        let (id, key) = (host["api_id"].as_str(), host["api_key"].as_str());
        let key = format!("{}.{}", id.context("an id")?, key.context("a key")?);
        devices.push(
            daemon
                .client()
                .with_origin(None)
                .with_header("X-Device-Key", &key)
                .with_header("Content-Type", "application/json"),
        );
    }
    let pid = Pid::from_raw(daemon.pid());
    let batches = if quick { BATCHES.1 } else { BATCHES.0 };
    let mut rows: Vec<_> = SIZES.iter().map(|(name, _)| Row::new(name)).collect();
    let mut turn = 0;
    for _ in 0..rounds {
        for (row, (_, size)) in rows.iter_mut().zip(SIZES) {
            turn += 1;
            row.add(send(&devices, pid, turn, batches, size).await);
        }
    }
    let title = format!("Rows of {DEVICES} devices, each batch a connection and a full sync");
    Ok(vec![Figure { id: "ingest", title, columns: COLUMNS, rows, aims: Vec::new() }])
}

/// A batch whose rows are of minutes that no other batch of its device has.
fn batch(first: usize, size: usize) -> Result<String> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let row = |number: usize| -> Result<Value> {
        let minute = i64::try_from((first + number) % (29 * 1440))?;
        let at = OffsetDateTime::from_unix_timestamp(now - 60 * minute)?.format(&Rfc3339)?;
        Ok(json!({
            "kind": "metrics", "at": at, "cpu": 12.5,
            "memory": { "used": 3_000_000_000_u64, "total": 8_000_000_000_u64 },
            "disk": [{ "used": 30_000_000_000_u64, "total": 80_000_000_000_u64 }],
            "network": { "received": 1200.5, "sent": 800.0 },
        }))
    };
    let rows: Vec<_> = (0..size).map(row).collect::<Result<_>>()?;
    Ok(json!(rows).to_string())
}

async fn send(
    devices: &[Client],
    daemon: Pid,
    turn: usize,
    batches: usize,
    size: usize,
) -> Result<Values> {
    // Made before, so that the daemon is measured and not the sender.
    let bodies: Vec<_> = (0..batches)
        .map(|number| batch((turn * batches + number) * size, size))
        .collect::<Result<_>>()?;
    let cpu = usage::cpu(&[daemon]);
    let begin = Instant::now();
    try_join_all(devices.iter().map(|device| async {
        for (number, body) in bodies.iter().enumerate() {
            let key = format!("{turn}-{number}");
            let device = device.clone().with_header("Idempotency-Key", &key);
            let answer = device.send_bytes("POST", "/v1/ingest", body.as_bytes()).await;
            anyhow::ensure!(answer.status == 204, "{}: {}", answer.status, answer.text());
        }
        Ok(())
    }))
    .await?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = usage::cpu(&[daemon]) - cpu;
    let sent = (devices.len() * batches) as f64;
    let rows = sent * size as f64;
    Ok(vec![
        ("rows", rows / seconds),
        ("batches", sent / seconds),
        ("cpu", cpu.as_secs_f64() * 1e6 / rows),
    ])
}
