//! Ends a machine when the test's process ends, whatever ends that.
//!
//! A machine that tests share lives in a static, which nothing drops, and a test that is killed drops nothing. So a shell
//! waits on a pipe whose other end this process holds, and kills QEMU when the kernel closes it.

use anyhow::{Context, Result};
use std::process::{Child, Command, Stdio};

/// Watches over one process; gone when dropped.
#[derive(Debug)]
pub struct Janitor(Child);

impl Janitor {
    /// Kills `pid` when this process ends before the janitor is dropped. Drop it before the process is reaped.
    pub fn watch(pid: u32) -> Result<Self> {
        let script = r#"read -r _; kill -KILL "$0""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, &pid.to_string()]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Self).context("cannot start sh")
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
