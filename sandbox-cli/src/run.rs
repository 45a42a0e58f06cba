//! `holdfast-sandbox run`: the program in its sandbox, behind pipes, until it ends.

use crate::{
    arguments,
    dispatch::write,
    explain,
    failure::{Class, Failure, Result},
    limits::Group,
    policy::{PolicyFile, Proc, Processes},
    root,
};
use linux::{
    pidfd::{self, Ending},
    process::{CapabilitySet, Signal},
    signals,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, OwnedFd},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use sandbox::{
    Child, Command, Denials, Kernel, Limits, Policy, Protection, SpawnError,
    denials::{self, Denial},
    plan::PlanError,
    user_namespace,
};
use std::{
    fs::File,
    io,
    thread::{self, JoinHandle},
};

/// Signals that are passed on to the program.
const PASSED_ON: [i32; 4] = [signals::SIGINT, signals::SIGTERM, 1, 3];

/// Starts the program, waits for it, and gives its exit code.
pub fn act(arguments: &arguments::Run, json: bool) -> Result<u8> {
    let file = explain::read(&arguments.policy)?;
    if !may_confine() {
        user_namespace::enter().map_err(|e| Failure::of(Class::Unavailable, &e))?;
    }
    let kernel = Kernel::check().map_err(|e| Failure::of(Class::Unavailable, &e))?;
    let tree = root::build(&file)?;
    let group = match Group::make(&arguments.cgroup_parent, &file.limits) {
        Ok(group) => Some(group),
        Err(_) if file.is_optional(Protection::ControlGroup) => None,
        Err(failure) => return Err(failure),
    };
    let folder = group.as_ref().map(|group| group.cgroup().open()).transpose();
    let folder = folder.map_err(|e| Failure::of(Class::NotStarted, &e))?;
    let policy = Policy {
        host_name: file.host_name.clone(),
        mounts: tree.mounts,
        proc: proc(file.proc),
        processes: processes(file.processes),
        profiles: file.profiles.iter().filter_map(|profile| sandbox::seccomp::profiles::find(&profile.name)).collect(),
        denials: Denials::Told,
        limits: limits(&file),
        cgroup: folder.as_ref().map(AsFd::as_fd),
        optional: file.optional.iter().map(|entry| entry.protection.protection()).collect(),
        ..Policy::new(user(&file, &kernel)?, tree.root.as_fd())
    };
    let signals = signals::receive(&PASSED_ON).map_err(|e| Failure::of(Class::NotStarted, &e))?;
    let running = start(&kernel, policy, &file, &arguments.program)?;
    report(&running.child, arguments.in_force, json);
    let (code, denied) = running.wait(&signals)?;
    tell(&denied, json);
    Ok(code)
}

/// Whether this process can have every protection without a user namespace.
fn may_confine() -> bool {
    linux::process::capabilities().is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

fn user(file: &PolicyFile, kernel: &Kernel) -> Result<u32> {
    match file.user {
        _ if !kernel.initial_user_namespace => Ok(rustix::process::geteuid().as_raw()),
        Some(user) => Ok(user),
        None => Err(Failure::new(Class::BadInput, "the policy, at user: started by root, a program needs a user of its own")
            .hint("write `\"user\": 200000`, or another id that nothing on this machine has")),
    }
}

fn proc(shown: Proc) -> sandbox::Proc {
    match shown {
        Proc::None => sandbox::Proc::None,
        Proc::Own => sandbox::Proc::Own,
        Proc::Full => sandbox::Proc::Full,
    }
}

fn processes(processes: Processes) -> sandbox::Processes {
    match processes {
        Processes::Single => sandbox::Processes::Single,
        Processes::Fork => sandbox::Processes::Fork,
        Processes::Exec => sandbox::Processes::Exec,
    }
}

/// Beside the program, its user may have the reaping init, and this command where the user is the same.
fn limits(file: &PolicyFile) -> Limits {
    Limits {
        open_files: file.limits.open_files,
        processes: u64::from(file.limits.processes.saturating_add(2)).min(4096),
        temporary_bytes: file.limits.temporary.0,
        // Where cores go is the machine's own affair.
        core_bytes: 0,
    }
}

/// A started program and what carries its streams.
struct Running {
    child: Child,
    output: [JoinHandle<()>; 2],
}

/// The program never sees the streams of this command, which may be a terminal or files, but pipes.
fn start(kernel: &Kernel, policy: Policy<'_>, file: &PolicyFile, program: &[String]) -> Result<Running> {
    let [stdin, stdout, stderr] = [pipe()?, pipe()?, pipe()?];
    let Some((path, arguments)) = program.split_first() else {
        return Err(Failure::new(Class::Usage, "no program"));
    };
    let command = Command {
        arguments: arguments.to_vec(),
        environment: file.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        directory: file.directory.clone(),
        stdin: Some(stdin.0.as_fd()),
        ..Command::new(path, stdout.1.as_fd(), stderr.1.as_fd())
    };
    let child = sandbox::spawn(kernel, policy, &command).map_err(|e| not_started(&e))?;
    // Threads only now: a process that is cloned should have one.
    carry(Box::new(io::stdin()), Box::new(File::from(stdin.1)));
    let output = [
        carry(Box::new(File::from(stdout.0)), Box::new(io::stdout())),
        carry(Box::new(File::from(stderr.0)), Box::new(io::stderr())),
    ];
    Ok(Running { child, output })
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| Failure::of(Class::NotStarted, &e))
}

