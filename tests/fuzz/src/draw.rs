//! Choices drawn from the fuzzer's bytes, front to back. When they are used up every choice is the
//! first one, so that an input means the same whatever follows it.

/// The bytes that are left.
#[derive(Clone, Debug)]
pub struct Draw<'a> {
    rest: &'a [u8],
}

impl<'a> Draw<'a> {
    /// All of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether they are used up.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next byte; 0 when there is none.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// 0 to `count` - 1, `count` at most 256.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Yes or no.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Yes once in `count`; not when the bytes are used up.
    pub fn rarely(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.byte());
        u64::from_le_bytes(bytes)
    }

    /// A number near `base` as often as not, else a small one, else any: what the core compares
    /// with what it knows is met by chance only from nearby.
    pub fn near(&mut self, base: u64) -> u64 {
        match self.byte() {
            any @ 0..=223 => base.saturating_add_signed(STEPS[usize::from(any) % STEPS.len()]),
            small @ 224..=247 => u64::from(small - 224),
            248..=251 => base.saturating_add(1 << 32).saturating_sub(u64::from(self.byte() % 4)),
            252..=253 => u64::MAX - u64::from(self.byte()),
            _ => self.number(),
        }
    }

    /// What is left, taken whole.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Up to `most` of the next bytes.
    pub fn some(&mut self, most: usize) -> &'a [u8] {
        let (some, rest) = self.rest.split_at(most.min(self.rest.len()));
        self.rest = rest;
        some
    }
}

/// The nearest first.
const STEPS: [i64; 7] = [0, 1, -1, 2, -2, 3, -3];
