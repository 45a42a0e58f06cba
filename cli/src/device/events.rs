//! `holdfast device events`

use super::{
    connect::Target,
    logs::{PAGE, PAGES_LIMIT, word},
};
use crate::{
    dispatch::Context,
    failure::Result,
    output::{harmless, table},
    times,
};
use api_client::Client;
use clap::Args;
use manifest::api::{Event, EventPage};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show the last N events only
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lines: u32,
    /// Which device
    #[command(flatten)]
    target: Target,
}

/// Acts.
pub(super) fn act(context: &Context, arguments: &Arguments) -> Result<()> {
    let mut events = all(&arguments.target.client(context)?)?;
    events.drain(..events.len().saturating_sub(arguments.lines as usize));
    let page = EventPage { events };
    context.output.result(&page, |_| {
        let mut rows = vec![["TIME", "BOOT", "EVENT", "SUBJECT", "DETAIL"].map(str::to_owned).to_vec()];
        rows.extend(page.events.iter().map(|event| {
            let time = times::milliseconds(event.time_ms);
            vec![time, event.boot.to_string(), word(&event.kind), harmless(&event.subject), harmless(&event.detail)]
        }));
        table(&rows)
    });
    Ok(())
}

/// All events that the device keeps.
pub(super) fn all(client: &Client) -> Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    for _ in 0..PAGES_LIMIT {
        let after = events.last().map_or(0, |event| event.sequence);
        let page = client.events(after, PAGE)?.events;
        if page.last().is_none_or(|event| event.sequence <= after) {
            break;
        }
        events.extend(page);
    }
    Ok(events)
}
