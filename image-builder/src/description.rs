//! The image description, `boards/images/<name>.json`: what a device's image consists of, typed and closed.

use crate::{
    cmdline::CONSOLE,
    files::{self, FileError},
    kernel::Configuration,
};
use manifest::{
    board::{Board, BoardError},
    image::Role,
    names::{DisplayName, ServiceName},
    network::NetworkConfig,
    read::{self, ReadError},
    service::{Capability, DescriptorSource, Service, ServiceTable, ServiceTableError},
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An image description as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The product's name.
    pub product: DisplayName,
    /// Its version, for people.
    pub version: String,
    /// The board: `boards/<board>.json`.
    pub board: DisplayName,
    /// Services by name: `buildroot-config/services/<name>.json`.
    pub services: Vec<ServiceName>,
    /// Whether this is a test image, which may carry the probe. Never true in a product.
    #[serde(default)]
    pub test: bool,
    /// Whether the daemons confine themselves. False only in a test image: what the tests of confinement must fail on.
    #[serde(default = "confined", skip_serializing_if = "Clone::clone")]
    pub confined: bool,
    /// Least role of a client of the device API that may replace an app by an older version. Absent: nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgrade: Option<Role>,
    /// Least role of a client of the device API that may debug apps, operator at least. Absent: nobody may, no debugger is in the image, and the
    /// kernel lets no process trace another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<Role>,
    /// How long apps whose manifests let them may put an update off. Absent: a day. Nobody may with 0.
    #[serde(default = "manifest::image::defer_updates")]
    pub defer_updates: manifest::quantity::Delay,
    /// The time zone, as the variable `TZ` of apps has it, until an app sets another one. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<manifest::names::TimeZone>,
    /// The kernel. The attack suite's only in a test image: it has everything built in that a device must not have.
    #[serde(default, skip_serializing_if = "is_product")]
    pub kernel: Configuration,
    /// Links and addresses.
    #[serde(default)]
    pub network: NetworkConfig,
    /// Certificates (PEM) whose clients device-api accepts; relative to this file. Absent: `api-ca.pem` of the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_ca: Option<PathBuf>,
    /// Who may sign apps. Absent: `app-signing.pub` of the keys, role `app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_signers: Option<Vec<AppSigner>>,
    /// Public X25519 key (PEM) that crash reports of apps are sealed to; relative to this file. Absent: `crash-report.pub` of the
    /// keys. An image without crash-reporter needs neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_key: Option<PathBuf>,
    /// Room of the data partition in a disk image that is made for a virtual machine.
    #[serde(default = "default_data_size")]
    pub data_size: manifest::quantity::Bytes,
}

/// A key that may sign apps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSigner {
    /// Public Ed25519 key (PEM); relative to the description.
    pub key: PathBuf,
    /// What it may sign.
    pub roles: Vec<manifest::trust::SigningRole>,
    /// Whose key it is, for people.
    pub comment: String,
}

fn is_product(kernel: &Configuration) -> bool {
    *kernel == Configuration::Product
}

const fn confined() -> bool {
    true
}

const fn default_data_size() -> manifest::quantity::Bytes {
    manifest::quantity::Bytes::mib(256)
}

/// A description with the files it names, all read and checked against each other.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The description.
    pub description: Description,
    /// Where it was read from.
    pub path: PathBuf,
    /// The board file's bytes, as they go into the image.
    pub board: Vec<u8>,
    /// The service table: the rows that the description names.
    pub services: ServiceTable,
}

