//! Name constraints (RFC 5280 section 4.2.1.10): what an authority may vouch for.

use crate::names::{Name, Names};
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// The constraints of an authority for `names`: these, and of every other kind of name nothing.
/// (A permitted DNS name includes the names below it; the format knows no other way.)
pub(crate) fn of(names: &Names) -> NameConstraints {
    let permitted: Vec<_> = names
        .iter()
        .map(|name| match name {
            Name::Dns(name) => GeneralSubtree::DnsName(name.clone()),
            Name::Ip(IpAddr::V4(ip)) => ip_subtree(IpAddr::V4(*ip), 32),
            Name::Ip(IpAddr::V6(ip)) => ip_subtree(IpAddr::V6(*ip), 128),
        })
        .collect();
    // A kind of name without a permitted subtree is not constrained at all: exclude it whole.
    let mut excluded = Vec::new();
    if !names.iter().any(|name| matches!(name, Name::Dns(_))) {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    if !names.iter().any(|name| matches!(name, Name::Ip(IpAddr::V4(_)))) {
        excluded.push(ip_subtree(Ipv4Addr::UNSPECIFIED.into(), 0));
    }
    if !names.iter().any(|name| matches!(name, Name::Ip(IpAddr::V6(_)))) {
        excluded.push(ip_subtree(Ipv6Addr::UNSPECIFIED.into(), 0));
    }
    NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded }
}

fn ip_subtree(ip: IpAddr, prefix: u8) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, prefix))
}

/// What a certificate permits, as far as names of servers go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permitted {
    dns: Vec<String>,
    /// Address and mask, each 4 or 16 bytes.
    ips: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Permitted {
    /// Reads the permitted subtrees of `certificate`; none where it has no name constraints, since
    /// such an authority could vouch for everything and is never one of ours.
    pub(crate) fn read(certificate: &X509Certificate<'_>) -> Self {
        let mut permitted = Self::default();
        for extension in certificate.extensions() {
            let ParsedExtension::NameConstraints(constraints) = extension.parsed_extension() else {
                continue;
            };
            for subtree in constraints.permitted_subtrees.iter().flatten() {
                match &subtree.base {
                    GeneralName::DNSName(name) => permitted.dns.push(name.to_ascii_lowercase()),
                    GeneralName::IPAddress(bytes) => {
                        let (ip, mask) = bytes.split_at(bytes.len() / 2);
                        permitted.ips.push((ip.to_vec(), mask.to_vec()));
                    }
                    _ => {}
                }
            }
        }
        permitted
    }

    /// Those of `names` that are not permitted.
    pub(crate) fn missing<'a>(&self, names: &'a Names) -> Vec<&'a Name> {
        names.iter().filter(|name| !self.permits(name)).collect()
    }

    fn permits(&self, name: &Name) -> bool {
        match name {
            Name::Dns(name) => self.dns.iter().any(|base| {
                name.strip_suffix(base.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }),
            Name::Ip(IpAddr::V4(ip)) => self.permits_ip(&ip.octets()),
            Name::Ip(IpAddr::V6(ip)) => self.permits_ip(&ip.octets()),
        }
    }

    fn permits_ip(&self, ip: &[u8]) -> bool {
        self.ips.iter().any(|(base, mask)| {
            base.len() == ip.len()
                && base.iter().zip(ip).zip(mask).all(|((base, ip), mask)| base & mask == ip & mask)
        })
    }
}
