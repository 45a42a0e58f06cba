//! Waiting for a condition, never for a time.

use anyhow::{Result, bail};
use std::{
    fmt::Display,
    thread::sleep,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(100);

/// Looks at `condition` until it gives something; after `limit` an error that says what was waited for and what the last
/// look found.
pub fn wait_for<T>(what: impl Display, limit: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        let last = match condition() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "not yet".to_owned(),
            Err(e) => format!("{e:#}"),
        };
        if began.elapsed() > limit {
            bail!("waited {} s for {what}: {last}", limit.as_secs());
        }
        sleep(STEP);
    }
}

/// As [`wait_for`], for conditions that are a plain yes or no.
pub fn wait_until(what: impl Display, limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, limit, || Ok(condition()?.then_some(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_ends_with_what_was_found_last() {
        let error = wait_until("rain", Duration::ZERO, || bail!("blue sky")).unwrap_err().to_string();
        assert!(error.contains("rain") && error.contains("blue sky"), "{error}");
    }

    #[test]
    fn what_the_condition_gives_is_returned() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }
}
