//! The same inputs give the same bytes: in another folder, at another time, with another umask, as another user.
//!
//! The inputs are small stand-ins (programs that are bytes, a kernel that is bytes) around the repository's own
//! description, tables and the distribution's real tools, so that it takes seconds. `tests/tests/images.rs` does
//! the same with all that is real.

use image_builder::{
    BuildOptions, Silent,
    authenticode::Signer,
    cmdline::CommandLine,
    crash_key, data_template,
    description::Resolved,
    disk::{self, Layout},
    erofs, esp, files,
    keys::{self, KeysError, SecureBootKey},
    root::{self, Content, RootError},
    secure_boot,
    uki::{self, Parts},
    verity,
};
use manifest::{names::Sha256Hex, places};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const BUILD_TIME: u64 = 1_764_000_000;
/// Set for the copy of this test that runs as another user.
const OTHER_USER: &str = "HOLDFAST_TEST_OTHER_USER";

#[test]
fn another_folder_time_umask_and_user_change_nothing() {
    if let Some(folder) = std::env::var_os(OTHER_USER) {
        image(Path::new(&folder));
        return;
    }
    let inputs = tempfile::tempdir().unwrap();
    make_inputs(inputs.path());
    let here = tempfile::tempdir().unwrap();
    let here = with_inputs(inputs.path(), here.path());
    let first = image(&here);
    // Beyond the resolution of FAT's and ext4's old time stamps.
    std::thread::sleep(std::time::Duration::from_millis(2100));

    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let there = with_inputs(inputs.path(), &elsewhere.path().join("quite/another place"));
    assert_eq!(first, image_as_other_user(elsewhere.path(), &there));
}

#[test]
fn a_root_holds_the_raw_key_of_crash_reports_that_the_description_names_or_the_keys_folder_has() {
    let folder = tempfile::tempdir().unwrap();
    make_inputs(folder.path());
    let at = |name: &str| folder.path().join(name);
    files::write(&at("template"), b"").unwrap();
    let keys = keys::load(&at("keys")).unwrap();
    let other = keys::init(&at("other"), &mut Silent).unwrap();
    let mut resolved = Resolved::load(&at("repository"), &at("repository/boards/images/qemu.json")).unwrap();
    let mut laid = |named: Option<PathBuf>| {
        resolved.description.crash_key = named;
        let content = Content {
            resolved: &resolved,
            keys: &keys,
            configuration: &at("repository/buildroot-config"),
            programs: &at("programs"),
            data_template: &at("template"),
            debugger: None,
            build_time: BUILD_TIME,
        };
        root::lay_out(&content, &at("tree"))?;
        files::read(&at("tree").join(places::CRASH_KEY.trim_start_matches('/'))).map_err(RootError::from)
    };
    assert_eq!(laid(None).unwrap(), crash_key::public_of(&keys).unwrap());
    assert_eq!(laid(Some(other.crash_report_public())).unwrap(), crash_key::public_of(&other).unwrap());
    assert!(matches!(laid(Some(other.app_signing_public())), Err(RootError::Keys(KeysError::Malformed { .. }))));
    files::remove(&keys.crash_report_public()).unwrap();
    assert!(matches!(laid(None), Err(RootError::Keys(KeysError::NoCrashKey { .. }))));
}

#[test]
fn an_image_without_crash_reporter_needs_no_key_of_crash_reports_and_has_none() {
    let folder = tempfile::tempdir().unwrap();
    make_inputs(folder.path());
    let at = |name: &str| folder.path().join(name);
    files::write(&at("template"), b"").unwrap();
    let keys = keys::load(&at("keys")).unwrap();
    files::remove(&keys.crash_report_public()).unwrap();
    let mut resolved = Resolved::load(&at("repository"), &at("repository/boards/images/qemu.json")).unwrap();
    resolved.services.services.retain(|service| service.name.as_str() != "crash-reporter");
    let content = Content {
        resolved: &resolved,
        keys: &keys,
        configuration: &at("repository/buildroot-config"),
        programs: &at("programs"),
        data_template: &at("template"),
        debugger: None,
        build_time: BUILD_TIME,
    };
    root::lay_out(&content, &at("tree")).unwrap();
    assert!(!at("tree").join(places::CRASH_KEY.trim_start_matches('/')).exists());
}

#[test]
fn the_plan_names_the_crash_key_and_the_debuggers_source_where_an_image_needs_them() {
    let folder = tempfile::tempdir().unwrap();
    make_inputs(folder.path());
    let at = |name: &str| folder.path().join(name);
    // The one row that names crash-reporter, so that there may be an image without it.
    let monitor = at("repository/buildroot-config/services/security-monitor.json");
    let row = files::read_text(&monitor).unwrap().replace("    \"crash-reporter\": [\n      \"report-threat\"\n    ],\n", "");
    files::write(&monitor, row.as_bytes()).unwrap();
    let description = at("repository/boards/images/qemu.json");
    let text = files::read_text(&description).unwrap();
    let inputs = |from: &str, to: &str| {
        files::write(&description, text.replacen(from, to, 1).as_bytes()).unwrap();
        let options = BuildOptions {
            workspace: at("repository"),
            description: description.clone(),
            keys: at("keys"),
            output: at("output"),
            kernel_source: None,
            build_time: Some(BUILD_TIME),
            jobs: None,
        };
        let root = image_builder::plan(&options).unwrap().into_iter().find(|step| step.name == "root").unwrap();
        root.inputs.into_iter().filter(|path| path.ends_with("tracer.c") || path.extension() == Some("pub".as_ref())).collect()
    };
    let (app, crash, tracer) = (at("keys/app-signing.pub"), at("keys/crash-report.pub"), at("repository/debugger/tracer.c"));
    let named = at("repository/boards/images/vendor.pub");
    let planned = [
        ("", "", vec![&app, &crash, &tracer]),
        ("\"product\"", "\"crash_key\":\"vendor.pub\",\"product\"", vec![&app, &named, &tracer]),
        ("    \"crash-reporter\",\n", "", vec![&app, &tracer]),
        ("  \"debug\": \"developer\",\n", "", vec![&app, &crash]),
    ];
    for (from, to, expected) in planned {
        let found: Vec<PathBuf> = inputs(from, to);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{to}");
    }
}

