//! Opening a report: whose it is, and with which key.

use crate::{
    crash::dump::DUMP_LIMIT,
    device::connect::Target,
    dispatch::Context,
    failure::{Failure, Result},
    files,
};
use clap::{Args, ValueHint};
use image_builder::{crash_key, keys};
use manifest::api::{CrashReport, ErrorClass};
use std::path::{Path, PathBuf};

/// The key that opens reports.
#[derive(Debug, Args)]
pub(super) struct Key {
    /// Private key that opens crash reports (X25519, PKCS#8 PEM) [default: crash-report.key in the keys folder]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
}

impl Key {
    /// Opens a sealed report: what it says, and its minidump, which is empty where it has a problem.
    pub(super) fn open(&self, context: &Context, bytes: &[u8]) -> Result<(CrashReport, Vec<u8>)> {
        // What is no report is told before a key is asked for.
        crash_report::envelope(bytes)?;
        let key = match &self.key {
            Some(path) => crash_key::private(path)?,
            None => crash_key::private_of(&keys::load(context.places.keys())?)?,
        };
        Ok(crash_report::open(&key, bytes)?)
    }
}

/// A report by its number, or a file with one.
#[derive(Debug, Clone)]
pub(super) enum Which {
    /// On a device.
    Number(u64),
    /// Here.
    File(PathBuf),
}

impl Which {
    /// A number is one of a device's reports; a file of such a name is given as `./7`.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, std::convert::Infallible> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Number))
    }

    /// Its bytes, sealed or not.
    pub(super) fn read(&self, context: &Context, target: &Target) -> Result<Vec<u8>> {
        match self {
            Self::Number(number) => Ok(target.client(context)?.crash(*number)?.to_vec()),
            Self::File(path) => Ok(files::read(path, DUMP_LIMIT)?),
        }
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Number(number) => format!("crash report {number}"),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// A report whose minidump is missing has the reason for it.
pub(super) fn without_minidump(report: &CrashReport) -> Failure {
    let problem = report.problem.as_deref().unwrap_or("it is empty");
    Failure::new(ErrorClass::NotFound, format!("crash report {} has no minidump: {problem}", report.number))
}

/// Where a fetched file goes unless told otherwise.
pub(super) fn default_name(number: u64, kind: &str) -> PathBuf {
    Path::new(&format!("crash-{number}.{kind}")).to_owned()
}
