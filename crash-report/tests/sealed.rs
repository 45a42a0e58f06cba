//! Sealed reports, as device and owner see them, and as somebody between them may change them.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]

use crash_report::{OpenError, SealError, envelope, envelope::HEADER_LIMIT, header, key_id, open, public_key, seal};
use manifest::api::CrashReport;
use proptest::prelude::*;
use std::{fs, path::Path};

const SECRET: [u8; 32] = [7; 32];

fn report() -> CrashReport {
    CrashReport {
        number: 3,
        component: "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap(),
        name: "doorbell".to_owned(),
        version: 12,
        generation: 4,
        signal: 11,
        time_ms: 1_790_000_000_000,
        size: 999,
        problem: None,
    }
}

fn sealed(minidump: &[u8]) -> Vec<u8> {
    seal(&public_key(&SECRET), &report(), minidump).unwrap()
}

/// Where the header ends.
fn header_length() -> usize {
    header(&public_key(&SECRET), &report()).unwrap().len()
}

#[test]
fn the_owner_opens_what_the_device_sealed_and_everybody_reads_its_header() {
    let bytes = sealed(b"MDMP and more");
    let expected = CrashReport { size: bytes.len() as u64, ..report() };
    assert_eq!(open(&SECRET, &bytes).unwrap(), (expected.clone(), b"MDMP and more".to_vec()));
    let read = envelope(&bytes).unwrap();
    assert_eq!((read.report, read.key.as_str()), (expected, key_id(&public_key(&SECRET)).as_str()));
    assert!(String::from_utf8_lossy(&bytes).contains(r#""algorithm":"hpke-x25519-hkdf-sha256-chacha20poly1305""#));
    assert!(bytes.starts_with(&header(&public_key(&SECRET), &report()).unwrap()));
    assert!(!bytes.windows(4).any(|four| four == b"MDMP"));
}

#[test]
fn a_report_without_minidump_is_opened_too() {
    let problem = CrashReport { problem: Some("the core file is cut before its notes".to_owned()), ..report() };
    let bytes = seal(&public_key(&SECRET), &problem, &[]).unwrap();
    let (read, minidump) = open(&SECRET, &bytes).unwrap();
    assert_eq!((read.problem, minidump.len()), (problem.problem, 0));
}

#[test]
fn the_same_report_sealed_twice_has_nothing_in_common_but_its_header() {
    let (one, other) = (sealed(b"the same"), sealed(b"the same"));
    assert_ne!(one[header_length()..], other[header_length()..]);
}

#[test]
fn keys_are_those_of_rfc_7748() {
    // Section 6.1: Alice's.
    let secret = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c, 0x2f, 0x87,
        0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    assert_eq!(public_key(&secret)[..8], [0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54]);
}

#[test]
fn each_way_to_fail_is_told_apart() {
    let bytes = sealed(b"minidump");
    let at = header_length();
    let changed = |index: usize| {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        open(&SECRET, &changed).unwrap_err()
    };
    assert!(matches!(open(&[8; 32], &bytes), Err(OpenError::OtherKey { .. })));
    assert!(matches!(open(&SECRET, b"PK"), Err(OpenError::NoReport)));
    assert!(matches!(changed(0), OpenError::NoReport));
    assert!(matches!(changed(8), OpenError::Version(0)));
    assert!(matches!(changed(16), OpenError::Header(_)));
    assert!(matches!(changed(at), OpenError::ForgedHeader), "encapsulated key");
    assert!(matches!(changed(at + 32), OpenError::ForgedHeader), "its seal");
    assert!(matches!(changed(at + 48), OpenError::Damaged), "minidump");
    assert!(matches!(changed(bytes.len() - 1), OpenError::Damaged), "its tag");
    assert!(matches!(open(&SECRET, &bytes[..at + 48 + 15]), Err(OpenError::Cut)));
    assert!(matches!(open(&SECRET, &bytes[..at + 48 + 16]), Err(OpenError::Damaged)));
}

#[test]
fn a_header_that_says_something_else_is_not_believed() {
    let bytes = sealed(b"minidump");
    let text = bytes.windows(8).position(|eight| eight == b"doorbell").unwrap();
    let mut forged = bytes.clone();
    forged[text..text + 8].copy_from_slice(b"othersay");
    assert_eq!(envelope(&forged).unwrap().report.name, "othersay");
    assert!(matches!(open(&SECRET, &forged), Err(OpenError::ForgedHeader)));
}

#[test]
fn a_minidump_under_another_reports_header_is_not_opened() {
    let (one, mut other) = (sealed(b"minidump"), sealed(b"minidump"));
    let at = header_length();
    other[at + 48..].copy_from_slice(&one[at + 48..]);
    assert!(matches!(open(&SECRET, &other), Err(OpenError::Damaged)));
}

#[test]
fn nothing_is_sealed_to_a_key_that_everybody_has() {
    assert!(matches!(seal(&[0; 32], &report(), b"x"), Err(SealError::Key(_))));
}

#[test]
fn a_header_is_closed_and_bounded() {
    let head = |json: &str| [b"HFcrash\n", &1u32.to_le_bytes()[..], &(json.len() as u32).to_le_bytes(), json.as_bytes()].concat();
    let bytes = sealed(b"");
    let json = String::from_utf8(bytes[16..header_length()].to_vec()).unwrap();
    assert!(envelope(&head(&json)).is_ok());
    for wrong in [
        json.replacen("\"key\"", "\"kex\"", 1),
        json.replacen("\"report\"", "\"extra\":1,\"report\"", 1),
        json.replacen("hpke-x", "none-x", 1),
    ] {
        assert!(matches!(envelope(&head(&wrong)), Err(OpenError::Header(_))), "{wrong}");
    }
    let long = head(&" ".repeat(HEADER_LIMIT + 1));
    assert!(matches!(envelope(&long), Err(OpenError::HeaderTooLong(_))));
    let long = CrashReport { name: "x".repeat(HEADER_LIMIT), ..report() };
    assert!(matches!(seal(&public_key(&SECRET), &long, &[]), Err(SealError::HeaderTooLong(_))));
}

/// The fuzz target starts from these, which are made with the secret key above; `UPDATE_GENERATED=1` writes them anew.
#[test]
fn seeds_of_the_fuzz_target_are_reports_that_open() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/crash_report");
    let problem = CrashReport { problem: Some("the core file is cut before its notes".to_owned()), ..report() };
    for (name, report, minidump) in [("seed-minidump", report(), &b"MDMP and more"[..]), ("seed-problem", problem, b"")] {
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(folder.join(name), seal(&public_key(&SECRET), &report, minidump).unwrap()).unwrap();
        }
        let bytes = fs::read(folder.join(name)).unwrap();
        assert_eq!(open(&SECRET, &bytes).unwrap(), (CrashReport { size: bytes.len() as u64, ..report }, minidump.to_vec()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_with_words(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!envelope(&bytes).unwrap_err().to_string().is_empty());
        prop_assert!(open(&SECRET, &bytes).is_err());
    }
}

proptest! {
    // Each case does arithmetic on the curve, which takes its time without optimization.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_report_cut_or_changed_anywhere_is_not_opened(cut in any::<prop::sample::Index>(), bit in 0u8..8) {
        let bytes = sealed(b"minidump");
        let at = cut.index(bytes.len());
        prop_assert!(open(&SECRET, &bytes[..at]).is_err());
        let mut changed = bytes;
        changed[at] ^= 1 << bit;
        prop_assert!(open(&SECRET, &changed).is_err());
    }
}
