//! Daemons that confine themselves, judged by what they can still do. The daemon is examples/confined_daemon.rs.

use std::process::Command;

/// Standard error of an example that `cargo test` has built.
fn run(example: &str, arguments: &[&str]) -> String {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("examples").join(example);
    assert!(program.exists(), "{} is missing: cargo test --examples builds it", program.display());
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_confined_daemon_reads_what_it_kept_and_nothing_else() {
    let told = run("confined_daemon", &[]);
    assert!(told.contains("/usr/lib/os-release: read "), "{told}");
    assert!(told.contains("cannot open /etc/passwd: Permission denied"), "{told}");
    assert!(told.contains("/bin/true: Operation not permitted"), "{told}");
    assert!(
        told.contains("in force: no_new_privs") && told.contains("Landlock ABI") && told.contains("seccomp filter"),
        "{told}"
    );
}

#[test]
fn a_daemon_with_threads_is_not_confined_and_says_so() {
    let told = run("confined_daemon", &["thread"]);
    assert!(told.contains("2 threads are running; a daemon confines itself before it starts any"), "{told}");
    assert!(!told.contains("in force"), "{told}");
}

#[test]
fn a_path_to_keep_that_is_not_there_is_an_error() {
    let told = run("confined_daemon", &["missing"]);
    assert!(told.contains("a path that the daemon is to keep cannot be opened"), "{told}");
}
