//! Records of the kernel's audit subsystem, as its multicast group sends them (netlink(7), AUDIT_NLGRP_READLOG).
//!
//! The header is read by `netlink-packet-core`; the payload is text, `audit(TIME:SERIAL): key=value …`. Values that a
//! process chose stand in quotes, or in hexadecimal where they hold anything odd, so that they cannot pretend a key.

use crate::watch::Sighting;
use manifest::api::EventKind;
use netlink_packet_core::NetlinkBuffer;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    net::{RecvFlags, recv},
};
use std::io;

/// Longest message that is received, in bytes (MAX_AUDIT_MESSAGE_LENGTH and the header).
pub const MESSAGE_LIMIT: usize = 9 * 1024;
/// A process that seccomp stopped (AUDIT_SECCOMP).
const SECCOMP: u16 = 1326;
/// A process that ended by a signal it should not get (AUDIT_ANOM_ABEND).
const ABNORMAL_END: u16 = 1701;
/// What a Landlock domain refused, and the first record of a domain, which says whose it is (AUDIT_LANDLOCK_ACCESS and _DOMAIN,
/// from Linux 6.15 on: Documentation/admin-guide/LSM/landlock.rst).
const LANDLOCK_ACCESS: u16 = 1423;
const LANDLOCK_DOMAIN: u16 = 1424;
/// The signal of a system call that a filter refused (SIGSYS).
const SIGSYS: &str = "31";
/// Longest value of a key that is repeated.
const VALUE_LIMIT: usize = 128;

/// The socket that init joined to the group.
pub struct Socket(OwnedFd);

/// What the socket gave.
pub enum Received {
    /// A message; most report nothing.
    Message(Option<Sighting>),
    /// Messages were lost: they came faster than they were read.
    Lost,
    /// Nothing more for now.
    Empty,
}

