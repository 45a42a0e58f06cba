//! Calls to other daemons. They block, so they run on threads of tokio's blocking pool; a daemon that hangs keeps at most
//! [`CALLS_PER_PEER`] of them and only those who ask for it wait.

use crate::answer::Refusal;
use ipc::{CallError, client::CALL_TIMEOUT};
use linux::files::{chain, read_from};
use manifest::api::{Done, ErrorClass};
use rustix::{
    fd::OwnedFd,
    fs::{FileType, fstat},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fs::File, io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};
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
    /// Crash reports of apps. Not every image has it.
    CrashReporter,
}

impl Peer {
    const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Monitor => "security-monitor",
            Self::AppManager | Self::AppManagerSlowly => "app-manager",
            Self::NetworkManager => "network-manager",
            Self::CrashReporter => "crash-reporter",
        }
    }

    /// How long it may take to answer.
    const fn patience(self) -> Duration {
        match self {
            Self::AppManagerSlowly => SLOW_PATIENCE,
            _ => CALL_TIMEOUT,
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
        self.call(peer, request, |reply, _| Ok(reply)).await
    }

    /// Asks, and takes descriptors too.
    pub async fn ask_with_descriptors<Q, R>(&self, peer: Peer, request: Q) -> Result<(R, Vec<OwnedFd>), Refusal>
    where
        Q: Serialize + Send + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        self.call(peer, request, |reply, passed| Ok((reply, passed))).await
    }

    /// Asks for a file that the answer passes, and reads it, from its beginning and of at most `limit` bytes.
    pub async fn ask_for_file<Q>(&self, peer: Peer, request: Q, limit: usize) -> Result<Vec<u8>, Refusal>
    where
        Q: Serialize + Send + 'static,
    {
        let read = move |Done {}, passed: Vec<OwnedFd>| {
            let fault = |why: String| Refusal::new(ErrorClass::Internal, format!("the file of {}: {why}", peer.name()));
            let [file] = <[OwnedFd; 1]>::try_from(passed).map_err(|passed| fault(format!("{} were passed", passed.len())))?;
            // A pipe would keep this thread for as long as nobody closes it.
            if !fstat(&file).is_ok_and(|about| FileType::from_raw_mode(about.st_mode).is_file()) {
                return Err(fault("it is none".to_owned()));
            }
            read_from(&File::from(file), limit).map_err(|e| fault(e.to_string()))
        };
        self.call(peer, request, read).await
    }

    /// `then` runs on the thread that blocks: it may read a file.
    async fn call<Q, R, T>(
        &self,
        peer: Peer,
        request: Q,
        then: impl FnOnce(R, Vec<OwnedFd>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal>
    where
        Q: Serialize + Send + 'static,
        R: DeserializeOwned + Send + 'static,
        T: Send + 'static,
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
                client.set_timeout(peer.patience())?;
                client.call::<Q, R>(&request, &[])
            };
            let _ = sender.send(call().map_err(|error| refusal(peer, error)).and_then(|(reply, passed)| then(reply, passed)));
        }));
        match answered.await {
            Ok(answer) => answer,
            Err(error) => Err(Refusal::new(ErrorClass::Internal, format!("the call broke off: {error}"))),
        }
    }

    fn lane(&self, peer: Peer) -> &Arc<Semaphore> {
        let [init, monitor, apps, slow, network, crashes] = &self.lanes;
        match peer {
            Peer::Init => init,
            Peer::Monitor => monitor,
            Peer::AppManager => apps,
            Peer::AppManagerSlowly => slow,
            Peer::NetworkManager => network,
            Peer::CrashReporter => crashes,
        }
    }
}

/// One task type for all requests: tokio's part of it would otherwise stand in the program a dozen times.
fn on_a_thread(call: Box<dyn FnOnce() + Send>) {
    drop(spawn_blocking(call));
}

/// init opens the sockets of all services that an image has before it starts one: where there is none, there is no service.
fn refusal(peer: Peer, error: CallError) -> Refusal {
    match error {
        CallError::Refused(body) => body.into(),
        CallError::Unreachable { source, .. } if source.kind() == ErrorKind::NotFound => {
            let refusal = Refusal::new(ErrorClass::NotFound, format!("this device's image has no {}", peer.name()));
            refusal.with_hint("`services` in the image description names those that it has")
        }
        error => unavailable(chain(&error)),
    }
}

fn unavailable(message: String) -> Refusal {
    Refusal::new(ErrorClass::Unavailable, message).with_hint("GET /v1/device/services tells what each daemon is doing")
}

const PEERS: usize = 6;
/// Calls to one daemon at a time: it answers one after the other, and one more may wait.
pub const CALLS_PER_PEER: usize = 2;
/// Threads for calls: all peers' turns at once, and writing one upload.
pub const THREADS: usize = PEERS * CALLS_PER_PEER + 1;
/// How long app-manager may take to judge and install a large image on a slow machine, or to stop an app and erase its data.
const SLOW_PATIENCE: Duration = Duration::from_secs(120);
/// How long a request waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(10);
