//! An app's certificates and their private keys: kept by security-monitor, encrypted as the app's storage is, gone with the app.
//!
//! What an app puts is looked at (is it PEM, is it a certificate, is it a private key?), never trusted: nobody but the app uses it.

use crate::{answer::refused, outside::Outside, services::Services};
use manifest::{
    api::{CONFIG_LIMIT, Done, ErrorBody, ErrorClass},
    names::{CertificateName, ComponentId},
    services::{CERTIFICATE_LIMIT, CERTIFICATES_LIMIT, Certificate, CertificateInfo, Certificates},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use x509_cert::der::{Decode, asn1::AnyRef, pem};

/// What one app keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Store(BTreeMap<CertificateName, Certificate>);

/// PEM label of a certificate (RFC 7468), and what ends one.
const LABEL: &str = "CERTIFICATE";
const END: &str = "-----END CERTIFICATE-----";
/// PEM labels of private keys (RFC 7468, RFC 5915, RFC 8017).
const KEY_LABELS: [&str; 3] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];
/// Most certificates of an app: what a list of them says fits into one packet.
const COUNT_LIMIT: usize = 20;
/// Most certificates behind one another.
const CHAIN_LIMIT: usize = 8;

impl Store {
    /// Keeps a certificate under a name.
    pub fn put(&mut self, name: CertificateName, certificate: Certificate) -> Result<(), ErrorBody> {
        let length = length(&certificate);
        if length > CERTIFICATE_LIMIT {
            return Err(too_much(format!("the certificate with its key has {length} bytes"), CERTIFICATE_LIMIT));
        }
        chain(&certificate.certificate)?;
        certificate.private_key.as_deref().map_or(Ok(()), check_key)?;
        let others = self.0.iter().filter(|(other, _)| **other != name).map(|(_, one)| self::length(one)).sum::<usize>();
        if others + length > CERTIFICATES_LIMIT {
            return Err(too_much(format!("all certificates would have {} bytes", others + length), CERTIFICATES_LIMIT));
        }
        if self.0.len() >= COUNT_LIMIT && !self.0.contains_key(&name) {
            return Err(too_much(format!("{} certificates are kept", self.0.len()), COUNT_LIMIT));
        }
        self.0.insert(name, certificate);
        Ok(())
    }

    /// What is kept, by name.
    pub fn list(&self) -> Certificates {
        Certificates {
            certificates: self.0.iter().filter_map(|(name, one)| info(name, one)).collect(),
            used_bytes: self.0.values().map(length).sum(),
            limit_bytes: CERTIFICATES_LIMIT,
        }
    }

    /// One of them.
    pub fn get(&self, name: &CertificateName) -> Result<Certificate, ErrorBody> {
        self.0.get(name).cloned().ok_or_else(|| missing(name))
    }

    /// Gives one another name, in place of the one that has it.
    pub fn rename(&mut self, from: &CertificateName, to: CertificateName) -> Result<(), ErrorBody> {
        let one = self.0.remove(from).ok_or_else(|| missing(from))?;
        self.0.insert(to, one);
        Ok(())
    }

    /// Forgets one.
    pub fn remove(&mut self, name: &CertificateName) -> Result<(), ErrorBody> {
        self.0.remove(name).map(drop).ok_or_else(|| missing(name))
    }
}

fn length(one: &Certificate) -> usize {
    one.certificate.len() + one.private_key.as_deref().map_or(0, str::len)
}

fn missing(name: &CertificateName) -> ErrorBody {
    refused(ErrorClass::NotFound, format!("there is no certificate `{name}`"), None)
}

fn too_much(what: String, limit: usize) -> ErrorBody {
    refused(ErrorClass::NoSpace, format!("{what}, at most {limit} are kept"), Some("remove one that is no longer needed".into()))
}

