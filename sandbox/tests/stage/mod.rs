//! A root with the attack program in it, and a way to run it confined and not.

use linux::pidfd;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
};
use sandbox::{
    Child, Command, Denials, Kernel, Limits, Mount, Place, Policy, Processes, Protection, SpawnError,
    denials::{self, Denial},
    seccomp::Profile,
    spawn,
};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process,
    sync::RwLock,
    time::{Duration, Instant},
};

/// How a program ended: its status, or its signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signaled(i32),
}

/// User of the programs here.
pub const USER: u32 = 123_456;
/// Longer than any act here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Held for writing while programs are copied, for reading while a process starts: one that is forked just then would inherit
/// the copy open for writing, and its exec elsewhere would fail (ETXTBSY).
static COPYING: RwLock<()> = RwLock::new(());

/// A root, and a folder for /data.
pub struct Stage {
    folder: tempfile::TempDir,
    pub kernel: Kernel,
}

/// What differs from the ordinary start.
pub struct Start<'a> {
    pub processes: Processes,
    pub profiles: Vec<&'static Profile>,
    pub program: &'a str,
    pub arguments: Vec<String>,
    pub environment: Vec<String>,
    pub passed: Vec<(&'a str, &'a OwnedFd)>,
    pub socket: Option<&'a Path>,
    pub user: u32,
    pub network: Option<OwnedFd>,
    pub denials: Denials,
    /// Called just before spawn, and just after.
    pub around_spawn: fn(),
}

impl<'a> Start<'a> {
    /// The attack program with these arguments, allowed to fork.
    pub fn of(arguments: &[&str]) -> Self {
        Self {
            processes: Processes::Fork,
            profiles: Vec::new(),
            program: "/bin/attack",
            arguments: arguments.iter().map(|&text| text.to_owned()).collect(),
            environment: vec!["PATH=/bin".to_owned()],
            passed: Vec::new(),
            socket: None,
            user: USER,
            network: None,
            denials: Denials::Logged,
            around_spawn: || (),
        }
    }

    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// A started program with the read end of its output.
pub struct Running {
    pub child: Child,
    pub output: File,
    /// Calls that were refused.
    pub denials: Vec<Denial>,
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let root = folder.path().join("root");
        for name in ["bin", "dev", "proc", "run", "tmp", "data", "usr"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let copying = COPYING.write().unwrap();
        install(&attack(), &root);
        drop(copying);
        fs::write(root.join("bin/script"), "#!/bin/attack nothing\n").unwrap();
        fs::write(root.join("bin/text"), "no program").unwrap();
        symlink("/etc/passwd", root.join("bin/link-out")).unwrap();
        for name in ["bin/script", "bin/text"] {
            fs::set_permissions(root.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let data = folder.path().join("storage");
        fs::create_dir(&data).unwrap();
        chown(&data, Some(USER), Some(USER)).unwrap();
        let canary = folder.path().join("canary");
        fs::write(&canary, "outside").unwrap();
        fs::set_permissions(&canary, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        Self { folder, kernel: Kernel::check().unwrap() }
    }

    /// A file outside of the root that everybody may read and write.
    pub fn canary(&self) -> String {
        self.folder.path().join("canary").to_str().unwrap().to_owned()
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    pub fn start(&self, start: Start<'_>) -> Result<Running, SpawnError> {
        let root = linux::mount::detached_bind(self.root()).unwrap();
        let mut mounts = vec![Mount { detached: linux::mount::detached_bind(self.storage()).unwrap(), place: Place::Data }];
        if let Some(socket) = start.socket {
            mounts.push(Mount {
                detached: linux::mount::detached_bind(socket).unwrap(),
                place: Place::Socket("notify".to_owned()),
            });
        }
        let (output, input) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let policy = Policy {
            mounts,
            network: start.network,
            processes: start.processes,
            profiles: start.profiles,
            denials: start.denials,
            limits: Limits { temporary_bytes: 64 << 20, ..Limits::default() },
            optional: vec![Protection::ControlGroup],
            ..Policy::new(start.user, root.as_fd())
        };
        let command = Command {
            arguments: start.arguments,
            environment: start.environment,
            descriptors: start.passed.iter().map(|(name, fd)| ((*name).to_owned(), fd.as_fd())).collect(),
            ..Command::new(start.program, input.as_fd(), input.as_fd())
        };
        let _starting = COPYING.read().unwrap();
        (start.around_spawn)();
        let child = spawn(&self.kernel, policy, &command);
        (start.around_spawn)();
        Ok(Running { child: child?, output: File::from(output), denials: Vec::new() })
    }

    /// Runs an act in a sandbox to its end.
    pub fn confined(&self, act: &[&str]) -> End {
        self.start(Start::of(act)).unwrap().end()
    }

    /// Runs an act without a sandbox, as root.
    pub fn unconfined(&self, act: &[&str]) -> End {
        let mut command = process::Command::new(attack());
        let starting = COPYING.read().unwrap();
        let mut child = command.args(act).current_dir(self.folder.path()).spawn().unwrap();
        drop(starting);
        let status = child.wait().unwrap();
        use std::os::unix::process::ExitStatusExt;
        status.code().map_or_else(|| End::Signaled(status.signal().unwrap()), End::Exited)
    }
}

impl Running {
    /// Answers refused calls until the program has ended.
    pub fn answer_until_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !pidfd::ended(&self.child.pidfd, self.child.denials.as_ref().map_or(PATIENCE, |_| Duration::ZERO)).unwrap() {
            if Instant::now() > deadline {
                pidfd::signal(&self.child.pidfd, linux::process::Signal::KILL).unwrap();
                panic!("still running after {PATIENCE:?}");
            }
            self.denials.extend(self.answer_one());
        }
    }

    /// Waits a little for a refused call and answers it.
    pub fn answer_one(&self) -> Option<Denial> {
        let listener = self.child.denials.as_ref()?;
        let wait = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        let waits = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&wait)).unwrap() > 0;
        if waits { denials::answer(listener).ok() } else { None }
    }

    pub fn end(self) -> End {
        self.end_with_output().0
    }

    pub fn end_with_output(mut self) -> (End, String) {
        self.answer_until_end();
        let exit = pidfd::reap(&self.child.pidfd).unwrap().unwrap();
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        let end = match self.child.ending(exit).ending {
            pidfd::Ending::Exited(status) => End::Exited(status),
            pidfd::Ending::Signaled(signal) => End::Signaled(signal),
        };
        (end, text)
    }
}

/// The attack program: an example, which `cargo test` builds before it runs this.
fn attack() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let program = deps.parent().unwrap().parent().unwrap().join("examples/attack");
    assert!(program.exists(), "{} is missing: cargo test --examples builds it", program.display());
    program
}

/// Copies a program and the libraries it is linked to into a root.
fn install(program: &Path, root: &Path) {
    // By a process of its own: what is open for writing here is open in each child that another test forks just then, and
    // cannot be executed meanwhile (ETXTBSY, execve(2)).
    let copied = process::Command::new("cp").arg(program).arg(root.join("bin")).status().unwrap();
    assert!(copied.success());
    let listed = process::Command::new("ldd").arg(program).output().unwrap();
    for word in String::from_utf8(listed.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
        let target = root.join(word.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(word, target).unwrap();
    }
}
