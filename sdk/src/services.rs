//! What the device does for the app, asked of app-services on the app's own socket; the manifest lists what it may ask for.
//!
//! Calls block until the reply is there, which is at once but for two: another app that connects, and updates that come. Those
//! are [`Awaited`]: a descriptor for [`crate::wait::readable`] or for any runtime, on a connection of its own.
//!
//! ```no_run
//! use sdk::{log, services::{ServiceError, Services}};
//!
//! let mut services = Services::from_environment();
//! // `"HeapMemStats": true` and `"PowerControls": ["ForceReboot"]` in the manifest's Capabilities.
//! let memory = services.memory()?;
//! log::info(format_args!("{} of {} bytes, at most {}", memory.used_bytes, memory.limit_bytes, memory.peak_bytes));
//! match services.reboot() {
//!     Err(ServiceError::Refused(why)) => log::warning(why.hint.unwrap_or(why.message)),
//!     done => done?,
//! }
//! # Ok::<(), ServiceError>(())
//! ```

use manifest::{
    api::Done,
    services::{Peer, PutOff, Reply, SERVICE_PACKET_LIMIT, VARIABLE},
};
pub use manifest::{
    api::{ErrorBody, ErrorClass},
    names::{CertificateName, ComponentId, TimeZone},
    services::{Certificate, CertificateInfo, Certificates, LinkStatus, Memory, Network, Request, Update, UpdateState, Updates},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::{Errno, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
        connect, recv, recvmsg, send, socket_with,
    },
};
use serde::de::DeserializeOwned;
use std::{
    io,
    marker::PhantomData,
    mem::MaybeUninit,
    path::PathBuf,
    time::{Duration, SystemTime},
};

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

