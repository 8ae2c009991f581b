//! Changes to hosts and their credentials.

use std::time::Duration;

use gangplank_proto::id::{HostId, TenantId};
use gangplank_proto::secret::Secret;
use ipnet::IpNet;

use super::{Auth, AuthError, Change, Credential};
use crate::audit::By;
use crate::clock::Timestamp;
use crate::import::{Import, Summary};
use crate::random;
use crate::store::{
    Accepted, Arrival, Enrolled, Enrolment, HostPatch, HostState, NewHost, NewProvisioningKey,
    StoreError,
};

/// Longest life of a provisioning key.
const LONGEST_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Networks of one provisioning key.
const NETWORKS: usize = 32;

/// Marks a provisioning key, so that it is told from other secrets when it turns up somewhere.
const TOKEN_PREFIX: &str = "gpt_";

/// A provisioning key to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// How many hosts it brings in: 1 to 10,000.
    pub uses: u32,
    /// How long it can be used: 30 days at most.
    pub life: Duration,
    /// Whether those hosts wait for a person's consent.
    pub approve: bool,
    /// Whether those hosts are forgotten when their agents stay away.
    pub ephemeral: bool,
    /// Labels that those hosts get.
    pub labels: Vec<String>,
    /// Networks from which it may be used; none means everywhere.
    pub networks: Vec<IpNet>,
}

/// A provisioning key, shown once.
#[derive(Debug, Clone)]
pub struct ProvisioningToken {
    /// The key: `gpt_` and 64 hex digits.
    pub token: Secret,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// A host that came in by a provisioning key.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its tenant.
    pub tenant: TenantId,
    /// The host.
    pub host: HostId,
    /// Whether it is let in at once.
    pub state: HostState,
    /// Its credential, shown once.
    pub credential: Credential,
}

impl Auth {
    /// Makes a host and its credential.
    ///
    /// # Errors
    /// When a field is not of its form.
    pub async fn create_host(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewHost,
    ) -> Result<(HostId, Credential), AuthError> {
        let credential = Credential::new()?;
        let enrolment = self.enrolment(&credential);
        let host = self.store.create_host(tenant, by, new, enrolment).await?;
        self.revocations.tell(Change::HostAdded(tenant, host));
        Ok((host, credential))
    }

    /// Gives a host another credential; whoever is connected with the old one is told to go. None
    /// when there is no such host.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn regenerate_credential(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
    ) -> Result<Option<Credential>, AuthError> {
        let credential = Credential::new()?;
        let key_hash = self.stored_form(&credential);
        let done = self.store.set_key(tenant, by, host, &credential.api_id, &key_hash).await?;
        Ok(self.told(done, Change::HostKeyChanged(tenant, host)).then_some(credential))
    }

    /// Changes what people entered about a host. False when there is no such host.
    ///
    /// # Errors
    /// When a field is not of its form.
    pub async fn patch_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        patch: HostPatch,
    ) -> Result<bool, AuthError> {
        let done = self.store.patch_host(tenant, by, host, patch).await?;
        Ok(self.told(done, Change::HostChanged(tenant, host)))
    }

    /// Lets a pending host in: as it is, or in the place of the known one that it says it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accept_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
        in_place: bool,
    ) -> Result<Accepted, AuthError> {
        let accepted = self.store.accept_host(tenant, by, host, in_place).await?;
        match accepted {
            Accepted::In => self.revocations.tell(Change::HostChanged(tenant, host)),
            Accepted::InPlaceOf(known) => {
                let change = Change::HostReplaced { tenant, pending: host, host: known };
                self.revocations.tell(change);
            }
            Accepted::NoHost | Accepted::Nobody => {}
        }
        Ok(accepted)
    }

    /// Removes a host; its agent and its terminals are told. False when there is no such host.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete_host(
        &self,
        tenant: TenantId,
        by: &By,
        host: HostId,
    ) -> Result<bool, AuthError> {
        let done = self.store.delete_host(tenant, by, host).await?;
        Ok(self.told(done, Change::HostRemoved(tenant, host)))
    }

    /// Makes a provisioning key.
    ///
    /// # Errors
    /// When uses or life are out of bounds.
    pub async fn create_token(
        &self,
        tenant: TenantId,
        by: &By,
        new: NewToken,
    ) -> Result<ProvisioningToken, AuthError> {
        if !(1..=10_000).contains(&new.uses) {
            return Err(StoreError::Invalid("uses takes 1 to 10000").into());
        }
        if new.life.is_zero() || new.life > LONGEST_TOKEN_LIFE {
            return Err(StoreError::Invalid("expires takes a duration of up to 30d").into());
        }
        if new.networks.len() > NETWORKS {
            return Err(StoreError::Invalid("a key takes 32 networks at most").into());
        }
        let token = Secret::new(format!("{TOKEN_PREFIX}{}", random::token()?.expose()));
        let expires_at = by.at.plus(new.life);
        let key = NewProvisioningKey {
            hash: random::token_hash(token.expose()),
            uses: new.uses,
            expires_at,
            approve: new.approve,
            ephemeral: new.ephemeral,
            labels: new.labels,
            networks: new.networks,
        };
        self.store.create_provisioning_key(tenant, by, key).await?;
        Ok(ProvisioningToken { token, expires_at })
    }

    /// Brings a host in by provisioning key.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] when the key can't be used, [`AuthError::Network`] when not from there.
    pub async fn enrol(&self, token: &str, arrival: Arrival) -> Result<Admitted, AuthError> {
        let hex = token.strip_prefix(TOKEN_PREFIX).unwrap_or_default();
        if hex.len() != 64 {
            return Err(AuthError::Invalid);
        }
        let credential = Credential::new()?;
        let (hash, enrolment) = (random::token_hash(token), self.enrolment(&credential));
        let enrolled = self.store.enrol(&hash, arrival, enrolment, self.clock.now()).await?;
        let (change, tenant, host, state) = match enrolled {
            Enrolled::No => return Err(AuthError::Invalid),
            Enrolled::WrongNetwork => return Err(AuthError::Network),
            Enrolled::New(tenant, host, state) => {
                (Change::HostAdded(tenant, host), tenant, host, state)
            }
            Enrolled::Again(tenant, host, state) => {
                (Change::HostKeyChanged(tenant, host), tenant, host, state)
            }
        };
        self.revocations.tell(change);
        Ok(Admitted { tenant, host, state, credential })
    }

    /// Brings hosts and users in from another server, all of them or none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn import(
        &self,
        tenant: TenantId,
        by: &By,
        import: Import,
        dry_run: bool,
    ) -> Result<Summary, AuthError> {
        let imported = self.store.import(tenant, by, import, dry_run).await?;
        if !dry_run {
            for host in imported.hosts {
                self.revocations.tell(Change::HostAdded(tenant, host));
            }
        }
        Ok(imported.summary)
    }

    fn enrolment(&self, credential: &Credential) -> Enrolment {
        Enrolment {
            api_id: credential.api_id.clone(),
            key_hash: self.stored_form(credential),
            state: HostState::Live,
            ephemeral: false,
        }
    }

    fn stored_form(&self, credential: &Credential) -> String {
        self.keys.stored_form(credential.api_id.as_str(), credential.api_key.expose())
    }
}
