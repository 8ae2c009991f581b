//! The server certificate that the own authority issues; it lives in memory only.

use crate::authority::Authority;
use crate::error::AuthorityError;
use crate::identity::Identity;
use crate::names::{Name, Names};
use crate::provider;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// How long a leaf lives from the moment it is issued: 90 days.
pub const LEAF_LIFE: Duration = Duration::days(90);
/// Clients' clocks may be behind by this much.
const BACKDATED: Duration = Duration::HOUR;

/// A server certificate with a key of its own, issued by an [`Authority`].
#[derive(Clone, Debug)]
pub struct Leaf {
    identity: Arc<Identity>,
    renewal: OffsetDateTime,
}

impl Leaf {
    /// Issues a leaf for `names`: ECDSA P-256, valid from an hour ago for [`LEAF_LIFE`], at most
    /// as long as the authority itself.
    ///
    /// # Errors
    /// [`AuthorityError::NamesNotCovered`] when the authority can't vouch for a name, and when
    /// the library refuses to make a certificate.
    pub fn issue(
        authority: &Authority,
        names: &Names,
        now: OffsetDateTime,
    ) -> Result<Self, AuthorityError> {
        authority.check_names(names)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        for name in names.iter() {
            params.subject_alt_names.push(match name {
                Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                Name::Ip(ip) => SanType::IpAddress(*ip),
            });
        }
        // Not a name of a host on purpose: only the alternative names count.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Gangplank server");
        params.not_before = now - BACKDATED;
        params.not_after = (now + LEAF_LIFE).min(authority.until());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let (from, until) = (params.not_before, params.not_after);
        let certificate = params.signed_by(&key, authority.issuer())?;
        // The authority goes along, so that a client that knows only its fingerprint finds it.
        let chain = vec![certificate.der().clone(), authority.certificate().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(chain, key, &provider())?;
        Ok(Self {
            identity: Arc::new(Identity::of(Arc::new(key), from, until)),
            renewal: now + (until - now) * 2 / 3,
        })
    }

    /// Whether two thirds of its life are over, or the clock has gone back before its birth.
    #[must_use]
    pub fn needs_renewal(&self, now: OffsetDateTime) -> bool {
        now >= self.renewal || now < self.identity.from()
    }

    /// What is served.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }
}
