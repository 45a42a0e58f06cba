//! What is known of a machine, in its folder: how other commands find a device and know that it is the same.

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
};
use manifest::{api::ErrorClass, names::Sha256Hex, read};
use qemu_runner::{MachineFolder, Running, process::ProcessId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "state.json";
const LIMIT: usize = 64 * 1024;

/// The state of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Its name.
    pub name: String,
    /// QEMU's process.
    pub process: ProcessId,
    /// The image's folder.
    pub image: PathBuf,
    /// Port of 127.0.0.1 that leads to the device API.
    pub api_port: u16,
    /// Whether it booted through firmware.
    pub secure: bool,
    /// SHA-256 of the device's certificate as its console told: what clients pin. Absent until then.
    pub fingerprint: Option<Sha256Hex>,
}

impl State {
    /// Of the machine in this folder; none before its first start.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = files::read(&path, LIMIT as u64)?;
        read::json("machine state", &bytes, LIMIT).map(Some).map_err(|error| {
            let failure = Failure::from(error).while_doing(path.display());
            failure.hint("it is of another version of this command: stop that machine, then `holdfast run --reset`")
        })
    }

    /// Keeps it.
    pub fn store(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Failure::of(ErrorClass::Internal, &e))?;
        Ok(files::replace(&folder.join(FILE), |to| to.write_all(&text))?)
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.process.is_alive()
    }

    /// Its machine.
    pub fn machine(&self, context: &Context) -> Result<Running> {
        let folder = MachineFolder::open(&context.places.runs().join(&self.name))?;
        Ok(Running::adopt(&folder, self.process))
    }
}

/// All machines that were ever run here, by name.
pub fn all(context: &Context) -> Result<Vec<State>> {
    let runs = context.places.runs();
    if !runs.is_dir() {
        return Ok(Vec::new());
    }
    let mut states = Vec::new();
    for entry in fs_err::read_dir(runs)? {
        states.extend(State::load(&entry?.path())?);
    }
    states.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(states)
}

/// The machine called `name`, or the only one that runs.
pub fn the_running(context: &Context, name: Option<&str>) -> Result<State> {
    let mut running: Vec<State> = all(context)?.into_iter().filter(State::is_running).collect();
    if let Some(name) = name {
        running.retain(|state| state.name == name);
    }
    let names = running.iter().map(|state| state.name.clone()).collect::<Vec<_>>().join(", ");
    match (running.len(), running.pop(), name) {
        (1, Some(state), _) => Ok(state),
        (_, _, Some(name)) => {
            let text = format!("no machine called `{name}` runs here");
            Err(Failure::new(ErrorClass::NotFound, text).hint(format!("holdfast run --name {name} --detach")))
        }
        (0, _, None) => {
            let failure = Failure::new(ErrorClass::NotFound, "no device is running here, and none was named");
            Err(failure.hint("start one with `holdfast run --detach`, or name one with --device HOST:PORT"))
        }
        (_, _, None) => Err(Failure::new(ErrorClass::Usage, format!("more than one machine runs here: {names}"))
            .hint("say which, with --machine NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_and_a_stranger_field_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = State {
            name: "qemu".into(),
            process: ProcessId { pid: 1, start: 2 },
            image: "image".into(),
            api_port: 1,
            secure: false,
            fingerprint: None,
        };
        assert_eq!(State::load(folder.path()).unwrap(), None);
        state.store(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), Some(state));
        let text = fs_err::read_to_string(folder.path().join(FILE)).unwrap().replace("secure", "secured");
        fs_err::write(folder.path().join(FILE), text).unwrap();
        assert_eq!(State::load(folder.path()).unwrap_err().class, ErrorClass::BadInput);
    }
}
