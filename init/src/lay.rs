//! Laying the data partition from the template: each block that differs is written, the one with the superblock last.
//!
//! The template is mostly zeros; so is a new disk, and then only a few blocks are written. On a used disk stale blocks
//! where the template has zeros would be read as directories or bitmaps, so these are written too.

use crate::problem::Problem;
use std::{fs::File, os::unix::fs::FileExt};

/// Unit of comparing and writing: a few file system blocks at once.
const CHUNK: usize = 64 * 1024;
/// What is written last: boot block, superblock and what shares their disk block. Once it is there, so is all the rest.
const HEAD: u64 = 4096;

/// Copies `template` to the start of `device`, durably.
pub fn copy(template: &File, device: &File) -> Result<(), Problem> {
    let size = template.metadata().map_err(Problem::io("read the size of the data template"))?.len();
    let mut position = HEAD;
    while position < size {
        let length = usize::try_from(size - position).unwrap_or(CHUNK).min(CHUNK);
        copy_chunk(template, device, position, length)?;
        position += length as u64;
    }
    sync(device)?;
    copy_chunk(template, device, 0, usize::try_from(HEAD.min(size)).unwrap_or(0))?;
    sync(device)
}

fn copy_chunk(template: &File, device: &File, position: u64, length: usize) -> Result<(), Problem> {
    let (mut wanted, mut there) = (vec![0; length], vec![0; length]);
    template.read_exact_at(&mut wanted, position).map_err(Problem::io("read the data template"))?;
    device
        .read_exact_at(&mut there, position)
        .map_err(Problem::io("read the data partition: is it smaller than the template"))?;
    if wanted != there {
        device.write_all_at(&wanted, position).map_err(Problem::io("write the data partition"))?;
    }
    Ok(())
}

fn sync(device: &File) -> Result<(), Problem> {
    device.sync_data().map_err(Problem::io("flush the data partition"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file
    }

    #[test]
    fn a_used_device_ends_with_the_templates_bytes_and_keeps_what_is_behind() {
        let mut template = vec![0; 3 * CHUNK + 4096];
        template[1024] = 7;
        template[2 * CHUNK] = 9;
        let device = file(&vec![0xaa; 5 * CHUNK]);
        copy(&file(&template), &device).unwrap();
        let mut result = vec![0; 5 * CHUNK];
        device.read_exact_at(&mut result, 0).unwrap();
        assert_eq!(&result[..template.len()], &template[..]);
        assert!(result[template.len()..].iter().all(|b| *b == 0xaa));
    }

    #[test]
    fn a_device_smaller_than_the_template_is_an_error() {
        assert!(copy(&file(&vec![1; 2 * CHUNK]), &file(&vec![0; CHUNK])).is_err());
    }
}
