//! The sockets and pipes that init makes for services: IPC listeners, notify sockets, logs.

use crate::problem::Problem;
use linux::files;
use manifest::{
    names::ServiceName,
    notify::{NOTIFY_LIMIT, Notification},
    places,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    fs::{AtFlags, CWD, Gid, Mode, Uid, chmodat, chownat},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, netlink, socket_with, sockopt},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 32;
/// Datagrams of one service that one turn of the loop reads.
const DATAGRAMS_LIMIT: usize = 32;
/// Bytes of log that wait for the monitor; what finds no room is lost, and nobody waits.
const LOG_PIPE: usize = 64 * 1024;
/// Multicast group of audit records (AUDIT_NLGRP_READLOG) as a bit.
const AUDIT_READLOG: u32 = 1;

/// Who may connect to an IPC listener. What they may ask for is the service table's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Any service: the kernel says who it is.
    Any,
    /// This user, members of this group, and root.
    Only {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

/// An IPC listener.
pub fn ipc_listener(service: &str, callers: Callers, flags: SocketFlags) -> Result<OwnedFd, Problem> {
    let path = format!("{}/{service}.sock", places::IPC);
    let socket = bound(SocketType::SEQPACKET, flags, &path)?;
    match callers {
        Callers::Any => mode(&path, 0o666)?,
        Callers::Only { uid, gid } => {
            chownat(CWD, &path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(Problem::kernel(format!("change the owner of {path}")))?;
            mode(&path, 0o660)?;
        }
    }
    listen(&socket, BACKLOG).map_err(Problem::kernel(format!("listen at {path}")))?;
    Ok(socket)
}

/// Whether a listener was shut down by whoever it was passed to: nobody can connect to it ever again (unix(7), poll(2)).
pub fn is_shut(listener: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(listener, PollFlags::RDHUP)], Some(&Timespec::default())).is_ok_and(|events| events > 0)
}

/// Where a service's notifications go.
pub fn notify_path(service: &ServiceName) -> String {
    format!("{}/{service}", places::NOTIFY)
}

/// A service's notify socket, to which only its user may send.
pub fn notify_socket(service: &ServiceName, uid: u32, gid: u32) -> Result<OwnedFd, Problem> {
    let path = notify_path(service);
    let socket = bound(SocketType::DGRAM, SocketFlags::NONBLOCK, &path)?;
    sockopt::set_socket_passcred(&socket, true).map_err(Problem::kernel(format!("learn who sends to {path}")))?;
    chownat(CWD, &path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Problem::kernel(format!("change the owner of {path}")))?;
    mode(&path, 0o600)?;
    Ok(socket)
}

/// What process `pid` said on a notify socket, [`DATAGRAMS_LIMIT`] datagrams at most: the rest waits for the next turn, so
/// that a service that never stops talking stops nobody else. Others' datagrams, such as those of the instance before, are
/// read and dropped.
pub fn notifications(socket: &OwnedFd, pid: i32) -> Vec<Notification> {
    let mut said = Vec::new();
    for _ in 0..DATAGRAMS_LIMIT {
        let mut bytes = [0; NOTIFY_LIMIT];
        let Ok(datagram) = linux::notify::receive(socket, &mut bytes) else { break };
        if datagram.whole && datagram.sender.is_some_and(|sender| sender.pid.as_raw_nonzero().get() == pid) {
            said.push(Notification::parse(bytes.get(..datagram.length).unwrap_or_default()));
        }
    }
    said
}

/// A service's log: read end, write end.
pub fn log_pipe() -> Result<(OwnedFd, OwnedFd), Problem> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(Problem::kernel("make a log pipe"))?;
    fcntl_setpipe_size(&read, LOG_PIPE).map_err(Problem::kernel("size a log pipe"))?;
    Ok((read, write))
}

/// The kernel's audit records, by multicast: no daemon has to be registered with the kernel for them.
pub fn audit_socket() -> Result<OwnedFd, Problem> {
    let what = "listen to audit records";
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::AUDIT)).map_err(Problem::kernel(what))?;
    bind(&socket, &netlink::SocketAddrNetlink::new(0, AUDIT_READLOG)).map_err(Problem::kernel(what))?;
    Ok(socket)
}

fn bound(kind: SocketType, flags: SocketFlags, path: &str) -> Result<OwnedFd, Problem> {
    let what = || format!("make the socket {path}");
    files::remove(path)?;
    let socket = socket_with(AddressFamily::UNIX, kind, flags | SocketFlags::CLOEXEC, None).map_err(Problem::kernel(what()))?;
    bind(&socket, &SocketAddrUnix::new(path).map_err(Problem::kernel(what()))?).map_err(Problem::kernel(what()))?;
    Ok(socket)
}

fn mode(path: &str, bits: u32) -> Result<(), Problem> {
    chmodat(CWD, path, Mode::from_raw_mode(bits), AtFlags::empty()).map_err(Problem::kernel(format!("set the mode of {path}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::{
        io::Errno,
        net::{Shutdown, connect, shutdown},
    };

    #[test]
    fn a_listener_that_was_shut_down_is_seen_and_one_in_its_place_takes_connections() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock").to_str().unwrap().to_owned();
        let listening = || {
            let socket = bound(SocketType::SEQPACKET, SocketFlags::empty(), &path).unwrap();
            listen(&socket, BACKLOG).unwrap();
            socket
        };
        let connects = || {
            let client = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
            connect(&client, &SocketAddrUnix::new(path.as_str()).unwrap()).map(|()| client)
        };
        for how in [Shutdown::Read, Shutdown::Both] {
            let listener = listening();
            let _waits = connects().unwrap();
            assert!(!is_shut(&listener), "somebody who waits is no reason");
            shutdown(&listener, how).unwrap();
            assert_eq!(connects().unwrap_err(), Errno::CONNREFUSED);
            assert!(is_shut(&listener));
            let anew = listening();
            assert!(connects().is_ok() && !is_shut(&anew));
        }
    }
}
