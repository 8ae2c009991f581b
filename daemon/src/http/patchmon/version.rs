//! Newer programs of PatchMon's agent, where the operator provides them.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{done, own_host, setting};
use crate::app::App;
use crate::http::error::Refusal;
use crate::http::gate::Call;
use crate::http::{install, release};
use crate::patchmon::errand::os_of;
use crate::patchmon::program::{Program, Target, is_newer};

pub(in crate::http) async fn timestamp(_: Arc<App>, _: Call) -> Result<Response, Refusal> {
    // Programs are told by version and hash, never by a time.
    done(&json!({ "version": null, "lastModified": null, "timestamp": 0, "exists": false }))
}

pub(in crate::http) async fn version(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (target, own, program) = wanted(&app, &call).await?;
    let (latest, hash) = match &program {
        Some(program) => (program.version.as_str(), program.hash.as_str()),
        None => (own.as_str(), ""),
    };
    let path = format!("/api/v1/hosts/agent/download?os={}&arch={}", target.os(), target.arch());
    let provided = program.is_some();
    done(&json!({
        "currentVersion": latest,
        "latestVersion": latest,
        "hasUpdate": provided && is_newer(latest, &own),
        "autoUpdateDisabled": !setting::provides(&app),
        "autoUpdateDisabledReason": if provided { "" } else { "no program is provided here" },
        "downloadUrl": if provided { format!("{}{path}", install::own_url(&call)) } else { String::new() },
        "releaseNotes": "",
        "minServerVersion": null,
        "architecture": target.arch(),
        "agentType": "go",
        "hash": hash,
    }))
}

pub(in crate::http) async fn download(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (_, _, program) = wanted(&app, &call).await?;
    let missing = || {
        let message = "no program of PatchMon's agent is provided here for this system";
        Refusal::new(StatusCode::NOT_FOUND, "no_agent", message)
    };
    let program = program.ok_or_else(missing)?;
    let file = tokio::fs::File::open(&program.path).await.map_err(|_| missing())?;
    release::send(file, &call.headers, "application/octet-stream").await
}

/// The system that is asked for, the version that the agent has, and the program if there is one.
async fn wanted(app: &App, call: &Call) -> Result<(Target, String, Option<Program>), Refusal> {
    let host = own_host(app, call).await?;
    // An old agent does not say its system, and what it reports may not be known yet.
    let os = call.query("os").unwrap_or_else(|| os_of(host.facts.os.as_str()).to_owned());
    let reported = Some(host.facts.arch.as_str()).filter(|arch| !arch.is_empty());
    let arch = call.query("arch").unwrap_or_else(|| reported.unwrap_or("amd64").to_owned());
    let target = Target::new(&os, &arch);
    let target = target.map_err(|error| Refusal::bad_request(error.to_string()))?;
    let said = call.query("currentVersion").filter(|version| version.len() <= 64);
    let own = said.unwrap_or_else(|| host.facts.agent_version.as_str().to_owned());
    let directory = app.config().patchmon_programs.clone();
    let program = app.patchmon.programs.find(directory.as_deref(), target).await;
    Ok((target, own, program))
}
