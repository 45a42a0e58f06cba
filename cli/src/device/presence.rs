//! Whether a device is there, asked while it goes down or comes up.

use crate::failure::Result;
use api_client::{Client, ClientError};
use manifest::api::{DeviceInfo, ErrorClass};
use std::time::{Duration, Instant};

/// Asks a device whether it is there. One that goes down or comes up may take a connection and never answer, so the
/// first questions are short; one on a loaded machine needs longer, so they grow.
pub struct Asking {
    client: Option<Client>,
    patience: Duration,
}

const FIRST_PATIENCE: Duration = Duration::from_secs(2);
const LAST_PATIENCE: Duration = Duration::from_secs(15);

impl Asking {
    /// With this client.
    pub fn new(client: Client) -> Self {
        Self { client: Some(client), patience: FIRST_PATIENCE }
    }

    /// Asks once.
    pub fn device(&mut self) -> std::result::Result<DeviceInfo, ClientError> {
        let Some(client) = self.client.take() else { return Err(ClientError::TimedOut(self.patience)) };
        let client = client.with_patience(self.patience);
        let answer = client.device();
        if matches!(answer, Err(ClientError::TimedOut(_))) {
            self.patience = (self.patience * 3 / 2).min(LAST_PATIENCE);
        }
        self.client = Some(client);
        answer
    }
}

/// Takes an error as "not there", unless it is of another kind.
pub fn absent(error: ClientError) -> Result<()> {
    if error.class() == ErrorClass::Unavailable { Ok(()) } else { Err(error.into()) }
}

/// How often a device is asked.
const LOOK: Duration = Duration::from_millis(250);

/// Waits until a device answers, in whatever way: one that does not admit us is there. Whether it came to that in time.
pub fn wait(client: Client, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let mut asking = Asking::new(client);
    loop {
        match asking.device() {
            Err(error) if error.class() == ErrorClass::Unavailable => {}
            _ => return true,
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}
