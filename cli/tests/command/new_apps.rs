//! `holdfast app new` gives a folder that builds and packs.

use crate::holdfast::{Place, repository};

#[test]
fn a_new_app_in_c_builds_and_packs() {
    let place = Place::new();
    place.run(&["app", "new", "my-app", "--template", "c"]).good();
    let packed = place.run(&["app", "build", "my-app", "-o", "my-app.bundle", "--json"]).good().json();
    assert_eq!(packed["name"], "my-app");
    assert_eq!(packed["rights"].as_array().map(Vec::len), Some(0));
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
