//! Lines of the app's log. The device keeps standard output and standard error, bounded and over restarts.
//!
//! `println!` panics when its pipe is closed, which happens to an app whose manager is just being restarted; here a line
//! that cannot be written is lost, and nothing else.
//!
//! ```
//! use sdk::log;
//!
//! log::info(format_args!("{} presses so far", 3));
//! log::warning("no answer from the sensor; the next try in 10 s");
//! ```

use std::{error::Error, fmt, process::ExitCode};

/// Longest line, in bytes; the device cuts what is longer.
pub const LINE_LIMIT: usize = 1024;

/// Somebody should come: a line that begins with `ALERT`.
///
/// ```
/// sdk::log::alert("doorbell rang: press 3, level 3");
/// ```
pub fn alert(text: impl fmt::Display) {
    write(rustix::stdio::stdout(), format_args!("ALERT {text}"));
}

/// Something failed that should not.
pub fn error(text: impl fmt::Display) {
    write(rustix::stdio::stderr(), format_args!("error: {text}"));
}

/// Something is not as it should be, and the app goes on.
pub fn warning(text: impl fmt::Display) {
    write(rustix::stdio::stderr(), format_args!("warning: {text}"));
}

/// Explains something to whoever reads the log.
pub fn info(text: impl fmt::Display) {
    write(rustix::stdio::stdout(), text);
}

/// How an app ends: a failure is a line with its causes, and a status that is not 0.
///
/// ```
/// fn run() -> Result<(), Box<dyn std::error::Error>> {
///     Ok(())
/// }
///
/// assert_eq!(sdk::log::finish(run()), std::process::ExitCode::SUCCESS);
/// ```
pub fn finish(result: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(e) = result else { return ExitCode::SUCCESS };
    let mut words = e.to_string();
    let mut cause = e.source();
    while let Some(deeper) = cause {
        words = format!("{words}: {deeper}");
        cause = deeper.source();
    }
    error(words);
    ExitCode::FAILURE
}

fn write(to: impl rustix::fd::AsFd, text: impl fmt::Display) {
    let _ = rustix::io::write(to, &line(text));
}

/// One line with its end, in one piece so that two processes never mix theirs (pipe(7), PIPE_BUF).
fn line(text: impl fmt::Display) -> Vec<u8> {
    let mut clean: String = text.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.truncate(clean.floor_char_boundary(LINE_LIMIT));
    clean.push('\n');
    clean.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_line_breaks_stays_one_bounded_line() {
        assert_eq!(line("a\nb"), b"a b\n");
        assert_eq!(line("ä".repeat(LINE_LIMIT)).len(), LINE_LIMIT + 1);
    }
}
