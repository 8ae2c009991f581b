//! Kinds of addresses.

use std::net::{IpAddr, Ipv6Addr};

/// Link-local addresses, among which cloud metadata services answer, and their IPv6 kin.
pub(super) fn is_never(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip == METADATA,
    }
}

/// The IPv6 address at which a large cloud serves instance metadata.
const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Loopback and private addresses, and those that translate to them.
pub(super) fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            ip.is_loopback() || ip.is_private() || shared
        }
        IpAddr::V6(ip) => {
            let translated = ip.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
            ip.is_loopback() || ip.is_unique_local() || translated
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_kind() {
        for never in ["169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.1"] {
            assert!(is_never(never.parse().unwrap()), "{never}");
        }
        for inner in ["127.0.0.1", "10.1.2.3", "192.168.0.1", "100.64.0.1", "::1", "fd00::1"] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["192.0.2.1", "2001:db8::1", "100.128.0.1"] {
            let ip = outer.parse().unwrap();
            assert!(!is_inner(ip) && !is_never(ip), "{outer}");
        }
    }
}
