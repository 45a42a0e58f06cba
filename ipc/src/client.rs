//! Calling another daemon: connect, one request, one reply, with a time-out.

use crate::packet::{self, PacketError};
use manifest::{api::ErrorBody, places};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{io, path::Path, time::Duration};

/// How long a peer may take to answer before the caller goes on without it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to accept a connection or a packet: longer only while it hangs, and then waiting for it would
/// hang the caller too, past its own watchdog.
const TAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// A reply as it travels: what was asked for, or why not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer<T> {
    /// Done.
    Ok(T),
    /// Refused or failed.
    Error(ErrorBody),
}

/// Why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service's socket could not be reached.
    #[error("cannot reach {service}")]
    Unreachable {
        /// Whom.
        service: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The packet could not be sent, or no answer came.
    #[error("no answer from {service}")]
    Broken {
        /// Whom.
        service: String,
        /// What failed.
        #[source]
        source: PacketError,
    },
    /// The service answered that it would not.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

/// A connection to a service.
pub struct Client {
    service: String,
    socket: OwnedFd,
}

impl Client {
    /// Connects to a service of this device.
    pub fn connect(service: &str) -> Result<Self, CallError> {
        Self::connect_in(Path::new(places::IPC), service)
    }

    /// Connects to the service whose socket is in this folder: for tests that play the services.
    pub fn connect_in(folder: &Path, service: &str) -> Result<Self, CallError> {
        Self::open(folder, service, SocketFlags::CLOEXEC)
    }

    fn open(folder: &Path, service: &str, flags: SocketFlags) -> Result<Self, CallError> {
        let path = folder.join(format!("{service}.sock"));
        let unreachable = |e: rustix::io::Errno| CallError::Unreachable { service: service.to_owned(), source: e.into() };
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).map_err(unreachable)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(CALL_TIMEOUT)).map_err(unreachable)?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(TAKE_TIMEOUT)).map_err(unreachable)?;
        connect(&socket, &SocketAddrUnix::new(path).map_err(unreachable)?).map_err(unreachable)?;
        Ok(Self { service: service.to_owned(), socket })
    }

    /// Waits this long for answers instead of [`CALL_TIMEOUT`].
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), CallError> {
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(timeout))
            .map_err(|e| CallError::Unreachable { service: self.service.clone(), source: e.into() })
    }

    /// Sends a request and waits for its answer.
    pub fn call<Q: Serialize, R: DeserializeOwned>(
        &self,
        request: &Q,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(R, Vec<OwnedFd>), CallError> {
        let broken = |source| CallError::Broken { service: self.service.clone(), source };
        packet::send(&self.socket, request, descriptors).map_err(broken)?;
        let (answer, passed) = packet::receive(&self.socket).and_then(packet::Raw::parse).map_err(broken)?;
        match answer {
            Answer::Ok(reply) => Ok((reply, passed)),
            Answer::Error(body) => Err(CallError::Refused(body)),
        }
    }

    /// Receives the next event of a connection that subscribed.
    pub fn event<E: DeserializeOwned>(&self) -> Result<(E, Vec<OwnedFd>), PacketError> {
        packet::receive(&self.socket).and_then(packet::Raw::parse)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends a request and waits for nothing, neither for room nor for an answer: for reports of what a caller did, who could
/// otherwise have this daemon wait as often as it likes.
pub fn tell<Q: Serialize>(service: &str, request: &Q) -> Result<(), CallError> {
    let client = Client::open(Path::new(places::IPC), service, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    packet::send(&client.socket, request, &[]).map_err(|source| CallError::Broken { service: client.service.clone(), source })
}

/// Connects, calls once, closes: for calls that are rare.
pub fn call<Q: Serialize, R: DeserializeOwned>(
    service: &str,
    request: &Q,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(R, Vec<OwnedFd>), CallError> {
    Client::connect(service)?.call(request, descriptors)
}
