//! One line to standard error, with sd-daemon's priority prefix (sd-daemon(3)): never a panic, never half a line.
//!
//! init gives each daemon a pipe whose other end security-monitor reads. `eprintln!` would panic when that pipe is
//! closed; here a line that cannot be written is lost, and nothing else.

use std::fmt;
pub use text::printable;

/// Longest line, in bytes: shorter than PIPE_BUF, so that two processes never mix their lines (pipe(7)), and than what
/// `/dev/kmsg` takes at once (1024 with its prefix), where the monitor mirrors it.
const LINE_LIMIT: usize = 960;

/// Something failed that should not.
pub fn error(text: impl fmt::Display) {
    line(3, text);
}

/// Something is not as it should be, and the daemon goes on.
pub fn warning(text: impl fmt::Display) {
    line(4, text);
}

/// Worth a line on the console.
pub fn notice(text: impl fmt::Display) {
    line(5, text);
}

/// Explains something to whoever reads the log.
pub fn info(text: impl fmt::Display) {
    line(6, text);
}

/// A line of any priority, 0 (emergency) to 7 (debug). Where standard error is `/dev/kmsg`, as the monitor's is, it becomes
/// one record of it, and ends up on the console too, where the console's level lets it.
pub fn line(priority: u8, text: impl fmt::Display) {
    let bytes = rendered(priority, text);
    // A full or closed pipe loses the line: a log must never stop its daemon.
    let _ = rustix::io::write(rustix::stdio::stderr(), &bytes);
}

fn rendered(priority: u8, text: impl fmt::Display) -> Vec<u8> {
    let mut clean = printable(&format!("<{priority}>{text}"), LINE_LIMIT);
    clean.truncate(clean.floor_char_boundary(LINE_LIMIT));
    clean.push('\n');
    clean.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_bounded() {
        assert_eq!(rendered(3, "a\n<0>b\x1b[0m"), b"<3>a <0>b [0m\n");
        let long = rendered(6, "ä".repeat(5000));
        assert!(long.len() <= LINE_LIMIT + 1 && long.ends_with(b"\n") && std::str::from_utf8(&long).is_ok());
    }
}
