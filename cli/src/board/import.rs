//! `holdfast board import`

use super::hardware_definition::{DEFINITION_LIMIT, HardwareDefinition, Peripheral, Type};
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::harmless,
};
use clap::{Args, ValueHint};
use manifest::{
    api::ErrorClass,
    board::{Board, Kind},
    names::PeripheralName,
    read,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub(super) const HELP: &str = "\
A hardware definition gives names to names of another one, which it imports, down to the chip's own names (MT3620_GPIO8). The \
board file that --board names says where the things are on other hardware, under any of those names; what is written is that \
board file with all further names as aliases. A name of DEFINITION itself that leads nowhere is an error; names of imported \
files that lead nowhere are left out. An import that is not beside the importing file is looked for in each --include.

Examples:
  holdfast board import sample_appliance.json --board boards/my-board.json --out boards/my-appliance.json
  holdfast board import sample_appliance.json --board boards/my-board.json --include sdk/HardwareDefinitions";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The hardware definition
    #[arg(value_name = "DEFINITION", value_hint = ValueHint::FilePath)]
    definition: PathBuf,
    /// The board file with the hardware that the names are for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    board: PathBuf,
    /// Folder with imported definitions; may stand several times
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    include: Vec<PathBuf>,
    /// Where to write the board file [default: standard output]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Imported {
    out: String,
    aliases: usize,
    constants: usize,
    left_out: Vec<String>,
}

/// Most files that one definition imports, and those theirs.
const FILES_LIMIT: usize = 64;
/// Longest chain of names.
const CHAIN_LIMIT: usize = 32;

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let mut board = super::read(&arguments.board)?;
    let definitions = load(&arguments.definition, &arguments.include)?;
    let (aliases, constants) = (board.aliases.len(), board.constants.len());
    let left_out = extend(&mut board, &definitions).map_err(|e| e.while_doing(arguments.definition.display()))?;
    board.check().map_err(|e| Failure::of(ErrorClass::BadInput, &e).while_doing("the board file that would be written"))?;
    let text = serde_json::to_string_pretty(&board).map_err(std::io::Error::from)? + "\n";
    let Some(out) = &arguments.out else {
        context.output.text(text.trim_end());
        return Ok(());
    };
    files::replace(out, |to| to.write_all(text.as_bytes()))?;
    let imported = Imported {
        out: out.display().to_string(),
        aliases: board.aliases.len() - aliases,
        constants: board.constants.len() - constants,
        left_out,
    };
    context.output.result(&imported, |_| {
        let mut text = format!("wrote {} with {} aliases and {} numbers", imported.out, imported.aliases, imported.constants);
        if !imported.left_out.is_empty() {
            text.push_str(&format!("\nleft out, because the board has nothing for them: {}", imported.left_out.join(", ")));
        }
        text
    });
    Ok(())
}

/// A definition and all that it imports.
struct Definitions {
    /// The names of the definition itself.
    own: BTreeSet<PeripheralName>,
    /// Every name of all files.
    all: BTreeMap<PeripheralName, Peripheral>,
}

fn load(path: &Path, include: &[PathBuf]) -> Result<Definitions> {
    let (mut seen, mut all, mut own) = (BTreeSet::new(), BTreeMap::new(), None);
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        if !seen.insert(fs_err::canonicalize(&path)?) {
            continue;
        }
        if seen.len() > FILES_LIMIT {
            let text = format!("{}: more than {FILES_LIMIT} files are imported", path.display());
            return Err(Failure::new(ErrorClass::BadInput, text));
        }
        let bytes = files::read(&path, DEFINITION_LIMIT as u64)?;
        let definition = HardwareDefinition::parse(&bytes)
            .map_err(|error| Failure::of(ErrorClass::BadInput, &error).while_doing(path.display()))?;
        own.get_or_insert_with(|| definition.peripherals.iter().map(|peripheral| peripheral.name.clone()).collect());
        let folder = path.parent().unwrap_or(Path::new("."));
        // One that is not to be found is no error: the board may know the names that it has.
        waiting.extend(definition.imports.iter().filter_map(|import| find(&import.path, folder, include)));
        for peripheral in definition.peripherals {
            let name = peripheral.name.clone();
            if let Some(before) = all.insert(name.clone(), peripheral)
                && Some(&before) != all.get(&name)
            {
                let text = format!("{}: {name} means something else in another file", path.display());
                return Err(Failure::new(ErrorClass::BadInput, text).hint("each name stands for one thing in all files together"));
            }
        }
    }
    Ok(Definitions { own: own.unwrap_or_default(), all })
}

