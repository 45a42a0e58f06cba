//! The root's content: what is laid where, with which mode. Nothing of the building machine reaches it.

use crate::{
    crash_key,
    description::Resolved,
    files::{self, FileError},
    keys::{self, Keys, KeysError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use manifest::{
    image::DeviceImage,
    names::Sha256Hex,
    places,
    read::ReadError,
    service::ServiceTable,
    sysctl::SysctlTable,
    trust::{KeyAlgorithm, SigningRole, TrustStore, TrustedKey},
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What goes into a root.
#[derive(Debug)]
pub struct Content<'a> {
    /// The description and what it names.
    pub resolved: &'a Resolved,
    /// The owner's keys.
    pub keys: &'a Keys,
    /// Folder of the sysctl table.
    pub configuration: &'a Path,
    /// Folder of the device's programs.
    pub programs: &'a Path,
    /// The data partition's template.
    pub data_template: &'a Path,
    /// Folder of what apps are debugged with, if they may be.
    pub debugger: Option<&'a Path>,
    /// Build time in seconds since 1970.
    pub build_time: u64,
}

/// Why a root could not be laid out.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key is wrong.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The sysctl table is wrong.
    #[error("{}", file.display())]
    Sysctl {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ReadError,
    },
    /// A service's program lies elsewhere.
    #[error("service `{service}`, exec: `{exec}`; expected a program directly in {}", places::LIB)]
    Exec {
        /// The service.
        service: String,
        /// Its program.
        exec: String,
    },
    /// The CA file holds no certificate.
    #[error("{} is not a certificate (PEM)", .0.display())]
    Certificate(PathBuf),
    /// A value that could not become JSON.
    #[error("cannot write {0}")]
    Json(&'static str, #[source] serde_json::Error),
}

/// Names of the programs that a device with these services needs: init and each service's own.
pub fn programs(services: &ServiceTable) -> Result<Vec<String>, RootError> {
    let mut names = vec!["init".to_owned()];
    for service in &services.services {
        let exec = service.exec.as_str();
        let name = exec.strip_prefix(places::LIB).and_then(|rest| rest.strip_prefix('/')).filter(|name| !name.contains('/'));
        let name = name.ok_or_else(|| RootError::Exec { service: service.name.to_string(), exec: exec.into() })?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Lays the root out in the folder `tree`, which is emptied first.
pub fn lay_out(content: &Content<'_>, tree: &Path) -> Result<(), RootError> {
    files::remove_folder(tree)?;
    let lib = tree.join(places::LIB.trim_start_matches('/'));
    files::make_folder(&lib)?;
    for (name, mode) in MOUNT_POINTS {
        files::make_folder(&tree.join(name))?;
        files::set_mode(&tree.join(name), mode)?;
    }
    for folder in [tree, &tree.join("usr"), &tree.join("usr/lib"), &lib] {
        files::set_mode(folder, 0o755)?;
    }
    for program in programs(&content.resolved.services)? {
        files::copy(&content.programs.join(&program), &lib.join(&program), 0o755)?;
    }
    let at = |place: &str| tree.join(place.trim_start_matches('/'));
    files::write(&at(places::SERVICES), &json("services.json", &content.resolved.services)?)?;
    files::write(&at(places::BOARD), &content.resolved.board)?;
    files::write(&at(places::NETWORK), &json("network.json", &content.resolved.description.network)?)?;
    files::write(&at(places::SYSCTL), &sysctl(content)?)?;
    files::write(&at(places::IMAGE), &json("image.json", &device_image(content))?)?;
    files::write(&at(places::TRUST), &json("trust.json", &trust(content)?)?)?;
    files::write(&at(places::API_CA), &api_ca(content)?)?;
    if let Some(key) = crash_key(content.resolved, content.keys)? {
        files::write(&at(places::CRASH_KEY), &key)?;
    }
    if let Some(debugger) = content.debugger {
        let folder = at(places::DEBUG_TOOLS);
        files::make_folder(&folder)?;
        files::set_mode(&folder, 0o755)?;
        for file in files::list(debugger)? {
            files::copy(&file, &folder.join(file.file_name().unwrap_or_default()), 0o755)?;
        }
    }
    Ok(files::copy(content.data_template, &at(places::DATA_TEMPLATE), 0o644)?)
}

fn device_image(content: &Content<'_>) -> DeviceImage {
    let description = &content.resolved.description;
    DeviceImage {
        name: description.product.clone(),
        version: description.version.clone(),
        build_time: content.build_time,
        platform_abi: places::PLATFORM_ABI,
        test: description.test,
        downgrade: description.downgrade,
        debug: description.debug,
        defer_updates: description.defer_updates,
        time_zone: description.time_zone.clone(),
    }
}

/// The table as it is written, unless apps may be debugged: that takes ptrace, by a process of its own children.
fn sysctl(content: &Content<'_>) -> Result<Vec<u8>, RootError> {
    let file = content.configuration.join("sysctl.json");
    let bytes = files::read(&file)?;
    let mut table = SysctlTable::parse(&bytes).map_err(|source| RootError::Sysctl { file, source })?;
    if content.debugger.is_none() {
        return Ok(bytes);
    }
    for setting in table.settings.iter_mut().filter(|setting| setting.key.as_str() == "kernel.yama.ptrace_scope") {
        setting.value = "1".to_owned();
        setting.reason =
            "This image lets apps be debugged: who starts a process may trace it, if its filter lets it trace.".to_owned();
    }
    json("sysctl.json", &table)
}

fn trust(content: &Content<'_>) -> Result<TrustStore, RootError> {
    let own = || vec![(content.keys.app_signing_public(), vec![SigningRole::App], "made by `holdfast keys init`".to_owned())];
    let signers = match &content.resolved.description.app_signers {
        Some(signers) => signers.iter().map(|s| (content.resolved.beside(&s.key), s.roles.clone(), s.comment.clone())).collect(),
        None => own(),
    };
    let mut keys = Vec::new();
    for (path, roles, comment) in signers {
        let key = keys::ed25519_public(&path)?;
        let malformed = |_| KeysError::Malformed { path: path.clone(), expected: "an Ed25519 key" };
        let key_id: Sha256Hex = keys::key_id(&key).parse().map_err(malformed)?;
        keys.push(TrustedKey {
            algorithm: KeyAlgorithm::Ed25519,
            key_id,
            public_key: STANDARD.encode(key.as_bytes()),
            roles,
            comment,
        });
    }
    Ok(TrustStore { keys })
}

fn api_ca(content: &Content<'_>) -> Result<Vec<u8>, RootError> {
    let path =
        content.resolved.description.api_ca.as_ref().map_or_else(|| content.keys.api_ca(), |path| content.resolved.beside(path));
    let bytes = files::read(&path)?;
    match x509_cert::Certificate::load_pem_chain(&bytes) {
        Ok(chain) if !chain.is_empty() => Ok(bytes),
        _ => Err(RootError::Certificate(path)),
    }
}

/// The key that crash reports are sealed to, in an image that makes some.
pub fn crash_key(resolved: &Resolved, keys: &Keys) -> Result<Option<[u8; crash_key::LENGTH]>, KeysError> {
    if !resolved.has_crash_reporter() {
        return Ok(None);
    }
    match &resolved.description.crash_key {
        Some(path) => crash_key::public(&resolved.beside(path)),
        None => crash_key::public_of(keys),
    }
    .map(Some)
}

fn json<T: Serialize>(name: &'static str, value: &T) -> Result<Vec<u8>, RootError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|source| RootError::Json(name, source))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Empty folders that file systems are mounted on, with the mode that is seen before that.
const MOUNT_POINTS: [(&str, u32); 6] =
    [("proc", 0o555), ("sys", 0o555), ("dev", 0o755), ("run", 0o755), ("data", 0o755), ("tmp", 0o1777)];
