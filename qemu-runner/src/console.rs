//! The console's text as QEMU wrote it to a file.

use crate::{error::RunnerError, process::ProcessId};
use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Most of a console that is read: a guest may write for ever.
const LIMIT: u64 = 64 * 1024 * 1024;
/// Time between two looks at a file that grows. A file cannot be polled for growth; inotify would not save much.
const LOOK: Duration = Duration::from_millis(50);

/// Reads a console from where it was left.
#[derive(Debug)]
pub struct Console {
    path: PathBuf,
    position: u64,
    /// The begin of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Console {
    /// From the beginning.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), position: 0, rest: Vec::new() }
    }

    /// Whole lines that are new, without line ends.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        let mut file = match fs_err::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.position))?;
        let before = self.rest.len();
        file.take(LIMIT.saturating_sub(self.position)).read_to_end(&mut self.rest)?;
        self.position += (self.rest.len() - before) as u64;
        let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.rest.drain(..end).collect();
        Ok(whole.split(|byte| *byte == b'\n').map(text).take(count(&whole)).collect())
    }

    /// Waits for a line with which `found` is content, handing each line to `each` on the way.
    pub fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        machine: Option<ProcessId>,
        mut each: impl FnMut(&str),
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, RunnerError> {
        let until = Instant::now() + limit;
        loop {
            // Looked at before the lines are read: what a machine wrote before it ended is still seen.
            let gone = machine.is_some_and(|machine| !machine.is_alive());
            for line in self.lines()? {
                each(&line);
                if let Some(value) = found(&line) {
                    return Ok(value);
                }
            }
            if gone {
                return Err(RunnerError::Gone { what: what.to_owned(), console: self.path.clone() });
            }
            if Instant::now() >= until {
                return Err(RunnerError::TimedOut { what: what.to_owned(), limit });
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end_matches('\r').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_is_given_once_and_only_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut console = Console::new(file.path());
        file.write_all(b"one\r\ntw").unwrap();
        assert_eq!(console.lines().unwrap(), ["one"]);
        file.write_all(b"o\n\nthree\n").unwrap();
        assert_eq!(console.lines().unwrap(), ["two", "", "three"]);
        assert!(console.lines().unwrap().is_empty());
    }

    #[test]
    fn a_wait_ends_with_a_reason() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let waited = Console::new(file.path()).wait("a miracle", Duration::from_millis(1), None, |_| {}, |_| None::<()>);
        assert!(waited.unwrap_err().to_string().contains("a miracle"));
    }
}