/// Copies until one end is closed; which one, or why, makes no difference to what follows.
fn carry(mut from: Box<dyn io::Read + Send>, mut to: Box<dyn io::Write + Send>) -> JoinHandle<()> {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to).and_then(|_| to.flush());
    })
}

fn not_started(error: &SpawnError) -> Failure {
    match error {
        SpawnError::Plan(PlanError::Missing(_)) => Failure::of(Class::Unavailable, error)
            .hint("run this as root, or name them in the policy: \"optional\": [{\"protection\": \"…\", \"reason\": \"…\"}]"),
        SpawnError::Plan(_) => Failure::of(Class::BadInput, error),
        _ => Failure::of(Class::NotStarted, error),
    }
}

/// What was left out is always said; all of it on request.
fn report(child: &Child, whole: bool, json: bool) {
    let lines: Vec<&String> = child.in_force.iter().filter(|line| whole || line.starts_with("NO ")).collect();
    let stderr = &mut io::stderr().lock();
    if json && whole {
        write(stderr, &serde_json::json!({ "in_force": lines }).to_string());
    } else {
        lines.iter().for_each(|line| write(stderr, &format!("holdfast-sandbox: {line}")));
    }
}

/// Refused calls of one kind, as the last one was, and how many.
type Denied = (Denial, u64);

/// Kinds of refused calls that are told at the end.
const KINDS: usize = 32;

/// What was refused, and what of the policy would have allowed it.
fn tell(denied: &[Denied], json: bool) {
    let stderr = &mut io::stderr().lock();
    for (denial, count) in denied {
        let missing = denial.missing_profile().map(|profile| match profile.name {
            "threads" | "fork" => r#""processes": "fork""#.to_owned(),
            "exec" => r#""processes": "exec""#.to_owned(),
            name => format!(r#""profiles": [{{ "name": "{name}", "reason": "…" }}]"#),
        });
        if json {
            let told = serde_json::json!({ "denied": denial.name(), "arguments": denial.shown_arguments(), "count": count,
                "errno": denial.errno_name(), "missing": missing, "reason": denial.reason() });
            write(stderr, &told.to_string());
        } else {
            let missing = missing.map_or_else(|| denial.reason(), |line| format!("missing in the policy: {line}"));
            write(stderr, &format!("holdfast-sandbox: {denial} ({count} ×); {missing}"));
        }
    }
}

impl Running {
    fn wait(self, signals: &OwnedFd) -> Result<(u8, Vec<Denied>)> {
        let mut denied: Vec<Denied> = Vec::new();
        loop {
            let sources = [&self.child.pidfd, signals].into_iter().chain(&self.child.denials);
            let mut sources: Vec<_> = sources.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            match poll(&mut sources, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(Failure::of(Class::NotStarted, &e)),
            }
            if sources.get(2).is_some_and(|calls| calls.revents().contains(PollFlags::IN))
                && let Some(Ok(denial)) = self.child.denials.as_ref().map(denials::answer)
            {
                note(&mut denied, denial);
            }
            while let Some(signal) = signals::next(signals).and_then(Signal::from_named_raw) {
                // One that has ended meanwhile is reaped below.
                let _ = pidfd::signal(&self.child.pidfd, signal);
            }
            if let Some(exit) = pidfd::reap(&self.child.pidfd).map_err(|e| Failure::of(Class::NotStarted, &e))? {
                self.output.into_iter().for_each(|thread| drop(thread.join()));
                let code = match self.child.ending(exit).ending {
                    Ending::Exited(status) => u8::try_from(status).unwrap_or(u8::MAX),
                    Ending::Signaled(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
                };
                return Ok((code, denied));
            }
        }
    }
}

fn note(denied: &mut Vec<Denied>, denial: Denial) {
    let same = |(known, _): &Denied| known.number == denial.number && known.looked_at() == denial.looked_at();
    let known = denied.iter().position(same).map_or(0, |at| denied.remove(at).1);
    if denied.len() < KINDS {
        denied.push((denial, known + 1));
    }
}
