//! sd_notify(3), both sides: a datagram to the socket that NOTIFY_SOCKET names, and reading one with who sent it.

use rustix::{
    fd::{AsFd, OwnedFd},
    io::{self, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, SocketAddrUnix, SocketFlags,
        SocketType, UCred, connect, recvmsg, send, socket_with,
    },
};
use std::{mem::MaybeUninit, time::Duration};

/// The connection to whoever supervises this process. Made before confinement, used after it.
pub struct Notifier {
    socket: Option<OwnedFd>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// From NOTIFY_SOCKET and WATCHDOG_USEC; without them it says nothing to nobody.
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let address = SocketAddrUnix::new(path).ok()?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
            connect(&socket, &address).ok()?;
            Some(socket)
        });
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// How often [`Notifier::watchdog`] must be called: a third of the supervisor's patience.
    pub fn ping_interval(&self) -> Option<Duration> {
        self.watchdog.map(|longest| longest / 3)
    }

    /// Ready to serve.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// Still alive: call only from the loop that does the work, never from a thread of its own.
    pub fn watchdog(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // A supervisor that does not read is not waited for.
            let _ = send(socket, text.as_bytes(), SendFlags::NOSIGNAL);
        }
    }
}

/// What [`receive`] read.
pub struct Datagram {
    /// Bytes of it, as many as there was room for.
    pub length: usize,
    /// Whether there was room for all of it.
    pub whole: bool,
    /// Who sent it, as the kernel says; none where nobody asked the kernel to (SO_PASSCRED).
    pub sender: Option<UCred>,
}

/// Reads the next datagram, without waiting for one: `EAGAIN` if there is none. Descriptors that come along are closed.
pub fn receive(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<Datagram> {
    next(socket, bytes, RecvFlags::empty())
}

/// The same, and leaves it there.
pub fn peek(socket: impl AsFd, bytes: &mut [u8]) -> io::Result<Datagram> {
    next(socket, bytes, RecvFlags::PEEK)
}

fn next(socket: impl AsFd, bytes: &mut [u8], flags: RecvFlags) -> io::Result<Datagram> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1), ScmRights(RIGHTS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut ancillary, flags)?;
    let sender = ancillary.drain().fold(None, |sender, message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials),
        _ => sender,
    });
    Ok(Datagram { length: received.bytes, whole: !received.flags.contains(ReturnFlags::TRUNC), sender })
}

/// Descriptors there is room for, only to close them: what does not fit the kernel closes itself.
const RIGHTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SocketType, socketpair, sockopt};

    #[test]
    fn a_datagram_names_its_sender_and_says_whether_it_is_whole() {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        let mut bytes = [0; 8];
        assert_eq!(receive(&ours, &mut bytes).err(), Some(io::Errno::AGAIN));
        send(&theirs, b"READY=1", SendFlags::empty()).unwrap();
        assert!(receive(&ours, &mut bytes).unwrap().sender.is_none());
        sockopt::set_socket_passcred(&ours, true).unwrap();
        for (text, whole) in [(&b"READY=1"[..], true), (b"WATCHDOG=1", false)] {
            send(&theirs, text, SendFlags::empty()).unwrap();
            let datagram = receive(&ours, &mut bytes).unwrap();
            let sender = datagram.sender.unwrap();
            assert_eq!((sender.pid, sender.uid), (rustix::process::getpid(), rustix::process::getuid()));
            assert_eq!((datagram.length, datagram.whole), (text.len().min(8), whole));
        }
    }
}
