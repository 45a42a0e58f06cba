//! Where an app may connect to: a host name, a kind of service on the local network, or a range of addresses; with ports.

use crate::{
    names::{HostName, NameError, ServiceType},
    read,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, net::IpAddr, num::NonZeroU16, str::FromStr};

/// A TCP or UDP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u16")]
pub struct Port(NonZeroU16);

impl Port {
    /// Its number.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<u64> for Port {
    type Error = String;
    fn try_from(n: u64) -> Result<Self, String> {
        let port = u16::try_from(n).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or_else(|| format!("{n} is not a port: expected 1 to 65535"))
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> u16 {
        port.number()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One port, `443`, or neighbouring ones, `"8000-8010"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    first: Port,
    last: Port,
}

impl PortRange {
    /// The first and the last one, which may be the same.
    pub const fn ends(self) -> (Port, Port) {
        (self.first, self.last)
    }
}

impl From<Port> for PortRange {
    fn from(port: Port) -> Self {
        Self { first: port, last: port }
    }
}

impl FromStr for PortRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let port = |digits: &str| {
            let digits = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            Port::try_from(digits.parse::<u64>().ok()?).ok()
        };
        let ends = text.split_once('-').and_then(|(first, last)| Some((port(first)?, port(last)?)));
        match ends {
            Some((first, last)) if first < last => Ok(Self { first, last }),
            Some((first, last)) => Err(format!("`{text}` is not a range of ports: {first} is not below {last}")),
            None => Err(format!("`{}` is not a range of ports: expected one such as \"8000-8010\"", shown(text))),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl Serialize for PortRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last { self.first.serialize(serializer) } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let port = |n| Port::try_from(n).map(Into::into);
        read::number_or_text(deserializer, "a port, 1 to 65535, or text such as \"8000-8010\"", port, str::parse)
    }
}

/// A protocol above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Addresses with the same first bits; one address has all of them. No bit behind the prefix is set, so one range has one
/// spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// The first address.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// Length of the prefix in bits.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    const fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// Whether it is one address.
    pub const fn is_single(self) -> bool {
        self.prefix == Self::bits(self.address)
    }
}

/// `address` with the bits behind the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & !u32::MAX.checked_shr(prefix.into()).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::MAX.checked_shr(prefix.into()).unwrap_or(0)).into()),
    }
}

impl FromStr for AddressRange {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || format!("`{}` is not an address: expected one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32", shown(text));
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        if let IpAddr::V6(v6) = address
            && let Some(v4) = v6.to_ipv4_mapped()
        {
            return Err(format!("`{text}` is an IPv4 address in IPv6 dress: write {v4}"));
        }
        let all = Self::bits(address);
        let plain = |digits: &&str| digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
        let prefix = match prefix {
            None => all,
            Some(digits) => Some(digits).filter(plain).and_then(|digits| digits.parse().ok()).ok_or_else(expected)?,
        };
        if prefix > all {
            return Err(format!("`{text}`: a prefix has at most {all} bits here"));
        }
        let first = masked(address, prefix);
        if first != address {
            return Err(format!("`{text}` has bits set behind its prefix: write {first}/{prefix} for the range, or {address}"));
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.address.fmt(f) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// A host by its name.
    Host(HostName),
    /// Whichever hosts announce such a service.
    Service(ServiceType),
    /// Addresses.
    Range(AddressRange),
}

impl FromStr for Destination {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let numeric = |b: u8| b.is_ascii_digit() || b == b'.';
        if text.contains([':', '/']) || (!text.is_empty() && text.bytes().all(numeric)) {
            return text.parse().map(Self::Range);
        }
        let named = if text.starts_with('_') { text.parse().map(Self::Service) } else { text.parse().map(Self::Host) };
        named.map_err(|e: NameError| e.to_string())
    }
}

impl TryFrom<String> for Destination {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::Service(kind) => kind.fmt(f),
            Self::Range(range) => range.fmt(f),
        }
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> String {
        destination.to_string()
    }
}

/// What an error repeats of a wrong text.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_spelling_becomes_what_it_says() {
        for (text, shown) in
            [("Example.COM", "example.com"), ("printer.local", "printer.local"), ("a", "a"), ("x.3com", "x.3com")]
        {
            assert_eq!(text.parse(), Ok(Destination::Host(shown.parse().unwrap())), "{text}");
        }
        for text in ["_ipp._tcp.local", "_sample-service._tcp.local", "_HTTP._udp.home"] {
            assert!(matches!(text.parse(), Ok(Destination::Service(_))), "{text}");
        }
        for text in ["192.0.2.7", "192.0.2.0/24", "255.255.255.255", "0.0.0.0/0", "2001:db8::/32", "fe80::1", "::/0"] {
            let Ok(Destination::Range(range)) = text.parse() else { panic!("{text}") };
            assert_eq!(range.to_string(), text);
        }
        assert_eq!("192.0.2.7/32".parse::<Destination>(), "192.0.2.7".parse());
    }

    #[test]
    fn what_leads_nowhere_or_everywhere_is_refused_with_what_to_write() {
        for (text, words) in [
            ("", "host name"),
            ("*.example.com", "no wildcard"),
            ("example.com.", "host name"),
            ("http://example.com", "192.0.2.7"),
            ("127.1", "192.0.2.7"),
            ("10.0x7f", "last part no number"),
            ("192.0.2.1/24", "write 192.0.2.0/24"),
            ("2001:db8::1/32", "write 2001:db8::/32"),
            ("192.0.2.0/33", "at most 32 bits"),
            ("192.0.2.0/+4", "expected one such as"),
            ("::ffff:192.0.2.1", "write 192.0.2.1"),
            ("_ipp.local", "_ipp._tcp.local"),
            ("_0123456789abcdef._tcp.local", "1 to 15"),
            ("<IPERF SERVER>", "host name"),
            ("a b", "host name"),
        ] {
            let error = text.parse::<Destination>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(format!("{}.com", "a".repeat(64)).parse::<Destination>().is_err());
        assert!(["abc"; 64].join(".").parse::<Destination>().is_err());
    }

    #[test]
    fn ports_are_one_to_65535_and_ranges_rise() {
        let read = |text: &str| serde_json::from_str::<PortRange>(text);
        assert_eq!(read("443").unwrap().to_string(), "443");
        assert_eq!(read("\"8000-8010\"").unwrap().to_string(), "8000-8010");
        for text in ["0", "65536", "-1", "1.5", "\"443\"", "\"0-1\"", "\"9-8\"", "\"8-8\"", "\"1-65536\"", "\"+1-2\"", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Port>("0").is_err() && serde_json::from_str::<Port>("65536").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_what_was_taken_is_read_again_the_same(text in "\\PC{0,40}") {
            if let Ok(read) = text.parse::<Destination>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
            if let Ok(read) = text.parse::<PortRange>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }

        #[test]
        fn an_address_is_in_the_range_that_its_prefix_makes(bits: u128, prefix in 0u8..=128, v4: bool) {
            let address: IpAddr = if v4 { IpAddr::V4(((bits & 0xffff_ffff) as u32).into()) } else { IpAddr::V6(bits.into()) };
            let prefix = prefix.min(AddressRange::bits(address));
            let first = masked(address, prefix);
            prop_assert_eq!(masked(first, prefix), first);
            if let IpAddr::V6(v6) = first && v6.to_ipv4_mapped().is_some() { return Ok(()); }
            let range: AddressRange = format!("{first}/{prefix}").parse().unwrap();
            prop_assert_eq!((range.address(), range.prefix()), (first, prefix));
            prop_assert_eq!(format!("{address}/{prefix}").parse::<AddressRange>().is_ok(), first == address);
        }

        #[test]
        fn a_range_of_ports_survives_writing_and_reading(first in 1u64..=65535, last in 1u64..=65535) {
            prop_assume!(first < last);
            let range: PortRange = format!("{first}-{last}").parse().unwrap();
            let text = serde_json::to_string(&range).unwrap();
            prop_assert_eq!(serde_json::from_str::<PortRange>(&text).unwrap(), range);
        }
    }
}
