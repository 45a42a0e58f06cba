//! `holdfast device info`

use super::connect::Target;
use crate::{
    dispatch::Context,
    failure::Result,
    output::{Style, harmless},
    times,
};

/// Acts.
pub(super) fn act(context: &Context, target: &Target) -> Result<()> {
    let info = target.client(context)?.device()?;
    context.output.result(&info, |out| {
        let mut lines = vec![
            format!("{} {}", out.paint(Style::Bold, info.name.as_str()), harmless(&info.version)),
            format!("  board         {}", info.board),
            format!("  machine id    {}", harmless(&info.machine_id)),
            format!("  kernel        {}", harmless(&info.kernel)),
            format!("  platform ABI  {}", info.platform_abi),
            format!("  boot          number {}, up for {}", info.boot, times::span(info.uptime_seconds)),
            format!("  clock         {}", times::seconds(info.clock)),
        ];
        if info.safe_mode {
            lines.push(out.paint(Style::Bad, "  SAFE MODE: repeated failures; customer apps do not run"));
        }
        lines.extend(
            info.warnings.iter().map(|warning| format!("  {} {}", out.paint(Style::Warning, "warning:"), harmless(warning))),
        );
        lines.join("\n")
    });
    Ok(())
}
