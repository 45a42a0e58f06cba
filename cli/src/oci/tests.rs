//! Archives as builders write them, and as attackers would.

use super::*;
use crate::bundle::{folder::check_links, tree::Source};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Write};
use tar::{Builder, EntryType, Header};

/// One layer while it is written.
struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn entry(mut self, name: &str, kind: EntryType, mode: u32, link: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        // As it stands: the library's own functions would refuse some names.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, 0o644, "", bytes)
    }

    fn program(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(name, EntryType::Regular, 0o755, "", bytes)
    }

    fn folder(self, name: &str) -> Self {
        self.entry(name, EntryType::Directory, 0o755, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Symlink, 0o777, target, b"")
    }

    fn hard(self, name: &str, target: &str) -> Self {
        self.entry(name, EntryType::Link, 0o644, target, b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn config_document(config: &Value, layers: &[Vec<u8>]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let document =
        json!({ "architecture": "amd64", "os": "linux", "config": config, "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    serde_json::to_vec(&document).unwrap()
}

/// As `docker save` wrote it for years.
fn saved(config: &Value, layers: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|n| format!("{n}/layer.tar")).collect();
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["app:1"], "Layers": names }]);
    let mut archive = Layer::new().file("config.json", &config_document(config, layers));
    for (name, layer) in names.iter().zip(layers) {
        archive = archive.file(name, layer);
    }
    archive.file("manifest.json", &serde_json::to_vec(&manifest).unwrap()).bytes()
}

/// An OCI layout whose layers are compressed.
fn layout(config: &Value, layers: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = Layer::new();
    let mut blob = |bytes: Vec<u8>| {
        let digest = digest(&bytes);
        let name = format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        let taken = std::mem::replace(&mut archive, Layer::new());
        archive = taken.file(&name, &bytes);
        json!({ "mediaType": "application/vnd.oci.image.x", "digest": digest, "size": bytes.len() })
    };
    let packed: Vec<Value> = layers.iter().map(|layer| blob(gzip(layer))).collect();
    let config = blob(config_document(config, layers));
    let manifest = blob(serde_json::to_vec(&json!({ "schemaVersion": 2, "config": config, "layers": packed })).unwrap());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    archive.file("index.json", &serde_json::to_vec(&index).unwrap()).bytes()
}

fn import_bytes(archive: Vec<u8>) -> Result<Imported, OciError> {
    import(Blobs::in_archive(Cursor::new(archive))?, 64 << 20)
}

fn imported(layers: &[Vec<u8>]) -> Imported {
    import_bytes(saved(&json!({}), layers)).unwrap()
}

fn refused(layers: &[Vec<u8>]) -> String {
    import_bytes(saved(&json!({}), layers)).unwrap_err().to_string()
}

fn paths(imported: &Imported) -> Vec<&str> {
    imported.tree.iter().map(|(path, _)| path).collect()
}

fn content(imported: &Imported, path: &str) -> Vec<u8> {
    match imported.tree.get(&imported.tree.resolve(path).unwrap()) {
        Some(Entry::File { source: Source::Bytes(bytes), .. }) => bytes.clone(),
        Some(Entry::File { source: Source::Host(file), .. }) => fs_err::read(file).unwrap(),
        other => panic!("{path}: {other:?}"),
    }
}

/// A program for the device, as far as its head tells.
const ELF: &[u8] = b"\x7fELF and so on";

#[test]
fn what_docker_saves_and_an_oci_layout_are_the_same_app() {
    let large = vec![7; 100_000];
    let layers = [
        Layer::new().folder("usr/bin/").program("usr/bin/app", ELF).link("bin", "usr/bin").bytes(),
        Layer::new().file("./etc/large", &large).hard("etc/again", "etc/large").bytes(),
    ];
    let config = json!({ "Entrypoint": ["app"], "Env": ["PATH=/bin"] });
    let folder = tempfile::tempdir().unwrap();
    tar::Archive::new(Cursor::new(layout(&config, &layers))).unpack(folder.path()).unwrap();
    let all = [
        import_bytes(saved(&config, &layers)).unwrap(),
        import_bytes(gzip(&saved(&config, &layers))).unwrap(),
        import_bytes(layout(&config, &layers)).unwrap(),
        read(folder.path()).unwrap(),
    ];
    for image in &all {
        assert_eq!(paths(image), ["/bin", "/etc", "/etc/again", "/etc/large", "/usr", "/usr/bin", "/usr/bin/app"]);
        assert_eq!((content(image, "/etc/again"), content(image, "/bin/app")), (large.clone(), ELF.to_vec()));
        assert!(image.notes.is_empty(), "{:?}", image.notes);
        check_links(&image.tree).unwrap();
    }
}

