//! What is generated from the command line's types is current.

use crate::holdfast::{Place, repository};
use std::process::{Command, Stdio};

#[test]
fn docs_cli_md_is_what_the_command_prints() {
    let printed = Place::new().run(&["reference"]).good().out;
    let checked_in = fs_err::read_to_string(repository().join("docs/cli.md")).unwrap();
    assert!(printed == checked_in, "docs/cli.md is out of date; run: holdfast reference > docs/cli.md");
}

#[test]
fn man_pages_cover_every_command_and_are_read_without_complaint() {
    let place = Place::new();
    place.run(&["man", "--out", "man"]).good();
    for page in ["holdfast.1", "holdfast-app-pack.1", "holdfast-device-support-bundle.1", "holdfast-run.1"] {
        assert!(place.path("man").join(page).exists(), "{page}");
    }
    assert!(!place.path("man/holdfast-reference.1").exists(), "a hidden command has a page");
    let text = fs_err::read_to_string(place.path("man/holdfast-app-pack.1")).unwrap();
    assert!(text.contains(".TH HOLDFAST") && text.contains("app\\-version"), "{text}");
}

#[test]
fn completions_are_scripts_that_their_shell_accepts() {
    let place = Place::new();
    let script = place.run(&["completions", "bash"]).good().out;
    let mut shell = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
    for name in ["zsh", "fish", "elvish", "powershell"] {
        assert!(place.run(&["completions", name]).good().out.contains("holdfast"), "{name}");
    }
}