/// Why a description was refused.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what it should be.
    #[error("{}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ReadError,
    },
    /// The board file is wrong.
    #[error("{}", file.display())]
    Board {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: BoardError,
    },
    /// The services do not fit together.
    #[error("{}, services", file.display())]
    Services {
        /// The description.
        file: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: ServiceTableError,
    },
    /// The description says something that is not allowed.
    #[error("{}, {field}: {found}; expected {expected}", file.display())]
    Value {
        /// The description.
        file: PathBuf,
        /// Path inside it.
        field: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

impl Description {
    /// Reads a description from its bytes; `file` is only for the words of errors.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, DescriptionError> {
        let description: Self = read::json("image description", bytes, DESCRIPTION_LIMIT)
            .map_err(|source| DescriptionError::Read { file: file.to_owned(), source })?;
        description.check(file)?;
        Ok(description)
    }

    /// Reads the description at `path`.
    pub fn load(path: &Path) -> Result<Self, DescriptionError> {
        Self::parse(path, &files::read(path)?)
    }

    fn check(&self, file: &Path) -> Result<(), DescriptionError> {
        let refuse = |field: String, found: String, expected| {
            Err(DescriptionError::Value { file: file.to_owned(), field, found, expected })
        };
        if let Some(at) = self.services.iter().position(|name| name.as_str() == PROBE)
            && !self.test
        {
            let expected = "a product without it, or `\"test\": true`: the probe is root and obeys whoever runs the machine";
            return refuse(format!("services[{at}]"), "`probe` in an image that is no test image".into(), expected);
        }
        if !self.confined && !self.test {
            return refuse(
                "confined".into(),
                "false in an image that is no test image".into(),
                "no such field, or `\"test\": true`",
            );
        }
        if self.kernel != Configuration::Product && !self.test {
            return refuse(
                "kernel".into(),
                "the attack suite's kernel in an image that is no test image".into(),
                "no such field, or `\"test\": true`",
            );
        }
        let version_part = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        if self.version.is_empty() || self.version.len() > 64 || !self.version.chars().all(version_part) {
            return refuse("version".into(), format!("`{}`", self.version.escape_default()), "1 to 64 letters, digits and ._+-");
        }
        if self.board.as_str().contains(['/', '.']) {
            return refuse(
                "board".into(),
                format!("`{}`", self.board),
                "the name of a file in boards/, without folder and `.json`",
            );
        }
        if self.debug == Some(Role::Viewer) {
            let expected = "`operator` or `developer`: who may look may not stop an app and change what it holds";
            return refuse("debug".into(), "`viewer`".into(), expected);
        }
        if self.data_size.0 < SMALLEST_DATA || !self.data_size.0.is_multiple_of(1 << 20) {
            return refuse("data_size".into(), self.data_size.to_string(), "whole MiB, 32MiB at least");
        }
        if self.app_signers.as_ref().is_some_and(Vec::is_empty) {
            return refuse(
                "app_signers".into(),
                "an empty list".into(),
                "at least one key, or no such field: then the keys folder's own",
            );
        }
        Ok(())
    }
}

impl Resolved {
    /// Reads the description at `path` and the files it names below `workspace`.
    pub fn load(workspace: &Path, path: &Path) -> Result<Self, DescriptionError> {
        let description = Description::load(path)?;
        let (board, parsed) = named_board(workspace, path, &description)?;
        let mut rows = Vec::new();
        for (at, name) in description.services.iter().enumerate() {
            let row = service_row(workspace, path, at, name)?;
            check_row(path, at, &row, &parsed, description.test)?;
            rows.push(row);
        }
        if description.test {
            open_to_the_probe(&mut rows);
        }
        let services = check_table(path, &rows)?;
        Ok(Self { description, path: path.to_owned(), board, services })
    }

    /// Whether the image makes crash reports, which need a key.
    pub fn has_crash_reporter(&self) -> bool {
        self.services.services.iter().any(|service| service.name.as_str() == CRASH_REPORTER)
    }

    /// A path in the description, which is relative to the description.
    pub fn beside(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(path)
    }
}

fn named_board(workspace: &Path, path: &Path, description: &Description) -> Result<(Vec<u8>, Board), DescriptionError> {
    let file = workspace.join("boards").join(format!("{}.json", description.board));
    if !file.exists() {
        let found = format!("`{}`, but there is no {}", description.board, file.display());
        let expected = "the name of a board file in boards/";
        return Err(DescriptionError::Value { file: path.to_owned(), field: "board".into(), found, expected });
    }
    let bytes = files::read(&file)?;
    let board = Board::parse(&bytes).map_err(|source| DescriptionError::Board { file: file.clone(), source })?;
    if let Some(at) = board.uart.iter().position(|port| port.device.as_str() == CONSOLE) {
        let (field, found) = (format!("uart[{at}].device"), format!("`{CONSOLE}`, which is the console"));
        return Err(DescriptionError::Value {
            file,
            field,
            found,
            expected: "another port: an app there could write in init's name",
        });
    }
    Ok((bytes, board))
}

fn service_row(workspace: &Path, path: &Path, at: usize, name: &ServiceName) -> Result<Service, DescriptionError> {
    let file = workspace.join("buildroot-config/services").join(format!("{name}.json"));
    if !file.exists() {
        let found = format!("`{name}`, but there is no {}", file.display());
        let expected = "the name of a file in buildroot-config/services/";
        return Err(DescriptionError::Value { file: path.to_owned(), field: format!("services[{at}]"), found, expected });
    }
    let row: Service = read::json("service", &files::read(&file)?, DESCRIPTION_LIMIT)
        .map_err(|source| DescriptionError::Read { file: file.clone(), source })?;
    if row.name != *name {
        let found = format!("`{}`", row.name);
        return Err(DescriptionError::Value { file, field: "name".into(), found, expected: "the file's own name" });
    }
    Ok(row)
}

