//! SPECIFICATION.md against the tests: every promise names a test or benchmark that exists, or says `pending`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use harness::{code, workspace::top};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One row: what is promised, and what shows it.
struct Row {
    line: usize,
    promise: String,
    shown_by: Vec<String>,
    pending: bool,
}

#[test]
fn every_promise_names_a_test_or_benchmark_that_exists() -> Result<()> {
    let text = fs::read_to_string(top().join("SPECIFICATION.md")).context("cannot read SPECIFICATION.md")?;
    let rows = rows(&text);
    ensure!(!rows.is_empty(), "SPECIFICATION.md holds no table with the columns `promise` and `shown by`");
    let known = known()?;
    let mut wrong = Vec::new();
    for row in &rows {
        if row.shown_by.is_empty() && !row.pending {
            wrong.push(format!("line {}: `{}` names nothing and does not say `pending`", row.line, row.promise));
        }
        for name in row.shown_by.iter().filter(|name| !known.contains(last_part(name))) {
            wrong.push(format!("line {}: `{}` is shown by `{name}`, which does not exist", row.line, row.promise));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The rows of all tables whose header is `promise` and `shown by`; a name stands in backticks.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut column = None;
    for (at, line) in text.lines().enumerate() {
        let Some(cells) = line.trim().strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
            column = None;
            continue;
        };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        if let Some(shown_by) = cells.iter().position(|cell| cell.to_lowercase() == "shown by") {
            column = Some(shown_by);
            continue;
        }
        let Some(cell) = column.and_then(|column| cells.get(column)) else { continue };
        if cells.iter().all(|cell| cell.chars().all(|c| c == '-' || c == ':')) {
            continue;
        }
        let names = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let promise = cells.first().copied().unwrap_or_default().to_owned();
        rows.push(Row { line: at + 1, promise, shown_by: names, pending: cell.to_lowercase().contains("pending") });
    }
    rows
}

fn last_part(name: &str) -> &str {
    name.rsplit([':', '/', ' ']).next().unwrap_or(name)
}

/// Names of all tests in the repository, and of all benchmarks: programs of `tests/src/bin` and `<crate>/benches`.
fn known() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for file in sources(&top())? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        names.extend(tests_in(&text));
        // `benches/name.rs` or `benches/name/main.rs`.
        let program = if file.ends_with("main.rs") { file.parent().unwrap_or(&file) } else { &file };
        let is_benchmark = program.parent().is_some_and(|folder| folder.ends_with("benches"));
        names.extend(program.file_stem().filter(|_| is_benchmark).map(|stem| stem.to_string_lossy().into_owned()));
    }
    for program in code::rust_files(&top().join("tests/src/bin"))? {
        names.extend(program.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    Ok(names)
}

/// All Rust sources, those of tests included; build output left out.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_symlink() || name.starts_with('.') || name == "target" || name == "build" {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(files)
}

/// Names of the functions under `#[test]`, in proptest blocks too; an ignored one shows nothing and is left out.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut is_test, mut ignored) = (false, false);
    for line in text.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            ignored = true;
        } else if let Some(rest) = line.strip_prefix("fn ") {
            if is_test && !ignored {
                names.extend(rest.split('(').next().map(str::to_owned));
            }
            (is_test, ignored) = (false, false);
        }
    }
    names
}

#[test]
fn rows_and_tests_are_found() {
    let text =
        "| Promise | Shown by |\n| --- | --- |\n| a | `vm::look::x_y` and `bench` |\n| b | pending |\n| c | |\n\n| d | `no` |\n";
    let rows = rows(text);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].shown_by, ["vm::look::x_y", "bench"]);
    assert!(rows[1].pending && rows[2].shown_by.is_empty() && !rows[2].pending);
    assert_eq!(last_part("vm::look::x_y"), "x_y");
    assert_eq!(tests_in("#[test]\nfn a_b() {}\nfn c() {}\n#[test]\n#[ignore]\nfn d() {}\n"), ["a_b"]);
}