fn find(import: &str, folder: &Path, include: &[PathBuf]) -> Option<PathBuf> {
    let folders = std::iter::once(folder).chain(include.iter().map(PathBuf::as_path));
    folders.map(|folder| folder.join(import)).find(|path| path.is_file())
}

/// What a name leads to on the board.
enum Meaning {
    Device(PeripheralName, Kind),
    Number(u32),
}

/// Adds every name that leads to something; returns those of imported files that do not.
fn extend(board: &mut Board, definitions: &Definitions) -> Result<Vec<String>> {
    let (mut aliases, mut constants) = (BTreeMap::new(), BTreeMap::new());
    let (mut left_out, mut wrong) = (Vec::new(), Vec::new());
    for (name, peripheral) in &definitions.all {
        if is_known(board, name) {
            continue;
        }
        match meaning(board, definitions, name) {
            Some(Meaning::Device(own, kind)) if fits(peripheral.r#type, kind) => drop(aliases.insert(name.clone(), own)),
            Some(Meaning::Device(own, kind)) => {
                wrong.push(format!("{name}: is of type {:?}, and ${own} is a {kind} of the board", peripheral.r#type))
            }
            Some(Meaning::Number(number)) if peripheral.r#type == Type::Number => drop(constants.insert(name.clone(), number)),
            Some(Meaning::Number(_)) => wrong.push(format!("{name}: leads to a number, but is of type {:?}", peripheral.r#type)),
            None if definitions.own.contains(name) => wrong.push(nowhere(board, definitions, name)),
            None => left_out.push(name.to_string()),
        }
    }
    if !wrong.is_empty() {
        let text = format!("{} of {} names mean nothing on the board {}", wrong.len(), definitions.own.len(), board.name);
        let hint = "add an entry to the board file under one of the names that each leads through, and import again";
        return Err(Failure::new(ErrorClass::NotFound, text)
            .context(wrong.iter().map(|line| harmless(line)).collect())
            .hint(hint));
    }
    board.aliases.extend(aliases);
    board.constants.extend(constants);
    Ok(left_out)
}

fn is_known(board: &Board, name: &PeripheralName) -> bool {
    board.device(name).is_some() || board.constants.contains_key(name)
}

/// Follows a name until the board knows it, or the chip's own file gives its number.
fn meaning(board: &Board, definitions: &Definitions, name: &PeripheralName) -> Option<Meaning> {
    chain(definitions, name).find_map(|name| {
        if let Some(device) = board.device(name) {
            return Some(Meaning::Device(device.entry.name().clone(), device.entry.kind()));
        }
        let number =
            definitions.all.get(name).filter(|peripheral| peripheral.r#type == Type::Number).and_then(Peripheral::number);
        board.constants.get(name).copied().or(number).map(Meaning::Number)
    })
}

/// The name, the one it stands for, and so on; a circle is followed no further than [`CHAIN_LIMIT`].
fn chain<'a>(definitions: &'a Definitions, name: &'a PeripheralName) -> impl Iterator<Item = &'a PeripheralName> {
    let next = |name: &&'a PeripheralName| definitions.all.get(*name).and_then(|peripheral| peripheral.mapping.as_ref());
    std::iter::successors(Some(name), next).take(CHAIN_LIMIT)
}

fn nowhere(board: &Board, definitions: &Definitions, name: &PeripheralName) -> String {
    let path: Vec<&str> = chain(definitions, name).map(PeripheralName::as_str).collect();
    let last = path.last().copied().unwrap_or_default();
    let known: Vec<PeripheralName> = Kind::ALL.into_iter().flat_map(|kind| board.names(kind)).collect();
    let near = read::nearest(last, known.iter().map(PeripheralName::as_str));
    let near = near.map_or_else(String::new, |near| format!("; the board has ${near}"));
    format!("{}{near}", path.join(" → "))
}

fn fits(r#type: Type, kind: Kind) -> bool {
    let expected = match r#type {
        Type::Gpio => Kind::Gpio,
        Type::Uart => Kind::Uart,
        Type::I2cMaster => Kind::I2c,
        Type::SpiMaster => Kind::Spi,
        Type::Pwm => Kind::Pwm,
        Type::Adc => Kind::Adc,
        Type::I2sSubordinate | Type::Number => return false,
    };
    kind == expected
}
