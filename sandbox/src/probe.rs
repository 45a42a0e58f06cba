//! The three forbidden acts that a daemon of a test image tries once it is confined (feature `confine-probe`).

use rustix::{
    fs::OFlags,
    io::Errno,
    net::{AddressFamily, SocketAddrV4, SocketFlags, SocketType},
};
use std::net::Ipv4Addr;

/// Tries them and logs one line that tests look for, such as
/// `confinement probe: open refused, connect refused, exec refused`.
pub fn report() {
    linux::log::notice(format!(
        "confinement probe: open {}, connect {}, exec {}",
        word(open()),
        word(connect()),
        word(crate::sys::exec_nothing())
    ));
}

/// A file that everybody may read and no daemon needs.
fn open() -> Result<(), Errno> {
    rustix::fs::open("/proc/version", OFlags::RDONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty()).map(drop)
}

/// The discard port of this machine, where nobody listens: an open door says ECONNREFUSED.
fn connect() -> Result<(), Errno> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9))
}

fn word(tried: Result<(), Errno>) -> &'static str {
    match tried {
        Err(Errno::ACCESS | Errno::PERM | Errno::AFNOSUPPORT) => "refused",
        _ => "POSSIBLE",
    }
}
