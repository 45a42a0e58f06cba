//! The size of each crate of the trusted base, held against `tests/budgets.toml`: what grows past its ceiling fails here.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use harness::{
    code::{self, Size},
    workspace,
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    /// Ceilings for sums.
    sums: Vec<Sum>,
    /// Ceilings by package.
    crates: BTreeMap<String, Budget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    of: Vec<String>,
    what: String,
    lines: usize,
    /// What the design wants; the ceiling may still be above it, and the difference is published.
    goal: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    lines: usize,
    #[serde(rename = "unsafe")]
    unsafe_blocks: usize,
    /// Crates from outside that a build of this one brings along.
    dependencies: usize,
    /// Size of the program, for crates that are one.
    bytes: Option<u64>,
}

struct Measured {
    size: Size,
    dependencies: usize,
    bytes: Option<u64>,
}

#[test]
fn no_crate_is_larger_than_its_budget() -> Result<()> {
    let budgets = read_budgets()?;
    let measured = measure(&budgets)?;
    let mut over = Vec::new();
    let mut table = "crate, lines, unsafe, dependencies, bytes (measured / ceiling)\n".to_owned();
    for (name, budget) in &budgets.crates {
        let Some(found) = measured.get(name) else { continue };
        let bytes = found.bytes.zip(budget.bytes);
        writeln!(
            table,
            "{name}: {}/{} {}/{} {}/{} {}",
            found.size.lines,
            budget.lines,
            found.size.unsafe_blocks,
            budget.unsafe_blocks,
            found.dependencies,
            budget.dependencies,
            bytes.map(|(found, ceiling)| format!("{found}/{ceiling}")).unwrap_or_default()
        )?;
        let mut check = |what: &str, found: u64, ceiling: u64| {
            if found > ceiling {
                over.push(format!("{name}: {found} {what}, its ceiling is {ceiling}"));
            }
        };
        check("lines of code", found.size.lines as u64, budget.lines as u64);
        check("unsafe blocks", found.size.unsafe_blocks as u64, budget.unsafe_blocks as u64);
        check("dependencies", found.dependencies as u64, budget.dependencies as u64);
        if let Some((found, ceiling)) = bytes {
            check("bytes of program", found, ceiling);
        }
    }
    for sum in &budgets.sums {
        let lines: usize = sum.of.iter().filter_map(|name| measured.get(name)).map(|m| m.size.lines).sum();
        writeln!(table, "{}: {lines} lines, ceiling {}, goal {}", sum.what, sum.lines, sum.goal)?;
        if lines > sum.lines {
            over.push(format!("{}: {lines} lines, the ceiling is {}", sum.what, sum.lines));
        }
    }
    publish(&table)?;
    assert!(over.is_empty(), "over budget (tests/budgets.toml):\n{}\n\n{table}", over.join("\n"));
    Ok(())
}

#[test]
fn every_crate_of_the_trusted_base_has_a_budget() -> Result<()> {
    let budgets = read_budgets()?;
    let members = workspace::members()?;
    for name in budgets.crates.keys().chain(budgets.sums.iter().flat_map(|sum| &sum.of)) {
        assert!(members.contains_key(name), "tests/budgets.toml names `{name}`, which is no crate of this workspace");
    }
    for name in budgets.sums.iter().flat_map(|sum| &sum.of) {
        assert!(budgets.crates.contains_key(name), "`{name}` is summed up and has no budget of its own");
    }
    Ok(())
}

fn read_budgets() -> Result<Budgets> {
    let path = workspace::top().join("tests/budgets.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not what is expected", path.display()))
}

fn measure(budgets: &Budgets) -> Result<BTreeMap<String, Measured>> {
    let members = workspace::members()?;
    let mut measured = BTreeMap::new();
    for name in budgets.crates.keys() {
        let Some(member) = members.get(name) else { continue };
        let size = code::of_crate(&workspace::top().join(&member.folder))?;
        let dependencies = workspace::brought_along(name)?.into_iter().filter(|n| !members.contains_key(n)).count();
        measured.insert(name.clone(), Measured { size, dependencies, bytes: program_bytes(name) });
    }
    Ok(measured)
}

/// Size of the program as the device gets it, if it was built.
fn program_bytes(name: &str) -> Option<u64> {
    let folder = std::env::var_os("HOLDFAST_DEVICE_PROGRAMS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| workspace::top().join("build/device"));
    let candidates = [folder.join(name), folder.join(format!("x86_64-unknown-linux-gnu/device/{name}"))];
    candidates.iter().find_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len())
}

/// The table stays behind for whoever wants to see it: `build/test/budgets.txt`.
fn publish(table: &str) -> Result<()> {
    let folder = workspace::top().join("build/test");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("budgets.txt"), table).context("cannot write build/test/budgets.txt")
}
