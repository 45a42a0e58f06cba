//! Starting a machine.

use super::{
    Arguments,
    disk::{self, Begin},
    state::State,
    watch,
};
use crate::{
    device::{connect, presence},
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::Style,
    places::Places,
};
use image_builder::{Output, secure_boot};
use manifest::api::ErrorClass;
use qemu_runner::{Accelerator, Boot, Disk, Firmware, Machine, MachineFolder, Running, accelerator, running::Lifetime};
use serde::Serialize;
use std::{path::Path, time::Duration};

/// Port on which presses of simulated buttons are asked for.
pub const BUTTONS: &str = "holdfast.buttons";
/// Port of a test image's probe.
const PROBE: &str = "holdfast.probe";

#[derive(Serialize)]
struct Started {
    name: String,
    folder: String,
    device: String,
    fingerprint: String,
    secure: bool,
    pid: u32,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let folder = arguments.image.clone().unwrap_or_else(|| context.places.root().join("build/image/qemu"));
    let image = Output::new(&folder);
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => default_name(&folder)?,
    };
    let machine_folder = MachineFolder::make(&context.places.runs().join(&name))?;
    if State::load(machine_folder.path())?.is_some_and(|state| state.is_running()) {
        let text = format!("the machine `{name}` is running already");
        return Err(
            Failure::new(ErrorClass::Conflict, text).hint(format!("`holdfast run --stop --name {name}`, or give another --name"))
        );
    }
    let begin = if arguments.reset { Begin::Blank } else { Begin::AsLeft };
    disk::prepare(context, &image, &machine_folder, begin)?;

    let machine = machine(context, arguments, &image, &machine_folder)?;
    let lifetime = if arguments.detach { Lifetime::Detached } else { Lifetime::WithCaller };
    let running = Running::start(&machine, &machine_folder, lifetime)?;
    let mut state = State {
        name: name.clone(),
        process: running.process(),
        image: fs_err::canonicalize(&folder)?,
        api_port: running.api_port()?,
        secure: arguments.secure,
        fingerprint: None,
    };
    state.store(machine_folder.path())?;
    context.output.note(&context.output.paint(
        Style::Dim,
        &format!(
            "machine `{name}`: device API on 127.0.0.1:{}, everything of it in {}",
            state.api_port,
            Places::shown(machine_folder.path())
        ),
    ));
    if !arguments.detach {
        return watch::until_it_ends(context, running, &mut state);
    }
    let limit = Duration::from_secs(arguments.timeout);
    watch::until_ready(context, running, &mut state, limit, arguments.show_console)?;
    // The certificate is told shortly before connections are taken. Without keys nobody could ask; then there is no hurry.
    if let Ok(client) = connect::viewer_of(context, &state)
        && !presence::wait(client, limit)
    {
        let text = format!("the device has shown its certificate, but its API does not answer on 127.0.0.1:{}", state.api_port);
        return Err(
            Failure::new(ErrorClass::Unavailable, text).hint(format!("its console is in {}", machine_folder.path().display()))
        );
    }
    let started = Started {
        folder: machine_folder.path().display().to_string(),
        device: format!("127.0.0.1:{}", state.api_port),
        fingerprint: state.fingerprint.as_ref().map(ToString::to_string).unwrap_or_default(),
        secure: state.secure,
        pid: state.process.pid,
        name,
    };
    context.output.result(&started, |out| {
        let stop = format!("holdfast run --stop --name {}", started.name);
        format!(
            "{} `{}` at {}\n  next: holdfast device info · {stop}",
            out.paint(Style::Good, "running"),
            started.name,
            started.device
        )
    });
    Ok(())
}

fn machine(context: &Context, arguments: &Arguments, image: &Output, folder: &MachineFolder) -> Result<Machine> {
    let choice = accelerator::choose();
    if let (Accelerator::Tcg, Some(reason)) = (choice.accelerator, &choice.because) {
        context.output.note(&format!("Without KVM, so everything is about ten times slower: {reason}."));
    }
    let boot = if arguments.secure {
        let code = Path::new(secure_boot::FIRMWARE);
        if !code.exists() {
            let text = format!("{} is not there, so there is no firmware for a secure run", code.display());
            return Err(
                Failure::new(ErrorClass::Internal, text).hint(format!("apt-get install {}", secure_boot::FIRMWARE_PACKAGE))
            );
        }
        Boot::Firmware(Firmware { code: code.to_owned(), variables: folder.file(disk::VARIABLES) })
    } else {
        let line = files::read(&image.command_line(), 4096)?;
        let command_line = String::from_utf8_lossy(&line).trim_end().to_owned();
        Boot::Direct { kernel: fs_err::canonicalize(image.kernel())?, command_line }
    };
    let mut machine = Machine::new(choice.accelerator, Disk::raw(folder.file(disk::DISK)), boot);
    machine.memory_mib = arguments.memory;
    machine.processors = arguments.processors;
    machine.api_port = Some(arguments.port.unwrap_or(0));
    machine.clock = arguments.clock.clone();
    machine.ports = vec![BUTTONS.to_owned(), PROBE.to_owned()];
    Ok(machine)
}

fn default_name(image: &Path) -> Result<String> {
    let name = image.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    super::machine_name(name).map_err(|_| {
        Failure::new(ErrorClass::Usage, format!("the folder {} gives no name for the machine", image.display()))
            .hint("give one with --name")
    })
}
