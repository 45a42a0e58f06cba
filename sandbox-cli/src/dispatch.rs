//! From arguments to action, and from its end to an exit code.

use crate::{
    arguments::{self, HoldfastSandbox, Verb},
    check, explain,
    failure::{Class, Failure, RUN_FAILED, Result},
    learn, reference, run,
};
use clap::{FromArgMatches, error::ErrorKind};
use serde::Serialize;
use std::{
    ffi::OsString,
    io::{self, Write},
};

/// Parses, acts, and gives the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let parsed = arguments::command().try_get_matches_from(&args).and_then(|matches| HoldfastSandbox::from_arg_matches(&matches));
    let command = match parsed {
        Ok(command) => command,
        Err(error) => return refuse(&error, args.iter().any(|arg| arg == "--json")),
    };
    let json = command.json;
    match act(command) {
        Ok(code) => code,
        Err((failure, code)) => tell(&failure, code, json),
    }
}

/// What a verb prints: data, and the same in words.
pub struct Answer {
    json: serde_json::Value,
    words: String,
    code: u8,
}

impl Answer {
    /// Both forms of an answer; the exit code is 0.
    pub fn new(data: &impl Serialize, words: impl Into<String>) -> Self {
        // Our types hold nothing that JSON lacks: no maps with keys that are no text, no numbers that are none.
        Self { json: serde_json::to_value(data).unwrap_or_default(), words: words.into(), code: 0 }
    }

    /// With another exit code.
    #[must_use]
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }
}

fn act(command: HoldfastSandbox) -> std::result::Result<u8, (Failure, u8)> {
    let json = command.json;
    let print = |answer: Result<Answer>| match answer {
        Ok(answer) => {
            write(&mut io::stdout().lock(), if json { answer.json.to_string() } else { answer.words }.trim_end());
            Ok(answer.code)
        }
        Err(failure) => {
            let code = failure.row().code;
            Err((failure, code))
        }
    };
    match command.verb {
        Verb::Run(arguments) => run::act(&arguments, json).map_err(|failure| (failure, RUN_FAILED)),
        Verb::Explain { policy } => print(explain::act(&policy)),
        Verb::Learn { program } => print(learn::act(&program, json)),
        Verb::Check => print(Ok(check::act())),
        Verb::Schema => print(Ok(reference::schema())),
        Verb::Completions { shell } => print(Ok(reference::completions(shell))),
        Verb::Man { out } => print(reference::man(&out)),
        Verb::Reference => print(Ok(reference::print())),
    }
}

/// What clap did not take: help and version are no failures; the rest is told in clap's words, or as JSON.
fn refuse(error: &clap::Error, json: bool) -> u8 {
    let shows_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let usage = Failure::new(Class::Usage, error.render().to_string());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            write(&mut io::stdout().lock(), error.render().to_string().trim_end());
            0
        }
        _ if json && !shows_help => tell(&usage, usage.row().code, true),
        _ => {
            let _ = error.print();
            usage.row().code
        }
    }
}

fn tell(failure: &Failure, code: u8, json: bool) -> u8 {
    if json {
        let error = serde_json::json!({
            "error": { "class": failure.row().name, "message": failure.message, "hint": failure.hint },
            "exit_code": code,
        });
        // The standard output of `run` is the program's.
        let text = error.to_string();
        if code == RUN_FAILED { write(&mut io::stderr().lock(), &text) } else { write(&mut io::stdout().lock(), &text) }
    } else {
        let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        write(&mut io::stderr().lock(), &format!("holdfast-sandbox: {}{hint}", failure.message));
    }
    code
}

/// Writes a line. A reader that has gone is no error of ours, and there is nowhere left to say so.
pub fn write(to: &mut dyn Write, text: &str) {
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}
