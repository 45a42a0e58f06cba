//! `holdfast device boot-trace`

use super::connect::Target;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{harmless, table},
};

/// Acts.
pub(super) fn act(context: &Context, target: &Target) -> Result<()> {
    let trace = target.client(context)?.boot_trace()?;
    context.output.result(&trace, |_| {
        let mut rows = vec![["BEGAN", "TOOK", "PHASE", "PROBLEM"].map(str::to_owned).to_vec()];
        for phase in &trace.phases {
            let took = format!("{}.{:03} ms", phase.took_us / 1000, phase.took_us % 1000);
            rows.push(vec![
                format!("{} ms", phase.began_ms),
                took,
                harmless(&phase.name),
                harmless(phase.problem.as_deref().unwrap_or("")),
            ]);
        }
        table(&rows)
    });
    Ok(())
}
