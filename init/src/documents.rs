//! The verified image's documents that init needs: who it is, which services it has, what board it runs on.

use crate::{phases::Boot, problem::Problem};
use linux::files;
use manifest::{
    board::{BOARD_LIMIT, Board},
    image::DeviceImage,
    places,
    service::{SERVICE_TABLE_LIMIT, ServiceTable},
};
use std::fmt::Display;

/// Longest `image.json`.
const IMAGE_LIMIT: usize = 16 * 1024;

/// Reads all three. image-builder has checked them with these same parsers, and dm-verity checks each block.
pub fn read(boot: &mut Boot) -> Result<(), Problem> {
    boot.image = Some(document(places::IMAGE, IMAGE_LIMIT, DeviceImage::parse)?);
    boot.services = Some(document(places::SERVICES, SERVICE_TABLE_LIMIT, ServiceTable::parse)?);
    boot.board = Some(document(places::BOARD, BOARD_LIMIT, Board::parse)?);
    Ok(())
}

/// Reads and parses one.
pub fn document<T, E: Display>(
    path: &'static str,
    limit: usize,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Problem> {
    parse(&files::read(path, limit)?).map_err(|e| Problem::Document { path, reason: e.to_string() })
}
