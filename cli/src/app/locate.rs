//! Where in a manifest's text a value stands, by its path: what `grant/` complains of has a path and no line.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// 1-based line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Line.
    pub(super) line: usize,
    /// Column, in characters.
    pub(super) column: usize,
}

/// Finds the value at `path`, such as `Holdfast.Io.ReadsPerSecond` or `CmdArgs[3]`; of one that is not there, the nearest
/// that it would be in. None if the text is no JSON.
pub(super) fn position(bytes: &[u8], path: &str) -> Option<Position> {
    let text = std::str::from_utf8(bytes).ok()?;
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole: &RawValue = serde_json::from_str(json).ok()?;
    let mut found = whole.get();
    for step in path.split(['.', '[']) {
        let inner = match step.strip_suffix(']') {
            Some(index) => entry(found, index.parse().ok()?),
            None => field(found, step),
        };
        let Some(inner) = inner else { break };
        found = inner;
    }
    let at = found.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
    let before = json.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(Position { line: before.matches('\n').count() + 1, column: before.get(line_start..)?.chars().count() + 1 })
}

fn field<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let fields: BTreeMap<String, &'a RawValue> = serde_json::from_str(object).ok()?;
    fields.get(name).map(|value| value.get())
}

fn entry(list: &str, index: usize) -> Option<&str> {
    let entries: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    entries.get(index).map(|value| value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_path_and_one_that_is_not_there_by_what_it_would_be_in() {
        let text = "\u{feff}{\n  \"A\": 1,\n  \"B\": { \"ä\": [1, {\"C\": 2}] }\n}";
        let at = |path: &str| position(text.as_bytes(), path).map(|found| (found.line, found.column));
        assert_eq!(at("A"), Some((2, 8)));
        assert_eq!(at("B.ä[1].C"), Some((3, 25)));
        assert_eq!(at("B.ä[1].D"), Some((3, 19)));
        assert_eq!(at("B.ä[7]"), Some((3, 15)));
        assert_eq!(at("Z"), Some((1, 1)));
        assert_eq!(position(b"{", "A"), None);
    }
}
