//! What security-monitor said of images: which fs-verity digest belongs to which component.

use manifest::names::{ComponentId, Sha256Hex};
use std::collections::VecDeque;

/// Verdicts that are kept; a device has far fewer images, so only a runaway monitor meets it.
pub const LIMIT: usize = 256;

/// An image's component and version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Digest of the image.
    pub digest: Sha256Hex,
    /// Component it may be mounted for.
    pub component: ComponentId,
    /// Its version.
    pub version: u64,
}

/// The verdicts, oldest first.
#[derive(Debug, Default)]
pub struct Verdicts(VecDeque<Verdict>);

impl Verdicts {
    /// Remembers a verdict; a newer one about the same image replaces it, and beyond the limit the oldest is forgotten.
    pub fn add(&mut self, verdict: Verdict) {
        self.0.retain(|known| known.digest != verdict.digest);
        if self.0.len() == LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(verdict);
    }

    /// What was said of this image.
    pub fn of(&self, digest: &Sha256Hex) -> Option<&Verdict> {
        self.0.iter().find(|known| known.digest == *digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(number: usize, version: u64) -> Verdict {
        let component = "25025d2c-66da-4448-bae1-ac26fcdd3627".parse().unwrap();
        Verdict { digest: format!("{number:064x}").parse().unwrap(), component, version }
    }

    #[test]
    fn the_table_is_bounded_and_the_newest_word_counts() {
        let mut verdicts = Verdicts::default();
        for number in 0..LIMIT + 1 {
            verdicts.add(verdict(number, 1));
        }
        assert_eq!(verdicts.0.len(), LIMIT);
        assert!(verdicts.of(&verdict(0, 1).digest).is_none());
        verdicts.add(verdict(9, 2));
        assert_eq!(verdicts.of(&verdict(9, 1).digest).unwrap().version, 2);
        assert_eq!(verdicts.0.len(), LIMIT);
    }
}
