//! Runs a program in a sandbox and tells how it ended: as root,
//! `cargo run -p holdfast-sandbox --example run_confined -- ROOT PROGRAM [ARGUMENT…]`.
//!
//! ROOT is a folder with the program and its libraries, and with empty folders dev, proc, run and tmp.

use linux::pidfd;
use rustix::{
    fd::AsFd,
    pipe::{PipeFlags, pipe_with},
};
use sandbox::{Command, Kernel, Policy, Protection, spawn};
use std::{error::Error, fs::File, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: run_confined ROOT PROGRAM [ARGUMENT…]".into());
    };
    let kernel = Kernel::check()?;
    let root = linux::mount::detached_bind(folder)?;
    let policy = Policy { optional: vec![Protection::ControlGroup], ..Policy::new(123_456, root.as_fd()) };
    let (output, input) = pipe_with(PipeFlags::CLOEXEC)?;
    let command = Command { arguments: arguments.collect(), ..Command::new(program, input.as_fd(), input.as_fd()) };
    let child = spawn(&kernel, policy, &command)?;
    drop(input);
    for line in &child.in_force {
        linux::log::notice(format!("in force: {line}"));
    }
    std::io::copy(&mut File::from(output), &mut std::io::stdout())?;
    while !pidfd::ended(&child.pidfd, Duration::from_secs(60))? {}
    if let Some(exit) = pidfd::reap(&child.pidfd)? {
        linux::log::notice(child.ending(exit).ending);
    }
    Ok(())
}
