//! Routes about a person's own account, and about how people of a tenant log in.

use http::Method;

use super::{open, person};
use crate::auth::Permission;
use crate::http::route::{Handler, OriginRule, Route};
use crate::http::{account, oidc, passkeys};

/// A route of one's own account that also those may use who have yet to enrol a second factor.
fn enrolling(method: Method, path: &'static str, summary: &'static str, handler: Handler) -> Route {
    Route { enrolling: true, ..person(method, path, None, summary, handler) }
}

pub(super) fn routes() -> Vec<Route> {
    use Method as M;
    let mut routes = vec![
        enrolling(M::GET, "/api/v1/account", "My account", handler!(account::get)),
        enrolling(
            M::POST,
            "/api/v1/account/totp",
            "A secret for one-time codes, shown once",
            handler!(account::offer_totp),
        ),
        enrolling(
            M::POST,
            "/api/v1/account/totp/confirm",
            "Turn one-time codes on by a first one",
            handler!(account::confirm_totp),
        ),
        enrolling(
            M::POST,
            "/api/v1/account/passkeys/offer",
            "What a browser makes a passkey from",
            handler!(passkeys::offer),
        ),
        enrolling(M::POST, "/api/v1/account/passkeys", "Add a passkey", handler!(passkeys::add)),
        Route {
            method: M::POST,
            origin: OriginRule::Ours,
            ..open(
                "/api/v1/auth/passkey/start",
                "What a browser signs to log in",
                handler!(passkeys::ask),
            )
        },
        Route {
            method: M::POST,
            origin: OriginRule::Ours,
            ..open("/api/v1/auth/passkey", "Log in by passkey", handler!(passkeys::log_in))
        },
        open("/api/v1/auth/methods", "How one may log in", handler!(oidc::methods)),
        open("/api/v1/auth/oidc/start", "Away to single sign-on", handler!(oidc::start)),
        open("/api/v1/auth/oidc/callback", "Back from single sign-on", handler!(oidc::callback)),
        person(M::GET, "/api/v1/account/passkeys", None, "My passkeys", handler!(passkeys::list)),
        person(
            M::PATCH,
            "/api/v1/account/passkeys/{passkey_id}",
            None,
            "Rename a passkey",
            handler!(passkeys::rename),
        ),
        person(
            M::DELETE,
            "/api/v1/account/passkeys/{passkey_id}",
            None,
            "Remove a passkey",
            handler!(passkeys::remove),
        ),
    ];
    routes.extend([
        person(
            M::POST,
            "/api/v1/account/totp/disable",
            None,
            "Turn one-time codes off",
            handler!(account::disable_totp),
        ),
        person(
            M::POST,
            "/api/v1/account/recovery-codes",
            None,
            "Other recovery codes, shown once",
            handler!(account::recovery_codes),
        ),
        person(
            M::POST,
            "/api/v1/account/password",
            None,
            "Change my password",
            handler!(account::change_password),
        ),
        person(
            M::POST,
            "/api/v1/account/sign-on",
            None,
            "Away to single sign-on, to link my account",
            handler!(oidc::link),
        ),
        person(
            M::POST,
            "/api/v1/account/sign-on/unlink",
            None,
            "Take the link of my account back",
            handler!(oidc::unlink),
        ),
        person(
            M::GET,
            "/api/v1/account/logins",
            None,
            "Where I am logged in",
            handler!(account::logins),
        ),
        person(
            M::DELETE,
            "/api/v1/account/logins/{login_id}",
            None,
            "End a login of mine",
            handler!(account::end_login),
        ),
        person(
            M::POST,
            "/api/v1/users/{user_id}/reset-second-factor",
            Some(Permission::UsersManage),
            "Take a user's second factors, who lost them",
            handler!(account::reset),
        ),
        person(
            M::GET,
            "/api/v1/settings/sign-in",
            Some(Permission::HostsRead),
            "How people of the tenant log in",
            handler!(account::policy),
        ),
        person(
            M::PUT,
            "/api/v1/settings/sign-in",
            Some(Permission::Admin),
            "Decide whether everybody needs a second factor",
            handler!(account::set_policy),
        ),
    ]);
    routes
}
