//! A classic BPF program, built from its end to its start: jumps only lead forward, so every target is known already.

use libc::sock_filter;

/// Offsets in struct seccomp_data (seccomp(2)).
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;

/// A conditional jump reaches 255 instructions. One less, because a jump for its other side may come in between.
const REACH: usize = 254;

/// What there is of it. The last instruction comes first.
#[derive(Default)]
pub(super) struct Program {
    reversed: Vec<sock_filter>,
}

/// An instruction that can be jumped to: how many there are from it to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Program {
    /// Puts an instruction before all others. Unless it jumps or returns, the one that was first comes next.
    pub fn push(&mut self, instruction: sock_filter) -> Place {
        self.reversed.push(instruction);
        Place(self.reversed.len())
    }

    /// Ends with this answer to the call.
    pub fn answer(&mut self, action: u32) -> Place {
        self.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action))
    }

    /// Loads 32 bits of struct seccomp_data into the accumulator.
    pub fn load(&mut self, offset: u32) -> Place {
        self.push(instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset))
    }

    /// Compares the accumulator with a value, and goes on at one of two places.
    pub fn branch(&mut self, comparison: u32, value: u32, holds: Place, fails: Place) -> Place {
        let (holds, fails) = (self.in_reach(holds), self.in_reach(fails));
        let (holds, fails) = (self.distance(holds) as u8, self.distance(fails) as u8);
        self.push(instruction(libc::BPF_JMP | comparison | libc::BPF_K, holds, fails, value))
    }

    /// The finished program.
    pub fn finish(mut self) -> Vec<sock_filter> {
        self.reversed.reverse();
        self.reversed
    }

    /// The place, or an unconditional jump to it.
    fn in_reach(&mut self, place: Place) -> Place {
        match self.distance(place) {
            0..REACH => place,
            far => self.push(instruction(libc::BPF_JMP | libc::BPF_JA, 0, 0, far as u32)),
        }
    }

    /// Instructions between one that is pushed next and the place.
    fn distance(&self, place: Place) -> usize {
        self.reversed.len() - place.0
    }
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