/// The certificates of a PEM text, one at least.
fn chain(text: &str) -> Result<Vec<x509_cert::Certificate>, ErrorBody> {
    let bad = |why: String| {
        let hint = "one or more PEM blocks `CERTIFICATE`, each an X.509 certificate, the app's own first";
        refused(ErrorClass::BadInput, format!("`certificate` is none: {why}"), Some(hint.into()))
    };
    let mut chain = Vec::new();
    // x509-cert has a function for it, which panics on an empty text.
    for block in text.split_inclusive(END).map(str::trim).filter(|block| !block.is_empty()) {
        if chain.len() >= CHAIN_LIMIT {
            return Err(bad(format!("more than {CHAIN_LIMIT} certificates")));
        }
        let (label, der) = pem::decode_vec(block.as_bytes()).map_err(|e| bad(e.to_string()))?;
        if label != LABEL {
            return Err(bad(format!("there is a `{}` in it", label.escape_default())));
        }
        chain.push(x509_cert::Certificate::from_der(&der).map_err(|e| bad(e.to_string()))?);
    }
    if chain.is_empty() { Err(bad("there is no such block in it".to_owned())) } else { Ok(chain) }
}

/// Whether a PEM text is a private key: what it says it is, and a DER structure inside.
fn check_key(text: &str) -> Result<(), ErrorBody> {
    let bad = |why: String| {
        let hint = "one PEM block `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY`, not encrypted";
        refused(ErrorClass::BadInput, format!("`private_key` is none: {why}"), Some(hint.into()))
    };
    let (label, der) = pem::decode_vec(text.trim().as_bytes()).map_err(|e| bad(e.to_string()))?;
    if !KEY_LABELS.contains(&label) {
        return Err(bad(format!("it is a `{}`", label.escape_default())));
    }
    AnyRef::from_der(&der).map(drop).map_err(|e| bad(e.to_string()))
}

fn info(name: &CertificateName, one: &Certificate) -> Option<CertificateInfo> {
    // What was put could be read then; a store that cannot be is told by what is not in the list.
    let chain = chain(&one.certificate).ok()?;
    let own = &chain.first()?.tbs_certificate;
    let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
    Some(CertificateInfo {
        name: name.clone(),
        has_key: one.private_key.is_some(),
        subject: shown(&own.subject),
        issuer: shown(&own.issuer),
        not_before: seconds(&own.validity.not_before),
        not_after: seconds(&own.validity.not_after),
        bytes: length(one),
    })
}

