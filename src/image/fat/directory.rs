//! Directory entries: 32 bytes each, long names in front of them.

use crate::image::cursor::{byte, le16, le32, part, rest};
use crate::image::iso9660::seconds;

const ENTRY: usize = 32;

const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

/// Names that Windows NT and Linux write in lower case without a long name (Linux `fs/fat/fat.h`, `CASE_LOWER_*`).
const LOWER_BASE: u8 = 0x08;
const LOWER_EXTENSION: u8 = 0x10;

/// A long name has twenty parts of thirteen letters at most.
const MAX_PARTS: u8 = 20;
const LETTERS: usize = 13;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    /// First cluster; 0 for an empty file.
    pub(super) cluster: u32,
    pub(super) len: u32,
    /// Change time in seconds since 1970, taken for UTC; 0 when it is nonsense.
    pub(super) modified: u32,
}

/// What is read of a directory.
pub(super) enum Item {
    Entry(Found),
    Label(String),
}

/// A long name as it comes: last part first.
#[derive(Default)]
struct Long {
    parts: Vec<[u16; LETTERS]>,
    /// The number that the next part has to have.
    awaited: u8,
    checksum: u8,
}

/// Calls `take` with everything in a directory but itself and its parent.
pub(super) fn read(bytes: &[u8], mut take: impl FnMut(Item)) {
    let mut long = Long::default();
    for entry in bytes.chunks_exact(ENTRY) {
        let (Some(first), Some(attributes)) = (byte(entry, 0), byte(entry, 11)) else { break };
        match (first, attributes) {
            // Nothing follows.
            (0, _) => break,
            (0xe5, _) => long = Long::default(),
            (_, attributes) if attributes & 0x3f == ATTRIBUTE_LONG_NAME => long.add(entry),
            (_, attributes) if attributes & ATTRIBUTE_LABEL != 0 => {
                take(Item::Label(super::volume::label_text(part(entry, 0, 11).unwrap_or_default())));
                long = Long::default();
            }
            _ => {
                let long = std::mem::take(&mut long);
                if let Some(found) = parse(entry, long) {
                    take(Item::Entry(found));
                }
            }
        }
    }
}

fn parse(entry: &[u8], long: Long) -> Option<Found> {
    let raw = part(entry, 0, 11)?;
    if matches!(raw, b".          " | b"..         ") {
        return None;
    }
    let name = long.name(raw).unwrap_or_else(|| short_name(raw, byte(entry, 12).unwrap_or_default()));
    Some(Found {
        name,
        is_directory: byte(entry, 11)? & ATTRIBUTE_DIRECTORY != 0,
        cluster: u32::from(le16(entry, 20)?) << 16 | u32::from(le16(entry, 26)?),
        len: le32(entry, 28)?,
        modified: time(le16(entry, 24)?, le16(entry, 22)?),
    })
}

impl Long {
    /// Takes a part; one that does not fit to those before it begins anew or is dropped.
    fn add(&mut self, entry: &[u8]) {
        let (Some(order), Some(checksum)) = (byte(entry, 0), byte(entry, 13)) else { return };
        let number = order & 0x3f;
        let is_last = order & 0x40 != 0;
        let fits = if is_last {
            (1..=MAX_PARTS).contains(&number)
        } else {
            number > 0 && number == self.awaited && checksum == self.checksum
        };
        if is_last || !fits {
            *self = Self::default();
        }
        if !fits {
            return;
        }
        let mut letters = [0_u16; LETTERS];
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        for (letter, at) in letters.iter_mut().zip(places) {
            *letter = le16(entry, at).unwrap_or_default();
        }
        self.parts.push(letters);
        self.awaited = number.saturating_sub(1);
        self.checksum = checksum;
    }

    /// The name, if it is whole and belongs to the short name `raw`.
    fn name(&self, raw: &[u8]) -> Option<Vec<u8>> {
        if self.parts.is_empty() || self.awaited != 0 || self.checksum != checksum(raw) {
            return None;
        }
        let units = self.parts.iter().rev().flatten().copied().take_while(|unit| *unit != 0);
        let text: String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Some(text.into_bytes())
    }
}

