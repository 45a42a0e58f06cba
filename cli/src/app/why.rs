//! `holdfast app why`

use super::which::App;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{Output, Style, harmless},
    times,
};
use clap::Args;
use manifest::api::{AppDenials, DeniedCall};

pub(super) const HELP: &str = "\
A system call that the manifest does not grant fails, and is recorded: which call, with what arguments, how often, and the \
line to write into the manifest, or why no line allows it. The record is kept until the device reboots; the first of each \
kind stands in the app's log too. A refused path leaves no record: what it may use is listed.

Examples:
  holdfast app why doorbell
  holdfast app why doorbell --json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which app
    #[command(flatten)]
    app: App,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.app.target.client(context)?;
    let id = arguments.app.id(&client)?;
    let denials = client.denials(&id)?;
    context.output.result(&denials, |out| words(*out, &denials));
    Ok(())
}

fn words(out: Output, denials: &AppDenials) -> String {
    let mut lines = Vec::new();
    if denials.calls.is_empty() {
        lines.push("no system call was refused since the device started".to_owned());
    }
    for denied in denials.calls.iter().rev() {
        lines.extend(call(out, denied));
    }
    if denials.unrecorded > 0 {
        lines.push(format!("{} more were not recorded: too many different ones in a minute", denials.unrecorded));
    }
    lines.push(out.paint(Style::Bold, "paths"));
    lines.push("  EACCES, EROFS or ENOENT for another path than these means that the app may not use it".to_owned());
    lines.extend(denials.paths.iter().map(|path| format!("  {}", harmless(path))));
    lines.join("\n")
}

fn call(out: Output, denied: &DeniedCall) -> Vec<String> {
    let call = harmless(&format!("{}({})", denied.call, denied.arguments.join(", ")));
    let times = match denied.count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    let (last, start, thread) = (times::milliseconds(denied.last_ms), denied.generation, denied.thread);
    let missing = match &denied.missing {
        Some(line) => format!("  missing  {}", out.paint(Style::Good, &harmless(line))),
        None => "  missing  nothing: no line of a manifest allows it".to_owned(),
    };
    vec![
        format!("{} failed with {}", out.paint(Style::Bold, &call), harmless(&denied.errno)),
        missing,
        format!("  why      {}", harmless(&denied.reason)),
        format!("  seen     {times}, last {last} by thread {thread} of start {start}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(missing: Option<&str>) -> DeniedCall {
        DeniedCall {
            call: "socket".into(),
            arguments: ["0x2", "0x1", "0x0"].map(str::to_owned).to_vec(),
            errno: "EAFNOSUPPORT".into(),
            missing: missing.map(str::to_owned),
            reason: "it is for programs that use the \u{1b}network".into(),
            count: 3,
            first_ms: 1,
            last_ms: 1_764_082_800_000,
            generation: 2,
            thread: 77,
        }
    }

    #[test]
    fn each_kind_says_call_line_reason_and_how_often() {
        let denials = AppDenials {
            calls: vec![denied(Some(r#""Capabilities": { "AllowedConnections": ["HOST"] }"#)), denied(None)],
            unrecorded: 5,
            paths: vec!["/tmp".into()],
        };
        let expected = "\
socket(0x2, 0x1, 0x0) failed with EAFNOSUPPORT
  missing  nothing: no line of a manifest allows it
  why      it is for programs that use the \u{fffd}network
  seen     3 times, last 2025-11-25 15:00:00 by thread 77 of start 2
socket(0x2, 0x1, 0x0) failed with EAFNOSUPPORT
  missing  \"Capabilities\": { \"AllowedConnections\": [\"HOST\"] }
  why      it is for programs that use the \u{fffd}network
  seen     3 times, last 2025-11-25 15:00:00 by thread 77 of start 2
5 more were not recorded: too many different ones in a minute
paths
  EACCES, EROFS or ENOENT for another path than these means that the app may not use it
  /tmp";
        assert_eq!(words(Output::new(true), &denials), expected);
    }
}
