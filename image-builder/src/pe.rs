//! The PE file format (EFI programs), as far as adding sections and a signature needs it.
//!
//! The input is the distribution's stub, not hostile; still nothing here indexes without a check.

/// A PE32+ program in memory.
#[derive(Debug, Clone)]
pub struct Program {
    bytes: Vec<u8>,
    /// Offset of the PE signature.
    header: usize,
}

/// Why a program was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeError {
    /// Not a PE32+ file for x86-64.
    #[error("not a PE32+ program for x86-64: {0}")]
    Format(&'static str),
    /// Sections must follow each other in the file without gaps: then the Authenticode digest is that of the file.
    #[error("section {0} does not begin where the one before ends")]
    Gap(usize),
    /// No room for another section header.
    #[error("no room for section `{0}`: headers end at byte {1}")]
    Full(String, usize),
    /// A section's name is longer than the format allows.
    #[error("section name `{0}` is longer than 8 bytes")]
    Name(String),
    /// Beyond what the format's 32-bit fields hold.
    #[error("the program would be larger than 4 GiB")]
    TooLarge,
}

/// Offsets from the PE signature (PE format specification, "COFF File Header", "Optional Header").
const MACHINE: usize = 4;
const SECTION_COUNT: usize = 6;
const TIME_STAMP: usize = 8;
const SYMBOLS: usize = 12;
const OPTIONAL_SIZE: usize = 20;
const OPTIONAL: usize = 24;
const INITIALIZED_DATA: usize = OPTIONAL + 8;
const SECTION_ALIGNMENT: usize = OPTIONAL + 32;
const FILE_ALIGNMENT: usize = OPTIONAL + 36;
const IMAGE_SIZE: usize = OPTIONAL + 56;
const HEADERS_SIZE: usize = OPTIONAL + 60;
const CHECKSUM: usize = OPTIONAL + 64;
const SECURITY_DIRECTORY: usize = OPTIONAL + 112 + 4 * 8;
const SECTION_HEADER: usize = 40;
/// Sections start on a page: what the stub hands on (the kernel) wants to be aligned.
const PAGE: u32 = 4096;
/// IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ.
const READ_ONLY_DATA: u32 = 0x4000_0040;

