//! One machine: a copy of an image's disk, a QEMU, and the ways to reach the device in it.
//!
//! A test that changes or breaks something has a machine of its own by [`run`]; tests that only look share the one of
//! [`shared`]. After each the console is judged; where that or the test fails, console and disk are kept.

use crate::{
    buttons::{self, Buttons},
    console::Console,
    device::Device,
    image,
    inside::{self, Inside},
    janitor::Janitor,
    wait::wait_for,
    workspace::top,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use image_builder::Output;
use manifest::names::Sha256Hex;
use qemu_runner::{
    Accelerator, Boot, Disk, Firmware, Machine as Hardware, MachineFolder, Running, accelerator, folder::port_socket,
    running::Lifetime, sparse,
};
use std::{
    fs,
    path::PathBuf,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// Longest time from power-on to a device that answers, on two busy cores without KVM.
pub const BOOT: Duration = Duration::from_secs(180);
/// What init writes when the vital services are ready.
pub const READY: &str = "vital services are ready";
/// What device-api writes before the digest of its certificate.
const CERTIFICATE: &str = "certificate sha256 ";

/// The other end of the second serial port, as [`crate::port::Port`] calls it.
pub const SERIAL: &str = "holdfast.serial";

/// KVM where a probe guest ran under it, asked once.
static ACCELERATOR: LazyLock<Accelerator> = LazyLock::new(|| accelerator::choose().accelerator);

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image.
    pub image: Output,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Virtual processors.
    pub processors: u32,
    /// What its clock says at power-on, such as `1970-01-01T00:00:00`; absent: now.
    pub clock: Option<&'static str>,
    /// What to add to the kernel's command line.
    pub kernel_options: &'static str,
    /// Socket of an NBD server that has the disk; absent: a copy in the machine's own folder.
    pub nbd: Option<PathBuf>,
    /// Firmware with Secure Boot finds the kernel on the disk.
    pub secure: bool,
    /// Words that the console may show though they are alarms elsewhere.
    pub expected: Vec<&'static str>,
    /// Whether the image carries the probe.
    pub probe: bool,
    /// Whether there is a second serial port, whose other end is the socket [`SERIAL`] in the machine's folder.
    pub serial: bool,
}

impl Options {
    /// The test image as it is.
    pub fn test_image() -> Result<Self> {
        Ok(Self::of(image::test()?, true))
    }

    /// The product's image as it is.
    pub fn product() -> Result<Self> {
        Ok(Self::of(image::product()?, false))
    }

    fn of(image: Output, probe: bool) -> Self {
        Self {
            image,
            memory_mib: 256,
            processors: 2,
            clock: None,
            kernel_options: "",
            nbd: None,
            secure: false,
            expected: Vec::new(),
            probe,
            serial: false,
        }
    }

    /// Words that the console may show.
    pub fn expecting(mut self, words: &[&'static str]) -> Self {
        self.expected.extend(words);
        self
    }
}

/// A machine. Switched off when dropped.
#[derive(Debug)]
pub struct Machine {
    /// Its options; a change counts from the next time it is switched on.
    pub options: Options,
    folder: MachineFolder,
    // The janitor goes first: it must not outlive the process that it would kill.
    janitor: Option<Janitor>,
    running: Option<Running>,
}

/// Runs a test on a machine of its own that was booted and is ready; judges the console after it.
pub fn run(name: &str, options: Options, test: impl FnOnce(&mut Machine) -> Result<()>) -> Result<()> {
    run_from_off(name, options, |machine| {
        machine.power_on()?;
        machine.wait_ready()?;
        test(machine)
    })
}

/// As [`run`], for tests that switch the machine on themselves.
pub fn run_from_off(name: &str, options: Options, test: impl FnOnce(&mut Machine) -> Result<()>) -> Result<()> {
    let mut machine = Machine::new(name, options)?;
    let result = test(&mut machine).and_then(|()| machine.judge_console());
    machine.end(result)
}

/// The machine that tests share which only look. It is booted once, without apps.
pub fn shared(test: impl FnOnce(&mut Machine) -> Result<()>) -> Result<()> {
    static SHARED: OnceLock<Result<Mutex<Machine>, String>> = OnceLock::new();
    let boot = || -> Result<Machine> {
        let mut machine = Machine::new("shared", Options::test_image()?)?;
        machine.power_on()?;
        machine.wait_ready()?;
        Ok(machine)
    };
    let machine = SHARED.get_or_init(|| boot().map(Mutex::new).map_err(|e| format!("{e:#}")));
    let machine = machine.as_ref().map_err(|e| anyhow!("the shared machine did not boot: {e}"))?;
    // A test that panicked has only looked: the machine is as good as before.
    let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
    test(&mut machine)?;
    machine.judge_console()
}

impl Machine {
    /// Makes a machine, switched off, with a fresh copy of the image's disk.
    pub fn new(name: &str, options: Options) -> Result<Self> {
        let path = top().join("build/test").join(name);
        let _ = fs::remove_dir_all(&path);
        let folder = MachineFolder::make(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let machine = Self { options, folder, janitor: None, running: None };
        sparse::copy(&machine.options.image.disk(), &machine.disk()).context("cannot copy the image's disk")?;
        if machine.options.secure {
            fs::copy(machine.options.image.firmware_variables(), machine.folder.file("variables.fd"))
                .context("cannot copy the firmware's variables")?;
        }
        Ok(machine)
    }

    /// Its folder, kept when its test fails: console, disk, QEMU's own words.
    pub fn folder(&self) -> &MachineFolder {
        &self.folder
    }

    /// Its disk.
    pub fn disk(&self) -> PathBuf {
        self.folder.file("disk.img")
    }

    /// Its console since it was switched on.
    pub fn console(&self) -> Console {
        Console::new(self.folder.file(qemu_runner::folder::CONSOLE))
    }

    /// The board's buttons.
    pub fn buttons(&self) -> Buttons {
        Buttons::new(&self.folder)
    }

    /// The probe.
    pub fn inside(&self) -> Inside {
        Inside::new(&self.folder)
    }

    /// The device's API, as the owner's developer.
    pub fn device(&self) -> Result<Device> {
        Device::connect(self.api_port()?, self.pin()?)
    }

    /// The host's port that leads to the device's API.
    pub fn api_port(&self) -> Result<u16> {
        Ok(self.running()?.api_port()?)
    }

    /// SHA-256 of the device's certificate, as the console shows it.
    pub fn pin(&self) -> Result<Sha256Hex> {
        pin_in(&self.console().text()?).context("the console shows no certificate yet")
    }

    /// Switches it on.
    pub fn power_on(&mut self) -> Result<()> {
        // The console begins anew, and what it showed before is judged now.
        self.judge_console()?;
        let running = Running::start(&self.hardware()?, &self.folder, Lifetime::WithCaller)?;
        self.janitor = Some(Janitor::watch(running.process().pid)?);
        self.running = Some(running);
        Ok(())
    }

    /// Waits until the vital services are ready and the API answers.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.wait_ready_after(0)
    }

    /// As [`Machine::wait_ready`], for a boot whose console begins after `mark`.
    pub fn wait_ready_after(&mut self, mark: usize) -> Result<()> {
        let console = self.console();
        let waited = wait_for("the device to be ready", BOOT, || {
            let text = console.text_after(mark)?;
            if !self.running()?.is_alive() {
                bail!("QEMU has ended");
            }
            Ok((text.contains(READY) && pin_in(&text).is_some()).then_some(()))
        });
        waited.with_context(|| format!("{} ends with:\n{}", console.path().display(), console.tail(40)))?;
        let device = self.device()?;
        wait_for("the device's API to answer", Duration::from_secs(30), || Ok(Some(device.client().device()?)))?;
        if self.options.probe {
            self.inside().hello()?;
        }
        Ok(())
    }

    /// Runs something that makes the device start again, and waits until it is ready again.
    pub fn through_reboot(&mut self, limit: Duration, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mark = self.console().mark();
        action(self)?;
        self.console().wait_for_after(mark, "Linux version", limit).context("the device did not start again")?;
        self.wait_ready_after(mark)
    }

    /// Asks the device to reboot, and waits until it is ready again.
    pub fn reboot(&mut self) -> Result<()> {
        self.through_reboot(Duration::from_secs(90), |machine| {
            machine.device()?.client().reboot()?;
            Ok(())
        })
    }

    /// The QEMU that runs it.
    pub fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("the machine is switched off")
    }

    /// Waits until the machine has switched itself off.
    pub fn wait_off(&mut self, limit: Duration) -> Result<()> {
        let running = self.running.as_mut().context("the machine is switched off")?;
        ensure!(running.process().wait(limit)?, "waited {} s for the machine to switch itself off", limit.as_secs());
        self.switch_off()
    }

    /// Cuts its power: QEMU is killed. What it had written stays; [`crate::disk`] forgets what had not been flushed.
    pub fn switch_off(&mut self) -> Result<()> {
        self.janitor = None;
        if let Some(mut running) = self.running.take() {
            running.kill()?;
        }
        Ok(())
    }

    /// Fails if the console shows what a healthy machine does not.
    pub fn judge_console(&self) -> Result<()> {
        self.console().lint(&self.options.expected)
    }

    fn hardware(&self) -> Result<Hardware> {
        let options = &self.options;
        let disk = options.nbd.as_ref().map_or_else(|| Disk::raw(self.disk()), Disk::nbd);
        let boot = if options.secure {
            let code = image_builder::secure_boot::FIRMWARE.into();
            Boot::Firmware(Firmware { code, variables: self.folder.file("variables.fd") })
        } else {
            let kernel = fs::canonicalize(options.image.kernel())?;
            let command_line = format!("{} {}", image::command_line(&options.image)?, options.kernel_options);
            Boot::Direct { kernel, command_line: command_line.trim_end().to_owned() }
        };
        let mut hardware = Hardware::new(*ACCELERATOR, disk, boot);
        hardware.memory_mib = options.memory_mib;
        hardware.processors = options.processors;
        hardware.clock = options.clock.map(str::to_owned);
        hardware.ports = vec![buttons::PORT.to_owned()];
        if options.probe {
            hardware.ports.push(inside::PORT.to_owned());
        }
        if options.serial {
            let socket = format!("socket,id=serial,path={},server=on,wait=off", port_socket(SERIAL));
            hardware.extra.extend(["-chardev".into(), socket.into(), "-serial".into(), "chardev:serial".into()]);
        }
        Ok(hardware)
    }

    fn end(mut self, result: Result<()>) -> Result<()> {
        let keep = std::env::var_os("HOLDFAST_KEEP").is_some();
        if keep && let (Err(e), Ok(running)) = (&result, self.running()) {
            // A person asked for it, and ends it with the return key.
            let mut out = std::io::stderr();
            let folder = running.folder().path().display();
            let port = running.api_port().unwrap_or(0);
            let text =
                format!("FAILED: {e:#}\nThe machine runs on in {folder}, its API on port {port}. Return key: switch it off.\n");
            std::io::Write::write_all(&mut out, text.as_bytes())?;
            std::io::stdin().read_line(&mut String::new())?;
        }
        self.switch_off()?;
        let folder = self.folder.path();
        match result {
            Ok(()) if !keep => fs::remove_dir_all(folder).context("cannot remove the machine's folder"),
            Ok(()) => Ok(()),
            Err(e) => {
                let words = format!("kept in {}; its console ends with:\n{}", folder.display(), self.console().tail(25));
                Err(e.context(words))
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.switch_off();
    }
}

/// The newest certificate digest in a console's text.
fn pin_in(text: &str) -> Option<Sha256Hex> {
    let (_, rest) = text.rsplit_once(CERTIFICATE)?;
    rest.split(|c: char| !c.is_ascii_hexdigit()).next()?.parse().ok()
}
