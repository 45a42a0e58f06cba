//! Who a client is, by its verified certificate: the role in its subject's OU.

use linux::log::printable;
pub use manifest::image::Role;
use std::fmt;
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    attr::AttributeValue,
    der::{
        Decode, Tag, Tagged,
        asn1::{ObjectIdentifier, PrintableStringRef, Utf8StringRef},
    },
};

/// A client whose certificate the owner's CA issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The subject's common name, for people: bounded, on one line.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.role)
    }
}

/// Why a verified certificate gives no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Not a certificate that this reader understands.
    #[error("the client's certificate cannot be read")]
    Unreadable,
    /// No OU, an unknown one, or more than one: which would count?
    #[error("the client's certificate needs exactly one OU in its subject: viewer, operator or developer")]
    NoRole,
}

impl Client {
    /// Reads a certificate that rustls has verified.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, RoleError> {
        let parsed = Certificate::from_der(certificate).map_err(|_| RoleError::Unreadable)?;
        let subject = &parsed.tbs_certificate.subject.0;
        let values = |oid: ObjectIdentifier| {
            subject.iter().flat_map(|set| set.0.iter()).filter(move |part| part.oid == oid).map(|part| text(&part.value))
        };
        let units: Vec<Option<&str>> = values(ORGANIZATIONAL_UNIT).collect();
        let role = match units.as_slice() {
            [Some(unit)] => Role::named(unit).ok_or(RoleError::NoRole)?,
            _ => return Err(RoleError::NoRole),
        };
        let name = values(COMMON_NAME).flatten().next().unwrap_or("unnamed");
        Ok(Self { name: printable(name, NAME_LIMIT), role })
    }
}

fn text(value: &AttributeValue) -> Option<&str> {
    match value.tag() {
        Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|text| text.as_str()),
        Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|text| text.as_str()),
        _ => None,
    }
}

/// id-at-organizationalUnitName and id-at-commonName (RFC 5280, appendix A.1).
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Characters of a client's name that are kept for logs.
const NAME_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn client(units: &[&str], name: &str) -> Result<Client, RoleError> {
        let mut wanted = CertificateParams::default();
        wanted.distinguished_name.push(DnType::CommonName, name);
        for (i, unit) in units.iter().enumerate() {
            // rcgen keeps one value per kind: the second is written with the OU's identifier spelled out.
            let kind = if i == 0 { DnType::OrganizationalUnitName } else { DnType::CustomDnType(vec![2, 5, 4, 11]) };
            wanted.distinguished_name.push(kind, *unit);
        }
        let key = KeyPair::generate().unwrap();
        Client::of(wanted.self_signed(&key).unwrap().der())
    }

    #[test]
    fn the_organizational_unit_is_the_role() {
        assert_eq!(client(&["viewer"], "a").unwrap().role, Role::Viewer);
        assert_eq!(client(&["developer"], "a").unwrap(), Client { name: "a".into(), role: Role::Developer });
    }

    #[test]
    fn no_role_an_unknown_one_or_two_are_refused() {
        for units in [&[][..], &["admin"], &["Developer"], &["viewer", "developer"]] {
            assert_eq!(client(units, "a"), Err(RoleError::NoRole), "{units:?}");
        }
        assert_eq!(Client::of(&CertificateDer::from(vec![0x30, 0x80, 1])), Err(RoleError::Unreadable));
    }

    #[test]
    fn names_are_bounded_and_clean() {
        let client = client(&["viewer"], &format!("a\n\u{1b}{}", "x".repeat(500))).unwrap();
        assert!(client.name.starts_with("a  x") && client.name.chars().count() == NAME_LIMIT);
    }

    #[test]
    fn roles_rise() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Developer);
    }
}