impl Program {
    /// Checks the headers of an unsigned program.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, PeError> {
        let mut program = Self { bytes, header: 0 };
        if program.bytes.get(..2) != Some(b"MZ") {
            return Err(PeError::Format("no MZ"));
        }
        program.header = program.read32(0x3c)? as usize;
        if program.bytes.get(program.header..program.header + 4) != Some(b"PE\0\0") {
            return Err(PeError::Format("no PE header"));
        }
        if program.field16(MACHINE)? != 0x8664 || program.field16(OPTIONAL)? != 0x20b {
            return Err(PeError::Format("another machine"));
        }
        if program.field32(SECURITY_DIRECTORY)? != 0 {
            return Err(PeError::Format("signed already"));
        }
        let end = program.check_contiguous()?;
        program.drop_symbols(end)?;
        Ok(program)
    }

    /// Adds a section with read-only data after all others.
    pub fn add_section(&mut self, name: &str, data: &[u8]) -> Result<(), PeError> {
        let count = self.field16(SECTION_COUNT)?;
        let at = self.section(usize::from(count))?;
        let headers_end = self.field32(HEADERS_SIZE)? as usize;
        if at + SECTION_HEADER > headers_end {
            return Err(PeError::Full(name.into(), headers_end));
        }
        if name.len() > 8 {
            return Err(PeError::Name(name.into()));
        }
        let size = u32::try_from(data.len()).map_err(|_| PeError::TooLarge)?;
        let file_alignment = self.field32(FILE_ALIGNMENT)?;
        let address = self.field32(IMAGE_SIZE)?.checked_next_multiple_of(PAGE).ok_or(PeError::TooLarge)?;
        let raw_at = u32::try_from(self.bytes.len()).map_err(|_| PeError::TooLarge)?;
        let raw_size = size.checked_next_multiple_of(file_alignment).ok_or(PeError::TooLarge)?;
        let image_end =
            address.checked_add(size).and_then(|end| end.checked_next_multiple_of(self.field32(SECTION_ALIGNMENT).ok()?));

        let mut header = [0u8; SECTION_HEADER];
        header[..name.len()].copy_from_slice(name.as_bytes());
        for (offset, value) in [(8, size), (12, address), (16, raw_size), (20, raw_at), (36, READ_ONLY_DATA)] {
            header[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        self.put(at, &header)?;
        self.put(self.header + SECTION_COUNT, &(count + 1).to_le_bytes())?;
        let initialized = self.field32(INITIALIZED_DATA)?.checked_add(raw_size).ok_or(PeError::TooLarge)?;
        self.put(self.header + INITIALIZED_DATA, &initialized.to_le_bytes())?;
        self.put(self.header + IMAGE_SIZE, &image_end.ok_or(PeError::TooLarge)?.to_le_bytes())?;
        self.bytes.extend_from_slice(data);
        self.bytes.resize(raw_at as usize + raw_size as usize, 0);
        Ok(())
    }

    /// Clears what would differ between two builds, or would have to be computed for no reader: UEFI looks at neither.
    pub fn clear_stamps(&mut self) -> Result<(), PeError> {
        self.put(self.header + TIME_STAMP, &[0; 4])?;
        self.put(self.header + CHECKSUM, &[0; 4])
    }

    /// What the Authenticode digest is taken over, piece by piece: all but checksum, security directory, certificates.
    pub fn signed_parts(&self) -> Result<[&[u8]; 3], PeError> {
        let cut = PeError::Format("cut off");
        let (checksum, directory) = (self.header + CHECKSUM, self.header + SECURITY_DIRECTORY);
        let parts = (self.bytes.get(..checksum), self.bytes.get(checksum + 4..directory), self.bytes.get(directory + 8..));
        match parts {
            (Some(one), Some(two), Some(three)) => Ok([one, two, three]),
            _ => Err(cut),
        }
    }

    /// Appends a PKCS #7 signature as attribute certificate and returns the signed file.
    pub fn with_signature(mut self, pkcs7: &[u8]) -> Result<Vec<u8>, PeError> {
        let at = u32::try_from(self.bytes.len()).map_err(|_| PeError::TooLarge)?;
        let length = u32::try_from(pkcs7.len() + 8).map_err(|_| PeError::TooLarge)?;
        let padded = length.checked_next_multiple_of(8).ok_or(PeError::TooLarge)?;
        self.put(self.header + SECURITY_DIRECTORY, &at.to_le_bytes())?;
        self.put(self.header + SECURITY_DIRECTORY + 4, &padded.to_le_bytes())?;
        // WIN_CERTIFICATE: length, WIN_CERT_REVISION_2_0, WIN_CERT_TYPE_PKCS_SIGNED_DATA.
        self.bytes.extend_from_slice(&padded.to_le_bytes());
        self.bytes.extend_from_slice(&[0x00, 0x02, 0x02, 0x00]);
        self.bytes.extend_from_slice(pkcs7);
        self.bytes.resize(at as usize + padded as usize, 0);
        Ok(self.bytes)
    }

    /// The unsigned file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns where the last section ends.
    fn check_contiguous(&self) -> Result<u32, PeError> {
        let mut expected = self.field32(HEADERS_SIZE)?;
        for at in 0..usize::from(self.field16(SECTION_COUNT)?) {
            let header = self.section(at)?;
            if self.read32(header + 20)? != expected {
                return Err(PeError::Gap(at));
            }
            expected = expected.checked_add(self.read32(header + 16)?).ok_or(PeError::TooLarge)?;
        }
        let aligned = expected.is_multiple_of(self.field32(FILE_ALIGNMENT)?.max(1));
        if aligned { Ok(expected) } else { Err(PeError::Format("its last section ends off the alignment")) }
    }

    /// A symbol table may follow the sections; debuggers alone read it, and new sections go to its place.
    fn drop_symbols(&mut self, sections_end: u32) -> Result<(), PeError> {
        let end = sections_end as usize;
        let symbols_follow = self.field32(SYMBOLS)? == sections_end;
        if self.bytes.len() < end || (self.bytes.len() > end && !symbols_follow) {
            return Err(PeError::Format("something unknown follows its last section"));
        }
        self.bytes.truncate(end);
        self.put(self.header + SYMBOLS, &[0; 8])
    }

    fn section(&self, at: usize) -> Result<usize, PeError> {
        Ok(self.header + OPTIONAL + usize::from(self.field16(OPTIONAL_SIZE)?) + at * SECTION_HEADER)
    }

    fn field16(&self, offset: usize) -> Result<u16, PeError> {
        let bytes = self.bytes.get(self.header + offset..self.header + offset + 2).and_then(|b| b.try_into().ok());
        bytes.map(u16::from_le_bytes).ok_or(PeError::Format("cut off"))
    }

    fn field32(&self, offset: usize) -> Result<u32, PeError> {
        self.read32(self.header + offset)
    }

    fn read32(&self, at: usize) -> Result<u32, PeError> {
        let bytes = self.bytes.get(at..at.saturating_add(4)).and_then(|b| b.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(PeError::Format("cut off"))
    }

    fn put(&mut self, at: usize, value: &[u8]) -> Result<(), PeError> {
        let place = self.bytes.get_mut(at..at + value.len()).ok_or(PeError::Format("cut off"))?;
        place.copy_from_slice(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_program_is_refused() {
        for bytes in [&b""[..], b"MZ", &[0; 512], &[b"MZ".as_slice(), &[0xff; 200]].concat()] {
            assert!(matches!(Program::parse(bytes.to_vec()), Err(PeError::Format(_))));
        }
    }
}
