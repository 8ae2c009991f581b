//! Doing what is asked for.

use std::sync::Arc;
use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use serde::{Deserialize, Serialize};

use super::{
    Finding, HostLine, NewHostLine, Request, Response, Status, TenantLine, TokenLine, UserLine,
};
use crate::audit::{Actor, By, Entry};
use crate::auth::{Auth, AuthError, NewToken, PLATFORM_ROLE, Username};
use crate::clock::Clock;
use crate::fleet;
use crate::random;
use crate::registry::Registry;
use crate::store::{
    AuditVerdict, Grant, NewHost, PageRequest, Store, StoreError, TenantPatch, User,
};

/// What only a running daemon knows about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Live {
    /// Where its console is.
    pub url: String,
    /// Agents that are connected.
    pub agents: usize,
    /// Terminals that are open or detached.
    pub terminals: usize,
}

/// Does administrative requests for the first tenant. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    auth: Auth,
    clock: Clock,
    tenant: TenantId,
    live: Option<Arc<dyn Fn() -> Live + Send + Sync>>,
    /// Who is here; nobody while no daemon runs.
    registry: Arc<Registry>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Why a request was not done, for people.
#[derive(Debug, thiserror::Error)]
enum ExecuteError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] random::RandomError),
    #[error("there is no user {0}")]
    NoUser(Username),
    #[error("there is no tenant {0:?}")]
    NoTenant(String),
    #[error("there is no host {0:?}")]
    NoHost(String),
    #[error("several hosts are called {0:?}: give the id")]
    Ambiguous(String),
}

impl Admin {
    /// Works on a store and tells changes through `auth`.
    #[must_use]
    pub fn new(store: Store, auth: Auth, clock: Clock, tenant: TenantId) -> Self {
        Self { store, auth, clock, tenant, live: None, registry: Arc::default() }
    }

    /// With what a running daemon can tell of itself.
    #[must_use]
    pub fn with_live(
        mut self,
        registry: Arc<Registry>,
        live: impl Fn() -> Live + Send + Sync + 'static,
    ) -> Self {
        self.registry = registry;
        self.live = Some(Arc::new(live));
        self
    }

    /// Does a request for the operating system's user `uid`, who is allowed to.
    pub async fn execute(&self, uid: u32, request: Request) -> Response {
        let by = By { actor: Actor::Operator(uid), source: None, at: self.clock.now() };
        match self.try_execute(&by, request).await {
            Ok(response) => response,
            Err(error) => Response::Failed { message: error.to_string() },
        }
    }

