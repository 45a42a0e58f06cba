//! Reading what is to be judged, by descriptor: never more than its format allows, never by the file's position, and
//! in slices, so that the loop goes on answering while a large image is hashed.

use crate::{
    merkle::{BLOCK, Tree},
    trust_store::AppKeys,
    verdict::{self, Refusal, Signed},
};
use ipc::messages::monitor::Verdict;
use manifest::{
    bundle::{BundleError, ENVELOPE_LIMIT, TRAILER_LEN, Trailer},
    names::ComponentId,
};
use rustix::{
    fd::OwnedFd,
    fs::{FileType, fstat},
};
use std::{fs::File, os::unix::fs::FileExt};

/// Bytes hashed between two looks at the poll loop: a few milliseconds, and some tens under emulation.
const SLICE: usize = 1 << 20;
/// Bytes read at once.
const READ: usize = 16 * BLOCK;

/// A bundle or installed app that was accepted.
pub struct Accepted {
    /// What was found.
    pub verdict: Verdict,
    /// The envelope's bytes.
    pub envelope: Vec<u8>,
    /// The signed manifest's bytes.
    pub manifest: Vec<u8>,
}

/// A bundle whose signature holds and whose image is being hashed. The file may still change under it: whoever asked
/// compares the digest with what the kernel enforces afterwards.
pub struct Judging {
    file: File,
    envelope: Vec<u8>,
    signed: Signed,
    offset: u64,
    end: u64,
    tree: Tree,
}

impl Judging {
    /// Reads trailer and envelope and checks the signature. An unsigned bundle costs no hashing.
    pub fn begin(bundle: OwnedFd, keys: &AppKeys) -> Result<Self, Refusal> {
        let (file, length) = regular(bundle)?;
        let mut trailer = [0; TRAILER_LEN];
        let start = length.checked_sub(TRAILER_LEN as u64).ok_or(BundleError::NoTrailer)?;
        read_at(&file, &mut trailer, start, "trailer")?;
        let trailer = Trailer::parse(&trailer, length)?;
        let mut envelope = vec![0; usize::try_from(trailer.envelope_len).unwrap_or(0)];
        read_at(&file, &mut envelope, trailer.image_len, "envelope")?;
        let signed = verdict::signed(&envelope, keys)?;
        signed.check_size(trailer.image_len)?;
        Ok(Self { file, envelope, signed, offset: 0, end: trailer.image_len, tree: Tree::default() })
    }

    /// Hashes one slice; true when the image is through.
    pub fn step(&mut self) -> Result<bool, Refusal> {
        let until = self.end.min(self.offset + SLICE as u64);
        let mut bytes = vec![0; READ];
        while self.offset < until {
            let length = usize::try_from(until - self.offset).unwrap_or(READ).min(READ);
            let part = bytes.get_mut(..length).unwrap_or_default();
            read_at(&self.file, part, self.offset, "image")?;
            part.chunks(BLOCK).for_each(|block| self.tree.add(block));
            self.offset += length as u64;
        }
        Ok(self.offset == self.end)
    }

    /// The decision, once [`Judging::step`] said that the image is through.
    pub fn finish(self) -> Result<Accepted, Refusal> {
        let verdict = self.signed.verdict(self.tree.digest(), self.offset)?;
        Ok(Accepted { verdict, envelope: self.envelope, manifest: self.signed.into_manifest() })
    }

    /// Whom the bundle is signed for.
    pub fn component(&self) -> &ComponentId {
        self.signed.component()
    }
}

/// Judges an installed app: the digest is the one that the kernel enforces, so that nothing needs to be read.
pub fn installed(image: OwnedFd, envelope: OwnedFd, keys: &AppKeys) -> Result<Accepted, Refusal> {
    let (image, size) = regular(image)?;
    let (file, length) = regular(envelope)?;
    if length > ENVELOPE_LIMIT as u64 {
        return Err(BundleError::TooLong { what: "an envelope", found: length, limit: ENVELOPE_LIMIT as u64 }.into());
    }
    let mut envelope = vec![0; usize::try_from(length).unwrap_or(0)];
    read_at(&file, &mut envelope, 0, "envelope")?;
    let signed = verdict::signed(&envelope, keys)?;
    let digest = linux::verity::measure(&image).map_err(|e| Refusal::NotMeasured(e.into()))?;
    let verdict = signed.verdict(digest, size)?;
    Ok(Accepted { verdict, envelope, manifest: signed.into_manifest() })
}

