//! Scans that are ordered again and again.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::fact::FactText;
use gangplank_proto::id::ScheduleId;
use gangplank_proto::scan::Scanner;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::error::Refusal;
use super::gate::Call;
use crate::app::App;
use crate::clock::Timestamp;
use crate::config::{parse_duration, show_duration};
use crate::schedule::Timing;
use crate::store::{NewSchedule, Schedule, Turns};

/// Scans of one schedule that are open at once, where nobody says how many.
const MAX_CONCURRENT: u32 = 10;

/// Over how long the hosts of a turn are spread, where nobody says it.
const JITTER: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    scanner: Scanner,
    #[serde(default)]
    profile: Option<FactText>,
    every: Span,
    #[serde(default)]
    jitter: Option<Span>,
    #[serde(default)]
    starts_at: Option<Timestamp>,
    #[serde(default)]
    max_concurrent: Option<u32>,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// A duration as people write it.
#[derive(Clone, Copy)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a duration is written such as 1h, 1d or 7d");
        parse_duration(&text).map(Self).ok_or_else(wrong)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    scanner: Option<Scanner>,
    /// `null` leaves the choice to the scanner, which is not the same as saying nothing.
    #[serde(default, deserialize_with = "said")]
    profile: Option<Option<FactText>>,
    #[serde(default)]
    every: Option<Span>,
    #[serde(default)]
    jitter: Option<Span>,
    #[serde(default)]
    starts_at: Option<Timestamp>,
    #[serde(default)]
    max_concurrent: Option<u32>,
    #[serde(default)]
    enabled: Option<bool>,
}

fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<FactText>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, now) = (call.person()?.tenant, app.clock.now());
    let page = app.store.schedules(tenant, &call.page()?).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for schedule in page.items {
        let turns = app.store.schedule_turns(tenant, &schedule, now).await?;
        items.push(view(&schedule, turns));
    }
    super::json(StatusCode::OK, &json!({ "items": items, "next_cursor": page.next_cursor }))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    answer(&app, &call, call.param("schedule_id")?, StatusCode::OK).await
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let new: New = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let every = new.every.0;
    let timing = Timing {
        starts_at: new.starts_at.unwrap_or(by.at),
        every,
        jitter: new.jitter.map_or(JITTER.min(every), |jitter| jitter.0),
    };
    let what = NewSchedule {
        name: new.name,
        labels: new.labels,
        scanner: new.scanner,
        profile: new.profile.filter(|profile| !profile.is_empty()),
        timing,
        max_concurrent: new.max_concurrent.unwrap_or(MAX_CONCURRENT),
        enabled: new.enabled,
    };
    let id = app.store.create_schedule(tenant, &by, what).await?;
    app.schedules.changed();
    answer(&app, &call, id, StatusCode::CREATED).await
}

pub(super) async fn patch(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let patch: Patch = call.json().await?;
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    let id = call.param::<ScheduleId>("schedule_id")?;
    let change = |what: &mut NewSchedule| {
        let timing = &mut what.timing;
        timing.every = patch.every.map_or(timing.every, |every| every.0);
        timing.jitter = patch.jitter.map_or(timing.jitter, |jitter| jitter.0);
        timing.starts_at = patch.starts_at.unwrap_or(timing.starts_at);
        what.scanner = patch.scanner.unwrap_or(what.scanner);
        what.max_concurrent = patch.max_concurrent.unwrap_or(what.max_concurrent);
        what.enabled = patch.enabled.unwrap_or(what.enabled);
        if let Some(name) = patch.name {
            what.name = name;
        }
        if let Some(labels) = patch.labels {
            what.labels = labels;
        }
        if let Some(profile) = patch.profile {
            what.profile = profile.filter(|profile| !profile.is_empty());
        }
    };
    let changed = app.store.patch_schedule(tenant, &by, id, change).await?;
    changed.ok_or_else(Refusal::not_found)?;
    app.schedules.changed();
    answer(&app, &call, id, StatusCode::OK).await
}

pub(super) async fn delete(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (tenant, by) = (call.person()?.tenant, call.by(&app)?);
    super::done(app.store.delete_schedule(tenant, &by, call.param("schedule_id")?).await?)
}

async fn answer(
    app: &App,
    call: &Call,
    id: ScheduleId,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let tenant = call.person()?.tenant;
    let schedule = app.store.schedule(tenant, id).await?.ok_or_else(Refusal::not_found)?;
    let turns = app.store.schedule_turns(tenant, &schedule, app.clock.now()).await?;
    super::json(status, &view(&schedule, turns))
}

fn view(schedule: &Schedule, turns: Turns) -> Value {
    let Schedule { id, what, created_at, created_by, .. } = schedule;
    json!({
        "id": id,
        "name": what.name,
        "labels": what.labels,
        "scanner": what.scanner,
        "profile": what.profile,
        "every": show_duration(what.timing.every),
        "jitter": show_duration(what.timing.jitter),
        "starts_at": what.timing.starts_at,
        "max_concurrent": what.max_concurrent,
        "enabled": what.enabled,
        "created_at": created_at,
        "created_by": created_by,
        "turns": turns,
    })
}
