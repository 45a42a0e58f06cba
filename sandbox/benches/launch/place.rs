//! What all of them run: a root folder with two static programs, and control groups that crun and runc understand.

use crate::Result;
use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// User of the programs.
pub const USER: u32 = 123_456;

/// A folder with root, storage and control group.
pub struct Place {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
}

/// Ends at once: one system call, so that what is measured is the launch.
const TRUE: &str = "void _start(void) { __asm__ volatile (EXIT); }";
/// Waits for ever.
const PAUSE: &str = "void _start(void) { for (;;) __asm__ volatile (PAUSE); }";
/// The calls, in assembler.
const CALLS: [(&str, &str, &str); 2] = [
    ("x86_64", "\"xor %edi,%edi; mov $60,%eax; syscall\"", "\"mov $34,%eax; syscall\""),
    ("aarch64", "\"mov x0,#0; mov x8,#93; svc #0\"", "\"mov x0,#0; mov x1,#0; mov x2,#0; mov x3,#0; mov x8,#73; svc #0\""),
];

impl Place {
    /// Makes it.
    pub fn new() -> Result<Self> {
        let temporary = tempfile::tempdir_in("/srv")?;
        // firejail sees no program below /tmp and /var/tmp.
        let path = temporary.path().to_owned();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        for name in ["bin", "dev", "proc", "run", "tmp", "data"] {
            fs::create_dir_all(path.join("root").join(name))?;
        }
        let (_, exit, pause) = CALLS.iter().find(|(name, ..)| *name == env::consts::ARCH).ok_or("no such architecture")?;
        compile(&TRUE.replace("EXIT", exit), &path.join("root/bin/true"))?;
        compile(&PAUSE.replace("PAUSE", pause), &path.join("root/bin/pause"))?;
        fs::create_dir(path.join("storage"))?;
        chown(path.join("storage"), Some(USER), Some(USER))?;
        fs::create_dir_all(group())?;
        Ok(Self { path, temporary: Some(temporary) })
    }

    /// The one that another process made.
    pub fn at(folder: &str) -> Self {
        Self { path: folder.into(), temporary: None }
    }

    pub fn folder(&self) -> String {
        self.path.display().to_string()
    }

    pub fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    pub fn storage(&self) -> PathBuf {
        self.path.join("storage")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.temporary.is_some() {
            let _ = fs::remove_dir(group());
        }
    }
}

/// The control group that our programs are born in.
pub fn group() -> PathBuf {
    Path::new("/sys/fs/cgroup/holdfast-launch-benchmark").to_owned()
}

fn compile(source: &str, program: &Path) -> Result<()> {
    let file = program.with_extension("c");
    fs::write(&file, source)?;
    let status = Command::new("cc").args(["-O2", "-static", "-nostdlib", "-o"]).arg(program).arg(&file).status()?;
    fs::remove_file(&file)?;
    if status.success() { Ok(()) } else { Err("cc made no program".into()) }
}

/// Whether control groups are where everybody looks for version 2.
pub fn is_cgroup2() -> bool {
    fs::exists("/sys/fs/cgroup/cgroup.procs").unwrap_or(false)
}

/// Starts this program anew in a mount namespace with version 2 there: crun and runc refuse a mixture.
pub fn enter_own_cgroup2() -> Result<()> {
    let script = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec \"$0\" again";
    let failed =
        Command::new("unshare").args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(env::current_exe()?).exec();
    Err(failed.into())
}
