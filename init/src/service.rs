//! One service as init keeps it: its row, its state, its process, and what it last said.

use crate::{
    cgroups,
    grants::{self, Surroundings},
    life::{self, Effect, Event, OnSilence, Rules, State},
    problem::Problem,
    say, sockets, sys,
};
use linux::{
    clock, files,
    pidfd::{self, Ending, Exit},
};
use manifest::{
    api::{ServiceState, ServiceStatus},
    board::Board,
    service::Service as Row,
};
use rustix::{
    fd::OwnedFd,
    pipe::{PipeFlags, pipe_with},
    process::Signal,
};
use std::time::Duration;

/// Score that makes the kernel take other processes first when memory runs out, for services that health depends on.
const VITAL_OOM_SCORE: &str = "-500";

/// A service.
pub struct Service {
    /// Its row in the service table.
    pub row: Row,
    /// What it is doing.
    pub state: State,
    /// Its process, from its start until it is reaped.
    pub process: Option<Process>,
    /// Where it says that it is ready.
    pub notify: OwnedFd,
    /// Whether somebody has connected to it since it began to wait: matters only where it runs on demand.
    pub asked: bool,
    listener: Option<OwnedFd>,
    log: (OwnedFd, OwnedFd),
    generation: u64,
    failures: u32,
    last_exit: Option<String>,
    status: Option<String>,
    ready_at: Option<Duration>,
    kill_reason: Option<&'static str>,
}

/// A running process.
pub struct Process {
    /// Its number, which nobody else gets before it is reaped here.
    pub pid: i32,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// Tells a start that failed between fork and exec.
    failure: OwnedFd,
}

impl Service {
    /// Makes its sockets and pipes. Not started yet.
    pub fn new(row: Row, safe_mode: bool) -> Result<Self, Problem> {
        Ok(Self {
            state: if safe_mode && !row.in_safe_mode { State::Disabled } else { State::Waiting },
            notify: sockets::notify_socket(&row.name, row.uid, row.gid)?,
            log: sockets::log_pipe()?,
            asked: false,
            listener: listener(&row)?,
            row,
            process: None,
            generation: 0,
            failures: 0,
            last_exit: None,
            status: None,
            ready_at: None,
            kill_reason: None,
        })
    }

    /// The end of its log that the monitor reads.
    pub fn log(&self) -> &OwnedFd {
        &self.log.0
    }

    /// Where it is connected to.
    pub fn listener(&self) -> Option<&OwnedFd> {
        self.listener.as_ref()
    }

    /// Lets `event` happen; the caller carries the effect out.
    pub fn happen(&mut self, event: Event, now: Duration, has_watchdog: bool) -> Effect {
        match life::transition(self.state, event, now, &self.rules(has_watchdog)) {
            Ok((state, effect)) => {
                if matches!(state, State::Ready { .. }) && matches!(self.state, State::Starting { .. }) {
                    self.ready_at = Some(now);
                }
                self.state = state;
                effect
            }
            Err(impossible) => {
                say::warning(format_args!("{}: {impossible}", self.row.name));
                Effect::None
            }
        }
    }

    fn rules(&self, has_watchdog: bool) -> Rules {
        Rules {
            ready_timeout: self.row.ready_timeout.duration(),
            watchdog: self.row.watchdog.map(|watchdog| watchdog.duration()),
            stop_grace: self.row.stop_grace.duration(),
            // The count is raised before the event that uses it.
            back_off: life::back_off(self.failures),
            on_silence: if self.row.health && has_watchdog { OnSilence::StarveHardwareWatchdog } else { OnSilence::Kill },
        }
    }

    /// Starts its process.
    pub fn start(&mut self, board: &Board, boot: u64, logs: Vec<(String, &OwnedFd)>) -> Result<(), Problem> {
        // It is the same for all instances, so that nobody who waits there is lost; but what one of them did to it would last.
        if self.listener.as_ref().is_some_and(sockets::is_shut) {
            say::warning(format_args!("{}: its socket was shut down and is made anew", self.row.name));
            self.listener = listener(&self.row)?;
        }
        let (failure, told) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(Problem::kernel("make a pipe"))?;
        let around = Surroundings { board, boot, logs, log: &self.log.1, listener: self.listener.as_ref(), failure: told };
        let plan = grants::plan(&self.row, around)?;
        let (pid, pidfd) = sys::start(&plan).map_err(Problem::kernel("make a process in its control group"))?;
        if self.row.health {
            let _ = files::write_existing(format!("/proc/{pid}/oom_score_adj"), VITAL_OOM_SCORE);
        }
        self.generation += 1;
        self.status = None;
        self.ready_at = None;
        self.kill_reason = None;
        self.process = Some(Process { pid, pidfd, failure });
        Ok(())
    }

