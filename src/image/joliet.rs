//! Joliet: names in UCS-2.
//!
//! Source: Joliet specification, version 1 (Microsoft, 1995), §3.1, §3.2.

use super::cursor::{be16, byte, part};
use super::iso9660::without_version;

/// Whether this is a supplementary volume descriptor with the escape sequence of UCS-2 level 1, 2 or 3.
pub(super) fn is_joliet(sector: &[u8]) -> bool {
    byte(sector, 0) == Some(2) && matches!(part(sector, 88, 3), Some(b"%/@" | b"%/C" | b"%/E"))
}

/// Writes an identifier as UTF-8, without version number. Surrogate pairs, which newer tools write, are joined.
pub(super) fn name(identifier: &[u8], name: &mut Vec<u8>) {
    let units = identifier.chunks_exact(2).filter_map(|pair| be16(pair, 0));
    let text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    name.extend_from_slice(without_version(text.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_utf8() {
        let cases: [(&str, &[u8], &str); 6] = [
            ("ASCII, version dropped", b"\0A\0b\0.\0c\0;\x001", "Ab.c"),
            ("Latin", b"\0\xe9", "\u{e9}"),
            ("a surrogate pair", b"\xd8\x3d\xde\x00", "\u{1f600}"),
            ("half a pair", b"\xd8\x3d\0a", "\u{fffd}a"),
            ("half a unit", b"\0a\0", "a"),
            ("nothing", b"", ""),
        ];
        for (case, identifier, expected) in cases {
            let mut bytes = Vec::new();
            name(identifier, &mut bytes);
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{case}");
        }
    }
}
