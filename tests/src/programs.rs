//! The programs that tests deploy, each built once.

use crate::{
    attacks,
    forge::{self, Parts},
    libraries::pack_libraries,
    random::Random,
    workspace::top,
};
use anyhow::{Context, Result, ensure};
use holdfast_cli::{bundle, oci};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// Component id of the hostile app.
pub const HOSTILE: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe11bad0";
/// Component id of the attack suite's app.
pub const ATTACKS: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe11a77a";
/// Component id of another project's fuzzer.
pub const FUZZER: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe11f022";
/// Component id of the doorbell in C.
pub const DOORBELL_C: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110002";

/// Component id of the app that says its configuration.
pub const CONFIGURED: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe11c0f1";

/// The doorbell, packed as version `version`.
pub fn doorbell(version: u64) -> Result<Parts> {
    let root = forge::root_with(&doorbell_program()?)?;
    forge::pack(root.path(), &doorbell_manifest()?, version)
}

/// The doorbell's program, built once.
pub fn doorbell_program() -> Result<PathBuf> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| build_doorbell().map_err(|e| format!("{e:#}")));
    PROGRAM.clone().map_err(|e| anyhow::anyhow!("{e}"))
}

/// The doorbell's manifest.
pub fn doorbell_manifest() -> Result<Vec<u8>> {
    fs::read(top().join("samples/doorbell/app_manifest.json")).context("cannot read the doorbell's manifest")
}

/// As `holdfast app build` does it.
fn build_doorbell() -> Result<PathBuf> {
    static_program("doorbell", &[])
}

/// Component id of the sensor logger.
pub const SENSOR_LOGGER: &str = "4c3f2d9b-6a4e-4f1c-9a37-5e450e110001";
/// Component id of the thermometer.
pub const THERMOMETER: &str = "4c3f2d9b-6a4e-4f1c-9a37-7a1200110001";

/// A sample in Rust, by its folder and the name of its package.
pub fn sample(folder: &str, package: &str) -> Result<Parts> {
    sample_with(folder, package, |_| ())
}

/// The same with another manifest.
pub fn sample_with(folder: &str, package: &str, change: impl FnOnce(&mut serde_json::Value)) -> Result<Parts> {
    let path = top().join(folder).join("app_manifest.json");
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut manifest: serde_json::Value = serde_json::from_slice(&bytes)?;
    change(&mut manifest);
    let root = forge::root_with(&static_program(package, &[])?)?;
    forge::pack(root.path(), &serde_json::to_vec(&manifest)?, 1)
}

/// Component id of the app for one of the applibs headers.
pub fn applibs_id(header: &str) -> Result<String> {
    Ok(applibs_manifest(header)?["ComponentId"].as_str().context("a manifest without ComponentId")?.to_owned())
}

/// The app for one of the applibs headers, in Azure Sphere's style, with these arguments and peers in place of its own.
pub fn applibs(header: &str, version: u64, change: impl FnOnce(&mut serde_json::Value)) -> Result<Parts> {
    static ALL: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| build_applibs().map_err(|e| format!("{e:#}")));
    let all = ALL.clone().map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut manifest = applibs_manifest(header)?;
    change(&mut manifest);
    let root = forge::root_with(&all.join(header).join("bin/app"))?;
    forge::pack(root.path(), &serde_json::to_vec(&manifest)?, version)
}

fn applibs_manifest(header: &str) -> Result<serde_json::Value> {
    let path = top().join("sdk/applibs/tests").join(header).join("app_manifest.json");
    Ok(serde_json::from_slice(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?)?)
}

/// Builds all of them, as their Makefile does it.
fn build_applibs() -> Result<PathBuf> {
    let build = top().join("build/applibs");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new("make")
        .args(["--quiet", "-C", "sdk/applibs", "apps", &format!("BUILD={}", build.display())])
        .arg(format!("HOLDFAST={cargo} run --quiet --locked -p holdfast-cli --bin holdfast --"))
        .current_dir(top())
        .output()
        .context("cannot run make")?;
    ensure!(output.status.success(), "make apps failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(build.join("apps"))
}

/// Component id of the doorbell on applibs.
pub const DOORBELL_APPLIBS: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110003";
/// Component id of the doorbell in Python.
pub const DOORBELL_PYTHON: &str = "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110004";

/// The doorbell on applibs, as `holdfast app build` makes it.
pub fn doorbell_on_applibs() -> Result<Parts> {
    let folder = top().join("samples/doorbell-applibs");
    let out = tempfile::tempdir()?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "-p", "holdfast-cli", "--bin", "holdfast", "--", "app", "build"])
        .arg(&folder)
        .arg("-o")
        .arg(out.path().join("bundle"))
        .current_dir(top())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "app build failed:\n{}", String::from_utf8_lossy(&output.stderr));
    forge::pack(
        forge::root_with(&folder.join("build/cmake/doorbell-root/bin/app"))?.path(),
        &fs::read(folder.join("app_manifest.json"))?,
        1,
    )
}