/// What a service may have only in some images: everything (the probe of a test image), simulated lines (a board that
/// has them).
fn check_row(path: &Path, at: usize, row: &Service, board: &Board, test: bool) -> Result<(), DescriptionError> {
    let refuse = |found: String, expected| {
        Err(DescriptionError::Value { file: path.to_owned(), field: format!("services[{at}]"), found, expected })
    };
    let all = row.capabilities.contains(&Capability::All);
    if all && !(test && row.name.as_str() == PROBE) {
        return refuse(format!("`{}` with capability ALL", row.name), "single capabilities: only a test image's probe has all");
    }
    if row.callers.values().flatten().any(|request| request == "*") {
        return refuse(
            format!("`{}` that takes any request (`*`)", row.name),
            "requests by name: a test image's probe is added by the build",
        );
    }
    let simulated = row.descriptors.iter().any(|descriptor| descriptor.source == DescriptorSource::SimulatedPulls);
    if simulated && board.simulator.is_none() {
        return refuse(
            format!("`{}`, which wants simulated GPIO lines", row.name),
            "a board with a simulator, or an image without that service",
        );
    }
    Ok(())
}

/// In a test image the probe may send anything to anyone: tests look at a service from inside by its own protocol.
fn open_to_the_probe(rows: &mut [Service]) {
    let Some(probe) = rows.iter().find(|row| row.name.as_str() == PROBE).map(|row| row.name.clone()) else { return };
    for row in rows.iter_mut().filter(|row| row.name != probe) {
        row.callers.insert(probe.clone(), vec!["*".into()]);
    }
}

/// Checks the joined rows with the very parser that init uses.
fn check_table(file: &Path, rows: &[Service]) -> Result<ServiceTable, DescriptionError> {
    let error = |source| DescriptionError::Services { file: file.to_owned(), source };
    // A value of these types always becomes JSON: its maps have text keys and its numbers are finite.
    let bytes = serde_json::to_vec(&ServiceTable { services: rows.to_vec() }).unwrap_or_default();
    ServiceTable::parse(&bytes).map_err(error)
}

