//! The one way to read a JSON document: bounded, closed, and with an error a person can act on.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};
use std::{collections::BTreeMap, fmt, marker::PhantomData};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a document was refused: where it is, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The document is longer than its format allows; nothing of it was parsed.
    #[error("{what} has {found} bytes, at most {limit} are allowed")]
    TooLong {
        /// Which format.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The document is not what the format says.
    #[error("{what}, line {line}, column {column}{}: {reason}{}", at(path), hint(suggestion))]
    Malformed {
        /// Which format.
        what: &'static str,
        /// Path inside the document, such as `Capabilities.Gpio[1]`: with the feature `json-paths` alone, which a tenth of a
        /// small daemon's code would be for. A device reads what a tool with paths has checked before.
        path: Option<String>,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// What was wrong and what was expected.
        reason: String,
        /// The known field nearest to a misspelt one.
        suggestion: Option<String>,
    },
}

/// Reads a `what` of at most `limit` bytes. A leading UTF-8 byte order mark is skipped: files that Azure Sphere's
/// tools wrote on Windows have one.
///
/// Unknown fields and duplicate keys are refused by the types themselves (`deny_unknown_fields`, derived structs).
pub fn json<T: DeserializeOwned>(what: &'static str, bytes: &[u8], limit: usize) -> Result<T, ReadError> {
    if bytes.len() > limit {
        return Err(ReadError::TooLong { what, found: bytes.len(), limit });
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = value(what, &mut deserializer)?;
    deserializer.end().map_err(|error| malformed(what, None, &error))?;
    Ok(value)
}

type Json<'de> = serde_json::Deserializer<serde_json::de::SliceRead<'de>>;

#[cfg(feature = "json-paths")]
fn value<'de, T: Deserialize<'de>>(what: &'static str, deserializer: &mut Json<'de>) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { "the top level".to_owned() } else { path };
        malformed(what, Some(path), error.inner())
    })
}

#[cfg(not(feature = "json-paths"))]
fn value<'de, T: Deserialize<'de>>(what: &'static str, deserializer: &mut Json<'de>) -> Result<T, ReadError> {
    T::deserialize(deserializer).map_err(|error| malformed(what, None, &error))
}

/// For maps (`#[serde(deserialize_with)]`): a key that stands there twice is refused. Of two values for one key serde would
/// keep the last, and another reader of the same file might keep the first.
pub fn unique_keys<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    struct Keys<K, V>(PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Keys<K, V> {
        type Value = BTreeMap<K, V>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry()? {
                if map.insert(key, value).is_some() {
                    return Err(A::Error::custom("a key stands there twice"));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Keys(PhantomData))
}

/// For lists (`#[serde(deserialize_with)]`): an entry that stands there twice is refused, and a list longer than
/// [`LIST_LIMIT`].
pub fn unique<'de, D: Deserializer<'de>, T: Deserialize<'de> + PartialEq>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de> + PartialEq> Visitor<'de> for List<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if let Some(first) = list.iter().position(|known| *known == entry) {
                    let now = list.len();
                    return Err(A::Error::custom(format!("entry [{now}] is the same as [{first}]: list it once")));
                }
                if list.len() >= LIST_LIMIT {
                    return Err(A::Error::custom(format!("more than {LIST_LIMIT} entries")));
                }
                list.push(entry);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(List(PhantomData))
}

/// The same, and an empty list is refused: it would read as "none" to some and as "all" to others.
pub fn unique_filled<'de, D: Deserializer<'de>, T: Deserialize<'de> + PartialEq>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = unique(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom("an empty list: name at least one, or leave the field out"));
    }
    Ok(list)
}

/// For what is written as a number or as text (`Deserialize`): `expected` says what stands in an error beside anything else.
pub fn number_or_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &'static str,
    number: fn(u64) -> Result<T, String>,
    text: fn(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Either<T>(&'static str, fn(u64) -> Result<T, String>, fn(&str) -> Result<T, String>);
    impl<T> Visitor<'_> for Either<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_u64<E: Error>(self, n: u64) -> Result<T, E> {
            (self.1)(n).map_err(E::custom)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.2)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Either(expected, number, text))
}

/// Most entries of a list of [`unique`] ones, each of which is compared with all others.
pub const LIST_LIMIT: usize = 1024;

