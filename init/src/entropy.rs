//! The random seed: what a device that starts with little entropy remembers of the time it had more.
//!
//! A seed that is used twice is worth nothing the second time, so it is replaced on disk *before* it is credited: a power
//! cut in between loses entropy, never repeats it. Firmware's and virtio-rng's entropy needs nothing of init: the kernel
//! takes it by itself.

use crate::{
    phases::Boot,
    problem::Problem,
    say,
    sys::{self, SEED_BYTES},
};
use linux::{clock, files};
use manifest::places;
use rustix::{
    fs::OFlags,
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};
use std::time::Duration;

/// What a seed is credited with: enough to make the generator ready, a sixteenth of what it could hold.
const CREDIT_BITS: i32 = 256;
/// Longest wait for the generator where a secret is made.
const WAIT: Duration = Duration::from_secs(10);

/// Replaces the seed, then credits the old one.
pub fn use_seed(_: &mut Boot) -> Result<(), Problem> {
    let old = say::read(files::read(file(), SEED_BYTES)).and_then(|bytes| <[u8; SEED_BYTES]>::try_from(bytes).ok());
    let pool = files::open("/dev/urandom", OFlags::RDWR)?;
    if let Some(old) = &old {
        // Mixed in without credit, so that what replaces it depends on it even where nothing else is random yet.
        rustix::io::write(&pool, old).map_err(Problem::kernel("mix the random seed in"))?;
    }
    let ready = is_ready();
    save()?;
    if let Some(old) = &old {
        sys::credit_entropy(&pool, old, CREDIT_BITS).map_err(Problem::kernel("credit the random seed"))?;
        // The one written above stems from a generator that was not ready; now it is.
        if !ready {
            save()?;
        }
    }
    Ok(())
}

/// Whether the kernel's generator has had enough entropy.
fn is_ready() -> bool {
    getrandom(&mut [0; 1][..], GetRandomFlags::NONBLOCK).is_ok()
}

/// Writes a new seed; also on the way down.
pub fn save() -> Result<(), Problem> {
    let mut seed = [0; SEED_BYTES];
    let filled = getrandom(&mut seed[..], GetRandomFlags::INSECURE).map_err(Problem::kernel("read random bytes"))?;
    if filled != SEED_BYTES {
        return Err(Problem::Missing("full random seed".into()));
    }
    Ok(files::write_durably(file(), &seed, 0o600)?)
}

/// Random bytes for something that must not be guessed; waits for the generator, [`WAIT`] at most.
pub fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    let began = clock::since_boot();
    loop {
        match getrandom(&mut bytes[..], GetRandomFlags::NONBLOCK) {
            Ok(length) if length == N => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if clock::since_boot().saturating_sub(began) < WAIT => {
                say::info("waiting for the random generator");
                std::thread::sleep(Duration::from_millis(200));
            }
            Err(e) => return Err(Problem::kernel("read random bytes")(e)),
        }
    }
}

fn file() -> String {
    format!("{}/random-seed", places::SYSTEM)
}
