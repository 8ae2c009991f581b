//! Requests for approval, and what needs them, stay in their tenant.

use gangplank_proto::id::{ApprovalId, UserId};
use http::StatusCode;
use serde_json::json;

use super::guarded;
use super::world::{With, world};
use crate::approval::{Risk, Subject};
use crate::audit::By;
use crate::http::route::Kind;
use crate::store::NewApproval;

#[tokio::test]
async fn another_tenant_s_approval_is_one_that_does_not_exist() {
    let world = world().await;
    let (first, by) = (world.app.first_tenant, By::daemon(world.app.clock.now()));
    let wanted = NewApproval {
        id: ApprovalId::new(),
        requester: UserId::new(),
        requested_by: "alice".to_owned(),
        subject: Subject {
            action: "isolate".to_owned(),
            object: "host:1".to_owned(),
            payload: json!({}),
        },
        risk: Risk::High,
        case_id: None,
        context: json!({}),
        expires_at: by.at.plus(std::time::Duration::from_secs(60)),
        job: None,
        batch: None,
    };
    let (approval, _) = world.app.store.request_approval(first, &by, &wanted).await.unwrap();
    let policy = serde_json::from_value(json!({ "name": "x" })).unwrap();
    let policy = world.app.store.create_approval_policy(first, &by, policy).await.unwrap();
    let ids = [("{approval_id}", approval.id.to_string()), ("{policy_id}", policy.id.to_string())];
    for (name, id) in ids {
        let routes = guarded().filter(|route| route.path.contains(name));
        for route in routes.filter(|route| route.kind == Kind::Person) {
            let with = With {
                bearer: Some(&world.other_admin.bearer),
                object_id: Some(id.clone()),
                ..With::default()
            };
            let (status, body) = world.ask(route, with).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{route:?}");
            assert_eq!(body, br#"{"code":"not_found","error":"not found"}"#, "{route:?}");
        }
    }
    for list in ["/api/v1/approvals", "/api/v1/approval-policies"] {
        let route = guarded().find(|route| route.path == list && route.method.is_safe()).unwrap();
        for (who, count) in [(&world.admin, 1), (&world.other_admin, 0)] {
            let with = With { bearer: Some(&who.bearer), ..With::default() };
            let (_, body) = world.ask(route, with).await;
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["items"].as_array().unwrap().len(), count, "{list}");
        }
    }
}
