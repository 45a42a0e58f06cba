//! Step 9 of the README's path: the app says READY, and how it is doing, by the sd_notify(3) protocol.

use rustix::{
    fd::OwnedFd,
    net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, send, socket_with},
};
use std::time::Duration;

/// Longest status line the manager keeps, in characters.
pub const STATUS_LIMIT: usize = 200;

/// The connection to the app's manager.
///
/// Outside of a device (no NOTIFY_SOCKET) it says nothing to nobody, so that an app runs unchanged on a desk.
///
/// ```
/// use sdk::ready::Manager;
///
/// let manager = Manager::from_environment();
/// manager.status("waiting for the first press");
/// manager.ready();
/// assert_eq!(manager.ping_interval(), None, "no watchdog was asked for here");
/// ```
#[derive(Debug)]
pub struct Manager {
    socket: Option<OwnedFd>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// From NOTIFY_SOCKET and WATCHDOG_USEC.
    pub fn from_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).map(Duration::from_micros);
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let address = SocketAddrUnix::new(path).ok()?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
            connect(&socket, &address).ok()?;
            Some(socket)
        });
        Self { socket, watchdog }
    }

    /// The app does what it is for from now on. A manifest with `ReadyTimeout` makes the manager wait for this.
    pub fn ready(&self) {
        self.say("READY=1");
    }

    /// The app is alive. With `Watchdog` in its manifest an app that does not say this in time is started again: call it
    /// from the loop that does the work, at least every [`Manager::ping_interval`], never from a thread of its own.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// The app is about to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// One line for people, shown by `holdfast app status`.
    pub fn status(&self, text: &str) {
        let line: String = text.chars().filter(|c| !c.is_control()).take(STATUS_LIMIT).collect();
        self.say(&format!("STATUS={line}"));
    }

    /// How often [`Manager::alive`] is due: a third of the manifest's `Watchdog`.
    pub fn ping_interval(&self) -> Option<Duration> {
        self.watchdog.map(|longest| longest / 3)
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // A manager that is just being restarted is not waited for: the app's work comes first.
            let _ = send(socket, text.as_bytes(), SendFlags::NOSIGNAL);
        }
    }
}
