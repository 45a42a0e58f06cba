//! The number of presses, on storage before anybody hears of it.

use sdk::{
    log,
    storage::{Storage, StorageError},
};

const FILE: &str = "presses";
const DAMAGED: &str = "presses.damaged";

/// The count and where it is kept.
#[derive(Debug)]
pub struct Count {
    storage: Storage,
    presses: u64,
}

impl Count {
    /// Reads the count; 0 at the first start. A file that holds no number is set aside: it can only have been written by
    /// something else, and a doorbell that refuses to ring over it helps nobody.
    pub fn load(storage: Storage) -> Result<Self, StorageError> {
        let Some(bytes) = storage.read(FILE)? else {
            return Ok(Self { storage, presses: 0 });
        };
        let presses = match std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok()) {
            Some(presses) => presses,
            None => {
                log::error(format_args!("the file `{FILE}` holds no number, kept as `{DAMAGED}`; counting from 0"));
                storage.write(DAMAGED, &bytes)?;
                0
            }
        };
        Ok(Self { storage, presses })
    }

    /// One more, on storage when this returns.
    pub fn increase(&mut self) -> Result<(), StorageError> {
        self.presses = self.presses.saturating_add(1);
        self.storage.write(FILE, format!("{}\n", self.presses).as_bytes())
    }

    /// The count.
    pub fn presses(&self) -> u64 {
        self.presses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut count = Count::load(Storage::at(folder.path()).unwrap()).unwrap();
        for _ in 0..3 {
            count.increase().unwrap();
        }
        assert_eq!(Count::load(Storage::at(folder.path()).unwrap()).unwrap().presses(), 3);
    }

    #[test]
    fn a_file_without_a_number_is_set_aside_and_counting_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::at(folder.path()).unwrap();
        storage.write(FILE, b"many").unwrap();
        assert_eq!(Count::load(storage).unwrap().presses(), 0);
        assert_eq!(Storage::at(folder.path()).unwrap().read(DAMAGED).unwrap().unwrap(), b"many");
    }
}
