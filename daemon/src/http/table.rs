//! The route table: every route of the daemon, and nothing that isn't here answers.

macro_rules! handler {
    ($function:path) => {
        (|app, call| Box::pin($function(app, call))) as Handler
    };
}

mod account;
mod approvals;
mod channels;
mod claims;
mod compliance;
mod inbox;
mod jobs;
mod patchmon;
mod people;
mod security;
mod telemetry;
mod webhooks;

use std::sync::LazyLock;

use http::Method;

use super::route::{Credential, Handler, Kind, OriginRule, PERSON, Route};
use super::{
    agent, audit, board, console, devices, host_keys, hosts, install, login, openapi, public,
    release, sessions, settings, terminal, tickets, users,
};
use crate::auth::Permission;

/// Credentials of the terminal socket, in the order in which they decide.
const TERMINAL: &[Credential] =
    &[Credential::Ticket, Credential::QueryToken, Credential::Bearer, Credential::Cookie];

/// Credentials of the channels, in the order in which they decide.
const CHANNEL: &[Credential] =
    &[Credential::Cookie, Credential::Bearer, Credential::QueryToken, Credential::Ticket];

/// Credentials of the board, which also has a cookie of its own.
const BOARD: &[Credential] = &[
    Credential::Cookie,
    Credential::BoardCookie,
    Credential::Bearer,
    Credential::QueryToken,
    Credential::Ticket,
];

fn open(path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::GET,
        path,
        kind: Kind::Public,
        origin: OriginRule::Any,
        credentials: &[],
        enrolling: false,
        permission: None,
        summary,
        handler,
    }
}

fn person(
    method: Method,
    path: &'static str,
    permission: Option<Permission>,
    summary: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        kind: Kind::Person,
        origin: OriginRule::OursWithCookie,
        credentials: PERSON,
        enrolling: false,
        permission,
        summary,
        handler,
    }
}

