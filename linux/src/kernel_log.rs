//! The kernel's log, `/dev/kmsg` (Documentation/ABI/testing/dev-kmsg): one record per read(2).
//!
//! A record's text may hold what an app chose (its name, say). The kernel has escaped control characters, backslashes
//! and everything beyond ASCII as `\xNN` by then, and here it stays so. Who wrote a record is told by its facility:
//! [`KERNEL`] is only ever the kernel, because it gives another one to whatever user space writes.

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{OFlags, SeekFrom, fcntl_getfl, fcntl_setfl, seek},
    io::{self, Errno},
};
use std::time::Duration;
use text::printable;

/// Facility of records that the kernel itself wrote (LOG_KERN).
pub const KERNEL: u8 = 0;
/// Longest record that read(2) returns, in bytes: 2048 of text, of which each may take four, and the prefix.
pub const RECORD_LIMIT: usize = 10 * 1024;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who wrote it: [`KERNEL`], or 1 and up for user space.
    pub facility: u8,
    /// Priority, 0 (emergency) to 7 (debug).
    pub priority: u8,
    /// Rises by one with each record of this boot, from 0.
    pub sequence: u64,
    /// When, since the kernel started.
    pub since_boot: Duration,
    /// The text, ASCII without control characters.
    pub text: String,
}

/// Reads one record as read(2) returned it: `prefix,sequence,microseconds,flags[,…];text\n[ KEY=value\n…]`. The
/// dictionary lines behind the text are left out.
pub fn parse(bytes: &[u8]) -> Option<Record> {
    let bytes = bytes.get(..RECORD_LIMIT).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let (prefix, text) = text.split_once(';')?;
    let mut fields = prefix.split(',');
    let code: u32 = fields.next()?.parse().ok()?;
    let sequence = fields.next()?.parse().ok()?;
    let microseconds = fields.next()?.parse().ok()?;
    let text = text.lines().next().unwrap_or_default();
    Some(Record {
        facility: u8::try_from(code >> 3).ok()?,
        priority: u8::try_from(code & 7).ok()?,
        sequence,
        since_boot: Duration::from_micros(microseconds),
        text: printable(text, RECORD_LIMIT),
    })
}

/// `/dev/kmsg` opened for reading. The position belongs to the open file, not to this process alone.
pub struct Reader(OwnedFd);

/// What [`Reader::read`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// Records were overwritten before they were read, or one was no record; there may be more.
    Lost,
    /// Nothing more for now.
    Empty,
}

impl Reader {
    /// Makes reads return at once when there is nothing more.
    pub fn new(kmsg: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&kmsg, fcntl_getfl(&kmsg)? | OFlags::NONBLOCK)?;
        Ok(Self(kmsg))
    }

    /// Goes back to the oldest record that the kernel still has.
    pub fn rewind(&mut self) -> io::Result<()> {
        seek(&self.0, SeekFrom::Start(0)).map(|_| ())
    }

    /// The next record.
    pub fn read(&mut self) -> io::Result<Next> {
        let mut bytes = [0; RECORD_LIMIT];
        loop {
            return match io::read(&self.0, &mut bytes) {
                Ok(0) | Err(Errno::AGAIN) => Ok(Next::Empty),
                Ok(length) => Ok(bytes.get(..length).and_then(parse).map_or(Next::Lost, Next::Record)),
                Err(Errno::PIPE) => Ok(Next::Lost),
                Err(Errno::INTR) => continue,
                Err(e) => Err(e),
            };
        }
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_facility_priority_sequence_time_and_text() {
        let record = parse(b"12,339,5140900,-,caller=T1;hello; world\n SUBSYSTEM=acpi\n DEVICE=+acpi:X\n").unwrap();
        assert_eq!((record.facility, record.priority, record.sequence), (1, 4, 339));
        assert_eq!((record.since_boot, record.text.as_str()), (Duration::from_micros(5_140_900), "hello; world"));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for bytes in [&b""[..], b";", b"x,1,2,-;t", b"6,1;t", b"6,1,2,-", b"4294967296,1,2,-;t", b"6,-1,2,-;t"] {
            assert_eq!(parse(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_give_one_bounded_line() {
        // A small generator of its own: this crate has no property test library among its dependencies.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000_u32 {
            let mut bytes = if round % 2 == 0 { b"6,1,2,-;".to_vec() } else { Vec::new() };
            for _ in 0..round % 64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((state >> 56) as u8);
            }
            if let Some(record) = parse(&bytes) {
                assert!(record.text.chars().all(text::is_shown) && record.text.len() <= 3 * RECORD_LIMIT);
            }
        }
    }
}
