//! What init reports to security-monitor: a bounded queue, sent whenever the monitor takes it. Nothing here ever waits for
//! the monitor; what finds no room is counted and said instead.

use crate::say;
use ipc::{
    client::Answer,
    messages::monitor::Request,
    packet::{self, PacketError},
};
use manifest::{
    api::{Done, EventKind},
    places,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use std::collections::VecDeque;

/// Most reports that wait.
const LIMIT: usize = 64;
/// Whom they go to.
const MONITOR: &str = "security-monitor";

/// The queue and, while something is on its way, the connection.
#[derive(Default)]
pub struct Reports {
    waiting: VecDeque<Request>,
    connection: Option<OwnedFd>,
    /// Whether the first of `waiting` has been sent and its answer is outstanding.
    sent: bool,
    lost: u64,
}

impl Reports {
    /// Queues a report.
    pub fn add(&mut self, kind: EventKind, subject: impl Into<String>, detail: impl Into<String>) {
        if self.waiting.len() < LIMIT {
            self.waiting.push_back(Request::ReportThreat { kind, subject: subject.into(), detail: detail.into() });
        } else {
            self.lost += 1;
            // Said at the first and whenever the number has doubled: a flood must not become a flood of lines.
            if self.lost.is_power_of_two() {
                say::warning(format_args!("{} reports found no room to wait for {MONITOR}", self.lost));
            }
        }
    }

    /// Whether something waits or is on its way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends the next report if none is on its way. Returns the connection when it is new, to be watched.
    pub fn send(&mut self) -> Option<BorrowedFd<'_>> {
        if self.sent || self.waiting.is_empty() {
            return None;
        }
        let is_new = self.connection.is_none();
        if is_new {
            self.connection = open();
        }
        let (Some(connection), Some(first)) = (&self.connection, self.waiting.front()) else { return None };
        match packet::send(connection, first, &[]) {
            Ok(()) => self.sent = true,
            Err(e) if e.is_time_out() => {}
            Err(_) => {
                self.connection = None;
                return None;
            }
        }
        self.connection.as_ref().filter(|_| is_new).map(AsFd::as_fd)
    }

    /// The connection is readable: the answer to the report that is on its way, or its end.
    pub fn answered(&mut self) {
        let Some(connection) = &self.connection else { return };
        match packet::receive(connection).and_then(packet::Raw::parse::<Answer<Done>>) {
            Ok((answer, _)) => {
                self.sent = false;
                self.waiting.pop_front();
                if let Answer::Error(body) = answer {
                    say::warning(format_args!("{MONITOR} refused a report: {}", body.message));
                }
            }
            Err(e) if e.is_time_out() => {}
            Err(PacketError::Closed | PacketError::Socket(_)) => self.forget_connection(),
            Err(e) => {
                // What came was an answer, if not one that can be read.
                say::warning(format_args!("{MONITOR} answered a report with what is no answer: {e}"));
                self.waiting.pop_front();
                self.forget_connection();
            }
        }
    }

    /// The monitor ended: what was on its way is sent again to the next one.
    pub fn forget_connection(&mut self) {
        self.connection = None;
        self.sent = false;
    }
}

/// Connects without waiting: a monitor whose backlog is full is tried again later.
fn open() -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).ok()?;
    let address = SocketAddrUnix::new(format!("{}/{MONITOR}.sock", places::IPC)).ok()?;
    connect(&socket, &address).ok().map(|()| socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_that_never_listens_costs_bounded_memory_and_no_wait() {
        let mut reports = Reports::default();
        for i in 0..10 * LIMIT {
            reports.add(EventKind::ServiceExit, "x", i.to_string());
            assert!(reports.send().is_none());
        }
        assert_eq!(reports.waiting.len(), LIMIT);
        assert_eq!(reports.lost, 9 * LIMIT as u64);
    }
}
