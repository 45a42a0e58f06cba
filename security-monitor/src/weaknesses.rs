//! What weakens this device, in plain words: a missing protection is never silent.

use crate::places::Places;
use linux::files::{self, FileError};
use manifest::image::DeviceImage;

/// The firmware's variable: four bytes of attributes and one that is 1 where Secure Boot is on.
const SECURE_BOOT_ON: u8 = 1;

/// Looks once, before the monitor confines itself.
pub fn found(places: &Places) -> Vec<String> {
    let mut warnings = Vec::new();
    if files::list(&places.tpm, 1024).is_err() {
        warnings.push(
            "no TPM: the key of all storage lies beside it, who takes the data partition can read and change it".to_owned(),
        );
    }
    if files::read(&places.secure_boot, 16).ok().and_then(|bytes| bytes.get(4).copied()) != Some(SECURE_BOOT_ON) {
        warnings.push("no Secure Boot: nothing has checked the kernel that was started".to_owned());
    }
    match image(places) {
        Ok(image) if image.test => warnings.push("this is a test image: it holds a probe that is root".to_owned()),
        Ok(_) => {}
        Err(error) => warnings.push(format!("the image's own description cannot be read: {error}")),
    }
    if files::open(&places.safe_mode, rustix::fs::OFlags::PATH).is_ok() {
        warnings.push("safe mode: the device starts no apps, after repeated failures".to_owned());
    }
    warnings
}

fn image(places: &Places) -> Result<DeviceImage, String> {
    let bytes = files::read(&places.image, 64 * 1024).map_err(|error: FileError| files::chain(&error))?;
    DeviceImage::parse(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test arranges its files as it likes")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_device_with_everything_in_force_has_no_warnings_and_a_test_image_has() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::below(root.path());
        assert_eq!(found(&places).len(), 3);
        for path in [&places.image, &places.secure_boot] {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::create_dir_all(&places.tpm).unwrap();
        fs::write(&places.secure_boot, [6, 0, 0, 0, 1]).unwrap();
        let image = r#"{"name":"x","version":"1","build_time":1,"platform_abi":1}"#;
        fs::write(&places.image, image).unwrap();
        assert_eq!(found(&places), [""; 0]);
        fs::write(&places.image, image.replace('}', r#","test":true}"#)).unwrap();
        fs::write(&places.secure_boot, [6, 0, 0, 0, 0]).unwrap();
        assert_eq!(found(&places).len(), 2);
    }
}
