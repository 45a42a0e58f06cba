//! The console: shown, and read for the one line that clients need.

use super::state::State;
use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    output::harmless,
};
use manifest::names::Sha256Hex;
use qemu_runner::{RunnerError, Running};
use std::time::Duration;

/// What device-api writes before the digest of its certificate.
const CERTIFICATE: &str = "certificate sha256 ";
/// Lines of the console shown when a device did not come up.
const LAST_LINES: usize = 15;

/// Shows the console until the machine ends.
pub(super) fn until_it_ends(context: &Context, running: Running, state: &mut State) -> Result<()> {
    let mut problem = None;
    let ended = running.console().wait(
        "its end",
        Duration::MAX / 4,
        Some(running.process()),
        |line| context.output.note(&harmless(line)),
        |line| {
            if let Some(found) = certificate(line) {
                problem = keep(state, &running, found).err();
            }
            None::<()>
        },
    );
    match (ended, problem) {
        (_, Some(failure)) => Err(failure),
        (Err(RunnerError::Gone { .. }) | Ok(()), None) => {
            context.output.result(&serde_json::json!({ "name": state.name, "ended": true }), |_| {
                format!("machine `{}` has ended", state.name)
            });
            Ok(())
        }
        (Err(error), None) => Err(error.into()),
    }
}

/// Waits until the device API is there. A machine whose device does not come up is stopped: nobody would know of it.
pub(super) fn until_ready(
    context: &Context,
    mut running: Running,
    state: &mut State,
    limit: Duration,
    shown: bool,
) -> Result<()> {
    let mut last: Vec<String> = Vec::new();
    let found = running.console().wait(
        "the device API",
        limit,
        Some(running.process()),
        |line| {
            let line = harmless(line);
            if shown {
                context.output.note(&line);
            }
            last.push(line);
            if last.len() > LAST_LINES {
                last.remove(0);
            }
        },
        certificate,
    );
    match found {
        Ok(found) => keep(state, &running, found),
        Err(error) => {
            running.kill()?;
            let failure = Failure::from(error).context(if shown { Vec::new() } else { last });
            Err(failure
                .hint(format!("the whole console is in {}", running.folder().file(qemu_runner::folder::CONSOLE).display())))
        }
    }
}

fn keep(state: &mut State, running: &Running, found: Sha256Hex) -> Result<()> {
    if state.fingerprint.as_ref() != Some(&found) {
        state.fingerprint = Some(found);
        state.store(running.folder().path())?;
    }
    Ok(())
}

/// The digest in a line such as `[    2.1] device-api: certificate sha256 …`. Apps do not write to the console.
fn certificate(line: &str) -> Option<Sha256Hex> {
    let (_, rest) = line.split_once("device-api")?;
    let (_, digest) = rest.split_once(CERTIFICATE)?;
    digest.split(|c: char| !c.is_ascii_hexdigit()).next()?.to_ascii_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_found_and_nothing_else_taken_for_it() {
        let digest = "ab".repeat(32);
        assert_eq!(certificate(&format!("[    2.1] device-api: certificate sha256 {digest}")).unwrap().as_str(), digest);
        assert_eq!(certificate(&format!("[    2.1] device-api[12]: <5>certificate sha256 {digest}.")).unwrap().as_str(), digest);
        assert_eq!(certificate("device-api: certificate sha256 abc"), None);
        assert_eq!(certificate(&format!("other: certificate sha256 {digest}")), None);
    }
}
