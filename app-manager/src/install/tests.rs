//! A power cut after each step, and a bundle that changes under our hands.

use super::*;
use ipc::messages::monitor::Verdict;
use std::{cell::Cell, io::Write};

/// Pretends to be the kernel; digest as given.
struct Pretended {
    digest: [u8; 32],
    enabled: Cell<bool>,
    busy: bool,
}

impl Verity for Pretended {
    fn enable(&self, _: BorrowedFd<'_>) -> std::io::Result<()> {
        self.enabled.set(!self.busy);
        if self.busy { Err(Errno::TXTBSY.into()) } else { Ok(()) }
    }

    fn measure(&self, _: BorrowedFd<'_>) -> std::io::Result<[u8; 32]> {
        Ok(self.digest)
    }
}

fn unnamed(apps: &Path, bytes: &[u8]) -> OwnedFd {
    let fd = files::open(apps, OFlags::RDWR | OFlags::TMPFILE).unwrap();
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes).unwrap();
    files::reopen(file.as_fd(), OFlags::RDONLY).unwrap()
}

fn judged(digest: [u8; 32], image_size: u64) -> Judged {
    let verdict = Verdict {
        component: "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap(),
        version: 1,
        version_name: None,
        platform_abi: 1,
        digest: digest.into(),
        image_size,
        envelope_size: 8,
        key_id: digest.into(),
    };
    Judged { verdict, manifest: b"{}".to_vec() }
}

/// Lays a version that begins no trial, stopping after `steps` of the steps as a power cut would.
fn lay_version(apps: &Path, version: &str, old: Old, steps: usize) {
    lay_on_trial(apps, version, old, None, steps);
}

fn lay_on_trial(apps: &Path, version: &str, old: Old, trial: Option<Trial>, steps: usize) {
    let image = unnamed(apps, version.as_bytes());
    let incoming =
        Incoming { folder: apps.join("app"), image: image.as_fd(), envelope: version.as_bytes(), old, trial, waited: Waited::No };
    for (name, step) in STEPS.iter().take(steps) {
        step(&incoming).unwrap_or_else(|e| panic!("{name}: {}", files::chain(&e)));
    }
}

fn installed(apps: &Path, which: &str) -> Option<String> {
    let folder = apps.join("app").join(which);
    let image = files::read(folder.join(IMAGE), 100).ok()?;
    assert_eq!(files::read(folder.join(ENVELOPE), 100).unwrap(), image, "image and envelope belong together");
    Some(String::from_utf8(image).unwrap())
}

fn names(apps: &Path) -> Vec<String> {
    files::list(apps.join("app"), 10).unwrap_or_default()
}

#[test]
fn a_power_cut_after_any_step_of_a_first_installation_leaves_all_or_nothing() {
    for steps in 0..=STEPS.len() {
        let apps = tempfile::tempdir().unwrap();
        lay_version(apps.path(), "one", Old::Kept, steps);
        clear(&apps.path().join("app")).unwrap();
        let switched = STEPS.iter().take(steps).any(|(name, _)| *name == "switch");
        assert_eq!(folders::exists(&apps.path().join("app")), switched, "after {steps} steps");
        assert_eq!(installed(apps.path(), CURRENT), switched.then(|| "one".to_owned()), "after {steps} steps");
        assert_eq!(names(apps.path()), if switched { vec![CURRENT] } else { vec![] }, "after {steps} steps");
    }
}

#[test]
fn a_power_cut_after_any_step_of_an_update_leaves_the_old_version_or_the_new_one() {
    for steps in 0..=STEPS.len() {
        let apps = tempfile::tempdir().unwrap();
        lay_version(apps.path(), "one", Old::Kept, STEPS.len());
        lay_version(apps.path(), "two", Old::Kept, STEPS.len());
        lay_version(apps.path(), "three", Old::Kept, steps);
        clear(&apps.path().join("app")).unwrap();
        let switched = STEPS.iter().take(steps).any(|(name, _)| *name == "switch");
        let aside = STEPS.iter().take(steps).any(|(name, _)| name.starts_with("set the old"));
        assert_eq!(
            installed(apps.path(), CURRENT).as_deref(),
            Some(if switched { "three" } else { "two" }),
            "after {steps} steps"
        );
        assert_eq!(installed(apps.path(), PREVIOUS).as_deref(), Some(if aside { "two" } else { "one" }), "after {steps} steps");
        assert_eq!(names(apps.path()), [CURRENT, PREVIOUS], "after {steps} steps");
        // And the next installation is not disturbed by what was there.
        lay_version(apps.path(), "four", Old::Kept, STEPS.len());
        assert_eq!(installed(apps.path(), CURRENT).as_deref(), Some("four"));
    }
}

#[test]
fn the_same_version_again_keeps_the_one_before() {
    let apps = tempfile::tempdir().unwrap();
    lay_version(apps.path(), "one", Old::Kept, STEPS.len());
    lay_version(apps.path(), "two", Old::Kept, STEPS.len());
    lay_version(apps.path(), "two again", Old::Dropped, STEPS.len());
    assert_eq!(installed(apps.path(), CURRENT).as_deref(), Some("two again"));
    assert_eq!(installed(apps.path(), PREVIOUS).as_deref(), Some("one"));
}

fn a_trial(version: u64, returns_to: u64) -> Trial {
    Trial { version, returns_to, failed: None }
}

