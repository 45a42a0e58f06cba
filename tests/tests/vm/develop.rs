//! `holdfast app dev`: what is saved runs, and what does not build leaves the version before alone.

use anyhow::{Context, Result, bail, ensure};
use harness::{
    develop::{Dev, Said, WORDS, new_app},
    machine::{Options, run},
};
use std::fs;

#[test]
fn what_a_developer_saves_runs_and_what_does_not_build_is_told_while_the_version_before_runs_on() -> Result<()> {
    run("develop", Options::test_image()?, |machine| {
        let work = tempfile::tempdir()?;
        let folder = work.path().join("thermostat");
        new_app(&folder, "c")?;
        let source = folder.join("main.c");
        let text = fs::read_to_string(&source)?;
        let dev = Dev::begin(&folder, machine)?;
        let (_, turn) = dev.wait_for_words(WORDS)?;
        let first = turn.context("it ran before it was installed")?;
        ensure!(first["app"]["version"] == 1, "{first}");

        fs::write(&source, text.replace("return 0;", "return nothing;"))?;
        let why = loop {
            match dev.next()?.1 {
                Said::Failed(why) => break why,
                Said::Turn(turn) => bail!("what does not build runs: {turn}"),
                Said::Log(_) => {}
            }
        };
        ensure!(why.contains("does not build") || why.contains("make"), "{why}");
        let apps = machine.device()?.apps()?;
        let app = apps.iter().find(|app| app.name == "thermostat").context("the device does not have the app")?;
        ensure!(app.state.runs() && app.starts == first["app"]["starts"], "the version before does not run on: {app:?}");

        fs::write(&source, text.replace(WORDS, "is warm"))?;
        let (_, turn) = dev.wait_for_words("thermostat is warm")?;
        let next = turn.context("it ran before it was installed")?;
        ensure!(
            next["app"]["component_id"] == first["app"]["component_id"] && next["app"]["pid"] != first["app"]["pid"],
            "{next}"
        );
        ensure!(machine.device()?.apps()?.len() == apps.len(), "a save is no further app");
        Ok(())
    })
}
