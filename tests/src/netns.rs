//! A network namespace with a host of its own in it, whose cable can be pulled: packets are dropped
//! then, and nobody is told.

use std::process::Command;

use crate::{account::random, process, scratch};

/// A namespace and the pair of interfaces that joins it to ours. Taken back when the test process
/// ends.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    inside: String,
    address: String,
}

impl Namespace {
    /// Makes one. Needs root, as everything that makes networks.
    ///
    /// # Panics
    /// When the kernel doesn't let us.
    pub fn new() -> Self {
        let [a, b, c, d] = random::<4>();
        let name = format!("gp-{a:02x}{b:02x}{c:02x}{d:02x}");
        let (outside, inside) = (format!("{name}a"), format!("{name}b"));
        // 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
        let subnet = format!("198.{}.{b}.{}", 18 + (a & 1), c & 0xfc);
        let host = |last: u8| {
            let (net, low) = subnet.rsplit_once('.').expect("four numbers");
            format!("{net}.{}", low.parse::<u8>().expect("a byte") + last)
        };
        let (ours, theirs) = (host(1), host(2));
        scratch::at_exit(&format!("ip netns del {name} 2>/dev/null"));
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &outside, "type", "veth", "peer", "name", &inside, "netns", &name]);
        ip(&["addr", "add", &format!("{ours}/30"), "dev", &outside]);
        ip(&["link", "set", &outside, "up"]);
        ip(&["-n", &name, "addr", "add", &format!("{theirs}/30"), "dev", &inside]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        ip(&["-n", &name, "link", "set", &inside, "up"]);
        Self { name, inside, address: ours }
    }

    /// The address by which the namespace reaches us.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Pulls the cable.
    pub fn cut(&self) {
        ip(&["-n", &self.name, "link", "set", &self.inside, "down"]);
    }

    /// Plugs it in again.
    pub fn mend(&self) {
        ip(&["-n", &self.name, "link", "set", &self.inside, "up"]);
    }

    /// The same command, run inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped.args(["netns", "exec", &self.name]).arg(command.get_program());
        wrapped.args(command.get_args());
        wrapped
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

fn ip(arguments: &[&str]) {
    let finished = process::run(Command::new("ip").args(arguments));
    assert_eq!(finished.code, Some(0), "ip {arguments:?}: {finished:?}");
}
