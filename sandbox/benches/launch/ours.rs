//! Launches by this library.

use crate::{
    Result,
    place::{self, Place, USER},
};
use linux::pidfd::{self, Ending};
use rustix::{
    fd::{AsFd, OwnedFd},
    pipe::{PipeFlags, pipe_with},
};
use sandbox::{Child, Command, Kernel, Mount, Policy, layers::devices::Devices, ready::Networks};
use std::{
    fs,
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How a launch is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing is.
    Cold,
    /// A network namespace and /dev are ready; made again between two launches, outside of the measured time.
    Warm,
}

impl Way {
    pub const ALL: &[Self] = &[Self::Cold, Self::Warm];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }

    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|way| way.name() == name).copied().ok_or_else(|| format!("no way `{name}`").into())
    }
}

/// What every launch uses.
struct Launcher<'a> {
    place: &'a Place,
    kernel: Kernel,
    group: OwnedFd,
    output: (OwnedFd, OwnedFd),
    ready: Option<(Networks, Devices, PathBuf)>,
}

impl<'a> Launcher<'a> {
    fn new(place: &'a Place, way: Way, networks: usize) -> Result<Self> {
        let ready = match way {
            Way::Cold => None,
            Way::Warm => {
                let folder = PathBuf::from(format!("{}/dev-{}", place.folder(), std::process::id()));
                fs::create_dir_all(&folder)?;
                Some((Networks::new(networks), Devices::mount_at(&folder)?, folder))
            }
        };
        let mut launcher = Self {
            place,
            kernel: Kernel::check()?,
            group: linux::cgroup::Cgroup::at(place::group()).open()?,
            output: pipe_with(PipeFlags::CLOEXEC)?,
            ready,
        };
        launcher.refill()?;
        Ok(launcher)
    }

    fn start(&mut self, program: &str) -> Result<Child> {
        let root = linux::mount::detached_bind(self.place.root())?;
        let data = Mount { detached: linux::mount::detached_bind(self.place.storage())?, place: sandbox::Place::Data };
        let (network, devices) = match &mut self.ready {
            Some((networks, devices, _)) => (networks.take(), Some(&*devices)),
            None => (None, None),
        };
        let policy =
            Policy { mounts: vec![data], cgroup: Some(self.group.as_fd()), network, devices, ..Policy::new(USER, root.as_fd()) };
        let command = Command::new(program, self.output.1.as_fd(), self.output.1.as_fd());
        Ok(sandbox::spawn(&self.kernel, policy, &command)?)
    }
}

impl Launcher<'_> {
    fn refill(&mut self) -> Result<()> {
        let Some((networks, ..)) = &mut self.ready else { return Ok(()) };
        while networks.lacks() {
            networks.make()?;
        }
        Ok(())
    }
}

impl Drop for Launcher<'_> {
    fn drop(&mut self) {
        if let Some((.., folder)) = &self.ready {
            let _ = linux::mount::detach(folder);
            let _ = fs::remove_dir(folder);
        }
    }
}

fn end(child: &Child) -> Result<()> {
    while !pidfd::ended(&child.pidfd, Duration::from_secs(10))? {}
    match pidfd::reap(&child.pidfd)?.map(|exit| child.ending(exit).ending) {
        Some(Ending::Exited(0)) => Ok(()),
        other => Err(format!("the program ended with {other:?}").into()),
    }
}

/// Nanoseconds of each of some launches, one after the other.
pub fn launches(place: &Place, way: Way, count: usize) -> Result<Vec<u64>> {
    let mut launcher = Launcher::new(place, way, 2)?;
    (0..count)
        .map(|_| {
            let begun = Instant::now();
            end(&launcher.start("/bin/true")?)?;
            let taken = begun.elapsed();
            launcher.refill()?;
            Ok(u64::try_from(taken.as_nanos())?)
        })
        .collect()
}

/// Nanoseconds of some launches that are all started before one is waited for.
pub fn burst(place: &Place, way: Way, count: usize) -> Result<u64> {
    let mut launcher = Launcher::new(place, way, count)?;
    let begun = Instant::now();
    let running = (0..count).map(|_| launcher.start("/bin/true")).collect::<Result<Vec<_>>>()?;
    running.iter().try_for_each(end)?;
    Ok(u64::try_from(begun.elapsed().as_nanos())?)
}

/// What is in force.
pub fn in_force(place: &Place) -> Result<Vec<String>> {
    let child = Launcher::new(place, Way::Cold, 0)?.start("/bin/true")?;
    end(&child)?;
    Ok(child.in_force)
}

/// Memory that a running app costs beside itself: that of the reaping init.
pub fn memory(out: &mut impl Write, place: &Place) -> Result<()> {
    const APPS: usize = 10;
    let mut launcher = Launcher::new(place, Way::Cold, 0)?;
    let running = (0..APPS).map(|_| launcher.start("/bin/pause")).collect::<Result<Vec<_>>>()?;
    let (mut pss, mut dirty) = (0, 0);
    for child in &running {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", child.pid))?;
        pss += kib(&text, "Pss:")?;
        dirty += kib(&text, "Private_Dirty:")?;
    }
    for child in &running {
        pidfd::signal(&child.pidfd, linux::process::Signal::KILL)?;
        while !pidfd::ended(&child.pidfd, Duration::from_secs(10))? {}
        pidfd::reap(&child.pidfd)?;
    }
    writeln!(
        out,
        "\nmemory per running app on top of the app, of {APPS}: PSS {} KiB, goal 300; Private_Dirty {} KiB",
        pss / APPS as u64,
        dirty / APPS as u64
    )?;
    Ok(())
}

fn kib(text: &str, field: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
