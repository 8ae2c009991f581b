//! The provider of single sign-on.

use std::path::PathBuf;

use url::Url;

use super::Values;
use crate::config::{GroupRole, OidcConfig};

impl Values {
    pub(super) fn oidc(&mut self) -> Option<OidcConfig> {
        let roles = self.group_roles();
        let (issuer, client_id) = (self.text("oidc.issuer"), self.text("oidc.client_id"));
        let issuer = match (issuer, &client_id) {
            (Some(issuer), _) => issuer,
            (None, Some(_)) => {
                let fix = "name the provider's address";
                self.wrong("oidc.issuer", "oidc.client_id is given and oidc.issuer is not", fix);
                return None;
            }
            (None, None) => return None,
        };
        let https = Url::parse(&issuer).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        if !https {
            let reason = format!("{issuer:?} is not the address of a provider");
            self.wrong("oidc.issuer", &reason, "write https://NAME/PATH as the provider does");
        }
        let Some(client_id) = client_id else {
            let reason = "oidc.issuer is given and oidc.client_id is not";
            self.wrong("oidc.client_id", reason, "write the name that the provider gave us");
            return None;
        };
        Some(OidcConfig {
            issuer,
            client_id,
            client_secret: self.secret("oidc.client_secret"),
            scopes: self.list("oidc.scopes"),
            groups_claim: self.text("oidc.groups_claim").unwrap_or_default(),
            username_claim: self.text("oidc.username_claim").unwrap_or_default(),
            roles,
            create: self.switch("oidc.create"),
            label: self.text("oidc.label").unwrap_or_default(),
            ca: self.text("oidc.ca").map(PathBuf::from),
        })
    }

    fn group_roles(&mut self) -> Vec<GroupRole> {
        let mut roles = Vec::new();
        for text in self.list("oidc.roles") {
            // Groups may have any sign in their names, roles and tenants none of these.
            let Some((group, role)) = text.rsplit_once('=') else {
                let reason = format!("{text:?} names no group and role");
                let fix = "write [\"GROUP=ROLE\"], or [\"GROUP=TENANT/ROLE\"]";
                self.wrong("oidc.roles", &reason, fix);
                continue;
            };
            let (tenant, role) = match role.rsplit_once('/') {
                Some((tenant, role)) => (Some(tenant.trim().to_owned()), role),
                None => (None, role),
            };
            let (group, role) = (group.trim().to_owned(), role.trim().to_owned());
            roles.push(GroupRole { group, tenant, role });
        }
        roles
    }
}