impl Socket {
    /// Takes the socket over.
    pub fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// The next message.
    pub fn receive(&self) -> io::Result<Received> {
        let mut bytes = vec![0; MESSAGE_LIMIT];
        match recv(&self.0, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((length, _)) => Ok(Received::Message(bytes.get(..length).and_then(message))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Received::Empty),
            Err(Errno::NOBUFS) => Ok(Received::Lost),
            Err(e) => Err(e.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads one netlink message.
pub fn message(bytes: &[u8]) -> Option<Sighting> {
    let message = NetlinkBuffer::new_checked(bytes).ok()?;
    record(message.message_type(), &String::from_utf8_lossy(message.payload()))
}

/// Reads a record of this type, if it is one to keep.
pub fn record(kind: u16, text: &str) -> Option<Sighting> {
    let (serial, fields) = text.strip_prefix("audit(")?.split_once("):")?;
    let value = |key: &str| fields.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
    let shown = |key: &str| value(key).map_or_else(|| "?".to_owned(), printable);
    let (signal, name, program, pid) = (shown("sig"), shown("comm"), shown("exe"), shown("pid"));
    let serial = Some(printable(serial));
    if kind == LANDLOCK_ACCESS {
        let detail = format!("refused {} of {}", shown("blockers"), shown("path"));
        return Some(Sighting { kind: EventKind::AccessRefused, subject: format!("domain {}", shown("domain")), detail, serial });
    }
    let mut event = EventKind::SeccompKill;
    let detail = match kind {
        LANDLOCK_DOMAIN if value("status") == Some("allocated") => {
            event = EventKind::AccessRefused;
            format!("Landlock domain {}: {name} (pid {pid}), program {program}", shown("domain"))
        }
        SECCOMP if signal != "0" => {
            format!(
                "system call {} refused: {name} (pid {pid}), program {program}, signal {signal}, arch {}",
                shown("syscall"),
                shown("arch")
            )
        }
        // A filter that kills one thread only is told by this record alone.
        ABNORMAL_END if signal == SIGSYS => format!("ended by SIGSYS: {name} (pid {pid}), program {program}"),
        _ => return None,
    };
    let subject = format!("uid {}", shown("uid"));
    Some(Sighting { kind: event, subject, detail, serial })
}

/// What may stand in an event: printable ASCII, bounded.
fn printable(value: &str) -> String {
    let value = value.trim_end_matches(['\0', '\n']);
    value.chars().take(VALUE_LIMIT).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILL: &str = "audit(1700000000.123:45): auid=4294967295 uid=100001 gid=100001 ses=1 subj=unconfined pid=9 comm=\"app\" exe=\"/bin/app\" sig=31 arch=c000003e syscall=101 compat=0 ip=0x7f code=0x80000000";

    fn netlink(kind: u16, text: &str) -> Vec<u8> {
        let length = u32::try_from(16 + text.len()).unwrap();
        [&length.to_le_bytes()[..], &kind.to_le_bytes(), &[0; 10], text.as_bytes()].concat()
    }

    #[test]
    fn a_seccomp_kill_names_uid_program_and_system_call() {
        let seen = message(&netlink(SECCOMP, KILL)).unwrap();
        assert_eq!((seen.serial.as_deref(), seen.subject.as_str()), (Some("1700000000.123:45"), "uid 100001"));
        assert!(seen.detail.contains("system call 101") && seen.detail.contains("\"/bin/app\""));
    }

    #[test]
    fn logged_calls_other_signals_and_other_types_are_no_kill() {
        assert_eq!(message(&netlink(SECCOMP, &KILL.replace("sig=31", "sig=0"))), None);
        assert_eq!(message(&netlink(ABNORMAL_END, &KILL.replace("sig=31", "sig=11"))), None);
        assert_eq!(message(&netlink(1300, KILL)), None);
        assert!(message(&netlink(ABNORMAL_END, KILL)).is_some());
    }

    #[test]
    fn a_name_that_an_app_chose_cannot_pretend_another_uid() {
        // The kernel writes a name with a blank or a quote in it in hexadecimal; even unescaped the first key wins.
        let forged = KILL.replace("comm=\"app\"", "comm=\"a uid=0\"");
        assert_eq!(message(&netlink(SECCOMP, &forged)).unwrap().subject, "uid 100001");
    }

    #[test]
    fn what_a_landlock_domain_refused_is_told_with_whose_it_is() {
        let access = "audit(1729738800.268:30): domain=195ba459b blockers=fs.write_file path=\"/data/x\" dev=\"vda2\" ino=351";
        let seen = message(&netlink(LANDLOCK_ACCESS, access)).unwrap();
        assert_eq!((seen.subject.as_str(), seen.detail.as_str()), ("domain 195ba459b", "refused fs.write_file of \"/data/x\""));
        let domain = "audit(1729738800.268:30): domain=195ba459b status=allocated mode=enforcing pid=300 uid=100001 exe=\"/bin/app\" comm=\"app\"";
        let seen = message(&netlink(LANDLOCK_DOMAIN, domain)).unwrap();
        assert_eq!((seen.kind, seen.subject.as_str()), (EventKind::AccessRefused, "uid 100001"));
        assert!(seen.detail.contains("195ba459b") && seen.detail.contains("\"/bin/app\""));
        let gone = "audit(1729738800.324:33): domain=195ba459b status=deallocated denials=3";
        assert_eq!(message(&netlink(LANDLOCK_DOMAIN, gone)), None);
    }

    #[test]
    fn cut_messages_are_none() {
        let whole = netlink(SECCOMP, KILL);
        for end in 0..whole.len() {
            assert_eq!(message(&whole[..end]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_never_panic_and_stay_printable(bytes: Vec<u8>, text in ".{0,300}") {
            let _ = message(&bytes);
            for kind in [SECCOMP, LANDLOCK_ACCESS, LANDLOCK_DOMAIN] {
                if let Some(seen) = record(kind, &format!("audit({text}): {text}")) {
                    proptest::prop_assert!(!seen.detail.chars().chain(seen.subject.chars()).any(char::is_control));
                }
            }
        }
    }
}
