//! kernel-hardening-checker over the kernel's configuration, its command line and the sysctls of the running device.

use anyhow::{Context, Result, bail, ensure};
use harness::{machine::shared, workspace::top};
use serde::Deserialize;
use std::{collections::BTreeSet, fs, io::Write, path::PathBuf, process::Command};

/// Options that a configuration and command line with every hardening had in an early trial; the device has no fewer.
const AT_LEAST: usize = 303;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    reason: String,
}

/// What we read of the judge's findings.
#[derive(Deserialize)]
struct Finding {
    option_name: String,
    #[serde(rename = "type")]
    kind: String,
    check_result: String,
    check_result_bool: bool,
}

#[test]
fn kernel_hardening_checker_finds_nothing_that_is_not_excused_with_a_reason() -> Result<()> {
    let Some(judge) = judge() else {
        let text = "skipped: kernel-hardening-checker is neither in ../shared/judges nor where HOLDFAST_JUDGES says\n";
        return Ok(std::io::stderr().write_all(text.as_bytes())?);
    };
    shared(|machine| {
        let work = tempfile::tempdir()?;
        let (line, sysctls) = (work.path().join("cmdline"), work.path().join("sysctls"));
        fs::write(&line, machine.inside().text("/proc/cmdline")?)?;
        fs::write(&sysctls, machine.inside().sysctls()?)?;
        let config = machine.options.image.kernel_config();
        let output = Command::new(&judge)
            .arg("-c")
            .arg(&config)
            .arg("-l")
            .arg(&line)
            .arg("-s")
            .arg(&sysctls)
            .args(["-m", "json"])
            .output();
        let output = output.with_context(|| format!("cannot run {}", judge.display()))?;
        // It may say something before its JSON.
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let json = text.find('[').and_then(|at| text.get(at..)).with_context(|| format!("no findings: {text}"))?;
        let findings: Vec<Finding> = serde_json::from_str(json.trim_end())?;
        let exceptions = top().join("tests/judges/kernel-exceptions.json");
        let exceptions: Exceptions = serde_json::from_slice(&fs::read(exceptions)?)?;
        let good = findings.iter().filter(|f| f.check_result_bool).count();
        let words = format!("{good} of {} OK, {} excused\n", findings.len(), exceptions.exceptions.len());
        fs::write(top().join("build/test/kernel-hardening.txt"), words)?;
        compare(&findings, &exceptions.exceptions)
    })
}

fn compare(findings: &[Finding], exceptions: &[Exception]) -> Result<()> {
    let good = findings.iter().filter(|f| f.check_result_bool).count();
    let failed: BTreeSet<(&str, &str)> =
        findings.iter().filter(|f| !f.check_result_bool).map(|f| (f.kind.as_str(), f.option_name.as_str())).collect();
    let excused: BTreeSet<(&str, &str)> = exceptions.iter().map(|e| (e.kind.as_str(), e.name.as_str())).collect();
    if let Some(bare) = exceptions.iter().find(|e| e.reason.trim().is_empty()) {
        bail!("{} {} is excused without a reason", bare.kind, bare.name);
    }
    let words = |f: &&Finding| format!("{} {}: {}", f.kind, f.option_name, f.check_result);
    let new: Vec<String> = findings
        .iter()
        .filter(|f| !f.check_result_bool && !excused.contains(&(f.kind.as_str(), f.option_name.as_str())))
        .collect::<Vec<_>>()
        .iter()
        .map(words)
        .collect();
    let stale: Vec<_> = excused.difference(&failed).collect();
    ensure!(new.is_empty(), "{good} OK; not excused:\n{}", new.join("\n"));
    ensure!(stale.is_empty(), "excused and no longer found: {stale:?}");
    ensure!(good >= AT_LEAST, "{good} of {} OK, at least {AT_LEAST} were", findings.len());
    Ok(())
}

fn judge() -> Option<PathBuf> {
    let folder = std::env::var_os("HOLDFAST_JUDGES").map_or_else(|| top().join("../shared/judges"), PathBuf::from);
    let program = folder.join("kernel-hardening-checker/bin/kernel-hardening-checker");
    program.is_file().then_some(program)
}

#[test]
fn a_finding_that_is_not_excused_and_an_excuse_that_is_stale_both_fail() {
    let finding = |name: &str, good| Finding {
        option_name: name.to_owned(),
        kind: "kconfig".to_owned(),
        check_result: "x".to_owned(),
        check_result_bool: good,
    };
    let excuse = |name: &str| Exception { kind: "kconfig".to_owned(), name: name.to_owned(), reason: "r".to_owned() };
    let error = |findings: &[Finding], excuses: &[Exception]| compare(findings, excuses).unwrap_err().to_string();
    assert!(error(&[finding("A", false)], &[]).contains("not excused"));
    assert!(error(&[finding("A", true)], &[excuse("A")]).contains("no longer found"));
}
