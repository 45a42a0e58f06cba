//! Names that identify things: each type refuses what does not belong, so that no later check is needed.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    found: String,
    rule: &'static str,
}

/// Longest part of a refused name that an error repeats.
const SHOWN: usize = 64;

/// Declares a string newtype with one rule, which is checked wherever a value is made.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let accepts: fn(&str) -> Option<String> = $accepts;
                accepts(text).map(Self).ok_or_else(|| NameError {
                    kind: $kind,
                    found: text.chars().take(SHOWN).flat_map(char::escape_default).collect(),
                    rule: $rule,
                })
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A component's GUID, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, kept in lower case: the same app in all its
    /// versions. Safe as a file name.
    ComponentId,
    "component id",
    "expected a GUID such as 25025d2c-66da-4448-bae1-ac26fcdd3627",
    |text| {
        let valid = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| match i {
                8 | 13 | 18 | 23 => b == b'-',
                _ => b.is_ascii_hexdigit(),
            });
        valid.then(|| text.to_ascii_lowercase())
    }
);

name!(
    /// A service of the device, such as `app-manager`. Safe as a file name.
    ServiceName,
    "service name",
    "expected 1 to 31 characters a-z, 0-9 and -, beginning with a letter",
    |text| {
        let valid = (1..=31).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        valid.then(|| text.to_owned())
    }
);

name!(
    /// A sysctl, with dots; becomes a path below `/proc/sys`.
    SysctlKey,
    "sysctl",
    "expected a name such as kernel.dmesg_restrict",
    |text| {
        let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let valid = text.len() <= 128 && text.contains('.') && text.split('.').all(part);
        valid.then(|| text.to_owned())
    }
);

name!(
    /// A peripheral as manifests name it, without the `$` that Azure Sphere's hardware definitions put in front. Names of
    /// the chip itself, such as `ISU0` or `PWM-CONTROLLER-0`, have none.
    PeripheralName,
    "peripheral name",
    "expected `$` and 1 to 64 characters A-Z, a-z, 0-9, _ and -, such as $DOORBELL_BUTTON",
    |text| {
        let bare = text.strip_prefix('$').unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let valid = (1..=64).contains(&bare.len()) && bare.bytes().all(plain);
        valid.then(|| bare.to_owned())
    }
);

name!(
    /// A device as the kernel calls it, in `/dev` or below `/sys`: `ttyS1`, `fe20c000.pwm`, `board:green:status`. Safe as a file
    /// name.
    DeviceName,
    "device name",
    "expected 1 to 63 characters A-Z, a-z, 0-9 and ._:+-, beginning with a letter or digit",
    |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'+' | b'-');
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(plain)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        valid.then(|| text.to_owned())
    }
);

name!(
    /// The name of a certificate in an app's store, as Azure Sphere has them.
    CertificateName,
    "certificate name",
    "expected 1 to 16 characters A-Z, a-z, 0-9, `.`, `_` and -",
    |text| {
        let valid = (1..=16).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        valid.then(|| text.to_owned())
    }
);

name!(
    /// A time zone as the variable `TZ` has it (POSIX.1-2017, 8.3): abbreviations, offsets and, where clocks change, the rules.
    /// It needs no file, which an app has none of.
    TimeZone,
    "time zone",
    "expected what POSIX has for TZ, such as UTC0, CET-1CEST,M3.5.0,M10.5.0/3 or <+0530>-5:30",
    |text| crate::time_zone::is_valid(text).then(|| text.to_owned())
);

name!(
    /// The name of a descriptor that is passed to a process (`LISTEN_FDNAMES`).
    DescriptorName,
    "descriptor name",
    "expected 1 to 64 characters A-Z, a-z, 0-9, _, . and -",
    |text| {
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        valid.then(|| text.to_owned())
    }
);

name!(
    /// A human-readable name, such as an app's or a board's: 1 to 64 printable characters on one line.
    DisplayName,
    "name",
    "expected 1 to 64 printable characters",
    |text| {
        let count = text.chars().count();
        ((1..=64).contains(&count) && text.chars().all(text::is_shown)).then(|| text.to_owned())
    }
);

name!(
    /// An absolute path inside a root file system, without `.`, `..`, empty parts or characters that nobody
    /// sees.
    CleanPath,
    "path",
    "expected an absolute path of at most 255 bytes without `.`, `..` or empty parts",
    |text| {
        let valid = text.len() <= 255
            && text.strip_prefix('/').is_some_and(|rest| {
                rest.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
            })
            && text.chars().all(text::is_shown);
        valid.then(|| text.to_owned())
    }
);

