//! The notify socket of each instance: what it says of itself, believed only from its own uid. launcher keeps a copy, so
//! that an instance that goes on under a new app-manager is heard through the socket it has in its root.

use linux::files::{self, FileError};
use manifest::{
    names::ComponentId,
    notify::{NOTIFY_LIMIT, Notification},
};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, Mode, chmodat},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with, sockopt},
};
use std::path::Path;

/// Most datagrams of one app that are read before the others get their turn.
pub const BATCH: usize = 16;

/// Binds `<run>/<id>/notify`. The kernel says of each datagram who sent it (SO_PASSCRED), so the socket itself may be
/// written by anybody who reaches it; launcher binds it into the app's root as /run/notify.
pub fn bind_socket(run: &Path, id: &ComponentId) -> Result<OwnedFd, FileError> {
    let folder = run.join(id.as_str());
    files::make_folder(&folder, 0o755)?;
    let path = folder.join("notify");
    files::remove(&path)?;
    let error = |e: Errno| FileError::new("bind", &path, e);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).map_err(error)?;
    sockopt::set_socket_passcred(&socket, true).map_err(error)?;
    bind(&socket, &SocketAddrUnix::new(&path).map_err(error)?).map_err(error)?;
    chmodat(CWD, &path, Mode::from_raw_mode(0o666), AtFlags::empty()).map_err(|e| FileError::new("set the mode of", &path, e))?;
    Ok(socket)
}

/// What one datagram was.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// The app's own words.
    Own(Notification),
    /// From another uid: thrown away.
    Stranger(u32),
    /// None is waiting.
    Nothing,
}

/// Looks at the next datagram; `uid` is the app's. It stays there until [`take`]: whoever comes after this daemon hears again
/// what it had heard and not written down. Descriptors that come along are closed at once.
pub fn look(socket: &OwnedFd, uid: u32) -> Heard {
    let mut bytes = [0; NOTIFY_LIMIT + 1];
    let Ok(datagram) = linux::notify::peek(socket, &mut bytes) else { return Heard::Nothing };
    match datagram.sender.map(|sender| sender.uid.as_raw()) {
        Some(sender) if sender == uid => Heard::Own(Notification::parse(bytes.get(..datagram.length).unwrap_or_default())),
        sender => Heard::Stranger(sender.unwrap_or(u32::MAX)),
    }
}

/// Takes the datagram that was looked at.
pub fn take(socket: &OwnedFd) {
    let _ = linux::notify::receive(socket, &mut []);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg_addr};
    use rustix::{fd::AsFd, io::IoSlice, process::getuid};
    use std::mem::MaybeUninit;

    fn id() -> ComponentId {
        "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap()
    }

    fn say(run: &Path, text: &[u8], rights: &[rustix::fd::BorrowedFd<'_>]) {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        let address = SocketAddrUnix::new(run.join(id().as_str()).join("notify")).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !rights.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(rights)));
        }
        sendmsg_addr(&socket, &address, &[IoSlice::new(text)], &mut ancillary, SendFlags::empty()).unwrap();
    }

    fn receive(socket: &OwnedFd, uid: u32) -> Heard {
        let heard = look(socket, uid);
        assert_eq!(look(socket, uid), heard);
        take(socket);
        heard
    }

    #[test]
    fn only_the_apps_own_uid_speaks_for_it() {
        let run = tempfile::tempdir().unwrap();
        let socket = bind_socket(run.path(), &id()).unwrap();
        let uid = getuid().as_raw();
        say(run.path(), b"READY=1\nSTATUS=ok", &[]);
        say(run.path(), b"READY=1", &[]);
        let Heard::Own(said) = receive(&socket, uid) else { panic!("not heard") };
        assert_eq!((said.ready, said.status.as_deref()), (true, Some("ok")));
        assert_eq!(receive(&socket, uid + 1), Heard::Stranger(uid));
        assert_eq!(receive(&socket, uid), Heard::Nothing);
    }

    #[test]
    fn descriptors_and_long_datagrams_do_no_harm() {
        let run = tempfile::tempdir().unwrap();
        let socket = bind_socket(run.path(), &id()).unwrap();
        let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
        say(run.path(), b"WATCHDOG=1", &[socket.as_fd(); 8]);
        say(run.path(), &[b'A'; NOTIFY_LIMIT + 100], &[]);
        assert!(matches!(receive(&socket, getuid().as_raw()), Heard::Own(said) if said.watchdog));
        assert_eq!(receive(&socket, getuid().as_raw()), Heard::Own(Notification::default()));
        // Other tests of this process open and close some at the same time.
        assert!(std::fs::read_dir("/proc/self/fd").unwrap().count() < before + 8);
    }
}
