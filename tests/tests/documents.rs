//! Documents against what is there: every link leads somewhere, every command is one.
#![forbid(unsafe_code)]

use anyhow::{Result, ensure};
use clap::Parser;
use harness::{
    documents::{all, commands, links},
    workspace::{self, top},
};
use holdfast_cli::arguments::Holdfast;
use sandbox_cli::arguments::HoldfastSandbox;
use std::{fs, path::Path, process::Command};

#[test]
fn every_link_to_a_file_leads_to_one() -> Result<()> {
    let mut dead = Vec::new();
    for (document, text) in all()? {
        let folder = top().join(document.parent().unwrap_or(Path::new("")));
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !link.contains("://") && !link.starts_with("mailto:") && !folder.join(path).exists() {
                dead.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
    Ok(())
}

#[test]
fn each_file_on_the_readmes_path_says_its_step() -> Result<()> {
    let readme = fs::read_to_string(top().join("README.md"))?;
    let steps = readme.lines().filter_map(|line| line.split_once(". [`").filter(|(step, _)| step.parse::<u8>().is_ok()));
    let mut files = 0;
    for (step, rest) in steps {
        for file in links(&format!("[`{rest}")) {
            let text = fs::read_to_string(top().join(&file))?;
            let expected = format!("//! Step {step} of the README's path: ");
            assert!(text.starts_with(&expected), "{file} does not begin with `{expected}`");
            files += 1;
        }
    }
    assert!(files > 10, "the README's path has only {files} files");
    Ok(())
}

/// `cargo test --doc` compiles them; this one tells of a module that has none.
#[test]
fn every_public_module_of_the_sdk_has_an_example() -> Result<()> {
    let source = top().join("sdk/src");
    let text = fs::read_to_string(source.join("lib.rs"))?;
    let modules: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 10, "sdk/src/lib.rs has only the modules {modules:?}");
    for module in modules {
        let text = fs::read_to_string(source.join(module).with_extension("rs"))?;
        let fences = text.lines().filter_map(|line| line.trim().trim_start_matches(['/', '!', ' ']).strip_prefix("```"));
        // Every second one closes a block.
        let shown = fences.step_by(2).any(|kind| matches!(kind, "" | "no_run"));
        assert!(shown, "sdk/src/{module}.rs shows no use of it");
    }
    Ok(())
}

/// Seeds that only one machine has are no seeds: those that git keeps count.
#[test]
fn every_fuzz_target_is_in_the_table_and_starts_from_seeds() -> Result<()> {
    let fuzz = top().join("fuzz");
    let table = fs::read_to_string(fuzz.join("README.md"))?;
    let output = Command::new("git").arg("-C").arg(&fuzz).args(["ls-files", "corpus"]).output()?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let kept = String::from_utf8(output.stdout)?;
    for target in fs::read_dir(fuzz.join("fuzz_targets"))? {
        let file = target?.path();
        let target = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        assert!(table.contains(&format!("| `{target}` |")), "{target} is missing in fuzz/README.md");
        let seeds = format!("corpus/{target}/seed-");
        assert!(kept.lines().any(|file| file.starts_with(&seeds)), "git keeps no fuzz/{seeds}*");
    }
    Ok(())
}

#[test]
fn every_command_in_a_document_is_one() -> Result<()> {
    let members = workspace::members()?;
    let mut wrong = Vec::new();
    for (document, text) in all()? {
        for command in commands(&text) {
            for part in command.split("&&").flat_map(|part| part.split(" | ")) {
                let words: Vec<&str> = part.split_whitespace().collect();
                if let Err(why) = check(&words, |package| members.contains_key(package)) {
                    wrong.push(format!("{}: `{command}`: {why}", document.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "commands that do not work as they stand:\n{}", wrong.join("\n"));
    Ok(())
}

/// Whether a command would be understood; nothing is carried out. Commands of other projects are not ours to judge.
fn check(words: &[&str], is_package: impl Fn(&str) -> bool) -> Result<(), String> {
    match words {
        ["holdfast" | "target/release/holdfast", ..] => match Holdfast::try_parse_from(words) {
            Ok(_) => Ok(()),
            // Help and version are no errors.
            Err(e) if !e.use_stderr() => Ok(()),
            Err(e) => Err(e.to_string().lines().next().unwrap_or_default().to_owned()),
        },
        ["holdfast-sandbox" | "target/release/holdfast-sandbox", ..] => match HoldfastSandbox::try_parse_from(words) {
            Ok(_) => Ok(()),
            Err(e) if !e.use_stderr() => Ok(()),
            Err(e) => Err(e.to_string().lines().next().unwrap_or_default().to_owned()),
        },
        [script @ ("./run" | "./test"), arguments @ ..] => {
            let text = fs::read_to_string(top().join(script)).map_err(|e| e.to_string())?;
            // Names of tests are free words of ./test; what its usage text does not have is one.
            let known = |word: &&str| {
                !word.starts_with("--") || text.contains(&format!("{} ", word)) || text.contains(&format!("{}]", word))
            };
            match arguments.iter().find(|word| !known(word)) {
                Some(word) => Err(format!("{script} knows no {word}")),
                None => Ok(()),
            }
        }
        ["cargo", rest @ ..] => match rest.iter().position(|word| *word == "-p").and_then(|at| rest.get(at + 1)) {
            Some(package) if !is_package(package) => Err(format!("no package `{package}`")),
            _ => Ok(()),
        },
        ["make", "-C", folder, ..] if !top().join(folder).is_dir() => Err(format!("no folder `{folder}`")),
        [program, ..] if program.starts_with("./") || program.starts_with("scripts/") || program.starts_with("fuzz/") => {
            if top().join(program).exists() { Ok(()) } else { Err(format!("no file `{program}`")) }
        }
        _ => Ok(()),
    }
}

#[test]
fn the_check_of_commands_tells_right_from_wrong() {
    let check = |line: &str| check(&line.split_whitespace().collect::<Vec<_>>(), |package| package == "doorbell");
    assert_eq!(check("holdfast app list"), Ok(()));
    assert_eq!(check("holdfast app --help"), Ok(()));
    assert!(check("holdfast app lst").is_err());
    assert!(check("./run --nonsense").is_err());
    assert_eq!(check("./run --exit"), Ok(()));
    assert!(check("cargo test -p doorbel").is_err());
    assert_eq!(check("cargo test -p doorbell"), Ok(()));
    assert!(check("make -C samples/nothing").is_err());
}
