//! Bad bundles: each wrong in one thing, refused with its reason or harmless, and nothing of it left behind.

use anyhow::{Context, Result, bail, ensure};
use harness::programs::{self, HOSTILE};
use harness::{
    device::{APP, DOORBELL, Device},
    forge::{self, Parts},
    machine::{Machine, Options, run},
    wait::wait_until,
};
use manifest::{
    api::{AppState, ErrorBody, ErrorClass, EventKind},
    bundle::TRAILER_LEN,
};
use std::fs;

/// A bad bundle and what its refusal has to say.
struct Bad {
    what: &'static str,
    bundle: Vec<u8>,
    class: ErrorClass,
    /// One of these words.
    words: &'static [&'static str],
}

#[test]
fn each_bad_bundle_is_refused_with_its_reason_and_leaves_nothing() -> Result<()> {
    run("bad-bundles", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let mut wrong = Vec::new();
        for bad in all_bad()? {
            if let Err(e) = refused(machine, &device, bad) {
                wrong.push(format!("{e:#}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        // The good one that all of them were made from is accepted: it was the fault that was refused.
        device.install(good()?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        Ok(())
    })
}

fn refused(machine: &Machine, device: &Device, bad: Bad) -> Result<()> {
    let what = bad.what;
    // A file too short to be a bundle, and a wish that this device cannot grant, are mistakes and no threats: no event.
    let is_threat = bad.class != ErrorClass::NotGranted && bad.bundle.len() > TRAILER_LEN;
    let before = state_of(machine)?;
    let events = device.events()?.len();
    let refusal = device.try_install(bad.bundle).with_context(|| format!("{what}: no answer"))?;
    let Err(refusal) = refusal else { bail!("{what}: installed") };
    check(what, &refusal, bad.class, bad.words)?;
    ensure!(device.apps()?.is_empty(), "{what}: an app is listed");
    let after = state_of(machine)?;
    ensure!(before == after, "{what}: left behind: before {before:?}, after {after:?}");
    if !is_threat {
        return Ok(());
    }
    wait_until(format_args!("an event of the refusal of {what}"), APP, || {
        let all = device.events()?;
        Ok(all.get(events..).unwrap_or_default().iter().any(|event| event.kind == EventKind::BundleRefused))
    })
}

fn check(what: &str, refusal: &ErrorBody, class: ErrorClass, words: &[&str]) -> Result<()> {
    ensure!(refusal.class == class, "{what}: refused as {:?}, expected {class:?}: {}", refusal.class, refusal.message);
    let said = refusal.message.to_lowercase();
    ensure!(
        words.iter().any(|word| said.contains(&word.to_lowercase())),
        "{what}: `{}` holds none of {words:?}",
        refusal.message
    );
    Ok(())
}

/// What a refused bundle must not change: files of apps and storage, control groups, processes of apps.
fn state_of(machine: &Machine) -> Result<Vec<String>> {
    let inside = machine.inside();
    let mut state = Vec::new();
    for folder in ["/data/apps", "/data/storage", "/run/apps"] {
        for (path, entry) in inside.tree(folder)? {
            // app-manager's own table is rewritten; its presence counts, its size does not.
            state.push(format!("{path} {:o} {}", entry.mode, entry.uid));
        }
    }
    state.extend(
        inside
            .list("/sys/fs/cgroup/apps")?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.contains('-') && name.len() > 36),
    );
    state.extend(
        inside
            .processes()?
            .iter()
            .filter(|p| p.field("Uid").starts_with('1') && p.field("Uid").len() > 20)
            .map(|p| p.exe.clone()),
    );
    // Unlinked files that a daemon still holds open take space too.
    let daemon = inside.daemon("app-manager")?;
    state.extend(daemon.descriptors.into_iter().map(|(_, what)| what).filter(|what| what.contains("(deleted)")));
    Ok(state)
}

fn good() -> Result<Parts> {
    programs::doorbell(1)
}

fn all_bad() -> Result<Vec<Bad>> {
    let parts = good()?;
    let whole = parts.bundle()?;
    let mut all = Vec::new();
    let mut add = |what, bundle: Vec<u8>, class, words| all.push(Bad { what, bundle, class, words });

    let flipped = |at: usize| {
        let mut bundle = whole.clone();
        bundle[at] ^= 0x10;
        bundle
    };
    add("a flipped bit in the image", flipped(parts.image.len() / 2), ErrorClass::Untrusted, &["digest", "image"]);
    add("a flipped bit in the image's first block", flipped(1024), ErrorClass::Untrusted, &["digest", "image"]);
    let payload =
        whole.len() - TRAILER_LEN - parts.envelope(&forge::our_key()?)?.signatures.first().map_or(0, |s| s.sig.len()) - 200;
    let mut envelope = whole.clone();
    // Still base64: only the signature can tell.
    envelope[payload] = if envelope[payload] == b'A' { b'B' } else { b'A' };
    add("a changed letter in the envelope", envelope, ErrorClass::Untrusted, &["sign"]);
    add("a flipped bit in the trailer", flipped(whole.len() - 3), ErrorClass::BadInput, &["bundle"]);

    add(
        "a signature by a key that the image does not know",
        parts.bundle_by(&forge::foreign_key())?,
        ErrorClass::Untrusted,
        &["sign", "key"],
    );
    let mut claimed = parts.envelope(&forge::foreign_key())?;
    claimed.signatures[0].keyid = image_builder::keys::key_id(&forge::our_key()?.verifying_key());
    let claimed = forge::joined(&parts.image, &serde_json::to_vec(&claimed)?)?;
    add("a foreign signature under our key's name", claimed, ErrorClass::Untrusted, &["sign"]);
    let mut unsigned = parts.envelope(&forge::our_key()?)?;
    unsigned.signatures.clear();
    add("no signature", forge::joined(&parts.image, &serde_json::to_vec(&unsigned)?)?, ErrorClass::BadInput, &["signature"]);

    let mut other = good()?;
    other.statement.component_id = HOSTILE.parse()?;
    add("a component id unlike the manifest's", other.bundle()?, ErrorClass::Untrusted, &["component"]);
    let mut size = good()?;
    size.statement.image.size += 4096;
    add("a stated size unlike the image's", size.bundle()?, ErrorClass::Untrusted, &["size", "bytes"]);
    let mut digest = good()?;
    digest.statement.image.digest = "0".repeat(64).parse()?;
    add("a stated digest unlike the image's", digest.bundle()?, ErrorClass::Untrusted, &["digest"]);
    let mut abi = good()?;
    abi.statement.platform_abi = 9999;
    add("a platform that this device is not", abi.bundle()?, ErrorClass::NotGranted, &["ABI", "platform"]);

    add("half a bundle", whole[..whole.len() / 2].to_vec(), ErrorClass::BadInput, &["cut", "trailer"]);
    add("a bundle without its last byte", whole[..whole.len() - 1].to_vec(), ErrorClass::BadInput, &["cut", "trailer"]);
    add("one byte", vec![0], ErrorClass::BadInput, &["cut", "trailer", "bundle", "short", "small"]);
    add("bytes behind the bundle", [whole.as_slice(), b"more"].concat(), ErrorClass::BadInput, &["cut", "trailer"]);

    let mut ten_gigabytes = whole.clone();
    let at = ten_gigabytes.len() - 8;
    ten_gigabytes[at..].copy_from_slice(&(10u64 << 30).to_le_bytes());
    add("a trailer that claims 10 GB", ten_gigabytes, ErrorClass::BadInput, &["at most", "add up"]);

    let unlike = unlike_manifest()?;
    add("a manifest in the image unlike the signed one", unlike.bundle()?, ErrorClass::Untrusted, &["manifest"]);
    let misspelt = String::from_utf8(programs::doorbell_manifest()?)?.replace("\"Gpio\"", "\"Gpi0\"");
    let mut wrong = good()?;
    wrong.statement.manifest = base64(misspelt.as_bytes());
    add("a signed manifest with a misspelt capability", wrong.bundle()?, ErrorClass::BadInput, &["Gpi0"]);
    let greedy = String::from_utf8(programs::doorbell_manifest()?)?.replace("$DOORBELL_BUTTON", "$NUCLEAR_BUTTON");
    add(
        "a peripheral that the board does not have",
        packed_with(&greedy)?.bundle()?,
        ErrorClass::NotGranted,
        &["NUCLEAR_BUTTON"],
    );
    Ok(all)
}

fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// A bundle of a small program with this manifest.
fn packed_with(manifest: &str) -> Result<Parts> {
    let work = tempfile::tempdir()?;
    fs::write(work.path().join("app"), b"\x7fELF")?;
    let root = forge::root_with(&work.path().join("app"))?;
    forge::pack(root.path(), manifest.as_bytes(), 1)
}

/// Signed, digest and all, but the image holds another manifest.
fn unlike_manifest() -> Result<Parts> {
    let signed = programs::doorbell_manifest()?;
    let other = String::from_utf8(signed.clone())?.replace("\"8MiB\"", "\"9MiB\"");
    let mut parts = packed_with(&other)?;
    parts.statement.manifest = base64(&signed);
    Ok(parts)
}

#[test]
fn an_upload_larger_than_the_device_is_refused_before_it_fills_anything() -> Result<()> {
    run("large-upload", Options::test_image()?, |machine| {
        let device = machine.device()?;
        let free = free_bytes(&device, machine)?;
        // Zeros, as a sparse file reads: 900 MiB, below the format's limit and above the disk's size.
        let refused = refused_zeros(&device, 900 << 20)?;
        ensure!(matches!(refused.class, ErrorClass::NoSpace | ErrorClass::BadInput), "{refused:?}");
        // And one beyond the format's own limit.
        let refused = refused_zeros(&device, 10 << 30)?;
        ensure!(matches!(refused.class, ErrorClass::BadInput | ErrorClass::NoSpace | ErrorClass::Usage), "{refused:?}");
        let left = free_bytes(&device, machine)?;
        ensure!(left + (1 << 20) > free, "free before {free}, after {left}");
        Ok(())
    })
}

fn refused_zeros(device: &Device, size: u64) -> Result<ErrorBody> {
    match device.client().install(std::io::Read::take(std::io::repeat(0), size), size, |_| {}) {
        Err(api_client::ClientError::Refused { body, .. }) => Ok(body),
        Err(e) => Err(e).context("expected a refusal in the device's own words"),
        Ok(_) => bail!("{size} zeros were installed"),
    }
}

/// Bytes that the apps' files take, counted from inside.
fn free_bytes(_device: &Device, machine: &Machine) -> Result<u64> {
    let used: u64 =
        machine.inside().tree("/data")?.iter().filter(|(path, _)| path.starts_with("/data/apps")).map(|(_, e)| e.size).sum();
    Ok((1u64 << 40).saturating_sub(used))
}

#[test]
fn an_image_with_a_file_of_holes_larger_than_the_device_is_harmless() -> Result<()> {
    run("sparse-bomb", Options::test_image()?, |machine| {
        let work = tempfile::tempdir()?;
        let program = work.path().join("hostile");
        forge::c_program(&harness::workspace::top().join("tests/apps/hostile/hostile.c"), &program)?;
        let root = forge::root_with(&program)?;
        // mkfs.erofs reads a hole as zeros, so the file is as long as a test has time for: twice what the
        // device has of memory and data partition together.
        fs::File::create(root.path().join("bomb"))?.set_len(1 << 30)?;
        let parts = forge::pack(root.path(), programs::hostile_manifest("fork").as_bytes(), 1)?;
        ensure!(parts.image.len() < 64 << 20, "the image itself became {} bytes", parts.image.len());
        let device = machine.device()?;
        device.install(parts.bundle()?)?;
        device.wait_log(HOSTILE, "hostile is done")?;
        device.client().remove(&harness::device::component(HOSTILE)?)?;
        for service in device.started_services()? {
            ensure!(service.generation == 1, "{} was restarted: {:?}", service.name, service.last_exit);
        }
        Ok(())
    })
}

#[test]
fn an_older_version_does_not_replace_a_newer_one() -> Result<()> {
    run("older-version", Options::test_image()?, |machine| {
        let device = machine.device()?;
        device.install(programs::doorbell(2)?.bundle()?)?;
        device.wait_app(DOORBELL, AppState::Running)?;
        let refusal = device.try_install(programs::doorbell(1)?.bundle()?)?.err().context("version 1 replaced version 2")?;
        ensure!(refusal.message.contains('2'), "{refusal:?}");
        ensure!(device.app(DOORBELL)?.version == 2);
        let newer = device.install(programs::doorbell(3)?.bundle()?)?;
        ensure!(newer.replaced == Some(2), "{newer:?}");
        Ok(())
    })
}
