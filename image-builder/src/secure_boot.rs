//! The firmware's variable store for a virtual machine: OVMF's empty one with the project's keys enrolled and nobody
//! else's. On real boards the owner enrolls the same certificates with the firmware's own means.
//!
//! Layout: EDK2's authenticated variable store (MdeModulePkg/Include/Guid/VariableFormat.h) inside a firmware volume.

use crate::{
    authenticode::{self, SignError},
    files::{self, FileError},
    keys::{Keys, SecureBootKey},
};
use std::path::{Path, PathBuf};
use uuid::{Uuid, uuid};

/// OVMF with Secure Boot and SMM: the code half, read-only.
pub const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
/// OVMF's empty variable store.
pub const EMPTY_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
/// The Debian package that has both.
pub const FIRMWARE_PACKAGE: &str = "ovmf";

/// Why no variable store could be made.
#[derive(Debug, thiserror::Error)]
pub enum SecureBootError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate could not be read.
    #[error(transparent)]
    Certificate(#[from] SignError),
    /// The firmware is missing.
    #[error("{EMPTY_VARIABLES} is not there: install Debian's package `{FIRMWARE_PACKAGE}`")]
    NoFirmware,
    /// The empty store is not one.
    #[error("{} is not an empty authenticated variable store of EDK2", .0.display())]
    Format(PathBuf),
    /// The keys do not fit.
    #[error("{} has no room for the keys", .0.display())]
    Full(PathBuf),
}

/// Writes OVMF's variable store with PK, KEK and db of these keys, and Secure Boot on.
pub fn variables(keys: &Keys, to: &Path) -> Result<(), SecureBootError> {
    let empty = Path::new(EMPTY_VARIABLES);
    if !empty.exists() {
        return Err(SecureBootError::NoFirmware);
    }
    let certificate = |key| authenticode::certificate_der(&keys.secure_boot_certificate(key));
    let signatures = |key| certificate(key).map(|der| signature_list(&der));
    let variables = [
        Variable { name: "PK", vendor: GLOBAL, attributes: AUTHENTICATED, data: signatures(SecureBootKey::Pk)? },
        Variable { name: "KEK", vendor: GLOBAL, attributes: AUTHENTICATED, data: signatures(SecureBootKey::Kek)? },
        Variable { name: "db", vendor: IMAGE_SECURITY, attributes: AUTHENTICATED, data: signatures(SecureBootKey::Db)? },
        Variable { name: "SecureBootEnable", vendor: SECURE_BOOT_ENABLE, attributes: BOOT_SERVICES, data: vec![1] },
        Variable { name: "CustomMode", vendor: CUSTOM_MODE, attributes: BOOT_SERVICES, data: vec![0] },
    ];
    let store = fill(files::read(empty)?, &variables).map_err(|fault| match fault {
        StoreFault::Format => SecureBootError::Format(empty.to_owned()),
        StoreFault::Full => SecureBootError::Full(empty.to_owned()),
    })?;
    Ok(files::write(to, &store)?)
}

struct Variable {
    name: &'static str,
    vendor: Uuid,
    attributes: u32,
    data: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum StoreFault {
    Format,
    Full,
}

fn fill(mut volume: Vec<u8>, variables: &[Variable]) -> Result<Vec<u8>, StoreFault> {
    let header_length = volume.get(48..50).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes).ok_or(StoreFault::Format)?;
    let store = usize::from(header_length);
    let kind = volume.get(store..store + 16).ok_or(StoreFault::Format)?;
    if volume.get(40..44) != Some(b"_FVH") || kind != AUTHENTICATED_STORE.to_bytes_le() {
        return Err(StoreFault::Format);
    }
    let size =
        volume.get(store + 16..store + 20).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).ok_or(StoreFault::Format)?;
    let records: Vec<u8> = variables.iter().flat_map(record).collect();
    let start = store + STORE_HEADER;
    let room = volume.get_mut(start..store + size as usize).ok_or(StoreFault::Format)?;
    if room.iter().any(|byte| *byte != ERASED) {
        return Err(StoreFault::Format);
    }
    room.get_mut(..records.len()).ok_or(StoreFault::Full)?.copy_from_slice(&records);
    Ok(volume)
}

