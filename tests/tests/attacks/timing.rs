//! What can be told from how long a refusal takes: nothing.

use std::time::Instant;

use gangplank_tests::{
    daemon::Daemon,
    http::Client,
    rig::{is_soak, times},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Welch's t below which two samples are taken for one.
const T: f64 = 4.5;

/// Gap between two medians that nobody can use.
const GAP: f64 = 0.05;

/// Asks once over a connection that is there already: microseconds until the answer has begun, and
/// its first line.
async fn ask(client: &Client, path: &str) -> (f64, String) {
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    for (name, value) in client.head() {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut wire = client.dial().await.expect("the daemon is there");
    let start = Instant::now();
    wire.write_all(request.as_bytes()).await.expect("it reads");
    wire.flush().await.expect("it reads");
    let mut answer = [0; 4096];
    let length = wire.read(&mut answer).await.expect("an answer");
    let took = start.elapsed().as_secs_f64() * 1e6;
    let line = String::from_utf8_lossy(&answer[..length]).lines().next().map(str::to_owned);
    (took, line.unwrap_or_default())
}

fn mean_and_variance(sample: &[f64]) -> (f64, f64) {
    let count = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / count;
    let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

/// Asks for both by turns, and compares how long that took.
async fn alike(what: &str, status: &str, pair: [(&Client, &str); 2]) {
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..times(100) {
        // Neither is always the first.
        for n in [round % 2, 1 - round % 2] {
            let (client, path) = pair[n];
            let (took, line) = ask(client, path).await;
            assert!(line.contains(status), "{what}: {line}");
            samples[n].push(took);
        }
    }
    for sample in &mut samples {
        // What the machine did meanwhile is cut off at the same place on both sides.
        sample.sort_by(f64::total_cmp);
        sample.truncate(sample.len() * 9 / 10);
    }
    let [(one, noise), (other, more)] = [&samples[0], &samples[1]].map(|s| mean_and_variance(s));
    let t = (one - other) / (noise + more).sqrt();
    let medians = [&samples[0], &samples[1]].map(|sample| sample[sample.len() / 2]);
    let gap = (medians[0] - medians[1]) / medians[1];
    eprintln!("{what}: medians {medians:.0?} µs, gap {:.1} %, t {t:.2}", gap * 100.0);
    if is_soak() {
        assert!(t.abs() < T || gap.abs() < GAP, "{what} can be told apart");
    }
}

#[tokio::test]
async fn no_refusal_tells_by_its_time_what_exists() {
    let daemon = Daemon::with(&[
        ("guard.points.bad_credential", "0"),
        ("limits.auth_failures_per_minute_per_ip", "1000000"),
    ]);
    let admin = daemon.admin().await;
    let known = admin.add_host("known", None).await;
    let text = |name: &str| known[name].as_str().expect("text").to_owned();
    let wrong = "f".repeat(text("api_key").len());
    let device = |id: &str| {
        let client = daemon.client().with_origin(None);
        client.with_header("X-Device-Key", &format!("{id}.{wrong}"))
    };
    let (one, other) = (device(&text("api_id")), device("gp_0123456789abcdef"));
    let path = "/api/v1/commands?wait=0";
    alike("a wrong key, and an unknown id", "401", [(&one, path), (&other, path)]).await;

    let (_, _, stranger) = admin.add_tenant("strangers").await;
    let theirs = format!("/api/v1/hosts/{}", text("id"));
    let nobodys = "/api/v1/hosts/019a0000-0000-7000-8000-00000000dead";
    let pair = [(&stranger, theirs.as_str()), (&stranger, nobodys)];
    alike("a host of another tenant, and nobody's", "404", pair).await;
}
