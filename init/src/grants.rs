//! What a service is started with: the descriptors that its row names, its environment, its ids and capabilities.

use crate::{
    cgroups,
    problem::Problem,
    simulator, sockets,
    sys::{self, ChildPlan},
};
use linux::{files, process::CapabilitySet};
use manifest::{
    board::Board,
    service::{Capability, DescriptorSource, Service},
};
use rustix::{fd::OwnedFd, fs::OFlags};
use std::{
    ffi::CString,
    path::{Path, PathBuf},
};

/// What a start needs beside the service's own row.
pub struct Surroundings<'a> {
    /// The board file.
    pub board: &'a Board,
    /// Read ends of the other services' logs, by service.
    pub logs: Vec<(String, &'a OwnedFd)>,
    /// The service's own log, its write end.
    pub log: &'a OwnedFd,
    /// Number of this boot.
    pub boot: u64,
    /// Its IPC listener.
    pub listener: Option<&'a OwnedFd>,
    /// Tells why the program could not be run.
    pub failure: OwnedFd,
}

/// Opens everything and writes the plan of the start.
pub fn plan(service: &Service, around: Surroundings<'_>) -> Result<ChildPlan, Problem> {
    let passed = descriptors(service, &around)?;
    let reads_logs = service.descriptors.iter().any(|descriptor| descriptor.source == DescriptorSource::ServiceLogs);
    let kernel_log = || files::open("/dev/kmsg", OFlags::WRONLY | OFlags::NONBLOCK);
    // Whoever reads the others' logs cannot have its own read by itself: that one goes to the kernel's log.
    let output = if reads_logs { sys::above_passed(kernel_log()?) } else { sys::above_passed(around.log) };
    let above = |fd: OwnedFd| sys::above_passed(fd).map_err(Problem::kernel("copy a descriptor"));
    Ok(ChildPlan {
        program: text(service.exec.as_str())?,
        arguments: vec![text(service.exec.as_str())?],
        environment: environment(service, &passed, around.boot).iter().map(|line| text(line)).collect::<Result<_, _>>()?,
        cgroup: Some(cgroups::of(&service.name).open()?),
        input: above(files::open("/dev/null", OFlags::RDONLY)?)?,
        output: output.map_err(Problem::kernel("copy a descriptor"))?,
        passed: passed.into_iter().map(|(_, fd)| fd).collect(),
        uid: service.uid,
        gid: service.gid,
        capabilities: capabilities(&service.capabilities),
        children_core: service.children_core.0,
        failure: above(around.failure)?,
    })
}

fn descriptors(service: &Service, around: &Surroundings<'_>) -> Result<Vec<(String, OwnedFd)>, Problem> {
    let mut opened: Vec<(String, OwnedFd)> = Vec::new();
    let copy = |fd: &OwnedFd| sys::above_passed(fd).map_err(Problem::kernel("copy a descriptor"));
    if let Some(listener) = around.listener {
        opened.push(("ipc".into(), copy(listener)?));
    }
    for descriptor in &service.descriptors {
        let name = descriptor.name.as_str().to_owned();
        let mut open = |path: &Path, flags: OFlags| -> Result<(), Problem> {
            opened.push((name.clone(), copy(&files::open(path, flags | OFlags::NONBLOCK | OFlags::NOCTTY)?)?));
            Ok(())
        };
        match &descriptor.source {
            DescriptorSource::Read(path) => open(Path::new(path.as_str()), OFlags::RDONLY)?,
            DescriptorSource::VirtioPort(port) => open(&virtio_port(Path::new(VIRTIO_PORTS), port)?, OFlags::RDWR)?,
            DescriptorSource::Audit => opened.push((name, copy(&sockets::audit_socket()?)?)),
            DescriptorSource::ServiceLogs => {
                for (other, log) in &around.logs {
                    opened.push((format!("log-{other}"), copy(log)?));
                }
            }
            DescriptorSource::SimulatedPulls => {
                for (line, path) in simulator::pull_files(around.board)? {
                    opened.push((format!("pull-{line}"), copy(&files::open(path, OFlags::RDWR)?)?));
                }
            }
        }
    }
    Ok(opened)
}