/// A name, bounded and without control characters: the list of all has to fit into one packet.
fn shown(name: &x509_cert::name::Name) -> String {
    const LONGEST: usize = 128;
    let mut text: String = name.to_string().chars().filter(|c| !c.is_control()).collect();
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// What is asked of the store.
pub enum Change {
    /// Keep one.
    Put(CertificateName, Certificate),
    /// Give one another name.
    Rename(CertificateName, CertificateName),
    /// Forget one.
    Remove(CertificateName),
}

impl<O: Outside> Services<O> {
    /// Looks into an app's store.
    pub fn certificates<T>(
        &mut self,
        id: &ComponentId,
        look: impl FnOnce(&Store) -> Result<T, ErrorBody>,
    ) -> Result<T, ErrorBody> {
        look(&self.store(id)?)
    }

    /// Changes an app's store; whoever hears that it is done can rely on it.
    pub fn change_certificates(&mut self, id: &ComponentId, change: Change) -> Result<Done, ErrorBody> {
        let mut store = self.store(id)?;
        match change {
            Change::Put(name, certificate) => store.put(name, certificate)?,
            Change::Rename(from, to) => store.rename(&from, to)?,
            Change::Remove(name) => store.remove(&name)?,
        }
        let document = serde_json::to_vec(&store).map_err(|e| internal(&e))?;
        if document.len() > CONFIG_LIMIT {
            return Err(too_much(format!("the certificates have {} bytes with their names", document.len()), CONFIG_LIMIT));
        }
        let kept = self.outside.set_certificates(id, &document);
        // Where that failed, what is kept now is asked when it is needed.
        self.remember(id, kept.is_ok().then_some(store));
        kept.map(|()| Done {})
    }

    fn store(&mut self, id: &ComponentId) -> Result<Store, ErrorBody> {
        if let Some(store) = self.apps.get(id).and_then(|app| app.store.clone()) {
            return Ok(store);
        }
        let document = self.outside.certificates(id)?;
        let store: Store =
            document.map_or(Ok(Store::default()), |bytes| serde_json::from_slice(&bytes)).map_err(|e| internal(&e))?;
        self.remember(id, Some(store.clone()));
        Ok(store)
    }

    fn remember(&mut self, id: &ComponentId, store: Option<Store>) {
        if let Some(app) = self.apps.get_mut(id) {
            app.store = store;
        }
    }
}

fn internal(error: &serde_json::Error) -> ErrorBody {
    refused(ErrorClass::Internal, format!("the kept certificates cannot be read or written: {error}"), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    fn made(host: &str) -> Certificate {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).unwrap();
        Certificate { certificate: cert.pem(), private_key: Some(signing_key.serialize_pem()) }
    }

    fn name(text: &str) -> CertificateName {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_is_kept_listed_renamed_and_removed() {
        let mut store = Store::default();
        let (one, other) = (made("one.example"), Certificate { private_key: None, ..made("two.example") });
        store.put(name("client"), one.clone()).unwrap();
        store.put(name("root"), other.clone()).unwrap();
        let list = store.list();
        assert_eq!(
            list.certificates.iter().map(|one| (one.name.as_str(), one.has_key)).collect::<Vec<_>>(),
            [("client", true), ("root", false)]
        );
        assert!(
            list.certificates[0].subject.contains("rcgen self signed cert") && list.certificates[0].not_after > 1_700_000_000,
            "{list:?}"
        );
        assert_eq!(list.used_bytes, length(&one) + length(&other));
        store.rename(&name("root"), name("client")).unwrap();
        assert_eq!((store.get(&name("client")).unwrap(), store.list().certificates.len()), (other, 1));
        assert_eq!(store.get(&name("root")).unwrap_err().class, ErrorClass::NotFound);
        store.remove(&name("client")).unwrap();
        assert_eq!(store.remove(&name("client")).unwrap_err().class, ErrorClass::NotFound);
    }

    #[test]
    fn what_is_no_certificate_or_no_key_is_refused_with_what_was_expected() {
        let good = made("a.example");
        let key = good.private_key.clone().unwrap();
        for (certificate, private_key) in [
            ("", None),
            ("garbage", None),
            (key.as_str(), None),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None),
            (good.certificate.as_str(), Some("garbage")),
            (good.certificate.as_str(), Some(good.certificate.as_str())),
            (good.certificate.as_str(), Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")),
        ] {
            let one = Certificate { certificate: certificate.to_owned(), private_key: private_key.map(str::to_owned) };
            let body = Store::default().put(name("a"), one).unwrap_err();
            assert!(body.class == ErrorClass::BadInput && body.hint.is_some(), "{certificate:?} {private_key:?}: {body:?}");
        }
    }

    #[test]
    fn a_store_has_a_quota_that_a_replacement_does_not_count_twice() {
        let mut store = Store::default();
        let one = made("a.example");
        // As many links as fit into one entry.
        let chain = one.certificate.repeat(CHAIN_LIMIT);
        let large = Certificate { certificate: chain, private_key: None };
        let fit = CERTIFICATES_LIMIT / length(&large);
        for n in 0..fit {
            store.put(name(&format!("c{n}")), large.clone()).unwrap();
        }
        assert_eq!(store.put(name("more"), large.clone()).unwrap_err().class, ErrorClass::NoSpace);
        store.put(name("c0"), large.clone()).unwrap();
        assert!(store.list().used_bytes <= CERTIFICATES_LIMIT);
        let longer = Certificate { certificate: one.certificate.repeat(CHAIN_LIMIT + 1), private_key: None };
        assert_eq!(Store::default().put(name("a"), longer).unwrap_err().class, ErrorClass::BadInput);
        let too_long = Certificate { certificate: "x".repeat(CERTIFICATE_LIMIT + 1), private_key: None };
        assert_eq!(Store::default().put(name("a"), too_long).unwrap_err().class, ErrorClass::NoSpace);
    }

    #[test]
    fn a_full_store_fits_into_its_document_and_its_list_into_a_packet() {
        let mut store = Store::default();
        let small = Certificate { private_key: None, ..made("a.example") };
        for n in 0.. {
            if store.put(name(&format!("{n:016}")), small.clone()).is_err() {
                break;
            }
        }
        assert!(serde_json::to_vec(&store).unwrap().len() <= CONFIG_LIMIT);
        assert!(serde_json::to_vec(&store.list()).unwrap().len() < manifest::services::SERVICE_PACKET_LIMIT);
        let largest = Certificate {
            certificate: "\n".repeat(CERTIFICATE_LIMIT / 64) + &"x".repeat(CERTIFICATE_LIMIT / 64 * 63),
            private_key: None,
        };
        assert!(serde_json::to_vec(&largest).unwrap().len() < manifest::services::SERVICE_PACKET_LIMIT);
    }
}
