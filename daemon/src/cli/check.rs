//! Checking: the configuration, and everything around it.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::output::{Failure, say, say_json};
use super::place::become_owner;
use super::{CheckConfig, Place, Plain};
use crate::admin::{Finding, Request, Response};
use crate::config::{Config, ConfigError, Form, KEYS, Problem, endless, show_duration, show_size};
use crate::store::tenant_settings;

pub(super) fn config(wanted: &CheckConfig) -> Result<(), Failure> {
    let place = Place { config: wanted.config.clone(), data_dir: None };
    let checked = place.read().and_then(|config| match certificate(&config) {
        Some(problem) => Err(ConfigError(vec![problem])),
        None => Ok(config),
    });
    match checked {
        Ok(config) if wanted.policy => policy(&config, wanted.json),
        Ok(config) if wanted.json => {
            say_json(&json!({ "ok": true, "problems": [], "memory": config.budget.to_string() }))
        }
        Ok(config) => say(format!("good; {}", config.budget)),
        Err(error) if wanted.json => {
            say_json(&json!({ "ok": false, "problems": error.0 }))?;
            Err(Failure { message: String::new(), code: 78 })
        }
        Err(error) => Err(error.into()),
    }
}

/// What is weaker than it need be, in the configuration and in what the store says of tenants.
fn policy(config: &Config, json: bool) -> Result<(), Failure> {
    let mut weak = config.weaknesses();
    let file = config.data_dir.join("gangplank.db");
    let unseen = match of_tenants(config, &file) {
        Ok(problems) => {
            weak.extend(problems);
            None
        }
        Err(failure) => Some(failure.message),
    };
    if json {
        let store = json!({ "file": file, "seen": unseen.is_none(), "reason": unseen });
        say_json(&json!({ "ok": weak.is_empty(), "weak": weak, "store": store }))?;
    } else if weak.is_empty() {
        say("strong; nothing is weaker than it need be")?;
    }
    if let (Some(reason), false) = (&unseen, json) {
        let file = file.display();
        say(format!("not looked at: the settings of tenants ({file}: {reason})"))?;
    }
    if weak.is_empty() {
        return Ok(());
    }
    if !json {
        for problem in &weak {
            say(problem)?;
        }
    }
    Err(Failure { message: String::new(), code: 1 })
}

/// What is weak in the settings of tenants, by the store as it is.
fn of_tenants(config: &Config, file: &Path) -> Result<Vec<Problem>, Failure> {
    match file.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::new("there is no store yet"));
        }
        Err(error) => return Err(Failure::new(error)),
        Ok(_) => {}
    }
    become_owner(&config.data_dir)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let settings = runtime.block_on(tenant_settings(file)).map_err(Failure::new)?;
    let place = |tenant: &str| format!("tenant {tenant} in {}", file.display());
    let open = |tenant: String| Problem {
        key: "second_factor_required".to_owned(),
        place: place(&tenant),
        reason: "whoever learns the password of an administrator is one".to_owned(),
        fix: "require a second factor of everybody on the account page, or by PUT \
              /api/v1/settings/sign-in {\"second_factor_required\":true}"
            .to_owned(),
    };
    let endless = settings.granted.into_iter().flat_map(|(tenant, granted)| {
        endless(&granted).into_iter().map(move |part| Problem {
            key: format!("retention.{part}"),
            place: place(&tenant),
            reason: "what is kept for ever is lost all at once".to_owned(),
            fix: "grant less on the page Tenants, such as 400d and a million events".to_owned(),
        })
    });
    let open = settings.without_second_factor.into_iter().map(open);
    Ok(open.chain(endless).collect())
}

/// What is wrong with the given certificate, if there is one.
fn certificate(config: &Config) -> Option<Problem> {
    let files = config.tls.as_ref()?;
    let now = time::OffsetDateTime::now_utc();
    let error = gangplank_certs::Identity::load(&files.cert, &files.key, now).err()?;
    Some(Problem {
        key: "tls.cert".to_owned(),
        place: format!("with tls.key {}", files.key.display()),
        reason: error.to_string(),
        fix: "give a chain and its key in PEM that this user can read".to_owned(),
    })
}

