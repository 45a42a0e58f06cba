//! What is configured and what the kernel has → the steps that are missing.

use manifest::{
    network::{AddressWithPrefix, Link},
    services::{LinkStatus, Network},
};
use std::net::Ipv4Addr;

/// A link as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelLink {
    /// Its number; a link that goes and comes back has another one.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it was told to be up.
    pub up: bool,
    /// Whether there is a peer at the other end of the wire.
    pub carrier: bool,
}

/// What the kernel has, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kernel {
    /// The links.
    pub links: Vec<KernelLink>,
    /// Addresses with the links they are on.
    pub addresses: Vec<(u32, AddressWithPrefix)>,
    /// IPv4 default routes with the links they lead over.
    pub gateways: Vec<(u32, Ipv4Addr)>,
}

/// One change to ask of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Put an address on a link.
    Address(AddressWithPrefix),
    /// Set a link up.
    Up,
    /// Set the default route over a link.
    Gateway(Ipv4Addr),
}

/// Steps that bring the link `index` to what is configured, in the order that the kernel wants: a route needs its link
/// up and an address of the gateway's network.
pub fn missing(wanted: &Link, link: &KernelLink, kernel: &Kernel) -> Vec<Step> {
    let here = |index: u32| index == link.index;
    let has = |address: &AddressWithPrefix| kernel.addresses.iter().any(|(index, found)| here(*index) && found == address);
    let addresses = wanted.addresses.iter().filter(|address| !has(address)).map(|address| Step::Address(*address));
    let up = (!link.up).then_some(Step::Up);
    let gateway = wanted.gateway.filter(|gateway| !kernel.gateways.contains(&(link.index, *gateway))).map(Step::Gateway);
    addresses.chain(up).chain(gateway).collect()
}

/// One line about each link, for people.
pub fn described(kernel: &Kernel) -> Vec<String> {
    let line = |link: &KernelLink| {
        let mut line = format!("{}: {}", link.name, if link.up { "up" } else { "down" });
        if link.up && !link.carrier {
            line.push_str(", no carrier");
        }
        for (_, address) in kernel.addresses.iter().filter(|(index, _)| *index == link.index) {
            line.push_str(&format!(", {}/{}", address.address, address.prefix));
        }
        for (_, gateway) in kernel.gateways.iter().filter(|(index, _)| *index == link.index) {
            line.push_str(&format!(", default via {gateway}"));
        }
        line
    };
    kernel.links.iter().take(LINKS_SHOWN).map(line).collect()
}

/// The same for programs, without the loopback, which leads nowhere.
pub fn status(kernel: &Kernel) -> Network {
    let one = |link: &KernelLink| LinkStatus {
        name: link.name.clone(),
        up: link.up,
        carrier: link.carrier,
        addresses: kernel
            .addresses
            .iter()
            .filter(|(index, _)| *index == link.index)
            .map(|(_, address)| format!("{}/{}", address.address, address.prefix))
            .take(ADDRESSES_SHOWN)
            .collect(),
        default_route: kernel.gateways.iter().any(|(index, _)| *index == link.index),
    };
    Network { links: kernel.links.iter().filter(|link| link.name != "lo").take(LINKS_FOR_APPS).map(one).collect() }
}

/// Links that apps are told of: they fit into a packet of theirs.
const LINKS_FOR_APPS: usize = 16;
/// Addresses of each.
const ADDRESSES_SHOWN: usize = 8;

/// Links that are described: a board has a handful, each app with network rights one more, and a packet is bounded.
const LINKS_SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> AddressWithPrefix {
        text.to_owned().try_into().unwrap()
    }

    fn wanted() -> Link {
        Link { name: "eth0".into(), addresses: vec![address("10.0.2.15/24"), address("fd00::15/64")], gateway: Some(GATEWAY) }
    }

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

    fn link(up: bool) -> KernelLink {
        KernelLink { index: 2, name: "eth0".into(), up, carrier: up }
    }

    #[test]
    fn a_bare_link_gets_addresses_then_up_then_the_route() {
        let steps = missing(&wanted(), &link(false), &Kernel::default());
        let expected =
            [Step::Address(address("10.0.2.15/24")), Step::Address(address("fd00::15/64")), Step::Up, Step::Gateway(GATEWAY)];
        assert_eq!(steps, expected);
    }

    #[test]
    fn a_link_that_is_right_is_left_alone() {
        let kernel = Kernel {
            links: vec![link(true)],
            addresses: vec![(2, address("10.0.2.15/24")), (2, address("fd00::15/64")), (2, address("fe80::1/64"))],
            gateways: vec![(2, GATEWAY)],
        };
        assert_eq!(missing(&wanted(), &link(true), &kernel), []);
    }

    #[test]
    fn the_same_address_on_another_link_does_not_count() {
        let kernel = Kernel { addresses: vec![(3, address("10.0.2.15/24"))], gateways: vec![(3, GATEWAY)], ..Kernel::default() };
        assert_eq!(missing(&wanted(), &link(true), &kernel).len(), 3);
    }

    #[test]
    fn a_link_is_described_in_one_line() {
        let kernel = Kernel {
            links: vec![KernelLink { carrier: false, ..link(true) }],
            addresses: vec![(2, address("10.0.2.15/24"))],
            gateways: vec![(2, GATEWAY)],
        };
        assert_eq!(described(&kernel), ["eth0: up, no carrier, 10.0.2.15/24, default via 10.0.2.2"]);
    }
}
