//! Directory records of ISO 9660, and the names and dates in them.
//!
//! Sources: ECMA-119 (4th edition) §7.5, §9.1.

use super::cursor::{byte, le32, part, rest};

/// A directory record, in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// How long the record is, in bytes.
    pub(super) size: usize,
    /// First sector of the data, behind the extended attribute record if there is one.
    pub(super) block: u32,
    /// Length of the data in bytes.
    pub(super) len: u32,
    /// File identifier: a name, or one byte 0 (this directory) or 1 (its parent).
    pub(super) identifier: &'a [u8],
    /// What follows the identifier: SUSP entries.
    pub(super) system_use: &'a [u8],
    /// Whether the data are interleaved with those of other files.
    pub(super) is_interleaved: bool,
    date: &'a [u8],
    flags: u8,
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`, which ends where the sector does; `None` when it is shorter than
    /// any record, or runs over the end.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let size = usize::from(byte(bytes, 0)?);
        let bytes = bytes.get(..size)?;
        let name_len = usize::from(byte(bytes, 32)?);
        let identifier = part(bytes, 33, name_len)?;
        // The identifier is padded so that the system use field starts at an even offset (§9.1.12).
        let system_use = 33_usize.checked_add(name_len)?.next_multiple_of(2);
        Some(Self {
            size,
            block: le32(bytes, 2)?.saturating_add(u32::from(byte(bytes, 1)?)),
            len: le32(bytes, 10)?,
            date: part(bytes, 18, 7)?,
            identifier,
            system_use: rest(bytes, system_use),
            is_interleaved: byte(bytes, 26)? != 0 || byte(bytes, 27)? != 0,
            flags: byte(bytes, 25)?,
        })
    }

    /// Change time in seconds since 1970; 0 when it is nonsense.
    pub(super) fn modified(&self) -> u32 {
        short_date(self.date)
    }

    /// Whether the data are a directory.
    pub(super) fn is_directory(&self) -> bool {
        self.flags & 0x02 != 0
    }

    /// Whether it is the resource fork of the next file (Apple), not a file.
    pub(super) fn is_associated(&self) -> bool {
        self.flags & 0x04 != 0
    }

    /// Whether the next record goes on with the same file.
    pub(super) fn goes_on(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Whether it is the directory itself (`.`).
    pub(super) fn is_self(&self) -> bool {
        self.identifier == [0]
    }

    /// Whether it is the parent (`..`).
    pub(super) fn is_parent(&self) -> bool {
        self.identifier == [1]
    }
}

/// Writes a plain identifier as a name: in lower case, without version (`;1`) and without the dot that stands
/// before an empty extension. Linux shows the same names (`map=normal` of isofs).
pub(super) fn plain_name(identifier: &[u8], name: &mut Vec<u8>) {
    let mut plain = without_version(identifier);
    if plain.len() > 1 {
        plain = plain.strip_suffix(b".").unwrap_or(plain);
    }
    name.extend(plain.iter().map(u8::to_ascii_lowercase));
}

/// The identifier without `;` and version number (ECMA-119 §7.5.1).
pub(super) fn without_version(identifier: &[u8]) -> &[u8] {
    let digits = identifier.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = identifier.get(..identifier.len().saturating_sub(digits)).unwrap_or(identifier);
    match stem.strip_suffix(b";") {
        Some(stem) if !stem.is_empty() => stem,
        _ => identifier,
    }
}

/// Reads a date of seven bytes: years since 1900, month, day, hour, minute, second, quarters of an hour east of
/// Greenwich (ECMA-119 §9.1.5). 0 when it is nonsense.
pub(super) fn short_date(date: &[u8]) -> u32 {
    let &[year, month, day, hour, minute, second, zone] = date else { return 0 };
    seconds(u32::from(year).saturating_add(1900), [month, day, hour, minute, second], zone).unwrap_or(0)
}

/// Reads a date of seventeen bytes: the same in digits, the year in four (ECMA-119 §8.4.26.1). 0 when it is
/// nonsense.
pub(super) fn long_date(date: &[u8]) -> u32 {
    let digits = |at, len| -> Option<u32> {
        std::str::from_utf8(part(date, at, len)?).ok()?.parse::<u16>().ok().map(u32::from)
    };
    let small = |at| digits(at, 2).and_then(|number| u8::try_from(number).ok());
    (|| {
        let clock = [small(4)?, small(6)?, small(8)?, small(10)?, small(12)?];
        seconds(digits(0, 4)?, clock, byte(date, 16)?)
    })()
    .unwrap_or(0)
}

/// Seconds since 1970 of a date; `None` before that, after 2106, and when there is no such date.
pub(super) fn seconds(year: u32, clock: [u8; 5], zone: u8) -> Option<u32> {
    // In 32 bits: an image has a date for each of its files, and a division of 64 takes its time.
    let [month, day, hour, minute, second] = clock.map(i32::from);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1 March of year 0, as the year then ends with its leap day.
    let year = i32::try_from(year).ok()?.checked_sub(i32::from(month < 3))?;
    let leap_days = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    let month = month.checked_add(9)? % 12;
    let days = year
        .checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(month.checked_mul(153)?.checked_add(2)? / 5)?
        .checked_add(day)?
        .checked_sub(719_469)?;
    let zone = i32::from(zone.cast_signed());
    let zone = if zone.abs() <= 56 { zone } else { 0 };
    let minutes = days.checked_mul(1440)?.checked_add(hour.checked_mul(60)?)?.checked_add(minute)?;
    let minutes = i64::from(minutes.checked_sub(zone.checked_mul(15)?)?);
    let seconds = minutes.checked_mul(60)?.checked_add(i64::from(second))?;
    u32::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds_since_1970() {
        // Expected values by `date -u -d … +%s`.
        let cases: [(&str, [u8; 7], u32); 9] = [
            ("the epoch", [70, 1, 1, 0, 0, 0, 0], 0),
            ("a leap day", [124, 2, 29, 12, 34, 56, 0], 1_709_210_096),
            ("the day after", [124, 3, 1, 0, 0, 0, 0], 1_709_251_200),
            ("two hours east", [124, 3, 1, 2, 0, 0, 8], 1_709_251_200),
            ("five hours west", [124, 2, 29, 19, 0, 0, 236], 1_709_251_200),
            ("the last day of a century", [200, 2, 28, 23, 59, 59, 0], 4_107_542_399),
            ("a thirteenth month", [124, 13, 1, 0, 0, 0, 0], 0),
            ("no date", [0; 7], 0),
            ("before 1970", [60, 1, 1, 0, 0, 0, 0], 0),
        ];
        for (name, date, expected) in cases {
            assert_eq!(short_date(&date), expected, "{name}");
        }
        assert_eq!(long_date(b"2024022912345600\0"), 1_709_210_096);
        assert_eq!(long_date(b"2024022914345600\x08"), 1_709_210_096);
        assert_eq!(long_date(b"0000000000000000\0"), 0);
        assert_eq!(long_date(b"2024"), 0);
    }

    #[test]
    fn plain_names_lose_case_version_and_empty_extension() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"README.TXT;1", b"readme.txt"),
            (b"README.;1", b"readme"),
            (b"BOOT", b"boot"),
            (b"A;12", b"a"),
            (b"A;B", b"a;b"),
            (b";1", b";1"),
            (b".", b"."),
            (b"", b""),
        ];
        for (identifier, expected) in cases {
            let mut name = Vec::new();
            plain_name(identifier, &mut name);
            assert_eq!(name, expected);
        }
    }

    #[test]
    fn a_record_that_lies_about_its_length_is_none() {
        let mut record = [0_u8; 40];
        let cases: [(&str, u8, u8, bool); 5] = [
            ("fits", 40, 6, true),
            ("shorter than any record", 32, 0, false),
            ("runs over the end", 41, 1, false),
            ("name runs over the record", 40, 8, false),
            ("empty", 0, 0, false),
        ];
        for (name, size, name_len, parses) in cases {
            record[0] = size;
            record[32] = name_len;
            assert_eq!(Record::parse(&record).is_some(), parses, "{name}");
        }
    }
}
