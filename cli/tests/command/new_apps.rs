//! `holdfast app new` gives a folder that builds and packs.

use crate::holdfast::{Place, repository};
use holdfast_cli::crash::build_id::BuildId;
use std::{path::Path, process::Command};

/// Whether `readelf` finds this section in a file.
fn has_section(file: &Path, name: &str) -> bool {
    let output = Command::new("readelf").args(["--sections", "--wide"]).arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().any(|word| word == name)
}

/// The one file of symbols that a build told of, which is where its build id leads to and has lines.
#[track_caller]
fn symbols(place: &Place, packed: &serde_json::Value) -> BuildId {
    let kept = place.path(packed["symbols"][0].as_str().unwrap());
    let id = BuildId::of_file(&kept).unwrap().unwrap();
    assert!(kept.ends_with(Path::new("build/symbols").join(id.place())), "{kept:?}");
    assert!(has_section(&kept, ".debug_line") && has_section(&kept, ".eh_frame"), "{kept:?}");
    id
}

/// An editor's way to debug it: a program with lines, the one that was packed, and a task that is there.
#[track_caller]
fn can_be_debugged(place: &Place, packed: &serde_json::Value) {
    let read =
        |name: &str| -> serde_json::Value { serde_json::from_slice(&place.read(&format!("my-app/.vscode/{name}"))).unwrap() };
    let (launch, tasks) = (read("launch.json"), read("tasks.json"));
    let configuration = &launch["configurations"][0];
    let program = configuration["program"].as_str().unwrap().strip_prefix("${workspaceFolder}/").unwrap();
    let program = place.path("my-app").join(program);
    assert!(has_section(&program, ".debug_line"), "{program:?}");
    assert_eq!(BuildId::of_file(&program).unwrap(), Some(symbols(place, packed)));
    let task = tasks["tasks"].as_array().unwrap().iter().find(|task| task["label"] == configuration["preLaunchTask"]).unwrap();
    let port = configuration["miDebuggerServerAddress"].as_str().unwrap().rsplit_once(':').unwrap().1;
    assert!(task["command"].as_str().unwrap().ends_with(&format!("holdfast app debug my-app --port {port}")), "{task}");
}

#[test]
fn a_new_app_in_c_builds_and_packs() {
    let place = Place::new();
    place.run(&["app", "new", "my-app", "--template", "c"]).good();
    let packed = place.run(&["app", "build", "my-app", "-o", "my-app.bundle", "--json"]).good().json();
    assert_eq!(packed["name"], "my-app");
    assert_eq!(packed["rights"].as_array().map(Vec::len), Some(0));
    can_be_debugged(&place, &packed);
    let stripped = place.path("my-app/build/root/bin/app");
    assert_eq!(BuildId::of_file(&stripped).unwrap(), Some(symbols(&place, &packed)));
    assert!(!has_section(&stripped, ".debug_line") && !has_section(&stripped, ".symtab"));
    let manifest: serde_json::Value = serde_json::from_slice(&place.read("my-app/app_manifest.json")).unwrap();
    let schema = place.path("my-app").join(manifest["$schema"].as_str().unwrap());
    assert!(schema.is_file(), "an editor without a network finds {schema:?}");
}

#[test]
fn a_new_app_in_rust_builds_and_packs() {
    let place = Place::new();
    let sdk = repository().join("sdk");
    place.run(&["app", "new", "my-app", "--sdk", sdk.to_str().unwrap()]).good();
    let packed = place.run(&["app", "build", "my-app", "-o", "my-app.bundle", "--json"]).good().json();
    assert_eq!(packed["name"], "my-app");
    assert_eq!(packed["files"], 8, "a static program brings no libraries");
    can_be_debugged(&place, &packed);
    assert!(packed["size"].as_u64() < Some(1 << 20), "the bundle has symbols in it: {packed}");
}

#[test]
fn symbols_and_paths_do_not_make_a_bundle_differ() {
    let (one, two) = (Place::new(), Place::new());
    one.run(&["app", "new", "my-app", "--template", "c"]).good();
    fs_err::create_dir(two.path("elsewhere")).unwrap();
    let copied = Command::new("cp").arg("-r").arg(one.path("my-app")).arg(two.path("elsewhere")).status().unwrap();
    assert!(copied.success());
    let ids = [(&one, "my-app"), (&two, "elsewhere/my-app")]
        .map(|(place, app)| symbols(place, &place.run(&["app", "build", app, "-o", "a.bundle", "--json"]).good().json()));
    assert_eq!(ids[0], ids[1]);
    assert!(one.read("a.bundle") == two.read("a.bundle"));
}

#[test]
fn nothing_is_overwritten_and_odd_names_are_refused() {
    let place = Place::new();
    place.run(&["app", "new", "my-app", "--template", "c"]).good();
    place.run(&["app", "new", "my-app", "--template", "c"]).refused(7, &["is there already"]);
    place.run(&["app", "new", "my app", "--template", "c"]).refused(2, &["is no name for an app"]);
    place.run(&["app", "new", "other"]).refused(6, &["--sdk DIR", "--template c"]);
    assert!(!place.path("other").exists());
}

#[test]
fn two_new_apps_have_different_component_ids() {
    let place = Place::new();
    let id = |name| place.run(&["app", "new", name, "--template", "c", "--json"]).good().json()["component_id"].clone();
    assert_ne!(id("one"), id("two"));
}

#[test]
fn a_new_app_in_azure_spheres_form_builds_and_packs() {
    let place = Place::new();
    place.run(&["app", "new", "my-app", "--template", "applibs"]).good();
    place.run(&["app", "build", "my-app", "--unsigned"]).refused(6, &["--sdk DIR"]);
    let (sdk, board) = (repository().join("sdk"), repository().join("boards/qemu-q35.json"));
    let with = ["--sdk", sdk.to_str().unwrap(), "--board", board.to_str().unwrap(), "-o", "my-app.bundle", "--json"];
    let packed = place.run(&[&["app", "build", "my-app"], &with[..]].concat()).good().json();
    assert_eq!((&packed["name"], &packed["signed_by"].is_string()), (&"my-app".into(), &true));
    can_be_debugged(&place, &packed);
    let stripped = place.path("my-app/build/cmake/my-app-root/bin/app");
    assert_eq!(BuildId::of_file(&stripped).unwrap(), Some(symbols(&place, &packed)));
    assert!(!has_section(&stripped, ".debug_line") && !has_section(&stripped, ".symtab"));
    let tasks: serde_json::Value = serde_json::from_slice(&place.read("my-app/.vscode/tasks.json")).unwrap();
    let commands = tasks["tasks"].as_array().unwrap().iter().filter_map(|task| task["command"].as_str());
    assert!(commands.into_iter().all(|command| command.starts_with("holdfast app ")));
}
