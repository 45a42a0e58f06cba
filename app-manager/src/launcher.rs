//! The link to launcher: it carries out what is decided here, and reports how instances end.

use crate::{fault::Fault, monitor::call};
use ipc::{
    Client, PacketError,
    client::Answer,
    messages::{
        Instance,
        launcher::{DESCRIPTORS_PER_INSTANCE, Exited, Plan, Request, Running, Started},
    },
};
use manifest::{
    api::{Done, ErrorClass},
    names::ComponentId,
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use serde::Deserialize;

const LAUNCHER: &str = "launcher";
/// Packets of running instances that are taken at most: 500 times 7 apps.
const SUBSCRIPTION_PACKETS: usize = 500;

/// The connection that calls go over.
#[derive(Default)]
pub struct Launcher {
    client: Option<Client>,
}

impl Launcher {
    /// `/manifest.json` of an image that has a verdict.
    pub fn open_manifest(&mut self, image: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
        let (Done {}, descriptors) = self.call(&Request::OpenManifest {}, &[image])?;
        let [manifest] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|_| odd("open-manifest"))?;
        Ok(manifest)
    }

    /// Makes or adjusts an app's storage.
    pub fn prepare_storage(&mut self, component: &ComponentId, uid: u32, size_kib: u64, key: [u8; 16]) -> Result<(), Fault> {
        let (Done {}, _) = self.call(&Request::PrepareStorage { component: component.clone(), uid, size_kib, key }, &[])?;
        Ok(())
    }

    /// Erases an app's storage.
    pub fn erase_storage(&mut self, component: &ComponentId, uid: u32) -> Result<(), Fault> {
        let (Done {}, _) = self.call(&Request::EraseStorage { component: component.clone(), uid }, &[])?;
        Ok(())
    }

    /// Starts an app. Its refused calls wait at the descriptor; its end is told by the [`Subscription`].
    pub fn start(&mut self, plan: Plan, descriptors: &[BorrowedFd<'_>]) -> Result<(Started, OwnedFd), Fault> {
        let (started, passed) = self.call(&Request::Start { plan: Box::new(plan) }, descriptors)?;
        let [calls] = <[OwnedFd; 1]>::try_from(passed).map_err(|_| odd("start"))?;
        Ok((started, calls))
    }

    /// SIGTERM to an instance's first process.
    pub fn terminate(&mut self, instance: &Instance) -> Result<(), Fault> {
        let (Done {}, _) = self.call(&Request::Terminate { instance: instance.clone() }, &[])?;
        Ok(())
    }

    /// An exit was taken notice of.
    pub fn acknowledge(&mut self, instance: &Instance) -> Result<(), Fault> {
        let (Done {}, _) = self.call(&Request::Acknowledge { instance: instance.clone() }, &[])?;
        Ok(())
    }

    fn call<R: serde::de::DeserializeOwned>(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(R, Vec<OwnedFd>), Fault> {
        call(&mut self.client, LAUNCHER, request, descriptors)
    }
}

/// The connection that events come over; while it stands, launcher lives.
pub struct Subscription {
    client: Client,
}

/// An instance that ran when the subscription began.
pub struct Found {
    /// Which.
    pub instance: Instance,
    /// Its first process.
    pub pid: u32,
    /// Read ends of its stdout and stderr.
    pub pipes: [OwnedFd; 2],
    /// Its notify socket.
    pub notify: OwnedFd,
    /// Where its refused calls wait.
    pub calls: OwnedFd,
}

/// How an instance ended, with its core file if the kernel dumped one: what it says is the app's word.
pub struct Ended {
    /// How.
    pub exited: Exited,
    /// Readable.
    pub core: Option<OwnedFd>,
}

/// What comes over a subscribed connection.
#[derive(Deserialize)]
#[serde(untagged)]
enum Packet {
    Event(Exited),
    Answer(Answer<Running>),
}

impl Subscription {
    /// Subscribes. Returns what runs, and what ended meanwhile.
    pub fn begin() -> Result<(Self, Vec<Found>, Vec<Ended>), Fault> {
        let subscription = Self { client: Client::connect(LAUNCHER)? };
        let (mut found, mut exits) = (Vec::new(), Vec::new());
        let mut more = true;
        for _ in 0..SUBSCRIPTION_PACKETS {
            if !more {
                return Ok((subscription, found, exits));
            }
            ipc::packet::send(&subscription.client, &Request::Subscribe {}, &[]).map_err(broken)?;
            let running = loop {
                match subscription.client.event::<Packet>().map_err(broken)? {
                    (Packet::Event(exited), descriptors) => exits.push(ended(exited, descriptors)),
                    (Packet::Answer(Answer::Error(body)), _) => return Err(Fault(body)),
                    (Packet::Answer(Answer::Ok(running)), descriptors) => break (running, descriptors),
                }
            };
            more = running.0.more;
            found.extend(instances(running.0, running.1)?);
        }
        Err(odd("subscribe"))
    }

    /// The next event. An error means that launcher is gone, or as good as gone.
    pub fn event(&self) -> Result<Ended, PacketError> {
        self.client.event().map(|(exited, descriptors)| ended(exited, descriptors))
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.client.as_fd()
    }
}

/// Four descriptors per instance, in order: stdout, stderr, notify socket, refused calls.
fn instances(running: Running, descriptors: Vec<OwnedFd>) -> Result<Vec<Found>, Fault> {
    if descriptors.len() != running.running.len() * DESCRIPTORS_PER_INSTANCE {
        return Err(odd("subscribe"));
    }
    let mut descriptors = descriptors.into_iter();
    let mut found = Vec::new();
    for (instance, pid) in running.running {
        let mut next = || descriptors.next();
        let (Some(stdout), Some(stderr), Some(notify), Some(calls)) = (next(), next(), next(), next()) else {
            return Err(odd("subscribe"));
        };
        found.push(Found { instance, pid, pipes: [stdout, stderr], notify, calls });
    }
    Ok(found)
}

fn ended(exited: Exited, descriptors: Vec<OwnedFd>) -> Ended {
    Ended { exited, core: descriptors.into_iter().next() }
}

fn broken(source: PacketError) -> Fault {
    ipc::CallError::Broken { service: LAUNCHER.to_owned(), source }.into()
}

fn odd(request: &str) -> Fault {
    Fault::new(ErrorClass::Internal, format!("launcher answered `{request}` without the descriptors that belong to it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::messages::launcher::Ending;

    #[test]
    fn events_and_answers_on_one_connection_are_told_apart() {
        let event = Exited {
            instance: Instance { component: "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap(), generation: 1 },
            how: Ending::Signaled(9),
        };
        let bytes = serde_json::to_vec(&event).unwrap();
        assert!(matches!(ipc::packet::parse(&bytes), Ok(Packet::Event(parsed)) if parsed == event));
        let bytes = serde_json::to_vec(&Answer::Ok(Running { running: vec![], more: false })).unwrap();
        assert!(matches!(ipc::packet::parse(&bytes), Ok(Packet::Answer(Answer::Ok(_)))));
    }
}
