//! From what a provider signed to an account here. An account is found by issuer and subject,
//! never by a name or an e-mail address, which people can choose.

use std::net::IpAddr;

use gangplank_proto::id::TenantId;
use serde_json::Value;

use super::OidcError;
use super::provider::Claims;
use crate::app::App;
use crate::audit::{Actor, By};
use crate::auth::{AuthError, CookieLogin, Principal, Username};
use crate::config::{GroupRole, OidcConfig};
use crate::store::{External, Grant, StoreError};

/// Most groups of one person that are looked at.
const MOST_GROUPS: usize = 1000;

/// Lets a person in, with the roles of their groups.
pub(super) async fn enter(
    app: &App,
    config: &OidcConfig,
    claims: &Claims,
    tenant: Option<&str>,
    source: IpAddr,
) -> Result<CookieLogin, OidcError> {
    let groups = groups(&claims.all, &config.groups_claim);
    let wanted = app.store.external_identity(&config.issuer, &claims.subject).await?;
    let External { person, linked } = match wanted {
        Some(known) => known,
        None => create(app, config, claims, &groups, source).await?,
    };
    // Whose account it was before it was linked keeps the roles that they were given here.
    if !config.roles.is_empty() && !linked {
        let roles = roles_in(app, config, &groups, person.tenant).await?;
        if roles.is_empty() {
            return Err(OidcError::NoAccess);
        }
        let roles: Vec<_> = roles.into_iter().map(Grant::from).collect();
        let had = app.store.user(person.tenant, person.user).await?;
        if had.is_some_and(|user| user.roles != roles) {
            let by = By {
                actor: Actor::User(person.username.clone()),
                source: Some(source),
                at: app.clock.now(),
            };
            match app.auth.set_roles(person.tenant, &by, person.user, &roles).await {
                // Who was the last administrator and is none any more comes in as neither.
                Err(AuthError::Store(StoreError::Refused(_))) => return Err(OidcError::NoAccess),
                done => done?,
            };
        }
    }
    Ok(app.auth.external_login(person, tenant, source).await?)
}

/// Links the account of somebody who is logged in still to whom the provider says that they are.
pub(super) async fn link(
    app: &App,
    config: &OidcConfig,
    claims: &Claims,
    who: &Principal,
    source: IpAddr,
) -> Result<(), OidcError> {
    let who = app.auth.recheck(who).await?.ok_or(OidcError::Foreign)?;
    let by = who.by(Some(source), app.clock.now());
    let linked = app.store.link_identity(who.account, &by, &config.issuer, &claims.subject).await;
    linked.map_err(|error| match error {
        StoreError::Exists(_) => OidcError::Linked,
        error => error.into(),
    })
}

async fn create(
    app: &App,
    config: &OidcConfig,
    claims: &Claims,
    groups: &[&str],
    source: IpAddr,
) -> Result<External, OidcError> {
    if !config.create {
        return Err(OidcError::NoAccess);
    }
    let tenant = match config.roles.iter().find(|rule| groups.contains(&rule.group.as_str())) {
        Some(rule) => tenant_of(app, rule).await?.ok_or(OidcError::NoAccess)?,
        None if config.roles.is_empty() => app.first_tenant,
        None => return Err(OidcError::NoAccess),
    };
    let name = claims.all.get(&config.username_claim).and_then(Value::as_str);
    let name: Username = name.and_then(|name| name.parse().ok()).ok_or(OidcError::Name)?;
    let roles = roles_in(app, config, groups, tenant).await?;
    let by = By { actor: Actor::User(name.to_string()), source: Some(source), at: app.clock.now() };
    let made = app
        .store
        .create_external_user(tenant, &by, &config.issuer, &claims.subject, name, roles)
        .await;
    match made {
        Ok(()) => {}
        Err(StoreError::Exists(_)) => return Err(OidcError::Name),
        Err(error) => return Err(error.into()),
    }
    let found = app.store.external_identity(&config.issuer, &claims.subject).await?;
    found.ok_or(OidcError::NoAccess)
}

/// The roles that groups lead to in a tenant, sorted.
async fn roles_in(
    app: &App,
    config: &OidcConfig,
    groups: &[&str],
    tenant: TenantId,
) -> Result<Vec<String>, OidcError> {
    let mut roles = Vec::new();
    for rule in config.roles.iter().filter(|rule| groups.contains(&rule.group.as_str())) {
        if tenant_of(app, rule).await? == Some(tenant) {
            roles.push(rule.role.clone());
        }
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

async fn tenant_of(app: &App, rule: &GroupRole) -> Result<Option<TenantId>, StoreError> {
    match &rule.tenant {
        None => Ok(Some(app.first_tenant)),
        Some(name) => app.store.tenant_named(name).await,
    }
}

/// The groups of a claim that is a list of texts, or one text.
fn groups<'a>(claims: &'a serde_json::Map<String, Value>, claim: &str) -> Vec<&'a str> {
    match claims.get(claim) {
        Some(Value::Array(groups)) => {
            groups.iter().take(MOST_GROUPS).filter_map(Value::as_str).collect()
        }
        Some(Value::String(group)) => vec![group],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_texts() {
        let claims = serde_json::json!({ "a": ["x", 1, "y"], "b": "z", "c": { "x": 1 } });
        let claims = claims.as_object().cloned().unwrap_or_default();
        assert_eq!(groups(&claims, "a"), ["x", "y"]);
        assert_eq!(groups(&claims, "b"), ["z"]);
        assert!(groups(&claims, "c").is_empty() && groups(&claims, "d").is_empty());
    }
}
