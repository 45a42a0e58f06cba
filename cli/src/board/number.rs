//! The number that stands for a peripheral's name in C, where Azure Sphere's interfaces take a number.

/// 32-bit FNV-1a of the name, without its highest bit: a positive `int`. It depends on the name alone, so a program that was
/// compiled for one board finds its peripherals on another one that has the same names.
pub fn number(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the reference implementation (draft-eastlake-fnv, appendix C), without their highest bit.
    #[test]
    fn the_number_is_fnv_1a_without_its_highest_bit() {
        assert_eq!(number(""), 0x011c_9dc5);
        assert_eq!(number("a"), 0x640c_292c);
        assert_eq!(number("foobar"), 0x3f9c_f968);
    }

    /// The C library finds a peripheral by the same number; its tests read the same file.
    #[test]
    fn the_number_is_that_of_the_c_library() {
        let vectors = include_str!("../../../sdk/applibs/tests/numbers.txt");
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let (name, expected) = line.split_once(" 0x").unwrap();
            assert_eq!(number(name), u32::from_str_radix(expected, 16).unwrap(), "{name}");
        }
    }
}
