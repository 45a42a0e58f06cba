//! Randomness for a seal: getrandom(2), and nothing else.
//!
//! The crate of that name looks the C library's function up by dlsym(3), which a static program has not, and then opens
//! /dev/urandom, which a confined one cannot.

use rand_core::{TryCryptoRng, TryRng, UnwrapErr};
use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

/// The kernel's generator.
pub(crate) struct Kernel(());

impl Kernel {
    /// Asks it once: what has worked does not fail later (getrandom(2): up to 256 bytes are always given, once it is seeded).
    pub(crate) fn ready() -> Result<UnwrapErr<Self>, Errno> {
        let mut kernel = Self(());
        kernel.try_next_u32()?;
        Ok(UnwrapErr(kernel))
    }
}

impl TryRng for Kernel {
    type Error = Errno;

    fn try_next_u32(&mut self) -> Result<u32, Errno> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Errno> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, mut bytes: &mut [u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let filled = match getrandom(&mut *bytes, GetRandomFlags::empty()) {
                Err(Errno::INTR) => 0,
                other => other?,
            };
            bytes = bytes.get_mut(filled..).unwrap_or_default();
        }
        Ok(())
    }
}

impl TryCryptoRng for Kernel {}
