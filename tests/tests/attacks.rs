//! The attack suite's table against its program and its page. What the attacks do is seen in virtual machines alone.
#![forbid(unsafe_code)]

use anyhow::{Result, ensure};
use harness::{attacks, peers, workspace::top};
use std::{collections::BTreeSet, fs};

#[test]
fn every_attack_of_the_probe_stands_in_the_table_and_the_other_way_round() -> Result<()> {
    let work = tempfile::tempdir()?;
    let probe = work.path().join("probe");
    attacks::build_probe(&probe)?;
    let known: BTreeSet<String> = attacks::table()?.into_values().flat_map(|group| group.into_keys()).collect();
    let differ: Vec<String> = attacks::in_probe(&probe)?.symmetric_difference(&known).cloned().collect();
    ensure!(differ.is_empty(), "in the probe or in attacks.toml alone: {}", differ.join(", "));
    Ok(())
}

#[test]
fn the_probe_runs_on_no_kernel_but_those_of_the_tests() -> Result<()> {
    let work = tempfile::tempdir()?;
    let probe = work.path().join("probe");
    attacks::build_probe(&probe)?;
    // By the name of an attack that it does not have: were the guard not there, nothing would be done.
    let output = std::process::Command::new(&probe).args(["attack", "token", "1", "none-of-these"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("only on the kernels of a test machine"), "{output:?}");
    Ok(())
}

/// `HOLDFAST_WRITE_PAGES=1` writes the page instead.
#[test]
fn the_page_of_attacks_says_what_the_table_says() -> Result<()> {
    let made = attacks::page(&attacks::table()?);
    let path = top().join(attacks::PAGE);
    if std::env::var_os("HOLDFAST_WRITE_PAGES").is_some() {
        fs::write(&path, &made)?;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    ensure!(written == made, "{} is not what tests/escape/attacks.toml makes: HOLDFAST_WRITE_PAGES=1 writes it", attacks::PAGE);
    Ok(())
}

/// `HOLDFAST_WRITE_PAGES=1` writes the page instead; `./test compare` makes the rows.
#[test]
fn the_page_of_the_comparison_is_made_from_the_rows_of_every_attack() -> Result<()> {
    let table = attacks::table()?;
    if std::env::var_os("HOLDFAST_WRITE_PAGES").is_some() {
        peers::write_page(&table)?;
    }
    let (versions, rows) = peers::read_rows(&table)?;
    let written = fs::read_to_string(top().join(peers::PAGE)).unwrap_or_default();
    let made = peers::page(&table, &versions, &rows);
    ensure!(written == made, "{} is not what its rows make: HOLDFAST_WRITE_PAGES=1 writes it", peers::PAGE);
    Ok(())
}
