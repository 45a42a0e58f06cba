//! The whole daemon, confined as on a device, between stand-ins for init, security-monitor and launcher.
//!
//! Needs root, Landlock and a private mount namespace, and says so where it does not have them. What this machine may
//! lack (fs-verity, GPIO, control group controllers) is tested in a booted image.
//!
//! Three processes from one program: without arguments it makes a small root folder and starts itself in it as `inside`,
//! which plays the other daemons, starts app-manager and looks at what it does; `app` is the app.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a test arranges its files and prints as it likes")]

mod act;
mod peers;
mod world;

use std::{
    path::Path,
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("inside") => world::play(),
        Some("app") => peers::app(),
        _ => outside(),
    }
}

/// Folders of this machine that a dynamically linked program needs.
const LIBRARIES: [&str; 4] = ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"];

fn outside() -> ExitCode {
    if !rustix::process::getuid().is_root() {
        eprintln!("daemon: skipped, it needs root for its own root folder\n0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().expect("a folder for the root");
    let root = folder.path();
    for name in [
        "proc",
        "dev",
        "run/ipc",
        "run/notify",
        "run/apps",
        "data/apps",
        "data/logs/apps",
        "usr/lib/holdfast",
        "sys/fs/cgroup/apps",
        "tmp",
    ] {
        std::fs::create_dir_all(root.join(name)).expect("a folder");
    }
    let this = std::env::current_exe().expect("this program");
    std::fs::copy(&this, root.join("test")).expect("copy of this program");
    std::fs::copy(env!("CARGO_BIN_EXE_app-manager"), root.join("app-manager")).expect("copy of app-manager");
    std::os::unix::fs::symlink("usr/lib", root.join("lib")).expect("link");
    std::os::unix::fs::symlink("usr/lib64", root.join("lib64")).expect("link");
    let mut script = format!("mount -t proc proc {0}/proc && mount --bind /dev {0}/dev", root.display());
    for library in LIBRARIES.iter().filter(|library| Path::new(library).exists()) {
        std::fs::create_dir_all(root.join(&library[1..])).expect("a folder");
        script += &format!(" && mount --bind {library} {}{library}", root.display());
    }
    script += &format!(" && chroot {} /test inside; exit $?", root.display());
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "sh", "-c", &script])
        .status()
        .expect("unshare");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
