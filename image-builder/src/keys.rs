//! The owner's keys: made once, readable by their owner alone, never overwritten.
//!
//! `holdfast keys init` makes all that a developer needs. A vendor keeps the same files elsewhere (an HSM signs), so
//! nothing here is secret by position: the build reads paths. Keys and certificates are made by the `openssl` command,
//! with a configuration of our own so that the machine's has no say.

use crate::{
    command::{CommandError, Outside},
    files::{self, FileError, hex},
    progress::Progress,
};
use ed25519_dalek::{
    SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey, DecodePublicKey},
};
use sha2::{Digest, Sha256};
use std::{
    fs::DirBuilder,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A folder with keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    folder: PathBuf,
}

/// The keys that make up Secure Boot, from the one that owns the machine to the one that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecureBootKey {
    /// Platform key: may change the key exchange keys.
    Pk,
    /// Key exchange key: may change db.
    Kek,
    /// Signature database: signs UKIs.
    Db,
}

/// What a client of the device API may do: the `OU` of its certificate's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Developer,
    /// Deploys and operates.
    Operator,
    /// Looks.
    Viewer,
}

/// Why keys could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// `openssl` failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The folder already holds keys.
    #[error("{} is there already: keys are never overwritten; give another folder, or remove it yourself", .0.display())]
    Exists(PathBuf),
    /// Keys are missing.
    #[error("{} is not there: make keys with `holdfast keys init`", .0.display())]
    Missing(PathBuf),
    /// Others may read the private keys.
    #[error("{} has mode {mode:04o}: others may read private keys there; expected {expected:04o}", path.display())]
    Open {
        /// Folder or file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it should be.
        expected: u32,
    },
    /// The keys were made before crash reports were, or the private one is kept elsewhere.
    #[error("{} is not there, which crash reports are sealed with", path.display())]
    NoCrashKey {
        /// What is missing.
        path: PathBuf,
        /// What makes it; nothing where its public part is there, which it could not be made for.
        commands: Vec<String>,
    },
    /// A key file that is no key.
    #[error("{} is not {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
}

impl SecureBootKey {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pk, Self::Kek, Self::Db];

    const fn stem(self) -> &'static str {
        match self {
            Self::Pk => "secure-boot-pk",
            Self::Kek => "secure-boot-kek",
            Self::Db => "secure-boot-db",
        }
    }
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Developer, Self::Operator, Self::Viewer];

    /// As it stands in the certificate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }
}

impl Keys {
    /// Where private Ed25519 key (PKCS#8 PEM) that signs apps lies.
    pub fn app_signing_key(&self) -> PathBuf {
        self.folder.join("app-signing.key")
    }

    /// Its public part (PEM).
    pub fn app_signing_public(&self) -> PathBuf {
        self.folder.join("app-signing.pub")
    }

    /// The private X25519 key (PKCS#8 PEM) that opens crash reports.
    pub fn crash_report_key(&self) -> PathBuf {
        self.folder.join("crash-report.key")
    }

    /// Its public part (PEM), which devices seal crash reports to.
    pub fn crash_report_public(&self) -> PathBuf {
        self.folder.join("crash-report.pub")
    }

    /// The CA (PEM) whose clients the device API accepts.
    pub fn api_ca(&self) -> PathBuf {
        self.folder.join("api-ca.pem")
    }

    /// Certificate (PEM) of a client of the device API.
    pub fn api_certificate(&self, role: Role) -> PathBuf {
        self.folder.join(format!("api-{}.pem", role.name()))
    }

    /// Private key (PKCS#8 PEM) of a client of the device API.
    pub fn api_key(&self, role: Role) -> PathBuf {
        self.folder.join(format!("api-{}.key", role.name()))
    }

    /// Certificate (PEM) of a Secure Boot key.
    pub fn secure_boot_certificate(&self, key: SecureBootKey) -> PathBuf {
        self.folder.join(format!("{}.pem", key.stem()))
    }

    /// Private Secure Boot key (PKCS#8 PEM).
    pub fn secure_boot_key(&self, key: SecureBootKey) -> PathBuf {
        self.folder.join(format!("{}.key", key.stem()))
    }

    /// Where the keys lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads the key that signs apps.
    pub fn app_signer(&self) -> Result<SigningKey, KeysError> {
        let path = self.app_signing_key();
        let text = files::read_text(&path)?;
        SigningKey::from_pkcs8_pem(&text)
            .map_err(|_| KeysError::Malformed { path, expected: "a private Ed25519 key (PKCS#8 PEM)" })
    }
}

