//! MinHash: the smallest hash of a set's members under each of some hash functions. Sets that share most
//! members share most of these.

use std::collections::BTreeSet;

use blake2::{Blake2b, Digest, digest::consts::U8};

/// Hash functions of a signature.
const HASHES: usize = 32;
/// Hashes that have to agree at one place for two names to be compared.
const BAND: usize = 4;

/// Neighbouring hashes of a signature.
pub(super) type Band = [u64; BAND];

/// The signature of a set that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature([u64; HASHES]);

impl Signature {
    /// The hashes, by the seed of their function.
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }

    pub(super) fn bands(&self) -> impl Iterator<Item = Band> + '_ {
        let (bands, _) = self.0.as_chunks::<BAND>();
        bands.iter().copied()
    }

    /// Whether two sets would be compared: a band of theirs agrees.
    pub fn shares_a_band(&self, other: &Self) -> bool {
        self.bands()
            .zip(other.bands())
            .any(|(own, other)| own == other)
    }
}

/// The signature of a set; an empty one has none.
pub fn signature(shingles: &BTreeSet<String>) -> Option<Signature> {
    let mut least = [u64::MAX; HASHES];
    for (seed, least) in least.iter_mut().enumerate() {
        let hashes = shingles.iter().map(|shingle| hash(seed, shingle));
        *least = hashes.min()?;
    }
    Some(Signature(least))
}

/// The 8-byte BLAKE2b of `seed:shingle`, as a big-endian number.
fn hash(seed: usize, shingle: &str) -> u64 {
    let digest = Blake2b::<U8>::digest(format!("{seed}:{shingle}"));
    u64::from_be_bytes(digest.into())
}
