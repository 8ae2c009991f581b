//! One measurement: what the kernel counted since the one before.

use std::path::Path;
use std::time::Duration;

use gangplank_proto::telemetry::{Metrics, Space, Traffic};
use tokio::time::Instant;

use crate::config::file;
use crate::report::device;

/// Interfaces whose traffic passes another one, too, or never leaves the host.
const INNER: [&str; 8] = ["lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "ifb"];

/// What the kernel has counted so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    at: Instant,
    processor: Option<Processor>,
    traffic: Option<(u64, u64)>,
}

/// Time of all processors, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Processor {
    busy: u64,
    all: u64,
}

/// What is counted now.
pub(super) async fn counters() -> Counters {
    let at = Instant::now();
    let read = tokio::task::spawn_blocking(|| {
        (text("/proc/stat").and_then(|text| processor(&text)), traffic_now())
    });
    let (processor, traffic) = read.await.unwrap_or_default();
    Counters { at, processor, traffic }
}

/// A measurement, with what is counted now.
pub(super) async fn sample(before: Counters) -> (Metrics, Counters) {
    let after = counters().await;
    // File systems of the network may not answer, so only those of the host are asked.
    let read = tokio::task::spawn_blocking(|| {
        let disks = device::local_disks();
        let space = |disk: &gangplank_proto::report::Disk| Space {
            used: disk.size.saturating_sub(disk.free),
            total: disk.size,
        };
        (text("/proc/meminfo").and_then(|text| memory(&text)), disks.iter().map(space).collect())
    });
    let (memory, disk) = read.await.unwrap_or_default();
    let elapsed = after.at.duration_since(before.at);
    let metrics = Metrics {
        cpu: share(before.processor, after.processor),
        memory,
        disk,
        network: rate(before.traffic, after.traffic, elapsed),
        ..Metrics::default()
    };
    (metrics, after)
}

fn text(path: &str) -> Option<String> {
    file::read(Path::new(path)).ok()
}

/// The first line of `/proc/stat` (proc_stat(5)).
fn processor(stat: &str) -> Option<Processor> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // Time of guests, behind the eighth, is in the first two already.
    let all = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Some(Processor { busy: u64::saturating_sub(all, idle), all })
}

fn share(before: Option<Processor>, after: Option<Processor>) -> Option<f64> {
    let (before, after) = (before?, after?);
    let all = after.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let busy = after.busy.saturating_sub(before.busy);
    Some(rounded(ratio(busy, all) * 100.0).min(100.0))
}

#[allow(clippy::cast_precision_loss, reason = "a ratio needs no 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// `/proc/meminfo` (proc_meminfo(5)), in KiB there.
fn memory(meminfo: &str) -> Option<Space> {
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let (total, available) = (field("MemTotal:")?, field("MemAvailable:")?);
    let used = total.saturating_sub(available);
    Some(Space { used: used.saturating_mul(1024), total: total.saturating_mul(1024) })
}

fn traffic_now() -> Option<(u64, u64)> {
    text("/proc/net/dev").map(|text| traffic(&text))
}

/// Bytes received and sent, out of `/proc/net/dev` (proc_pid_net(5)).
fn traffic(dev: &str) -> (u64, u64) {
    let mut sum = (0_u64, 0_u64);
    for line in dev.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        if INNER.iter().any(|inner| name.trim().starts_with(inner)) {
            continue;
        }
        let mut fields = rest.split_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        sum.0 = sum.0.saturating_add(fields.next().unwrap_or(0));
        sum.1 = sum.1.saturating_add(fields.nth(7).unwrap_or(0));
    }
    sum
}

fn rate(
    before: Option<(u64, u64)>,
    after: Option<(u64, u64)>,
    elapsed: Duration,
) -> Option<Traffic> {
    let (before, after) = (before?, after?);
    let milliseconds = u64::try_from(elapsed.as_millis()).ok().filter(|elapsed| *elapsed > 0)?;
    // An interface that went takes its count along: then nothing is known.
    let received = after.0.checked_sub(before.0)?;
    let sent = after.1.checked_sub(before.1)?;
    let a_second = |bytes: u64| rounded(ratio(bytes.saturating_mul(1000), milliseconds));
    Some(Traffic { received: a_second(received), sent: a_second(sent) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 900 1 0 0 0 0 0 0 900 1 0 0 0 0 0 0
  eth0: 1000 2 0 0 0 0 0 0 2000 3 0 0 0 0 0 0
veth1a: 500 2 0 0 0 0 0 0 500 3 0 0 0 0 0 0
  wg0:10 2 0 0 0 0 0 0 20 3 0 0 0 0 0 0
";

    #[test]
    fn what_the_kernel_says_is_read() {
        let stat = "cpu  10 20 30 100 40 1 2 3 5 5\ncpu0 1 2 3\nintr 5\n";
        let processor = processor(stat).unwrap();
        assert_eq!(processor, Processor { busy: 66, all: 206 });
        assert_eq!(super::processor("intr 5"), None);
        let space = memory("MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:    500 kB\n").unwrap();
        assert_eq!(space, Space { used: 1500 * 1024, total: 2000 * 1024 });
        assert_eq!(traffic(DEV), (1010, 2020));
    }

    #[test]
    fn counts_become_shares_and_rates_and_a_count_that_fell_nothing() {
        let at = |busy, all| Some(Processor { busy, all });
        assert_eq!(share(at(10, 100), at(35, 200)), Some(25.0));
        assert_eq!(share(at(10, 100), at(35, 100)), None);
        assert_eq!(share(None, at(1, 1)), None);
        let second = Duration::from_secs(2);
        let traffic = rate(Some((0, 100)), Some((300, 100)), second).unwrap();
        assert_eq!((traffic.received, traffic.sent), (150.0, 0.0));
        assert_eq!(rate(Some((400, 0)), Some((300, 0)), second), None);
        assert_eq!(rate(Some((0, 0)), Some((1, 1)), Duration::ZERO), None);
    }

    #[tokio::test]
    async fn this_host_can_be_measured() {
        let (metrics, _) = sample(counters().await).await;
        assert!(metrics.memory.unwrap().total > 0);
    }
}