/// The doorbell in Python, by way of a container image.
pub fn doorbell_in_python() -> Result<Parts> {
    let folder = top().join("samples/doorbell-python");
    let work = tempfile::tempdir()?;
    let (archive, root) = (work.path().join("image.tar"), work.path().join("root"));
    let output = Command::new(folder.join("make-image")).arg(&archive).output().context("cannot run make-image")?;
    ensure!(output.status.success(), "make-image failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let image = oci::read(&archive)?;
    let mut manifest = serde_json::from_slice(&fs::read(folder.join("app_manifest.json"))?)?;
    oci::start::complete(&mut manifest, &image.tree, &image.config)?;
    fs::create_dir(&root)?;
    bundle::image::stage(&image.tree, &root)?;
    forge::pack(&root, &serde_json::to_vec(&manifest)?, 1)
}

/// Builds the program of a package, statically linked, with these features of it and nobody else's.
pub fn static_program(package: &str, features: &[&str]) -> Result<PathBuf> {
    let target = "x86_64-unknown-linux-gnu";
    let flags =
        format!("target.{target}.rustflags=[\"-Ctarget-feature=+crt-static\",\"-Crelocation-model=pic\",\"-Cstrip=symbols\"]");
    let folder = top().join("build/test-programs");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--release", "-p", package, "--features", &features.join(",")])
        .args(["--target", target, "--config", &flags, "--target-dir"])
        .arg(&folder)
        .env_remove("RUSTFLAGS")
        .current_dir(top())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cannot build {package}:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(folder.join(target).join("release").join(package))
}

/// The doorbell in C, static or dynamic, as its Makefile lays it out.
pub fn doorbell_in_c(root_target: &str) -> Result<Parts> {
    let build = tempfile::tempdir()?;
    let output = Command::new("make")
        .args(["--quiet", root_target, &format!("BUILD={}", build.path().display())])
        .current_dir(top().join("samples/doorbell-c"))
        .output()
        .context("cannot run make")?;
    ensure!(output.status.success(), "make {root_target} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    let root = build.path().join(root_target);
    let manifest = fs::read(root.join("app_manifest.json"))?;
    fs::remove_file(root.join("app_manifest.json"))?;
    forge::pack(&root, &manifest, 1)
}

/// The app that says its configuration; `change`: what a change of it does; with an argument it tries to hold up who tells it.
pub fn configured(change: &str, arguments: &[&str], version: u64) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    let program = work.path().join("configured");
    forge::c_program(&top().join("tests/apps/configured/configured.c"), &program)?;
    let manifest = serde_json::json!({
        "SchemaVersion": 1, "Name": "Configured", "ComponentId": CONFIGURED, "EntryPoint": "/bin/app", "CmdArgs": arguments,
        "Capabilities": {}, "Holdfast": { "Memory": "8MiB", "Config": change },
    });
    forge::pack(forge::root_with(&program)?.path(), &serde_json::to_vec(&manifest)?, version)
}

/// The attack suite's app: the probe with these arguments, see `tests/escape/probe/main.c`.
pub fn attacks(processes: &str, arguments: &[&str]) -> Result<Parts> {
    let root = attacks::app_root()?;
    let arguments = arguments.join(r#"",""#);
    let manifest = format!(
        r#"{{"SchemaVersion":1,"Name":"Attacks","ComponentId":"{ATTACKS}","EntryPoint":"/bin/app",
        "CmdArgs":["{arguments}"],"Capabilities":{{"MutableStorage":{{"SizeKB":4096}}}},
        "Holdfast":{{"Memory":"16MiB","Pids":8,"Processes":"{processes}","Restart":"never"}}}}"#
    );
    forge::pack(root.path(), manifest.as_bytes(), 1)
}

