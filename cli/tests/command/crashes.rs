//! `holdfast app crash`: sealed reports and minidumps of programs that really crashed.

use crate::{
    cores,
    holdfast::{Place, keys},
};
use crash_report::{minidump, seal};
use holdfast_cli::crash::build_id::BuildId;
use image_builder::crash_key;
use manifest::api::CrashReport;
use serde_json::Value;
use std::{path::PathBuf, process::Command};

/// Compiles `data/bell.c` as `name`, lets it crash, and writes its minidump as `bell.dmp`.
fn crash(place: &Place, name: &str, flags: &[&str]) -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bell.c");
    let program = place.path(name);
    let made = Command::new("cc")
        .args(["-g", "-O2", "-Wl,--build-id"])
        .args(flags)
        .arg("-o")
        .arg(&program)
        .arg(source)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(Command::new(&program).current_dir(place.path("")).status().unwrap().success());
    let core = cores::of_bell(&place.path(""));
    fs_err::write(place.path("bell.dmp"), minidump(&core.as_slice()).unwrap()).unwrap();
    program
}

/// A core of `data/crash` (crash-report/tests/data/crash.c) that the kernel wrote, as a minidump.
fn real(place: &Place) -> PathBuf {
    let core: &[u8] = include_bytes!("../../../fuzz/corpus/core_dump/seed-real");
    fs_err::write(place.path("real.dmp"), minidump(&core).unwrap()).unwrap();
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/crash"))
}

/// The line of `data/bell.c` that says so.
fn line(comment: &str) -> u64 {
    let source = include_str!("../data/bell.c");
    source.lines().position(|line| line.contains(&format!("/* {comment} */"))).unwrap() as u64 + 1
}

/// Functions and lines of a frame, the innermost first.
fn places(frame: &Value) -> Vec<(&str, u64)> {
    let places = frame["places"].as_array().unwrap().iter();
    places.map(|place| (place["function"].as_str().unwrap(), place["line"].as_u64().unwrap_or(0))).collect()
}

#[test]
fn a_program_that_crashed_is_shown_by_function_line_and_what_was_inlined() {
    for flags in [&["-static-pie"][..], &[], &["-no-pie", "-fno-asynchronous-unwind-tables", "-fno-omit-frame-pointer"]] {
        let place = Place::new();
        crash(&place, "bell", flags);
        let json = place.run(&["app", "crash", "show", "bell.dmp", "--symbols", "bell", "--json"]).good().json();
        let signal = &json["crash"]["signal"];
        assert_eq!(
            (&signal["name"], &signal["code_name"], &signal["address"]),
            (&"SIGSEGV".into(), &"SEGV_MAPERR".into(), &"0x40".into())
        );
        let thread = &json["crash"]["threads"][0];
        let frames = thread["frames"].as_array().unwrap();
        let found: Vec<_> = frames.iter().take(5).map(places).collect();
        let deeper = vec![("visit", line("deeper here"))];
        let expected = [
            vec![("ring", line("crashes here")), ("press", line("inlined here"))],
            vec![("visit", line("pressed here"))],
            deeper.clone(),
            deeper,
            vec![("main", line("begins here"))],
        ];
        assert_eq!(found, expected, "{flags:?}");
        assert_eq!(thread["registers"][0]["value"], frames[0]["address"]);
        // Without tables the first caller is found where a call leaves it or by the frame pointer, as the compiler has it.
        let by_tables = |frame: &Value| frame["found_by"] == "call-frame-information";
        assert_eq!(frames[1..5].iter().all(by_tables), !flags.contains(&"-no-pie"), "{flags:?}");
        assert!(by_tables(&frames[4]) || frames[4]["found_by"] == "frame-pointer", "{flags:?}");
    }
}

#[test]
fn without_symbols_frames_are_where_in_which_module_and_say_how_they_were_found() {
    let place = Place::new();
    let program = crash(&place, "bell", &["-static-pie"]);
    let run = place.run(&["app", "crash", "show", "bell.dmp"]).good();
    let id = BuildId::of_file(&program).unwrap().unwrap();
    for words in [
        "SIGSEGV at address 0x40: address not mapped",
        "bell+0x",
        "found by scanning",
        "no symbols",
        &format!("{id}: --symbols FILE"),
    ] {
        assert!(run.out.contains(words), "`{words}` is missing in {}", run.out);
    }
    // What a build kept is found without being named, and what it finds is the same.
    let kept = place.path("build/symbols").join(id.place());
    fs_err::create_dir_all(kept.parent().unwrap()).unwrap();
    fs_err::copy(&program, kept).unwrap();
    let by_default = place.run(&["app", "crash", "show", "bell.dmp"]).good().out;
    assert!(by_default.contains("ring (inlined)") && by_default.contains("bell.c:"), "{by_default}");
}

#[test]
fn symbols_of_another_build_are_refused_with_both_build_ids() {
    let place = Place::new();
    let program = crash(&place, "bell", &["-static-pie"]);
    let own = BuildId::of_file(&program).unwrap().unwrap().to_string();
    fs_err::create_dir(place.path("other")).unwrap();
    let other = crash(&place, "other/bell", &["-static-pie", "-O1"]);
    let others = BuildId::of_file(&other).unwrap().unwrap().to_string();
    place.run(&["app", "crash", "show", "bell.dmp", "--symbols", "bell"]).refused(3, &[&own, &others, "of the very build"]);
    place.run(&["app", "crash", "show", "bell.dmp", "--symbols", "app_manifest.json"]).refused(3, &["no build id"]);
    place.run(&["app", "crash", "show", "bell.dmp", "--symbols", "nowhere"]).refused(6, &["nowhere"]);
    // In a folder only what belongs to the report counts.
    assert!(place.run(&["app", "crash", "show", "bell.dmp", "--symbols", "."]).good().out.contains("ring (inlined)"));
}