#[test]
fn a_version_is_on_trial_from_its_switch_until_it_is_kept_whatever_power_cut_comes_between() {
    for steps in 0..=STEPS.len() {
        let apps = tempfile::tempdir().unwrap();
        let folder = apps.path().join("app");
        lay_version(apps.path(), "one", Old::Kept, STEPS.len());
        lay_on_trial(apps.path(), "two", Old::Kept, Some(a_trial(2, 1)), steps);
        recover(&folder).unwrap();
        let on_trial = installed(apps.path(), CURRENT).as_deref() == Some("two");
        assert_eq!(trial(&folder), on_trial.then(|| a_trial(2, 1)), "after {steps} steps");
        assert_eq!(failed(&folder), None);
        keep(&folder).unwrap();
        assert_eq!(trial(&folder), None);
    }
}

#[test]
fn a_power_cut_after_any_step_of_a_return_leaves_the_version_on_trial_or_the_one_before() {
    for steps in 0..=RETURN_STEPS.len() {
        let apps = tempfile::tempdir().unwrap();
        let folder = apps.path().join("app");
        lay_version(apps.path(), "one", Old::Kept, STEPS.len());
        lay_on_trial(apps.path(), "two", Old::Kept, Some(a_trial(2, 1)), STEPS.len());
        let why = Trial { failed: Some("exited with status 1".into()), ..a_trial(2, 1) };
        for (name, step) in RETURN_STEPS.iter().take(steps) {
            step(&folder, &why).unwrap_or_else(|e| panic!("{name}: {}", files::chain(&e)));
        }
        recover(&folder).unwrap();
        let switched = RETURN_STEPS.iter().take(steps).any(|(name, _)| *name == "switch back");
        let current = installed(apps.path(), CURRENT);
        assert_eq!(current.as_deref(), Some(if switched { "one" } else { "two" }), "after {steps} steps");
        // The one on trial goes on to be tried; the one that failed is told of, and its image takes no space.
        assert_eq!((trial(&folder).is_some(), failed(&folder)), (!switched, switched.then_some(why)), "after {steps} steps");
        assert_eq!(installed(apps.path(), PREVIOUS).as_deref(), (!switched).then_some("one"), "after {steps} steps");
        // And neither the next installation nor its return is disturbed by what was there.
        lay_on_trial(apps.path(), "three", if switched { Old::Kept } else { Old::Dropped }, Some(a_trial(3, 1)), STEPS.len());
        assert_eq!((installed(apps.path(), PREVIOUS).as_deref(), failed(&folder)), (Some("one"), None));
        go_back(&folder, &a_trial(3, 1)).unwrap();
        assert_eq!(installed(apps.path(), CURRENT).as_deref(), Some("one"));
        remove(&folder).unwrap();
        assert!(files::list(apps.path(), 10).unwrap().is_empty());
    }
}

#[test]
fn a_return_to_what_is_not_there_changes_nothing() {
    let apps = tempfile::tempdir().unwrap();
    lay_on_trial(apps.path(), "one", Old::Kept, Some(a_trial(1, 0)), STEPS.len());
    assert!(go_back(&apps.path().join("app"), &a_trial(1, 0)).is_err());
    assert_eq!(installed(apps.path(), CURRENT).as_deref(), Some("one"));
}

#[test]
fn a_mark_that_cannot_be_read_is_a_mark_all_the_same() {
    let apps = tempfile::tempdir().unwrap();
    lay_version(apps.path(), "one", Old::Kept, STEPS.len());
    files::write_durably(apps.path().join("app").join(CURRENT).join(TRIAL), b"{\"verson\":1}", 0o600).unwrap();
    assert_eq!(trial(&apps.path().join("app")), Some(Trial::default()));
}

#[test]
fn removing_leaves_nothing_and_can_be_repeated() {
    let apps = tempfile::tempdir().unwrap();
    lay_version(apps.path(), "one", Old::Kept, STEPS.len());
    lay_version(apps.path(), "two", Old::Kept, STEPS.len() - 2);
    remove(&apps.path().join("app")).unwrap();
    remove(&apps.path().join("app")).unwrap();
    assert!(files::list(apps.path(), 10).unwrap().is_empty());
}

#[test]
fn sealing_cuts_the_envelope_off_and_demands_the_digest_that_was_judged() {
    let apps = tempfile::tempdir().unwrap();
    let image = unnamed(apps.path(), &[7; 5000]);
    let verity = Pretended { digest: [1; 32], enabled: Cell::new(false), busy: false };
    seal(&image, &judged([1; 32], 4096), &verity).unwrap();
    assert!(verity.enabled.get());
    assert_eq!(rustix::fs::fstat(&image).unwrap().st_size, 4096);
    let fault = seal(&image, &judged([2; 32], 4096), &verity).unwrap_err();
    assert_eq!(fault.class(), ErrorClass::Untrusted);
}

#[test]
fn an_upload_that_is_still_open_for_writing_is_refused() {
    let apps = tempfile::tempdir().unwrap();
    let image = unnamed(apps.path(), &[7; 5000]);
    let verity = Pretended { digest: [1; 32], enabled: Cell::new(false), busy: true };
    assert_eq!(seal(&image, &judged([1; 32], 4096), &verity).unwrap_err().class(), ErrorClass::Conflict);
}

#[test]
fn a_manifest_unlike_the_signed_one_is_refused() {
    let apps = tempfile::tempdir().unwrap();
    assert!(compare_manifest(&unnamed(apps.path(), b"{}"), b"{}").is_ok());
    for other in [&b"{ }"[..], b"", &[b' '; MANIFEST_LIMIT + 1]] {
        assert!(compare_manifest(&unnamed(apps.path(), other), b"{}").is_err());
    }
}
