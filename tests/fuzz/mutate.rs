//! Mutations of an input: the same ones each time.

/// Longest mutant, in bytes, unless its seed is longer.
const MAX_LEN: usize = 64 << 10;

/// Values at which lengths, counts and offsets go wrong.
const EXTREMES: [u32; 12] = [0, 1, 2, 3, 4, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/// Makes mutants of seeds.
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    /// One whose mutants depend on `name` alone.
    pub(crate) fn new(name: &str) -> Self {
        // FNV-1a, 64 bits; never zero, where xorshift would stay.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self { state: hash | 1 }
    }

    /// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`; 0 when that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// A mutant of `seed`: one to four changes, more often few. Parts may come from `others`.
    pub(crate) fn mutate(&mut self, seed: &[u8], others: &[&[u8]]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4).min(self.below(4)) {
            self.change(&mut bytes, others);
        }
        bytes.truncate(MAX_LEN.max(seed.len()));
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, others: &[&[u8]]) {
        // The head of a format decides about all that follows: half of the changes are near it.
        let near = if self.below(2) == 0 { bytes.len().min(64) } else { bytes.len() };
        let at = self.below(near);
        let len = self.below(bytes.len() - at + 1).min(1 << self.below(12));
        match self.below(9) {
            0 => bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << self.below(8)),
            1 => bytes.get_mut(at).into_iter().for_each(|byte| *byte = self.next() as u8),
            2 => self.put_extreme(bytes, at),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..at + len)),
            5 => {
                // The same again, sometimes very often.
                let part = bytes[at..at + len].to_vec();
                let times = 1 << self.below(13);
                let times = times.min(MAX_LEN / part.len().max(1));
                bytes.splice(at..at, part.repeat(times));
            }
            6 => {
                let fresh: Vec<u8> = (0..=self.below(16)).map(|_| self.next() as u8).collect();
                bytes.splice(at..at, fresh);
            }
            7 => {
                // The head of this and the tail of another.
                if let Some(other) = others.get(self.below(others.len())) {
                    bytes.truncate(at);
                    bytes.extend(&other[self.below(other.len())..]);
                }
            }
            _ => {
                // A part from elsewhere over this one.
                let from = self.below(bytes.len() - len + 1);
                bytes.copy_within(from..from + len, at);
            }
        }
    }

    /// Puts an extreme value of one, two or four bytes there, in either order of bytes.
    fn put_extreme(&mut self, bytes: &mut [u8], at: usize) {
        let value = EXTREMES[self.below(EXTREMES.len())];
        let width = 1 << self.below(3);
        let value = match self.below(2) {
            0 => value.to_le_bytes()[..width].to_vec(),
            _ => value.to_be_bytes()[4 - width..].to_vec(),
        };
        bytes.iter_mut().skip(at).zip(value).for_each(|(byte, value)| *byte = value);
    }
}