    /// Reads what it said. Each element is an event for [`Service::happen`].
    pub fn said(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let pid = self.process.as_ref().map_or(0, |process| process.pid);
        for said in sockets::notifications(&self.notify, pid) {
            if said.ready {
                events.push(Event::SaidReady);
            }
            if said.watchdog {
                events.push(Event::Pinged);
            }
            if said.status.is_some() {
                self.status = said.status;
            }
        }
        events
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        if let Some(process) = &self.process {
            let _ = pidfd::signal(&process.pidfd, Signal::TERM);
        }
    }

    /// Sends SIGKILL to it and all that it started.
    pub fn kill(&mut self, reason: &'static str) {
        self.kill_reason = Some(reason);
        if let Some(process) = &self.process {
            let _ = pidfd::signal(&process.pidfd, Signal::KILL);
        }
        cgroups::kill_rest(&self.row.name);
    }

    /// Its process was reaped: what that is for it, and, where it is a failure, in words.
    pub fn ended(&mut self, exit: Exit, now: Duration) -> (Event, String) {
        let failed_step = self.process.take().and_then(|process| start_failure(&process.failure));
        // What it started ends with it: the next instance finds nobody in its group and nothing of it held.
        cgroups::kill_rest(&self.row.name);
        // One that ends at once is in a loop: a connection that it does not take starts it again.
        let served = self.state.ready_since().is_some_and(|since| now.saturating_sub(since) >= life::WORTH_A_START);
        let was_ready = matches!(self.state, State::Ready { .. });
        if self.row.on_demand && was_ready && served && self.kill_reason.is_none() && exit.ending == Ending::Exited(0) {
            self.failures = 0;
            return (Event::Finished, String::new());
        }
        let why = match (failed_step, self.kill_reason) {
            (Some(step), _) => step,
            (None, Some(reason)) => format!("{reason} and was killed"),
            (None, None) => exit.ending.to_string(),
        };
        (Event::Ended, self.fail(why, now))
    }

    /// Counts a failure and keeps its reason.
    pub fn fail(&mut self, why: String, now: Duration) -> String {
        self.failures = life::failures_after(self.failures, self.state.ready_since(), now);
        self.last_exit = Some(why.clone());
        why
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// For people and the API.
    pub fn report(&self) -> ServiceStatus {
        ServiceStatus {
            name: self.row.name.clone(),
            state: match self.state {
                State::Waiting => ServiceState::Waiting,
                State::Starting { .. } => ServiceState::Starting,
                State::Ready { .. } | State::Silent { .. } => ServiceState::Ready,
                State::BackOff { .. } => ServiceState::BackOff,
                State::Killed { .. } | State::Stopping { .. } => ServiceState::Stopping,
                State::Stopped => ServiceState::Stopped,
                State::Disabled => ServiceState::Disabled,
            },
            pid: self.process.as_ref().and_then(|process| u32::try_from(process.pid).ok()),
            generation: self.generation,
            last_exit: self.last_exit.clone(),
            status: match self.state {
                State::Silent { .. } => Some("does not answer its watchdog".into()),
                State::Waiting if self.row.on_demand => Some("is started when it is asked".into()),
                _ => self.status.clone(),
            },
            ready_at_ms: self.ready_at.map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// Where it is connected to, if anybody may.
fn listener(row: &Row) -> Result<Option<OwnedFd>, Problem> {
    let any = || sockets::ipc_listener(row.name.as_str(), sockets::Callers::Any, rustix::net::SocketFlags::empty());
    (!row.callers.is_empty()).then(any).transpose()
}

/// What the child wrote before it ended without having become its program.
fn start_failure(pipe: &OwnedFd) -> Option<String> {
    let mut report = [0; 5];
    let length = rustix::io::read(pipe, &mut report).ok()?;
    let [step, errno @ ..] = report;
    let step = sys::STEPS.get(usize::from(step)).filter(|_| length == report.len())?;
    Some(format!("it could not {step}: {}", std::io::Error::from_raw_os_error(i32::from_ne_bytes(errno))))
}

/// Time of now, as all of init counts it.
pub fn now() -> Duration {
    clock::since_boot()
}