/// A connection with app-services, made with the first call and again after it broke. One call at a time.
///
/// ```
/// use sdk::services::{ServiceError, Services};
///
/// let memory = Services::from_environment().memory();
/// assert!(matches!(memory, Err(ServiceError::NoSocket)), "nobody serves outside of a device");
/// ```
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

    /// Sets the device's clock (`SystemTime`), within the years that the image can run.
    pub fn set_clock(&mut self, time: SystemTime) -> Result<(), ServiceError> {
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| ServiceError::Odd)?;
        let unix_ms = u64::try_from(since_1970.as_millis()).map_err(|_| ServiceError::Odd)?;
        self.ask(&Request::SetClock { unix_ms }).map(|(Done {}, _)| ())
    }

    /// Sets the device's time zone (`SystemTime`): the variable `TZ` of every app from its next start on.
    pub fn set_time_zone(&mut self, zone: TimeZone) -> Result<(), ServiceError> {
        self.ask(&Request::SetTimeZone { zone }).map(|(Done {}, _)| ())
    }

    /// The updates that are coming, once they are others than those of the reply with this serial number, 0 at first
    /// (`SystemEventNotifications`). Who is told has ten seconds to answer with one of the next two.
    pub fn updates(&self, seen: u64) -> Result<Awaited<Updates>, ServiceError> {
        self.later(&Request::Updates { seen })
    }

    /// Puts the update of an app off (`SoftwareUpdateDeferral`); for how long it is, which the device's image limits.
    pub fn put_off_update(&mut self, app: ComponentId, time: Duration) -> Result<Duration, ServiceError> {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let (PutOff { seconds }, _) = self.ask(&Request::PutOffUpdate { app, seconds })?;
        Ok(Duration::from_secs(seconds))
    }

    /// Lets the update of an app come, as far as this app is concerned (`SystemEventNotifications`).
    pub fn allow_update(&mut self, app: ComponentId) -> Result<(), ServiceError> {
        self.ask::<PutOff>(&Request::AllowUpdate { app }).map(drop)
    }

    /// The device's links and their addresses (`NetworkStatus` under `Holdfast`).
    pub fn network(&mut self) -> Result<Network, ServiceError> {
        self.ask(&Request::Network {}).map(|(network, _)| network)
    }

    /// Keeps a certificate, and the private key that belongs to it, in PEM (`CertStore`); they are on the disk when it returns.
    pub fn put_certificate(&mut self, name: CertificateName, certificate: Certificate) -> Result<(), ServiceError> {
        let Certificate { certificate, private_key } = certificate;
        self.ask(&Request::PutCertificate { name, certificate, private_key }).map(|(Done {}, _)| ())
    }

    /// What certificates are kept (`CertStore`).
    pub fn certificates(&mut self) -> Result<Certificates, ServiceError> {
        self.ask(&Request::Certificates {}).map(|(certificates, _)| certificates)
    }

    /// A certificate with its key (`CertStore`).
    pub fn certificate(&mut self, name: CertificateName) -> Result<Certificate, ServiceError> {
        self.ask(&Request::Certificate { name }).map(|(certificate, _)| certificate)
    }

    /// Gives a certificate another name, in place of the one that has it, in one step (`CertStore`).
    pub fn rename_certificate(&mut self, from: CertificateName, to: CertificateName) -> Result<(), ServiceError> {
        self.ask(&Request::RenameCertificate { from, to }).map(|(Done {}, _)| ())
    }

    /// Forgets a certificate (`CertStore`).
    pub fn remove_certificate(&mut self, name: CertificateName) -> Result<(), ServiceError> {
        self.ask(&Request::RemoveCertificate { name }).map(|(Done {}, _)| ())
    }

    /// Connects with another app (`AllowedApplicationConnections` of both), which must run.
    pub fn connect(&mut self, app: ComponentId) -> Result<Connection, ServiceError> {
        self.ask(&Request::Connect { app }).and_then(Connection::new)
    }

    /// Another app that connects (`AllowedApplicationConnections` of both).
    pub fn accept(&self) -> Result<Awaited<Peer>, ServiceError> {
        self.later(&Request::Accept {})
    }

    /// Asks in app-services' own words; its reply as it came, a refusal too, with a descriptor that belongs to it.
    pub fn ask_as_told(&mut self, request: &Request) -> Result<Replied<Vec<u8>>, ServiceError> {
        let socket = self.open()?;
        send_request(&socket, request)?;
        receive_packet(&socket)
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<Replied<T>, ServiceError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.open()?,
        };
        send_request(&socket, request)?;
        let reply = receive(&socket);
        // After a refusal the connection is as good as before.
        if matches!(reply, Ok(_) | Err(ServiceError::Refused(_))) {
            self.socket = Some(socket);
        }
        reply
    }

    fn later<T>(&self, request: &Request) -> Result<Awaited<T>, ServiceError> {
        let socket = self.open()?;
        send_request(&socket, request)?;
        Ok(Awaited { socket, reply: PhantomData })
    }

    fn open(&self) -> Result<OwnedFd, ServiceError> {
        open(self.path.as_ref().ok_or(ServiceError::NoSocket)?)
    }
}

/// A reply, with the descriptor that came beside it.
pub type Replied<T> = (T, Option<OwnedFd>);

/// A reply that comes when something happens; readable once it is there. Dropped, it is not waited for any more.
///
/// ```no_run
/// use sdk::{services::Services, signals::Termination, wait};
/// use std::time::Duration;
///
/// let (termination, mut services) = (Termination::watch()?, Services::from_environment());
/// let coming = services.updates(0)?;
/// if wait::readable(&[&termination, &coming], None)?.contains(&1) {
///     for update in coming.take()?.updates {
///         services.put_off_update(update.app, Duration::from_secs(3600))?;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Awaited<T> {
    socket: OwnedFd,
    reply: PhantomData<T>,
}

impl<T> AsFd for Awaited<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Awaited<Updates> {
    /// The updates; waits for them.
    pub fn take(self) -> Result<Updates, ServiceError> {
        receive(&self.socket).map(|(updates, _)| updates)
    }
}

impl Awaited<Peer> {
    /// The connection with the app that connected; waits for it.
    pub fn take(self) -> Result<Connection, ServiceError> {
        receive(&self.socket).and_then(Connection::new)
    }
}

