//! `holdfast board`: board files, which say what a device's peripherals are called and where they are.

mod check;
pub mod hardware_definition;
mod header;
mod import;
mod number;
mod schema;

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
};
use clap::Subcommand;
use manifest::{
    api::ErrorClass,
    board::{BOARD_LIMIT, Board},
};
use std::path::Path;

/// What to do with board files.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Tell whether a board file is valid, and what is on the board
    #[command(after_help = check::HELP)]
    Check(check::Arguments),
    /// Write the C header with the names of a board's peripherals
    #[command(after_help = header::HELP)]
    Header(header::Arguments),
    /// Make a board file from an Azure Sphere hardware definition
    #[command(after_help = import::HELP)]
    Import(import::Arguments),
    /// Print the JSON Schema of board files, by which editors complete and check
    #[command(after_help = schema::HELP)]
    Schema,
}

/// Acts.
pub fn act(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Check(arguments) => check::act(context, &arguments),
        Verb::Header(arguments) => header::act(context, &arguments),
        Verb::Import(arguments) => import::act(context, &arguments),
        Verb::Schema => schema::act(context),
    }
}

/// Reads a board file.
pub fn read(path: &Path) -> Result<Board> {
    let bytes = files::read(path, BOARD_LIMIT as u64)?;
    Board::parse(&bytes).map_err(|error| Failure::of(ErrorClass::BadInput, &error).while_doing(path.display()))
}
