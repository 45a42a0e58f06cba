//! The owner's key of crash reports: X25519, of which devices hold the public part and seal reports to it.
//!
//! Files are as `openssl` writes them: PKCS#8 and SubjectPublicKeyInfo in PEM, with the object identifier of RFC 8410. What
//! comes out are the 32 bytes of RFC 7748; a private key leaves memory when it is dropped.

use crate::{
    files,
    keys::{Keys, KeysError},
};
use der::{Decode, asn1::OctetStringRef};
use ed25519_dalek::pkcs8::{
    self, DecodePrivateKey, DecodePublicKey, ObjectIdentifier, PrivateKeyInfo,
    spki::{self, SubjectPublicKeyInfoRef},
};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of either part.
pub const LENGTH: usize = 32;

/// Reads the public part.
pub fn public(path: &Path) -> Result<[u8; LENGTH], KeysError> {
    let key = Public::from_public_key_pem(&files::read_text(path)?);
    Ok(key.map_err(|_| malformed(path, "a public X25519 key (PEM)"))?.0)
}

/// Reads the private part.
pub fn private(path: &Path) -> Result<Zeroizing<[u8; LENGTH]>, KeysError> {
    let text = Zeroizing::new(files::read_text(path)?);
    let key = Private::from_pkcs8_pem(&text);
    Ok(key.map_err(|_| malformed(path, "a private X25519 key (PKCS#8 PEM)"))?.0)
}

/// The public part in a keys folder.
pub fn public_of(keys: &Keys) -> Result<[u8; LENGTH], KeysError> {
    public(&there(keys, keys.crash_report_public())?)
}

/// The private part in a keys folder.
pub fn private_of(keys: &Keys) -> Result<Zeroizing<[u8; LENGTH]>, KeysError> {
    private(&there(keys, keys.crash_report_key())?)
}

/// What makes the missing part: both where neither is there, the public one alone of a private one. The private part of a
/// public one cannot be made.
fn there(keys: &Keys, path: PathBuf) -> Result<PathBuf, KeysError> {
    let (key, public) = (keys.crash_report_key(), keys.crash_report_public());
    if path.exists() {
        return Ok(path);
    }
    let make = format!("openssl genpkey -algorithm X25519 -out {}", key.display());
    let derive = format!("openssl pkey -in {} -pubout -out {}", key.display(), public.display());
    let commands = match (key.exists(), public.exists()) {
        (false, false) => vec![make, derive],
        (true, _) => vec![derive],
        (false, true) => vec![],
    };
    Err(KeysError::NoCrashKey { path, commands })
}

fn malformed(path: &Path, expected: &'static str) -> KeysError {
    KeysError::Malformed { path: path.to_owned(), expected }
}

struct Public([u8; LENGTH]);

struct Private(Zeroizing<[u8; LENGTH]>);

impl TryFrom<SubjectPublicKeyInfoRef<'_>> for Public {
    type Error = spki::Error;

    fn try_from(info: SubjectPublicKeyInfoRef<'_>) -> spki::Result<Self> {
        info.algorithm.assert_algorithm_oid(X25519)?;
        let bytes = info.subject_public_key.as_bytes().ok_or(spki::Error::KeyMalformed)?;
        Ok(Self(bytes.try_into().map_err(|_| spki::Error::KeyMalformed)?))
    }
}

impl TryFrom<PrivateKeyInfo<'_>> for Private {
    type Error = pkcs8::Error;

    /// The key is an octet string inside PKCS#8's own (RFC 8410, section 7).
    fn try_from(info: PrivateKeyInfo<'_>) -> pkcs8::Result<Self> {
        info.algorithm.assert_algorithm_oid(X25519)?;
        let bytes = OctetStringRef::from_der(info.private_key).map_err(|_| pkcs8::Error::KeyMalformed)?;
        Ok(Self(Zeroizing::new(bytes.as_bytes().try_into().map_err(|_| pkcs8::Error::KeyMalformed)?)))
    }
}

/// id-X25519 (RFC 8410, section 3).
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::hex, progress::Silent};
    use std::process::Command;

    /// Made by `openssl genpkey -algorithm X25519`.
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIFBfeakuzE3pIDhIY0pnDHzcW60yGxgM03jHbVsBi4FJ\n-----END PRIVATE KEY-----\n";
    const PUBLIC: &str =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAHp0tR7FYHcMxmR9jHL7ykD6asmJVAgAKZKfYQhMnSm8=\n-----END PUBLIC KEY-----\n";
    /// Of another kind, made the same way.
    const ED25519_KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHUq8oNsqnLuOB8G8+OJNhbDGerRx9DSrLgq25rV2aLq\n-----END PRIVATE KEY-----\n";
    const ED25519_PUBLIC: &str =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAs6n3k5b6yb2TUjCriG50Ixj0wtfR5oA+FcWNzEkbZ7U=\n-----END PUBLIC KEY-----\n";

    fn read<T>(text: &str, read: fn(&Path) -> Result<T, KeysError>) -> Result<T, KeysError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        files::write(file.path(), text.as_bytes()).unwrap();
        read(file.path())
    }

    #[test]
    fn the_raw_keys_are_those_that_openssl_prints() {
        assert_eq!(hex(&read(PUBLIC, public).unwrap()), "1e9d2d47b1581dc331991f631cbef2903e9ab2625502000a64a7d84213274a6f");
        assert_eq!(hex(&*read(KEY, private).unwrap()), "505f79a92ecc4de9203848634a670c7cdc5bad321b180cd378c76d5b018b8149");
    }

    #[test]
    fn keys_of_another_kind_and_files_that_are_none_are_refused() {
        for text in [ED25519_PUBLIC, KEY, "", "key", &PUBLIC.replace("MC", "MD")] {
            assert!(matches!(read(text, public), Err(KeysError::Malformed { .. })), "{text}");
        }
        for text in [ED25519_KEY, PUBLIC, "", "key", &KEY.replace("MC", "MD")] {
            assert!(matches!(read(text, private), Err(KeysError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn missing_keys_are_told_with_the_commands_that_make_them_and_never_overwrite_one() {
        let folder = tempfile::tempdir().unwrap();
        let keys = crate::keys::init(&folder.path().join("keys"), &mut Silent).unwrap();
        let commands = |missing: KeysError| match missing {
            KeysError::NoCrashKey { commands, .. } => commands,
            other => panic!("{other}"),
        };
        files::remove(&keys.crash_report_key()).unwrap();
        assert!(commands(private_of(&keys).unwrap_err()).is_empty());

        files::remove(&keys.crash_report_public()).unwrap();
        for command in commands(private_of(&keys).unwrap_err()) {
            assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
        }
        let made = (public_of(&keys).unwrap(), private_of(&keys).unwrap());

        files::remove(&keys.crash_report_public()).unwrap();
        for command in commands(public_of(&keys).unwrap_err()) {
            assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
        }
        assert_eq!((public_of(&keys).unwrap(), private_of(&keys).unwrap()), made);
    }
}
