//! `holdfast board header`

use super::number::number;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::harmless,
};
use clap::{Args, ValueHint};
use manifest::{api::ErrorClass, board::Board};
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf};

pub(super) const HELP: &str = "\
Programs in Azure Sphere's style include it as <hw/NAME.h> and give the names in it to the functions that open peripherals. \
Each name is a number made of the name alone, so that a program runs on every board that has the name. Names that no C \
program can spell, such as PWM-CONTROLLER-0, are left out and told.

Examples:
  holdfast board header boards/qemu-q35.json
  holdfast board header boards/qemu-q35.json --out inc/hw/qemu_q35.h";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The board file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Where to write it [default: standard output]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Written {
    out: String,
    names: usize,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let board = super::read(&arguments.file)?;
    let names = names(&board)?;
    for name in names.keys().filter(|name| !is_identifier(name)) {
        context.output.warning(&format!("{name} is left out: it is no name in C; give it an alias"));
    }
    let text = text(&board, &names);
    let Some(out) = &arguments.out else {
        context.output.text(text.trim_end());
        return Ok(());
    };
    files::replace(out, |to| to.write_all(text.as_bytes()))?;
    let written = Written { out: out.display().to_string(), names: names.keys().filter(|name| is_identifier(name)).count() };
    context.output.result(&written, |_| format!("wrote {} names to {}", written.names, written.out));
    Ok(())
}

/// What stands behind a name: its number, and words for people.
type Names = BTreeMap<String, (u32, String)>;

/// Every name of the board with its number. Two with one number are refused: a program could not tell them apart.
fn names(board: &Board) -> Result<Names> {
    let own = board.devices().map(|device| device.name);
    let mut names = Names::new();
    for name in own.chain(board.aliases.keys().cloned()) {
        let Some(device) = board.device(&name) else { continue };
        let words = format!("{}, {}", device.entry.kind(), device.entry.places().join(", "));
        let value = number(name.as_str());
        if let Some((other, _)) = names.iter().find(|(_, (taken, _))| *taken == value) {
            let text = format!("${name} and ${other} have the same number {value:#x} in C");
            return Err(Failure::new(ErrorClass::Conflict, text).hint("rename one of them"));
        }
        names.insert(name.to_string(), (value, words));
    }
    names.extend(board.constants.iter().map(|(name, value)| (name.to_string(), (*value, "a number".to_owned()))));
    Ok(names)
}

fn text(board: &Board, names: &Names) -> String {
    let mut text = format!(
        "/* Names of the peripherals of {}. Made by `holdfast board header`; change the board file instead. */\n#pragma once\n",
        in_comment(board.name.as_str())
    );
    for (name, (value, words)) in names.iter().filter(|(name, _)| is_identifier(name)) {
        text.push_str(&format!("\n/* {} */\n#define {name} ({value})\n", in_comment(words)));
    }
    text
}

/// Words that cannot end the comment they stand in.
fn in_comment(words: &str) -> String {
    harmless(words).replace("*/", "* /")
}

fn is_identifier(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_names_aliases_and_numbers_and_nothing_ends_its_comments() {
        let board = Board::parse(
            br#"{"name":"*/ int x; /*","gpio":[{"name":"$BUTTON","chip":"*/c","line":3,"direction":"input"},
            {"name":"$GPIO-4","chip":"c","line":4,"direction":"input"}],"aliases":{"$KEY":"$BUTTON"},"constants":{"CHANNEL":1}}"#,
        )
        .unwrap();
        let text = text(&board, &names(&board).unwrap());
        let defines: Vec<&str> = text.lines().filter(|line| line.starts_with("#define")).collect();
        let line = |name: &str| format!("#define {name} ({})", number(name));
        assert_eq!(defines, [line("BUTTON"), "#define CHANNEL (1)".to_owned(), line("KEY")]);
        assert!(
            text.lines().filter(|line| line.contains("*/")).all(|line| line.matches("*/").count() == 1 && line.ends_with("*/")),
            "{text}"
        );
    }
}
