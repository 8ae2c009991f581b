//! Writes down what the guard tells of, and does what the policy asks for. One task, so that the
//! number of writes has a bound.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::TenantId;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::news::{News, Verdict};
use super::penalty::{Misdeed, Step, Treatment};
use super::standing::State;
use super::{Pace, Source};
use crate::app::App;
use crate::config::Action;
use crate::event::Topic;
use crate::store::{SecurityEvent, SecurityKind, Severity};

/// How often what was left out is summed up.
const MINUTE: Duration = Duration::from_secs(60);

/// How long a failed act is put off before it is tried once more.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes and acts until `stop`.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let Some(mut news) = app.guard.take_news() else { return };
    let mut pace = Pace::new(u64::from(app.config().guard.events_per_minute), MINUTE);
    let mut left_out = 0;
    let mut minute = tokio::time::interval(MINUTE);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            item = news.recv() => {
                let Some(item) = item else { break };
                if let News::Login(verdict) = &item {
                    act(&app, verdict).await;
                }
                if pace.take(1) {
                    write(&app, item).await;
                } else {
                    left_out += 1;
                }
            }
            _ = minute.tick() => {
                pace = Pace::new(u64::from(app.config().guard.events_per_minute), MINUTE);
                left_out += app.guard.take_lost();
                if left_out > 0 {
                    keep(&app, app.first_tenant, summary(&app, left_out)).await;
                    left_out = 0;
                }
                let before = app.clock.now().minus(app.config().guard.events_kept);
                if let Err(error) = app.store.remove_old_security_events(before).await {
                    tracing::error!(%error, "old security events could not be removed");
                }
            }
        }
    }
}

/// What the policy asks for when a login's standing is what it is now.
fn actions(app: &App, verdict: &Verdict) -> Vec<Action> {
    let policy = &app.config().guard;
    match verdict.change.to {
        // What gets better needs nothing done.
        State::Monitored if verdict.change.from < State::Monitored => policy.on_monitored.clone(),
        State::Suspicious => policy.on_suspicious.clone(),
        _ => Vec::new(),
    }
}

async fn act(app: &Arc<App>, verdict: &Verdict) {
    let actions = actions(app, verdict);
    if actions.contains(&Action::Block)
        && let Some(source) = verdict.source
    {
        let until = app.clock.now().plus(app.config().guard.block);
        app.guard.block_user(verdict.user, source, until);
    }
    if actions.contains(&Action::Close) || actions.contains(&Action::Block) {
        let mut ended = app.auth.expel(verdict.tenant, verdict.login).await;
        if ended.is_err() {
            tokio::time::sleep(AGAIN).await;
            ended = app.auth.expel(verdict.tenant, verdict.login).await;
        }
        match ended {
            Ok(()) => app.guard.terminated(verdict.login),
            Err(error) => tracing::error!(%error, "a suspicious login could not be ended"),
        }
    }
    if actions.contains(&Action::Alert) {
        alert(app, verdict).await;
    }
}

async fn alert(app: &App, verdict: &Verdict) {
    let reasons: Vec<_> = verdict.reasons.iter().map(|(reason, _)| reason.as_str()).collect();
    let alert = json!({
        "id": Uuid::now_v7(),
        "title": title(verdict),
        "severity": severity(verdict.change.to).as_str(),
        "status": "new",
        "source": "gangplank",
        "iocs": verdict.source.map(|source| source.to_string()).into_iter().collect::<Vec<_>>(),
        "mitre_techniques": [],
        "timestamp": app.clock.now(),
        "details": { "user": verdict.username, "login_id": verdict.login, "reasons": reasons },
    });
    if let Err(error) = app.events.publish(verdict.tenant, Topic::Alerts, &alert).await {
        tracing::error!(%error, "an alert could not be kept");
    }
}

async fn write(app: &App, news: News) {
    match news {
        News::Source(step) => keep(app, app.first_tenant, source(app, &step)).await,
        News::Login(verdict) => keep(app, verdict.tenant, standing(app, &verdict)).await,
    }
}

async fn keep(app: &App, tenant: TenantId, event: SecurityEvent) {
    match app.store.add_security_event(tenant, &event).await {
        Ok(seq) => app.events.tell(tenant, Topic::Security, seq),
        Err(error) => tracing::error!(%error, "a security event could not be kept"),
    }
}

fn source(app: &App, step: &Step) -> SecurityEvent {
    let (kind, severity, what, left) = match step.treatment {
        Treatment::Free | Treatment::Slowed(_) => {
            (SecurityKind::SourceSlowed, Severity::Info, "is answered late", None)
        }
        Treatment::Blocked(left) => {
            (SecurityKind::SourceBlocked, Severity::Warning, "is blocked", Some(left))
        }
        Treatment::Closed(left) => {
            (SecurityKind::SourceClosed, Severity::High, "is not answered", Some(left))
        }
    };
    let now = app.clock.now();
    let mut evidence = Map::new();
    for (misdeed, count) in Misdeed::ALL.into_iter().zip(step.counts) {
        if count > 0 {
            evidence.insert(misdeed.as_str().to_owned(), json!(count));
        }
    }
    let mut evidence = Map::from_iter([("misdeeds".to_owned(), Value::Object(evidence))]);
    if let Some(left) = left {
        evidence.insert("until".to_owned(), json!(now.plus(left)));
    }
    SecurityEvent {
        id: Uuid::now_v7(),
        at: now,
        kind,
        severity,
        title: format!("{} {what}", step.source),
        source: Some(Source::ip(step.source)),
        user: None,
        login_id: None,
        evidence,
    }
}

fn standing(app: &App, verdict: &Verdict) -> SecurityEvent {
    let reasons: Map<_, _> = (verdict.reasons.iter())
        .map(|(reason, count)| (reason.as_str().to_owned(), json!(count)))
        .collect();
    let actions: Vec<_> = actions(app, verdict).into_iter().map(Action::as_str).collect();
    let evidence = Map::from_iter([
        ("from".to_owned(), json!(verdict.change.from)),
        ("to".to_owned(), json!(verdict.change.to)),
        ("points".to_owned(), json!(verdict.change.points.round())),
        ("reasons".to_owned(), Value::Object(reasons)),
        ("actions".to_owned(), json!(actions)),
        ("user_agent".to_owned(), json!(verdict.user_agent)),
    ]);
    SecurityEvent {
        id: Uuid::now_v7(),
        at: app.clock.now(),
        kind: SecurityKind::LoginStanding,
        severity: severity(verdict.change.to),
        title: title(verdict),
        source: verdict.source.map(|source| Source::from(source).ip()),
        user: Some(verdict.username.clone()),
        login_id: Some(verdict.login),
        evidence,
    }
}

fn summary(app: &App, left_out: u64) -> SecurityEvent {
    SecurityEvent {
        id: Uuid::now_v7(),
        at: app.clock.now(),
        kind: SecurityKind::Summary,
        severity: Severity::Warning,
        title: format!("{left_out} more security events in a minute than are written"),
        source: None,
        user: None,
        login_id: None,
        evidence: Map::from_iter([("count".to_owned(), json!(left_out))]),
    }
}

fn severity(state: State) -> Severity {
    match state {
        State::Idle | State::Active => Severity::Info,
        State::Monitored => Severity::Warning,
        State::Suspicious | State::Terminated => Severity::High,
    }
}

fn title(verdict: &Verdict) -> String {
    let (name, state) = (&verdict.username, verdict.change.to.as_str());
    match verdict.change.to {
        State::Terminated => format!("A login of {name} was ended"),
        _ => format!("A login of {name} is {state}"),
    }
}
