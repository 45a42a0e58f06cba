//! `holdfast-sandbox explain`: a policy in plain words, and why it is refused where it is.

use crate::{
    dispatch::Answer,
    failure::{Class, Failure, Result},
    policy::{Limits, Mount, PolicyFile, Proc, Processes, Root, Use},
};
use linux::files;
use sandbox::seccomp::profiles;
use std::path::Path;

/// Reads the policy and explains it.
pub fn act(path: &Path) -> Result<Answer> {
    let lines = lines(&read(path)?);
    Ok(Answer::new(&serde_json::json!({ "lines": lines }), lines.join("\n")))
}

/// A policy that is in order.
pub fn read(path: &Path) -> Result<PolicyFile> {
    // Who types a command may well name a pipe, as shells make them for `<(…)`.
    let read = files::open(path, rustix::fs::OFlags::RDONLY).and_then(|file| {
        files::read_from(&file.into(), crate::policy::LENGTH_LIMIT).map_err(|e| files::FileError::new("read", path, e))
    });
    let bytes = read.map_err(|e| Failure::of(Class::BadInput, &e))?;
    let policy = PolicyFile::parse(&bytes).map_err(|e| Failure::of(Class::BadInput, &e))?;
    match policy.check().as_slice() {
        [] => Ok(policy),
        problems => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            Err(Failure::new(Class::BadInput, format!("{} cannot be used:{}", path.display(), lines.concat())))
        }
    }
}

/// What the program gets, a line each; what it does not get is said where people expect it.
pub fn lines(policy: &PolicyFile) -> Vec<String> {
    let mut lines = vec![user(policy), root(&policy.root).to_owned()];
    lines.extend(policy.mounts.iter().map(mount));
    lines.extend(policy.links.iter().map(|link| format!("link: {} leads to {}", link.at, link.to)));
    lines.push(format!("temporary files: {} in /tmp and again in /run, gone with the program", policy.limits.temporary));
    lines.push(proc(policy.proc).to_owned());
    lines.push("devices: null, zero, full, random and urandom, no other".to_owned());
    lines.push("network: none; no connection in or out, not even to this machine".to_owned());
    lines.push(processes(policy.processes).to_owned());
    lines.push(format!("system calls: {}", calls(policy)));
    lines.extend(limits(&policy.limits));
    lines.push(match policy.environment.keys().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => "environment: empty".to_owned(),
        names => format!("environment: {}", names.join(", ")),
    });
    lines.extend(policy.optional.iter().map(|entry| {
        let protection = entry.protection.protection();
        format!("optional: {}, where there is not {}: {}", protection.name(), protection.needs(), entry.reason)
    }));
    lines.push(
        "always: no capability and no way to one, memory never both writable and executable, other processes neither seen \
         nor signalled nor traced, killed when whoever started it dies"
            .to_owned(),
    );
    lines
}

fn user(policy: &PolicyFile) -> String {
    match policy.user {
        Some(user) => format!("user: {user}; an ordinary user's own where it is one who starts this"),
        None => "user: that of the ordinary user who starts this; root cannot".to_owned(),
    }
}

fn root(root: &Root) -> String {
    match root {
        Root::Assembled => "root: nothing but what follows, read-only".to_owned(),
        Root::Folder(path) => format!("root: the folder {path}, read-only, whose programs it may run as far as `processes` says"),
        Root::Image(path) => format!("root: the image {path}, read-only, whose programs it may run as far as `processes` says"),
    }
}

fn mount(mount: &Mount) -> String {
    let from = if mount.source() == mount.at { String::new() } else { format!(" ({})", mount.source()) };
    let usage = match mount.usage {
        Use::Read => "read only; nothing in it is run",
        Use::Run => "read and run",
        Use::Write => "read and write; nothing in it is run and no link followed",
        Use::Socket => "a socket to connect to",
    };
    let reason = mount.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{}{from}: {usage}{reason}", mount.at)
}

fn proc(shown: Proc) -> &'static str {
    match shown {
        Proc::None => "/proc: none",
        Proc::Own => "/proc: its own processes, nothing of the machine",
        Proc::Full => "/proc: whole, read-only: its own processes, and what /proc says of the machine",
    }
}

fn processes(processes: Processes) -> &'static str {
    match processes {
        Processes::Single => "processes: one, without threads; it cannot fork or execute",
        Processes::Fork => "processes: it may fork and have threads; no other program can be executed",
        Processes::Exec => "processes: it may fork, have threads, and execute programs of its root",
    }
}

fn calls(policy: &PolicyFile) -> String {
    let mut words = vec!["what every program needs".to_owned()];
    for profile in &policy.profiles {
        let purpose = profiles::find(&profile.name).map_or("", |profile| profile.purpose);
        let reason = profile.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        words.push(format!("profile {} ({purpose}{reason})", profile.name));
    }
    words.join(", ")
}

fn limits(limits: &Limits) -> [String; 4] {
    [
        format!("memory: {}; beyond it everything in the sandbox is killed", limits.memory),
        format!("processor: {} % of one core", limits.cpu_percent),
        format!("processes and threads: at most {}", limits.processes),
        format!("open files: at most {}", limits.open_files),
    ]
}
