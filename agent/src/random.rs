//! Random numbers: unpredictable seeds, and cheap sequences from them.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// A sequence of numbers that is the same for the same seed: `SplitMix64` (Steele, Lea, Flood: "Fast splittable
/// pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Sequence(u64);

impl Sequence {
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence that nobody can foretell. If the system has no randomness to give, which Linux cannot report after
    /// start-up, it is the sequence of seed 0.
    pub(crate) fn unpredictable() -> Self {
        let mut seed = [0; 8];
        if SystemRandom::new().fill(&mut seed).is_err() {
            tracing::warn!("the system gave no random seed");
        }
        Self::from_seed(u64::from_le_bytes(seed))
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; zero if `bound` is zero. The bias of the remainder does not matter for sampling.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_sequence() {
        let mut sequence = Sequence::from_seed(1_234_567);
        assert_eq!(sequence.next(), 6_457_827_717_110_365_317);
        assert_eq!(sequence.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn unpredictable_sequences_differ() {
        assert_ne!(Sequence::unpredictable().next(), Sequence::unpredictable().next());
    }
}