/// The checksum of a short name that its long one carries (specification, `ChkSum`).
fn checksum(raw: &[u8]) -> u8 {
    raw.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// Name and extension with the dot between. What is not ASCII depends on the writer's code page: it is replaced.
fn short_name(raw: &[u8], case: u8) -> Vec<u8> {
    let trimmed = |bytes: &[u8], is_lower: bool| {
        let bytes = bytes.trim_ascii_end();
        let letter = |byte: &u8| match byte {
            byte if !byte.is_ascii() => b'_',
            byte if is_lower => byte.to_ascii_lowercase(),
            byte => *byte,
        };
        bytes.iter().map(letter).collect::<Vec<u8>>()
    };
    let mut name = trimmed(raw.get(..8).unwrap_or(raw), case & LOWER_BASE != 0);
    let extension = trimmed(rest(raw, 8), case & LOWER_EXTENSION != 0);
    if !extension.is_empty() {
        name.push(b'.');
        name.extend(extension);
    }
    name
}

/// Seconds since 1970 of a date (years since 1980, month, day) and a time (hour, minute, half seconds).
fn time(date: u16, time: u16) -> u32 {
    let bits =
        |word: u16, at: u32, mask: u16| u8::try_from(word.checked_shr(at).unwrap_or(0) & mask).unwrap_or(0);
    let clock = [
        bits(date, 5, 0xf),
        bits(date, 0, 0x1f),
        bits(time, 11, 0x1f),
        bits(time, 5, 0x3f),
        bits(time, 0, 0x1f).saturating_mul(2),
    ];
    seconds(u32::from(bits(date, 9, 0x7f)).saturating_add(1980), clock, 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    /// A part of a long name: `order` and up to thirteen letters.
    fn part_of(order: u8, text: &str, checksum: u8) -> [u8; ENTRY] {
        let mut entry = [0xff; ENTRY];
        entry[0] = order;
        entry[11] = ATTRIBUTE_LONG_NAME;
        entry[12] = 0;
        entry[13] = checksum;
        entry[26] = 0;
        entry[27] = 0;
        let places = (1..11_usize).step_by(2).chain((14..26).step_by(2)).chain((28..32).step_by(2));
        let units = text.encode_utf16().chain([0]);
        for (unit, at) in units.zip(places) {
            entry[at..at.saturating_add(2)].copy_from_slice(&unit.to_le_bytes());
        }
        entry
    }

    fn short(raw: &[u8; 11], attributes: u8) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[..11].copy_from_slice(raw);
        entry[11] = attributes;
        entry
    }

    fn names(entries: &[[u8; ENTRY]]) -> Vec<String> {
        let mut found = Vec::new();
        read(&entries.concat(), |item| match item {
            Item::Entry(entry) => found.push(String::from_utf8_lossy(&entry.name).into_owned()),
            Item::Label(label) => found.push(format!("label {label}")),
        });
        found
    }

    #[test]
    fn a_long_name_counts_only_when_it_is_whole_and_fits() {
        let raw = b"LONGNA~1EFI";
        let sum = checksum(raw);
        let whole = [part_of(0x42, "ame.efi", sum), part_of(1, "long-long-n\u{e9}-", sum), short(raw, 0x20)];
        assert_eq!(names(&whole), ["long-long-n\u{e9}-ame.efi"]);
        let cases: [(&str, Vec<[u8; ENTRY]>); 6] = [
            ("the first part is missing", vec![whole[0], whole[2]]),
            ("the last part is missing", vec![whole[1], whole[2]]),
            ("in the wrong order", vec![whole[1], whole[0], whole[2]]),
            ("of another file", vec![part_of(0x41, "x", sum ^ 1), whole[2]]),
            ("a deleted entry between", vec![whole[0], whole[1], short(b"\xe5ELETED    ", 0), whole[2]]),
            ("more parts than there are letters", vec![part_of(0x40 | 21, "x", sum), whole[2]]),
        ];
        for (case, entries) in cases {
            assert_eq!(names(&entries), ["LONGNA~1.EFI"], "{case}");
        }
    }

    #[test]
    fn short_names_labels_and_the_end() {
        let mut lower = short(b"README  TXT", 0x20);
        lower[12] = LOWER_BASE | LOWER_EXTENSION;
        let entries = [
            short(b"EFIBOOT    ", ATTRIBUTE_LABEL),
            short(b".          ", ATTRIBUTE_DIRECTORY),
            short(b"..         ", ATTRIBUTE_DIRECTORY),
            short(b"EFI        ", ATTRIBUTE_DIRECTORY),
            lower,
            short(b"\x05BC        ", 0),
            [0; ENTRY],
            short(b"BEHIND     ", 0),
        ];
        assert_eq!(names(&entries), ["label EFIBOOT", "EFI", "readme.txt", "\u{5}BC"]);
    }

    #[test]
    fn dates_become_seconds_since_1970() {
        // `date -u -d '2024-02-29 12:34:56' +%s`
        assert_eq!(time(44 << 9 | 2 << 5 | 29, 12 << 11 | 34 << 5 | 28), 1_709_210_096);
        assert_eq!(time(0, 0), 0);
    }
}
