//! A minidump as a file: a header, a directory, and what lies behind it wherever there is room.

use minidump_common::format::{
    MINIDUMP_DIRECTORY, MINIDUMP_HEADER, MINIDUMP_LOCATION_DESCRIPTOR, MINIDUMP_SIGNATURE, MINIDUMP_STREAM_TYPE, MINIDUMP_VERSION,
};
use scroll::{
    Endian, LE, Pwrite,
    ctx::{SizeWith, TryIntoCtx},
};

/// Streams that the directory has room for.
const STREAMS: usize = 8;
/// What the structures are aligned to.
const ALIGNMENT: usize = 8;

/// A minidump that is being written.
pub(crate) struct MinidumpFile {
    bytes: Vec<u8>,
    streams: Vec<MINIDUMP_DIRECTORY>,
}

impl MinidumpFile {
    pub(crate) fn new() -> Self {
        let beginning = MINIDUMP_HEADER::size_with(&LE) + STREAMS * MINIDUMP_DIRECTORY::size_with(&LE);
        Self { bytes: vec![0; beginning], streams: Vec::new() }
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn stream(&mut self, kind: MINIDUMP_STREAM_TYPE, location: MINIDUMP_LOCATION_DESCRIPTOR) {
        self.streams.push(MINIDUMP_DIRECTORY { stream_type: kind as u32, location });
    }

    pub(crate) fn put<T: Structure>(&mut self, value: T) -> Result<MINIDUMP_LOCATION_DESCRIPTOR, scroll::Error> {
        let begin = self.align();
        self.append(value)?;
        Ok(self.since(begin))
    }

    /// A number and so many structures behind it.
    pub(crate) fn put_list<T: Structure>(
        &mut self,
        values: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    ) -> Result<MINIDUMP_LOCATION_DESCRIPTOR, scroll::Error> {
        let values = values.into_iter();
        let begin = self.align();
        self.append(u32::try_from(values.len()).unwrap_or(u32::MAX))?;
        values.into_iter().try_for_each(|value| self.append(value))?;
        Ok(self.since(begin))
    }

    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) -> MINIDUMP_LOCATION_DESCRIPTOR {
        let begin = self.align();
        self.bytes.extend_from_slice(bytes);
        self.since(begin)
    }

    /// MINIDUMP_STRING: length in bytes, UTF-16, a zero. Where it lies.
    pub(crate) fn put_text(&mut self, text: &str) -> Result<u32, scroll::Error> {
        let begin = self.align();
        let text: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.append(u32::try_from(text.len()).unwrap_or(u32::MAX))?;
        self.bytes.extend_from_slice(&text);
        self.append(0u16)?;
        Ok(self.since(begin).rva)
    }

    pub(crate) fn finish(mut self) -> Result<Vec<u8>, scroll::Error> {
        let header = MINIDUMP_HEADER {
            signature: MINIDUMP_SIGNATURE,
            version: MINIDUMP_VERSION,
            stream_count: u32::try_from(self.streams.len()).unwrap_or(u32::MAX),
            stream_directory_rva: u32::try_from(MINIDUMP_HEADER::size_with(&LE)).unwrap_or(u32::MAX),
            checksum: 0,
            time_date_stamp: 0,
            flags: 0,
        };
        let mut offset = 0;
        self.bytes.gwrite_with(header, &mut offset, LE)?;
        let directory = std::mem::take(&mut self.streams);
        debug_assert!(directory.len() <= STREAMS);
        directory.into_iter().try_for_each(|stream| self.bytes.gwrite_with(stream, &mut offset, LE).map(drop))?;
        Ok(self.bytes)
    }

    fn align(&mut self) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        self.bytes.len()
    }

    fn append<T: Structure>(&mut self, value: T) -> Result<(), scroll::Error> {
        let begin = self.bytes.len();
        self.bytes.resize(begin + T::size_with(&LE), 0);
        self.bytes.pwrite_with(value, begin, LE).map(drop)
    }

    /// What was written from here on. A minidump is far below 4 GiB.
    fn since(&self, begin: usize) -> MINIDUMP_LOCATION_DESCRIPTOR {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        MINIDUMP_LOCATION_DESCRIPTOR { data_size: number(self.bytes.len() - begin), rva: number(begin) }
    }
}

/// What a minidump is made of.
pub(crate) trait Structure: SizeWith<Endian> + TryIntoCtx<Endian, Error = scroll::Error> {}
impl<T: SizeWith<Endian> + TryIntoCtx<Endian, Error = scroll::Error>> Structure for T {}
