//! A machine's folder: everything of it lies there, under names that do not change.

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
    path::{Path, PathBuf},
};

/// The console's text, from power-on.
pub const CONSOLE: &str = "console.log";
/// QEMU's own messages.
pub const QEMU_LOG: &str = "qemu.log";
/// QEMU's control socket.
pub const QMP: &str = "qmp.sock";
/// swtpm's control socket.
pub const TPM: &str = "tpm.sock";
/// swtpm's state.
pub const TPM_STATE: &str = "tpm";

/// Name of the socket of a virtio-serial port.
pub fn port_socket(port: &str) -> String {
    format!("{port}.sock")
}

/// A machine's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFolder(PathBuf);

impl MachineFolder {
    /// Makes the folder if it is not there; what lies in it stays. Only its owner may enter it: who can write to the
    /// control socket owns the machine.
    pub fn make(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        fs_err::create_dir_all(path)?;
        fs_err::set_permissions(path, PermissionsExt::from_mode(0o700))?;
        Self::open(path)
    }

    /// A folder that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs_err::canonicalize(path)?))
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Connects to a socket in it, however long the folder's path is.
    pub fn connect(&self, socket: &str) -> io::Result<UnixStream> {
        let folder = fs_err::File::open(&self.0)?;
        let short = format!("/proc/self/fd/{}/{socket}", folder.as_raw_fd());
        UnixStream::connect(short)
            .map_err(|e| io::Error::new(e.kind(), format!("cannot connect to {}: {e}", self.file(socket).display())))
    }
}
