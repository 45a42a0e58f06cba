//! One app that is served: its socket, its connections, and how fast it is listened to.

use crate::{certificates::Store, figures::Figures, pace::Pace, peers::Arriving};
use ipc::messages::Instance;
use linux::poll::Poller;
use manifest::services::{Rights, SERVICE_PACKET_LIMIT};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, SocketFlags, accept_with, recv, sockopt},
};
use std::{collections::BTreeMap, io, time::Duration};

/// Connections of one app: one per thread or process that asks, and few of those.
pub const CONNECTIONS_LIMIT: usize = 8;

/// Bytes of replies that may wait unread on one connection (the kernel doubles it for its own part, socket(7)). They count as
/// this daemon's memory, so that with the usual buffers a few apps that read nothing could use it up for all.
const UNREAD_LIMIT: usize = 8 * 1024;

/// An app that is served.
pub struct App {
    /// Which start of it.
    pub instance: Instance,
    /// Nobody else speaks on its socket.
    pub uid: u32,
    /// What it may ask for.
    pub rights: Rights,
    /// Its figures of memory, if it has a right to them.
    pub figures: Option<Figures>,
    /// Where it connects.
    pub listener: OwnedFd,
    /// The listener's token.
    pub token: u64,
    /// Its connections by their tokens.
    pub connections: BTreeMap<u64, Connection>,
    /// Other apps that connected and were not accepted yet.
    pub arriving: Arriving,
    /// How fast it asks.
    pub pace: Pace,
    /// How often it changes what the device keeps.
    pub changes: Pace,
    /// Its certificates, once they were read; this daemon alone writes them.
    pub store: Option<Store>,
    /// Not listened to before this time: it asks too fast.
    pub paused_until: Option<Duration>,
    /// Whether it was told to the monitor that it sends what is no request: once, or it would flood the event log.
    pub reported: bool,
}

/// One of its connections.
pub struct Connection {
    /// The socket.
    pub socket: OwnedFd,
    /// What waits here for its reply.
    pub waits: Option<Waits>,
}

/// A request whose reply comes when something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For an app that connects.
    Peer,
    /// For updates other than those of this serial number.
    Updates(u64),
}

/// What was received.
pub enum Received {
    /// A packet, of whatever.
    Packet(Vec<u8>),
    /// A packet longer than any request.
    TooLong,
    /// There was nothing.
    Nothing,
    /// The app closed the connection, or sent nothing as a packet.
    End,
}

impl App {
    /// Accepts one connection. One too many, or of another uid, is closed at once.
    pub fn accept(&mut self) -> Option<OwnedFd> {
        let socket = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).ok()?;
        let uid = sockopt::socket_peercred(&socket).ok()?.uid.as_raw();
        if uid != self.uid {
            linux::log::warning(format!("{}: uid {uid} tried to speak for it", self.instance));
            return None;
        }
        sockopt::set_socket_send_buffer_size(&socket, UNREAD_LIMIT).ok()?;
        (self.connections.len() < CONNECTIONS_LIMIT).then_some(socket)
    }

    /// Counts a request or a connection; an app that had its share is not listened to for a while.
    pub fn count(&mut self, poller: &Poller, now: Duration) {
        if self.paused_until.is_none() {
            self.paused_until = self.pace.count(now);
            if self.paused_until.is_some() {
                self.leave(poller);
            }
        }
    }

    /// Listens again, if the pause is over.
    pub fn resume(&mut self, poller: &Poller, now: Duration) -> io::Result<()> {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            poller.add(&self.listener, self.token)?;
            self.connections.iter().try_for_each(|(token, connection)| poller.add(&connection.socket, *token))?;
        }
        Ok(())
    }

    /// Takes it out of the loop. app-manager has the listener too: closing it here would not.
    pub fn leave(&self, poller: &Poller) {
        let _ = poller.remove(&self.listener);
        for connection in self.connections.values() {
            let _ = poller.remove(&connection.socket);
        }
    }
}

impl Connection {
    /// Receives a packet. Descriptors that come along find no room and are never installed (unix(7)).
    pub fn receive(&self) -> Received {
        let mut bytes = vec![0; SERVICE_PACKET_LIMIT + 1];
        match recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, 0)) => Received::End,
            Ok((_, length)) if length > SERVICE_PACKET_LIMIT => Received::TooLong,
            Ok((_, length)) => {
                bytes.truncate(length);
                Received::Packet(bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
            Err(_) => Received::End,
        }
    }
}
