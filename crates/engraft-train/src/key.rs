//! Random numbers keyed by (seed, purpose, index), never by call order, so that any batch of any
//! step can be made again by itself.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of one purpose at one index (a step, a person, an epoch).
pub fn rng(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, purpose, index))
}

/// 64 random bits of one purpose at one index.
pub fn bits(seed: u64, purpose: &str, index: u64) -> u64 {
    let digest = digest(seed, purpose, index);
    u64::from_le_bytes(digest[..8].try_into().expect("eight of 32 bytes"))
}

fn digest(seed: u64, purpose: &str, index: u64) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    hasher.update(purpose.as_bytes());
    *hasher.finalize().as_bytes()
}

/// A keyed one-to-one map of `0..len` onto itself that needs no memory: four Feistel rounds on the
/// next power of four, walked until the value falls inside.
#[derive(Clone, Debug)]
pub struct Permutation {
    len: u64,
    half: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// The permutation of `0..len` for this seed, purpose and index. `len` 0 counts as 1.
    pub fn new(seed: u64, purpose: &str, index: u64, len: u64) -> Self {
        let len = len.max(1);
        let bits = u64::BITS - (len - 1).leading_zeros();
        let mut stream = [0u8; 32];
        stream.copy_from_slice(&digest(seed, purpose, index));
        let mut keys = [0; 4];
        for (key, bytes) in keys.iter_mut().zip(stream.chunks_exact(8)) {
            *key = u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        }
        Self {
            len,
            half: bits.div_ceil(2).max(1),
            keys,
        }
    }

    /// Where `position` (taken modulo the length) goes.
    pub fn at(&self, position: u64) -> u64 {
        let mut value = position % self.len;
        loop {
            value = self.scramble(value);
            if value < self.len {
                return value;
            }
        }
    }

    fn scramble(&self, value: u64) -> u64 {
        let mask = (1u64 << self.half) - 1;
        let (mut left, mut right) = (value >> self.half, value & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half) | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_permutation_hits_every_value_once_for_any_length() {
        for len in [1, 2, 3, 5, 16, 17, 100, 1000] {
            let order = Permutation::new(7, "test", 0, len);
            let seen: BTreeSet<u64> = (0..len).map(|i| order.at(i)).collect();
            assert_eq!(seen.len() as u64, len);
            assert!(seen.iter().all(|&value| value < len));
        }
    }

    #[test]
    fn seed_purpose_and_index_each_change_the_order() {
        let order = |seed, purpose, index| {
            let order = Permutation::new(seed, purpose, index, 50);
            (0..50).map(|i| order.at(i)).collect::<Vec<_>>()
        };
        let base = order(1, "a", 0);
        assert_eq!(base, order(1, "a", 0));
        assert_ne!(base, order(2, "a", 0));
        assert_ne!(base, order(1, "b", 0));
        assert_ne!(base, order(1, "a", 1));
        assert_ne!(base, (0..50).collect::<Vec<_>>());
    }
}
