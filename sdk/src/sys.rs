//! The kernel contracts that need `unsafe`: passed descriptors, the signal mask and signalfd(2), ioctls of peripherals.
#![expect(unsafe_code, reason = "numbers become descriptors, libc's signal sets are out-parameters, and ioctls take addresses")]

use crate::clock::ClockTime;
use rustix::ioctl::{self, Getter, Setter, Updater, opcode};
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// The first passed descriptor (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;
/// Most descriptors that are taken; launcher never passes more.
const LIMIT: usize = 128;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Owns the descriptors 3 to 3+`count`-1; none at a second call.
pub(crate) fn passed_descriptors(count: usize) -> Vec<OwnedFd> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Vec::new();
    }
    (FIRST..)
        .take(count.min(LIMIT))
        // SAFETY: launcher passed these numbers to this program for exactly this use (sd_listen_fds(3)), and TAKEN lets
        // this line run once per process, so no second owner comes from here.
        .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
        .collect()
}

/// Blocks SIGTERM and SIGINT for this thread and those it starts, and returns a descriptor that is readable once one of
/// them came (signalfd(2)). As PID 1 of its namespace an app would otherwise never see SIGTERM: the kernel drops signals
/// to a namespace's init that are neither handled nor blocked (pid_namespaces(7)).
pub(crate) fn termination_descriptor() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) initializes the set it is given, and the others get that initialized set.
    let (masked, number) = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
        let masked = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        (masked, libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))
    };
    if masked != 0 {
        return Err(io::Error::from_raw_os_error(masked));
    }
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd(2) just made this descriptor, and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// `struct gpio_v2_line_values` (linux/gpio.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct LineValues {
    bits: u64,
    mask: u64,
}

/// The value of a line that was requested alone: it is the first of its request.
pub(crate) fn gpio_value(line: BorrowedFd<'_>) -> io::Result<bool> {
    const GET: ioctl::Opcode = opcode::read_write::<LineValues>(0xb4, 0x0e);
    let mut values = LineValues { bits: 0, mask: 1 };
    // SAFETY: GPIO_V2_LINE_GET_VALUES_IOCTL reads and writes one `struct gpio_v2_line_values`, which `values` is.
    unsafe { ioctl::ioctl(line, Updater::<GET, LineValues>::new(&mut values))? };
    Ok(values.bits & 1 == 1)
}

/// Sets it.
pub(crate) fn gpio_set_value(line: BorrowedFd<'_>, active: bool) -> io::Result<()> {
    const SET: ioctl::Opcode = opcode::read_write::<LineValues>(0xb4, 0x0f);
    let mut values = LineValues { bits: active.into(), mask: 1 };
    // SAFETY: GPIO_V2_LINE_SET_VALUES_IOCTL reads one `struct gpio_v2_line_values`, which `values` is.
    unsafe { ioctl::ioctl(line, Updater::<SET, LineValues>::new(&mut values)).map_err(Into::into) }
}

/// `union i2c_smbus_data` (linux/i2c.h): one byte of it is used here.
type SmbusData = [u8; 34];

/// `struct i2c_smbus_ioctl_data` (linux/i2c-dev.h).
#[repr(C)]
struct SmbusRequest {
    read_write: u8,
    command: u8,
    size: u32,
    data: *mut SmbusData,
}

fn smbus_byte_data(bus: BorrowedFd<'_>, read_write: u8, command: u8, byte: u8) -> io::Result<u8> {
    const SMBUS: ioctl::Opcode = 0x0720;
    const BYTE_DATA: u32 = 2;
    let mut data: SmbusData = [0; 34];
    data[0] = byte;
    let request = SmbusRequest { read_write, command, size: BYTE_DATA, data: &raw mut data };
    // SAFETY: I2C_SMBUS reads one `struct i2c_smbus_ioctl_data`, which `request` is, and reads or writes the union that it points
    // at, which lives until the call is over.
    unsafe { ioctl::ioctl(bus, Setter::<SMBUS, SmbusRequest>::new(request))? };
    Ok(data[0])
}

/// SMBus "read byte data".
pub(crate) fn smbus_read_byte(bus: BorrowedFd<'_>, command: u8) -> io::Result<u8> {
    smbus_byte_data(bus, 1, command, 0)
}

/// SMBus "write byte data".
pub(crate) fn smbus_write_byte(bus: BorrowedFd<'_>, command: u8, byte: u8) -> io::Result<()> {
    smbus_byte_data(bus, 0, command, byte).map(drop)
}