/// Digests of all parts, in order of making.
fn image(folder: &Path) -> Vec<(String, Sha256Hex)> {
    let at = |name: &str| folder.join(name);
    let keys = keys::load(&at("keys")).unwrap();
    let resolved = Resolved::load(&at("repository"), &at("repository/boards/images/qemu.json")).unwrap();
    data_template::make(&at("template"), BUILD_TIME, &mut Silent).unwrap();
    let configuration = at("repository/buildroot-config");
    let content = Content {
        resolved: &resolved,
        keys: &keys,
        configuration: &configuration,
        programs: &at("programs"),
        data_template: &at("template"),
        debugger: None,
        build_time: BUILD_TIME,
    };
    root::lay_out(&content, &at("tree")).unwrap();
    erofs::make(&at("tree"), &at("erofs"), BUILD_TIME, &mut Silent).unwrap();
    let tree = verity::seal(&at("erofs"), &at("root")).unwrap();
    let line = CommandLine::load(&configuration.join("kernel/cmdline.json")).unwrap().for_root(&tree, "root-a").unwrap();
    let signer =
        Signer::load(&keys.secure_boot_key(SecureBootKey::Db), &keys.secure_boot_certificate(SecureBootKey::Db)).unwrap();
    let parts = Parts {
        stub: Path::new(uki::STUB),
        kernel: &at("kernel"),
        command_line: &line,
        product: &resolved.description.product,
        version: "1",
    };
    uki::make(&parts, &signer, &at("unsigned"), &at("uki")).unwrap();
    secure_boot::variables(&keys, &at("variables")).unwrap();
    esp::make(&at("uki"), &at("esp"), esp::size_for(files::size(&at("uki")).unwrap(), 4)).unwrap();
    let layout = Layout {
        esp: &at("esp"),
        root: &at("root"),
        root_size: disk::root_size_for(files::size(&at("root")).unwrap(), 4),
        data_size: 32 << 20,
    };
    disk::make(&layout, &at("disk")).unwrap();
    let parts = ["template", "erofs", "root", "uki", "variables", "esp", "disk"];
    parts.map(|name| (name.to_owned(), files::sha256(&at(name)).unwrap())).into()
}

/// The image as the user `nobody` with another umask, where this test runs as root; else as the same user.
fn image_as_other_user(accessible: &Path, folder: &Path) -> Vec<(String, Sha256Hex)> {
    let program = accessible.join("test");
    files::copy(&std::env::current_exe().unwrap(), &program, 0o755).unwrap();
    files::set_mode(accessible, 0o755).unwrap();
    let root = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap().trim() == "0";
    let mut command = Command::new("sh");
    let (before, user) =
        if root { ("chown -R 65534:65534 \"$1\";", "setpriv --reuid=65534 --regid=65534 --clear-groups") } else { ("", "env") };
    command
        .arg("-c")
        .arg(format!("umask 077; {before} exec {user} \"$2\" --exact another_folder_time_umask_and_user_change_nothing"));
    command
        .arg("sh")
        .arg(folder)
        .arg(&program)
        .env(OTHER_USER, folder)
        .env("HOME", "/nonexistent")
        .env("LANG", "de_DE.UTF-8")
        .env("TZ", "Asia/Tokyo");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let parts = ["template", "erofs", "root", "uki", "variables", "esp", "disk"];
    parts.map(|name| (name.to_owned(), files::sha256(&folder.join(name)).unwrap())).into()
}

fn make_inputs(folder: &Path) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for part in ["boards", "buildroot-config"] {
        copy_tree(&repository.join(part), &folder.join("repository").join(part));
    }
    keys::init(&folder.join("keys"), &mut Silent).unwrap();
    let resolved = Resolved::load(&folder.join("repository"), &folder.join("repository/boards/images/qemu.json")).unwrap();
    files::make_folder(&folder.join("programs")).unwrap();
    for name in root::programs(&resolved.services).unwrap() {
        files::write(&folder.join("programs").join(&name), name.repeat(10_000).as_bytes()).unwrap();
    }
    files::write(&folder.join("kernel"), &vec![0x90; 1_000_000]).unwrap();
}

fn with_inputs(inputs: &Path, folder: &Path) -> PathBuf {
    copy_tree(inputs, folder);
    files::set_mode(&folder.join("keys"), 0o700).unwrap();
    for path in files::list(&folder.join("keys")).unwrap() {
        files::set_mode(&path, 0o600).unwrap();
    }
    folder.to_owned()
}

fn copy_tree(from: &Path, to: &Path) {
    files::make_folder(to).unwrap();
    for path in files::list(from).unwrap() {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_tree(&path, &target) } else { files::copy(&path, &target, 0o644).unwrap() }
    }
}
