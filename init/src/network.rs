//! The loopback interface. All other links are network-manager's.

use crate::{phases::Boot, problem::Problem, sys};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Brings `lo` up; the kernel gives it 127.0.0.1 and ::1 by itself.
pub fn loopback_up(_: &mut Boot) -> Result<(), Problem> {
    let what = "bring lo up";
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).map_err(Problem::kernel(what))?;
    sys::loopback_up(&socket).map_err(Problem::kernel(what))
}