/// Reads a public Ed25519 key (PEM).
pub fn ed25519_public(path: &Path) -> Result<VerifyingKey, KeysError> {
    let text = files::read_text(path)?;
    VerifyingKey::from_public_key_pem(&text)
        .map_err(|_| KeysError::Malformed { path: path.to_owned(), expected: "a public Ed25519 key (PEM)" })
}

/// Name of an Ed25519 key: SHA-256 of the raw public key, in hexadecimal.
pub fn key_id(key: &VerifyingKey) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// Opens a folder that [`init`] made: all files there, and none of the private ones readable by others. The key of crash reports
/// may be missing: older folders have none, and who builds images needs no private one.
pub fn load(folder: &Path) -> Result<Keys, KeysError> {
    let keys = Keys { folder: folder.to_owned() };
    let private = [keys.app_signing_key(), keys.folder.join("api-ca.key")].into_iter();
    let private =
        private.chain(Role::ALL.map(|role| keys.api_key(role))).chain(SecureBootKey::ALL.map(|key| keys.secure_boot_key(key)));
    let public = [keys.app_signing_public(), keys.api_ca()].into_iter();
    let public = public
        .chain(Role::ALL.map(|role| keys.api_certificate(role)))
        .chain(SecureBootKey::ALL.map(|key| keys.secure_boot_certificate(key)));
    closed_to_others(folder, 0o700)?;
    for path in private.chain([keys.crash_report_key()].into_iter().filter(|path| path.exists())) {
        closed_to_others(&path, 0o600)?;
    }
    match public.into_iter().find(|path| !path.exists()) {
        Some(missing) => Err(KeysError::Missing(missing)),
        None => Ok(keys),
    }
}

fn closed_to_others(path: &Path, expected: u32) -> Result<(), KeysError> {
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(KeysError::Missing(path.to_owned())),
        Err(error) => return Err(FileError::of("look at", path)(error).into()),
    };
    if mode & 0o077 == 0 { Ok(()) } else { Err(KeysError::Open { path: path.to_owned(), mode, expected }) }
}

/// Makes all keys in a folder that must not exist yet: in a temporary folder beside it first, so that an interrupted
/// run leaves nothing that looks like keys.
pub fn init(folder: &Path, progress: &mut dyn Progress) -> Result<Keys, KeysError> {
    if folder.symlink_metadata().is_ok() {
        return Err(KeysError::Exists(folder.to_owned()));
    }
    if let Some(parent) = folder.parent() {
        files::make_folder(parent)?;
    }
    let mut unfinished = folder.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Keys { folder: PathBuf::from(unfinished) };
    files::remove_folder(&unfinished.folder)?;
    DirBuilder::new().mode(0o700).create(&unfinished.folder).map_err(FileError::of("make folder", &unfinished.folder))?;
    make_all(&unfinished, progress)?;
    for path in files::list(&unfinished.folder)? {
        files::set_mode(&path, 0o600)?;
    }
    std::fs::rename(&unfinished.folder, folder).map_err(FileError::of("rename to", folder))?;
    load(folder)
}

fn make_all(keys: &Keys, progress: &mut dyn Progress) -> Result<(), KeysError> {
    let maker = Maker { configuration: keys.folder.join("openssl.cnf") };
    files::write_mode(&maker.configuration, OPENSSL_CONFIGURATION.as_bytes(), 0o600)?;
    maker.key(&["-algorithm", "ED25519"], &keys.app_signing_key(), progress)?;
    maker.public_part(&keys.app_signing_key(), &keys.app_signing_public(), progress)?;
    maker.key(&["-algorithm", "X25519"], &keys.crash_report_key(), progress)?;
    maker.public_part(&keys.crash_report_key(), &keys.crash_report_public(), progress)?;
    for key in SecureBootKey::ALL {
        maker.key(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &keys.secure_boot_key(key), progress)?;
        let subject = format!("/O=Holdfast/CN={}", key.stem());
        maker.self_signed(&keys.secure_boot_key(key), &keys.secure_boot_certificate(key), &subject, "secure_boot", progress)?;
    }
    let ca_key = keys.folder.join("api-ca.key");
    maker.key(EC_P256, &ca_key, progress)?;
    maker.self_signed(&ca_key, &keys.api_ca(), "/O=Holdfast/CN=device API CA", "ca", progress)?;
    for role in Role::ALL {
        maker.key(EC_P256, &keys.api_key(role), progress)?;
        maker.client(keys, &ca_key, role, progress)?;
    }
    files::remove(&maker.configuration)?;
    Ok(())
}

