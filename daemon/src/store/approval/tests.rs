//! What the store promises about requests for consent, moved through time by hand.

use std::time::Duration;

use gangplank_proto::job::{Command, JobState};
use serde_json::json;

use super::*;
use crate::audit::Actor;
use crate::store::Whose;
use crate::store::job::{Concurrency, Consent, NewJob};
use crate::store::tests::{Fixture, START, fixture, host, user};

const MINUTE: Duration = Duration::from_secs(60);
const BOUNDS: Concurrency = Concurrency { heavy: 1, light: 4, tenant: 100 };

struct World {
    fixture: Fixture,
    alice: UserId,
    bob: UserId,
}

fn by(name: &str, at: Timestamp) -> By {
    By { actor: Actor::User(name.to_owned()), source: None, at }
}

fn subject() -> Subject {
    let (action, object) = ("isolate".to_owned(), "host:1".to_owned());
    Subject { action, object, payload: json!({ "vlan": 7 }) }
}

impl World {
    async fn new() -> Self {
        let fixture = fixture().await;
        let alice = user(&fixture, "alice", "operator").await;
        let bob = user(&fixture, "bob", "admin").await;
        Self { fixture, alice, bob }
    }

    fn wanted(&self) -> NewApproval {
        NewApproval {
            id: ApprovalId::new(),
            requester: self.alice,
            requested_by: "alice".to_owned(),
            subject: subject(),
            risk: Risk::High,
            case_id: None,
            context: json!({}),
            expires_at: START.plus(MINUTE),
            job: None,
            batch: None,
        }
    }

    async fn ask(&self) -> ApprovalId {
        let (store, tenant) = (&self.fixture.store, self.fixture.tenant);
        let asked = store.request_approval(tenant, &by("alice", START), &self.wanted()).await;
        asked.unwrap().0.id
    }

    async fn approve(&self, tenant: TenantId, id: ApprovalId, at: Timestamp) -> Decision {
        let by = by("bob", at);
        let decided =
            self.fixture.store.decide_approval(tenant, &by, self.bob, id, Verdict::Approve, None);
        decided.await.unwrap()
    }

    async fn spend(&self, id: ApprovalId, at: Timestamp) -> Result<Status, StoreError> {
        let tenant = self.fixture.tenant;
        let hash = subject().binding(tenant, self.alice);
        let spending = Spending { approval: id, requester: self.alice, hash };
        let spent = self.fixture.store.spend_approval(tenant, &by("alice", at), &spending).await;
        spent.map(|(approval, _)| approval.status)
    }

    async fn status(&self, id: ApprovalId) -> Status {
        self.fixture.store.approval(self.fixture.tenant, id).await.unwrap().unwrap().status
    }
}

#[tokio::test]
async fn time_ends_what_waits_and_what_was_not_used() {
    let world = World::new().await;
    let store = &world.fixture.store;
    let (waits, unused) = (world.ask().await, world.ask().await);
    let decided = world.approve(world.fixture.tenant, unused, START).await;
    assert!(matches!(decided, Decision::Done(..)), "{decided:?}");
    let before = store.expire_approvals(START.plus(MINUTE / 2)).await.unwrap();
    assert_eq!((before.count, before.next), (0, Some(START.plus(MINUTE))));
    // Nobody has looked yet, and it is too late all the same.
    let late = START.plus(MINUTE);
    let decided = world.approve(world.fixture.tenant, waits, late).await;
    assert!(matches!(decided, Decision::Expired), "{decided:?}");
    let spent = world.spend(unused, late).await;
    assert!(matches!(spent, Err(StoreError::NotConsented(_))), "{spent:?}");
    assert_eq!(store.expire_approvals(late).await.unwrap().count, 2);
    assert_eq!(world.status(waits).await, Status::Expired);
    assert_eq!(world.status(unused).await, Status::Expired);
    assert_eq!(store.expire_approvals(late).await.unwrap().next, None);
    store.remove_old_approvals(Whose::Others, START).await.unwrap();
    assert!(store.approval(world.fixture.tenant, waits).await.unwrap().is_none());
}

#[tokio::test]
async fn another_tenant_has_no_such_request() {
    let world = World::new().await;
    let (store, other) = (&world.fixture.store, world.fixture.other);
    let id = world.ask().await;
    assert!(store.approval(other, id).await.unwrap().is_none());
    let page = store.approvals(other, &ApprovalFilter::default(), &PageRequest::default()).await;
    assert!(page.unwrap().items.is_empty());
    assert!(matches!(world.approve(other, id, START).await, Decision::Unknown));
    let cancelled = store.cancel_approval(other, &by("eve", START), world.alice, id).await;
    assert!(cancelled.unwrap().is_none());
    let hash = subject().binding(world.fixture.tenant, world.alice);
    let spending = Spending { approval: id, requester: world.alice, hash };
    let spent = store.spend_approval(other, &by("eve", START), &spending).await;
    assert!(matches!(spent, Err(StoreError::NotConsented(_))), "{spent:?}");
    assert_eq!(world.status(id).await, Status::Pending);
}

#[tokio::test]
async fn a_held_job_is_handed_out_only_when_it_is_let_go() {
    let world = World::new().await;
    let (store, tenant) = (&world.fixture.store, world.fixture.tenant);
    let host = host(&world.fixture, "one").await;
    let order = NewJob {
        command: Command::ReportNow,
        params: json!({}),
        priority: 5,
        retries: 0,
        not_before: START,
        deadline: START.plus(10 * MINUTE),
        idempotency_key: Some("key".to_owned()),
    };
    let order_it = async || {
        let consent = Consent::Wanted(Box::new(world.wanted()));
        let by = by("alice", START);
        store.create_job_with(tenant, &by, host, &order, consent).await.unwrap().unwrap()
    };
    let made = order_it().await;
    let id = made.approval.unwrap();
    let again = order_it().await;
    assert_eq!((again.job, again.approval), (made.job, made.approval), "the same order");
    let lease = async || {
        let leased = store.lease_jobs(&[(tenant, host)], BOUNDS, MINUTE, START).await;
        leased.unwrap().jobs.len()
    };
    assert_eq!(lease().await, 0);
    let decided = world.approve(tenant, id, START).await;
    let Decision::Done(approval, released) = decided else { unreachable!("{decided:?}") };
    assert_eq!(approval.status, Status::Used);
    assert_eq!(released.hosts, [(tenant, host)]);
    assert_eq!(lease().await, 1);
}

#[tokio::test]
async fn a_job_that_is_over_needs_nobody_s_consent() {
    let world = World::new().await;
    let (store, tenant) = (&world.fixture.store, world.fixture.tenant);
    let one = host(&world.fixture, "one").await;
    let order = NewJob {
        command: Command::ReportNow,
        params: json!({}),
        priority: 5,
        retries: 0,
        not_before: START,
        deadline: START.plus(10 * MINUTE),
        idempotency_key: None,
    };
    let consent = Consent::Wanted(Box::new(world.wanted()));
    let alice = by("alice", START);
    let made = store.create_job_with(tenant, &alice, one, &order, consent).await.unwrap().unwrap();
    drop(store.end_jobs_of_host(tenant, one, START).await.unwrap());
    let job = store.job(tenant, made.job).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(world.status(made.approval.unwrap()).await, Status::Cancelled);
}
