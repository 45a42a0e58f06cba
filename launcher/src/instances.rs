//! What runs, and what has ended and nobody has taken notice of yet.

use ipc::messages::{
    Instance,
    launcher::{Ending, Exited, Running as RunningMessage, SUBSCRIBED_LIMIT},
};
use linux::pidfd::{self, Exit};
use manifest::names::ComponentId;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use sandbox::Child;
use std::collections::{BTreeMap, VecDeque};

/// Instances that run or wait for acknowledgement, together: more than any device has apps.
pub const LIMIT: usize = 256;

/// A running instance.
pub struct Running {
    /// Its sandbox.
    pub child: Child,
    /// Read ends of stdout and stderr, and the notify socket, for a restarted app-manager; [`Child::denials`], where its
    /// refused calls wait meanwhile, is kept for it too.
    pub kept: [OwnedFd; 3],
}

/// All instances.
#[derive(Default)]
pub struct Instances {
    running: BTreeMap<Instance, Running>,
    exited: VecDeque<Ended>,
}

/// What is told of an instance that has ended: how, and its core file if there is one.
pub struct Ended {
    /// How.
    pub exited: Exited,
    /// Readable.
    pub core: Option<OwnedFd>,
}

impl Instances {
    /// A new one.
    pub fn add(&mut self, instance: Instance, running: Running) {
        self.running.insert(instance, running);
    }

    /// A running one.
    pub fn running(&self, instance: &Instance) -> Option<&Running> {
        self.running.get(instance)
    }

    /// Whether an instance of this component runs.
    pub fn runs(&self, component: &ComponentId) -> bool {
        self.running.keys().any(|instance| instance.component == *component)
    }

    /// How many are kept.
    pub fn count(&self) -> usize {
        self.running.len() + self.exited.len()
    }

    /// Reaps an instance if it has ended, and tells how, with what is left of it; that stays until it is acknowledged.
    pub fn reap(&mut self, instance: &Instance) -> Option<(&Ended, Running)> {
        let running = self.running.get(instance)?;
        let exit = match pidfd::reap(&running.child.pidfd) {
            Ok(exit) => running.child.ending(exit?),
            Err(e) => {
                linux::log::error(format!("{instance} cannot be reaped: {e}"));
                return None;
            }
        };
        let running = self.running.remove(instance)?;
        let core = if exit.dumped { running.child.core() } else { Ok(None) };
        let core = core.unwrap_or_else(|e| {
            linux::log::warning(format!("the core file of {instance} cannot be read: {e}"));
            None
        });
        self.exited.push_back(Ended { exited: message(instance.clone(), &exit), core });
        Some((self.exited.back()?, running))
    }

    /// Forgets an exit. False if there is none of that instance.
    pub fn acknowledge(&mut self, instance: &Instance) -> bool {
        let before = self.exited.len();
        self.exited.retain(|ended| ended.exited.instance != *instance);
        self.exited.len() < before
    }

    /// Exits that wait for acknowledgement, oldest first.
    pub fn exited(&self) -> impl Iterator<Item = &Ended> {
        self.exited.iter()
    }

    /// The running instances after `last`, as many as a packet holds, each with log pipes, notify socket and listener.
    pub fn page(&self, last: Option<&Instance>) -> (RunningMessage, Vec<BorrowedFd<'_>>) {
        let mut rest = self.running.iter().filter(|(instance, _)| last.is_none_or(|last| *instance > last));
        let page: Vec<_> = rest.by_ref().take(SUBSCRIBED_LIMIT).collect();
        let more = rest.next().is_some();
        let descriptors = page.iter().flat_map(|(_, running)| running.kept.iter().chain(&running.child.denials)).map(AsFd::as_fd);
        let descriptors = descriptors.collect();
        let running = page.into_iter().map(|(instance, running)| (instance.clone(), running.child.pid)).collect();
        (RunningMessage { running, more }, descriptors)
    }
}

fn message(instance: Instance, exit: &Exit) -> Exited {
    let how = match exit.ending {
        pidfd::Ending::Exited(status) => Ending::Exited(status),
        pidfd::Ending::Signaled(signal) => Ending::Signaled(signal),
    };
    Exited { instance, how }
}
