//! Whether a medium that was put back is the one that was taken away.
//!
//! Its length, its volume descriptor (with the volume id and the time it was made at) and some sectors all over it are kept;
//! the directories in memory are good for that image only.

use std::fmt;
use std::io;

use super::ReadAt;
use super::cursor::{SECTOR, part};

/// Where the primary volume descriptor is, in bytes (ECMA-119 §6.2.1).
const DESCRIPTOR: u64 = 16 * SECTOR;

/// How many sectors are compared, the descriptor left out.
const SAMPLES: u64 = 24;

/// What an image is told by.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    len: u64,
    descriptor: Vec<u8>,
    /// Sectors all over the image; empty when there was no time for them.
    samples: Vec<u8>,
}

/// What is different about another image, as it goes on after "it": `has …`, `is …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Its volume id.
    VolumeId {
        /// What it was.
        before: String,
        /// What it is.
        now: String,
    },
    /// Its length in bytes.
    Length {
        /// What it was.
        before: u64,
        /// What it is.
        now: u64,
    },
    /// The time it was made at, or something else of its descriptor.
    Descriptor,
    /// Something of its contents.
    Contents,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VolumeId { before, now } => write!(f, "its volume id is {now:?}, not {before:?}"),
            Self::Length { before, now } => write!(f, "it has {now} bytes, not {before}"),
            Self::Descriptor => f.write_str("it has the same name, and was made at another time"),
            Self::Contents => f.write_str("it has the same name, and other contents"),
        }
    }
}

impl Fingerprint {
    /// What tells the image at once. [`Fingerprint::sample`] makes it sure.
    ///
    /// # Errors
    /// What the device says.
    pub fn take(source: &dyn ReadAt) -> io::Result<Self> {
        let mut descriptor = vec![0; SECTOR as usize];
        source.read_exact_at(&mut descriptor, DESCRIPTOR)?;
        Ok(Self { len: source.len(), descriptor, samples: Vec::new() })
    }

    /// Adds sectors all over the image: on a disc that takes a second or two.
    ///
    /// # Errors
    /// What the device says; nothing is added then.
    pub fn sample(&mut self, source: &dyn ReadAt) -> io::Result<()> {
        let mut samples = Vec::new();
        for place in Self::places(source.len()) {
            let mut sector = [0; SECTOR as usize];
            source.read_exact_at(&mut sector, place)?;
            samples.extend_from_slice(&sector);
        }
        self.samples = samples;
        Ok(())
    }

    /// The sectors that are looked at, as offsets in bytes, of an image with so many bytes.
    pub fn places(len: u64) -> impl Iterator<Item = u64> {
        let sectors = len / SECTOR;
        let count = SAMPLES.min(sectors);
        // The last one of each part: so the last one of the image is among them, and the first, which is often zeros, is not.
        (1..=count).map(move |number| {
            let end = sectors.saturating_mul(number).checked_div(count).unwrap_or(0);
            end.saturating_sub(1).saturating_mul(SECTOR)
        })
    }

    /// Whether `now` is the same image.
    ///
    /// # Errors
    /// The first thing that is different.
    pub fn compare(&self, now: &Self) -> Result<(), Difference> {
        if self.volume_id() != now.volume_id() {
            return Err(Difference::VolumeId { before: self.volume_id(), now: now.volume_id() });
        }
        if self.len != now.len {
            return Err(Difference::Length { before: self.len, now: now.len });
        }
        if self.descriptor != now.descriptor {
            return Err(Difference::Descriptor);
        }
        let is_sampled = !self.samples.is_empty() && !now.samples.is_empty();
        match is_sampled && self.samples != now.samples {
            true => Err(Difference::Contents),
            false => Ok(()),
        }
    }

    /// ECMA-119 §8.4.8.
    fn volume_id(&self) -> String {
        let id = String::from_utf8_lossy(part(&self.descriptor, 40, 32).unwrap_or_default());
        id.trim_matches(['\0', ' ']).to_owned()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint")
            .field("len", &self.len)
            .field("volume_id", &self.volume_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    const LEN: usize = 100 * SECTOR as usize;

    fn image() -> Vec<u8> {
        let mut bytes = vec![7; LEN];
        bytes[DESCRIPTOR as usize + 40..][..32].copy_from_slice(b"CENTOS                          ");
        bytes
    }

    fn of(bytes: &Vec<u8>) -> Fingerprint {
        let mut fingerprint = Fingerprint::take(bytes).unwrap();
        fingerprint.sample(bytes).unwrap();
        fingerprint
    }

    #[test]
    fn each_difference_is_told() {
        let before = of(&image());
        assert_eq!(before.compare(&of(&image())), Ok(()));
        let changed = |at: usize, with: u8| {
            let mut bytes = image();
            bytes[at] = with;
            before.compare(&of(&bytes)).unwrap_err().to_string()
        };
        assert_eq!(changed(DESCRIPTOR as usize + 40, b'D'), "its volume id is \"DENTOS\", not \"CENTOS\"");
        assert_eq!(changed(DESCRIPTOR as usize + 813, 1), Difference::Descriptor.to_string());
        assert_eq!(changed(LEN - 1, 1), Difference::Contents.to_string());
        let mut longer = image();
        longer.push(0);
        assert_eq!(before.compare(&of(&longer)).unwrap_err().to_string(), "it has 204801 bytes, not 204800");
    }

    #[test]
    fn without_samples_the_descriptor_has_to_do() {
        let before = Fingerprint::take(&image()).unwrap();
        let mut other = image();
        other[LEN - 1] = 1;
        assert_eq!(before.compare(&of(&other)), Ok(()));
        assert!(Fingerprint::take(&vec![0; DESCRIPTOR as usize]).is_err());
    }

    #[test]
    fn places_are_all_over_the_image_and_inside() {
        for sectors in [0_u64, 1, 2, 23, 24, 25, 1000, 5_000_000] {
            let len = sectors * SECTOR + 5;
            let places: Vec<u64> = Fingerprint::places(len).collect();
            assert_eq!(places.len() as u64, sectors.min(SAMPLES));
            assert!(
                places.is_sorted() && places.iter().all(|place| place % SECTOR == 0 && place + SECTOR <= len)
            );
            assert_eq!(places.last().copied(), (sectors > 0).then(|| (sectors - 1) * SECTOR));
        }
    }
}
