//! The checksum that an image carries of itself, in the application use area of its primary volume descriptor.
//!
//! Two shapes: Red Hat's (EL, Fedora and their kin, by `implantisomd5`) and SUSE's (by `tagmedia`). Both hash the image with
//! that area taken as spaces. Red Hat's leaves out the last sectors and has a few digits for each part of the image, so
//! that damage is found early. SUSE's takes the boot sector and the padding as zeros, since isohybrid(1) changes them.
//!
//! Sources: isomd5sum `src/lib{check,implant}isomd5.c`, `src/utilities.c`; openSUSE checkmedia `README.adoc`,
//! `mediacheck.c`; ECMA-119 §8.4.32.

use std::ops::Range;

use super::checksum::{Algorithm, Hasher, Sum};

/// Length of a sector in bytes.
const SECTOR: u64 = 2048;

/// Where the primary volume descriptor is, in bytes (ECMA-119 §6.2.1; both tools look nowhere else).
pub const DESCRIPTOR: u64 = 16 * SECTOR;

/// Where the area is in a descriptor, and how long (ECMA-119 §8.4.32).
const AREA: Range<usize> = 883..1395;

/// The sums of the fragments are so many digits, however many fragments there are.
const FRAGMENT_DIGITS: usize = 60;

/// The image is hashed in such pieces: a fragment ends with the piece in which the next one begins.
pub const PIECE: u64 = 32 << 10;

/// What stays of SUSE's signature, which is made last: the mark at its beginning.
const SIGNATURE_MARK: u64 = 64;

/// The checksum of an image, as it is implanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implanted {
    sum: Sum,
    /// Bytes that are hashed as they are, but for the parts that the check blanks.
    covered: u64,
    /// Zeros that are hashed after them.
    zeros: u64,
    /// What is blanked, and with what.
    blanks: Vec<(Range<u64>, u8)>,
    fragments: Option<Fragments>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragments {
    count: u64,
    /// Digits of all, one fragment's after the other's.
    digits: Vec<u8>,
    /// Digits of one.
    each: usize,
    /// Length in bytes, but for the last.
    len: u64,
}

impl Implanted {
    /// Reads a primary volume descriptor, a sector of 2,048 bytes; `None` when nothing is implanted, or nonsense.
    pub fn parse(descriptor: &[u8]) -> Option<Self> {
        let area = descriptor.get(AREA)?;
        if descriptor.get(..6)? != b"\x01CD001" {
            return None;
        }
        let blocks = u32::from_le_bytes(*descriptor.get(80..)?.first_chunk()?);
        let whole = u64::from(blocks).checked_mul(SECTOR)?;
        let tags = Tags::parse(area);
        let sectors = |key| match tags.get(key) {
            Some(text) => text.parse::<u64>().ok()?.checked_mul(SECTOR),
            None => Some(0),
        };
        let area_start = DESCRIPTOR.checked_add(AREA.start as u64)?;
        let mut blanks = vec![(area_start..area_start.checked_add(AREA.len() as u64)?, b' ')];
        if let Some(digits) = tags.get("iso md5sum") {
            let covered = whole.checked_sub(sectors("skipsectors")?).filter(|bytes| *bytes > 0)?;
            let sum = Sum::new(Algorithm::Md5, digits)?;
            let fragments = Fragments::read(&tags, covered);
            return Some(Self { sum, covered, zeros: 0, blanks, fragments });
        }
        let algorithms = [Algorithm::Sha512, Algorithm::Sha256, Algorithm::Md5];
        let sum = algorithms
            .into_iter()
            .find_map(|algorithm| Sum::new(algorithm, tags.get(&format!("{}sum", algorithm.name()))?))?;
        let zeros = sectors("pad")?;
        let covered = whole.checked_sub(zeros).filter(|bytes| *bytes > 0)?;
        blanks.push((0..512, 0));
        if let Some(block) = tags.get("signature").and_then(|text| text.parse::<u64>().ok()) {
            let start = block.checked_mul(512)?;
            blanks.push((start.checked_add(SIGNATURE_MARK)?..start.checked_add(SECTOR)?, 0));
        }
        let fragments = Fragments::read(&tags, covered);
        Some(Self { sum, covered, zeros, blanks, fragments })
    }

    /// How many bytes of the image have to be read.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.sum.algorithm
    }
}

impl Fragments {
    /// The sums of the fragments; `None` when there are none, or nonsense: then the whole sum has to do.
    fn read(tags: &Tags, covered: u64) -> Option<Self> {
        let count =
            tags.get("fragment count")?.parse::<u64>().ok().filter(|count| (1..=60).contains(count))?;
        let digits = tags.get("fragment sums")?.to_ascii_lowercase().into_bytes();
        let each = FRAGMENT_DIGITS.checked_div(usize::try_from(count).ok()?)?;
        let len = covered.checked_div(count.checked_add(1)?).filter(|len| *len > 0)?;
        // Images of less than a megabyte have fewer pieces than fragments; their digits are those of some of them.
        (digits.len() >= FRAGMENT_DIGITS && len >= PIECE).then_some(Self { count, digits, each, len })
    }

