//! Routes that PatchMon's agents know: they are as they are there, and so are their answers.

use http::Method;

use super::open;
use crate::http::patchmon::{compliance, install, integration, report, setting, version};
use crate::http::route::{Credential, Handler, Kind, OriginRule, Route};

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    vec![
        agent(
            M::POST,
            "/api/v1/hosts/ping",
            "A PatchMon agent's sign of life",
            handler!(report::ping),
        ),
        agent(
            M::POST,
            "/api/v1/hosts/update",
            "A PatchMon agent's report",
            handler!(report::update),
        ),
        agent(
            M::GET,
            "/api/v1/settings/update-interval",
            "How often a PatchMon agent reports",
            handler!(setting::update_interval),
        ),
        agent(
            M::GET,
            "/api/v1/settings/auto-update",
            "Whether PatchMon agents fetch newer programs",
            handler!(setting::auto_update),
        ),
        agent(
            M::GET,
            "/api/v1/hosts/settings",
            "Whether a PatchMon agent fetches newer programs",
            handler!(setting::host),
        ),
        agent(M::GET, "/api/v1/hosts/info", "A PatchMon agent's own host", handler!(setting::info)),
        agent(
            M::GET,
            "/api/v1/hosts/integrations",
            "What a PatchMon agent looks into",
            handler!(setting::integrations),
        ),
        agent(
            M::GET,
            "/api/v1/hosts/agent/timestamp",
            "When PatchMon's agent was last changed here",
            handler!(version::timestamp),
        ),
        agent(
            M::GET,
            "/api/v1/hosts/agent/version",
            "The version of PatchMon's agent to be had",
            handler!(version::version),
        ),
        agent(
            M::GET,
            "/api/v1/hosts/agent/download",
            "PatchMon's agent, where the operator provides it",
            handler!(version::download),
        ),
        agent(
            M::POST,
            "/api/v1/hosts/integration-status",
            "How an integration of a PatchMon agent is",
            handler!(integration::status),
        ),
        agent(
            M::POST,
            "/api/v1/integrations/docker",
            "The containers of a PatchMon agent's host",
            handler!(integration::docker),
        ),
        agent(
            M::POST,
            "/api/v1/compliance/scans",
            "Scans of a PatchMon agent's host",
            handler!(compliance::scans),
        ),
        agent(
            M::GET,
            "/api/v1/hosts/install",
            "Sets PatchMon's agent up for this server",
            handler!(install::script),
        ),
        Route {
            method: M::POST,
            ..open(
                "/api/v1/hosts/bootstrap/exchange",
                "A host's credential for a one-time token of its script",
                handler!(install::exchange),
            )
        },
        open("/api/v1/hosts/remove", "Takes PatchMon's agent away", handler!(install::remove)),
    ]
}

fn agent(method: Method, path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route {
        method,
        kind: Kind::Agent,
        origin: OriginRule::Absent,
        credentials: &[Credential::AgentKey],
        ..open(path, summary, handler)
    }
}
