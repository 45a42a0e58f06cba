//! What each filter is compiled to, as a digest that is checked in: a change of tables or compiler is seen in a review.
//!
//! After a change: `UPDATE_GENERATED=1 cargo test -p holdfast-sandbox --test filter digests`.

use crate::tables::{ARCHITECTURES, filters};
use sandbox::seccomp::{
    call, compile,
    rule::{is, is_pointer, rule},
};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, path::Path};

const HEAD: &str =
    "# SHA-256 of each compiled system call filter: architecture, digest of its instructions as the kernel gets them,
# their number, name. What may exec once has the rule for that, with the page below 64 KiB; apps have theirs tell of what
# they refuse. After a change:
# UPDATE_GENERATED=1 cargo test -p holdfast-sandbox --test filter digests
";

/// The page below vm.mmap_min_addr as the device sets it.
const EXEC_ONCE: u64 = 0xf000;

#[test]
fn the_digests_of_all_filters_are_those_that_are_checked_in() {
    let mut text = HEAD.to_owned();
    for (name, profiles) in filters() {
        let once = rule(&[is_pointer(1, EXEC_ONCE), is(4, libc::AT_EMPTY_PATH as u32)]).unwrap();
        let extra = if name.starts_with("app ") && !name.contains("exec") && !name.contains("everything") {
            vec![(call::execveat, once)]
        } else {
            vec![]
        };
        for architecture in ARCHITECTURES {
            let filter = compile(architecture, &profiles, &extra).unwrap();
            let program = if name.starts_with("app ") { filter.telling() } else { filter }.program;
            let mut digest = Sha256::new();
            for one in &program {
                digest.update(one.code.to_le_bytes());
                digest.update([one.jt, one.jf]);
                digest.update(one.k.to_le_bytes());
            }
            writeln!(text, "{architecture:?} {:x} {} {name}", digest.finalize(), program.len()).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters.sha256");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    assert!(checked_in == text, "{} is not what the code says; run this test with UPDATE_GENERATED=1:\n{text}", path.display());
}
