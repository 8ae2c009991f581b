//! Jobs as people and programs order and follow them, and a checker for what became of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use serde_json::{Value, json};
use toml::Table;

use crate::{eventually, http::Client, scratch};

/// A tool whose every effect is a line in a file.
#[derive(Debug)]
pub struct Marker {
    script: PathBuf,
    effects: PathBuf,
}

impl Default for Marker {
    fn default() -> Self {
        Self::new()
    }
}

impl Marker {
    /// Makes the script. `mark` takes a name, and waits for as many tenths of a second as it says.
    pub fn new() -> Self {
        let directory = scratch::directory();
        let (script, effects) = (directory.join("mark"), directory.join("effects"));
        fs::write(&effects, "").expect("a file");
        let text = format!(
            "#!/bin/sh\necho \"$1\" >> {}\necho \"begins $1\"\n\
             i=0; while [ $i -lt \"$2\" ]; do sleep 0.1; i=$((i+1)); done\necho \"ends $1\"\n",
            effects.display()
        );
        fs::write(&script, text).expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("our own file");
        Self { script, effects }
    }

    /// Lists it in an agent's file, with a few others.
    pub fn allow(&self, table: &mut Table) {
        let text = format!(
            "[policy]\ntools = true\n\
             [tools.mark]\ncommand = {:?}\nargs = [\"{{name}}\", \"{{tenths}}\"]\n\
             params = {{ name = \"[a-z0-9-]+\", tenths = \"[0-9]{{1,3}}\" }}\n\
             [tools.flood]\ncommand = \"/usr/bin/head\"\nargs = [\"-c\", \"{{bytes}}\", \"/dev/zero\"]\n\
             params = {{ bytes = \"[0-9]+\" }}\n\
             [tools.fail]\ncommand = \"/bin/false\"\n",
            self.script.display().to_string(),
        );
        let more: Table = text.parse().expect("TOML");
        for (section, value) in more {
            match (table.get_mut(&section), value) {
                (Some(toml::Value::Table(there)), toml::Value::Table(more)) => there.extend(more),
                (_, value) => drop(table.insert(section, value)),
            }
        }
    }

    /// Parameters of `run_tool` that leave `name` behind and take `tenths` of a second.
    pub fn params(name: &str, tenths: u32) -> Value {
        json!({ "tool": "mark", "args": { "name": name, "tenths": tenths.to_string() } })
    }

    /// How often each name was left behind.
    pub fn effects(&self) -> BTreeMap<String, usize> {
        let mut effects = BTreeMap::new();
        for line in fs::read_to_string(&self.effects).expect("our own file").lines() {
            *effects.entry(line.to_owned()).or_default() += 1;
        }
        effects
    }

    /// The file of the effects.
    pub fn file(&self) -> &Path {
        &self.effects
    }
}

impl Client {
    /// Gives a host a command and returns the job's id.
    pub async fn order(&self, host: &str, body: Value) -> String {
        let answer = self.post(&format!("/api/v1/hosts/{host}/commands"), body).await;
        let answer = answer.expect(202).json();
        answer["job_id"].as_str().expect("an id").to_owned()
    }

    /// Orders `mark`.
    pub async fn mark(&self, host: &str, name: &str, tenths: u32) -> String {
        let params = Marker::params(name, tenths);
        self.order(host, json!({ "command": "run_tool", "params": params })).await
    }

    /// A job as it is now.
    pub async fn job(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).await.expect(200).json()
    }

    /// Waits until a job is in one of these states.
    pub async fn job_is(&self, id: &str, states: &[&str]) -> Value {
        let what = format!("job {id} to be {states:?}");
        eventually::until(eventually::patience(), &what, || async {
            let job = self.job(id).await;
            let state = job["state"].as_str().expect("a state").to_owned();
            states.contains(&state.as_str()).then_some(job)
        })
        .await
    }

    /// Waits until a job is over.
    pub async fn job_over(&self, id: &str) -> Value {
        self.job_is(id, &OVER).await
    }

    /// Everything that a job printed, as far as it is kept, and whether something is missing.
    pub async fn job_output(&self, id: &str) -> (Vec<u8>, bool) {
        let (mut output, mut gaps, mut offset) = (Vec::new(), false, 0);
        loop {
            let path = format!("/api/v1/jobs/{id}/output?offset={offset}&wait=5");
            let part = self.get(&path).await.expect(200).json();
            for piece in part["pieces"].as_array().expect("a list") {
                gaps |= !piece["gap"].is_null();
                let data = piece["data"].as_str().expect("base64");
                let engine = base64::engine::general_purpose::STANDARD;
                output.extend(engine.decode(data).expect("base64"));
            }
            offset = part["next"].as_u64().expect("a number");
            if part["complete"] == true {
                return (output, gaps);
            }
        }
    }
}

/// States in which nothing more is done for a job.
pub const OVER: [&str; 5] = ["succeeded", "failed", "cancelled", "expired", "unknown"];

/// Checks what became of jobs against what they left behind: `ordered` has each job's id with the
/// name that it was to leave, `effects` how often each name was left.
///
/// # Panics
/// When one was lost, ran twice, or is said to have ended as it did not.
pub async fn check(
    client: &Client,
    ordered: &BTreeMap<String, String>,
    effects: &BTreeMap<String, usize>,
) {
    for (id, name) in ordered {
        let job = client.job(id).await;
        let state = job["state"].as_str().expect("a state");
        assert!(OVER.contains(&state), "{name} is not over: {job}");
        let times = effects.get(name).copied().unwrap_or(0);
        assert!(times <= 1, "{name} ran {times} times: {job}");
        match state {
            "succeeded" => assert_eq!(times, 1, "{name} did not run: {job}"),
            "expired" => assert_eq!(times, 0, "{name} ran too late: {job}"),
            "cancelled" if job["started_at"].is_null() => {
                assert_eq!(times, 0, "{name} was called off and ran: {job}");
            }
            _ => {}
        }
        if times == 1 {
            assert!(!job["sent_at"].is_null(), "{name} was never sent: {job}");
        }
    }
    for name in effects.keys() {
        assert!(ordered.values().any(|known| known == name), "nobody ordered {name}");
    }
}
