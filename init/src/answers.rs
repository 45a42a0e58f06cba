//! What init answers by ipc: which services there are, how the boot went, and going down.

use crate::{
    down::Kind,
    problem::Problem,
    sockets::{self, Callers},
    supervise::Supervisor,
};
use ipc::{
    Incoming, Server,
    client::Answer,
    messages::init::{BootTrace, Request, Services},
};
use linux::{log::printable, poll::Poller};
use manifest::{
    api::{Done, EventKind},
    names::ServiceName,
    service::{Service as Row, ServiceTable},
};
use rustix::net::SocketFlags;

/// init as a row of the service table, which it is not, because the table is about what init starts: who may ask it for
/// what. Callers are looked up by ids that they have and this row has not.
const OWN_ROW: &str = r#"{"name": "init", "purpose": "PID 1", "exec": "/usr/lib/holdfast/init", "uid": 4294967295, "gid": 4294967295,
    "callers": {"device-api": ["services", "boot-trace", "reboot", "power-off"], "app-services": ["reboot", "power-off"], "probe": ["*"]},
    "on_exit": "reboot", "memory": 0, "pids": 0}"#;
/// Beside root, only these services can even connect: the one by its group, the other by its uid.
const CALLERS: [&str; 2] = ["device-api", "app-services"];

/// Opens init's own socket.
pub fn listen(mut table: ServiceTable, poller: &Poller) -> Result<Server, Problem> {
    let own = own_row()?;
    let name = own.name.clone();
    let [group, owner] = CALLERS.map(|name| table.services.iter().find(|row| row.name.as_str() == name));
    let callers = Callers::Only { uid: owner.map_or(0, |row| row.uid), gid: group.map_or(0, |row| row.gid) };
    table.services.push(own);
    let listener = sockets::ipc_listener(name.as_str(), callers, SocketFlags::NONBLOCK)?;
    Server::new(listener, name, table, poller).map_err(Problem::io("watch init's socket"))
}

fn own_row() -> Result<Row, Problem> {
    serde_json::from_str(OWN_ROW).map_err(|e| Problem::Document { path: "init's own row", reason: e.to_string() })
}

/// Answers what `token` brought.
pub fn answer(init: &mut Supervisor, server: &mut Server, token: u64) {
    match server.receive::<Request>(token, init.poller()) {
        Incoming::Request { caller, request, .. } => match request {
            Request::Services {} => {
                let reply = Services {
                    services: init.services.iter().map(|service| service.report()).collect(),
                    safe_mode: init.counters.as_ref().is_some_and(|counters| counters.safe_mode),
                    boot: init.counters.as_ref().map_or(0, |counters| counters.boot),
                };
                server.answer(token, &Answer::Ok(reply), &[]);
            }
            Request::BootTrace {} => server.answer(token, &Answer::Ok(BootTrace { phases: init.trace.clone() }), &[]),
            Request::Reboot { reason } => {
                server.answer(token, &Answer::Ok(Done {}), &[]);
                let why = format!("{caller} asked for it: {}", printable(&reason, REASON_LIMIT));
                if fails_the_boot(caller.service.as_ref(), init.is_healthy()) {
                    init.give_up(format!("{why}, before the boot was healthy"));
                } else {
                    init.want(Kind::Restart, why);
                }
            }
            Request::PowerOff { reason } => {
                server.answer(token, &Answer::Ok(Done {}), &[]);
                init.want(Kind::PowerOff, format!("{caller} asked for it: {}", printable(&reason, REASON_LIMIT)));
            }
        },
        Incoming::Malformed { caller, error } => {
            init.reports.add(EventKind::MalformedPacket, caller.to_string(), error.to_string())
        }
        Incoming::Forbidden { caller, request } => {
            init.reports.add(EventKind::ForbiddenRequest, caller.to_string(), format!("`{request}` to init"))
        }
        Incoming::Nothing | Incoming::Closed => {}
    }
}

/// Whether a restart that this service asks for is a failure of the boot: an app's is, until the boot has proved itself. Else an
/// app that wants one at every start would keep the device from its owner for ever, and safe mode would never come. An operator
/// restarts as often as he likes, and an app that powers down is what a device on a battery is built for.
fn fails_the_boot(service: Option<&ServiceName>, is_healthy: bool) -> bool {
    !is_healthy && service.is_some_and(|name| name.as_str() == CALLERS[1])
}

/// Longest reason that is repeated, in characters.
const REASON_LIMIT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_is_no_service_that_a_caller_could_be_taken_for() {
        let row = own_row().unwrap();
        assert_eq!((row.uid, row.gid), (u32::MAX, u32::MAX));
        let callers: Vec<&str> = row.callers.keys().map(manifest::names::ServiceName::as_str).collect();
        assert_eq!(callers, ["app-services", "device-api", "probe"]);
    }

    #[test]
    fn only_an_apps_restart_fails_a_boot_and_only_until_it_is_healthy() {
        let fails = |service: &str, is_healthy| fails_the_boot(Some(&service.parse().unwrap()), is_healthy);
        assert!(fails("app-services", false));
        assert!(!fails("app-services", true));
        assert!(!fails("device-api", false) && !fails("probe", false) && !fails_the_boot(None, false));
    }
}
