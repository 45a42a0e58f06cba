//! A kernel of ours with a root that has nothing of ours in it, or little: for judges, peers and rivals.

use crate::{attacks::keep, console::Console, image, wait::wait_for};
use anyhow::{Context, Result, ensure};
use image_builder::{Output, Silent, erofs};
use qemu_runner::{Boot, Disk, Machine as Hardware, MachineFolder, Running, accelerator, running::Lifetime};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Where Debian's package has the static shell and its tools.
const BUSYBOX: [&str; 2] = ["/usr/bin/busybox", "/bin/busybox"];

/// What kind of root the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// EROFS, as on a device.
    ReadOnly,
    /// ext4 with this many MiB.
    Writable(u32),
}

/// What is booted.
#[derive(Debug, Clone, Copy)]
pub struct Bare<'a> {
    /// The image whose kernel it is.
    pub image: &'a Output,
    /// The folder that becomes its root.
    pub root: &'a Path,
    /// How.
    pub kind: Root,
    /// Words for the kernel besides those that find the root.
    pub options: &'a str,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Longest run.
    pub limit: Duration,
}

impl Bare<'_> {
    /// Boots it until a line of the console begins with `last`; the console's text, which is also kept under `name`. A line
    /// that begins with one of `failures`, or a panic, ends it too.
    pub fn run_until(&self, last: &str, failures: &[&str], name: &str) -> Result<String> {
        let work = tempfile::tempdir()?;
        let disk = work.path().join("disk");
        let kind = self.kind.make(self.root, &disk)?;
        let kernel = fs::canonicalize(self.image.kernel())?;
        let command_line = format!("{} root=/dev/vda {kind} init=/init", self.options);
        let folder = MachineFolder::make(&work.path().join("machine"))?;
        let boot = Boot::Direct { kernel, command_line };
        let mut hardware = Hardware::new(accelerator::choose().accelerator, Disk::raw(&disk), boot);
        hardware.memory_mib = self.memory_mib;
        let mut running = Running::start(&hardware, &folder, Lifetime::WithCaller)?;
        let console = Console::new(folder.file(qemu_runner::folder::CONSOLE));
        let seen = wait_for(format_args!("`{last}` on the console"), self.limit, || {
            // Asked first: what a machine that is off has said is all it ever says.
            let off = !running.is_alive();
            let text = console.text()?;
            let begins = |words: &str| text.lines().any(|line| line.starts_with(words));
            let failed = off || text.contains("Kernel panic") || failures.iter().any(|words| begins(words));
            Ok(if begins(last) { Some(true) } else { failed.then_some(false) })
        });
        running.kill()?;
        let text = console.text()?;
        keep(name, &text)?;
        ensure!(seen?, "the console ends with:\n{}", console.tail(25));
        Ok(text)
    }
}

impl Root {
    /// Makes the disk; the words that tell the kernel of it.
    fn make(self, root: &Path, disk: &Path) -> Result<&'static str> {
        match self {
            Self::ReadOnly => {
                erofs::make(root, disk, 0, &mut Silent)?;
                // QEMU wants whole sectors.
                let length = fs::metadata(disk)?.len().next_multiple_of(1 << 20);
                fs::File::options().write(true).open(disk)?.set_len(length)?;
                Ok("rootfstype=erofs ro")
            }
            Self::Writable(mib) => {
                let mut command = Command::new("mke2fs");
                command.args(["-q", "-t", "ext4", "-d"]).arg(root).arg(disk).arg(format!("{mib}M"));
                let output = command.output().context("cannot run mke2fs")?;
                ensure!(output.status.success(), "mke2fs failed:\n{}", String::from_utf8_lossy(&output.stderr));
                Ok("rootfstype=ext4 rw")
            }
        }
    }
}

/// The words of an image's command line that do not say where its root is.
pub fn options_of(image: &Output) -> Result<String> {
    let line = image::command_line(image)?;
    let elsewhere =
        |word: &&str| !["init=", "root=", "rootfstype=", "dm-mod.create=", "ro"].iter().any(|skip| word.starts_with(skip));
    // The verity table stands in quotation marks and holds blanks.
    let outside: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    Ok(outside.split_whitespace().filter(elsewhere).collect::<Vec<_>>().join(" "))
}

/// Puts BusyBox into a root under the name of each of its tools, as Debian's package has it.
pub fn put_busybox(root: &Path) -> Result<()> {
    let busybox = BUSYBOX.iter().map(PathBuf::from).find(|path| path.exists());
    let busybox = busybox.context("there is no busybox: install Debian's package `busybox-static`")?;
    let linked = Command::new("ldd").arg(&busybox).output().context("cannot run ldd")?;
    ensure!(!linked.status.success(), "{} is not static: install Debian's package `busybox-static`", busybox.display());
    fs::create_dir_all(root.join("bin"))?;
    fs::copy(&busybox, root.join("bin/busybox"))?;
    let tools = Command::new(&busybox).arg("--list").output().context("cannot run busybox")?;
    for tool in String::from_utf8_lossy(&tools.stdout).lines().filter(|tool| *tool != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(tool))?;
    }
    Ok(())
}
