//! What the device does for the app, asked of app-services on the app's own socket; the manifest lists what it may ask for.

use manifest::{
    api::{Done, ErrorBody},
    names::ComponentId,
    services::{Memory, Peer, Reply, Request, SERVICE_PACKET_LIMIT, VARIABLE},
};
use rustix::{
    fd::OwnedFd,
    io::{Errno, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
        connect, recvmsg, send, socket_with,
    },
};
use serde::de::DeserializeOwned;
use std::{mem::MaybeUninit, path::PathBuf};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The manifest lists no right to a service, or this is no device.
    #[error("there is no socket of app-services: the manifest lists no right to a service")]
    NoSocket,
    /// app-services was started again meanwhile. The next call connects anew; this one may have been carried out.
    #[error("the connection to app-services broke")]
    Broken(#[source] Errno),
    /// What came is no reply.
    #[error("app-services answered what this library does not understand")]
    Odd,
    /// app-services will not; the hint is the manifest's line that is missing, or what to do.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

/// A connection with app-services, made with the first call and again after it broke. One call at a time; a thread that waits
/// in [`Services::accept`] has one of its own.
#[derive(Debug)]
pub struct Services {
    path: Option<PathBuf>,
    socket: Option<OwnedFd>,
}

impl Services {
    /// From HOLDFAST_SERVICES.
    pub fn from_environment() -> Self {
        Self { path: std::env::var_os(VARIABLE).map(PathBuf::from), socket: None }
    }

    /// How much memory the app uses and used at most (`HeapMemStats`).
    pub fn memory(&mut self) -> Result<Memory, ServiceError> {
        self.ask(&Request::Memory {}).map(|(memory, _)| memory)
    }

    /// Lets the record of most memory begin anew (`ResetMemoryWatermarks`).
    pub fn reset_memory_peak(&mut self) -> Result<(), ServiceError> {
        self.ask(&Request::ResetMemoryPeak {}).map(|(Done {}, _)| ())
    }

    /// Restarts the device (`PowerControls`, `ForceReboot`). It returns; SIGTERM follows.
    pub fn reboot(&mut self) -> Result<(), ServiceError> {
        self.ask(&Request::Reboot {}).map(|(Done {}, _)| ())
    }

    /// Powers the device down (`PowerControls`, `ForcePowerDown`). It returns; SIGTERM follows.
    pub fn power_off(&mut self) -> Result<(), ServiceError> {
        self.ask(&Request::PowerOff {}).map(|(Done {}, _)| ())
    }

    /// Connects with another app (`AllowedApplicationConnections` of both): a socket that keeps messages apart (SOCK_SEQPACKET).
    pub fn connect(&mut self, app: ComponentId) -> Result<OwnedFd, ServiceError> {
        self.ask::<Peer>(&Request::Connect { app })?.1.ok_or(ServiceError::Odd)
    }

    /// Waits for an app that connects.
    pub fn accept(&mut self) -> Result<(ComponentId, OwnedFd), ServiceError> {
        let (peer, end) = self.ask::<Peer>(&Request::Accept {})?;
        Ok((peer.app, end.ok_or(ServiceError::Odd)?))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<(T, Option<OwnedFd>), ServiceError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open(self.path.as_ref().ok_or(ServiceError::NoSocket)?)?,
        };
        let packet = serde_json::to_vec(request).map_err(|_| ServiceError::Odd)?;
        send(&socket, &packet, SendFlags::NOSIGNAL).map_err(ServiceError::Broken)?;
        let (reply, end) = receive(&socket)?;
        let reply = serde_json::from_slice(&reply).map_err(|_| ServiceError::Odd)?;
        self.socket = Some(socket);
        match reply {
            Reply::Ok(answer) => Ok((answer, end)),
            Reply::Error(body) => Err(ServiceError::Refused(body)),
        }
    }
}

fn open(path: &PathBuf) -> Result<OwnedFd, ServiceError> {
    let address = SocketAddrUnix::new(path).map_err(ServiceError::Broken)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.map_err(ServiceError::Broken)?;
    match connect(&socket, &address) {
        Ok(()) => Ok(socket),
        Err(Errno::NOENT) => Err(ServiceError::NoSocket),
        Err(e) => Err(ServiceError::Broken(e)),
    }
}

fn receive(socket: &OwnedFd) -> Result<(Vec<u8>, Option<OwnedFd>), ServiceError> {
    let mut bytes = vec![0; SERVICE_PACKET_LIMIT];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other.map_err(ServiceError::Broken)?,
        }
    };
    if received.bytes == 0 {
        return Err(ServiceError::Broken(Errno::CONNRESET));
    }
    bytes.truncate(received.bytes);
    let mut passed = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut passed) => passed.next(),
        _ => None,
    });
    Ok((bytes, passed.next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SocketAddrUnix, accept, bind, listen, recv};

    fn listener(path: &std::path::Path) -> OwnedFd {
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
        listen(&listener, 4).unwrap();
        listener
    }

    fn answer(connection: &OwnedFd, expected: &str, reply: &str) {
        let mut bytes = [0; 256];
        let (_, length) = recv(connection, &mut bytes[..], RecvFlags::empty()).unwrap();
        assert_eq!(std::str::from_utf8(&bytes[..length]).unwrap(), expected);
        send(connection, reply.as_bytes(), SendFlags::NOSIGNAL).unwrap();
    }

    #[test]
    fn a_call_is_one_request_and_one_reply_and_connects_again_after_a_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = listener(&path);
        let server = std::thread::spawn(move || {
            let connection = accept(&listener).unwrap();
            answer(&connection, r#"{"memory":{}}"#, r#"{"ok":{"used_bytes":1,"peak_bytes":2,"limit_bytes":3}}"#);
            let refusal = r#"{"error":{"class":"not-granted","message":"no","hint":"line"}}"#;
            answer(&connection, r#"{"reboot":{}}"#, refusal);
            drop(connection);
            answer(&accept(&listener).unwrap(), r#"{"reset-memory-peak":{}}"#, r#"{"ok":{}}"#);
        });
        let mut services = Services { path: Some(path), socket: None };
        assert_eq!(services.memory().unwrap(), Memory { used_bytes: 1, peak_bytes: 2, limit_bytes: 3 });
        let refused = services.reboot().unwrap_err();
        assert!(matches!(refused, ServiceError::Refused(body) if body.hint.as_deref() == Some("line")));
        assert!(matches!(services.reset_memory_peak(), Err(ServiceError::Broken(_))));
        services.reset_memory_peak().unwrap();
        server.join().unwrap();
    }

    #[test]
    fn without_a_socket_the_error_says_why() {
        let mut services = Services { path: None, socket: None };
        assert!(matches!(services.memory(), Err(ServiceError::NoSocket)));
    }
}
