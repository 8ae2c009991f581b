//! Requests for the consent of a second person.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use gangplank_proto::id::{ApprovalId, TenantId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::batches;
use super::error::Refusal;
use super::gate::Call;
use super::jobs::filter;
use crate::app::App;
use crate::approval::{Asker, BATCH, HOSTS, INSPECTION, LIFE, Risk, Status, Subject, TERMINAL};
use crate::audit::{By, Entry};
use crate::auth::{Permission, Principal};
use crate::config::parse_duration;
use crate::job;
use crate::store::{
    Approval, ApprovalFilter, Decision, NewApproval, Released, Spending, StoreError, Verdict,
};

/// How long a request stands that says nothing else.
const STANDS: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    action: String,
    object: String,
    #[serde(default)]
    payload: Map<String, Value>,
    #[serde(default)]
    risk_level: Risk,
    #[serde(default)]
    case_id: Option<String>,
    #[serde(default)]
    context: Map<String, Value>,
    /// A duration.
    #[serde(default)]
    expires_in: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Used {
    action: String,
    object: String,
    #[serde(default)]
    payload: Map<String, Value>,
}

pub(super) async fn list(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let requester = Some(who.user).filter(|_| !who.may(Permission::ApprovalsManage));
    let filter = ApprovalFilter { status: filter(&call, "status")?, requester };
    let page = app.store.approvals(who.tenant, &filter, &call.page()?).await?;
    super::json(StatusCode::OK, &page.map(|approval| view(&approval, who)))
}

pub(super) async fn get(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let who = call.person()?;
    let found = app.store.approval(who.tenant, call.param("approval_id")?).await?;
    let mine = |approval: &Approval| {
        approval.requester == who.user || who.may(Permission::ApprovalsManage)
    };
    let approval = found.filter(mine).ok_or_else(Refusal::not_found)?;
    super::json(StatusCode::OK, &view(&approval, who))
}

pub(super) async fn create(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let new: New = call.json().await?;
    if new.action == TERMINAL || new.action == INSPECTION {
        let message = "terminals and inspections ask for approval by themselves";
        return Err(Refusal::bad_request(message));
    }
    let wrong = || Refusal::bad_request("expires_in takes a duration from 1s to 7d");
    let stands = new.expires_in.as_deref().map_or(Some(STANDS), parse_duration);
    let [shortest, longest] = LIFE;
    let stands = stands.filter(|stands| (shortest..=longest).contains(stands)).ok_or_else(wrong)?;
    let (who, by) = (call.person()?, call.by(&app)?);
    let mut context = new.context;
    let subject = match new.action.as_str() {
        BATCH => batch(&app, who, &new.object, new.payload, &mut context).await?,
        _ => {
            let payload = Value::Object(new.payload);
            Subject { action: new.action, object: new.object, payload }
        }
    };
    let wanted = NewApproval {
        id: ApprovalId::new(),
        requester: who.user,
        requested_by: who.username.clone(),
        subject,
        risk: new.risk_level,
        case_id: new.case_id,
        context: Value::Object(context),
        expires_at: by.at.plus(stands),
        job: None,
        batch: None,
    };
    let (approval, announced) = app.store.request_approval(who.tenant, &by, &wanted).await?;
    job::consented(&app, Released { announced, ..Released::default() }).await?;
    super::json(StatusCode::CREATED, &view(&approval, who))
}

/// What an order to many hosts asks for in advance: whoever decides sees how many hosts it means now.
async fn batch(
    app: &App,
    who: &Principal,
    object: &str,
    payload: Map<String, Value>,
    context: &mut Map<String, Value>,
) -> Result<Subject, Refusal> {
    // It says which hosts there are.
    if !who.may(Permission::JobsRun) {
        return Err(Refusal::forbidden());
    }
    if object != HOSTS {
        return Err(Refusal::bad_request("the object of a command to many hosts is hosts"));
    }
    let new = batches::meant(app, payload)?;
    let hosts = app.store.hosts_meant(who.tenant, &new.selector).await?;
    // Told by us, whatever whoever asks says of it.
    context.extend(Asker::batch_context(&new.job, &hosts));
    Ok(Asker::batch_subject(&new, &hosts))
}

