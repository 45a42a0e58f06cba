//! Which device, and proof both ways: its certificate is pinned, ours comes from the keys folder.

use crate::{
    dispatch::Context,
    failure::{Failure, Result},
    files,
    run::state::{self, State},
};
use api_client::{Client, ClientError, Credentials};
use clap::{Args, ValueEnum};
use image_builder::keys::{self, Role};
use manifest::{api::ErrorClass, names::Sha256Hex};

/// The device to talk to; by default the machine that runs here.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Address of the device [default: that of the machine that runs here]
    #[arg(long, value_name = "HOST:PORT", value_parser = address, requires = "fingerprint", help_heading = "Device")]
    device: Option<String>,
    /// SHA-256 of the device's certificate, as its console shows it
    #[arg(long, value_name = "HEX", requires = "device", help_heading = "Device")]
    fingerprint: Option<Sha256Hex>,
    /// Name of the machine, where more than one runs here
    #[arg(long, value_name = "NAME", conflicts_with = "device", help_heading = "Device")]
    machine: Option<String>,
    /// With which of the keys folder's certificates to show up
    #[arg(long = "as", value_enum, value_name = "ROLE", default_value_t = As::Developer, help_heading = "Device")]
    role: As,
}

/// Roles of the device API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    /// May do everything
    Developer,
    /// May operate, but not change what is installed
    Operator,
    /// May look
    Viewer,
}

impl Target {
    /// Prepares a client; nothing is sent yet.
    pub fn client(&self, context: &Context) -> Result<Client> {
        let (address, pin) = match (&self.device, &self.fingerprint) {
            (Some(address), Some(pin)) => (address.clone(), pin.clone()),
            _ => local(&self.local(context)?)?,
        };
        Ok(Client::new(&address, pin, &self.credentials(context)?)?)
    }

    /// The machine here, for what only a machine has: buttons, a power switch.
    pub fn local(&self, context: &Context) -> Result<State> {
        if self.device.is_some() {
            return Err(Failure::new(
                ErrorClass::Usage,
                "this works with a machine that runs here, not with a device by its address",
            ));
        }
        state::the_running(context, self.machine.as_deref())
    }

    /// The machine here, if that is what is meant.
    pub fn local_if_any(&self, context: &Context) -> Option<State> {
        self.local(context).ok()
    }

    fn credentials(&self, context: &Context) -> Result<Credentials> {
        let role = match self.role {
            As::Developer => Role::Developer,
            As::Operator => Role::Operator,
            As::Viewer => Role::Viewer,
        };
        credentials(context, role)
    }
}

fn credentials(context: &Context, role: Role) -> Result<Credentials> {
    let keys = keys::load(context.places.keys())?;
    let read = |path| files::read(path, KEY_LIMIT);
    Ok(Credentials { certificate: read(&keys.api_certificate(role))?, key: read(&keys.api_key(role))? })
}

/// A client of a machine that runs here, for looking only.
pub fn viewer_of(context: &Context, state: &State) -> Result<Client> {
    let (address, pin) = local(state)?;
    Ok(Client::new(&address, pin, &credentials(context, Role::Viewer)?)?)
}

/// Longest PEM file that is read.
const KEY_LIMIT: u64 = 256 * 1024;

fn local(state: &State) -> Result<(String, Sha256Hex)> {
    let pin = state.fingerprint.clone().ok_or_else(|| {
        let text = format!("the machine `{}` has not shown its certificate yet, so there is nothing to know it by", state.name);
        Failure::new(ErrorClass::Unavailable, text)
            .hint("it is still booting: try again when its console shows `certificate sha256`")
    })?;
    Ok((format!("127.0.0.1:{}", state.api_port), pin))
}

fn address(text: &str) -> std::result::Result<String, String> {
    let valid =
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
    if valid && text.len() <= 300 { Ok(text.to_owned()) } else { Err("expected HOST:PORT, such as 192.0.2.7:8443".into()) }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let class = error.class();
        if let ClientError::Refused { body, .. } = error {
            return body.into();
        }
        let failure = Self::of(class, &error);
        match error {
            ClientError::Connect { .. } => failure.hint("does it run? `holdfast run --detach` starts a machine"),
            ClientError::WrongDevice { .. } => {
                failure.hint("if its data was erased it has a new key: compare with the line `certificate sha256` on its console")
            }
            ClientError::NotAdmitted { .. } => {
                failure.hint("the image has to be built with the keys that are used here: --keys DIR")
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_host_and_port() {
        assert!(address("localhost:8443").is_ok() && address("[::1]:8443").is_ok());
        assert!(address("localhost").is_err() && address(":1").is_err() && address("a:0").is_err() && address("a:x").is_err());
    }
}