/// AUTHENTICATED_VARIABLE_HEADER, name, data, filled up to four bytes.
fn record(variable: &Variable) -> Vec<u8> {
    let name: Vec<u8> = variable.name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    let mut bytes = vec![0xaa, 0x55, VARIABLE_ADDED, 0];
    bytes.extend(variable.attributes.to_le_bytes());
    bytes.extend([0; 8]); // monotonic count
    bytes.extend(if variable.attributes == AUTHENTICATED { ENROLLED } else { [0; 16] });
    bytes.extend([0; 4]); // public key index
    // Both lengths are those of our own few names and certificates.
    bytes.extend((name.len() as u32).to_le_bytes());
    bytes.extend((variable.data.len() as u32).to_le_bytes());
    bytes.extend(variable.vendor.to_bytes_le());
    bytes.extend(name);
    bytes.extend(&variable.data);
    bytes.resize(bytes.len().next_multiple_of(4), ERASED);
    bytes
}

/// EFI_SIGNATURE_LIST with one X.509 certificate.
fn signature_list(certificate: &[u8]) -> Vec<u8> {
    let signature_size = 16 + certificate.len() as u32;
    let mut bytes = X509_SIGNATURE.to_bytes_le().to_vec();
    bytes.extend((28 + signature_size).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(signature_size.to_le_bytes());
    bytes.extend(OWNER.to_bytes_le());
    bytes.extend(certificate);
    bytes
}

const GLOBAL: Uuid = uuid!("8be4df61-93ca-11d2-aa0d-00e098032b8c");
const IMAGE_SECURITY: Uuid = uuid!("d719b2cb-3d3a-4596-a3bc-dad00e67656f");
const SECURE_BOOT_ENABLE: Uuid = uuid!("f0a30bc7-af08-4556-99c4-001009c93a44");
const CUSTOM_MODE: Uuid = uuid!("c076ec0c-7028-4399-a072-71ee5c448b9f");
const AUTHENTICATED_STORE: Uuid = uuid!("aaf32c78-947b-439a-a180-2e144ec37792");
const X509_SIGNATURE: Uuid = uuid!("a5c059a1-94e4-4aa7-87b5-ab155c2bf072");
/// Who put a certificate into a list: Holdfast.
const OWNER: Uuid = uuid!("686f6c64-6661-8374-a573-626f6f740001");

/// Non-volatile, boot services, run time, time-based authenticated write access.
const AUTHENTICATED: u32 = 0x27;
/// Non-volatile, boot services.
const BOOT_SERVICES: u32 = 0x03;
/// VAR_ADDED.
const VARIABLE_ADDED: u8 = 0x3f;
/// Erased flash.
const ERASED: u8 = 0xff;
/// VARIABLE_STORE_HEADER.
const STORE_HEADER: usize = 28;
/// EFI_TIME of the enrolment, 2020-01-01: fixed, so that equal keys give equal stores; a later update must be later.
const ENROLLED: [u8; 16] = [0xe4, 0x07, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_no_empty_store_is_refused() {
        assert_eq!(fill(vec![0; 100], &[]).unwrap_err(), StoreFault::Format);
        let mut used = files::read(Path::new(EMPTY_VARIABLES)).unwrap();
        assert!(fill(used.clone(), &[]).is_ok());
        used[0x48 + STORE_HEADER] = 0xaa;
        assert_eq!(fill(used, &[]).unwrap_err(), StoreFault::Format);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let empty = files::read(Path::new(EMPTY_VARIABLES)).unwrap();
        let large = Variable { name: "PK", vendor: GLOBAL, attributes: AUTHENTICATED, data: vec![0; empty.len()] };
        assert_eq!(fill(empty, &[large]).unwrap_err(), StoreFault::Full);
    }
}
