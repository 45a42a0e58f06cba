//! From arguments to action, and from its end to an exit code.

use crate::{
    app,
    arguments::{self, Holdfast, Noun},
    board, device, exit,
    failure::{Failure, Result},
    image, keys,
    output::Output,
    places::Places,
    reference, run,
};
use clap::{FromArgMatches, error::ErrorKind};
use manifest::api::ErrorClass;
use std::ffi::OsString;

/// What every action gets.
#[derive(Debug, Clone)]
pub struct Context {
    /// How to speak.
    pub output: Output,
    /// Where things lie.
    pub places: Places,
}

/// Parses, acts, and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = arguments::command().try_get_matches_from(&args).and_then(|matches| Holdfast::from_arg_matches(&matches));
    let holdfast = match parsed {
        Ok(holdfast) => holdfast,
        Err(error) => return refuse(&error, args.iter().any(|arg| arg == "--json")),
    };
    let output = Output::new(holdfast.global.json);
    let context = Context { output, places: Places::new(holdfast.global.keys.as_deref()) };
    match act(&context, holdfast.noun) {
        Ok(()) => 0,
        Err(failure) => output.failure(&failure),
    }
}

fn act(context: &Context, noun: Noun) -> Result<()> {
    match noun {
        Noun::Keys(verb) => keys::act(context, verb),
        Noun::Board(verb) => board::act(context, verb),
        Noun::Image(verb) => image::act(context, verb),
        Noun::Run(arguments) => run::act(context, &arguments),
        Noun::App(verb) => app::act(context, verb),
        Noun::Device(verb) => device::act(context, verb),
        Noun::Completions { shell } => reference::completions(context, shell),
        Noun::Man { out } => reference::man(context, &out),
        Noun::Reference => reference::print(context),
    }
}

/// What clap did not take: help and version are no failures; the rest is told in clap's words, or as JSON.
fn refuse(error: &clap::Error, json: bool) -> u8 {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked_for || !json {
        let _ = error.print(); // a reader that has gone is no error of ours
        return if asked_for { 0 } else { exit::of(ErrorClass::Usage).code };
    }
    let text = error.render().to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Output::new(true).failure(&Failure::new(ErrorClass::Usage, message).hint("`holdfast help` lists the commands"))
}