    async fn try_execute(&self, by: &By, request: Request) -> Result<Response, ExecuteError> {
        match request {
            Request::Check => {
                self.store.check().await?;
                Ok(Response::Done)
            }
            Request::Status => Ok(Response::Status(Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                pid: std::process::id(),
                live: self.live.as_ref().map(|live| live()),
            })),
            Request::Doctor => Ok(Response::Findings { findings: self.examine().await? }),
            Request::UserAdd { username, password, roles } => {
                self.auth.create_user(self.tenant, by, username, &password, roles).await?;
                Ok(Response::Done)
            }
            Request::UserPasswd { username, password } => {
                let user = self.user(&username).await?.ok_or(ExecuteError::NoUser(username))?;
                self.auth.set_password(self.tenant, by, user.id, &password).await?;
                Ok(Response::Done)
            }
            Request::UserDisable { username, disabled } => {
                let user = self.user(&username).await?.ok_or(ExecuteError::NoUser(username))?;
                self.auth.set_disabled(self.tenant, by, user.id, disabled).await?;
                Ok(Response::Done)
            }
            Request::UserList => self.users().await,
            Request::RecoverAccess { username } => self.recover(by, username).await,
            Request::HostAdd { friendly_name, address, port, gateway, labels } => {
                let gateway = match gateway {
                    Some(gateway) => Some(self.host(&gateway).await?),
                    None => None,
                };
                let new = NewHost { friendly_name, address, port, gateway, labels };
                let (id, credential) = self.auth.create_host(self.tenant, by, new).await?;
                Ok(Response::Host(NewHostLine {
                    id: id.to_string(),
                    api_id: credential.api_id.to_string(),
                    api_key: credential.api_key,
                }))
            }
            Request::HostList => self.hosts().await,
            Request::HostRemove { host } => {
                let id = self.host(&host).await?;
                if !self.auth.delete_host(self.tenant, by, id).await? {
                    return Err(ExecuteError::NoHost(host));
                }
                Ok(Response::Done)
            }
            Request::TokenCreate { uses, life, approve, ephemeral, labels, networks } => {
                let life = Duration::from_secs(life);
                let new = NewToken { uses, life, approve, ephemeral, labels, networks };
                let made = self.auth.create_token(self.tenant, by, new).await?;
                let (token, expires_at) = (made.token, made.expires_at);
                Ok(Response::Token(TokenLine { token, expires_at }))
            }
            Request::Import { import, dry_run } => {
                let summary = self.auth.import(self.tenant, by, import, dry_run).await?;
                Ok(Response::Imported(summary))
            }
            Request::Within { tenant, wanted } => {
                let within = Self { tenant: self.tenant(&tenant).await?, ..self.clone() };
                Box::pin(within.try_execute(by, *wanted)).await
            }
            Request::TenantAdd { name } => {
                self.store.create_tenant(by, &name).await?;
                Ok(Response::Done)
            }
            Request::TenantList => self.tenants().await,
            Request::TenantActive { tenant, active } => {
                let patch = TenantPatch { active: Some(active), ..TenantPatch::default() };
                self.auth.patch_tenant(by, self.tenant(&tenant).await?, patch).await?;
                Ok(Response::Done)
            }
            Request::TenantRemove { tenant } => {
                self.auth.delete_tenant(by, self.tenant(&tenant).await?).await?;
                Ok(Response::Done)
            }
            Request::Backup => {
                let name = format!("backup-{}.db", hex::encode(random::bytes::<8>()?));
                let file = self.store.directory().path().join(name);
                self.store.audit(by, Entry::done(self.tenant, "store.backup", "store")).await?;
                self.store.backup(&file).await?;
                Ok(Response::Backup { file })
            }
        }
    }

    async fn user(&self, username: &Username) -> Result<Option<User>, StoreError> {
        self.store.user_named(self.tenant, username).await
    }

    async fn tenant(&self, called: &str) -> Result<TenantId, ExecuteError> {
        let tenant = self.store.tenant_called(called).await?;
        let unknown = || ExecuteError::NoTenant(called.to_owned());
        Ok(tenant.ok_or_else(unknown)?.id)
    }

    async fn tenants(&self) -> Result<Response, ExecuteError> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.store.tenants(&PageRequest { limit: Some(500), cursor }).await?;
            items.extend(page.items.into_iter().map(|counts| TenantLine {
                id: counts.tenant.id.to_string(),
                name: counts.tenant.name,
                active: counts.tenant.active,
                hosts: counts.hosts,
                users: counts.users,
            }));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Response::Tenants { items });
            }
        }
    }

    async fn recover(&self, by: &By, username: Username) -> Result<Response, ExecuteError> {
        // Whoever has the machine looks after tenants too, in the tenant where that is done.
        let mut roles = vec!["admin".to_owned()];
        let platform = self.store.role(self.tenant, PLATFORM_ROLE.0).await?;
        roles.extend(platform.map(|role| role.name));
        let password = random::password()?;
        let name = username.to_string();
        match self.user(&username).await? {
            None => {
                self.auth.create_user(self.tenant, by, username, &password, roles).await?;
            }
            Some(user) => {
                let mut grants = user.roles;
                grants.retain(|grant| !roles.contains(&grant.role));
                grants.extend(roles.into_iter().map(Grant::from));
                self.auth.set_roles(self.tenant, by, user.id, &grants).await?;
                self.auth.set_disabled(self.tenant, by, user.id, false).await?;
                // Whoever has to recover access has not got the second factor either.
                self.auth.reset_second_factors(self.tenant, by, user.id).await?;
                self.auth.set_password(self.tenant, by, user.id, &password).await?;
            }
        }
        Ok(Response::Password { username: name, password })
    }

    async fn users(&self) -> Result<Response, ExecuteError> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let request = PageRequest { limit: Some(500), cursor };
            let page = self.store.users(self.tenant, &request).await?;
            items.extend(page.items.into_iter().map(|user| UserLine {
                id: user.id.to_string(),
                username: user.username,
                disabled: user.disabled,
                roles: user.roles.into_iter().map(|grant| grant.role).collect(),
                last_login_at: user.last_login_at,
            }));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Response::Users { items });
            }
        }
    }

    async fn hosts(&self) -> Result<Response, ExecuteError> {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let request = PageRequest { limit: Some(500), cursor };
            let page = self.store.hosts(self.tenant, &request).await?;
            items.extend(page.items.into_iter().map(|host| HostLine {
                status: fleet::Status::of(&host, self.registry.of_host(host.id).as_deref()),
                id: host.id.to_string(),
                friendly_name: host.friendly_name,
                api_id: host.api_id.to_string(),
                address: host.address,
                port: host.port,
                labels: host.labels,
                last_seen_at: host.last_seen_at,
            }));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(Response::Hosts { items });
            }
        }
    }

    /// A host by id, or by a name that only one has.
    async fn host(&self, wanted: &str) -> Result<HostId, ExecuteError> {
        if let Ok(id) = wanted.parse() {
            return Ok(id);
        }
        let Response::Hosts { items } = self.hosts().await? else {
            return Err(ExecuteError::NoHost(wanted.to_owned()));
        };
        let mut named = items.iter().filter(|host| host.friendly_name == wanted);
        match (named.next().map(|host| host.id.parse()), named.next()) {
            (Some(Ok(id)), None) => Ok(id),
            (Some(_), Some(_)) => Err(ExecuteError::Ambiguous(wanted.to_owned())),
            _ => Err(ExecuteError::NoHost(wanted.to_owned())),
        }
    }

    async fn examine(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        findings.push(match self.store.check().await {
            Ok(()) => Finding::good("database", "takes writes"),
            Err(error) => Finding::bad("database", error.to_string(), "free or extend the disk"),
        });
        findings.push(match self.store.verify_audit().await? {
            AuditVerdict::Whole { rows } => Finding::good("audit", format!("{rows} rows, whole")),
            AuditVerdict::BrokenAt { seq } => Finding::bad(
                "audit",
                format!("row {seq} was changed or removed after it was written"),
                "find out who had access to the database; compare with a backup",
            ),
        });
        findings.push(if self.store.has_users().await? {
            Finding::good("users", "somebody can log in")
        } else {
            Finding::bad("users", "there are none", "gangplankd user add NAME --role admin")
        });
        Ok(findings)
    }
}
