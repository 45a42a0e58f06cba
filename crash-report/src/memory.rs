//! What was mapped in a process that crashed, and as much of it as a core file holds.

use crate::read_at::{ReadAt, read_up_to};
use object::elf;
use std::io;

/// Bytes below the stack pointer that a function uses without moving it (System V ABI for x86-64, 3.2.2; on aarch64 there
/// are none, and they tell what was there before).
pub const RED_ZONE: u64 = 128;
/// How far below a stack its pointer may be and still be taken to have run over its end: glibc's largest guard.
pub const OVERRUN: u64 = 64 * 1024;

/// A mapping. It does not wrap around, and neither does its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) size: u64,
    offset: u64,
    /// Bytes of it that are in the file, from its start on.
    dumped: u64,
    flags: u32,
}

impl Segment {
    /// None where it would wrap around, or lies where no file reaches.
    pub(crate) fn new(start: u64, size: u64, offset: u64, dumped: u64, flags: u32) -> Option<Self> {
        start.checked_add(size)?;
        i64::try_from(offset.checked_add(dumped)?).ok()?;
        Some(Self { start, size, offset, dumped, flags })
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + self.size
    }

    fn has(&self, address: u64) -> bool {
        (self.start..self.end()).contains(&address)
    }

    /// As /proc/<pid>/maps has it. Whether it is shared no core tells.
    pub(crate) fn permissions(&self) -> String {
        let letter = |flag, letter| if self.flags & flag == 0 { '-' } else { letter };
        [letter(elf::PF_R, 'r'), letter(elf::PF_W, 'w'), letter(elf::PF_X, 'x'), 'p'].into_iter().collect()
    }
}

/// The memory of a process that crashed.
pub(crate) struct Memory<'a, R> {
    file: &'a R,
    /// By start. Where two overlap, as the kernel's never do, the one that begins later has the address.
    segments: Vec<Segment>,
}

impl<'a, R: ReadAt> Memory<'a, R> {
    pub(crate) fn new(file: &'a R, mut segments: Vec<Segment>) -> Self {
        segments.sort_by_key(|segment| segment.start);
        Self { file, segments }
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn at(&self, address: u64) -> Option<&Segment> {
        self.segments.get(..self.after(address))?.last().filter(|segment| segment.has(address))
    }

    /// Index of the first segment that begins behind an address.
    fn after(&self, address: u64) -> usize {
        self.segments.partition_point(|segment| segment.start <= address)
    }

    pub(crate) fn is_executable(&self, start: u64) -> bool {
        self.at(start).is_some_and(|segment| segment.flags & elf::PF_X != 0)
    }

    /// At most `most` bytes from an address on, up to the end of its mapping or of the file.
    pub(crate) fn read(&self, address: u64, most: usize) -> io::Result<Vec<u8>> {
        let Some(segment) = self.at(address) else { return Ok(Vec::new()) };
        let skipped = address - segment.start;
        let Some(left) = segment.dumped.checked_sub(skipped) else { return Ok(Vec::new()) };
        read_up_to(self.file, segment.offset + skipped, usize::try_from(left).unwrap_or(usize::MAX).min(most))
    }

    /// The stack that a pointer is in, from its red zone on: where it begins, and at most `most` bytes of it. Of a pointer
    /// that ran over the stack's end, the mapping above it. `top` is where the stack ends at the latest: the kernel makes one
    /// mapping of a thread's stack and of a heap that lies above it.
    pub(crate) fn stack(&self, pointer: u64, top: Option<u64>, most: usize) -> io::Result<(u64, Vec<u8>)> {
        let above = || {
            let next = self.segments.iter().skip(self.after(pointer)).find(|segment| segment.dumped > 0)?;
            (next.start - pointer <= OVERRUN).then_some(next)
        };
        let Some(stack) = self.at(pointer).filter(|segment| segment.dumped > 0).or_else(above) else {
            return Ok((pointer, Vec::new()));
        };
        let start = pointer.saturating_sub(RED_ZONE).max(stack.start);
        let below = top.and_then(|top| top.checked_sub(start)).filter(|size| *size > 0);
        let most = below.map_or(most, |size| usize::try_from(size).unwrap_or(usize::MAX).min(most));
        Ok((start, self.read(start, most)?))
    }
}