pub(super) fn show(place: &Place, json: bool) -> Result<(), Failure> {
    let config = place.load()?;
    if json { say_json(&config.effective_json()) } else { say(config.effective()) }
}

pub(super) fn keys() -> Result<(), Failure> {
    let mut text = String::new();
    for key in KEYS {
        let form = match key.form {
            Form::Text => "text".to_owned(),
            Form::Choice(words) => words.join(" | "),
            Form::Switch => "true | false".to_owned(),
            Form::Number(low, high) => format!("{low} to {high}"),
            Form::Time(low, high) => format!("{} to {}", show_duration(low), show_duration(high)),
            Form::Size(low, high) => format!("{} to {}", show_size(low), show_size(high)),
            Form::List => "list".to_owned(),
            Form::Secret => format!("secret; or a file in {}_file", key.path),
        };
        let default = match key.default {
            "" => String::new(),
            default => format!(", default {default}"),
        };
        text.push_str(&format!(
            "{} ({form}{default})\n    {}\n    {}\n",
            key.path,
            key.doc,
            key.variable()
        ));
    }
    say(text.trim_end())
}

pub(super) fn doctor(plain: &Plain) -> Result<(), Failure> {
    let findings = match plain.place.load() {
        Ok(config) => examine(plain, &config),
        Err(failure) => vec![Finding::bad(
            "configuration",
            failure.message,
            "gangplankd check-config names every problem",
        )],
    };
    let bad = findings.iter().filter(|finding| !finding.ok).count();
    if plain.json {
        say_json(&json!({ "ok": bad == 0, "findings": findings }))?;
    } else {
        for finding in &findings {
            let mark = if finding.ok { "ok  " } else { "BAD " };
            say(format!("{mark} {}: {}", finding.check, finding.detail))?;
            if let Some(fix) = &finding.fix {
                say(format!("     fix: {fix}"))?;
            }
        }
    }
    match bad {
        0 => Ok(()),
        _ => Err(Failure { message: String::new(), code: 1 }),
    }
}

fn examine(plain: &Plain, config: &Config) -> Vec<Finding> {
    let mut findings = vec![
        Finding::good("configuration", "every key is good"),
        Finding::good("memory", config.budget.to_string()),
    ];
    let directory = &config.data_dir;
    if !directory.exists() {
        let detail = format!("{} does not exist", directory.display());
        findings.push(Finding::bad("data directory", detail, "start the daemon once"));
        return findings;
    }
    for path in [directory.clone(), directory.join("gangplank.db"), directory.join("server.secret")]
    {
        findings.extend(private(path));
    }
    findings.push(match plain.place.ask_running(&Request::Check) {
        Ok(_) => Finding::good("daemon", "runs"),
        Err(failure) => Finding::bad("daemon", failure.message, "start it"),
    });
    findings.extend(keeper(config));
    match plain.place.request(Request::Doctor) {
        Ok(Response::Findings { findings: more }) => findings.extend(more),
        Ok(_) => findings.push(Finding::bad("daemon", "is of another version", "restart it")),
        Err(failure) => {
            findings.push(Finding::bad("store", failure.message, "see what it says"));
        }
    }
    findings
}

/// Whether the keeper of direct terminals is there; nothing when there is to be none.
fn keeper(config: &Config) -> Option<Finding> {
    let socket = config.keeper_socket.as_ref()?;
    let name = socket.display();
    Some(match std::os::unix::net::UnixStream::connect(socket) {
        Ok(_) => Finding::good("keeper", format!("listens at {name}")),
        Err(error) => {
            let fix = "systemctl start gangplankd-keeper, or correct keeper.socket";
            Finding::bad("keeper", format!("{name}: {error}"), fix)
        }
    })
}

/// Whether nobody but the owner can read a file; nothing when there is none.
fn private(path: PathBuf) -> Option<Finding> {
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    let name = path.display().to_string();
    Some(if mode & 0o077 == 0 {
        Finding::good("permissions", format!("{name} is private"))
    } else {
        let fix = format!("chmod go= {name}");
        Finding::bad("permissions", format!("{name} is open to others ({mode:o})"), fix)
    })
}
