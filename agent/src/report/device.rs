//! Network interfaces and file systems.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use gangplank_proto::fact::FactText;
use gangplank_proto::report::{Disk, Interface};
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;
use nix::sys::statvfs::statvfs;

use crate::config::file;

/// File systems that are no disks of anybody.
const NOT_DISKS: [&str; 24] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// How the kinds of file systems begin that somebody else has to answer for.
const AFAR: [&str; 8] = ["nfs", "cifs", "smb", "fuse", "ceph", "9p", "afs", "glusterfs"];

pub(super) fn interfaces() -> Vec<Interface> {
    let Ok(found) = getifaddrs() else { return Vec::new() };
    let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in found {
        let name = entry.interface_name.clone();
        let interface = interfaces.entry(name).or_insert_with(|| Interface {
            name: entry.interface_name.as_str().into(),
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
            ..Interface::default()
        });
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            interface.mac = link.addr().filter(|mac| mac.iter().any(|b| *b != 0)).map(mac);
        } else if let Some(address) = ip(&address) {
            let prefix = entry.netmask.as_ref().and_then(ip).map_or(0, prefix);
            interface.addresses.push(format!("{address}/{prefix}").into());
        }
    }
    interfaces.into_values().collect()
}

fn mac(bytes: [u8; 6]) -> FactText {
    bytes.map(|byte| format!("{byte:02x}")).join(":").into()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|address| address.ip().into());
    four.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Length of a netmask.
fn prefix(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    }
}

/// All file systems.
pub(crate) fn disks() -> Vec<Disk> {
    mounted(|_| true)
}

/// Those that need nobody else to answer.
pub(crate) fn local_disks() -> Vec<Disk> {
    mounted(|kind| !AFAR.iter().any(|afar| kind.starts_with(afar)))
}

fn mounted(wanted: impl Fn(&str) -> bool) -> Vec<Disk> {
    let mounts = file::read(Path::new("/proc/self/mounts")).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut disks = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').map(unescaped);
        let (Some(device), Some(mount), Some(kind)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let root = mount == "/";
        let disk = !NOT_DISKS.contains(&kind.as_str()) && wanted(&kind);
        // A disk that is mounted again elsewhere is still one disk.
        if !(root || disk && seen.insert(device.clone())) {
            continue;
        }
        let Ok(space) = statvfs(Path::new(&mount)) else { continue };
        let block = space.fragment_size();
        if space.blocks() == 0 {
            continue;
        }
        disks.push(Disk {
            mount: mount.into(),
            device: device.into(),
            filesystem: kind.into(),
            size: space.blocks().saturating_mul(block),
            free: space.blocks_available().saturating_mul(block),
        });
    }
    disks
}

/// A field of fstab(5): white space in it is written in octal.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_mounts_are_read_as_fstab_has_them() {
        assert_eq!(unescaped("/mnt/my\\040disk"), "/mnt/my disk");
        assert_eq!(prefix(IpAddr::from([255, 255, 240, 0])), 20);
    }
}
