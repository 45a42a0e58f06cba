//! A debugger's session: after `101 Switching Protocols` the connection's bytes go to an app's gdbserver and back, unread.

use crate::{
    answer::Refusal,
    operations::Device,
    peers::Peer,
    role::{Client, Role},
};
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONNECTION, HeaderValue, UPGRADE},
    http::request::Parts,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use ipc::messages::app_manager::Request;
use linux::log;
use manifest::{
    api::{Done, ErrorClass},
    names::ComponentId,
};
use rustix::fd::OwnedFd;
use std::{io, os::unix::net::UnixStream as StdStream, time::Duration};
use tokio::{
    io::{AsyncWriteExt, copy, split},
    net::UnixStream,
    time::timeout,
};

/// What is spoken after the switch, as `Upgrade` names it.
pub const PROTOCOL: &str = "gdb-remote";

/// Has an app started by a debugger; the socket to it. Nothing happens unless the client asked for the switch, and the
/// connection can make it.
pub async fn debug(device: &Device, client: &Client, head: &Parts, component: ComponentId) -> Result<OwnedFd, Refusal> {
    allowed(device.facts.debug, client)?;
    let asks = head.headers.get(UPGRADE).is_some_and(|value| value == PROTOCOL);
    if !asks || head.extensions.get::<OnUpgrade>().is_none() {
        let message = format!("this path is for a debugger, which asks for `Upgrade: {PROTOCOL}`");
        return Err(Refusal::new(ErrorClass::Usage, message).with_status(StatusCode::UPGRADE_REQUIRED));
    }
    let answer = device.peers.ask_with_descriptors(Peer::AppManagerSlowly, Request::Debug { component });
    let (Done {}, descriptors) = answer.await?;
    let none = || Refusal::new(ErrorClass::Internal, "app-manager gave no socket to the debugger");
    descriptors.into_iter().next().ok_or_else(none)
}

/// Whether this client's role is the one that the image lets debug apps, or more.
fn allowed(least: Option<Role>, client: &Client) -> Result<(), Refusal> {
    let message = match least {
        Some(least) if client.role >= least => return Ok(()),
        Some(least) => format!("the role `{}` may not debug apps; it takes the role `{least}`", client.role),
        None => "this device's image lets nobody debug apps".to_owned(),
    };
    Err(Refusal::new(ErrorClass::Forbidden, message).with_hint("`debug` in the image description names the role that may"))
}

/// Answers that the switch is made, and carries bytes until one side has ended, `life` at most. The client keeps its place among
/// the connections meanwhile.
pub fn begin(upgrade: Option<OnUpgrade>, socket: OwnedFd, place: impl Send + 'static, life: Duration) -> Response<Full<Bytes>> {
    tokio::spawn(async move {
        if let Err(e) = timeout(life, carry(upgrade, socket)).await.unwrap_or(Ok(())) {
            log::info(format!("a debugger's session ended: {e}"));
        }
        drop(place);
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    response
}

async fn carry(upgrade: Option<OnUpgrade>, socket: OwnedFd) -> io::Result<()> {
    let upgrade = upgrade.ok_or_else(|| io::Error::other("the connection cannot switch"))?;
    let (mut from_client, mut to_client) = split(TokioIo::new(upgrade.await.map_err(io::Error::other)?));
    let socket = StdStream::from(socket);
    socket.set_nonblocking(true)?;
    let (mut from_app, mut to_app) = UnixStream::from_std(socket)?.into_split();
    // Whichever ends first ends both: gdbserver does not go when only gdb's half is closed, and app-manager looks at the socket.
    let ended = tokio::select! {
        ended = copy(&mut from_client, &mut to_app) => ended,
        ended = copy(&mut from_app, &mut to_client) => ended,
    };
    to_client.shutdown().await?;
    ended.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_role_that_the_image_names_may_debug() {
        let may = |least, role| allowed(least, &Client { name: "a".into(), role }).map_err(|refusal| refusal.status.as_u16());
        assert_eq!(may(Some(Role::Developer), Role::Developer), Ok(()));
        assert_eq!(may(Some(Role::Operator), Role::Developer), Ok(()));
        assert_eq!(may(Some(Role::Developer), Role::Operator), Err(403));
        assert_eq!(may(None, Role::Developer), Err(403));
    }
}
