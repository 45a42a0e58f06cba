//! Which layers an image has, and what it runs.

use super::{OciError, blobs::Blobs};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most layers: what container runtimes themselves allow.
const LAYERS_LIMIT: usize = 128;
/// Indexes in indexes that are followed.
const INDEX_DEPTH: usize = 3;
/// The device's machine, in the words of the specification.
const ARCHITECTURE: &str = "amd64";

/// An image.
#[derive(Debug)]
pub struct Image {
    /// What it runs.
    pub config: Config,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer: a part, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name among the parts.
    pub part: String,
    /// Digest of the part, where the image states it.
    pub digest: Option<String>,
    /// Digest of the unpacked layer.
    pub diff_id: String,
}

/// What an image runs, and with what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Begin of the command line.
    #[serde(deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// Its rest.
    #[serde(deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// `NAME=value`.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// Where it is run.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    #[serde(deserialize_with = "or_default")]
    user: String,
    #[serde(deserialize_with = "or_default")]
    exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    volumes: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    stop_signal: String,
    #[serde(deserialize_with = "or_default")]
    healthcheck: Option<serde::de::IgnoredAny>,
}

impl Config {
    /// What it says that an app has in another way, or not at all.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |said: bool, words: String| notes.extend(said.then_some(words));
        let names = |of: &BTreeMap<String, serde::de::IgnoredAny>| of.keys().cloned().collect::<Vec<_>>().join(", ");
        note(!self.user.is_empty(), format!("its user {:?} is ignored: each app has a user of its own", self.user));
        let ports = names(&self.exposed_ports);
        note(!ports.is_empty(), format!("it listens on {ports}: that takes network rights, which its manifest must list"));
        let volumes = names(&self.volumes);
        note(
            !volumes.is_empty(),
            format!("its volumes {volumes} are read-only folders; an app writes to /data alone (MutableStorage)"),
        );
        let other = !self.stop_signal.is_empty() && !["SIGTERM", "TERM", "15"].contains(&self.stop_signal.as_str());
        note(other, format!("it is stopped with SIGTERM, not with {}", self.stop_signal));
        note(self.healthcheck.is_some(), "its health check is ignored: an app says READY=1 and WATCHDOG=1 itself".to_owned());
        notes
    }
}

/// `null` is what absence is.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// One image of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "or_default")]
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// The image's config document.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default, deserialize_with = "or_default")]
    config: Config,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// The one image of an archive that is for the device.
pub fn find(blobs: &mut Blobs) -> Result<Image, OciError> {
    if blobs.has("index.json") {
        let bytes = blobs.document("index.json")?;
        let index: Index = parse("index.json", &bytes)?;
        return in_index(blobs, index, 0);
    }
    if blobs.has("manifest.json") {
        let bytes = blobs.document("manifest.json")?;
        return saved(blobs, parse("manifest.json", &bytes)?);
    }
    let text = "it has neither index.json (an OCI image layout) nor manifest.json (what `docker save` writes)";
    Err(OciError::Form(text.to_owned()))
}

fn parse<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|source| OciError::Document { name: name.to_owned(), source })
}

/// The part with this digest. Only SHA-256, whose digest is also a plain name.
fn part_of(digest: &str) -> Result<String, OciError> {
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.map(|hex| format!("blobs/sha256/{hex}")).ok_or_else(|| OciError::Form(format!("{digest:?} is no SHA-256 digest")))
}

fn verified(blobs: &mut Blobs, digest: &str) -> Result<Vec<u8>, OciError> {
    let part = part_of(digest)?;
    blobs.verify(&part, digest)?;
    blobs.document(&part)
}

fn in_index(blobs: &mut Blobs, index: Index, depth: usize) -> Result<Image, OciError> {
    let fits = |d: &Descriptor| d.platform.as_ref().is_none_or(|p| p.architecture == ARCHITECTURE && p.os == "linux");
    // What BuildKit puts beside an image (provenance) says of itself that it is for no platform.
    let attests = |d: &Descriptor| d.annotations.contains_key("vnd.docker.reference.type");
    let fitting: Vec<&Descriptor> = index.manifests.iter().filter(|d| fits(d) && !attests(d)).collect();
    let [descriptor] = fitting[..] else {
        let named: Vec<String> = index.manifests.iter().map(described).collect();
        let text = format!("it holds {} images for linux/{ARCHITECTURE}, expected one: {}", fitting.len(), named.join(", "));
        return Err(OciError::Form(text));
    };
    let bytes = verified(blobs, &descriptor.digest)?;
    if descriptor.media_type.contains("index") || descriptor.media_type.contains("manifest.list") {
        if depth >= INDEX_DEPTH {
            return Err(OciError::TooMuch { what: "indexes in indexes", limit: INDEX_DEPTH as u64 });
        }
        let index: Index = parse(&descriptor.digest, &bytes)?;
        return in_index(blobs, index, depth + 1);
    }
    let manifest: Manifest = parse(&descriptor.digest, &bytes)?;
    let config = verified(blobs, &manifest.config.digest)?;
    let layers = manifest.layers.iter().map(|layer| Ok((part_of(&layer.digest)?, Some(layer.digest.clone()))));
    image(&manifest.config.digest, &config, layers.collect::<Result<_, OciError>>()?)
}

fn described(descriptor: &Descriptor) -> String {
    let platform = descriptor.platform.as_ref().map(|p| format!("{}/{}", p.os, p.architecture));
    let name = descriptor.annotations.get("org.opencontainers.image.ref.name");
    name.cloned().or(platform).unwrap_or_else(|| descriptor.digest.clone()).escape_default().to_string()
}

fn saved(blobs: &mut Blobs, images: Vec<Saved>) -> Result<Image, OciError> {
    let [image] = &images[..] else {
        let names: Vec<String> =
            images.iter().flat_map(|image| &image.repo_tags).map(|tag| tag.escape_default().to_string()).collect();
        let text = format!("it holds {} images, expected one: {}", images.len(), names.join(", "));
        return Err(OciError::Form(text));
    };
    let config = blobs.document(&image.config)?;
    self::image(&image.config, &config, image.layers.iter().map(|part| (part.clone(), None)).collect())
}

fn image(name: &str, config: &[u8], parts: Vec<(String, Option<String>)>) -> Result<Image, OciError> {
    let Document { architecture, os, config, rootfs: RootFs { diff_ids } } = parse(name, config)?;
    if (architecture.as_str(), os.as_str()) != (ARCHITECTURE, "linux") {
        let text = format!(
            "it is an image for {}/{}, the device is linux/{ARCHITECTURE}",
            os.escape_default(),
            architecture.escape_default()
        );
        return Err(OciError::Form(text));
    }
    if parts.len() > LAYERS_LIMIT {
        return Err(OciError::TooMuch { what: "layers", limit: LAYERS_LIMIT as u64 });
    }
    if diff_ids.len() != parts.len() {
        let text = format!("its config states {} layers, its manifest {}", diff_ids.len(), parts.len());
        return Err(OciError::Form(text));
    }
    let layers = parts.into_iter().zip(diff_ids).map(|((part, digest), diff_id)| Layer { part, digest, diff_id }).collect();
    Ok(Image { config, layers })
}
