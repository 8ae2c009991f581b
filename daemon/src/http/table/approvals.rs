//! Routes about what waits for the consent of a second person.

use http::Method;

use super::person;
use crate::auth::Permission;
use crate::http::route::{Handler, Route};
use crate::http::{approval_policies, approvals};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let decide = Some(Permission::ApprovalsManage);
    let admin = Some(Permission::Admin);
    vec![
        person(
            M::GET,
            "/api/v1/approvals",
            None,
            "List requests for approval: all for who decides on them, else one's own",
            handler!(approvals::list),
        ),
        person(M::POST, "/api/v1/approvals", None, "Ask for approval", handler!(approvals::create)),
        person(
            M::GET,
            "/api/v1/approvals/{approval_id}",
            None,
            "One request for approval",
            handler!(approvals::get),
        ),
        person(
            M::POST,
            "/api/v1/approvals/{approval_id}/approve",
            decide,
            "Approve what somebody else asks for",
            handler!(approvals::approve),
        ),
        person(
            M::POST,
            "/api/v1/approvals/{approval_id}/deny",
            decide,
            "Deny what somebody else asks for",
            handler!(approvals::deny),
        ),
        person(
            M::POST,
            "/api/v1/approvals/{approval_id}/cancel",
            None,
            "Take one's own request back",
            handler!(approvals::cancel),
        ),
        person(
            M::POST,
            "/api/v1/approvals/{approval_id}/use",
            None,
            "Use one's own approved request up, for exactly what it was for",
            handler!(approvals::spend),
        ),
        person(
            M::GET,
            "/api/v1/approval-policies",
            decide,
            "What needs approval",
            handler!(approval_policies::list),
        ),
        person(
            M::POST,
            "/api/v1/approval-policies",
            admin,
            "Have something need approval",
            handler!(approval_policies::create),
        ),
        person(
            M::PATCH,
            "/api/v1/approval-policies/{policy_id}",
            admin,
            "Change what needs approval",
            handler!(approval_policies::patch),
        ),
        person(
            M::DELETE,
            "/api/v1/approval-policies/{policy_id}",
            admin,
            "Remove a policy of approvals",
            handler!(approval_policies::delete),
        ),
    ]
}
