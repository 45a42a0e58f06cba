//! What somebody else wrote, made fit for people's eyes: names, log lines, events, refusals.
//!
//! A character that a reader does not see can make what he reads differ from what is there: an escape sequence repaints
//! the terminal, a bidirectional control puts words into another order (CVE-2021-42574, "Trojan Source"), one of no width
//! makes two names look alike. Names with such characters are refused, texts show a mark in their place. One list, for the
//! device, its tools and its apps.

#![forbid(unsafe_code)]

/// Whether a reader sees this character: neither a control character nor one of [`HIDDEN`].
pub fn is_shown(c: char) -> bool {
    !c.is_control() && HIDDEN.iter().all(|(first, last)| !(*first..=*last).contains(&c))
}

/// One line of at most `limit` characters, with a space for each control character (line ends among them) and a visible
/// mark, U+FFFD, for each other one that nobody would see.
pub fn printable(text: &str, limit: usize) -> String {
    let shown = |c: char| match c {
        c if is_shown(c) => c,
        c if c.is_control() => ' ',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().take(limit).map(shown).collect()
}

/// General categories Cf, Zl and Zp, and what is Default_Ignorable_Code_Point (Unicode 16, DerivedCoreProperties.txt; UTS
/// #55): joiners, fillers, variation selectors and tags too, for text can be hidden in them. Persian and some Indian
/// scripts write with joiners: their names are taken without.
const HIDDEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_does_not_see_becomes_a_space_or_a_mark() {
        assert_eq!(printable("a\nb\x1b[0m\u{9b}2J", 100), "a b [0m 2J");
        assert_eq!(printable("user\u{202e}nimda\u{2066}x\u{200b}y\u{feff}", 100), "user\u{fffd}nimda\u{fffd}x\u{fffd}y\u{fffd}");
        assert_eq!(printable("äöü", 2), "äö");
    }

    #[test]
    fn the_controls_of_trojan_source_and_what_has_no_width_are_hidden() {
        let bidirectional = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(['\u{200e}', '\u{200f}', '\u{61c}']);
        let no_width = ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{34f}', '\u{fe0f}'];
        let others = ['\u{2028}', '\u{2029}', '\u{3164}', '\u{e0041}', '\0', '\x7f', '\u{85}'];
        for c in bidirectional.chain(no_width).chain(others) {
            assert!(!is_shown(c), "{c:?}");
        }
    }

    #[test]
    fn letters_of_all_scripts_their_marks_and_pictures_are_shown() {
        for c in "Türklingel, e\u{301}, Звонок, 门铃, דלת, जर्मन, ประตู, 🔔 \u{fffd}".chars() {
            assert!(is_shown(c), "{c:?}");
        }
    }
}
