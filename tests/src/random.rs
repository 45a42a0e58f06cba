//! Numbers that look random and are the same in each run.

/// xorshift64 (Marsaglia, 2003).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The row of numbers that belongs to a seed.
    pub fn new(seed: u64) -> Self {
        // Zero gives nothing but zeros.
        Self(seed | 1 << 63)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.number().to_le_bytes()).collect();
        bytes.truncate(count);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_each_time_and_another_one_others() {
        let bytes = |seed| Random::new(seed).bytes(1001);
        assert_eq!((bytes(1).len(), bytes(1)), (1001, bytes(1)));
        assert_ne!(bytes(1), bytes(2));
        assert_ne!(bytes(0), vec![0; 1001]);
    }
}
