//! What can go wrong with a machine.

use std::{io, path::PathBuf, time::Duration};

/// Why a machine could not be started, asked or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file or socket.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A program is not installed.
    #[error("cannot start `{program}`: it is not installed; Debian's package `{package}` has it")]
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program ended at once.
    #[error("{program} ended at once ({status}): {output}")]
    Ended {
        /// The program.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// What it wrote.
        output: String,
    },
    /// QEMU's control socket did not answer as it should.
    #[error("QEMU refused `{command}`: {answer}")]
    Qmp {
        /// The command.
        command: String,
        /// What came back.
        answer: String,
    },
    /// Something did not happen in time.
    #[error("waited {limit:?} for {what}, which did not happen")]
    TimedOut {
        /// What.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The machine ended while something was waited for.
    #[error("the machine ended while waiting for {what}; its console is in {}", .console.display())]
    Gone {
        /// What.
        what: String,
        /// File with the console's text.
        console: PathBuf,
    },
    /// A port answered with something else than `ok`.
    #[error("port {port} answered: {answer}")]
    Port {
        /// The port.
        port: String,
        /// What it said.
        answer: String,
    },
}
