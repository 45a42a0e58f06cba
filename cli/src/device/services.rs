//! `holdfast device services` and `network`

use super::connect::Target;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{harmless, table},
};

/// The daemons.
pub(super) fn services(context: &Context, target: &Target) -> Result<()> {
    let list = target.client(context)?.services()?;
    context.output.result(&list, |_| {
        let mut rows = vec![["SERVICE", "STATE", "PID", "STARTS", "READY AT", "STATUS"].map(str::to_owned).to_vec()];
        for service in &list.services {
            let dash = || "-".to_owned();
            rows.push(vec![
                service.name.to_string(),
                super::logs::word(&service.state),
                service.pid.map_or_else(dash, |pid| pid.to_string()),
                service.generation.to_string(),
                service.ready_at_ms.map_or_else(dash, |ms| format!("{ms} ms")),
                harmless(service.status.as_deref().or(service.last_exit.as_deref()).unwrap_or("")),
            ]);
        }
        table(&rows)
    });
    Ok(())
}

/// Links and addresses.
pub(super) fn network(context: &Context, target: &Target) -> Result<()> {
    let status = target.client(context)?.network()?;
    context.output.result(&status, |_| status.links.iter().map(|link| harmless(link)).collect::<Vec<_>>().join("\n"));
    Ok(())
}
