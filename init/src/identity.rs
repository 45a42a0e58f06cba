//! Machine id, made at the first boot and kept, and the host name that follows from it.

use crate::{entropy, phases::Boot, problem::Problem, say};
use linux::files;
use manifest::places;

/// Reads or makes the machine id, publishes it at [`places::MACHINE_ID`], and sets the host name.
pub fn establish(_: &mut Boot) -> Result<(), Problem> {
    let path = format!("{}/machine-id", places::SYSTEM);
    // A damaged one is as good as none: the device needs an identity that is its own.
    let id = say::read(files::read_line(&path)).filter(|text| is_machine_id(text)).map_or_else(|| new(&path), Ok)?;
    files::write_durably(places::MACHINE_ID, format!("{id}\n").as_bytes(), 0o444)?;
    let host_name = format!("holdfast-{}", id.get(..8).unwrap_or_default());
    rustix::system::sethostname(host_name.as_bytes()).map_err(Problem::kernel("set the host name"))
}

fn new(path: &str) -> Result<String, Problem> {
    let id: String = entropy::random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    files::write_durably(path, format!("{id}\n").as_bytes(), 0o444)?;
    Ok(id)
}

/// 32 lower-case hexadecimal digits, not all zero (machine-id(5)).
fn is_machine_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) && text.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_machine_id_is_none() {
        assert!(is_machine_id("0123456789abcdef0123456789abcdef"));
        for text in [
            "",
            "0123456789ABCDEF0123456789abcdef",
            "00000000000000000000000000000000",
            "0123456789abcdef0123456789abcde",
            "g123456789abcdef0123456789abcdef",
        ] {
            assert!(!is_machine_id(text), "{text}");
        }
    }
}
