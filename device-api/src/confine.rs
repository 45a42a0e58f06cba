//! What this process gives up before it answers anybody: no path to open, no connection to make, no program to run. What is
//! left is the listening socket, threads, and the other daemons' sockets.

use sandbox::{ConfineError, Confinement, confine_self, seccomp::profiles::app};

/// Confines the process for good. Everything it needs is open; it has one thread still.
pub fn confine() -> Result<(), ConfineError> {
    // Without the network profile: accepted connections inherit their options from the listener (see `server::listen`), and
    // a process that was taken over finds no socket to send by.
    for layer in confine_self(&Confinement::new().profile(&app::THREADS))? {
        linux::log::info(format!("confined: {layer}"));
    }
    Ok(())
}
