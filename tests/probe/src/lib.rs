//! What the test image's probe and the tests say to each other: one JSON object per line, each way.
//!
//! A library so that both sides share the types; the daemon is `main.rs`.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// Longest request or answer, in bytes.
pub const LINE_LIMIT: usize = 8 * 1024 * 1024;
/// Most bytes that one [`Request::Read`] returns.
pub const READ_LIMIT: u64 = 1024 * 1024;

/// What a test asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Are you there?
    Hello,
    /// A part of a file, at most [`READ_LIMIT`] bytes. Answer: [`Answer::Bytes`].
    Read {
        /// Which file.
        path: String,
        /// First byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// SHA-256 of a whole file. Answer: [`Answer::Text`].
    Sha256 {
        /// Which file.
        path: String,
    },
    /// What a folder holds. Answer: [`Answer::Entries`].
    List {
        /// Which folder.
        path: String,
    },
    /// What one path is, without following a link. Answer: [`Answer::Entries`] with one entry.
    Stat {
        /// Which.
        path: String,
    },
    /// Writes bytes into a file that exists, or makes it. Answer: [`Answer::Done`].
    Write {
        /// Which file.
        path: String,
        /// Base64.
        bytes: String,
        /// Whether to make it.
        create: bool,
    },
    /// Removes a file. Answer: [`Answer::Done`].
    Remove {
        /// Which.
        path: String,
    },
    /// Makes a folder of mode 0700. Answer: [`Answer::Done`].
    MakeFolder {
        /// Which.
        path: String,
        /// User and group whose it is.
        owner: u32,
    },
    /// Makes a FIFO, in place of a file if one is there. Answer: [`Answer::Done`].
    MakeFifo {
        /// Which.
        path: String,
    },
    /// All processes of the device. Answer: [`Answer::Processes`].
    Processes,
    /// All files below `/proc/sys` that can be read, as `sysctl -a` shows them. Answer: [`Answer::Text`].
    Sysctls,
    /// Sends a signal. Answer: [`Answer::Done`].
    Kill {
        /// To whom.
        pid: i32,
        /// Number of the signal.
        signal: i32,
    },
    /// Sends one raw packet to a socket of the internal protocol, as root. Answer: [`Answer::Text`], what came back.
    Ipc {
        /// The service.
        service: String,
        /// The packet.
        packet: String,
    },
    /// Sends a packet to a socket of the internal protocol again and again, from many threads at once. Answer: at once,
    /// [`Answer::Done`].
    Flood {
        /// The service.
        service: String,
        /// The packet.
        packet: String,
        /// How many threads.
        threads: u32,
        /// For how long.
        seconds: u64,
    },
    /// Connects to a socket in the file system and says nothing. Answer: [`Answer::Done`].
    Connect {
        /// Its path.
        path: String,
    },
    /// Freezes a process by the control group freezer: it stands still like a hung one, PID 1 too. Answer: [`Answer::Done`].
    Freeze {
        /// Whom.
        pid: u32,
    },
    /// When init tells the probe to end, freeze PID 1: a hang in the middle of going down. Answer: [`Answer::Done`].
    FreezeInitWhenStopped,
    /// Flushes everything to the disk. Answer: [`Answer::Done`].
    Sync,
    /// What is free of a file system. Answer: [`Answer::Free`].
    Free {
        /// A path in it.
        path: String,
    },
    /// Does one thing, then asks a service again and again until its answer holds some words. Answer: [`Answer::Took`].
    Until {
        /// What is done first.
        first: Box<Request>,
        /// The service.
        service: String,
        /// The packet.
        packet: String,
        /// The words.
        words: String,
    },
    /// Copies a file and flushes the copy. Answer: [`Answer::Took`].
    Copy {
        /// Which.
        from: String,
        /// Where to; what is there is replaced.
        to: String,
    },
    /// Starts a program as the probe's child, confined by nothing, until it says READY=1; then kills it. Answer:
    /// [`Answer::Took`].
    Start {
        /// Which.
        program: String,
        /// Its argument.
        argument: String,
    },
}

/// What the probe answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// Done, nothing more to say.
    Done,
    /// Base64.
    Bytes(String),
    /// Text; what is not UTF-8 in it is replaced.
    Text(String),
    /// What a folder holds, by name.
    Entries(Vec<Entry>),
    /// The processes by id.
    Processes(Vec<Process>),
    /// What is free of a file system.
    Free {
        /// Bytes.
        bytes: u64,
        /// Files that can still be made.
        files: u64,
    },
    /// Done, after so many microseconds.
    Took(u64),
    /// It could not be done: the number of the error and the words.
    Failed {
        /// `errno`, 0 if there is none.
        errno: i32,
        /// In words.
        words: String,
    },
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Kind and permission bits, st_mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
}

/// One process as /proc shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// `/proc/<pid>/status`, whole.
    pub status: String,
    /// The program, empty for the kernel's own threads.
    pub exe: String,
    /// The arguments.
    pub arguments: Vec<String>,
    /// Its control group, `/proc/<pid>/cgroup`.
    pub cgroup: String,
    /// Its namespaces: name and number.
    pub namespaces: Vec<(String, String)>,
    /// Proportional set size in KiB (smaps_rollup).
    pub pss_kib: u64,
    /// Its open descriptors: number and what it is.
    pub descriptors: Vec<(u32, String)>,
}

impl Process {
    /// One field of its status, such as `CapEff`, without the spaces around it.
    pub fn field(&self, name: &str) -> &str {
        self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    }

    /// The command's name.
    pub fn name(&self) -> &str {
        self.field("Name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_misspelt_field_is_refused() {
        assert!(serde_json::from_str::<Request>(r#"{"stat":{"path":"/"}}"#).is_ok());
        assert!(serde_json::from_str::<Request>(r#"{"stat":{"pth":"/"}}"#).is_err());
    }

    #[test]
    fn a_field_of_status_is_found_by_its_whole_name() {
        let process = Process {
            pid: 1,
            status: "Name:\tinit\nCapInh:\t0\nCapEff:\t00ff\n".to_owned(),
            exe: String::new(),
            arguments: Vec::new(),
            cgroup: String::new(),
            namespaces: Vec::new(),
            pss_kib: 0,
            descriptors: Vec::new(),
        };
        assert_eq!((process.name(), process.field("CapEff"), process.field("Cap")), ("init", "00ff", ""));
    }
}