/// A fuzzer that the distribution has, as an app: it may start programs and threads, and store 16 MiB.
pub fn fuzzer(program: &str, arguments: &[&str]) -> Result<Parts> {
    let path = Path::new("/usr/bin").join(program);
    ensure!(path.exists(), "install Debian's package `{program}`");
    let root = forge::root_with(&path)?;
    pack_libraries(&path, root.path())?;
    let manifest = serde_json::json!({
        "SchemaVersion": 1,
        "Name": "Fuzzer",
        "ComponentId": FUZZER,
        "EntryPoint": "/bin/app",
        "CmdArgs": arguments,
        "Capabilities": { "MutableStorage": { "SizeKB": 16384 } },
        "Holdfast": { "Memory": "96MiB", "Pids": 48, "Processes": "exec", "Restart": "never" },
    });
    forge::pack(root.path(), &serde_json::to_vec(&manifest)?, 1)
}

/// The hostile app's root: with device nodes and a set-id program where this machine lets us make them.
pub fn hostile(processes: &str) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    let program = work.path().join("hostile");
    forge::c_program(&top().join("tests/apps/hostile/hostile.c"), &program)?;
    let root = forge::root_with(&program)?;
    fs::copy(&program, root.path().join("bin/set-id"))?;
    fs::set_permissions(root.path().join("bin/set-id"), std::os::unix::fs::PermissionsExt::from_mode(0o6755))?;
    if rustix::process::geteuid().is_root() {
        // null, the first virtio disk, physical memory.
        for (name, numbers) in [("null", [1, 3]), ("disk", [254, 0]), ("mem", [1, 1])] {
            forge::device_node(root.path(), name, numbers)?;
        }
    }
    forge::pack(root.path(), hostile_manifest(processes).as_bytes(), 1)
}

/// The hostile app's manifest: storage and nothing else.
pub fn hostile_manifest(processes: &str) -> String {
    format!(
        r#"{{"SchemaVersion":1,"Name":"Hostile","ComponentId":"{HOSTILE}","EntryPoint":"/bin/app",
        "Capabilities":{{"MutableStorage":{{"SizeKB":64}}}},
        "Holdfast":{{"Memory":"8MiB","Pids":4,"Processes":"{processes}","Restart":"never"}}}}"#
    )
}

/// Component id of the greedy app; of the app number `n` that is one, if there are several.
pub fn greedy_id(number: u32) -> String {
    format!("4c3f2d9b-6a4e-4f1c-9a37-{number:012x}")
}

/// The greedy app number `number`: takes what the first of its arguments says.
pub fn greedy(number: u32, arguments: &[&str], storage_kib: u32) -> Result<Parts> {
    greedy_with(number, arguments, storage_kib, &serde_json::json!({}))
}

/// The same, with what else its manifest says under `Holdfast`.
pub fn greedy_with(number: u32, arguments: &[&str], storage_kib: u32, holdfast: &serde_json::Value) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    let program = work.path().join("greedy");
    forge::c_program(&top().join("tests/apps/greedy/greedy.c"), &program)?;
    let mut manifest = serde_json::json!({
        "SchemaVersion": 1,
        "Name": "Greedy",
        "ComponentId": greedy_id(number),
        "EntryPoint": "/bin/app",
        "CmdArgs": arguments,
        "Capabilities": if storage_kib > 0 { serde_json::json!({ "MutableStorage": { "SizeKB": storage_kib } }) } else { serde_json::json!({}) },
        "Holdfast": { "Memory": "8MiB", "Pids": 8, "Processes": "fork", "Restart": "never" },
    });
    add(&mut manifest["Holdfast"], holdfast);
    forge::pack(forge::root_with(&program)?.path(), &serde_json::to_vec(&manifest)?, 1)
}

/// Component id of the small app number `number`.
pub fn small_id(number: u32) -> String {
    format!("4c3f2d9b-6a4e-4f1c-9a38-{number:012x}")
}

/// A version of the small app number `number`, which does what `what` says; `holdfast` goes into that object of its manifest.
pub fn small(number: u32, version: u64, what: &str, holdfast: &serde_json::Value) -> Result<Parts> {
    let manifest = small_manifest(number, version, what, holdfast)?;
    forge::pack(forge::root_with(&small_program()?)?.path(), &manifest, version)
}

