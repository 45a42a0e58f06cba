//! Readings on storage: files of [`BATCH`] lines, `number volts`, named after their first number.

use sdk::storage::{Storage, StorageError};

/// Readings of a file: written at once, so that flash is spared.
pub const BATCH: usize = 32;

/// The readings.
pub struct Ring {
    storage: Storage,
    /// First numbers of the files that are there, oldest first.
    files: Vec<u64>,
    /// Readings that are in no file yet.
    batch: Vec<String>,
    newest: u64,
}

impl Ring {
    /// Finds what an earlier start left.
    pub fn load(storage: Storage) -> Result<Self, StorageError> {
        let mut files: Vec<u64> = storage.names()?.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect();
        files.sort_unstable();
        let mut newest = 0;
        if let Some(last) = files.last() {
            let text = storage.read(&name(*last))?.unwrap_or_default();
            let lines = String::from_utf8_lossy(&text).lines().count() as u64;
            newest = last + lines.saturating_sub(1);
        }
        Ok(Self { storage, files, batch: Vec::new(), newest })
    }

    /// Number of the newest reading; 0 before the first.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Adds a reading; how many old ones made room for it.
    pub fn add(&mut self, volts: f64) -> Result<u64, StorageError> {
        self.newest += 1;
        self.batch.push(format!("{} {volts:.6}\n", self.newest));
        if self.batch.len() < BATCH { Ok(0) } else { self.flush() }
    }

    /// Writes what is in no file yet; how many old readings made room for it.
    pub fn flush(&mut self) -> Result<u64, StorageError> {
        if self.batch.is_empty() {
            return Ok(0);
        }
        let first = self.newest + 1 - self.batch.len() as u64;
        let oldest = self.files.first().copied();
        loop {
            match self.storage.write(&name(first), self.batch.concat().as_bytes()) {
                Ok(()) => break,
                Err(e) if e.is_full() && !self.files.is_empty() => self.storage.remove(&name(self.files.remove(0)))?,
                Err(e) => return Err(e),
            }
        }
        self.files.push(first);
        self.batch.clear();
        Ok(self.files.first().zip(oldest).map_or(0, |(now, before)| now - before))
    }
}

const PREFIX: &str = "readings-";

fn name(first: u64) -> String {
    format!("{PREFIX}{first}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(folder: &tempfile::TempDir) -> Ring {
        Ring::load(Storage::at(folder.path()).unwrap()).unwrap()
    }

    #[test]
    fn numbers_go_on_over_restarts_and_what_is_in_no_file_is_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = ring(&folder);
        for _ in 0..BATCH + 3 {
            assert_eq!(first.add(0.5).unwrap(), 0);
        }
        assert_eq!(ring(&folder).newest(), BATCH as u64, "the last three are in no file yet");
        first.flush().unwrap();
        let mut second = ring(&folder);
        assert_eq!(second.newest(), BATCH as u64 + 3);
        second.add(1.0).unwrap();
        second.flush().unwrap();
        assert_eq!(ring(&folder).newest(), BATCH as u64 + 4);
    }
}