    /// The digits that fragment `number`, from 1 on, has to have.
    fn digits_of(&self, number: u64) -> Option<&[u8]> {
        let start = usize::try_from(number.checked_sub(1)?).ok()?.checked_mul(self.each)?;
        self.digits.get(start..start.checked_add(self.each)?)
    }
}

/// `key = value;key=value` with keys in lower case.
struct Tags(Vec<(String, String)>);

impl Tags {
    fn parse(area: &[u8]) -> Self {
        let text = String::from_utf8_lossy(area);
        let one = |tag: &str| {
            let (key, value) = tag.split_once('=')?;
            let trim = |text: &str| text.trim_matches([' ', '\0']).to_owned();
            Some((trim(key).to_ascii_lowercase(), trim(value)))
        };
        Self(text.split([';', '\n']).filter_map(one).collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The bytes of this range are not what they were, or some before whose fragment agrees by chance.
    Within(Range<u64>),
    /// Some of the image's bytes are not what they were.
    Somewhere,
}

/// The check of an image: is given its bytes in their order.
pub struct Check {
    implanted: Implanted,
    hasher: Hasher,
    at: u64,
    /// The fragment that the last piece began in.
    fragment: u64,
    /// Where the fragment before was found good.
    good_until: u64,
}

impl Check {
    /// The check of an image with this checksum.
    pub fn new(implanted: Implanted) -> Self {
        let hasher = Hasher::new(implanted.sum.algorithm);
        Self { implanted, hasher, at: 0, fragment: 0, good_until: 0 }
    }

    /// Where the part of the image ends that it wants.
    pub fn end(&self) -> u64 {
        self.implanted.covered
    }

    /// What it wants next: from where on, and how many bytes at most. `None` when it has everything.
    pub fn wants(&self) -> Option<Range<u64>> {
        let end = self.at.saturating_add(PIECE).min(self.implanted.covered);
        (self.at < end).then_some(self.at..end)
    }

    /// Takes the bytes of the range it wants, all of them. What is not hashed as it is gets blanked in place.
    ///
    /// # Errors
    /// When damage is found; more bytes change nothing then.
    pub fn take(&mut self, bytes: &mut [u8]) -> Result<(), Mismatch> {
        for (range, with) in &self.implanted.blanks {
            blank(bytes, self.at, range, *with);
        }
        self.hasher.update(bytes);
        let start = self.at;
        self.at = start.saturating_add(bytes.len() as u64);
        let Some(fragments) = &self.implanted.fragments else { return Ok(()) };
        let fragment = start.checked_div(fragments.len).unwrap_or(0).min(fragments.count);
        if fragment == self.fragment {
            return Ok(());
        }
        self.fragment = fragment;
        let sum = self.hasher.clone().finish();
        let digits = sum.iter().map(|byte| first_digit(*byte));
        let Some(expected) = fragments.digits_of(fragment) else { return Ok(()) };
        if !digits.zip(expected).all(|(found, expected)| found == *expected) {
            return Err(Mismatch::Within(self.good_until..self.at));
        }
        self.good_until = self.at;
        Ok(())
    }

    /// The verdict, when nothing is wanted any more.
    ///
    /// # Errors
    /// When the image is damaged.
    pub fn finish(mut self) -> Result<(), Mismatch> {
        let mut left = self.implanted.zeros;
        while left > 0 {
            let count = left.min(SECTOR);
            self.hasher
                .update([0; SECTOR as usize].get(..usize::try_from(count).unwrap_or(0)).unwrap_or(&[]));
            left = left.saturating_sub(count);
        }
        match self.hasher.digits() == self.implanted.sum.digits {
            true => Ok(()),
            false if self.implanted.fragments.is_some() => Err(Mismatch::Within(self.good_until..self.at)),
            false => Err(Mismatch::Somewhere),
        }
    }
}

/// The first digit of a byte as `%x` of printf(3) writes it: without a zero before it.
fn first_digit(byte: u8) -> u8 {
    let value = if byte < 16 { byte } else { byte >> 4 };
    char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8)
}

/// Sets what `range` has in common with the bytes, which begin at `at`.
fn blank(bytes: &mut [u8], at: u64, range: &Range<u64>, with: u8) {
    let place =
        |offset: u64| usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (place(range.start), place(range.end));
    if let Some(part) = bytes.get_mut(start..end) {
        part.fill(with);
    }
}

#[cfg(test)]
#[path = "tests/implanted.rs"]
pub(in crate::media) mod tests;
