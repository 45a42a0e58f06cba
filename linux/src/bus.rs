//! I2C and SPI character devices (Documentation/i2c/dev-interface.rst, Documentation/spi/spidev.rst) and serial ports: what is
//! settled before somebody else gets the descriptor.
#![expect(unsafe_code, reason = "ioctls that rustix has no safe function for")]

use rustix::{fd::AsFd, io, ioctl};

/// Chooses the address that this descriptor of a bus speaks to. `EBUSY` while a driver of the kernel has it.
pub fn set_i2c_address(bus: impl AsFd, address: u8) -> io::Result<()> {
    // SAFETY: I2C_SLAVE takes the address by value and touches no memory of ours.
    unsafe { ioctl::ioctl(bus, ioctl::IntegerSetter::<I2C_SLAVE>::new_usize(address.into())) }
}

/// Chooses clock polarity and phase (0 to 3) and the fastest clock of a chip select.
pub fn set_spi(device: impl AsFd, mode: u8, max_hz: u32) -> io::Result<()> {
    // SAFETY: SPI_IOC_WR_MODE reads one byte, which `Setter` passes by reference.
    unsafe { ioctl::ioctl(&device, ioctl::Setter::<SPI_MODE, u8>::new(mode))? };
    // SAFETY: SPI_IOC_WR_MAX_SPEED_HZ reads one u32, which `Setter` passes by reference.
    unsafe { ioctl::ioctl(&device, ioctl::Setter::<SPI_SPEED, u32>::new(max_hz)) }
}

/// Sets a port's modem lines as an open port has them: DTR and RTS, and no loopback (ioctl_tty(2), TIOCMSET).
pub fn reset_modem_lines(port: impl AsFd) -> io::Result<()> {
    const DTR_AND_RTS: i32 = 0x002 | 0x004;
    // SAFETY: TIOCMSET reads one int, which `Setter` passes by reference.
    unsafe { ioctl::ioctl(port, ioctl::Setter::<MODEM_LINES, i32>::new(DTR_AND_RTS)) }
}

/// Has the last close of a port wait for nothing: what is not sent by then is dropped (serial_struct's `closing_wait`). Needs
/// CAP_SYS_ADMIN, and lasts until the kernel forgets the port. `ENOTTY` from drivers that have no such setting.
pub fn close_without_waiting(port: impl AsFd) -> io::Result<()> {
    // SAFETY: TIOCGSERIAL writes one struct serial_struct, which `SerialSettings` has the size of; any bytes are valid in it.
    let settings = unsafe { ioctl::ioctl(&port, ioctl::Getter::<GET_SERIAL, SerialSettings>::new())? };
    let settings = SerialSettings { closing_wait: CLOSING_WAIT_NONE, ..settings };
    // SAFETY: TIOCSSERIAL reads one struct serial_struct, which `Setter` passes by reference, and follows no address in it.
    unsafe { ioctl::ioctl(&port, ioctl::Setter::<SET_SERIAL, SerialSettings>::new(settings)) }
}

/// struct serial_struct of linux/serial.h on 64-bit machines: but for one field it goes back as it came.
#[repr(C, align(8))]
struct SerialSettings {
    before: [u32; 10],
    closing_wait: u16,
    after: [u16; 15],
}

/// `ASYNC_CLOSING_WAIT_NONE`.
const CLOSING_WAIT_NONE: u16 = 65535;
/// `TIOCGSERIAL`.
const GET_SERIAL: ioctl::Opcode = 0x541e;
/// `TIOCSSERIAL`.
const SET_SERIAL: ioctl::Opcode = 0x541f;
/// `TIOCMSET`.
const MODEM_LINES: ioctl::Opcode = 0x5418;
/// `I2C_SLAVE`.
const I2C_SLAVE: ioctl::Opcode = 0x0703;
/// `SPI_IOC_WR_MODE`.
const SPI_MODE: ioctl::Opcode = ioctl::opcode::write::<u8>(b'k', 1);
/// `SPI_IOC_WR_MAX_SPEED_HZ`.
const SPI_SPEED: ioctl::Opcode = ioctl::opcode::write::<u32>(b'k', 4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel_headers() {
        assert_eq!((SPI_MODE, SPI_SPEED), (0x4001_6b01, 0x4004_6b04));
    }

    #[test]
    fn serial_settings_lie_as_the_kernel_has_them() {
        let places = (std::mem::offset_of!(SerialSettings, closing_wait), size_of::<SerialSettings>());
        assert_eq!(places, (40, 72));
    }

    #[test]
    fn a_terminal_that_is_no_serial_port_has_no_such_setting() {
        let Ok(master) = crate::files::open("/dev/ptmx", rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY) else { return };
        assert_eq!(close_without_waiting(&master), Err(io::Errno::NOTTY));
    }

    #[test]
    fn a_file_that_is_no_bus_is_an_error() {
        let null = crate::files::open("/dev/null", rustix::fs::OFlags::RDWR).unwrap();
        assert!(set_i2c_address(&null, 0x50).is_err() && set_spi(&null, 0, 1).is_err());
    }
}