/// `struct spi_ioc_transfer` (linux/spi/spidev.h).
#[repr(C)]
#[derive(Default)]
struct SpiTransfer {
    tx_buf: u64,
    rx_buf: u64,
    len: u32,
    speed_hz: u32,
    delay_usecs: u16,
    bits_per_word: u8,
    cs_change: u8,
    nbits: [u8; 2],
    word_delay_usecs: u8,
    pad: u8,
}

/// Sends and receives the same bytes.
pub(crate) fn spi_transfer(device: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<()> {
    const MESSAGE: ioctl::Opcode = opcode::write::<SpiTransfer>(b'k', 0);
    let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let buffer = bytes.as_mut_ptr().expose_provenance() as u64;
    let transfer = SpiTransfer { tx_buf: buffer, rx_buf: buffer, len, ..SpiTransfer::default() };
    // SAFETY: SPI_IOC_MESSAGE(1) reads one `struct spi_ioc_transfer`, and reads and then writes `len` bytes at the addresses in it:
    // those of `bytes`, which is borrowed until the call is over; spidev copies them in and out (drivers/spi/spidev.c).
    unsafe { ioctl::ioctl(device, Setter::<MESSAGE, SpiTransfer>::new(transfer))? };
    Ok(())
}

/// `struct rtc_time` (linux/rtc.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RtcTime {
    sec: i32,
    min: i32,
    hour: i32,
    mday: i32,
    mon: i32,
    year: i32,
    wday: i32,
    yday: i32,
    isdst: i32,
}

/// `struct rtc_wkalrm` (linux/rtc.h).
#[repr(C)]
struct RtcAlarm {
    enabled: u8,
    pending: u8,
    time: RtcTime,
}

/// What a clock shows.
pub(crate) fn rtc_time(clock: BorrowedFd<'_>) -> io::Result<ClockTime> {
    const READ: ioctl::Opcode = opcode::read::<RtcTime>(b'p', 0x09);
    // SAFETY: RTC_RD_TIME writes one `struct rtc_time`, for which `Getter` makes room.
    let time = unsafe { ioctl::ioctl(clock, Getter::<READ, RtcTime>::new())? };
    let small = |number: i32| u8::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    Ok(ClockTime {
        year: time.year + 1900,
        month: small(time.mon + 1)?,
        day: small(time.mday)?,
        hour: small(time.hour)?,
        minute: small(time.min)?,
        second: small(time.sec)?,
    })
}

/// Sets the one alarm of a clock.
pub(crate) fn rtc_set_alarm(clock: BorrowedFd<'_>, at: ClockTime) -> io::Result<()> {
    const SET: ioctl::Opcode = opcode::write::<RtcAlarm>(b'p', 0x0f);
    let time = RtcTime {
        sec: at.second.into(),
        min: at.minute.into(),
        hour: at.hour.into(),
        mday: at.day.into(),
        mon: i32::from(at.month) - 1,
        year: at.year.saturating_sub(1900),
        ..RtcTime::default()
    };
    // SAFETY: RTC_WKALM_SET reads one `struct rtc_wkalrm`, which `Setter` passes by reference.
    unsafe { ioctl::ioctl(clock, Setter::<SET, RtcAlarm>::new(RtcAlarm { enabled: 1, pending: 0, time }))? };
    Ok(())
}

/// Sets a watchdog's time-out; what it really is.
pub(crate) fn watchdog_set_timeout(dog: BorrowedFd<'_>, mut seconds: i32) -> io::Result<Duration> {
    const SET: ioctl::Opcode = opcode::read_write::<i32>(b'W', 6);
    // SAFETY: WDIOC_SETTIMEOUT reads and writes one int, which `seconds` is.
    unsafe { ioctl::ioctl(dog, Updater::<SET, i32>::new(&mut seconds))? };
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!((size_of::<LineValues>(), size_of::<SmbusRequest>(), size_of::<SpiTransfer>()), (16, 16, 32));
        assert_eq!((size_of::<RtcTime>(), size_of::<RtcAlarm>()), (36, 40));
    }

    #[test]
    fn what_is_no_peripheral_is_an_error() {
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
        let fd = null.as_fd();
        assert!(gpio_value(fd).is_err() && gpio_set_value(fd, true).is_err() && smbus_read_byte(fd, 0).is_err());
        assert!(spi_transfer(fd, &mut [0; 4]).is_err() && rtc_time(fd).is_err() && watchdog_set_timeout(fd, 1).is_err());
    }
}
