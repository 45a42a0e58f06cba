//! The README's commands for an app of one's own, typed as they stand there.

use anyhow::{Context, Result, ensure};
use harness::{
    command::{holdfast, holdfast_with},
    machine::{Options, run},
    workspace::top,
};
use std::{env, fs};

/// What talks to a device.
const ON_DEVICE: [&str; 3] = ["deploy", "logs", "why"];

#[test]
fn the_readmes_commands_for_an_app_of_ones_own_do_what_they_say() -> Result<()> {
    let readme = fs::read_to_string(top().join("README.md"))?;
    let commands: Vec<Vec<&str>> = readme.lines().filter_map(command).collect();
    ensure!(commands.len() > 4, "the README has only {commands:?}");
    run("readme", Options::test_image()?, |machine| {
        // Within the checkout, as a reader is; not at its top, where somebody may have such a folder.
        fs::create_dir_all(top().join("build/test"))?;
        let folder = tempfile::tempdir_in(top().join("build/test"))?;
        let before = env::current_dir()?;
        env::set_current_dir(folder.path())?;
        let typed = commands.iter().try_for_each(|words| {
            let talks = words.get(1).is_some_and(|word| ON_DEVICE.contains(word));
            if talks { holdfast_with(machine, words) } else { holdfast(words) }
        });
        env::set_current_dir(before)?;
        typed?;
        let apps = machine.device()?.apps()?;
        let app = apps.iter().find(|app| app.name == "my-app").context("the device does not have the app")?;
        ensure!(app.state.runs(), "{app:?}");
        Ok(())
    })
}

/// The words of a line `$ holdfast app …`, without its comment and without what makes it run for ever.
fn command(line: &str) -> Option<Vec<&str>> {
    let words = line.strip_prefix("$ holdfast app ")?.split('#').next()?.split_whitespace();
    Some(std::iter::once("app").chain(words).filter(|word| *word != "-f").collect())
}