/// Runs `openssl` with our configuration.
struct Maker {
    configuration: PathBuf,
}

impl Maker {
    fn openssl(&self, subcommand: &str) -> Outside {
        Outside::new("openssl", "openssl").arg(subcommand).env("OPENSSL_CONF", &self.configuration)
    }

    fn key(&self, kind: &[&str], to: &Path, progress: &mut dyn Progress) -> Result<(), KeysError> {
        self.openssl("genpkey").args(kind).arg("-out").arg(to).run(progress)?;
        Ok(files::set_mode(to, 0o600)?)
    }

    fn public_part(&self, key: &Path, to: &Path, progress: &mut dyn Progress) -> Result<(), KeysError> {
        self.openssl("pkey").args(["-pubout", "-in"]).arg(key).arg("-out").arg(to).run(progress)?;
        Ok(())
    }

    fn self_signed(
        &self,
        key: &Path,
        to: &Path,
        subject: &str,
        extensions: &str,
        progress: &mut dyn Progress,
    ) -> Result<(), KeysError> {
        let command = self.openssl("req").args([
            "-new",
            "-x509",
            "-sha256",
            "-days",
            CERTIFICATE_DAYS,
            "-subj",
            subject,
            "-extensions",
            extensions,
        ]);
        command.arg("-key").arg(key).arg("-out").arg(to).run(progress)?;
        Ok(())
    }

    fn client(&self, keys: &Keys, ca_key: &Path, role: Role, progress: &mut dyn Progress) -> Result<(), KeysError> {
        let request = keys.folder.join("request.csr");
        let subject = format!("/O=Holdfast/OU={0}/CN={0}", role.name());
        self.openssl("req")
            .args(["-new", "-subj", &subject, "-key"])
            .arg(keys.api_key(role))
            .arg("-out")
            .arg(&request)
            .run(progress)?;
        let command =
            self.openssl("x509").args(["-req", "-sha256", "-days", CERTIFICATE_DAYS, "-extensions", "client", "-extfile"]);
        let command =
            command.arg(&self.configuration).arg("-in").arg(&request).arg("-CA").arg(keys.api_ca()).arg("-CAkey").arg(ca_key);
        command.arg("-out").arg(keys.api_certificate(role)).run(progress)?;
        Ok(files::remove(&request)?)
    }
}

const EC_P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"];

/// A century: development keys are replaced by a new folder, not by renewal, and a device whose clock is years ahead must
/// still let its owner in.
const CERTIFICATE_DAYS: &str = "36500";

const OPENSSL_CONFIGURATION: &str = "\
[req]
distinguished_name = dn
prompt = no
string_mask = utf8only
[dn]
[secure_boot]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{crash_key, progress::Silent};

    #[test]
    fn keys_are_made_once_and_only_their_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("keys");
        let keys = init(&folder, &mut Silent).unwrap();
        for path in files::list(&folder).unwrap() {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
        assert!(matches!(init(&folder, &mut Silent), Err(KeysError::Exists(_))));
        assert_eq!(keys.app_signer().unwrap().verifying_key(), ed25519_public(&keys.app_signing_public()).unwrap());
        crash_key::private(&keys.crash_report_key()).unwrap();
        crash_key::public(&keys.crash_report_public()).unwrap();

        let verify = Outside::new("openssl", "openssl").args(["verify", "-purpose", "sslclient", "-CAfile"]).arg(keys.api_ca());
        verify.arg(keys.api_certificate(Role::Viewer)).run(&mut Silent).unwrap();
        let subject = Outside::new("openssl", "openssl")
            .args(["x509", "-noout", "-subject", "-in"])
            .arg(keys.api_certificate(Role::Viewer));
        let subject = String::from_utf8(subject.run(&mut Silent).unwrap()).unwrap();
        assert!(subject.contains("OU = viewer"), "{subject}");

        for key in [keys.app_signing_key(), keys.crash_report_key()] {
            files::set_mode(&key, 0o644).unwrap();
            assert!(matches!(load(&folder), Err(KeysError::Open { .. })));
            files::set_mode(&key, 0o600).unwrap();
        }
        files::remove(&keys.crash_report_key()).unwrap();
        load(&folder).unwrap();
        files::remove(&keys.app_signing_key()).unwrap();
        assert!(matches!(load(&folder), Err(KeysError::Missing(_))));
    }
}
