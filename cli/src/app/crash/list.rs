//! `holdfast app crashes`

use crate::{
    crash::signal,
    device::connect::Target,
    dispatch::Context,
    failure::Result,
    output::{harmless, size, table},
    times,
};
use clap::Args;
use manifest::{
    api::{CrashList, CrashReport},
    names::ComponentId,
};

pub(in crate::app) const HELP: &str = "\
What stands here the device knows itself. The rest of a report is sealed to the owner's key: `holdfast app crash show NUMBER` \
opens it.

Examples:
  holdfast app crashes
  holdfast app crashes doorbell --json";

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Those of this app alone: its component id, or its name
    #[arg(value_name = "APP")]
    app: Option<String>,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// Acts.
pub(in crate::app) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let mut list = arguments.target.client(context)?.crashes()?;
    if let Some(app) = &arguments.app {
        list.crashes.retain(|crash| is_of(app, crash));
    }
    context.output.result(&list, |_| words(&list));
    Ok(())
}

fn is_of(app: &str, crash: &CrashReport) -> bool {
    match app.parse::<ComponentId>() {
        Ok(id) => crash.component == id,
        Err(_) => crash.name.to_lowercase() == app.to_lowercase(),
    }
}

fn words(list: &CrashList) -> String {
    if list.crashes.is_empty() {
        return "no crash report is kept".into();
    }
    let mut rows = vec![["NUMBER", "APP", "VERSION", "SIGNAL", "TIME", "SIZE", "PROBLEM"].map(str::to_owned).to_vec()];
    rows.extend(list.crashes.iter().map(|crash| {
        vec![
            crash.number.to_string(),
            harmless(&crash.name),
            crash.version.to_string(),
            signal::name(crash.signal.cast_unsigned()),
            times::milliseconds(crash.time_ms),
            size(crash.size),
            harmless(crash.problem.as_deref().unwrap_or_default()),
        ]
    }));
    if list.crashes.iter().all(|crash| crash.problem.is_none()) {
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(number: u64, name: &str, problem: Option<&str>) -> CrashReport {
        CrashReport {
            number,
            component: "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110001".parse().unwrap(),
            name: name.into(),
            version: 3,
            generation: 2,
            signal: 11,
            time_ms: 1_764_082_800_000,
            size: 20_480,
            problem: problem.map(str::to_owned),
        }
    }

    #[test]
    fn crashes_are_told_with_the_signals_name_and_a_problem_only_where_there_is_one() {
        let list = |problem| CrashList { crashes: vec![crash(7, "Door\u{1b}bell", problem)] };
        let expected = "\
NUMBER  APP        VERSION  SIGNAL   TIME                 SIZE
7       Door\u{fffd}bell  3        SIGSEGV  2025-11-25 15:00:00  20.0 KiB
";
        assert_eq!(words(&list(None)), expected);
        assert!(words(&list(Some("no core"))).ends_with("20.0 KiB  no core\n"));
        assert_eq!(words(&CrashList { crashes: vec![] }), "no crash report is kept");
    }

    #[test]
    fn an_app_is_named_by_id_or_by_name() {
        let crash = crash(1, "Doorbell", None);
        assert!(is_of("doorbell", &crash) && is_of("4c3f2d9b-6a4e-4f1c-9a37-d00bbe110001", &crash));
        assert!(!is_of("door", &crash) && !is_of("4c3f2d9b-6a4e-4f1c-9a37-d00bbe110002", &crash));
    }
}
