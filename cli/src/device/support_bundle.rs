//! `holdfast device support-bundle`

use super::{
    connect::Target,
    events,
    logs::{self, PAGE},
};
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
    output::{Output, harmless, size},
};
use api_client::Client;
use clap::{Args, ValueHint};
use manifest::{
    api::{ErrorClass, LogLine},
    names::{ComponentId, ServiceName},
};
use serde::Serialize;
use std::{
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

pub(super) const HELP: &str = "\
What cannot be had is named in problems.txt, and the rest is written all the same: a sick device is when it is needed. \
Logs of apps are in it: look before you send it to somebody. Crash reports are sealed, as the device keeps them.

Example:
  holdfast device support-bundle -o doorbell.tar";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// File to write
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, default_value = "support.tar")]
    output: PathBuf,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// Most lines of each log.
const LINES: usize = 20_000;
/// Most bytes of one file in the bundle.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;
/// Most apps and daemons looked at.
const SUBJECTS: usize = 256;

#[derive(Serialize)]
struct Written {
    file: String,
    size: u64,
    files: Vec<String>,
    problems: Vec<String>,
}

/// What goes in, by name.
#[derive(Default)]
struct Collected {
    files: Vec<(String, Vec<u8>)>,
    problems: Vec<String>,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let client = arguments.target.client(context)?;
    let mut collected = Collected::default();
    // First: who keeps them is started by this, and has a log then.
    crashes(&client, &mut collected);
    device(&client, &mut collected);
    apps(&client, &mut collected);
    if let Some(state) = arguments.target.local_if_any(context) {
        let folder = context.places.runs().join(&state.name);
        for name in [qemu_runner::folder::CONSOLE, qemu_runner::folder::QEMU_LOG] {
            collected.add(name, end_of(&folder.join(name)).map_err(Failure::from));
        }
    }
    if collected.files.is_empty() {
        let text = "nothing could be read from the device, so there is no support bundle";
        return Err(Failure::new(ErrorClass::Unavailable, text).context(collected.problems));
    }
    if !collected.problems.is_empty() {
        let text = collected.problems.join("\n");
        collected.files.push(("problems.txt".into(), text.into_bytes()));
    }
    files::replace(&arguments.output, |to| write(to, &collected.files))?;
    let written = Written {
        file: arguments.output.display().to_string(),
        size: fs_err::metadata(&arguments.output)?.len(),
        files: collected.files.into_iter().map(|(name, _)| name).collect(),
        problems: collected.problems,
    };
    context.output.result(&written, |_| {
        let head = format!("Wrote {} ({}, {} files)", written.file, size(written.size), written.files.len());
        let problems = written.problems.iter().map(|problem| format!("  missing: {problem}"));
        std::iter::once(head).chain(problems).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

fn device(client: &Client, to: &mut Collected) {
    to.json("device.json", client.device().map_err(Failure::from));
    to.json("boot-trace.json", client.boot_trace().map_err(Failure::from));
    to.json("network.json", client.network().map_err(Failure::from));
    to.json("events.json", events::all(client));
    to.log("dmesg.txt", logs::tail(LINES, &mut |after| client.kernel_log(after, PAGE)));
    let services = client.services().map_err(Failure::from);
    let names: Vec<ServiceName> = services.iter().flat_map(|list| &list.services).map(|service| service.name.clone()).collect();
    to.json("services.json", services);
    for name in names.iter().take(SUBJECTS) {
        match logs::tail(LINES, &mut |after| client.service_log(name, after, PAGE)) {
            // The monitor keeps the others' logs; what it says itself is in the kernel's.
            Err(failure) if failure.class == ErrorClass::NotFound => {}
            lines => to.log(&format!("services/{name}.log"), lines),
        }
    }
}

fn apps(client: &Client, to: &mut Collected) {
    let apps = client.apps().map_err(Failure::from);
    let ids: Vec<ComponentId> = apps.iter().flat_map(|list| &list.apps).map(|app| app.component_id.clone()).collect();
    to.json("apps.json", apps);
    for id in ids.iter().take(SUBJECTS) {
        to.json(&format!("apps/{id}/denials.json"), client.denials(id).map_err(Failure::from));
        to.json(&format!("apps/{id}/policy.json"), client.policy(id).map_err(Failure::from));
        to.log(&format!("apps/{id}/log.txt"), logs::tail(LINES, &mut |after| client.app_log(id, after, PAGE)));
    }
}

fn crashes(client: &Client, to: &mut Collected) {
    let list = client.crashes().map_err(Failure::from);
    let numbers: Vec<u64> = list.iter().flat_map(|list| &list.crashes).map(|crash| crash.number).collect();
    to.json("crashes.json", list);
    for number in numbers {
        to.add(&format!("crashes/{number}.sealed"), client.crash(number).map(Vec::from).map_err(Failure::from));
    }
}

impl Collected {
    fn add(&mut self, name: &str, content: Result<Vec<u8>>) {
        match content {
            Ok(mut bytes) => {
                bytes.truncate(usize::try_from(FILE_LIMIT).unwrap_or(usize::MAX));
                self.files.push((name.to_owned(), bytes));
            }
            Err(failure) => self.problems.push(format!("{name}: {}", harmless(&failure.message))),
        }
    }

    fn json<T: Serialize>(&mut self, name: &str, value: Result<T>) {
        let text = value.and_then(|value| serde_json::to_vec_pretty(&value).map_err(|e| Failure::of(ErrorClass::Internal, &e)));
        self.add(name, text);
    }

    fn log(&mut self, name: &str, lines: Result<(Vec<LogLine>, u64)>) {
        let plain = Output::new(true);
        let text =
            |lines: Vec<LogLine>| lines.iter().map(|line| logs::words(plain, line) + "\n").collect::<String>().into_bytes();
        self.add(name, lines.map(|(lines, _)| text(lines)));
    }
}

/// The last bytes of a file.
fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(FILE_LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(to: &mut dyn io::Write, entries: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("support/{name}"), bytes.as_slice())?;
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_a_tar_that_tar_reads() {
        let file = tempfile::NamedTempFile::new().unwrap();
        files::replace(file.path(), |to| write(to, &[("device.json".into(), b"{}".to_vec())])).unwrap();
        let listed = std::process::Command::new("tar").arg("-tf").arg(file.path()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&listed.stdout), "support/device.json\n");
    }
}
