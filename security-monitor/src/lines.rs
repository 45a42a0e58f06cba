//! Splitting what a daemon writes into lines: bounded, whatever it writes.

/// Longest line that is kept whole, in bytes; what is longer is cut there and its rest thrown away. `linux::log` writes
/// no longer ones; a panic message may.
pub const LINE_LIMIT: usize = 2048;
/// Priority of lines that do not say one: a daemon writes so only when something is wrong, such as a panic.
const NO_PREFIX: u8 = 5;

/// One line as a daemon wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 0 (emergency) to 7 (debug): the `<N>` in front (sd-daemon(3)).
    pub priority: u8,
    /// The rest, without control characters.
    pub text: String,
}

/// The bytes of one pipe that do not yet make a line.
#[derive(Default)]
pub struct Splitter {
    begun: Vec<u8>,
    skipping: bool,
}

impl Splitter {
    /// Takes the next bytes and gives the lines that they end.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            if !self.skipping {
                let room = LINE_LIMIT - self.begun.len();
                self.begun.extend_from_slice(text.get(..room).unwrap_or(text));
            }
            if !self.skipping && (ends || self.begun.len() == LINE_LIMIT) {
                lines.extend(line(&self.begun));
                self.begun.clear();
                self.skipping = true;
            }
            if ends {
                self.skipping = false;
            }
        }
        lines
    }
}

fn line(bytes: &[u8]) -> Option<Line> {
    let text = String::from_utf8_lossy(bytes);
    let (priority, text) = prefix(&text).unwrap_or((NO_PREFIX, &text));
    let text = linux::log::printable(text, LINE_LIMIT);
    (!text.trim().is_empty()).then_some(Line { priority, text })
}

fn prefix(text: &str) -> Option<(u8, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let priority: u8 = number.parse().ok().filter(|priority| *priority < 8 && number.len() == 1)?;
    Some((priority, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(parts: &[&[u8]]) -> Vec<(u8, String)> {
        let mut splitter = Splitter::default();
        parts.iter().flat_map(|part| splitter.push(part)).map(|line| (line.priority, line.text)).collect()
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let expected = vec![(3, "one".to_owned()), (NO_PREFIX, "two".to_owned())];
        assert_eq!(split(&[b"<3>one\ntwo\nthr"]), expected);
        assert_eq!(split(&[b"<", b"3", b">on", b"e", b"\n", b"two\n"]), expected);
    }

    #[test]
    fn a_long_line_is_cut_once_and_the_next_one_is_whole() {
        let long = [&b"x".repeat(3 * LINE_LIMIT)[..], b"\n<6>next\n"].concat();
        let lines = split(&[&long]);
        assert_eq!((lines.len(), lines[0].1.len(), lines[1].clone()), (2, LINE_LIMIT, (6, "next".to_owned())));
    }

    #[test]
    fn prefixes_that_are_none_stay_text() {
        assert_eq!(split(&[b"<9>a\n<12>b\n<+1>c\n<x\n\n \n"]).iter().map(|line| line.0).collect::<Vec<_>>(), [NO_PREFIX; 4]);
    }

    proptest! {
        #[test]
        fn the_same_bytes_give_the_same_lines_in_any_parts(bytes: Vec<u8>, at in 0usize..100) {
            let at = at.min(bytes.len());
            prop_assert_eq!(split(&[&bytes]), split(&[&bytes[..at], &bytes[at..]]));
        }

        #[test]
        fn lines_are_bounded_and_clean(bytes in proptest::collection::vec(any::<u8>(), 0..10_000)) {
            for (priority, text) in split(&[&bytes]) {
                prop_assert!(priority < 8 && text.chars().count() <= LINE_LIMIT && !text.chars().any(char::is_control));
            }
        }
    }
}