fn malformed(what: &'static str, path: Option<String>, error: &serde_json::Error) -> ReadError {
    let full = error.to_string();
    // serde_json appends " at line L column C", which this error states once, in front.
    let reason = full.rsplit_once(" at line ").map_or(full.as_str(), |(head, _)| head).to_owned();
    let suggestion = nearest_field(&reason);
    ReadError::Malformed { what, path, line: error.line(), column: error.column(), reason, suggestion }
}

fn at(path: &Option<String>) -> String {
    path.as_ref().map_or(String::new(), |path| format!(", at {path}"))
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or(String::new(), |name| format!("; did you mean `{name}`?"))
}

/// Takes serde's "unknown field `X`, expected one of `A`, `B`" apart and finds the nearest known name.
fn nearest_field(reason: &str) -> Option<String> {
    if !reason.starts_with("unknown field") && !reason.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = reason.split('`').skip(1).step_by(2);
    let found = quoted.next()?;
    nearest(found, quoted).map(str::to_owned)
}

/// The name that `found` was probably meant to be, if one of the known ones is near enough.
pub fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (distance(&found.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance * 3 <= known.len().max(3))
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein distance; inputs are field names, bounded by the document's own limit.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(MAX_COMPARED).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().take(MAX_COMPARED).enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for ((right, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let before = next.last().copied().unwrap_or(0);
            let substitute = diagonal + usize::from(left != *right);
            next.push(substitute.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// Characters of a misspelt name that are compared: longer names are not misspellings of ours.
const MAX_COMPARED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        memory: u32,
        #[serde(default)]
        list: Vec<u8>,
    }

    fn read(text: &str) -> Result<Sample, ReadError> {
        json("sample", text.as_bytes(), 200)
    }

    #[test]
    fn misspelt_field_is_refused_with_the_nearest_name() {
        let error = read("{\"memry\": 1}").unwrap_err().to_string();
        assert!(error.contains("did you mean `memory`?"), "{error}");
    }

    #[test]
    fn path_and_line_of_a_wrong_value_are_named() {
        let error = read("{\"memory\": 1,\n \"list\": [1, \"x\"]}").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("list[1]"), "{error}");
    }

    #[test]
    fn duplicate_keys_trailing_bytes_and_long_documents_are_refused() {
        assert!(read("{\"memory\":1,\"memory\":2}").unwrap_err().to_string().contains("duplicate field"));
        assert!(read("{\"memory\":1} x").is_err());
        assert!(matches!(read(&" ".repeat(201)), Err(ReadError::TooLong { found: 201, limit: 200, .. })));
    }

    #[test]
    fn a_key_that_stands_twice_in_a_map_is_refused() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Map {
            #[serde(deserialize_with = "unique_keys")]
            map: BTreeMap<String, u8>,
        }
        let read = |text: &str| json::<Map>("map", text.as_bytes(), 100);
        assert_eq!(read(r#"{"map":{"a":1,"b":2}}"#).unwrap().map.len(), 2);
        assert!(read(r#"{"map":{"a":1,"a":2}}"#).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn an_entry_that_stands_twice_is_refused_with_its_line_and_a_filled_list_is_not_empty() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Lists {
            #[serde(default, deserialize_with = "unique")]
            any: Vec<u32>,
            #[serde(default, deserialize_with = "unique_filled")]
            filled: Vec<u32>,
        }
        let read = |text: &str| json::<Lists>("lists", text.as_bytes(), 65536).map(|lists| lists.any.len() + lists.filled.len());
        assert_eq!(read(r#"{"any":[],"filled":[1,2]}"#), Ok(2));
        let error = read("{\"any\":[1,\n2,\n1]}").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("at any: entry [2] is the same as [0]"), "{error}");
        assert!(read(r#"{"filled":[]}"#).unwrap_err().to_string().contains("at filled: an empty list"));
        let long = |n: usize| format!("{{\"any\":{:?}}}", (0..n).collect::<Vec<_>>());
        assert_eq!(read(&long(LIST_LIMIT)), Ok(LIST_LIMIT));
        assert!(read(&long(LIST_LIMIT + 1)).is_err());
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        assert_eq!(read("\u{feff}{\"memory\":1}").unwrap(), Sample { memory: 1, list: vec![] });
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(bytes: Vec<u8>) {
            let _ = json::<Sample>("sample", &bytes, 4096);
        }

        #[test]
        fn distance_is_zero_only_for_equal_names(a in "[a-z]{0,12}", b in "[a-z]{0,12}") {
            proptest::prop_assert_eq!(distance(&a, &b) == 0, a == b);
        }
    }
}
