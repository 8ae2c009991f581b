//! The contents of somebody else's socket: asked for here, and seen from the moment when a second
//! person agreed, as long as whoever asked may look.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::ApprovalId;
use serde_json::{Value, json};

use super::{Ending, Inspection, Prepared};
use crate::app::App;
use crate::approval::{INSPECTION, Risk, Status, Subject, Wait, no_longer_wanted, why_not};
use crate::audit::{By, Entry};
use crate::auth::{Permission, Principal};
use crate::authority::Authority;
use crate::job;
use crate::store::{NewApproval, Released, Spending, StoreError};

/// How long a request stands at least, at most, and when it says nothing else.
pub const STANDS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(3600), Duration::from_secs(15 * 60)];

/// What somebody who asks for it says.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Why they want it.
    pub why: String,
    /// How long their request stands.
    pub stands: Duration,
}

/// The right that looking into sockets needs.
const PERMISSION: Permission = Permission::Admin;

/// Asks for an inspection, which begins by itself when somebody else has agreed.
///
/// # Errors
/// [`StoreError::Refused`] when as many requests wait as may.
pub async fn ask(
    app: &Arc<App>,
    who: &Principal,
    by: &By,
    prepared: Prepared,
    asked: Asked,
) -> Result<Arc<Inspection>, StoreError> {
    let (tenant, id) = (who.tenant, ApprovalId::new());
    let host = match prepared.host() {
        Some(host) => app.store.host(tenant, host).await?,
        None => None,
    };
    let detail = prepared.detail(Some(&asked.why));
    let mut context = detail.clone();
    if let (Some(context), Some(host)) = (context.as_object_mut(), host) {
        context.insert("host_name".to_owned(), json!(host.friendly_name));
    }
    let wanted = NewApproval {
        id,
        requester: who.user,
        requested_by: who.username.clone(),
        subject: Subject {
            action: INSPECTION.to_owned(),
            object: prepared.object(),
            payload: detail.clone(),
        },
        risk: Risk::High,
        case_id: None,
        context,
        expires_at: by.at.plus(asked.stands),
        job: None,
        batch: None,
    };
    let hash = wanted.subject.binding(tenant, who.user);
    let entry = Entry::done(tenant, "inspection.ask", prepared.object());
    app.store.audit(by, entry.with(with_approval(detail, id))).await?;
    let (approval, announced) = app.store.request_approval(tenant, by, &wanted).await?;
    let inspection = Arc::clone(&prepared.inspection);
    inspection.wait(id, approval.expires_at);
    let waiting = Waiting {
        app: Arc::clone(app),
        who: who.clone(),
        by: by.clone(),
        prepared,
        why: asked.why,
        approval: id,
        hash,
    };
    app.tracker.spawn(waiting.run());
    job::consented(app, Released { announced, ..Released::default() }).await?;
    Ok(inspection)
}

fn with_approval(mut detail: Value, approval: ApprovalId) -> Value {
    if let Some(detail) = detail.as_object_mut() {
        detail.insert("approval".to_owned(), json!(approval));
    }
    detail
}

/// An inspection that waits for somebody's consent, or has it.
struct Waiting {
    app: Arc<App>,
    who: Principal,
    by: By,
    prepared: Prepared,
    why: String,
    approval: ApprovalId,
    hash: String,
}

impl Waiting {
    async fn run(self) {
        let (app, who) = (Arc::clone(&self.app), self.who.clone());
        let inspection = Arc::clone(&self.prepared.inspection);
        let mut wait = Wait::new(&app, who.tenant, self.approval);
        let mut stopping = app.stopping();
        let mut authority = Authority::new(Arc::clone(&app), who, PERMISSION, None);
        let status = tokio::select! {
            status = wait.decided(&app) => Some(status),
            () = inspection.over() => None,
            _ = authority.lost() => {
                inspection.end(Ending::NotAllowed, None);
                None
            }
            _ = stopping.wait() => {
                inspection.end(Ending::Failed, None);
                None
            }
        };
        if let Err(error) = self.decided(status).await {
            tracing::error!(%error, "an inspection could not begin");
            inspection.end(Ending::Failed, None);
        }
        tokio::select! {
            () = inspection.over() => {}
            _ = authority.lost() => inspection.end(Ending::NotAllowed, None),
            _ = stopping.wait() => inspection.end(Ending::Failed, None),
        }
    }

    fn by(&self) -> By {
        By { at: self.app.clock.now(), ..self.by.clone() }
    }

    /// The request was decided on, or nobody waits for it any more.
    async fn decided(&self, status: Option<Status>) -> Result<(), StoreError> {
        let (app, tenant, id) = (&*self.app, self.who.tenant, self.approval);
        let inspection = &self.prepared.inspection;
        let Some(status) = status else {
            return no_longer_wanted(app, tenant, &self.by(), self.who.user, id).await;
        };
        let ending = match status {
            Status::Approved => return self.begin().await,
            Status::Denied => Ending::Denied,
            Status::Expired => Ending::Expired,
            Status::Pending | Status::Used | Status::Cancelled => Ending::Cancelled,
        };
        let why = why_not(app, tenant, id, status, "this").await;
        inspection.end(ending, Some(why));
        Ok(())
    }

    /// Uses the consent up, writes down that somebody looks, and looks.
    async fn begin(&self) -> Result<(), StoreError> {
        let (app, tenant) = (&*self.app, self.who.tenant);
        let inspection = &self.prepared.inspection;
        let still = app.auth.recheck(&self.who).await?;
        if !still.is_some_and(|who| who.may(PERMISSION)) {
            inspection.end(Ending::NotAllowed, None);
            return no_longer_wanted(app, tenant, &self.by(), self.who.user, self.approval).await;
        }
        let (approval, hash) = (self.approval, self.hash.clone());
        let spending = Spending { approval, requester: self.who.user, hash };
        let (used, announced) = match app.store.spend_approval(tenant, &self.by(), &spending).await
        {
            Err(StoreError::NotConsented(why)) => {
                inspection.end(Ending::Expired, Some(why.to_owned()));
                return Ok(());
            }
            spent => spent?,
        };
        job::consented(app, Released { announced, ..Released::default() }).await?;
        let (object, action) = (self.prepared.object(), "inspection.start");
        let entry = match inspection.is_over() {
            true => Entry::refused(Some(tenant), action, object),
            false => Entry::done(tenant, action, object),
        };
        let mut detail = with_approval(self.prepared.detail(Some(&self.why)), approval);
        let by = self.by();
        if let Some(detail) = detail.as_object_mut() {
            detail.insert("approved_by".to_owned(), json!(used.decided_by));
            detail.insert("until".to_owned(), json!(self.prepared.until(by.at)));
        }
        app.store.audit(&by, entry.with(detail)).await?;
        self.prepared.begin();
        Ok(())
    }
}
