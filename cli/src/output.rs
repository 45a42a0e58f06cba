//! What people and scripts see: data to standard output, everything else to standard error.
//!
//! With `--json` a command writes exactly one JSON object to standard output, on failure too (`{"error": …}`); only
//! `logs --follow` writes one object per line. Color is used on terminals and never carries meaning alone. A closed
//! pipe ends the output quietly, as `head` expects.

use crate::{exit, failure::Failure};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where and how a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
    color: bool,
    terminal: bool,
}

/// How a piece of text is set off.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// Names, headings.
    Bold,
    /// Went well.
    Good,
    /// Needs attention.
    Warning,
    /// Went wrong.
    Bad,
    /// Of second rank.
    Dim,
}

impl Output {
    /// Finds out what standard output and standard error are.
    pub fn new(json: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        let plain =
            std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self { json, color: io::stdout().is_terminal() && terminal && !plain, terminal }
    }

    /// Whether progress may be drawn: a person is looking, and standard error is a terminal.
    pub fn draws(self) -> bool {
        self.terminal && !self.json
    }

    /// The result of a command: as JSON, or in words.
    pub fn result<T: Serialize>(self, value: &T, words: impl FnOnce(&Self) -> String) {
        if self.json {
            let text = serde_json::to_string(value)
                .unwrap_or_else(|e| format!("{{\"error\":{{\"class\":\"internal\",\"message\":\"{e}\"}}}}"));
            write(&mut io::stdout().lock(), &text);
        } else {
            write(&mut io::stdout().lock(), words(&self).trim_end_matches('\n'));
        }
    }

    /// Text that a person asked for and that is itself the result, such as a completion script.
    pub fn text(self, text: &str) {
        self.result(&serde_json::json!({ "text": text }), |_| text.to_owned());
    }

    /// A line about what is going on; nothing with `--json`.
    pub fn note(self, text: &str) {
        if !self.json {
            write(&mut io::stderr().lock(), text);
        }
    }

    /// A line that needs attention, and is said with `--json` too, on standard error.
    pub fn warning(self, text: &str) {
        write(&mut io::stderr().lock(), &format!("{} {text}", self.paint(Style::Warning, "warning:")));
    }

    /// Tells a failure and gives the exit code of its class.
    pub fn failure(self, failure: &Failure) -> u8 {
        let row = exit::of(failure.class);
        if self.json {
            let error = serde_json::json!({ "error": {
                "class": failure.class, "message": failure.message, "hint": failure.hint, "context": failure.context,
            }, "exit_code": row.code });
            write(&mut io::stdout().lock(), &error.to_string());
        }
        if !self.json {
            write(&mut io::stderr().lock(), &self.failure_words(failure));
        }
        row.code
    }

    /// Message and hint may be words of a device. Lines that belong to a failure were made harmless where they were made:
    /// some of them are painted.
    fn failure_words(self, failure: &Failure) -> String {
        let mut text = format!("{} {}", self.paint(Style::Bad, "error:"), harmless_lines(&failure.message));
        for line in &failure.context {
            text.push_str(&format!("\n  {line}"));
        }
        if let Some(hint) = &failure.hint {
            text.push_str(&format!("\n\n{} {}", self.paint(Style::Bold, "hint:"), harmless_lines(hint)));
        }
        text
    }

    /// Text set off, where color is used.
    pub fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => "1",
            Style::Good => "32",
            Style::Warning => "33",
            Style::Bad => "31",
            Style::Dim => "2",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Writes a line. A reader that has gone is no error of ours, and there is nowhere left to say so.
fn write(to: &mut dyn Write, text: &str) {
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}

/// Rows with their columns aligned; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A size for people: `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Text from a device or an app, made harmless for a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if text::is_shown(c) { c } else { '\u{fffd}' }).collect()
}

/// As [`harmless`], for text of several lines.
fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::api::{ErrorBody, ErrorClass};

    #[test]
    fn columns_are_aligned_and_nothing_trails() {
        let rows = [vec!["NAME".into(), "STATE".into()], vec!["doorbell".into(), "up".into()]];
        assert_eq!(table(&rows), "NAME      STATE\ndoorbell  up\n");
    }

    #[test]
    fn sizes_are_rounded_down_to_one_digit() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1_572_864), "1.5 MiB");
    }

    #[test]
    fn escape_sequences_of_a_device_do_not_reach_the_terminal() {
        assert!(!harmless("\x1b]0;x\x07").contains('\x1b'));
        assert_eq!(harmless("user\u{202e}nimda\u{200b}"), "user\u{fffd}nimda\u{fffd}");
    }

    #[test]
    fn escape_sequences_in_the_refusal_of_a_device_do_not_reach_the_terminal() {
        let words = "\x1b]0;x\x07\u{9b}2J\rno\nreally".to_owned();
        let body = ErrorBody { class: ErrorClass::Conflict, message: words.clone(), hint: Some(words) };
        let plain = Output { json: false, color: false, terminal: false };
        let text = plain.failure_words(&body.into());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(text.matches("no\nreally").count(), 2);
    }
}