/// A connection with another app, which keeps messages apart (SOCK_SEQPACKET). What a message means, the two agree on.
///
/// ```no_run
/// use sdk::services::Services;
///
/// let mut thermometer = Services::from_environment().connect("4c3f2d9b-6a4e-4f1c-9a37-7a1200110001".parse()?)?;
/// thermometer.send(b"read")?;
/// while let Some(message) = thermometer.receive()? {
///     sdk::log::info(String::from_utf8_lossy(&message));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    app: ComponentId,
    socket: OwnedFd,
}

/// Longest message that [`Connection::receive`] takes, in bytes.
pub const MESSAGE_LIMIT: usize = 64 * 1024;

impl Connection {
    fn new((peer, end): Replied<Peer>) -> Result<Self, ServiceError> {
        Ok(Self { app: peer.app, socket: end.ok_or(ServiceError::Odd)? })
    }

    /// Who is at the other end: app-services has it from the manifest.
    pub fn app(&self) -> &ComponentId {
        &self.app
    }

    /// Sends a message; waits while the other end reads none.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        send(&self.socket, message, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message; none once the other app has closed its end, or ended.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; MESSAGE_LIMIT];
        loop {
            match recv(&self.socket, &mut bytes[..], RecvFlags::TRUNC) {
                Ok((_, 0)) => return Ok(None),
                Ok((_, length)) if length > MESSAGE_LIMIT => return Err(io::ErrorKind::InvalidData.into()),
                Ok((_, length)) => {
                    bytes.truncate(length);
                    return Ok(Some(bytes));
                }
                // Told once, before the messages of an end that closed without reading ours.
                Err(Errno::CONNRESET | Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn send_request(socket: &OwnedFd, request: &Request) -> Result<(), ServiceError> {
    let packet = serde_json::to_vec(request).map_err(|_| ServiceError::Odd)?;
    send(socket, &packet, SendFlags::NOSIGNAL).map(drop).map_err(ServiceError::Broken)
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

fn receive<T: DeserializeOwned>(socket: &OwnedFd) -> Result<Replied<T>, ServiceError> {
    let (bytes, end) = receive_packet(socket)?;
    match serde_json::from_slice(&bytes).map_err(|_| ServiceError::Odd)? {
        Reply::Ok(answer) => Ok((answer, end)),
        Reply::Error(body) => Err(ServiceError::Refused(body)),
    }
}

fn receive_packet(socket: &OwnedFd) -> Result<(Vec<u8>, Option<OwnedFd>), ServiceError> {
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
    use rustix::net::{accept, bind, listen, socketpair};

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
    fn what_is_awaited_is_readable_once_it_is_there_and_a_connection_carries_messages() {
        const APP: &str = "25025d2c-66da-4448-bae1-ac26fcdd3627";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = listener(&path);
        let services = Services { path: Some(path), socket: None };
        let awaited = services.updates(7).unwrap();
        let served = accept(&listener).unwrap();
        assert!(crate::wait::readable(&[&awaited], Some(Duration::ZERO)).unwrap().is_empty());
        answer(&served, r#"{"updates":{"seen":7}}"#, r#"{"ok":{"serial":8,"updates":[]}}"#);
        assert_eq!(crate::wait::readable(&[&awaited], None).unwrap(), [0]);
        assert_eq!(awaited.take().unwrap(), Updates { serial: 8, updates: Vec::new() });
        // app-services gives no end along with its words.
        let awaited = services.accept().unwrap();
        answer(&accept(&listener).unwrap(), r#"{"accept":{}}"#, &format!(r#"{{"ok":{{"app":"{APP}"}}}}"#));
        assert!(matches!(awaited.take(), Err(ServiceError::Odd)));
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let connection = Connection::new((Peer { app: APP.parse().unwrap() }, Some(ours))).unwrap();
        connection.send(b"good morning").unwrap();
        send(&theirs, b"good evening", SendFlags::NOSIGNAL).unwrap();
        drop(theirs);
        assert_eq!(connection.receive().unwrap().as_deref(), Some(&b"good evening"[..]));
        assert_eq!((connection.receive().unwrap(), connection.app().as_str()), (None, APP));
    }

    #[test]
    fn without_a_socket_the_error_says_why() {
        let mut services = Services { path: None, socket: None };
        assert!(matches!(services.memory(), Err(ServiceError::NoSocket)));
    }
}
