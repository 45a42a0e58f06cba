//! Build ids: what a linker writes into a program and into nothing else, so that symbols can be told to belong to it.

use object::{
    LittleEndian as LE, elf,
    read::elf::{FileHeader, ProgramHeader},
};
use serde::{Serialize, Serializer};
use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// A build id: the note NT_GNU_BUILD_ID of an ELF file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(Vec<u8>);

impl BuildId {
    /// From its bytes; linkers write 8 to 32. All zeros are what tools write where there is none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        ((4..=64).contains(&bytes.len()) && bytes.iter().any(|byte| *byte != 0)).then(|| Self(bytes.to_owned()))
    }

    /// Of an ELF file, or of the beginning of one that has its notes: linkers put them into the first page.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let header = elf::FileHeader64::<LE>::parse(bytes).ok()?;
        header.program_headers(LE, bytes).ok()?.iter().find_map(|segment| {
            let mut notes = segment.notes(LE, bytes).ok()??;
            while let Ok(Some(note)) = notes.next() {
                if note.n_type(LE) == elf::NT_GNU_BUILD_ID && note.name() == elf::ELF_NOTE_GNU {
                    return Self::new(note.desc());
                }
            }
            None
        })
    }

    /// Where debuggers look for the symbols of a program with it, below a folder of symbols.
    pub fn place(&self) -> PathBuf {
        let hex = self.to_string();
        let (first, rest) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        Path::new(".build-id").join(first).join(format!("{rest}.debug"))
    }

    /// Of the file at this path; none where it is no regular file, no ELF file or has none.
    pub fn of_file(path: &Path) -> io::Result<Option<Self>> {
        // Not a link to a device, nor a pipe: opening one could wait for ever.
        if !fs_err::metadata(path)?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        fs_err::File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
        Ok(Self::of(&bytes))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for BuildId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes of a file that are read for its notes.
const BEGINNING: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_the_id_that_readelf_shows() {
        let output = std::process::Command::new("readelf").args(["--notes", "/bin/true"]).output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        let shown = shown.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap();
        let id = BuildId::of_file(Path::new("/bin/true")).unwrap().unwrap();
        assert_eq!(id.to_string(), shown);
        assert_eq!(id.place().display().to_string(), format!(".build-id/{}/{}.debug", &shown[..2], &shown[2..]));
    }

    #[test]
    fn other_files_have_none() {
        assert_eq!(BuildId::of_file(Path::new("/etc/passwd")).unwrap(), None);
        assert_eq!(BuildId::of_file(Path::new("/dev/zero")).unwrap(), None);
        assert!(BuildId::of_file(Path::new("/nonexistent")).is_err());
        assert_eq!(BuildId::new(&[0; 20]), None);
        let whole = fs_err::read("/bin/true").unwrap();
        for length in (0..2000.min(whole.len())).step_by(3) {
            let _ = BuildId::of(&whole[..length]);
        }
    }
}
