//! The smallest parts of UDF: descriptor tags, addresses, names and dates.

use crate::image::cursor::{be16, byte, le16, le32, part, rest};
use crate::image::iso9660::seconds;

/// What a descriptor is (ECMA-167 3/7.2.1, 4/7.2.1).
pub(super) mod tag {
    pub(crate) const ANCHOR: u16 = 2;
    pub(crate) const POINTER: u16 = 3;
    pub(crate) const PARTITION: u16 = 5;
    pub(crate) const LOGICAL_VOLUME: u16 = 6;
    pub(crate) const END: u16 = 8;
    pub(crate) const FILE_SET: u16 = 256;
    pub(crate) const FILE_IDENTIFIER: u16 = 257;
    pub(crate) const ALLOCATION_EXTENT: u16 = 258;
    pub(crate) const FILE_ENTRY: u16 = 261;
    pub(crate) const EXTENDED_FILE_ENTRY: u16 = 266;
}

/// The number in a descriptor's tag; `None` when its checksum is wrong (3/7.2.3).
pub(super) fn tag_of(bytes: &[u8]) -> Option<u16> {
    let tag = part(bytes, 0, 16)?;
    let own = byte(tag, 4)?;
    let sum = tag.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)).wrapping_sub(own);
    let number = le16(tag, 0)?;
    // A block of zeros has a right checksum, too.
    (sum == own && number != 0).then_some(number)
}

/// An address inside a partition (`lb_addr`, 4/7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    /// Which of the logical volume's partition maps.
    pub(super) map: u16,
    /// Logical block.
    pub(super) block: u32,
}

/// What an extent's bytes are (4/14.14.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Recorded,
    /// Zeros that are not on the image.
    Hole,
    /// More allocation descriptors.
    Continuation,
}

/// An allocation descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    pub(super) kind: Kind,
    pub(super) at: Address,
    /// Length in bytes.
    pub(super) len: u32,
}

impl Allocation {
    fn new(len: u32, at: Address) -> Self {
        let kind = match len >> 30 {
            0 => Kind::Recorded,
            3 => Kind::Continuation,
            _ => Kind::Hole,
        };
        Self { kind, at, len: len & 0x3fff_ffff }
    }

    /// Reads a `short_ad` (4/14.14.1), which is in the partition of who has it.
    pub(super) fn short(bytes: &[u8], map: u16) -> Option<Self> {
        Some(Self::new(le32(bytes, 0)?, Address { map, block: le32(bytes, 4)? }))
    }

    /// Reads a `long_ad` (4/14.14.2).
    pub(super) fn long(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(le32(bytes, 0)?, Address { map: le16(bytes, 8)?, block: le32(bytes, 4)? }))
    }
}

/// Writes a name (OSTA CS0, UDF 2.1.1) as UTF-8: a byte 8 or 16, then letters of as many bits.
pub(super) fn name(identifier: &[u8]) -> Option<String> {
    let letters = rest(identifier, 1);
    match byte(identifier, 0)? {
        8 => Some(letters.iter().map(|byte| char::from(*byte)).collect()),
        16 => {
            let units = letters.chunks_exact(2).filter_map(|pair| be16(pair, 0));
            let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
            Some(text.collect())
        }
        _ => None,
    }
}

/// Reads a `dstring` (1/7.2.12): a name in a fixed field, whose last byte is its length.
pub(super) fn dstring(field: &[u8]) -> String {
    let len = field.last().copied().map(usize::from).unwrap_or_default();
    field.get(..len).and_then(name).unwrap_or_default()
}

/// Seconds since 1970 of a timestamp (1/7.3); 0 when it is nonsense.
pub(super) fn time(stamp: &[u8]) -> u32 {
    (|| {
        let zone = le16(stamp, 0)?;
        // Type 1: local time. Twelve bits of minutes east of Greenwich, -2047 for none.
        let minutes = (zone << 4).cast_signed() >> 4;
        let is_told = zone >> 12 == 1 && minutes != -2047;
        let quarters = if is_told { i8::try_from(minutes / 15).unwrap_or(0) } else { 0 };
        let clock = [byte(stamp, 4)?, byte(stamp, 5)?, byte(stamp, 6)?, byte(stamp, 7)?, byte(stamp, 8)?];
        seconds(u32::from(le16(stamp, 2)?), clock, quarters.cast_unsigned())
    })()
    .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_or_two_bytes_a_letter() {
        let cases: [(&[u8], Option<&str>); 5] = [
            (b"\x08README", Some("README")),
            (b"\x08\xe9", Some("\u{e9}")),
            (b"\x10\x20\xac\0a", Some("\u{20ac}a")),
            (b"\xfe", None),
            (b"", None),
        ];
        for (identifier, expected) in cases {
            assert_eq!(name(identifier).as_deref(), expected);
        }
        assert_eq!(dstring(b"\x08ab\0\0\0\0\x03"), "ab");
        assert_eq!(dstring(b"\x08ab\xff"), "", "longer than its field");
    }

    #[test]
    fn timestamps_become_seconds_since_1970() {
        // `date -u -d '2024-02-29 12:34:56' +%s`; the year 2024 is 0x07e8.
        let clock = [0xe8, 7, 2, 29, 12, 34, 56, 0, 0, 0];
        let cases = [([0, 0x10], 1_709_210_096), ([120, 0x10], 1_709_202_896), ([1, 0x18], 1_709_210_096)];
        for (zone, expected) in cases {
            assert_eq!(time(&[zone.as_slice(), &clock].concat()), expected, "{zone:?}");
        }
        assert_eq!(time(&[0; 12]), 0);
    }
}
