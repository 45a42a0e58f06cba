//! Step 1 of the README's path: the unified kernel image, one EFI program that the firmware verifies
//! whole: systemd's stub, the kernel, and the command line that names the root by its hash.
//!
//! The PE file is put together here and not by objcopy, whose output carries the time of day.

use crate::{
    authenticode::{SignError, Signer},
    files::{self, FileError},
    pe::{PeError, Program},
};
use manifest::names::DisplayName;
use std::path::{Path, PathBuf};

/// systemd's EFI stub.
pub const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// The Debian package that has it.
pub const STUB_PACKAGE: &str = "systemd-boot-efi";

/// What goes into a UKI.
#[derive(Debug)]
pub struct Parts<'a> {
    /// systemd's stub.
    pub stub: &'a Path,
    /// The kernel.
    pub kernel: &'a Path,
    /// Its command line.
    pub command_line: &'a str,
    /// Product name, shown by firmware tools.
    pub product: &'a DisplayName,
    /// Product version.
    pub version: &'a str,
}

/// Why there is no UKI.
#[derive(Debug, thiserror::Error)]
pub enum UkiError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The stub is missing.
    #[error("{} is not there: install Debian's package `{STUB_PACKAGE}`", .0.display())]
    NoStub(PathBuf),
    /// The stub cannot take the sections.
    #[error("{}", stub.display())]
    Stub {
        /// The stub.
        stub: PathBuf,
        /// Why not.
        #[source]
        source: PeError,
    },
    /// The UKI could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Puts a UKI together, unsigned.
pub fn assemble(parts: &Parts<'_>) -> Result<Program, UkiError> {
    if !parts.stub.exists() {
        return Err(UkiError::NoStub(parts.stub.to_owned()));
    }
    let kernel = files::read(parts.kernel)?;
    let refuse = |source| UkiError::Stub { stub: parts.stub.to_owned(), source };
    let mut program = Program::parse(files::read(parts.stub)?).map_err(refuse)?;
    // The order is that in which the stub measures them (PCR 11).
    let os_release = os_release(parts);
    let sections = [(".osrel", os_release.as_bytes()), (".cmdline", parts.command_line.as_bytes()), (".linux", &kernel)];
    for (name, content) in sections {
        program.add_section(name, content).map_err(refuse)?;
    }
    program.clear_stamps().map_err(refuse)?;
    Ok(program)
}

/// Puts a UKI together, signs it, and writes both forms: the unsigned one is what a vendor's signing service takes.
pub fn make(parts: &Parts<'_>, signer: &Signer, unsigned: &Path, signed: &Path) -> Result<(), UkiError> {
    let program = assemble(parts)?;
    files::write(unsigned, program.bytes())?;
    Ok(files::write(signed, &signer.sign(program)?)?)
}

/// os-release(5). Inside double quotes a shell would expand some characters.
fn os_release(parts: &Parts<'_>) -> String {
    let name: String =
        parts.product.as_str().chars().flat_map(|c| if "\"\\$`".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    format!("ID=holdfast\nNAME=\"{name}\"\nPRETTY_NAME=\"{name} {0}\"\nVERSION_ID=\"{0}\"\n", parts.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::Outside,
        keys::{self, SecureBootKey},
        progress::Silent,
    };

    #[test]
    fn the_same_parts_give_the_same_bytes_and_sbverify_accepts_them() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys::init(&folder.path().join("keys"), &mut Silent).unwrap();
        let (key, certificate) = (keys.secure_boot_key(SecureBootKey::Db), keys.secure_boot_certificate(SecureBootKey::Db));
        let kernel = folder.path().join("kernel");
        files::write(&kernel, &[7; 100_001]).unwrap();
        let product: DisplayName = "A $product".parse().unwrap();
        let parts = Parts { stub: Path::new(STUB), kernel: &kernel, command_line: "ro quiet", product: &product, version: "1" };
        let signed = folder.path().join("uki.efi");
        let make = || make(&parts, &Signer::load(&key, &certificate).unwrap(), &folder.path().join("unsigned"), &signed).unwrap();
        make();
        let first = files::read(&signed).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        make();
        assert_eq!(first, files::read(&signed).unwrap());

        let verify = |certificate: &Path, program: &Path| {
            let judge = Outside::new("sbverify", "sbsigntool").arg("--cert").arg(certificate).arg(program);
            judge.run(&mut Silent).map_err(|e| e.to_string())
        };
        verify(&certificate, &signed).unwrap();
        verify(&keys.secure_boot_certificate(SecureBootKey::Kek), &signed).unwrap_err();
        let mut changed = first;
        changed[50_000] ^= 1;
        files::write(&signed, &changed).unwrap();
        verify(&certificate, &signed).unwrap_err();
    }

    #[test]
    fn a_key_that_is_not_the_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys::init(&folder.path().join("keys"), &mut Silent).unwrap();
        let error =
            Signer::load(&keys.secure_boot_key(SecureBootKey::Db), &keys.secure_boot_certificate(SecureBootKey::Pk)).unwrap_err();
        assert!(matches!(error, SignError::Pair { .. }));
    }
}
