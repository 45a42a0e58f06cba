//! What must hold of a plan before it is carried out. app-manager decides and is ours, but it reads what apps say; if it
//! were taken over, this is what still stands between it and the rights that launcher has.
//!
//! - The uid is in the apps' range: no plan runs as a daemon or as root.
//! - Each descriptor is what the plan says: an image open for reading, the control group that bears the instance's name,
//!   both ends of two pipes, a socket; nothing granted is a folder or a disk.
//! - The filter is built from profiles for apps, the mandatory one among them.
//! - No app is debugged unless the verified image itself says that apps may be.
//!
//! The rest (paths, texts, limits, contradictions) `sandbox` refuses by itself, and the layers have no switch.

use crate::refusal::Refusal;
use ipc::messages::launcher::{Plan, PlanDescriptor, Processes};
use manifest::places;
use rustix::{
    fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    fs::{FileType, OFlags, Stat},
};
use sandbox::seccomp::{Profile, profiles};

/// The descriptors of a plan that was found to be in order.
#[derive(Debug)]
pub struct Descriptors {
    /// The image.
    pub image: OwnedFd,
    /// The control group's folder.
    pub cgroup: OwnedFd,
    /// Write ends.
    pub stdout: OwnedFd,
    /// Write ends.
    pub stderr: OwnedFd,
    /// Read ends of both, and the notify socket, for a restarted app-manager.
    pub kept: [OwnedFd; 3],
    /// What the app is passed.
    pub granted: Vec<(String, OwnedFd)>,
    /// Where a debugger is spoken with, if one is to start the app.
    pub debugger: Option<OwnedFd>,
}

/// Whether apps may be debugged, as the image says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debug {
    /// By nobody.
    Refused,
    /// By whom device-api lets.
    Allowed,
}

/// The profile that every app's filter has.
const MANDATORY: &str = "app";

/// Checks the plan alone.
pub fn check_plan(plan: &Plan) -> Result<Vec<&'static Profile>, Refusal> {
    check_uid(plan.uid)?;
    let mut found = Vec::new();
    for name in &plan.confinement.syscall_profiles {
        found.push(
            profiles::find(name)
                .ok_or_else(|| refused(format!("`{}` is no system call profile for apps", name.escape_debug())))?,
        );
    }
    if !found.iter().any(|profile| profile.name == MANDATORY) {
        return Err(refused(format!("the system call profile `{MANDATORY}` is missing")));
    }
    Ok(found)
}

/// Refuses ids that are no app's.
pub fn check_uid(uid: u32) -> Result<(), Refusal> {
    if (places::FIRST_APP_UID..=places::LAST_APP_UID).contains(&uid) {
        return Ok(());
    }
    Err(refused(format!("user id {uid} is not one of an app ({} to {})", places::FIRST_APP_UID, places::LAST_APP_UID)))
}

/// Takes the plan's descriptors apart: each kind once, and each what it should be.
pub fn sort(plan: &Plan, descriptors: Vec<OwnedFd>, debug: Debug) -> Result<Descriptors, Refusal> {
    if descriptors.len() != plan.descriptors.len() {
        return Err(refused(format!("{} descriptors came, {} are named", descriptors.len(), plan.descriptors.len())));
    }
    let mut single: [Option<OwnedFd>; 8] = [const { None }; 8];
    let mut granted = Vec::new();
    for (kind, fd) in plan.descriptors.iter().zip(descriptors) {
        let [image, cgroup, stdout, stderr, stdout_read, stderr_read, notify, debugger] = &mut single;
        let place = match kind {
            PlanDescriptor::Image => image,
            PlanDescriptor::Cgroup => cgroup,
            PlanDescriptor::Stdout => stdout,
            PlanDescriptor::Stderr => stderr,
            PlanDescriptor::StdoutRead => stdout_read,
            PlanDescriptor::StderrRead => stderr_read,
            PlanDescriptor::Notify => notify,
            PlanDescriptor::Debugger if debug == Debug::Refused => {
                return Err(refused("this image lets nobody debug apps".to_owned()));
            }
            PlanDescriptor::Debugger => debugger,
            PlanDescriptor::Granted(name) => {
                check_granted(name, fd.as_fd())?;
                granted.push((name.clone(), fd));
                continue;
            }
        };
        if place.replace(fd).is_some() {
            return Err(refused(format!("two descriptors are {kind:?}")));
        }
    }
    let [Some(image), Some(cgroup), Some(stdout), Some(stderr), Some(stdout_read), Some(stderr_read), Some(notify), debugger] =
        single
    else {
        return Err(refused(
            "image, control group, both ends of stdout and stderr and the notify socket must be there".to_owned(),
        ));
    };
    check_image(image.as_fd())?;
    check_cgroup(cgroup.as_fd(), plan)?;
    check_pipe("stdout", stdout.as_fd(), stdout_read.as_fd())?;
    check_pipe("stderr", stderr.as_fd(), stderr_read.as_fd())?;
    for (name, socket) in [("notify", Some(&notify)), ("debugger's", debugger.as_ref())] {
        if let Some(socket) = socket
            && FileType::from_raw_mode(status(socket.as_fd())?.st_mode) != FileType::Socket
        {
            return Err(refused(format!("the {name} socket is no socket")));
        }
    }
    Ok(Descriptors { image, cgroup, stdout, stderr, kept: [stdout_read, stderr_read, notify], granted, debugger })
}

