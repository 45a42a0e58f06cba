//! `holdfast run`: a device image in QEMU.
//!
//! All of a machine lies in one folder, `build/run/NAME`: its disk, its console, its sockets, and [`state`], by which
//! the other commands find it. `disk` keeps the data when the image is built anew; `start` starts, `watch` shows
//! the console, `stop` stops.

mod disk;
mod errors;
mod start;
pub mod state;
mod stop;
mod watch;

pub use start::BUTTONS;

use crate::{dispatch::Context, failure::Result};
use clap::{Args, ValueHint};
use std::path::PathBuf;

const HELP: &str = "\
Without --detach the console is shown until the machine ends; Ctrl-C is its power cut. The device's data stays from run to \
run, also when the image is built anew; --reset begins with a blank device. A development run lets QEMU load the kernel; a \
secure run goes the whole way: UEFI firmware with only our keys, Secure Boot, a TPM, the same disk.

Examples:
  holdfast run build/image/qemu
  holdfast run build/image/qemu --detach --secure
  holdfast run --stop";

/// Arguments.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// The image's folder [default: build/image/qemu of the project]
    #[arg(value_name = "IMAGE", value_hint = ValueHint::DirPath)]
    image: Option<PathBuf>,
    /// Name of the machine [default: that of the image's folder]
    #[arg(long, value_name = "NAME", value_parser = machine_name)]
    name: Option<String>,
    /// Return as soon as the device API is there, and leave the machine running
    #[arg(long)]
    detach: bool,
    /// With --detach: show the console until then
    #[arg(long, requires = "detach")]
    show_console: bool,
    /// Begin with a blank device
    #[arg(long)]
    reset: bool,
    /// Boot through UEFI firmware with Secure Boot, our keys alone, and a TPM
    #[arg(long)]
    secure: bool,
    /// Port of 127.0.0.1 for the device API [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(24..=16384))]
    memory: u32,
    /// Processors
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=16))]
    processors: u32,
    /// What the device's clock says at power-on, such as 1970-01-01T00:00:00
    #[arg(long, value_name = "TIME", value_parser = clock)]
    clock: Option<String>,
    /// Longest time to wait for the device API, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    timeout: u64,
    /// Stop the machine: in order, or after 30 s by force
    #[arg(long, conflicts_with_all = ["image", "detach", "reset", "secure"])]
    stop: bool,
}

/// Acts.
pub fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    if arguments.stop { stop::act(context, arguments.name.as_deref()) } else { start::act(context, arguments) }
}

fn machine_name(text: &str) -> std::result::Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let valid = (1..=64).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.');
    if valid { Ok(text.to_owned()) } else { Err("expected letters, digits, -, _ and ., not beginning with a dot".into()) }
}

fn clock(text: &str) -> std::result::Result<String, String> {
    // It becomes part of a QEMU option, where a comma would begin another one.
    let valid = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T'));
    if valid { Ok(text.to_owned()) } else { Err("expected a time such as 1970-01-01T00:00:00".into()) }
}
