//! Calls to other daemons. They block, so they run on threads of tokio's blocking pool; a daemon that hangs keeps at most
//! [`CALLS_PER_PEER`] of them and only those who ask for it wait.

use crate::answer::Refusal;
use ipc::{CallError, client::CALL_TIMEOUT};
use linux::files::chain;
use manifest::api::ErrorClass;
use rustix::fd::OwnedFd;
use serde::{Serialize, de::DeserializeOwned};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, oneshot},
    task::spawn_blocking,
    time::timeout,
};

/// A daemon that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Services, boot, reboot.
    Init,
    /// Events and logs.
    Monitor,
    /// Apps.
    AppManager,
    /// Apps, for what takes long: judging a bundle, stopping and erasing an app. It answers others meanwhile.
    AppManagerSlowly,
    /// Links.
    NetworkManager,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Monitor => "security-monitor",
            Self::AppManager | Self::AppManagerSlowly => "app-manager",
            Self::NetworkManager => "network-manager",
        }
    }
}

/// The daemons that are asked.
pub struct Peers {
    folder: PathBuf,
    lanes: [Arc<Semaphore>; PEERS],
}

impl Peers {
    /// Those whose sockets are in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), lanes: std::array::from_fn(|_| Arc::new(Semaphore::new(CALLS_PER_PEER))) }
    }

    /// Asks, and waits the usual time for the answer; longer where the answer takes long.
    pub async fn ask<Q, R>(&self, peer: Peer, request: Q) -> Result<R, Refusal>
    where
        Q: Serialize + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        let patience = if peer == Peer::AppManagerSlowly { SLOW_PATIENCE } else { CALL_TIMEOUT };
        self.call(peer, request, patience).await.map(|(reply, _)| reply)
    }

    /// Asks, and takes descriptors too.
    pub async fn ask_with_descriptors<Q, R>(&self, peer: Peer, request: Q) -> Result<(R, Vec<OwnedFd>), Refusal>
    where
        Q: Serialize + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        self.call(peer, request, CALL_TIMEOUT).await
    }

    async fn call<Q, R>(&self, peer: Peer, request: Q, patience: Duration) -> Result<(R, Vec<OwnedFd>), Refusal>
    where
        Q: Serialize + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        let lane = self.lane(peer).clone();
        let busy = || unavailable(format!("{} has not answered earlier requests yet", peer.name()));
        let turn = timeout(TURN_PATIENCE, lane.acquire_owned()).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let folder = self.folder.clone();
        let (sender, answered) = oneshot::channel();
        on_a_thread(Box::new(move || {
            // The turn ends when the thread is free again, even if nobody waits for the answer any more.
            let _turn = turn;
            let call = || {
                let client = ipc::Client::connect_in(&folder, peer.name())?;
                client.set_timeout(patience)?;
                client.call::<Q, R>(&request, &[])
            };
            let _ = sender.send(call());
        }));
        match answered.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(CallError::Refused(body))) => Err(body.into()),
            Ok(Err(error)) => Err(unavailable(chain(&error))),
            Err(error) => Err(Refusal::new(ErrorClass::Internal, format!("the call broke off: {error}"))),
        }
    }

    fn lane(&self, peer: Peer) -> &Arc<Semaphore> {
        let [init, monitor, apps, slow, network] = &self.lanes;
        match peer {
            Peer::Init => init,
            Peer::Monitor => monitor,
            Peer::AppManager => apps,
            Peer::AppManagerSlowly => slow,
            Peer::NetworkManager => network,
        }
    }
}

/// One task type for all requests: tokio's part of it would otherwise stand in the program a dozen times.
fn on_a_thread(call: Box<dyn FnOnce() + Send>) {
    drop(spawn_blocking(call));
}

fn unavailable(message: String) -> Refusal {
    Refusal::new(ErrorClass::Unavailable, message).with_hint("GET /v1/device/services tells what each daemon is doing")
}

const PEERS: usize = 5;
/// Calls to one daemon at a time: it answers one after the other, and one more may wait.
pub const CALLS_PER_PEER: usize = 2;
/// Threads for calls: all peers' turns at once, and writing one upload.
pub const THREADS: usize = PEERS * CALLS_PER_PEER + 1;
/// How long app-manager may take to judge and install a large image on a slow machine, or to stop an app and erase its data.
const SLOW_PATIENCE: Duration = Duration::from_secs(120);
/// How long a request waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(10);
