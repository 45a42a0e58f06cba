//! swtpm: the TPM of a machine with firmware. It ends by itself when QEMU's connection closes.

use crate::{
    error::RunnerError,
    folder::{self, MachineFolder},
};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long swtpm may take to make its socket.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts swtpm with the state in the machine's folder, made at the first start.
pub(crate) fn start(folder: &MachineFolder) -> Result<(), RunnerError> {
    fs_err::create_dir_all(folder.file(folder::TPM_STATE))?;
    let socket = folder.file(folder::TPM);
    let _ = fs_err::remove_file(&socket); // of a run before
    let log = fs_err::File::create(folder.file("swtpm.log"))?;
    // Relative paths, from the machine's folder: a socket's path has at most 107 bytes. swtpm keeps its working folder
    // unless it becomes a daemon, which is why it does not.
    let mut command = Command::new("swtpm");
    command.args(["socket", "--tpm2", "--terminate", "--tpmstate"]).arg(format!("dir={}", folder::TPM_STATE));
    command.arg("--ctrl").arg(format!("type=unixio,path={}", folder::TPM)).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(log.try_clone()?.into_file()).stderr(log.into_file());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => RunnerError::Missing { program: "swtpm", package: "swtpm" },
        _ => error.into(),
    })?;
    let until = Instant::now() + LIMIT;
    while !socket.exists() {
        if let Some(status) = child.try_wait()? {
            let output = fs_err::read_to_string(folder.file("swtpm.log")).unwrap_or_default();
            return Err(RunnerError::Ended { program: "swtpm", status: status.to_string(), output });
        }
        if Instant::now() >= until {
            child.kill()?;
            return Err(RunnerError::TimedOut { what: "swtpm's socket".into(), limit: LIMIT });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