pub(super) async fn approve(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    decide(app, call, Verdict::Approve).await
}

pub(super) async fn deny(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    decide(app, call, Verdict::Deny).await
}

async fn decide(app: Arc<App>, mut call: Call, verdict: Verdict) -> Result<Response, Refusal> {
    let Decided { note } = call.json().await?;
    let note = note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    let (who, by, id) = (call.person()?, call.by(&app)?, call.param("approval_id")?);
    let decided = app.store.decide_approval(who.tenant, &by, who.user, id, verdict, note).await?;
    let refusal = |status, code, message: String| Err(Refusal::new(status, code, message));
    match decided {
        Decision::Done(approval, released) => {
            job::consented(&app, released).await?;
            super::json(StatusCode::OK, &view(&approval, who))
        }
        Decision::Unknown => Err(Refusal::not_found()),
        Decision::Own => {
            let message = "nobody decides on their own request; ask somebody else".to_owned();
            refusal(StatusCode::FORBIDDEN, "own_request", message)
        }
        Decision::Expired | Decision::Over(Status::Expired) => {
            let message = "this request has expired".to_owned();
            refusal(StatusCode::CONFLICT, "approval_expired", message)
        }
        Decision::Over(status) => {
            let message = format!("there is nothing to decide on any more: this is {status}");
            refusal(StatusCode::CONFLICT, "approval_decided", message)
        }
        Decision::Withdrawn => {
            let message = "whoever asked for this may no longer do it".to_owned();
            refusal(StatusCode::CONFLICT, "requester_may_not", message)
        }
    }
}

pub(super) async fn cancel(app: Arc<App>, call: Call) -> Result<Response, Refusal> {
    let (who, by, id) = (call.person()?, call.by(&app)?, call.param("approval_id")?);
    let Some((approval, announced)) =
        app.store.cancel_approval(who.tenant, &by, who.user, id).await?
    else {
        let found = app.store.approval(who.tenant, id).await?;
        let found = found.filter(|approval| approval.requester == who.user);
        let status = found.ok_or_else(Refusal::not_found)?.status;
        let message = format!("there is nothing to take back any more: this is {status}");
        return Err(Refusal::new(StatusCode::CONFLICT, "approval_decided", message));
    };
    job::consented(&app, Released { announced, ..Released::default() }).await?;
    super::json(StatusCode::OK, &view(&approval, who))
}

pub(super) async fn spend(app: Arc<App>, mut call: Call) -> Result<Response, Refusal> {
    let approval = call.param("approval_id")?;
    let known = app.store.approval(call.person()?.tenant, approval).await?;
    let mine = known.filter(|known| call.person().is_ok_and(|who| who.user == known.requester));
    mine.ok_or_else(Refusal::not_found)?;
    let Used { action, object, payload } = call.json().await?;
    let (who, by) = (call.person()?, call.by(&app)?);
    let subject = Subject { action, object, payload: Value::Object(payload) };
    let hash = subject.binding(who.tenant, who.user);
    let spending = Spending { approval, requester: who.user, hash };
    let spent = app.store.spend_approval(who.tenant, &by, &spending).await;
    if let Err(StoreError::NotConsented(why)) = &spent {
        refused(&app, who.tenant, &by, Some(approval), why).await?;
    }
    let (approval, announced) = spent?;
    job::consented(&app, Released { announced, ..Released::default() }).await?;
    super::json(StatusCode::OK, &view(&approval, who))
}

/// Writes down that an approval let something not through.
pub(super) async fn refused(
    app: &App,
    tenant: TenantId,
    by: &By,
    approval: Option<ApprovalId>,
    why: &str,
) -> Result<(), StoreError> {
    let object = approval.map_or_else(String::new, |approval| format!("approval:{approval}"));
    let entry = Entry::refused(Some(tenant), "approval.use", object);
    app.store.audit(by, entry.with(json!({ "why": why }))).await
}

/// A request as one person sees it.
fn view(approval: &Approval, who: &Principal) -> Value {
    #[derive(Serialize)]
    struct View<'a> {
        #[serde(flatten)]
        approval: &'a Approval,
        own: bool,
    }

    json!(View { approval, own: approval.requester == who.user })
}
