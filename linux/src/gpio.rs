//! GPIO character device, uAPI v2 (Documentation/userspace-api/gpio/chardev.rst): a line as a descriptor.
//!
//! A chip is found by its label, because `/dev/gpiochipN` is numbered in the order of probing. The descriptor of a line
//! gives nothing but that line: whoever holds it can read its level and its events, or set it, and reach no other one.
#![expect(unsafe_code, reason = "ioctls that rustix has no safe function for")]

use crate::files::{self, FileError};
use rustix::{
    fd::{AsFd, FromRawFd, OwnedFd},
    fs::OFlags,
    io, ioctl,
};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// Which way a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Read its level; both edges arrive as events (`struct gpio_v2_line_event`) on the descriptor.
    Input,
    /// Set its level; inactive at first.
    Output,
}

/// Why no chip could be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChipError {
    /// None carries the label.
    #[error("no GPIO chip is labelled `{label}`; there are: {}", if found.is_empty() { "none".to_owned() } else { found.join(", ") })]
    Missing {
        /// The label looked for.
        label: String,
        /// Labels found.
        found: Vec<String>,
    },
    /// A chip or `/dev` could not be opened.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Opens the chip with this label, looking at each `gpiochip*` in `folder` (`/dev` on a device) that the caller may open.
pub fn open_chip(folder: &Path, label: &str) -> Result<OwnedFd, ChipError> {
    let mut found = Vec::new();
    for path in chips(folder)? {
        let chip = match files::open(&path, OFlags::RDWR) {
            Err(e) if e.source.kind() == ErrorKind::PermissionDenied => continue,
            opened => opened?,
        };
        let its = chip_label(&chip).map_err(|e| FileError::new("read the label of", &path, e))?;
        if its == label {
            return Ok(chip);
        }
        found.push(its);
    }
    Err(ChipError::Missing { label: label.to_owned(), found })
}

/// The device nodes of all chips in `folder`.
pub fn chips(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let names = files::list(folder, NODES_LIMIT)?;
    Ok(names.into_iter().filter(|name| name.starts_with("gpiochip")).map(|name| folder.join(name)).collect())
}

/// Most entries of `/dev` that are looked through.
const NODES_LIMIT: usize = 4096;

/// Label of an open chip.
pub fn chip_label(chip: impl AsFd) -> io::Result<String> {
    // SAFETY: the opcode is GPIO_GET_CHIPINFO_IOCTL, which only writes one `struct gpiochip_info`; `ChipInfo` has its
    // 68 bytes, and every bit pattern is a valid one.
    let info = unsafe { ioctl::ioctl(chip, ioctl::Getter::<CHIP_INFO, ChipInfo>::new())? };
    let end = info.label.iter().position(|byte| *byte == 0).unwrap_or(info.label.len());
    Ok(String::from_utf8_lossy(info.label.get(..end).unwrap_or_default()).into_owned())
}

/// Requests one line of a chip; `consumer` is what `lsgpio` shows. `EBUSY` while somebody else holds it, `EINVAL` for
/// an offset the chip does not have. The descriptor is close-on-exec and does not block.
pub fn request_line(chip: impl AsFd, offset: u32, direction: Direction, active_low: bool, consumer: &str) -> io::Result<OwnedFd> {
    let mut request = LineRequest { num_lines: 1, ..LineRequest::new() };
    request.offsets[0] = offset;
    // The last byte stays 0: the kernel wants a terminated string.
    for (to, from) in request.consumer.iter_mut().take(NAME_SIZE - 1).zip(consumer.bytes()) {
        *to = from;
    }
    request.config.flags = match direction {
        Direction::Input => INPUT | EDGE_RISING | EDGE_FALLING,
        Direction::Output => OUTPUT,
    } | if active_low { ACTIVE_LOW } else { 0 };
    // SAFETY: the opcode is GPIO_V2_GET_LINE_IOCTL, whose argument is `struct gpio_v2_line_request`, read and written
    // back by the kernel; `LineRequest` has its 592 bytes and contains no pointer.
    unsafe { ioctl::ioctl(chip, ioctl::Updater::<GET_LINE, LineRequest>::new(&mut request))? };
    if request.fd < 0 {
        return Err(io::Errno::BADF);
    }
    // SAFETY: the kernel has just installed this descriptor for us (O_CLOEXEC, gpiolib-cdev.c linereq_create), and
    // nobody else knows of it.
    let line = unsafe { OwnedFd::from_raw_fd(request.fd) };
    rustix::fs::fcntl_setfl(&line, OFlags::NONBLOCK)?;
    Ok(line)
}

const NAME_SIZE: usize = 32;
const LINES: usize = 64;
const ATTRIBUTES: usize = 10;

/// `GPIO_V2_LINE_FLAG_*`.
const ACTIVE_LOW: u64 = 1 << 1;
const INPUT: u64 = 1 << 2;
const OUTPUT: u64 = 1 << 3;
const EDGE_RISING: u64 = 1 << 4;
const EDGE_FALLING: u64 = 1 << 5;

/// `GPIO_GET_CHIPINFO_IOCTL`.
const CHIP_INFO: ioctl::Opcode = ioctl::opcode::read::<ChipInfo>(0xB4, 0x01);
/// `GPIO_V2_GET_LINE_IOCTL`.
const GET_LINE: ioctl::Opcode = ioctl::opcode::read_write::<LineRequest>(0xB4, 0x07);

/// `struct gpiochip_info`.
#[repr(C)]
struct ChipInfo {
    name: [u8; NAME_SIZE],
    label: [u8; NAME_SIZE],
    lines: u32,
}

/// `struct gpio_v2_line_request`.
#[repr(C)]
struct LineRequest {
    offsets: [u32; LINES],
    consumer: [u8; NAME_SIZE],
    config: LineConfig,
    num_lines: u32,
    event_buffer_size: u32,
    padding: [u32; 5],
    fd: i32,
}

impl LineRequest {
    const fn new() -> Self {
        Self {
            offsets: [0; LINES],
            consumer: [0; NAME_SIZE],
            config: LineConfig { flags: 0, num_attributes: 0, padding: [0; 5], attributes: [[0; 3]; ATTRIBUTES] },
            num_lines: 0,
            event_buffer_size: 0,
            padding: [0; 5],
            fd: -1,
        }
    }
}

/// `struct gpio_v2_line_config`; an attribute is id with padding, value, mask: 24 bytes, none used here.
#[repr(C)]
struct LineConfig {
    flags: u64,
    num_attributes: u32,
    padding: [u32; 5],
    attributes: [[u64; 3]; ATTRIBUTES],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_those_of_the_kernel_header() {
        assert_eq!((size_of::<ChipInfo>(), size_of::<LineConfig>(), size_of::<LineRequest>()), (68, 272, 592));
        assert_eq!((CHIP_INFO, GET_LINE), (0x8044_b401, 0xc250_b407));
    }

    #[test]
    fn a_chip_that_is_not_there_is_told_with_those_that_are() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_chip(folder.path(), "board").unwrap_err();
        assert_eq!(error.to_string(), "no GPIO chip is labelled `board`; there are: none");
    }

    #[test]
    fn a_file_that_is_no_chip_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        files::write_durably(folder.path().join("gpiochip0"), b"", 0o600).unwrap();
        let error = open_chip(folder.path(), "board").unwrap_err().to_string();
        assert!(error.contains("gpiochip0"), "{error}");
    }
}
