//! Debugging: the next start of an app is one by gdbserver, and whoever asked gets the socket that it speaks over.
//!
//! Only where the image says so, which launcher looks up for itself; which role of a client that takes device-api holds.
//! While it is debugged an app may stand still: neither its watchdog nor its time to become ready counts.

use crate::{fault::Fault, launch::pipe_error, life::Event, lives::kill, manager::Manager, state::Wanted};
use grant::Limits;
use linux::files::FileError;
use manifest::{
    api::{Done, ErrorClass},
    names::ComponentId,
    quantity::Bytes,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

/// What gdbserver takes beside the app: its memory, and its processes (itself, and those it tries the kernel's ptrace with).
const MEMORY: Bytes = Bytes::mib(32);
const PIDS: u32 = 4;

impl Manager {
    /// Ends an app and starts it by a debugger. The caller is answered when that waits for it.
    pub fn start_debugging(&mut self, id: &ComponentId, reply_to: u64) -> Result<(), Fault> {
        if !self.debug {
            let hint = "build the image from a description with `\"debug\": \"developer\"`";
            return Err(Fault::with_hint(ErrorClass::NotGranted, "this device's image lets nobody debug apps", hint));
        }
        let app = self.known(id)?;
        if app.debugger.is_some() || app.live.as_ref().is_some_and(|live| live.debugged) {
            return Err(Fault::new(ErrorClass::Conflict, format!("{id} is being debugged already")));
        }
        if let Some(installed) = &app.installed
            && let Some(odd) =
                installed.manifest.cmd_args.iter().find(|text| text.is_empty() || text.contains(char::is_whitespace))
        {
            let message = format!(
                "gdbserver cannot pass on the argument `{}` of CmdArgs: it is empty, or has blanks in it",
                odd.escape_debug()
            );
            return Err(Fault::with_hint(ErrorClass::NotGranted, message, "debug it with arguments without blanks"));
        }
        self.startable(id)?;
        if let Some(app) = self.apps.get_mut(id) {
            app.debugger = Some(reply_to);
        }
        let wished = self.wish(id, Wanted::Running, Event::Restart);
        if wished.is_err()
            && let Some(app) = self.apps.get_mut(id)
        {
            app.debugger = None;
        }
        wished.map(|_| ())
    }

    /// A debugger's session is over: its app is started again without. gdbserver does not end with every way that gdb can go.
    pub fn debugger_left(&mut self, id: &ComponentId) {
        let Some(live) = self.apps.get_mut(id).and_then(|app| app.live.as_mut()) else { return };
        if live.debugged {
            kill(live);
        }
        // Its hangup would be told again and again until the instance has ended.
        if let Some(session) = live.session.take() {
            self.unwatch(&session.fd, session.token);
        }
    }

    /// Whoever waits for a debugger waits in vain.
    pub fn refuse_debugger(&mut self, id: &ComponentId, why: &str) {
        if let Some(reply_to) = self.apps.get_mut(id).and_then(|app| app.debugger.take()) {
            self.answer_debugger(reply_to, Err(Fault::new(ErrorClass::Conflict, format!("{id} is not debugged: {why}"))));
        }
    }

    /// A connection is closed: what it waited for is wanted no more.
    pub fn forget_caller(&mut self, token: u64) {
        self.apps.values_mut().filter(|app| app.debugger == Some(token)).for_each(|app| app.debugger = None);
    }

    /// Tells who waits for a debugger what became of it.
    pub fn answer_debugger(&mut self, reply_to: u64, started: Result<OwnedFd, Fault>) {
        match started {
            Ok(socket) => self.reply_with(reply_to, Ok(Done {}), &[socket.as_fd()]),
            Err(fault) => self.reply::<Done>(reply_to, Err(fault)),
        }
    }
}

/// Both ends of the socket between gdb and gdbserver; the second one is gdbserver's.
pub fn socket() -> Result<(OwnedFd, OwnedFd), FileError> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(pipe_error)
}

/// An app's limits with room for gdbserver.
pub fn limits(limits: &Limits) -> Limits {
    let memory = Bytes(limits.memory.0.saturating_add(MEMORY.0));
    Limits { memory, pids: limits.pids.saturating_add(PIDS), ..*limits }
}
