//! The benchmarks work: a short run measures every figure of every way. Its numbers mean nothing.

use std::{fs, process::Command};

use gangplank_tests::{process, scratch};
use serde_json::Value;

#[test]
fn a_short_run_measures_everything() {
    measures("terminals", &["echo-1", "echo-50", "beside-bulk", "bulk", "stall", "start"]);
}

#[test]
fn a_short_run_measures_commands() {
    measures("jobs", &["jobs-fan-out", "jobs-drain"]);
}

#[test]
fn a_short_run_measures_channels() {
    measures("channels", &["channels-fan-out", "channels-through", "ingest"]);
}

fn measures(suite: &str, expected: &[&str]) {
    let results = scratch::directory().join("results.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    let said = process::succeed(command.arg(suite).arg("--quick").arg("--json").arg(&results));
    let results: Value =
        serde_json::from_slice(&fs::read(results).expect("results")).expect("JSON");
    let figures = results["figures"].as_array().expect("figures");
    let ids: Vec<&str> = figures.iter().filter_map(|figure| figure["id"].as_str()).collect();
    assert_eq!(ids, expected);
    for figure in figures {
        assert!(said.contains(figure["title"].as_str().expect("a title")));
        for row in figure["rows"].as_array().expect("rows") {
            assert_eq!(row["failure"], Value::Null, "{row}");
            for value in row["values"].as_object().expect("values").values() {
                assert!(value["median"].as_f64().is_some_and(|median| median >= 0.0), "{row}");
            }
        }
    }
}
