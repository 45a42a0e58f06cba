//! crash-reporter's process: everything is in the library.

#![forbid(unsafe_code)]

use crash_reporter::{
    daemon::{Places, run},
    reader::sealed_minidump,
    reading::PATIENCE,
};
use linux::{descriptors, files::chain, log};
use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    match run(descriptors::take(), &Places::below(Path::new("/")), sealed_minidump, PATIENCE) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(chain(&error));
            ExitCode::FAILURE
        }
    }
}