#[test]
fn a_layer_compressed_with_zstandard_is_read() {
    let layer = Layer::new().file("etc/x", b"zstd").bytes();
    // In two frames, with one to skip in front and between them.
    let frame = |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
    let (first, second) = layer.split_at(700);
    let packed = [&skipped[..], &frame(first), &skipped, &frame(second)].concat();
    let mut archive = Layer::new().file("config.json", &config_document(&json!({}), &[layer])).file("layer", &packed);
    archive = archive.file("manifest.json", br#"[{"Config":"config.json","Layers":["layer"]}]"#);
    assert_eq!(content(&import_bytes(archive.bytes()).unwrap(), "/etc/x"), b"zstd");
}

#[test]
fn whiteouts_remove_what_lower_layers_have_and_nothing_of_their_own() {
    let lower = Layer::new().file("a/one", b"1").file("a/two", b"2").file("b/x/deep", b"3").file("c", b"4").bytes();
    let upper = Layer::new()
        .file("a/.wh.one", b"")
        .file("b/new", b"5")
        .file("b/.wh..wh..opq", b"")
        .file("c", b"6")
        .file(".wh.c", b"")
        .bytes();
    let image = imported(&[lower.clone(), upper]);
    assert_eq!(paths(&image), ["/a", "/a/two", "/b", "/b/new", "/c"]);
    assert_eq!(content(&image, "/c"), b"6");
    // A folder in a file's place, a file in a folder's, a folder in a link's.
    let upper = Layer::new().file("c/inside", b"").file("a", b"7").bytes();
    assert!(refused(&[lower.clone(), upper]).contains("has to be a folder"));
    let upper = Layer::new().folder("c").file("c/inside", b"").file("a", b"7").bytes();
    assert_eq!(paths(&imported(&[lower, upper])), ["/a", "/b", "/b/x", "/b/x/deep", "/c", "/c/inside"]);
    for name in [".wh.", ".wh..", "a/.wh..."] {
        assert!(refused(&[Layer::new().file(name, b"").bytes()]).contains("removes nothing"), "{name}");
    }
}

#[test]
fn names_and_links_lead_nowhere_but_into_the_apps_own_root() {
    // Through a link to where the machine that packs has something else.
    let image = imported(&[
        Layer::new().link("out", "/etc").link("up", "../../../../etc").bytes(),
        Layer::new().file("out/passwd", b"mine").file("up/shadow", b"mine too").file("/absolute", b"x").bytes(),
    ]);
    assert_eq!(paths(&image), ["/absolute", "/etc", "/etc/passwd", "/etc/shadow", "/out", "/up"]);
    assert_eq!(content(&image, "/etc/passwd"), b"mine");
    assert!(image.notes.iter().any(|note| note.contains("climbed out")), "{:?}", image.notes);
    check_links(&image.tree).unwrap();
    assert!(refused(&[Layer::new().file("../x", b"").bytes()]).contains("leads out of its folder"));
    assert!(refused(&[Layer::new().file("a/../../x", b"").bytes()]).contains("leads out of its folder"));
    assert!(refused(&[Layer::new().link("a", "b").link("b", "a").file("a/x", b"").bytes()]).contains("go round"));
    assert!(refused(&[Layer::new().hard("x", "/etc/passwd").bytes()]).contains("hard link to nothing"));
    assert!(refused(&[Layer::new().hard("x", "../../etc/passwd").bytes()]).contains("hard link to nothing"));
    assert!(refused(&[Layer::new().folder("f").hard("x", "f").bytes()]).contains("hard link to a folder"));
    let control = Layer::new().file("a\u{7}b", b"").bytes();
    assert!(refused(&[control]).contains("control characters"));
}

#[test]
fn what_an_app_must_not_have_is_left_out_and_told() {
    let layer = Layer::new()
        .entry("dev/sda", EntryType::Block, 0o666, "", b"")
        .entry("pipe", EntryType::Fifo, 0o666, "", b"")
        .entry("bin/su", EntryType::Regular, 0o4755, "", ELF)
        .file("tmp/left", b"")
        .link("run", "/var/run")
        .link("etc/mtab", "/proc/mounts")
        .link("etc/gone", "nothing")
        .bytes();
    let image = imported(&[layer]);
    assert_eq!(paths(&image), ["/bin", "/bin/su", "/etc", "/etc/mtab", "/tmp"]);
    let all = image.notes.join("\n");
    for word in ["/dev/sda, /pipe", "/bin/su", "1 entries in /tmp", "/run is a folder", "/etc/gone"] {
        assert!(all.contains(word), "{word}: {all}");
    }
    check_links(&image.tree).unwrap();
}

#[test]
fn parts_that_are_not_what_the_image_says_are_refused() {
    let layers = [Layer::new().file("a", b"one").bytes()];
    let other = [Layer::new().file("a", b"two").bytes()];
    // docker save states the unpacked layer alone, a layout every part.
    let mut archive = saved(&json!({}), &layers);
    let at = archive.windows(3).position(|bytes| bytes == b"one").unwrap();
    archive[at..at + 3].copy_from_slice(b"two");
    assert!(matches!(import_bytes(archive), Err(OciError::Digest { .. })));
    let packed = gzip(&layers[0]);
    let mut archive = layout(&json!({}), &layers);
    let at = archive.windows(packed.len()).position(|bytes| bytes == packed).unwrap();
    archive[at + packed.len() - 1] ^= 1;
    assert!(matches!(import_bytes(archive), Err(OciError::Digest { .. })));
    let archive = Layer::new()
        .file("config.json", &config_document(&json!({}), &layers))
        .file("layer", &other[0])
        .file("manifest.json", br#"[{"Config":"config.json","Layers":["layer"]}]"#);
    assert!(matches!(import_bytes(archive.bytes()), Err(OciError::Digest { .. })));
}

#[test]
fn bombs_and_crowds_end_at_a_bound() {
    let zeros = Layer::new().file("zeros", &vec![0; 8 << 20]).bytes();
    let archive = layout(&json!({}), &[zeros]);
    assert!(archive.len() < 200_000);
    let blobs = Blobs::in_archive(Cursor::new(archive)).unwrap();
    assert!(matches!(import(blobs, 4 << 20), Err(OciError::TooMuch { .. })));
    // A file of 1 TiB that is only holes.
    let mut header = Header::new_gnu();
    header.set_path("holes").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_mode(0o644);
    header.set_size(0);
    header.as_gnu_mut().unwrap().set_real_size(1 << 40);
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    let layer = builder.into_inner().unwrap();
    assert!(import_bytes(saved(&json!({}), &[layer])).is_err());
    // A file that replaces itself again and again, and a name of megabytes.
    let mut again = Layer::new();
    for _ in 0..20 {
        again = again.file("same", &vec![1; 4 << 20]);
    }
    assert!(refused(&[again.bytes()]).contains("bytes in its layers"));
    let name = Layer::new().entry("././@LongLink", EntryType::GNULongName, 0o644, "", &vec![b'a'; 1 << 20]).file("x", b"");
    assert!(refused(&[name.bytes()]).contains("name or attributes"));
    let mut crowd = Layer::new();
    for n in 0..100_000 {
        crowd = crowd.file(&format!("f{n}"), b"");
    }
    assert!(refused(&[crowd.bytes()]).contains("files"));
    let many = vec![Layer::new().bytes(); 200];
    assert!(refused(&many).contains("layers"));
}

#[test]
fn an_archive_that_is_no_image_for_the_device_says_why() {
    let error = |archive: Vec<u8>| import_bytes(archive).unwrap_err().to_string();
    assert!(error(Layer::new().file("x", b"").bytes()).contains("neither index.json"));
    let two = br#"[{"Config":"c","Layers":[],"RepoTags":["a:1"]},{"Config":"c","Layers":[],"RepoTags":["b:1"]}]"#;
    assert!(error(Layer::new().file("manifest.json", two).bytes()).contains("a:1, b:1"));
    let arm = br#"{"architecture":"arm64","os":"linux","rootfs":{"diff_ids":[]}}"#;
    let archive = Layer::new().file("c", arm).file("manifest.json", br#"[{"Config":"c","Layers":[]}]"#);
    assert!(error(archive.bytes()).contains("linux/arm64"));
    let outside = br#"[{"Config":"../../etc/passwd","Layers":[]}]"#;
    assert!(error(Layer::new().file("manifest.json", outside).bytes()).contains("not there"));
    let index = br#"{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}"#;
    assert!(error(Layer::new().file("index.json", index).bytes()).contains("no SHA-256 digest"));
    let whole = saved(&json!({}), &[Layer::new().file("a", &[1; 5000]).bytes()]);
    for length in (0..whole.len()).step_by(700) {
        let _ = import_bytes(whole[..length].to_vec());
    }
}

fn started(config: &Value, layers: Layer, manifest: Value) -> Result<(Map<String, Value>, Vec<String>), OciError> {
    let image = import_bytes(saved(config, &[layers.bytes()])).unwrap();
    let mut document = manifest.as_object().unwrap().clone();
    let notes = start::complete(&mut document, &image.tree, &image.config)?;
    Ok((document, notes))
}

#[test]
fn an_entry_point_is_one_program_its_arguments_and_its_environment() {
    let root = || Layer::new().program("usr/bin/python3.11", ELF).link("usr/bin/python3", "python3.11").file("srv/app.py", b"");
    let config = json!({ "Entrypoint": ["python3"], "Cmd": ["-u", "app.py", "--fast"], "WorkingDir": "/srv",
        "Env": ["PATH=/usr/bin", "LANG=C.UTF-8", "NOTIFY_SOCKET=/x", "B.A=1"] });
    let (manifest, notes) = started(&config, root(), json!({ "Holdfast": { "Environment": { "LANG": "C" } } })).unwrap();
    assert_eq!(manifest["EntryPoint"], "/usr/bin/python3", "a link keeps its name");
    assert_eq!(manifest["CmdArgs"], json!(["-u", "/srv/app.py", "--fast"]));
    assert_eq!(manifest["Holdfast"]["Environment"], json!({ "LANG": "C", "PATH": "/usr/bin" }), "the manifest's own stays");
    assert!(notes.iter().any(|note| note.contains("starts in /")) && notes.iter().any(|note| note.contains("NOTIFY_SOCKET")));
    // What the manifest says of the start stays.
    let (manifest, _) = started(&config, root(), json!({ "EntryPoint": "/usr/bin/python3.11", "CmdArgs": ["-V"] })).unwrap();
    assert_eq!((&manifest["EntryPoint"], &manifest["CmdArgs"]), (&json!("/usr/bin/python3.11"), &json!(["-V"])));
}

#[test]
fn a_script_is_started_by_its_interpreter() {
    let root = |first: &str| {
        let script = format!("{first}\nprint()\n");
        Layer::new().program("usr/bin/python3", ELF).program("bin/sh", ELF).program("app/run", script.as_bytes())
    };
    let config = json!({ "Cmd": ["/app/run", "x"] });
    let line = |first: &str| {
        let (manifest, _) = started(&config, root(first), json!({})).unwrap();
        (manifest["EntryPoint"].clone(), manifest["CmdArgs"].clone())
    };
    assert_eq!(line("#!/usr/bin/env python3"), (json!("/usr/bin/python3"), json!(["/app/run", "x"])));
    assert_eq!(line("#! /bin/sh -e"), (json!("/bin/sh"), json!(["-e", "/app/run", "x"])));
    let none = started(&config, root("#!/bin/zsh"), json!({})).unwrap_err().to_string();
    assert!(none.contains("/bin/zsh") && none.contains("not in it"), "{none}");
    assert!(started(&config, root("#!/app/run"), json!({})).unwrap_err().to_string().contains("deep"));
    assert!(started(&json!({}), root(""), json!({})).unwrap_err().to_string().contains("neither an entry point"));
}

#[test]
fn what_an_image_says_that_an_app_has_in_another_way_is_told() {
    let config = json!({ "User": "www", "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/var": {} }, "StopSignal": "SIGINT",
        "Healthcheck": { "Test": ["x"] }, "Entrypoint": null, "Env": null });
    let notes = import_bytes(saved(&config, &[Layer::new().bytes()])).unwrap().notes.join("\n");
    for word in ["www", "80/tcp", "/var", "SIGINT", "health check"] {
        assert!(notes.contains(word), "{word}: {notes}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_import_panic_and_all_paths_are_plain(
        names in proptest::collection::vec("[a./w\\-]{1,12}", 0..12),
        kinds in proptest::collection::vec(0u8..4, 12),
        flip in proptest::option::of((0usize..4096, 0u8..=255)),
    ) {
        let mut layer = Layer::new();
        for (name, kind) in names.iter().zip(kinds) {
            layer = match kind {
                0 => layer.file(name, b"x"),
                1 => layer.folder(name),
                2 => layer.link(name, names.last().map_or("", String::as_str)),
                _ => layer.hard(name, names.first().map_or("", String::as_str)),
            };
        }
        let mut bytes = layer.bytes();
        if let Some((at, value)) = flip
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte = value;
        }
        if let Ok(image) = import_bytes(saved(&json!({}), &[bytes])) {
            for (path, _) in image.tree.iter() {
                proptest::prop_assert!(path.starts_with('/') && path.split('/').skip(1).all(|p| !matches!(p, "" | "." | "..")), "{path}");
            }
            check_links(&image.tree).unwrap();
        }
    }
}
