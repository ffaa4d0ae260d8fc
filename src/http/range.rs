//! Which bytes of a file are asked for (RFC 9110 §14).

/// What a `Range` header selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything: there is no range, an unknown unit, or more than one range.
    Whole,
    /// `len` bytes from `start` on; at least one.
    Part {
        /// Offset of the first byte.
        start: u64,
        /// How many.
        len: u64,
    },
    /// Bytes that there are not, or numbers that make no sense: iPXE for BIOS sends negative ones past 2 GiB, and the whole
    /// file would flood it.
    Unsatisfiable,
}

/// What `header`, the value of a `Range` header, selects of `len` bytes.
pub fn select(header: &[u8], len: u64) -> Selection {
    let Some((unit, ranges)) = split(header, b'=') else { return Selection::Whole };
    if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") || ranges.contains(&b',') {
        return Selection::Whole;
    }
    part(ranges.trim_ascii(), len).unwrap_or(Selection::Unsatisfiable)
}

fn part(range: &[u8], len: u64) -> Option<Selection> {
    let (first, last) = split(range, b'-')?;
    let last_byte = len.checked_sub(1)?;
    let (start, end) = match (first, last) {
        (b"", b"") => return None,
        (b"", suffix) => {
            let count = number(suffix)?;
            (len.saturating_sub(count), if count == 0 { return None } else { last_byte })
        }
        (first, b"") => (number(first)?, last_byte),
        (first, last) => (number(first)?, number(last)?.min(last_byte)),
    };
    // An end before the start is invalid, unless the start is past the file: both are refused.
    let len = end.checked_sub(start)?.checked_add(1)?;
    Some(Selection::Part { start, len })
}

/// Decimal digits and nothing else; a number too large for any file is the largest.
fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok().or(Some(u64::MAX)))?
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place.checked_add(1)?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(header: &str, len: u64) -> Option<(u64, u64)> {
        match select(header.as_bytes(), len) {
            Selection::Part { start, len } => Some((start, len)),
            Selection::Whole => Some((0, len)),
            Selection::Unsatisfiable => None,
        }
    }

    #[test]
    fn w06_one_range_is_cut_out() {
        for (header, expected) in [
            ("bytes=0-99", Some((0, 100))),
            ("bytes=100-", Some((100, 900))),
            ("bytes=-1", Some((999, 1))),
            ("bytes=-5000", Some((0, 1000))),
            ("bytes=990-5000", Some((990, 10))),
            ("Bytes = 1-2", Some((1, 2))),
            ("bytes=0-99999999999999999999999", Some((0, 1000))),
        ] {
            assert_eq!(chosen(header, 1000), expected, "{header}");
        }
    }

    #[test]
    fn w07_a_single_byte_is_a_range() {
        assert_eq!(chosen("bytes=0-0", 1000), Some((0, 1)));
    }

    #[test]
    fn w08_what_there_is_not_is_refused() {
        for header in [
            "bytes=1000-",
            "bytes=5-4",
            "bytes=-0",
            "bytes=--5",
            "bytes=-",
            "bytes=x-y",
            "bytes=",
            "bytes=99999999999999999999999-",
            "bytes=-2147483648-5",
            "bytes=+1-2",
        ] {
            assert_eq!(select(header.as_bytes(), 1000), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(select(b"bytes=0-", 0), Selection::Unsatisfiable);
    }

    #[test]
    fn w09_several_ranges_and_other_units_give_everything() {
        for header in ["bytes=0-1,5-6", "lines=1-2", "bytes", ""] {
            assert_eq!(select(header.as_bytes(), 1000), Selection::Whole, "{header}");
        }
    }
}
