//! `holdfast device`: looking at a device and operating it.
//!
//! [`connect`] finds the device, knows it by its pinned certificate and shows it ours; [`logs`] reads the logs page by
//! page, for apps too; the rest is one file per verb.

mod boot_trace;
pub mod connect;
mod events;
mod info;
pub mod logs;
mod power;
pub mod presence;
mod press;
mod services;
mod support_bundle;

use crate::{dispatch::Context, failure::Result};
use clap::Subcommand;

/// What to do with a device.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show what the device says of itself
    Info(connect::Target),
    /// Show the daemons and what they are doing
    Services(connect::Target),
    /// Show links and addresses
    Network(connect::Target),
    /// Go down in order and start again
    Reboot(power::Arguments),
    /// Go down in order and power off
    Poweroff(power::Arguments),
    /// Show what the security monitor saw
    Events(events::Arguments),
    /// Show a daemon's log
    #[command(after_help = "Example:\n  holdfast device logs app-manager --follow")]
    Logs(logs::ServiceArguments),
    /// Show the kernel's log
    Dmesg(logs::KernelArguments),
    /// Show the phases of the boot and how long each took
    BootTrace(connect::Target),
    /// Write all there is to know of a device and its apps into one tar file
    #[command(after_help = support_bundle::HELP)]
    SupportBundle(support_bundle::Arguments),
    /// Press a simulated button of a machine that runs here
    #[command(after_help = press::HELP)]
    Press(press::Arguments),
}

/// Acts.
pub fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Info(target) => info::act(context, &target),
        Verb::Services(target) => services::services(context, &target),
        Verb::Network(target) => services::network(context, &target),
        Verb::Reboot(arguments) => power::reboot(context, &arguments),
        Verb::Poweroff(arguments) => power::off(context, &arguments),
        Verb::Events(arguments) => events::act(context, &arguments),
        Verb::Logs(arguments) => logs::service(context, &arguments),
        Verb::Dmesg(arguments) => logs::kernel(context, &arguments),
        Verb::BootTrace(target) => boot_trace::act(context, &target),
        Verb::SupportBundle(arguments) => support_bundle::act(context, &arguments),
        Verb::Press(arguments) => press::act(context, &arguments),
    }
}
