//! One attack in one arm: a sandbox without some layers, and what the probe said in it.

use crate::machine::{self, IMAGE, Machine, USER};
use anyhow::{Context, Result, anyhow, bail};
use linux::{
    mount::{self, Flags},
    pidfd,
    process::Signal,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    pipe::{PipeFlags, pipe_with},
};
use sandbox::{
    Command, Denials, Mount, Place, Policy, Processes,
    arms::{self, Layer},
    denials,
    seccomp::profiles,
    spawn,
};
use std::time::{Duration, Instant};

/// Longest time an attack may take, on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(40);
/// Processes of the app's user by its own limit: more than its control group has, fewer than a fork bomb starts.
const PROCESSES_LIMIT: u64 = 32;
/// Stands for an empty list in a plan.
const NONE: &str = "-";

/// A line of the plan.
pub struct Arm {
    /// Name of the attack.
    pub attack: String,
    /// Name of the arm, for the row.
    pub name: String,
    processes: Processes,
    left_out: Vec<Layer>,
    settings: Vec<(String, String)>,
}

impl Arm {
    /// Reads `ATTACK ARM PROCESSES LAYER,LAYER NAME=VALUE,…`; `-` where there is none.
    pub fn parse(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [attack, name, processes, layers, settings] = words[..] else { bail!("{} words", words.len()) };
        let layer = |word: &String| Layer::ALL.iter().copied().find(|layer| layer.name() == word);
        Ok(Self {
            attack: attack.to_owned(),
            name: name.to_owned(),
            processes: match processes {
                "fork" => Processes::Fork,
                "exec" => Processes::Exec,
                other => bail!("processes {other}"),
            },
            left_out: listed(layers).iter().map(|word| layer(word).ok_or(anyhow!("layer {word}"))).collect::<Result<_>>()?,
            settings: self::settings(settings)?,
        })
    }

    /// Runs it. What the probe said: `worked`, the errno's name, or the signal that ended it.
    pub fn run(&self, machine: &Machine) -> Result<String> {
        for (name, value) in &self.settings {
            machine::set(name, value)?;
        }
        arms::leave_out(&self.left_out);
        let said = self.said(machine);
        machine.clean()?;
        outcome(&said?, machine, &self.attack)
    }

    fn said(&self, machine: &Machine) -> Result<String> {
        let root = mount::detached_bind(IMAGE)?;
        let user = USER.to_string();
        let data = mount::detached("tmpfs", &[("uid", Some(&user)), ("mode", Some("0777"))], Flags::empty())?;
        let cgroup = machine.group.open()?;
        let mut policy = Policy::new(USER, root.as_fd());
        policy.mounts = vec![Mount { detached: data, place: Place::Data }];
        policy.processes = self.processes;
        policy.profiles = vec![&profiles::app::THREADS];
        policy.denials = Denials::Told;
        policy.limits.processes = PROCESSES_LIMIT;
        policy.cgroup = Some(cgroup.as_fd());
        let (output, output_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = Command::new("/bin/app", output_end.as_fd(), output_end.as_fd());
        command.arguments = ["attack", &machine.token, &machine.outsider.to_string(), &self.attack].map(str::to_owned).to_vec();
        let child = spawn(&machine.kernel, policy, &command)?;
        drop(output_end);
        let said = read_until_closed(&output, child.denials.as_ref());
        pidfd::signal(&child.pidfd, Signal::KILL)?;
        pidfd::ended(&child.pidfd, LIMIT)?;
        let ending = pidfd::reap(&child.pidfd)?.map(|exit| child.ending(exit).ending);
        match said? {
            said if said.is_empty() => {
                let ending = ending.map_or_else(|| "was gone".to_owned(), |ending| ending.to_string());
                Err(anyhow!("the probe said nothing and {ending}"))
            }
            said => Ok(said),
        }
    }
}

/// The words of a list in a plan.
fn listed(text: &str) -> Vec<String> {
    text.split(',').filter(|word| *word != NONE).map(str::to_owned).collect()
}

/// `NAME=VALUE,…` of a plan.
pub fn settings(text: &str) -> Result<Vec<(String, String)>> {
    let setting = |word: &String| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    listed(text).iter().map(|word| setting(word).context("setting")).collect()
}

/// What the probe said that came of an attack.
pub fn outcome(said: &str, machine: &Machine, attack: &str) -> Result<String> {
    let expected = format!("outcome {} {attack} ", machine.token);
    let outcome = said.lines().find_map(|line| line.strip_prefix(&expected)).map(str::to_owned);
    outcome.with_context(|| format!("the probe said {said:?}"))
}

/// All that comes out of a pipe until nobody can write to it. Refused calls that wait at the listener are answered meanwhile.
pub fn read_until_closed(pipe: &OwnedFd, listener: Option<&OwnedFd>) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: i64::try_from(left.as_secs())?, tv_nsec: left.subsec_nanos().into() };
        let mut waited: Vec<_> = std::iter::once(pipe).chain(listener).map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        if poll(&mut waited, Some(&left))? == 0 {
            bail!("no end within {} s; so far: {:?}", LIMIT.as_secs(), String::from_utf8_lossy(&said));
        }
        let is_ready = |at: usize| waited.get(at).is_some_and(|fd| !fd.revents().is_empty());
        if let Some(listener) = listener.filter(|_| is_ready(1)) {
            let _ = denials::answer(listener);
        }
        if !is_ready(0) {
            continue;
        }
        let mut part = [0; 4096];
        match rustix::io::read(pipe, &mut part)? {
            0 => return Ok(String::from_utf8_lossy(&said).into_owned()),
            length => said.extend_from_slice(part.get(..length).unwrap_or_default()),
        }
    }
}
