//! An app under a debugger: gdbserver is the program that is started, and starts the app itself, in the same sandbox.
//!
//! It comes from the verified root, with its libraries and a loader, and is mounted beside the app's own root. It speaks with
//! the owner's gdb over its standard input and output; the app's output becomes standard error then, as gdbserver has it.

use crate::refusal::Refusal;
use linux::mount;
use manifest::places;
use rustix::fd::BorrowedFd;
use sandbox::{Command, Mount, Place, TOOLS};

/// Makes a command that would start an app one that starts it by the debugger.
pub fn prepare<'a>(command: &mut Command<'a>, mounts: &mut Vec<Mount>, debugger: BorrowedFd<'a>) -> Result<(), Refusal> {
    mounts.push(Mount { detached: mount::detached_bind(places::DEBUG_TOOLS)?, place: Place::Tools });
    let [loader, gdbserver] = places::DEBUGGER.map(|name| format!("{TOOLS}/{name}"));
    let preload = format!("{TOOLS}/{}", places::DEBUGGER_PRELOAD);
    // There is no shell to start the app by, and its addresses stay as random as ever.
    let options = ["--once", "--no-startup-with-shell", "--no-disable-randomization", "-"];
    let debugger_arguments = ["--library-path", TOOLS, "--preload", &preload, &gdbserver].into_iter().chain(options);
    let app = std::iter::once(std::mem::replace(&mut command.program, loader)).chain(std::mem::take(&mut command.arguments));
    command.arguments = debugger_arguments.map(str::to_owned).chain(app).collect();
    (command.stdin, command.stdout) = (Some(debugger), debugger);
    Ok(())
}
