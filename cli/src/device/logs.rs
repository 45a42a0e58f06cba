//! Logs, page by page: of daemons, of the kernel, and for `holdfast app logs` of apps.

use super::connect::Target;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{Output, Style, harmless},
    times,
};
use api_client::ClientError;
use clap::Args;
use manifest::{
    api::{LogLine, LogPage, LogStream},
    names::ServiceName,
};
use serde::Serialize;
use std::{collections::VecDeque, time::Duration};

/// How much of a log.
#[derive(Debug, Clone, Args)]
pub struct Extent {
    /// Show the last N lines only
    #[arg(long, short = 'n', value_name = "N", default_value_t = DEFAULT_LINES, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lines: u32,
    /// Go on and show new lines as they come
    #[arg(long, short)]
    follow: bool,
}

const DEFAULT_LINES: u32 = 1000;
/// Lines asked for at once; a page holds what fits into one packet anyway.
pub const PAGE: u32 = 500;
/// Pages of a log that are read at most: a device that never ends a log is not believed.
pub const PAGES_LIMIT: usize = 10_000;
/// How often new lines are asked for.
const LOOK: Duration = Duration::from_millis(500);

/// Arguments of `device logs`.
#[derive(Debug, Args)]
pub struct ServiceArguments {
    /// The daemon, such as app-manager
    #[arg(value_name = "SERVICE")]
    service: ServiceName,
    /// How much
    #[command(flatten)]
    extent: Extent,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// Arguments of `device dmesg`.
#[derive(Debug, Args)]
pub struct KernelArguments {
    /// How much
    #[command(flatten)]
    extent: Extent,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// `holdfast device logs`
pub(super) fn service(context: &Context, arguments: &ServiceArguments) -> Result<()> {
    let client = arguments.target.client(context)?;
    show(context.output, &arguments.extent, |after| client.service_log(&arguments.service, after, PAGE))
}

/// `holdfast device dmesg`
pub(super) fn kernel(context: &Context, arguments: &KernelArguments) -> Result<()> {
    let client = arguments.target.client(context)?;
    show(context.output, &arguments.extent, |after| client.kernel_log(after, PAGE))
}

#[derive(Serialize)]
struct Lines {
    lines: Vec<LogLine>,
}

/// Shows a log whose pages `page` gives, each after a sequence number.
pub fn show(
    output: Output,
    extent: &Extent,
    mut page: impl FnMut(u64) -> std::result::Result<LogPage, ClientError>,
) -> Result<()> {
    let (lines, mut after) = tail(extent.lines as usize, &mut page)?;
    if !extent.follow {
        let lines = Lines { lines };
        output.result(&lines, |out| lines.lines.iter().map(|line| words(*out, line)).collect::<Vec<_>>().join("\n"));
        return Ok(());
    }
    let mut new = lines;
    loop {
        for line in &new {
            output.result(line, |out| words(*out, line));
        }
        std::thread::sleep(LOOK);
        new = page(after)?.lines;
        after = new.last().map_or(after, |line| line.sequence.max(after));
    }
}

/// The last lines of a log, and the sequence number after which new ones come.
pub fn tail(
    count: usize,
    page: &mut impl FnMut(u64) -> std::result::Result<LogPage, ClientError>,
) -> Result<(Vec<LogLine>, u64)> {
    let mut kept = VecDeque::new();
    let mut after = 0;
    for _ in 0..PAGES_LIMIT {
        let lines = page(after)?.lines;
        let Some(last) = lines.last().map(|line| line.sequence).filter(|last| *last > after) else { break };
        after = last;
        kept.extend(lines);
        kept.drain(..kept.len().saturating_sub(count));
    }
    Ok((kept.into(), after))
}

/// A line for people.
pub fn words(output: Output, line: &LogLine) -> String {
    let time = output.paint(Style::Dim, &times::milliseconds(line.time_ms));
    let text = harmless(&line.text);
    match line.stream {
        LogStream::Stdout => format!("{time} {text}"),
        LogStream::Stderr => format!("{time} {} {text}", output.paint(Style::Warning, "stderr:")),
        LogStream::System => format!("{time} {} {text}", output.paint(Style::Bold, "system:")),
    }
}

/// An enum's value in the word that JSON has for it.
pub fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(from: u64, to: u64) -> impl FnMut(u64) -> std::result::Result<LogPage, ClientError> {
        move |after| {
            let line = |sequence| LogLine { sequence, time_ms: 0, stream: LogStream::Stdout, text: sequence.to_string() };
            Ok(LogPage { lines: (after.max(from) + 1..=to).take(7).map(line).collect() })
        }
    }

    #[test]
    fn the_tail_of_a_long_log_is_its_last_lines() {
        let (lines, after) = tail(3, &mut log(100, 200)).unwrap();
        assert_eq!(lines.iter().map(|l| l.sequence).collect::<Vec<_>>(), [198, 199, 200]);
        assert_eq!(after, 200);
    }

    #[test]
    fn a_device_that_repeats_a_page_does_not_hang_the_client() {
        let mut same =
            |_| Ok(LogPage { lines: vec![LogLine { sequence: 1, time_ms: 0, stream: LogStream::Stdout, text: String::new() }] });
        assert_eq!(tail(10, &mut same).unwrap().0.len(), 1);
    }
}
