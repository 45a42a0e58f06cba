//! /dev: a read-only tmpfs and five device nodes that every program gets, and no other.

use super::mounts::{RootError, make_file};
use crate::{arms::layer, sys};
use linux::mount::{self, Flags};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{FileType, makedev},
    mount::MountPropagationFlags,
};
use std::path::Path;

/// A node by its name and device number (Documentation/admin-guide/devices.txt).
pub struct Device {
    /// Name in /dev.
    pub name: &'static str,
    major: u32,
    minor: u32,
}

/// What programs expect to be there; none reaches hardware.
pub const DEVICES: [Device; 5] = [
    Device { name: "null", major: 1, minor: 3 },
    Device { name: "zero", major: 1, minor: 5 },
    Device { name: "full", major: 1, minor: 7 },
    Device { name: "random", major: 1, minor: 8 },
    Device { name: "urandom", major: 1, minor: 9 },
];

/// The detached /dev, and each node with the place in it that it goes to.
pub(crate) fn lay_out() -> Result<(OwnedFd, Vec<(OwnedFd, OwnedFd)>), RootError> {
    let options = [("size", Some("4096")), ("nr_inodes", Some("16")), ("mode", Some("0755"))];
    let dev = mount::detached("tmpfs", &options, mount::INERT)?;
    let mut nodes = Vec::new();
    for device in &DEVICES {
        nodes.push((open(device)?, make_file(dev.as_fd(), device.name)?));
    }
    layer!(MountFlags, mount::change(dev.as_fd(), mount::READ_ONLY, Flags::empty())?);
    Ok((dev, nodes))
}

/// A /dev that is laid out once and copied for each program, which takes one step instead of eleven.
#[derive(Debug)]
pub struct Devices(OwnedFd);

impl Devices {
    /// Puts the calling thread into a mount namespace of its own, where it is laid out and mounted at an empty folder:
    /// kernels before 6.15 copy nothing that is not mounted. Nobody else sees that mount, and the thread no later one of
    /// anybody else's.
    pub fn mount_at(place: &Path) -> Result<Self, RootError> {
        let step = |source| RootError::Step { verb: "make a mount namespace for", what: "/dev".to_owned(), source };
        sys::unshare(libc::CLONE_NEWNS).map_err(step)?;
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(step)?;
        let (dev, nodes) = lay_out()?;
        mount::attach(dev.as_fd(), place)?;
        for (node, target) in &nodes {
            mount::attach_to(node.as_fd(), target.as_fd())?;
        }
        Ok(Self(dev))
    }

    pub(crate) fn copy(&self) -> Result<OwnedFd, RootError> {
        Ok(mount::detached_tree(self.0.as_fd())?)
    }
}

/// A detached mount of the node alone. It comes from our own /dev and is looked at after it was opened, so that nobody
/// can put another one in its place (runc CVE-2025-31133).
pub fn open(device: &Device) -> Result<OwnedFd, RootError> {
    let node = mount::detached_bind(format!("/dev/{}", device.name))?;
    let stat = rustix::fs::fstat(&node).map_err(|source| RootError::Step {
        verb: "look at",
        what: format!("/dev/{}", device.name),
        source,
    })?;
    let is_device = FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == makedev(device.major, device.minor);
    if !is_device {
        return Err(RootError::Device(device.name));
    }
    let flags = mount::READ_ONLY | Flags::MOUNT_ATTR_NOSUID | Flags::MOUNT_ATTR_NOEXEC | Flags::MOUNT_ATTR_NOSYMFOLLOW;
    mount::change(node.as_fd(), flags, Flags::MOUNT_ATTR_NODEV)?;
    Ok(node)
}