/// Named ports of virtio-serial.
const VIRTIO_PORTS: &str = "/sys/class/virtio-ports";
/// Most ports that are looked at.
const PORTS_LIMIT: usize = 128;

fn virtio_port(ports: &Path, wanted: &str) -> Result<PathBuf, Problem> {
    let missing = || Problem::Missing(format!("virtio-serial port named `{wanted}`"));
    let names = files::list(ports, PORTS_LIMIT).map_err(|e| if e.is_missing() { missing() } else { e.into() })?;
    let found = names.iter().find(|node| files::read_line(ports.join(node).join("name")).is_ok_and(|name| name == wanted));
    found.map(|node| Path::new("/dev").join(node)).ok_or_else(missing)
}

fn environment(service: &Service, passed: &[(String, OwnedFd)], boot: u64) -> Vec<String> {
    let names: Vec<&str> = passed.iter().map(|(name, _)| name.as_str()).collect();
    let mut lines = vec![
        format!("NOTIFY_SOCKET={}", sockets::notify_path(&service.name)),
        format!("LISTEN_FDS={}", passed.len()),
        format!("LISTEN_FDNAMES={}", names.join(":")),
        format!("HOLDFAST_BOOT={boot}"),
    ];
    if let Some(watchdog) = service.watchdog {
        lines.push(format!("WATCHDOG_USEC={}", watchdog.duration().as_micros()));
    }
    lines
}

fn text(text: &str) -> Result<CString, Problem> {
    CString::new(text).map_err(|_| Problem::Missing(format!("way to pass a NUL byte: {text:?}")))
}

/// What is kept; none for everything.
fn capabilities(listed: &[Capability]) -> Option<CapabilitySet> {
    listed.iter().try_fold(CapabilitySet::empty(), |kept, one| {
        Some(
            kept | match one {
                Capability::Chown => CapabilitySet::CHOWN,
                Capability::Fowner => CapabilitySet::FOWNER,
                Capability::Kill => CapabilitySet::KILL,
                Capability::Setgid => CapabilitySet::SETGID,
                Capability::Setuid => CapabilitySet::SETUID,
                Capability::Setpcap => CapabilitySet::SETPCAP,
                Capability::NetAdmin => CapabilitySet::NET_ADMIN,
                Capability::SysRawio => CapabilitySet::SYS_RAWIO,
                Capability::SysAdmin => CapabilitySet::SYS_ADMIN,
                Capability::SysTime => CapabilitySet::SYS_TIME,
                Capability::All => return None,
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_those_listed_and_all_means_no_change() {
        assert_eq!(capabilities(&[]), Some(CapabilitySet::empty()));
        assert_eq!(capabilities(&[Capability::Kill, Capability::SysTime]), Some(CapabilitySet::KILL | CapabilitySet::SYS_TIME));
        assert_eq!(capabilities(&[Capability::Kill, Capability::All]), None);
    }

    #[test]
    fn a_virtio_port_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for (node, name) in [("vport1p1", "holdfast.buttons"), ("vport1p2", "holdfast.probe")] {
            files::make_folder(folder.path().join(node), 0o700).unwrap();
            files::write_durably(folder.path().join(node).join("name"), format!("{name}\n").as_bytes(), 0o600).unwrap();
        }
        assert_eq!(virtio_port(folder.path(), "holdfast.probe").unwrap(), Path::new("/dev/vport1p2"));
        assert_eq!(virtio_port(folder.path(), "x").unwrap_err().to_string(), "there is no virtio-serial port named `x`");
        assert!(virtio_port(Path::new("/nonexistent"), "x").is_err());
    }
}
