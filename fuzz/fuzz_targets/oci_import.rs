//! A container image: what comes of it lies inside the app's root, within the bounds, and could be packed.
#![no_main]

use holdfast_cli::{
    bundle::folder::check_links,
    oci::{blobs::Blobs, import, start},
};
use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Blobs::in_archive(Cursor::new(bytes.to_vec())).and_then(|blobs| import(blobs, LIMIT)) else { return };
    for (path, _) in image.tree.iter() {
        assert!(path.starts_with('/') && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | "..")), "{path}");
    }
    assert!(image.tree.bytes() <= LIMIT);
    check_links(&image.tree).unwrap();
    if let Ok(start) = start::find(&image.tree, &image.config, &mut Vec::new()) {
        assert!(image.tree.get(&image.tree.resolve(&start.entry_point).unwrap()).is_some());
    }
});
