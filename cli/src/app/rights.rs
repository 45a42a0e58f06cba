//! What a manifest asks for, in the words of [`grant::rights`].

use grant::rights::{Kind, said};
use manifest::app::AppManifest;

/// What the app may do, without limits and life. Empty: it can compute and log.
pub(super) fn asked_for(manifest: &AppManifest) -> Vec<String> {
    words(manifest, Kind::Right)
}

/// What it may use up.
pub(super) fn limits_of(manifest: &AppManifest) -> Vec<String> {
    words(manifest, Kind::Limit)
}

fn words(manifest: &AppManifest, kind: Kind) -> Vec<String> {
    said(manifest).into_iter().filter(|said| said.kind == kind).map(|said| said.words).collect()
}
