//! What people press: the power button (an input device, by ACPI) and ctrl-alt-del (a signal to PID 1).

use crate::{
    phases::Boot,
    problem::{self, Problem},
};
use linux::files;
use rustix::{
    fd::OwnedFd,
    fs::OFlags,
    system::{RebootCommand, reboot},
};
use std::path::Path;

/// `KEY_POWER` and `EV_KEY` (input-event-codes.h).
const KEY_POWER: usize = 116;
const EV_KEY: u16 = 1;
/// `struct input_event` with 64-bit times: two i64, type, code, value.
const EVENT: usize = 24;
/// Events that one look reads.
const EVENTS: usize = 16;
/// Most input devices that are looked at.
const DEVICES_LIMIT: usize = 256;

/// Opens the input devices with a power key, and takes ctrl-alt-del from the kernel, which would restart at once.
pub fn listen(boot: &mut Boot) -> Result<(), Problem> {
    reboot(RebootCommand::CadOff).map_err(Problem::kernel("take ctrl-alt-del over"))?;
    let inputs = Path::new("/sys/class/input");
    let names = match files::list(inputs, DEVICES_LIMIT) {
        Ok(names) => names,
        Err(e) if e.is_missing() => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    problem::all(names.iter().filter(|name| name.starts_with("event")), |name| {
        if has_key(&files::read_line(inputs.join(name).join("device/capabilities/key"))?, KEY_POWER) {
            boot.power_keys.push(files::open(Path::new("/dev/input").join(name), OFlags::RDONLY | OFlags::NONBLOCK)?);
        }
        Ok(())
    })
}

/// Whether a press of the power key waits to be read. Reads all that waits.
pub fn was_pressed(device: &OwnedFd) -> bool {
    let mut bytes = [0; EVENT * EVENTS];
    let mut pressed = false;
    while let Ok(length @ 1..) = rustix::io::read(device, &mut bytes) {
        pressed |= bytes.get(..length).unwrap_or_default().chunks_exact(EVENT).any(is_press);
    }
    pressed
}

fn is_press(event: &[u8]) -> bool {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = event else { return false };
    u16::from_ne_bytes([*t0, *t1]) == EV_KEY
        && usize::from(u16::from_ne_bytes([*c0, *c1])) == KEY_POWER
        && i32::from_ne_bytes([*v0, *v1, *v2, *v3]) == 1
}

/// Whether a bitmap of sysfs (64-bit words in hexadecimal, the highest first) has a bit.
fn has_key(bitmap: &str, key: usize) -> bool {
    let word = bitmap.split_whitespace().rev().nth(key / 64);
    word.and_then(|text| u64::from_str_radix(text, 16).ok()).is_some_and(|bits| bits & (1 << (key % 64)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_key_is_found_in_the_bitmap() {
        assert!(has_key("10000000000000 0", KEY_POWER));
        assert!(!has_key("10000000000000", KEY_POWER));
        assert!(!has_key("", KEY_POWER) && !has_key("x y z", KEY_POWER));
    }

    #[test]
    fn only_a_press_of_the_power_key_counts() {
        let event = |kind: u16, code: u16, value: i32| {
            [&[0; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
        };
        assert!(is_press(&event(1, 116, 1)));
        assert!(!is_press(&event(1, 116, 0)) && !is_press(&event(1, 30, 1)) && !is_press(&event(0, 116, 1)) && !is_press(&[]));
    }
}
