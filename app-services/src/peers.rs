//! Pairs of connected sockets for two apps whose manifests name each other.

use crate::{answer::refused, request::peer_line};
use manifest::{
    api::{ErrorBody, ErrorClass},
    names::ComponentId,
    services::Rights,
};
use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};
use std::collections::VecDeque;

/// Connections that wait to be accepted by one app.
pub const ARRIVING_LIMIT: usize = 8;

/// Ends that wait for [`manifest::services::Request::Accept`], with the app that has the other one.
#[derive(Debug, Default)]
pub struct Arriving(VecDeque<(ComponentId, OwnedFd)>);

impl Arriving {
    /// A pair is made: one end waits here, the other is returned.
    pub fn connect(&mut self, from: &ComponentId) -> Result<OwnedFd, ErrorBody> {
        if self.0.len() >= ARRIVING_LIMIT {
            let message = format!("{ARRIVING_LIMIT} connections wait already to be accepted by that app");
            return Err(refused(ErrorClass::Conflict, message, Some("try again".into())));
        }
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (own, other) =
            pair.map_err(|e| refused(ErrorClass::NoSpace, format!("no pair of sockets can be made: {e}"), None))?;
        self.0.push_back((from.clone(), other));
        Ok(own)
    }

    /// The one that waits longest.
    pub fn oldest(&mut self) -> Option<(ComponentId, OwnedFd)> {
        self.0.pop_front()
    }

    /// Drops those of an app that ended, and with them what it sent: files of its memory would outlive its limit there.
    pub fn forget(&mut self, ended: &ComponentId) {
        self.0.retain(|(from, _)| from != ended);
    }

    /// Puts it back: it could not be handed over.
    pub fn put_back(&mut self, one: (ComponentId, OwnedFd)) {
        self.0.push_front(one);
    }
}

/// Whether `to` lets `from` connect: its manifest must name it, and only a running app has rights.
pub fn lets_in(to: &ComponentId, rights: Option<&Rights>, from: &ComponentId) -> Result<(), ErrorBody> {
    match rights {
        None => {
            let message = format!("app {to} does not run, or its manifest names no app");
            Err(refused(ErrorClass::Conflict, message, Some(format!("start it; its manifest must have {}", peer_line(from)))))
        }
        Some(rights) if !rights.peers.contains(from) => {
            let message = format!("the manifest of app {to} does not name this one");
            Err(refused(ErrorClass::NotGranted, message, Some(format!("it must have {}", peer_line(from)))))
        }
        Some(_) => Ok(()),
    }
}
