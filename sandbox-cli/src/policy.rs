//! A policy as a file: JSON, closed, with a reason wherever something is given.
//!
//! Reading has two steps. [`PolicyFile::parse`] takes the bytes: length, fields, types. [`PolicyFile::check`] looks for
//! what contradicts itself, and tells all of it at once. Both touch nothing of the machine; whether the sources are there
//! is found when they are opened.

use manifest::{
    quantity::Bytes,
    read::{self, ReadError},
};
use sandbox::{Protection, policy::is_clean, seccomp::profiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What a program may do beyond computing in an empty root of its own. What is not listed, it does not get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Address of the schema, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// User and group id of the program, which nothing else has. Needed when root starts it; an ordinary user's program
    /// has the user's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// Host name inside.
    #[serde(default = "default_host_name")]
    pub host_name: String,
    /// The root file system.
    #[serde(default)]
    pub root: Root,
    /// What of this machine is mounted in the root.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Symbolic links of an assembled root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What /proc shows.
    #[serde(default)]
    pub proc: Proc,
    /// How the program may use processes.
    #[serde(default)]
    pub processes: Processes,
    /// System call profiles beside those that every program has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// The whole environment.
    #[serde(default, deserialize_with = "read::unique_keys")]
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    #[serde(default = "default_directory")]
    pub directory: String,
    /// What it may use up.
    #[serde(default)]
    pub limits: Limits,
    /// Protections that it starts without where they cannot be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<Optional>,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// Made of the mounts and links alone.
    #[default]
    Assembled,
    /// A folder with empty folders for everything that is mounted.
    Folder(String),
    /// An EROFS image, the same; only root can mount it.
    Image(String),
}

/// A file or folder of this machine that the program sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where the program sees it.
    pub at: String,
    /// Where it lies on this machine; as `at` if absent. No part of it may be a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What for.
    #[serde(rename = "use")]
    pub usage: Use,
    /// Why the program needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a mount is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Read files, list folders.
    Read,
    /// Read, and run programs.
    Run,
    /// Read and write; nothing in it is run and no symbolic link followed.
    Write,
    /// Connect to this socket; `at` is `/run/NAME`.
    Socket,
}

/// A symbolic link of an assembled root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Where.
    pub at: String,
    /// What it says.
    pub to: String,
}

/// What /proc shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proc {
    /// There is none.
    None,
    /// The program's own processes.
    #[default]
    Own,
    /// Everything of the program's process namespace, read-only.
    Full,
}

/// How the program may use processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Processes {
    /// One process without threads.
    Single,
    /// Children and threads, and never another program.
    #[default]
    Fork,
    /// Children, threads and programs of the root.
    Exec,
}

/// A system call profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Why the program needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a program may use up. Memory, processes and processor time are limited by a control group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory, files in /tmp and /run included; beyond it everything in the sandbox is killed.
    #[schemars(with = "String")]
    pub memory: Bytes,
    /// Processes and threads.
    pub processes: u32,
    /// Processor time in percent of one core.
    pub cpu_percent: u32,
    /// Open files of one process.
    pub open_files: u64,
    /// Bytes of /tmp, and of /run.
    #[schemars(with = "String")]
    pub temporary: Bytes,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: Bytes::mib(256), processes: 64, cpu_percent: 100, open_files: 256, temporary: Bytes::mib(16) }
    }
}

/// A protection that may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optional {
    /// Which.
    pub protection: Optionality,
    /// Why it may be missing.
    pub reason: String,
}

/// Protections that may be named optional; nothing else can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optionality {
    /// An id of its own; without it the program has that of whoever starts it.
    OwnUser,
    /// Limits of memory, processes and processor time.
    ControlGroup,
    /// One exec and no second; without it the program can run itself again, confined as before.
    ExecOnce,
}

impl Optionality {
    /// As the library names it.
    pub fn protection(self) -> Protection {
        match self {
            Self::OwnUser => Protection::OwnUser,
            Self::ControlGroup => Protection::ControlGroup,
            Self::ExecOnce => Protection::ExecOnce,
        }
    }
}

