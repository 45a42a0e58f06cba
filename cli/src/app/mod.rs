//! `holdfast app`: apps, from a new folder to a running instance.
//!
//! On the developer's machine: `new`, `schema`, `check`, `diff`, `build`, `pack`, `sign`, `inspect`. On a device: `deploy`, `dev` (build and deploy whenever a file is saved),
//! `list`, `crash` (what crashed apps left), `life` (start, stop, restart, update-now, status, remove), `logs`, `show`, `why`, `config` (what its owner gives it to
//! read); `which` finds the app that is meant, `settle` waits until it runs.

mod build;
mod cargo;
mod changes;
mod check;
mod config;
mod crash;
mod debug;
mod deploy;
mod dev;
mod diff;
mod errors;
mod inspect;
mod life;
mod list;
mod locate;
mod logs;
mod new;
mod pack;
mod rights;
mod schema;
mod settle;
mod show;
mod sign;
mod signer;
mod which;
mod why;
mod words;

use crate::{device::connect::Target, dispatch::Context, failure::Result};
use clap::Subcommand;

/// What to do with apps.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a folder with a program, a manifest, and all that is needed to build them
    #[command(after_help = new::HELP)]
    New(new::Arguments),
    /// Tell whether a manifest is valid, and why not
    #[command(after_help = check::HELP)]
    Check(check::Arguments),
    /// Show what rights and limits one manifest or bundle has that another has not
    #[command(after_help = diff::HELP)]
    Diff(diff::Arguments),
    /// Print the JSON Schema of app manifests, by which editors complete and check
    #[command(after_help = schema::HELP)]
    Schema,
    /// Build an app's folder and pack it
    #[command(after_help = build::HELP)]
    Build(build::Arguments),
    /// Pack a program or a folder and its manifest into a signed bundle
    #[command(after_help = pack::HELP)]
    Pack(pack::Arguments),
    /// Sign a bundle, or sign it anew
    #[command(after_help = sign::HELP)]
    Sign(sign::Arguments),
    /// Show what a bundle holds, what it asks for and who signed it
    #[command(after_help = inspect::HELP)]
    Inspect(inspect::Arguments),
    /// Install an app on a device, or a newer version of it, and wait until it runs
    #[command(after_help = deploy::HELP)]
    Deploy(deploy::Arguments),
    /// Build, install and show the log, again whenever a file is saved
    #[command(after_help = dev::HELP)]
    Dev(dev::Arguments),
    /// List the installed apps
    List(Target),
    /// Start an app
    Start(life::Arguments),
    /// Stop an app; it stays stopped over reboots
    Stop(life::Arguments),
    /// Stop and start an app
    Restart(life::Arguments),
    /// Install the update that apps put off
    #[command(after_help = "Example:\n  holdfast app update-now doorbell")]
    UpdateNow(life::Arguments),
    /// Show what an app is doing
    Status(life::StatusArguments),
    /// Show an app's log
    #[command(after_help = "Example:\n  holdfast app logs doorbell --follow")]
    Logs(logs::Arguments),
    /// Show an app and what it may do
    #[command(after_help = "Example:\n  holdfast app show doorbell --policy")]
    Show(show::Arguments),
    /// Give an app a configuration, which may hold secrets
    #[command(subcommand, after_help = config::HELP)]
    Config(config::Verb),
    /// Show what an app was refused, and the line of its manifest that is missing
    #[command(after_help = why::HELP)]
    Why(why::Arguments),
    /// Run an app by a debugger, inside its sandbox
    #[command(after_help = debug::HELP)]
    Debug(debug::Arguments),
    /// List the crash reports that a device keeps
    #[command(after_help = crash::LIST_HELP)]
    Crashes(crash::ListArguments),
    /// Show, fetch and delete crash reports
    #[command(subcommand)]
    Crash(crash::Verb),
    /// Remove an app and erase its data
    Remove(life::RemoveArguments),
}

/// Acts.
pub fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::New(arguments) => new::act(context, &arguments),
        Verb::Check(arguments) => check::act(context, &arguments),
        Verb::Diff(arguments) => diff::act(context, &arguments),
        Verb::Schema => schema::act(context),
        Verb::Build(arguments) => build::act(context, &arguments),
        Verb::Pack(arguments) => pack::act(context, &arguments),
        Verb::Sign(arguments) => sign::act(context, &arguments),
        Verb::Inspect(arguments) => inspect::act(context, &arguments),
        Verb::Deploy(arguments) => deploy::act(context, &arguments),
        Verb::List(target) => list::act(context, &target),
        Verb::Start(arguments) => life::start(context, &arguments),
        Verb::Stop(arguments) => life::stop(context, &arguments),
        Verb::Restart(arguments) => life::restart(context, &arguments),
        Verb::Dev(arguments) => dev::act(context, &arguments),
        Verb::UpdateNow(arguments) => life::update_now(context, &arguments),
        Verb::Status(arguments) => life::status(context, &arguments),
        Verb::Logs(arguments) => logs::act(context, &arguments),
        Verb::Show(arguments) => show::act(context, &arguments),
        Verb::Config(verb) => config::act(context, verb),
        Verb::Why(arguments) => why::act(context, &arguments),
        Verb::Debug(arguments) => debug::act(context, &arguments),
        Verb::Crashes(arguments) => crash::list(context, &arguments),
        Verb::Crash(verb) => crash::act(context, verb),
        Verb::Remove(arguments) => life::remove(context, &arguments),
    }
}
