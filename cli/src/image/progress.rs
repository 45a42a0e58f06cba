//! Shows what image-builder does: steps, outside commands, and how far a long one has come.

use crate::output::{Output, Style};
use image_builder::progress::{Advance, Progress, StepProgress};
use std::io::Write;

/// Draws on standard error; silent with `--json`.
pub struct Shown {
    output: Output,
    commands: bool,
    drawn: bool,
    /// Tenths of a long command that were told in a line of their own, where nothing can be drawn over.
    tenths: usize,
}

impl Shown {
    /// Shows everything.
    pub fn new(output: Output) -> Self {
        Self { output, commands: true, drawn: false, tenths: 0 }
    }

    /// Shows nothing that takes no time.
    pub fn quiet(output: Output) -> Self {
        Self { output, commands: false, drawn: false, tenths: 0 }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.drawn) {
            draw("\r\x1b[K");
        }
        self.output.note(text);
    }
}

impl Progress for Shown {
    fn step(&mut self, step: StepProgress<'_>) {
        let head = self.output.paint(Style::Bold, &format!("[{}/{}] {}", step.number, step.of, step.name));
        self.line(&format!("{head}: {}", step.text));
    }

    fn command(&mut self, line: &str) {
        if self.commands {
            self.line(&self.output.paint(Style::Dim, &format!("+ {line}")));
        }
    }

    fn advance(&mut self, advance: Advance) {
        let left = advance.left.map(|left| format!(", about {} left", span(left.as_secs()))).unwrap_or_default();
        let text = format!("  {} of about {}{left}", advance.done, advance.of);
        let tenths = advance.done * 10 / advance.of.max(1);
        if self.output.draws() {
            draw(&format!("\r\x1b[K{text}"));
            self.drawn = true;
        } else if tenths > self.tenths {
            self.output.note(&text);
        }
        self.tenths = tenths;
    }

    fn note(&mut self, text: &str) {
        self.line(text);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if self.drawn {
            draw("\r\x1b[K");
        }
    }
}

/// Writes without a newline; a terminal that has gone is no error of ours.
fn draw(text: &str) {
    let mut to = std::io::stderr().lock();
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// A time span as people say it.
fn span(seconds: u64) -> String {
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}
