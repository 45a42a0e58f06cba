//! When nothing else works: restart at once. Allocates nothing, takes no lock, trusts no state of this program.
//!
//! Used by the panic hook and where the way down itself failed. File systems are not synced: a sync may hang, and what
//! counts as saved on this device was flushed when it was acknowledged. If the kernel does not even restart, the hardware
//! watchdog, which nobody feeds any more, does.

use rustix::{
    fs::{self, CWD, Mode, OFlags},
    system::{RebootCommand, reboot},
    thread::{NanosleepRelativeResult, nanosleep},
    time::Timespec,
};

/// Makes a panic anywhere in this process end here instead of in a dead PID 1.
pub fn take_panics() {
    std::panic::set_hook(Box::new(|panic| {
        // The place is static text; the message may need formatting, and formatting may allocate.
        restart(
            "holdfast-init panicked at",
            panic.location().map_or("an unknown place", |place| place.file()),
            panic.location().map_or(0, |place| place.line()),
        )
    }));
}

/// Says why, and restarts. Does not return.
pub fn restart(why: &str, place: &str, line: u32) -> ! {
    if let Ok(kmsg) = fs::openat(CWD, c"/dev/kmsg", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let mut text = [0u8; 256];
        let mut number = [0u8; 10];
        let parts: [&[u8]; 7] =
            [b"<0>last resort: ", why.as_bytes(), b" ", place.as_bytes(), b":", digits(line, &mut number), b"; restarting\n"];
        let bytes = parts.iter().copied().flatten();
        let mut length = 0;
        for (to, from) in text.iter_mut().zip(bytes) {
            *to = *from;
            length += 1;
        }
        let _ = rustix::io::write(&kmsg, text.get(..length).unwrap_or_default());
    }
    let _ = reboot(RebootCommand::Restart);
    loop {
        // PID 1 must not end, or the kernel panics, which is what the watchdog is for now.
        let (NanosleepRelativeResult::Ok | NanosleepRelativeResult::Interrupted(_) | NanosleepRelativeResult::Err(_)) =
            nanosleep(&Timespec { tv_sec: 3600, tv_nsec: 0 });
    }
}

/// `number` in decimal, without an allocation.
fn digits(mut number: u32, space: &mut [u8; 10]) -> &[u8] {
    let mut used = 0;
    for byte in space.iter_mut().rev() {
        *byte = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    space.get(space.len() - used..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_an_allocation() {
        for number in [0, 7, 10, 4_294_967_295] {
            assert_eq!(digits(number, &mut [0; 10]), number.to_string().as_bytes());
        }
    }
}
