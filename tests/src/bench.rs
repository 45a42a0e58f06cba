//! Benchmarks: interleaved runs, medians, spread and ratio, so that what is compared ran on the same machine in the same
//! minutes. Here a boot, in [`apps`] what an app costs, in [`dev`] a turn of its developer.

pub mod apps;
pub mod dev;

use crate::{
    bare::{options_of, put_busybox},
    console::Console,
    device::DOORBELL,
    forge, image,
    machine::{Machine, Options},
    wait::wait_for,
    workspace::top,
};
use anyhow::{Context, Result, bail};
use image_builder::{Silent, erofs};
use manifest::api::AppState;
use qemu_runner::{Accelerator, Boot, Disk, Machine as Hardware, MachineFolder, Running, accelerator, running::Lifetime};
use std::{
    fmt, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest boot.
const LIMIT: Duration = Duration::from_secs(180);

/// Values of one kind of run.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<u64>);

impl Series {
    /// One more value.
    pub fn push(&mut self, value: u64) {
        self.0.push(value);
        self.0.sort_unstable();
    }

    /// The middle one.
    pub fn median(&self) -> u64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.0.first().copied().unwrap_or(0), self.0.last().copied().unwrap_or(0));
        write!(f, "{} ({least} to {most}, {} runs)", self.median(), self.0.len())
    }
}

/// A root that starts the doorbell without Holdfast.
pub struct Rival {
    image: PathBuf,
    _work: tempfile::TempDir,
}

impl Rival {
    /// The bare static init.
    pub fn init(app: &Path) -> Result<Self> {
        Self::of(app, |root, program| copy(program, &root.join("init")))
    }

    /// BusyBox init and a shell script.
    pub fn busybox(app: &Path) -> Result<Self> {
        Self::of(app, |root, program| {
            copy(program, &root.join("bin/start-app"))?;
            put_busybox(root)?;
            std::os::unix::fs::symlink("bin/busybox", root.join("init"))?;
            fs::create_dir_all(root.join("etc/init.d"))?;
            copy(&top().join("tests/apps/bare-init/rcS"), &root.join("etc/init.d/rcS"))?;
            // The kernel runs no scripts by themselves (no BINFMT_SCRIPT), so the shell is named.
            fs::write(root.join("etc/inittab"), "::sysinit:/bin/sh /etc/init.d/rcS\n")?;
            Ok(())
        })
    }

    fn of(app: &Path, fill: impl FnOnce(&Path, &Path) -> Result<()>) -> Result<Self> {
        let work = tempfile::tempdir()?;
        let (root, image, program) = (work.path().join("root"), work.path().join("image"), work.path().join("program"));
        for folder in ["bin", "proc", "sys", "dev", "run", "data", "etc"] {
            fs::create_dir_all(root.join(folder))?;
        }
        forge::c_program(&top().join("tests/apps/bare-init/init.c"), &program)?;
        copy(app, &root.join("bin/app"))?;
        fill(&root, &program)?;
        erofs::make(&root, &image, 0, &mut Silent)?;
        // QEMU wants whole sectors.
        let length = fs::metadata(&image)?.len().next_multiple_of(1 << 20);
        fs::File::options().write(true).open(&image)?.set_len(length)?;
        Ok(Self { image, _work: work })
    }

    /// Boots it once; milliseconds from the kernel's start to the app's READY.
    pub fn boot(&self, memory_mib: u32) -> Result<u64> {
        let built = image::product()?;
        let command_line = format!("{} root=/dev/vda rootfstype=erofs ro init=/init", options_of(&built)?);
        let folder = tempfile::tempdir()?;
        let folder = MachineFolder::make(&folder.path().join("machine"))?;
        let boot = Boot::Direct { kernel: fs::canonicalize(built.kernel())?, command_line };
        let mut hardware = Hardware::new(accelerator::choose().accelerator, Disk::raw(&self.image), boot);
        hardware.memory_mib = memory_mib;
        let mut running = Running::start(&hardware, &folder, Lifetime::WithCaller)?;
        let console = Console::new(folder.file(qemu_runner::folder::CONSOLE));
        let result = wait_for("the app's READY", LIMIT, || {
            let text = console.text()?;
            if text.contains("failed, errno") || text.contains("Kernel panic") {
                bail!("{}", text.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
            }
            let line = text.lines().find_map(|line| line.split_once("bench: READY at "));
            Ok(line.and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok()))
        });
        running.kill()?;
        result
    }
}

/// Holdfast with the doorbell installed, on the product's image.
pub struct Holdfast {
    machine: Machine,
}

impl Holdfast {
    /// Boots once to install the doorbell, and switches off.
    pub fn with(bundle: Vec<u8>) -> Result<Self> {
        let mut machine = Machine::new("bench", Options::product()?)?;
        machine.power_on()?;
        machine.wait_ready()?;
        machine.device()?.install(bundle)?;
        machine.device()?.wait_app(DOORBELL, AppState::Running)?;
        machine.device()?.client().power_off()?;
        machine.wait_off(Duration::from_secs(90))?;
        Ok(Self { machine })
    }

    /// Boots it once; milliseconds from the kernel's start to the app's READY.
    pub fn boot(&mut self, memory_mib: u32) -> Result<u64> {
        self.machine.options.memory_mib = memory_mib;
        self.machine.power_on()?;
        let result = self.ready();
        if result.is_ok() {
            self.machine.device()?.client().power_off()?;
            self.machine.wait_off(Duration::from_secs(90))?;
        }
        self.machine.switch_off()?;
        result
    }

    fn ready(&mut self) -> Result<u64> {
        self.machine.wait_ready()?;
        let app = self.machine.device()?.wait_app(DOORBELL, AppState::Running)?;
        app.ready_at_ms.context("the device does not tell when the app was ready")
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o755))?)
}

/// What carries instructions out here, for the heading of a report.
pub fn accelerator_name() -> &'static str {
    match accelerator::choose().accelerator {
        Accelerator::Kvm => "KVM",
        Accelerator::Tcg => "TCG",
    }
}