name!(
    /// The name of a host, in lower case: `example.com`, or `printer.local`, which mDNS resolves. No wildcard; what could be
    /// taken for an IPv4 address (`127.1`, `0x7f.1`) is none.
    HostName,
    "host name",
    "expected one such as example.com or printer.local: parts of 1 to 63 letters, digits and -, at most 253 characters, the \
     last part no number; no wildcard, each name is listed by itself",
    |text| {
        let part = |part: &str| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        let number = last.bytes().all(|b| b.is_ascii_digit())
            || hexadecimal.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let valid = text.len() <= 253 && text.split('.').all(part) && !number;
        valid.then(|| text.to_ascii_lowercase())
    }
);

name!(
    /// A kind of service that hosts of a network announce (RFC 6763), in lower case: `_ipp._tcp.local`.
    ServiceType,
    "kind of service",
    "expected one such as _ipp._tcp.local: `_`, 1 to 15 letters, digits and -, then `._tcp.` or `._udp.` and a domain",
    |text| {
        let text = text.to_ascii_lowercase();
        let (name, rest) = text.strip_prefix('_')?.split_once('.')?;
        let domain = rest.strip_prefix("_tcp.").or_else(|| rest.strip_prefix("_udp."))?;
        // RFC 6335, section 5.1.
        let valid = (1..=15).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && name.bytes().any(|b| b.is_ascii_alphabetic())
            && !name.starts_with('-')
            && !name.ends_with('-')
            && domain.parse::<HostName>().is_ok();
        valid.then_some(text)
    }
);

name!(
    /// The catalog (tenant) whose certificate an app uses, as Azure Sphere writes it: a GUID in practice.
    CatalogId,
    "catalog",
    "expected a GUID, and in any case fewer than 64 characters",
    |text| (text.chars().count() < 64).then(|| text.to_owned())
);

name!(
    /// A SHA-256 value as 64 lower-case hexadecimal digits.
    Sha256Hex,
    "SHA-256 digest",
    "expected 64 hexadecimal digits",
    |text| (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
);

impl From<[u8; 32]> for Sha256Hex {
    fn from(bytes: [u8; 32]) -> Self {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
        Self(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_ids_are_kept_in_lower_case() {
        let id: ComponentId = "25025D2C-66DA-4448-BAE1-AC26FCDD3627".parse().unwrap();
        assert_eq!(id.as_str(), "25025d2c-66da-4448-bae1-ac26fcdd3627");
    }

    #[test]
    fn names_that_would_leave_a_folder_are_refused() {
        for text in
            ["", "..", "../../etc", "a/b", "25025d2c-66da-4448-bae1-ac26fcdd362/", "25025d2c-66da-4448-bae1-ac26fcdd362\0"]
        {
            assert!(text.parse::<ComponentId>().is_err(), "{text}");
            assert!(text.parse::<ServiceName>().is_err(), "{text}");
        }
        for text in ["", "/", "bin/app", "/bin/../app", "/bin//app", "/bin/./app", "/bin/app/", "/a\nb"] {
            assert!(text.parse::<CleanPath>().is_err(), "{text:?}");
        }
        assert!("/bin/app".parse::<CleanPath>().is_ok());
    }

    #[test]
    fn peripheral_names_lose_their_dollar() {
        assert_eq!("$DOORBELL_BUTTON".parse::<PeripheralName>().unwrap().as_str(), "DOORBELL_BUTTON");
        assert_eq!("PWM-CONTROLLER-0".parse::<PeripheralName>().unwrap().as_str(), "PWM-CONTROLLER-0");
        assert!("$".parse::<PeripheralName>().is_err());
        assert!("$A B".parse::<PeripheralName>().is_err());
    }

    #[test]
    fn a_digest_is_written_as_its_hexadecimal_digits() {
        let digest = Sha256Hex::from(std::array::from_fn(|i| (i * 8) as u8));
        assert_eq!(digest.as_str(), "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
        assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
    }

    #[test]
    fn names_and_paths_hold_nothing_that_a_reader_does_not_see() {
        for hidden in ["\n", "\u{202e}", "\u{2066}", "\u{200f}", "\u{200b}", "\u{feff}", "\u{2028}", "\u{3164}"] {
            assert!(format!("Door{hidden}bell").parse::<DisplayName>().is_err(), "{hidden:?}");
            assert!(format!("/bin/app{hidden}").parse::<CleanPath>().is_err(), "{hidden:?}");
        }
        assert!("Türklingel 🔔 門".parse::<DisplayName>().is_ok());
    }

    #[test]
    fn an_error_repeats_the_name_bounded_and_escaped() {
        let error = "\u{1b}[31m".repeat(1000).parse::<ServiceName>().unwrap_err().to_string();
        assert!(error.len() < 1000 && !error.contains('\u{1b}'));
    }
}
