use super::*;
use rustix::time::{ClockId, clock_gettime};
use std::os::unix::fs::{PermissionsExt, symlink};

const KEY: KeyIdentifier = [7; 16];

fn component() -> ComponentId {
    "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap()
}

#[test]
fn storage_of_a_daemon_or_of_root_is_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    for uid in [0, 1002, 99_999] {
        assert!(matches!(storage.prepare(&component(), uid, 1, &KEY), Err(Refusal::Plan(_))));
        assert!(matches!(storage.erase(&component(), uid), Err(Refusal::Plan(_))));
    }
}

#[test]
fn storage_of_another_app_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let path = storage.path(&component());
    linux::files::make_folder(&path, 0o700).unwrap();
    std::os::unix::fs::chown(&path, Some(100_001), Some(100_001)).unwrap();
    assert!(matches!(
        storage.prepare(&component(), 100_000, 1, &KEY),
        Err(Refusal::OtherOwner { owner: 100_001, asked: 100_000, .. })
    ));
    assert!(matches!(storage.erase(&component(), 100_000), Err(Refusal::OtherOwner { .. })));
}

#[test]
fn storage_that_is_not_encrypted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    make(&storage.path(&component()));
    assert!(matches!(storage.prepare(&component(), 100_000, 1, &KEY), Err(Refusal::NotEncrypted(_))));
}

#[test]
fn a_link_in_the_place_of_storage_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    symlink("/tmp", storage.path(&component())).unwrap();
    assert!(matches!(storage.prepare(&component(), 100_000, 1, &KEY), Err(Refusal::File(_))));
    assert!(matches!(storage.erase(&component(), 100_000), Err(Refusal::File(_))));
}

#[test]
fn a_folder_is_emptied_however_deep_locked_and_full_of_links() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    linux::files::make_folder(&outside, 0o777).unwrap();
    linux::files::write_durably(outside.join("kept"), b"x", 0o666).unwrap();
    let top = folder.path().join("top");
    linux::files::make_folder(&top, 0o700).unwrap();
    // Deeper than a path can be long: made by walking down.
    let mut inner = linux::files::open(&top, OFlags::RDONLY | OFlags::DIRECTORY).unwrap();
    for _ in 0..2000 {
        rustix::fs::mkdirat(&inner, "a-name-that-makes-paths-long", Mode::RWXU).unwrap();
        inner = rustix::fs::openat(&inner, "a-name-that-makes-paths-long", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
            .unwrap();
    }
    linux::files::make_folder(top.join(".erase-1-0"), 0o700).unwrap();
    linux::files::write_durably(top.join(".erase-1-0/file"), b"x", 0o600).unwrap();
    symlink(&outside, top.join("link")).unwrap();
    symlink(&outside, top.join(".erase-1-0/link")).unwrap();
    std::fs::set_permissions(top.join(".erase-1-0"), PermissionsExt::from_mode(0o000)).unwrap();
    assert_eq!(empty(&top, 10_000), Ok(Emptied::Whole));
    assert!(linux::files::list(&top, 10).unwrap().is_empty());
    assert_eq!(linux::files::list(&outside, 10).unwrap(), ["kept"]);
}

/// As the child that erases does it: by the app's own user, who has no right but those of an owner. Ids are a thread's.
fn empty_as_the_app(top: &Path) -> Result<(), Errno> {
    let top = top.to_owned();
    let erasing = std::thread::spawn(move || {
        linux::process::set_ids(100_000, 100_000)?;
        empty(&top, 10_000).map(|_| ())
    });
    erasing.join().unwrap()
}

fn make(path: &Path) {
    linux::files::make_folder(path, 0o700).unwrap();
    std::os::unix::fs::chown(path, Some(100_000), Some(100_000)).unwrap();
}

#[test]
fn an_app_that_locked_its_folders_is_erased() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let top = folder.path().join("top");
    let paths = [top.clone(), top.join("a"), top.join("a/b"), top.join("a/b/c")];
    paths.iter().for_each(|path| make(path));
    for path in paths.iter().rev() {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
    }
    empty_as_the_app(&top).unwrap();
    assert!(linux::files::list(&top, 10).unwrap().is_empty());
}

#[test]
fn nothing_is_made_or_moved_while_folders_are_emptied() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let top = folder.path().join("top");
    make(&top);
    make(&top.join("a"));
    for number in 0..600 {
        make(&top.join(format!("a/{number}")));
        make(&top.join(format!("a/{number}/inner")));
    }
    // A folder of somebody else stops the walk where it is: what was there before is there, and nothing new beside it.
    std::fs::create_dir(top.join("a/300/inner/foreign")).unwrap();
    linux::files::write_durably(top.join("a/300/inner/foreign/file"), b"x", 0o600).unwrap();
    assert!(empty_as_the_app(&top).is_err());
    assert_eq!(linux::files::list(&top, 10).unwrap(), ["a"]);
    std::fs::remove_dir_all(top.join("a/300/inner/foreign")).unwrap();
    empty_as_the_app(&top).unwrap();
    assert!(linux::files::list(&top, 10).unwrap().is_empty());
}

/// Processor time that it takes to empty a folder of this many folders with a file each, in pieces as the device does it.
fn time_to_empty(folders: usize) -> std::time::Duration {
    let top = tempfile::tempdir().unwrap();
    for number in 0..folders {
        // Long names fill blocks, and ext4 reads over all that are empty already.
        let inner = top.path().join(format!("{number:0>255}"));
        std::fs::create_dir(&inner).unwrap();
        linux::files::open(inner.join("file"), OFlags::WRONLY | OFlags::CREATE).unwrap();
    }
    let now = || std::time::Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begun = now();
    let mut calls = 1;
    while empty(top.path(), REMOVED_AT_ONCE).unwrap() == Emptied::InPart {
        calls += 1;
    }
    assert!(linux::files::list(top.path(), 10).unwrap().is_empty());
    assert!(calls >= 2 * folders / REMOVED_AT_ONCE, "{folders} folders went in {calls} calls");
    now() - begun
}

#[test]
fn ten_times_as_many_folders_do_not_take_twenty_times_as_long() {
    // Measured on ext4: 13 times; 28 times where each folder is read from its beginning for each one in it.
    let few = (0..3).map(|_| time_to_empty(1_000)).min().unwrap();
    let many = time_to_empty(10_000);
    assert!(many < few * 20, "1,000 folders took {few:?}, 10,000 took {many:?}");
}

#[test]
fn a_call_removes_what_it_may_and_the_next_one_goes_on() {
    let top = tempfile::tempdir().unwrap();
    for number in 0..5 {
        linux::files::make_folder(top.path().join(number.to_string()), 0o700).unwrap();
        linux::files::write_durably(top.path().join(format!("{number}/file")), b"x", 0o600).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(empty(top.path(), 3), Ok(Emptied::InPart));
    }
    assert_eq!(empty(top.path(), 3), Ok(Emptied::Whole));
    assert!(linux::files::list(top.path(), 10).unwrap().is_empty());
}
