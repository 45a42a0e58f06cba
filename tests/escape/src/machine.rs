//! The machine around the sandboxes. Everything in it is open to everybody, so that modes are never what refuses.

use anyhow::{Context, Result, ensure};
use linux::{
    cgroup::Cgroup,
    mount::{self, Flags},
    process::{self, Resource},
};
use rustix::{
    fd::OwnedFd,
    fs::{CWD, FileType, Mode, OFlags},
    io::FdFlags,
    process::WaitOptions,
};
use sandbox::Kernel;
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The app's user.
pub const USER: u32 = 123_456;
/// The probe, statically linked.
const PROBE: &str = "/probe";
/// Where the app's image lies.
pub const IMAGE: &str = "/image";
/// Number of the descriptor that a sandbox should close; attack.h has it too.
const LEAKED: i32 = 200;
/// What the machine has where it is not said otherwise: the kernel's defaults, but for what another attack relies on.
const SETTINGS: [(&str, &str); 2] = [("kernel.yama.ptrace_scope", "0"), ("kernel.perf_event_paranoid", "-1")];
/// Open files that the machine lets a process have: more than an attack opens.
const OPEN_FILES: u64 = 8192;
/// Processes of a sandbox: enough for the probe, too few for a fork bomb.
const PROCESSES: &str = "16";

/// Longest time that killed processes may take to end.
const LIMIT: Duration = Duration::from_secs(20);

/// The machine, ready for sandboxes.
pub struct Machine {
    /// What its kernel enforces.
    pub kernel: Kernel,
    /// This run's token, the canary's content.
    pub token: String,
    /// A process outside, of the app's own user.
    pub outsider: u32,
    /// The control group of the sandboxes.
    pub group: Cgroup,
    /// A folder outside, not close-on-exec: what a sandbox must not pass on.
    _leaked: OwnedFd,
}

impl Machine {
    /// Mounts, plants, lays out.
    pub fn prepare(token: &str) -> Result<Self> {
        mount_all()?;
        process::limit(Resource::Nofile, OPEN_FILES)?;
        rustix::system::sethostname(b"holdfast-machine")?;
        for (name, value) in SETTINGS {
            set(name, value)?;
        }
        open_devices(Path::new("/dev"))?;
        fs::write("/run/canary", token)?;
        open_to_all("/run/canary", 0o666)?;
        let outsider = plant()?;
        lay_out_image()?;
        let group = control_group()?;
        let run = rustix::fs::open("/run", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let leaked = rustix::io::fcntl_dupfd_cloexec(&run, LEAKED)?;
        rustix::io::fcntl_setfd(&leaked, FdFlags::empty())?;
        Ok(Self { kernel: Kernel::check()?, token: token.to_owned(), outsider, group, _leaked: leaked })
    }

    /// Takes away what an attack left behind: processes, and files in folders of the machine.
    pub fn clean(&self) -> Result<()> {
        self.group.kill()?;
        let began = Instant::now();
        while self.group.is_populated()? {
            ensure!(began.elapsed() < LIMIT, "the processes of a sandbox do not end");
            thread::sleep(Duration::from_millis(1));
        }
        // Without a pid namespace orphans come to this PID 1, and count among the group's processes until they are reaped.
        while rustix::process::wait(WaitOptions::NOHANG)?.is_some() {}
        for folder in ["/data", "/tmp"] {
            for entry in fs::read_dir(folder)? {
                fs::remove_file(entry?.path())?;
            }
        }
        Ok(())
    }
}

/// Sets a sysctl by its dotted name.
pub fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    fs::write(&path, value).with_context(|| format!("cannot write {value} to {path}"))
}

fn mount_all() -> Result<()> {
    for (kind, target, options) in [
        ("proc", "/proc", None),
        ("sysfs", "/sys", None),
        ("cgroup2", "/sys/fs/cgroup", None),
        ("devpts", "/dev/pts", None),
        ("tmpfs", "/run", Some("0777")),
        ("tmpfs", "/tmp", Some("0777")),
        ("tmpfs", "/data", Some("0777")),
        ("tmpfs", IMAGE, Some("0755")),
    ] {
        fs::create_dir_all(target)?;
        let mode = options.map(|mode| ("mode", Some(mode)));
        mount::mount(kind, mode.as_slice(), Flags::empty(), target)?;
    }
    Ok(())
}

/// Everybody may open every device node, as far as modes go.
fn open_devices(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_devices(&entry.path())?;
        } else {
            open_to_all(entry.path(), 0o666)?;
        }
    }
    Ok(())
}

/// Starts the probe as what stands outside; its process id.
fn plant() -> Result<u32> {
    let mut child = Command::new(PROBE).args(["plant", &USER.to_string()]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
    ensure!(line.trim() == "planted", "{line}");
    Ok(child.id())
}

/// The image as the harness packs it for a device, with what mounts must make harmless: a set-id program, a device node,
/// a file that anybody may write.
fn lay_out_image() -> Result<()> {
    for folder in ["bin", "etc", "dev", "proc", "run", "tmp", "data"] {
        fs::create_dir(format!("{IMAGE}/{folder}"))?;
    }
    for (name, mode) in [("app", 0o755), ("set-id", 0o4755)] {
        let path = format!("{IMAGE}/bin/{name}");
        fs::copy(PROBE, &path)?;
        open_to_all(&path, mode)?;
    }
    open_to_all(format!("{IMAGE}/etc"), 0o777)?;
    fs::write(format!("{IMAGE}/etc/target"), "target")?;
    open_to_all(format!("{IMAGE}/etc/target"), 0o666)?;
    let node = format!("{IMAGE}/etc/node");
    rustix::fs::mknodat(CWD, &node, FileType::CharacterDevice, Mode::empty(), rustix::fs::makedev(1, 8))?;
    open_to_all(&node, 0o666)
}

fn control_group() -> Result<Cgroup> {
    Cgroup::at("/sys/fs/cgroup").enable(&["pids", "memory"])?;
    open_to_all("/sys/fs/cgroup/cgroup.procs", 0o666)?;
    let group = Cgroup::make("/sys/fs/cgroup/escape")?;
    group.set("pids.max", PROCESSES)?;
    Ok(group)
}

fn open_to_all(path: impl AsRef<Path>, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}