/// The same with a file of so many bytes in its image, other ones in each version.
pub fn large(number: u32, version: u64, what: &str, holdfast: &serde_json::Value, size: usize) -> Result<Parts> {
    let root = forge::root_with(&small_program()?)?;
    fs::write(root.path().join("ballast"), Random::new(version).bytes(size))?;
    forge::pack(root.path(), &small_manifest(number, version, what, holdfast)?, version)
}

/// Puts the members of one object into another one, in place of those of the same name.
fn add(object: &mut serde_json::Value, more: &serde_json::Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
}

fn small_manifest(number: u32, version: u64, what: &str, holdfast: &serde_json::Value) -> Result<Vec<u8>> {
    let mut section = serde_json::json!({
        "Memory": "2MiB", "Pids": 1, "Processes": "single", "ReadyTimeout": 60,
        // Another version is another image.
        "Environment": { "VERSION": version.to_string() },
    });
    add(&mut section, holdfast);
    let manifest = serde_json::json!({
        "SchemaVersion": 1,
        "Name": format!("Small {number}"),
        "ComponentId": small_id(number),
        "EntryPoint": "/bin/app",
        "CmdArgs": [what],
        "Capabilities": { "MutableStorage": { "SizeKB": 64 } },
        "Holdfast": section,
    });
    Ok(serde_json::to_vec(&manifest)?)
}

/// The small app's program, built once.
fn small_program() -> Result<PathBuf> {
    static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| build_small().map_err(|e| format!("{e:#}")));
    PROGRAM.clone().map_err(|e| anyhow::anyhow!("{e}"))
}

fn build_small() -> Result<PathBuf> {
    let folder = top().join("build/test-programs");
    fs::create_dir_all(&folder)?;
    let program = folder.join("small");
    forge::bare_program(&top().join("tests/apps/small/small.c"), &program)?;
    Ok(program)
}

/// Component id of the app number `number` that asks app-services.
pub fn asking_id(number: u32) -> String {
    format!("4c3f2d9b-6a4e-4f1c-a5ce-{number:012x}")
}

/// The app number `number` that asks app-services for what its arguments say, with these capabilities.
pub fn asking(number: u32, capabilities: &serde_json::Value, arguments: &[&str]) -> Result<Parts> {
    asking_with(number, capabilities, &serde_json::json!({}), arguments)
}

/// The same, with what else its manifest says under `Holdfast`.
pub fn asking_with(
    number: u32,
    capabilities: &serde_json::Value,
    holdfast: &serde_json::Value,
    arguments: &[&str],
) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    let program = work.path().join("services");
    forge::c_program(&top().join("tests/apps/services/services.c"), &program)?;
    let mut manifest = serde_json::json!({
        "SchemaVersion": 1,
        "Name": "Asking",
        "ComponentId": asking_id(number),
        "EntryPoint": "/bin/app",
        "CmdArgs": arguments,
        "Capabilities": capabilities,
        "Holdfast": { "Memory": "8MiB", "Processes": "single" },
    });
    add(&mut manifest["Holdfast"], holdfast);
    forge::pack(forge::root_with(&program)?.path(), &serde_json::to_vec(&manifest)?, 1)
}

/// Component id of the app number `number` that uses peripherals.
pub fn peripherals_id(number: u32) -> String {
    format!("4c3f2d9b-6a4e-4f1c-9e41-{number:012x}")
}

/// The app number `number` that uses its peripherals, with these capabilities and this `Holdfast` object; `arguments` are pairs of
/// a kind and a name.
pub fn peripherals(
    number: u32,
    capabilities: &serde_json::Value,
    holdfast: &serde_json::Value,
    arguments: &[&str],
) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    let program = work.path().join("peripherals");
    forge::c_program(&top().join("tests/apps/peripherals/peripherals.c"), &program)?;
    let manifest = serde_json::json!({
        "SchemaVersion": 1,
        "Name": format!("Peripherals {number}"),
        "ComponentId": peripherals_id(number),
        "EntryPoint": "/bin/app",
        "CmdArgs": arguments,
        "Capabilities": capabilities,
        "Holdfast": holdfast,
    });
    forge::pack(forge::root_with(&program)?.path(), &serde_json::to_vec(&manifest)?, 1)
}