/// Longest policy file.
pub const LENGTH_LIMIT: usize = 64 * 1024;
/// Most entries of one list.
const COUNT_LIMIT: usize = 64;
/// Longest text in it.
const TEXT_LIMIT: usize = 4096;
/// Least and most of each limit: what no program starts with, and what no machine of this kind has.
const MEMORY: (u64, u64) = (1 << 20, 1 << 40);
const PROCESSES: (u64, u64) = (1, 4096);
const CPU_PERCENT: (u64, u64) = (1, 6400);
const OPEN_FILES: (u64, u64) = (16, 4096);
const TEMPORARY: (u64, u64) = (4096, 256 << 20);

fn default_host_name() -> String {
    "sandbox".to_owned()
}

fn default_directory() -> String {
    "/".to_owned()
}

/// Something that contradicts itself or cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where in the file, such as `mounts[2].at`.
    pub path: String,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl PolicyFile {
    /// Reads a file's bytes. The empty object is the strictest policy.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        read::json("the policy", bytes, LENGTH_LIMIT)
    }

    /// Everything that contradicts itself.
    pub fn check(&self) -> Vec<Problem> {
        let mut found = Problems::default();
        self.check_texts(&mut found);
        self.check_mounts(&mut found);
        self.check_links(&mut found);
        self.check_profiles(&mut found);
        self.check_limits(&mut found);
        self.check_optional(&mut found);
        found.0
    }

    /// Whether the policy names this protection optional.
    pub fn is_optional(&self, protection: Protection) -> bool {
        self.optional.iter().any(|entry| entry.protection.protection() == protection)
    }

    fn check_texts(&self, found: &mut Problems) {
        if matches!(self.user, Some(0 | u32::MAX)) {
            found.add("user", "is not an id that a confined program can have");
        }
        let host_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if !(1..=64).contains(&self.host_name.len()) || !self.host_name.chars().all(host_name) {
            found.add("host_name", "is not 1 to 64 letters, digits, `-` and `.`");
        }
        if let Root::Folder(path) | Root::Image(path) = &self.root {
            found.path("root", path);
        }
        if self.directory != "/" {
            found.path("directory", &self.directory);
        }
        found.count("environment", self.environment.len());
        for (name, value) in &self.environment {
            let path = format!("environment.{}", name.escape_default());
            if name.is_empty() || name.contains('=') || name.starts_with("LISTEN_") || name.chars().any(char::is_control) {
                found.add(&path, "is not a name for a variable: no `=`, no control characters, not LISTEN_…");
            }
            if value.contains('\0') || value.len() + name.len() >= TEXT_LIMIT {
                found.add(&path, format!("has a NUL character or more than {TEXT_LIMIT} bytes"));
            }
        }
        let reasons = self.mounts.iter().filter_map(|mount| mount.reason.as_ref());
        let reasons = reasons.chain(self.profiles.iter().filter_map(|profile| profile.reason.as_ref()));
        if reasons.chain(self.optional.iter().map(|entry| &entry.reason)).any(|reason| reason.chars().any(char::is_control)) {
            found.add("reason", "has a control character");
        }
    }

    fn check_mounts(&self, found: &mut Problems) {
        found.count("mounts", self.mounts.len());
        let mut seen = BTreeSet::new();
        for (index, mount) in self.mounts.iter().enumerate() {
            let path = format!("mounts[{index}].at");
            found.path(&path, &mount.at);
            found.path(&format!("mounts[{index}].from"), mount.source());
            if !seen.insert(mount.at.as_str()) {
                found.add(&path, format!("`{}` is mounted at twice", mount.at.escape_default()));
            }
            let top = mount.at.split('/').nth(1).unwrap_or_default();
            let wrong = match (mount.usage, top) {
                (Use::Socket, "run") if mount.at.split('/').count() == 3 => None,
                (Use::Socket, _) => Some("a socket is seen as /run/NAME"),
                (Use::Write, "data") if mount.at == "/data" => None,
                (_, "data") => Some("/data is for one folder to write"),
                (_, "dev" | "proc" | "run" | "tmp") => Some("/dev, /proc, /run and /tmp are laid out by the sandbox"),
                _ => None,
            };
            wrong.into_iter().for_each(|reason| found.add(&path, reason));
        }
    }

    fn check_links(&self, found: &mut Problems) {
        found.count("links", self.links.len());
        if !self.links.is_empty() && self.root != Root::Assembled {
            found.add("links", "only an assembled root can have links; this one is read-only");
        }
        for (index, link) in self.links.iter().enumerate() {
            let path = format!("links[{index}].at");
            found.path(&path, &link.at);
            let inside = |at: &str| at == link.at || at.strip_prefix(&link.at).is_some_and(|rest| rest.starts_with('/'));
            if self.mounts.iter().any(|mount| inside(&mount.at)) || is_reserved(&link.at) {
                found.add(&path, "something is mounted there");
            }
            if link.to.is_empty() || link.to.len() > TEXT_LIMIT || link.to.chars().any(char::is_control) {
                found.add(&format!("links[{index}].to"), "is empty, too long or has a control character");
            }
        }
    }

    fn check_profiles(&self, found: &mut Problems) {
        found.count("profiles", self.profiles.len());
        for (index, profile) in self.profiles.iter().enumerate() {
            let path = format!("profiles[{index}].name");
            let known: Vec<&str> = profiles::APPS.iter().map(|profile| profile.name).collect();
            let contradicts = match profile.name.as_str() {
                "threads" | "fork" => self.processes == Processes::Single,
                "exec" => self.processes != Processes::Exec,
                _ => false,
            };
            if !known.contains(&profile.name.as_str()) {
                found.add(&path, format!("`{}` is none of {}", profile.name.escape_default(), known.join(", ")));
            } else if contradicts {
                found.add(&path, format!("`{}` contradicts `processes`", profile.name));
            }
        }
    }

    fn check_limits(&self, found: &mut Problems) {
        let limits = &self.limits;
        for (name, value, (least, most)) in [
            ("memory", limits.memory.0, MEMORY),
            ("processes", limits.processes.into(), PROCESSES),
            ("cpu_percent", limits.cpu_percent.into(), CPU_PERCENT),
            ("open_files", limits.open_files, OPEN_FILES),
            ("temporary", limits.temporary.0, TEMPORARY),
        ] {
            if !(least..=most).contains(&value) {
                found.add(&format!("limits.{name}"), format!("{value} is not between {least} and {most}"));
            }
        }
        if limits.temporary.0 > limits.memory.0 {
            found.add("limits.temporary", "is more than limits.memory, which it counts as");
        }
    }

    fn check_optional(&self, found: &mut Problems) {
        for (index, entry) in self.optional.iter().enumerate() {
            if entry.reason.trim().is_empty() {
                found.add(&format!("optional[{index}].reason"), "says nothing");
            }
        }
        found.count("optional", self.optional.len());
    }
}

impl Mount {
    /// Where it lies on this machine.
    pub fn source(&self) -> &str {
        self.from.as_deref().unwrap_or(&self.at)
    }
}

fn is_reserved(path: &str) -> bool {
    ["/dev", "/proc", "/run", "/tmp", "/data"].iter().any(|name| path == *name || path.starts_with(&format!("{name}/")))
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, path: &str, reason: impl Into<String>) {
        self.0.push(Problem { path: path.to_owned(), reason: reason.into() });
    }

    fn path(&mut self, path: &str, value: &str) {
        if !is_clean(value) {
            let shown: String = value.chars().take(64).flat_map(char::escape_default).collect();
            self.add(path, format!("`{shown}` is not an absolute path without `.`, `..`, empty parts and control characters"));
        }
    }

    fn count(&mut self, path: &str, count: usize) {
        if count > COUNT_LIMIT {
            self.add(path, format!("has {count} entries, at most {COUNT_LIMIT} are allowed"));
        }
    }
}

#[cfg(test)]
mod tests;
