//! A small seeded generator (splitmix64): jitter need not be secret, but a run must be repeatable.

use crate::moment::Span;

/// The generator's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform in 0 ..= `most`.
    pub(crate) fn up_to(&mut self, most: Span) -> Span {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let range = u128::from(most.as_nanos()) + 1;
        let scaled = (u128::from(z) * range) >> 64;
        Span::from_nanos(u64::try_from(scaled).unwrap_or(most.as_nanos()))
    }
}
