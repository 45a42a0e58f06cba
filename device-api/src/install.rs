//! Installing: the body goes into a pipe of app-manager, unread; app-manager has it judged.

use crate::{
    answer::Refusal,
    operations::{Device, Installation},
    peers::{Peer, Peers},
};
use http_body_util::BodyExt;
use hyper::{
    StatusCode,
    body::{Body, Bytes, Incoming},
};
use ipc::messages::app_manager::{Request, Upload};
use linux::log;
use manifest::{
    api::{Done, ErrorClass, InstallResult},
    bundle::BUNDLE_LIMIT,
};
use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};

/// Installations under way: one.
pub struct Uploads(Semaphore);

impl Default for Uploads {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

/// Takes a bundle in and has it installed.
pub async fn install(device: &Device, body: &mut Incoming, how: Installation) -> Result<InstallResult, Refusal> {
    let size = size(body)?;
    let _only = device.uploads.0.try_acquire().map_err(|_| {
        Refusal::new(ErrorClass::Conflict, "another installation is under way").with_hint("try again when it is done")
    })?;
    let (upload, file) = Begun::new(&device.peers, size).await?;
    match receive(body, size, file).await {
        // app-manager takes no more, and says why when it is asked for the result.
        Err(Failed::Closed) | Ok(()) => upload.commit(how).await,
        Err(Failed::Refused(refusal)) => Err(refusal),
    }
}

fn size(body: &Incoming) -> Result<u64, Refusal> {
    let size = body.size_hint().exact().ok_or_else(|| {
        let refusal = Refusal::new(ErrorClass::Usage, "an upload needs Content-Length; chunked bodies are not taken");
        refusal.with_status(StatusCode::LENGTH_REQUIRED)
    })?;
    match size {
        0 => Err(Refusal::new(ErrorClass::Usage, "the body is empty; expected a bundle")),
        1..=BUNDLE_LIMIT => Ok(size),
        _ => {
            let message = format!("a bundle of {size} bytes; at most {BUNDLE_LIMIT} are taken");
            Err(Refusal::new(ErrorClass::BadInput, message).with_status(StatusCode::PAYLOAD_TOO_LARGE))
        }
    }
}

/// An upload that app-manager knows of. Dropped before it is committed, it is aborted.
struct Begun {
    peers: Arc<Peers>,
    token: Option<u64>,
}

impl Begun {
    async fn new(peers: &Arc<Peers>, size: u64) -> Result<(Self, File), Refusal> {
        let request = Request::BeginInstall { size };
        let (Upload { token }, descriptors) = peers.ask_with_descriptors(Peer::AppManager, request).await?;
        let begun = Self { peers: peers.clone(), token: Some(token) };
        let file = descriptors.into_iter().next().map(File::from);
        let file = file.ok_or_else(|| Refusal::new(ErrorClass::Internal, "app-manager gave no pipe to write to"))?;
        Ok((begun, file))
    }

    async fn commit(mut self, how: Installation) -> Result<InstallResult, Refusal> {
        let Some(token) = self.token.take() else {
            return Err(Refusal::new(ErrorClass::Internal, "the upload was committed already"));
        };
        self.peers.ask(Peer::AppManagerSlowly, Request::CommitInstall { token, downgrade: how.downgrade, when: how.when }).await
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let (Some(token), Ok(runtime)) = (self.token.take(), tokio::runtime::Handle::try_current()) else { return };
        let peers = self.peers.clone();
        runtime.spawn(async move {
            if let Err(refusal) = peers.ask::<_, Done>(Peer::AppManager, Request::AbortInstall { token }).await {
                log::warning(format!("an upload that broke off could not be aborted: {}", refusal.body.message));
            }
        });
    }
}

/// Why a body did not get into the pipe.
enum Failed {
    /// The other end is closed.
    Closed,
    Refused(Refusal),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Writes the body into `pipe`, and closes it.
async fn receive(body: &mut Incoming, size: u64, mut pipe: File) -> Result<(), Failed> {
    let slow = || Refusal::new(ErrorClass::Usage, "the upload is too slow").with_status(StatusCode::REQUEST_TIMEOUT);
    let deadline = Instant::now() + UPLOAD_BASE + Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Some(frame) = timeout_at(deadline, timeout(STALL, body.frame())).await.map_err(|_| slow())?.map_err(|_| slow())? {
        let broken = |e: hyper::Error| Refusal::new(ErrorClass::Usage, format!("the upload broke off: {e}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if chunk.len() + data.len() > CHUNK {
            (pipe, chunk) = write(pipe, chunk).await?;
        }
        if data.len() > CHUNK {
            pipe = write_all(pipe, data).await?;
        } else {
            chunk.extend_from_slice(&data);
        }
    }
    write(pipe, chunk).await.map(drop)
}

/// Takes the rest of a body that was refused, for a while, and throws it away: if the connection were closed with bytes on
/// their way, the client's kernel would drop our answer (RFC 9112, 9.6).
pub async fn discard(mut body: Incoming) {
    let _ = timeout(DISCARD, async { while let Some(Ok(_)) = body.frame().await {} }).await;
}

/// Writes and empties a chunk.
async fn write(pipe: File, mut chunk: Vec<u8>) -> Result<(File, Vec<u8>), Failed> {
    off_the_loop(move || {
        (&pipe).write_all(&chunk)?;
        chunk.clear();
        Ok((pipe, chunk))
    })
    .await
}

async fn write_all(pipe: File, data: Bytes) -> Result<File, Failed> {
    off_the_loop(move || (&pipe).write_all(&data).map(|()| pipe)).await
}

/// Pipes block; the loop does not.
async fn off_the_loop<T: Send + 'static>(write: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Failed> {
    let internal = |what: String| Failed::Refused(Refusal::new(ErrorClass::Internal, what));
    match spawn_blocking(write).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failed::Closed),
        Ok(Err(error)) => Err(internal(format!("the bundle cannot be passed on: {error}"))),
        Err(error) => Err(internal(format!("writing broke off: {error}"))),
    }
}

/// Longest time between two pieces of a body.
const STALL: Duration = Duration::from_secs(20);
/// Time for an upload, however small; and the rate below which it is given up: one installation runs at a time, and a
/// client that dawdles would keep all others out.
const UPLOAD_BASE: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// How long a refused body is still taken.
const DISCARD: Duration = Duration::from_secs(15);
/// Bytes that are gathered before they are written.
const CHUNK: usize = 64 * 1024;
