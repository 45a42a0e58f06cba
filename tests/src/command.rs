//! The `holdfast` command, as an owner types it.

use crate::{image::keys_folder, machine::Machine, workspace::top};
use anyhow::{Result, ensure};
use std::{ffi::OsString, process::Command};

/// `holdfast WORDS` with the tests' keys; an error unless it ends with 0.
pub fn holdfast(words: &[&str]) -> Result<()> {
    let keys = [OsString::from("holdfast"), "--keys".into(), keys_folder().into()];
    let code = holdfast_cli::dispatch::main(keys.into_iter().chain(words.iter().map(OsString::from)));
    ensure!(code == 0, "`holdfast {}` ended with {code}", words.join(" "));
    Ok(())
}

/// The same, of a command that talks to a device: to this one.
pub fn holdfast_with(machine: &Machine, words: &[&str]) -> Result<()> {
    let (address, pin) = (format!("127.0.0.1:{}", machine.api_port()?), machine.pin()?);
    holdfast(&[words, &["--device", &address, "--fingerprint", pin.as_str()]].concat())
}

/// `holdfast WORDS` as a process of its own, with the tests' keys: the program that `./test` built before them.
pub fn process(words: &[&str]) -> Command {
    let mut command = Command::new(top().join("target/release/holdfast"));
    command.arg("--keys").arg(keys_folder()).args(words).current_dir(top());
    command
}