fn device(method: Method, path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route {
        method,
        kind: Kind::Agent,
        origin: OriginRule::Absent,
        credentials: &[Credential::DeviceKey],
        ..open(path, summary, handler)
    }
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    use Method as M;
    use Permission::{AuditRead, CanManageHosts, HostsRead, UsersManage};
    let manage = Some(CanManageHosts);
    let read = Some(HostsRead);
    let users = Some(UsersManage);
    let mut routes = vec![
        open("/healthz", "Whether the process runs", handler!(public::health)),
        open("/readyz", "Whether the store answers", handler!(public::ready)),
        open("/ca.pem", "The daemon's own certificate authority", handler!(public::ca)),
        open("/api/v1/trust", "What a person needs to trust the daemon", handler!(public::trust)),
        open("/api/v1/openapi.json", "This document", handler!(openapi::document)),
        open("/install.sh", "Installs the agent on a host", handler!(install::script)),
        open("/api/v1/agent/download", "The agent's program", handler!(release::download)),
        open("/api/v1/agent/manifest", "What was signed of it", handler!(release::manifest)),
        open("/api/v1/agent/signature", "Who signed that", handler!(release::signature)),
        open("/", "The console", handler!(console::page)),
        open("/{*path}", "The console", handler!(console::asset)),
        Route {
            origin: OriginRule::Ours,
            method: M::POST,
            ..open("/api/v1/auth/login", "Log in, for a browser", handler!(login::login))
        },
        Route {
            method: M::POST,
            ..open("/api/v1/auth/token", "Get an access token", handler!(login::token))
        },
        Route {
            enrolling: true,
            ..person(M::POST, "/api/v1/auth/logout", None, "Log out", handler!(login::logout))
        },
        Route {
            enrolling: true,
            ..person(M::GET, "/api/v1/auth/me", None, "Who I am", handler!(login::me))
        },
        person(
            M::POST,
            "/api/v1/auth/ssh-ticket",
            manage,
            "A ticket for a terminal socket",
            handler!(tickets::terminal),
        ),
        person(
            M::POST,
            "/api/v1/auth/ws-ticket",
            None,
            "A ticket for a channel's socket",
            handler!(tickets::channel),
        ),
        person(M::GET, "/api/v1/hosts", read, "List hosts", handler!(hosts::list)),
        person(M::POST, "/api/v1/hosts", manage, "Add a host", handler!(hosts::create)),
        person(M::GET, "/api/v1/hosts/{host_id}", read, "One host", handler!(hosts::get)),
        person(
            M::PATCH,
            "/api/v1/hosts/{host_id}",
            manage,
            "Change a host",
            handler!(hosts::patch),
        ),
        person(
            M::DELETE,
            "/api/v1/hosts/{host_id}",
            manage,
            "Remove a host",
            handler!(hosts::delete),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/status",
            read,
            "A host's presence",
            handler!(hosts::status),
        ),
        person(
            M::POST,
            "/api/v1/hosts/{host_id}/regenerate-credentials",
            manage,
            "Give a host's agent another credential",
            handler!(hosts::regenerate),
        ),
        person(
            M::POST,
            "/api/v1/hosts/{host_id}/accept",
            manage,
            "Let a pending host in",
            handler!(hosts::accept),
        ),
        person(
            M::GET,
            "/api/v1/hosts/{host_id}/host-keys",
            read,
            "A host's known SSH keys",
            handler!(host_keys::list),
        ),
        person(
            M::DELETE,
            "/api/v1/hosts/{host_id}/host-keys/{key_id}",
            manage,
            "Forget a host key",
            handler!(host_keys::delete),
        ),
        person(
            M::POST,
            "/api/v1/hosts/{host_id}/host-keys/accept-attested",
            manage,
            "Accept the other keys that a host's agent reports",
            handler!(host_keys::accept),
        ),
        person(
            M::POST,
            "/api/v1/enrolment-tokens",
            manage,
            "A provisioning key and the line that installs an agent with it",
            handler!(devices::create_token),
        ),
        person(
            M::GET,
            "/api/v1/enrolment-tokens",
            manage,
            "Provisioning keys that can still be used",
            handler!(devices::tokens),
        ),
        person(
            M::DELETE,
            "/api/v1/enrolment-tokens/{token_id}",
            manage,
            "Withdraw a provisioning key",
            handler!(devices::delete_token),
        ),
        person(M::GET, "/api/v1/sessions", manage, "List terminals", handler!(sessions::list)),
        person(
            M::GET,
            "/api/v1/sessions/{session_id}",
            manage,
            "One terminal",
            handler!(sessions::get),
        ),
        person(
            M::DELETE,
            "/api/v1/sessions/{session_id}",
            manage,
            "End a terminal",
            handler!(sessions::end),
        ),
        person(
            M::GET,
            "/api/v1/settings",
            read,
            "What the tenant decided for itself",
            handler!(settings::get),
        ),
        person(
            M::PATCH,
            "/api/v1/settings",
            Some(Permission::Admin),
            "Change how long terminals live without a viewer",
            handler!(settings::patch),
        ),
        person(M::GET, "/api/v1/users", users, "List users", handler!(users::list)),
        person(M::POST, "/api/v1/users", users, "Add a user", handler!(users::create)),
        person(M::PATCH, "/api/v1/users/{user_id}", users, "Change a user", handler!(users::patch)),
        person(M::GET, "/api/v1/audit", Some(AuditRead), "The audit", handler!(audit::list)),
        Route {
            kind: Kind::Agent,
            origin: OriginRule::Absent,
            credentials: &[Credential::ProvisioningKey],
            ..person(
                M::POST,
                "/api/v1/devices/register",
                None,
                "Enrol a host by a provisioning key",
                handler!(devices::register),
            )
        },
    ];
    routes.extend(jobs::routes());
    routes.extend(account::routes());
    routes.extend(approvals::routes());
    routes.extend(inbox::routes());
    routes.extend(claims::routes());
    routes.extend(compliance::routes());
    routes.extend(self::telemetry::routes());
    routes.extend(patchmon::routes());
    routes.extend(webhooks::routes());
    routes.extend(people::routes());
    routes.extend(security::routes());
    routes.push(Route {
        kind: Kind::AgentSocket,
        origin: OriginRule::Absent,
        credentials: &[Credential::AgentKey],
        ..open("/api/v1/agents/ws", "An agent's link", handler!(agent::link))
    });
    routes.push(Route {
        kind: Kind::PersonSocket,
        origin: OriginRule::Ours,
        credentials: TERMINAL,
        permission: manage,
        ..open("/api/v1/ssh-terminal/{host_id}", "A terminal", handler!(terminal::socket))
    });
    routes.extend(channels::routes());
    routes.push(Route {
        kind: Kind::PersonSocket,
        origin: OriginRule::Ours,
        credentials: BOARD,
        permission: Some(Permission::JobsRead),
        ..open("/bullboard", "All jobs, live", handler!(board::socket))
    });
    routes
});

/// Every route.
#[must_use]
pub fn routes() -> &'static [Route] {
    &ROUTES
}
