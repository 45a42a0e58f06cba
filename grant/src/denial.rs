//! What a manifest lacks, where the app was refused a system call.

use crate::unavailable;
use manifest::api::DeniedCall;
use sandbox::{
    denials::Denial,
    seccomp::profiles::app::{EXEC, FORK, GPIO, I2C, LISTEN, NETWORK, RTC, SPI, THREADS, UART, WATCHDOG},
};

/// What gives the app a profile of system calls: the line of its manifest, and why this release may refuse that line.
const LINES: [(&str, &str, Option<&str>); 11] = [
    (THREADS.name, r#""Holdfast": { "Processes": "fork" }"#, None),
    (FORK.name, r#""Holdfast": { "Processes": "fork" }"#, None),
    (EXEC.name, r#""Holdfast": { "Processes": "exec" }"#, None),
    (GPIO.name, r#""Capabilities": { "Gpio": ["$NAME"] }"#, None),
    (UART.name, r#""Capabilities": { "Uart": ["$NAME"] }"#, None),
    (I2C.name, r#""Capabilities": { "I2cMaster": ["$NAME"] }"#, None),
    (SPI.name, r#""Capabilities": { "SpiMaster": ["$NAME"] }"#, None),
    (RTC.name, r#""Holdfast": { "Rtc": ["$NAME"] }"#, None),
    (WATCHDOG.name, r#""Holdfast": { "HardwareWatchdog": ["$NAME"] }"#, None),
    (NETWORK.name, r#""Capabilities": { "AllowedConnections": ["HOST"] }"#, Some(unavailable::NETWORK)),
    (LISTEN.name, r#""Capabilities": { "AllowedTcpServerPorts": [PORT] }"#, Some(unavailable::NETWORK)),
];

/// What was refused and why, as the device API says it; when and how often is to be filled in.
pub fn explain(denial: &Denial) -> DeniedCall {
    let profile = denial.missing_profile();
    let line = LINES.iter().find(|(name, ..)| profile.is_some_and(|profile| profile.name == *name));
    let reason = match (profile, line) {
        (Some(profile), Some((_, _, None))) => format!("it is for {}", profile.purpose),
        (Some(profile), Some((_, _, Some(but)))) => format!("it is for {}; {but}", profile.purpose),
        _ => denial.reason(),
    };
    DeniedCall {
        call: denial.name(),
        arguments: denial.shown_arguments(),
        errno: denial.errno_name().to_owned(),
        missing: line.map(|(_, line, _)| (*line).to_owned()),
        reason,
        count: 0,
        first_ms: 0,
        last_ms: 0,
        generation: 0,
        thread: denial.thread,
    }
}

/// The same in one line, for logs.
pub fn words(denial: &Denial) -> String {
    let DeniedCall { missing, reason, .. } = explain(denial);
    let missing = missing.map_or_else(|| "no line of a manifest allows it".to_owned(), |line| format!("missing: {line}"));
    format!("{denial}; {missing} ({reason})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::seccomp::{Architecture, call, profiles};

    fn denial(call: call::Call, arguments: &[u64]) -> Denial {
        let mut all = [0x7fff_0000_0000; 6];
        all.iter_mut().zip(arguments).for_each(|(to, from)| *to = *from);
        Denial { thread: 7, number: call.number(Architecture::NATIVE).unwrap(), arguments: all }
    }

    #[test]
    fn a_refused_call_names_the_line_of_the_manifest_that_allows_it() {
        let line = |call, arguments: &[u64]| explain(&denial(call, arguments)).missing.unwrap();
        assert_eq!(line(call::socket, &[2, 1, 0]), r#""Capabilities": { "AllowedConnections": ["HOST"] }"#);
        assert_eq!(line(call::listen, &[3, 1]), r#""Capabilities": { "AllowedTcpServerPorts": [PORT] }"#);
        assert_eq!(line(call::ioctl, &[3, 0xc010_b40e]), r#""Capabilities": { "Gpio": ["$NAME"] }"#);
        assert_eq!(line(call::clone, &[17]), r#""Holdfast": { "Processes": "fork" }"#);
        assert_eq!(line(call::execve, &[]), r#""Holdfast": { "Processes": "exec" }"#);
    }

    #[test]
    fn what_no_manifest_allows_says_why() {
        for (call, arguments, reason) in [
            (call::bpf, &[0][..], "refused to every program: wide parts of the kernel with a history"),
            (call::socket, &[16, 3, 0], "allowed only for sockets inside the machine: no other family"),
            (call::mprotect, &[0, 4096, 4], "allowed only for protections of memory: nothing becomes executable"),
            (call::clone, &[0x1000_0000], "allowed only for threads"),
        ] {
            let denied = explain(&denial(call, arguments));
            assert!(denied.missing.is_none() && denied.reason.starts_with(reason), "{denied:?}");
        }
    }

    #[test]
    fn one_line_has_call_arguments_errno_and_what_is_missing() {
        let expected =
            r#"socket(0x2, 0x1, 0x0) failed with EAFNOSUPPORT; missing: "Capabilities": { "AllowedConnections": ["HOST"] } "#;
        let words = words(&denial(call::socket, &[2, 1, 0]));
        assert!(words.starts_with(expected) && words.ends_with("not available in this image)"), "{words}");
    }

    /// No profile that can be granted is without its line.
    #[test]
    fn every_profile_that_a_manifest_brings_has_its_line() {
        let without: Vec<&str> =
            profiles::APPS.iter().map(|one| one.name).filter(|name| !LINES.iter().any(|l| l.0 == *name)).collect();
        assert_eq!(without, ["app", "jit"], "every app has the one, no manifest brings the other");
    }

    proptest::proptest! {
        #[test]
        fn whatever_an_app_calls_the_answer_is_short_and_says_something(number: u32, arguments: [u64; 6]) {
            for number in [number, number % 500] {
                let denial = Denial { thread: 1, number, arguments };
                let denied = explain(&denial);
                proptest::prop_assert!(!denied.reason.is_empty() && (3..=6).contains(&denied.arguments.len()));
                proptest::prop_assert!(words(&denial).len() < 600);
            }
        }
    }
}