#[test]
fn a_core_that_the_kernel_wrote_is_put_into_words() {
    let place = Place::new();
    let symbols = real(&place);
    let shown = place.run(&["app", "crash", "show", "real.dmp", "--symbols", symbols.to_str().unwrap()]).good().out;
    let expected = "\
SIGSEGV at address 0x40: address not mapped (SEGV_MAPERR)

thread 28566 \"crash\", which crashed
   0  broken
        at /var/tmp/cores/crash+0x1034
   1  outer
        at /var/tmp/cores/crash+0x1069
   2  outer
        at /var/tmp/cores/crash+0x1054
   3  outer
        at /var/tmp/cores/crash+0x1054
   4  outer
        at /var/tmp/cores/crash+0x1054
   5  start
        at /var/tmp/cores/crash+0x110c
   6  0x1, which is in no module
      nothing further is found on the stack
  registers
   rip 0x7ff02000c034       rsp 0x7ffe64632ba0       rbp 0x0
   rax 0x1                  rbx 0x18                 rcx 0x7ff02000c0f8
   rdx 0x0                  rsi 0x0                  rdi 0x40
    r8 0x0                   r9 0x0                  r10 0x0
   r11 0x246                r12 0x0                  r13 0x0
   r14 0x0                  r15 0x0

thread 28567
   0  second
        at /var/tmp/cores/crash+0x1032
   1  start
        at /var/tmp/cores/crash+0x10c7

modules
  0x7ff02000b000  /var/tmp/cores/crash  build id 52316a9250035ba9abe8009539c17e72db6c8297
";
    assert!(shown.starts_with(expected), "{shown}");
}

fn report(problem: Option<&str>) -> CrashReport {
    CrashReport {
        number: 7,
        component: "4c3f2d9b-6a4e-4f1c-9a37-d00bbe110009".parse().unwrap(),
        name: "Bell".into(),
        version: 3,
        generation: 2,
        signal: 11,
        time_ms: 1_764_082_800_000,
        size: 0,
        problem: problem.map(str::to_owned),
    }
}

#[test]
fn a_sealed_report_is_opened_by_its_owner_alone() {
    let place = Place::new();
    real(&place);
    let owner = crash_key::public_of(&image_builder::keys::load(keys()).unwrap()).unwrap();
    let sealed = seal(&owner, &report(None), &place.read("real.dmp")).unwrap();
    fs_err::write(place.path("sealed"), &sealed).unwrap();
    let shown = place.run(&["app", "crash", "show", "sealed"]).good().out;
    assert!(
        shown.starts_with("Bell version 3 crashed at 2025-11-25 15:00:00 by SIGSEGV\n  report 7, start 2 of 4c3f2d9b"),
        "{shown}"
    );
    let key = keys().join("crash-report.key");
    let nobody = place.path("nobody");
    place.run_with(&["app", "crash", "show", "sealed", "--key", key.to_str().unwrap()], &nobody).good();
    place.run_with(&["app", "crash", "show", "sealed"], &nobody).refused(6, &["holdfast keys init"]);

    let other = place.path("other");
    place.run_with(&["keys", "init"], &other).good();
    place.run_with(&["app", "crash", "show", "sealed"], &other).refused(4, &["sealed to the key", "--key FILE"]);

    let mut forged = sealed;
    let at = forged.windows(4).position(|four| four == b"Bell").unwrap();
    forged[at] = b'C';
    fs_err::write(place.path("forged"), forged).unwrap();
    place.run(&["app", "crash", "show", "forged"]).refused(4, &["not the one that was sealed"]);

    let without = seal(&owner, &report(Some("the core was too large")), &[]).unwrap();
    fs_err::write(place.path("without"), without).unwrap();
    place.run(&["app", "crash", "show", "without"]).refused(6, &["no minidump: the core was too large", "Bell version 3"]);
}

#[test]
fn keys_without_the_one_for_crash_reports_say_how_to_make_it() {
    let place = Place::new();
    real(&place);
    let old = place.path("old-keys");
    place.run_with(&["keys", "init"], &old).good();
    let sealed =
        seal(&crash_key::public(&old.join("crash-report.pub")).unwrap(), &report(None), &place.read("real.dmp")).unwrap();
    fs_err::write(place.path("sealed"), sealed).unwrap();
    fs_err::remove_file(old.join("crash-report.key")).unwrap();
    place.run_with(&["app", "crash", "show", "sealed"], &old).refused(6, &["crash-report.key is not there", "--key FILE"]);
    fs_err::remove_file(old.join("crash-report.pub")).unwrap();
    place
        .run_with(&["app", "crash", "show", "sealed"], &old)
        .refused(6, &["openssl genpkey -algorithm X25519", "openssl pkey -in", "holdfast keys init --keys DIR"]);
}

#[test]
fn what_is_neither_a_report_nor_a_minidump_is_refused_by_name() {
    let place = Place::new();
    real(&place);
    for (content, words) in [
        (&b""[..], "not a sealed crash report"),
        (b"hello", "not a sealed crash report"),
        (b"MDMP", "not a minidump"),
        (&place.read("real.dmp")[..100], "is cut off"),
        (b"HFcrash\n\x02\0\0\0", "format 2"),
    ] {
        fs_err::write(place.path("file"), content).unwrap();
        place.run(&["app", "crash", "show", "file"]).refused(3, &["file", words]);
    }
    place.run(&["app", "crash", "show", "nowhere"]).refused(6, &["nowhere"]);
    place.run(&["app", "crash", "show", "7"]).refused(6, &["no device is running here"]);
    place.run(&["app", "crash", "get", "seven"]).refused(2, &["NUMBER"]);
}