/// The service that only test images may have.
const PROBE: &str = "probe";
/// The service that seals crash reports.
const CRASH_REPORTER: &str = "crash-reporter";
/// Longest description or service row that is read.
const DESCRIPTION_LIMIT: usize = 256 * 1024;
/// Below it the template does not fit with room for anything.
const SMALLEST_DATA: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"product":"P","version":"1.0","board":"b","services":["a"]}"#;

    fn parse(text: &str) -> Result<Description, String> {
        Description::parse(Path::new("images/x.json"), text.as_bytes()).map_err(|e| {
            let source = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
            format!("{e}: {source}")
        })
    }

    #[test]
    fn a_plain_description_is_read() {
        assert_eq!(parse(GOOD).unwrap().data_size, default_data_size());
    }

    #[test]
    fn a_misspelt_field_is_named_with_file_and_suggestion() {
        let error = parse(&GOOD.replace("services", "servces")).unwrap_err();
        assert!(error.starts_with("images/x.json") && error.contains("did you mean `services`?"), "{error}");
    }

    #[test]
    fn the_probe_is_refused_unless_the_description_says_test() {
        let with_probe = GOOD.replace("[\"a\"]", "[\"a\",\"probe\"]");
        let error = parse(&with_probe).unwrap_err();
        assert!(error.contains("services[1]") && error.contains("test"), "{error}");
        assert!(parse(&with_probe.replace("\"version\"", "\"test\":true,\"version\"")).is_ok());
    }

    #[test]
    fn daemons_without_confinement_are_refused_unless_the_description_says_test() {
        let unconfined = GOOD.replace("\"version\"", "\"confined\":false,\"version\"");
        let error = parse(&unconfined).unwrap_err();
        assert!(error.contains("confined") && error.contains("test"), "{error}");
        assert!(parse(&unconfined.replace("\"version\"", "\"test\":true,\"version\"")).is_ok());
    }

    #[test]
    fn the_attack_suites_kernel_is_refused_unless_the_description_says_test() {
        let attack = GOOD.replace("\"version\"", "\"kernel\":\"attack\",\"version\"");
        let error = parse(&attack).unwrap_err();
        assert!(error.contains("kernel") && error.contains("test"), "{error}");
        assert!(parse(&attack.replace("\"version\"", "\"test\":true,\"version\"")).is_ok());
    }

    #[test]
    fn wrong_values_are_named_with_what_was_expected() {
        for (from, to, field) in [
            ("\"1.0\"", "\"\"", "version"),
            ("\"1.0\"", "\"1/0\"", "version"),
            ("\"board\":\"b\"", "\"board\":\"../b\"", "board"),
            ("\"board\"", "\"app_signers\":[],\"board\"", "app_signers"),
            ("\"board\"", "\"data_size\":\"1MiB\",\"board\"", "data_size"),
            ("\"board\"", "\"debug\":\"viewer\",\"board\"", "debug"),
        ] {
            let error = parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(&format!(", {field}: ")) && error.contains("expected"), "{error}");
        }
        assert!(parse(&GOOD.replace("\"1.0\"", "1.0")).unwrap_err().contains("at version"));
        assert!(parse(&GOOD.replace("{\"product\"", "{\"version\":\"1\",\"product\"")).unwrap_err().contains("duplicate field"));
    }

    /// A workspace with one board, one service, and this description.
    fn resolve(board: &str, service: &str, description: &str) -> Result<Resolved, String> {
        let folder = tempfile::tempdir().unwrap();
        let services = folder.path().join("buildroot-config/services");
        files::make_folder(&services).unwrap();
        files::make_folder(&folder.path().join("boards")).unwrap();
        files::write(&folder.path().join("boards/b.json"), board.as_bytes()).unwrap();
        files::write(&services.join("a.json"), service.as_bytes()).unwrap();
        let path = folder.path().join("image.json");
        files::write(&path, description.as_bytes()).unwrap();
        Resolved::load(folder.path(), &path).map_err(|e| {
            let source = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
            format!("{e}: {source}")
        })
    }

    const BOARD: &str = r#"{"name":"b"}"#;
    const SERVICE: &str =
        r#"{"name":"a","purpose":"p","exec":"/usr/lib/holdfast/a","uid":1,"gid":1,"on_exit":"restart","memory":"8MiB","pids":4}"#;

    #[test]
    fn a_name_without_a_file_is_refused_where_it_stands() {
        assert!(resolve(BOARD, SERVICE, GOOD).is_ok());
        let error = resolve(BOARD, SERVICE, &GOOD.replace("[\"a\"]", "[\"a\",\"other\"]")).unwrap_err();
        assert!(error.contains("image.json, services[1]: `other`"), "{error}");
        let error = resolve(BOARD, SERVICE, &GOOD.replace("\"b\"", "\"c\"")).unwrap_err();
        assert!(error.contains("image.json, board: `c`"), "{error}");
        let error = resolve(BOARD, &SERVICE.replace("\"a\"", "\"x\""), GOOD).unwrap_err();
        assert!(error.contains("a.json, name: `x`"), "{error}");
    }

    #[test]
    fn what_only_test_images_and_virtual_boards_may_have_is_refused_elsewhere() {
        let with = |field: &str| SERVICE.replace("\"uid\":1", &format!("{field},\"uid\":1"));
        for (field, part) in [
            ("\"capabilities\":[\"ALL\"]", "capability ALL"),
            ("\"callers\":{\"a\":[\"*\"]}", "any request"),
            ("\"descriptors\":[{\"name\":\"p\",\"source\":\"simulated-pulls\"}]", "simulated GPIO"),
        ] {
            let error = resolve(BOARD, &with(field), GOOD).unwrap_err();
            assert!(error.contains("services[0]") && error.contains(part), "{error}");
        }
        let board = r#"{"name":"b","simulator":{"label":"l","lines":8}}"#;
        assert!(resolve(board, &with("\"descriptors\":[{\"name\":\"p\",\"source\":\"simulated-pulls\"}]"), GOOD).is_ok());
    }

    #[test]
    fn no_app_gets_the_console() {
        let board = r#"{"name":"b","uart":[{"name":"$P","device":"ttyS0"}]}"#;
        let error = resolve(board, SERVICE, GOOD).unwrap_err();
        assert!(error.contains("boards/b.json, uart[0].device: `ttyS0`, which is the console"), "{error}");
        assert!(resolve(&board.replace("ttyS0", "ttyS1"), SERVICE, GOOD).is_ok());
    }

    #[test]
    fn a_misspelt_key_in_a_service_or_board_names_its_file() {
        let error = resolve(BOARD, &SERVICE.replace("pids", "pid"), GOOD).unwrap_err();
        assert!(error.contains("services/a.json") && error.contains("unknown field `pid`"), "{error}");
        let error = resolve(r#"{"nam":"b"}"#, SERVICE, GOOD).unwrap_err();
        assert!(error.contains("boards/b.json") && error.contains("unknown field `nam`"), "{error}");
    }

    #[test]
    fn descriptions_in_the_repository_resolve() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let product = Resolved::load(workspace, &workspace.join("boards/images/qemu.json")).unwrap();
        assert!(
            product.services.services.iter().all(|s| s.name.as_str() != PROBE && !s.callers.keys().any(|c| c.as_str() == PROBE))
        );
        let test = Resolved::load(workspace, &workspace.join("boards/images/qemu-test.json")).unwrap();
        let open = |s: &Service| s.callers.iter().any(|(name, what)| name.as_str() == PROBE && what == &["*"]);
        assert!(test.services.services.iter().all(|s| s.name.as_str() == PROBE || open(s)));
    }
}