/// What an app is passed is a line, a port, a socket: never a folder to walk out of, never a whole disk.
fn check_granted(name: &str, fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    let kind = FileType::from_raw_mode(status(fd)?.st_mode);
    if kind.is_dir() || kind.is_block_device() || kind.is_symlink() || mode(fd)?.contains(OFlags::PATH) {
        return Err(refused(format!("`{}` is a folder, a disk or a path; an app gets neither", name.escape_debug())));
    }
    Ok(())
}

fn check_image(fd: BorrowedFd<'_>) -> Result<(), Refusal> {
    let is_file = FileType::from_raw_mode(status(fd)?.st_mode).is_file();
    if is_file && access(mode(fd)?) == OFlags::RDONLY {
        Ok(())
    } else {
        Err(refused("the image is no regular file that is open for reading".to_owned()))
    }
}

/// By the name under which the kernel knows the folder: a group of the system, or of another app, would lend its limits.
fn check_cgroup(fd: BorrowedFd<'_>, plan: &Plan) -> Result<(), Refusal> {
    let expected = format!("{}/{}-{}", places::APPS_CGROUP, plan.instance.component, plan.instance.generation);
    let link = rustix::fs::readlink(format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new());
    match link {
        Ok(found) if found.to_bytes() == expected.as_bytes() => Ok(()),
        _ => Err(refused(format!("the control group is not {expected}"))),
    }
}

fn check_pipe(name: &str, write: BorrowedFd<'_>, read: BorrowedFd<'_>) -> Result<(), Refusal> {
    let (write_status, read_status) = (status(write)?, status(read)?);
    let one_pipe = FileType::from_raw_mode(write_status.st_mode).is_fifo()
        && (write_status.st_dev, write_status.st_ino) == (read_status.st_dev, read_status.st_ino);
    let ends = access(mode(write)?) == OFlags::WRONLY && access(mode(read)?) == OFlags::RDONLY;
    if one_pipe && ends { Ok(()) } else { Err(refused(format!("{name} and its read end are not the two ends of one pipe"))) }
}

fn status(fd: BorrowedFd<'_>) -> Result<Stat, Refusal> {
    rustix::fs::fstat(fd).map_err(|e| refused(format!("a descriptor cannot be looked at: {e}")))
}

fn mode(fd: BorrowedFd<'_>) -> Result<OFlags, Refusal> {
    rustix::fs::fcntl_getfl(fd).map_err(|e| refused(format!("a descriptor cannot be looked at: {e}")))
}

fn access(flags: OFlags) -> OFlags {
    flags & OFlags::ACCMODE
}

fn refused(why: String) -> Refusal {
    Refusal::Plan(why)
}

/// The plan's word for processes, in the sandbox's.
pub fn processes(processes: Processes) -> sandbox::Processes {
    match processes {
        Processes::Single => sandbox::Processes::Single,
        Processes::Fork => sandbox::Processes::Fork,
        Processes::Exec => sandbox::Processes::Exec,
    }
}

#[cfg(test)]
mod tests;
