//! Carries the plan out, again and again, and says what went wrong once and not each time.

use crate::{
    netlink::{Netlink, NetlinkError},
    plan::{self, Kernel, KernelLink, Step},
};
use linux::{files::chain, log};
use manifest::{
    network::{Link, NetworkConfig},
    services::Network,
};
use std::collections::BTreeMap;

/// Keeps links as they are configured.
pub struct Keeper {
    config: NetworkConfig,
    netlink: Netlink,
    /// What was last said of each configured link.
    said: BTreeMap<String, Condition>,
}

/// How a configured link is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Missing,
    Configured,
    Failed(String),
}

/// Whether everything is as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is missing.
    Complete,
    /// Something is missing; look again in a while.
    Incomplete,
}

impl Keeper {
    /// Keeps `config` through `netlink`.
    pub fn new(config: NetworkConfig, netlink: Netlink) -> Self {
        Self { config, netlink, said: BTreeMap::new() }
    }

    /// Looks at the kernel and does what is missing.
    pub fn tend(&mut self) -> Outcome {
        let kernel = match self.netlink.look() {
            Ok(kernel) => kernel,
            Err(error) => {
                log::error(chain(&error));
                return Outcome::Incomplete;
            }
        };
        let mut outcome = Outcome::Complete;
        for wanted in self.config.links.clone() {
            let condition = match kernel.links.iter().find(|link| link.name == wanted.name) {
                None => Condition::Missing,
                Some(link) => match self.carry_out(&wanted, link, &kernel) {
                    Ok(()) => Condition::Configured,
                    Err(error) => Condition::Failed(chain(&error)),
                },
            };
            if condition != Condition::Configured {
                outcome = Outcome::Incomplete;
            }
            self.say(&wanted, condition);
        }
        outcome
    }

    /// One line about each link.
    pub fn describe(&mut self) -> Result<Vec<String>, NetlinkError> {
        let mut lines = plan::described(&self.netlink.look()?);
        let problems = self.said.iter().filter_map(|(name, condition)| match condition {
            Condition::Missing => Some(format!("{name}: configured, but the kernel has no such link")),
            Condition::Failed(reason) => Some(format!("{name}: {reason}")),
            Condition::Configured => None,
        });
        lines.extend(problems);
        Ok(lines)
    }

    /// The links, for programs.
    pub fn status(&mut self) -> Result<Network, NetlinkError> {
        Ok(plan::status(&self.netlink.look()?))
    }

    fn carry_out(&mut self, wanted: &Link, link: &KernelLink, kernel: &Kernel) -> Result<(), NetlinkError> {
        for step in plan::missing(wanted, link, kernel) {
            match step {
                Step::Address(address) => self.netlink.add_address(link.index, address)?,
                Step::Up => self.netlink.set_up(link.index)?,
                Step::Gateway(gateway) => self.netlink.set_gateway(link.index, gateway)?,
            }
        }
        Ok(())
    }

    fn say(&mut self, link: &Link, condition: Condition) {
        let name = &link.name;
        if self.said.get(name) == Some(&condition) {
            return;
        }
        match &condition {
            Condition::Missing => log::warning(format!("{name}: the kernel has no such link yet; waiting for it")),
            Condition::Failed(reason) => log::error(format!("{name}: {reason}")),
            Condition::Configured => {
                let addresses: Vec<String> = link.addresses.iter().map(|a| format!("{}/{}", a.address, a.prefix)).collect();
                log::info(format!("{name}: configured, {}", addresses.join(", ")));
            }
        }
        self.said.insert(name.clone(), condition);
    }
}