/// Only a regular file: reading a pipe or a socket could wait for ever.
fn regular(fd: OwnedFd) -> Result<(File, u64), Refusal> {
    let status = fstat(&fd).map_err(|e| Refusal::Unreadable { what: "file's status", source: e.into() })?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Refusal::NoFile);
    }
    Ok((File::from(fd), u64::try_from(status.st_size).unwrap_or(0)))
}

fn read_at(file: &File, bytes: &mut [u8], offset: u64, what: &'static str) -> Result<(), Refusal> {
    file.read_exact_at(bytes, offset).map_err(|source| Refusal::Unreadable { what, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::samples::{self, Sample};
    use std::io::Write;

    fn judge(bytes: &[u8], keys: &AppKeys) -> Result<Accepted, Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        judge_file(file, keys)
    }

    fn judge_file(file: File, keys: &AppKeys) -> Result<Accepted, Refusal> {
        let mut judging = Judging::begin(file.into(), keys)?;
        while !judging.step()? {}
        judging.finish()
    }

    #[test]
    fn a_bundle_of_several_slices_is_accepted() {
        let sample = Sample::new(2 * SLICE / BLOCK + 3);
        let accepted = judge(&sample.bundle(), &sample.keys).unwrap();
        assert_eq!(accepted.envelope, sample.envelope);
        assert_eq!(accepted.manifest, samples::MANIFEST.as_bytes());
        assert_eq!(accepted.verdict.image_size, sample.image.len() as u64);
    }

    #[test]
    fn cut_off_anywhere_it_is_refused() {
        let sample = Sample::new(2);
        let bundle = sample.bundle();
        for end in (0..bundle.len()).step_by(61).chain(bundle.len() - 40..bundle.len()) {
            assert!(judge(&bundle[..end], &sample.keys).is_err(), "cut off at {end}");
        }
    }

    #[test]
    fn bytes_added_anywhere_are_refused() {
        let sample = Sample::new(2);
        for at in [0, 100, 4096, 8192, 8200, sample.bundle().len() - 32, sample.bundle().len()] {
            let mut bundle = sample.bundle();
            bundle.insert(at, b' ');
            assert!(judge(&bundle, &sample.keys).is_err(), "added at {at}");
        }
    }

    #[test]
    fn huge_sizes_and_a_sparse_bomb_are_refused_without_reading_them() {
        let sample = Sample::new(1);
        let file = tempfile::tempfile().unwrap();
        file.set_len(10 << 30).unwrap();
        assert!(matches!(judge_file(file, &sample.keys), Err(Refusal::Form(BundleError::NoTrailer))));
        // A hole of almost the limit in front of a good envelope: refused by its signed size, before any hashing.
        let file = tempfile::tempfile().unwrap();
        let image_len = (1 << 30) - 4096;
        let trailer = Trailer { image_len, envelope_len: u32::try_from(sample.envelope.len()).unwrap() };
        file.write_all_at(&[&sample.envelope[..], &trailer.to_bytes()].concat(), image_len).unwrap();
        assert!(matches!(Judging::begin(file.into(), &sample.keys), Err(Refusal::OtherSize { .. })));
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let sample = Sample::new(1);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(matches!(Judging::begin(socket.into(), &sample.keys), Err(Refusal::NoFile)));
        assert!(matches!(Judging::begin(File::open("/dev/zero").unwrap().into(), &sample.keys), Err(Refusal::NoFile)));
    }

    #[test]
    fn an_installed_image_without_fs_verity_is_refused() {
        let sample = Sample::new(1);
        let (mut image, mut envelope) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        image.write_all(&sample.image).unwrap();
        envelope.write_all(&sample.envelope).unwrap();
        assert!(matches!(installed(image.into(), envelope.into(), &sample.keys), Err(Refusal::NotMeasured(_))));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn a_flipped_bit_in_the_image_or_the_trailer_is_refused(at in 0usize..8192 + TRAILER_LEN, bit in 0u8..8) {
            let sample = Sample::new(2);
            let mut bundle = sample.bundle();
            let at = if at < 8192 { at } else { bundle.len() - TRAILER_LEN + at - 8192 };
            bundle[at] ^= 1 << bit;
            proptest::prop_assert!(judge(&bundle, &sample.keys).is_err());
        }
    }
}
