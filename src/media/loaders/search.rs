//! Texts in programs of some megabytes.

/// Whether `text` stands in `bytes`: Horspool's search, which looks at few of them ("Practical fast searching in strings",
/// 1980).
pub fn contains(bytes: &[u8], text: &[u8]) -> bool {
    position(bytes, text).is_some()
}

/// Where `text` first stands in `bytes`.
pub fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    let (last, head) = text.split_last()?;
    // How far the text may move when its last letter stands on this byte.
    let mut moves = [text.len(); 256];
    for (at, byte) in head.iter().enumerate() {
        if let Some(move_by) = moves.get_mut(usize::from(*byte)) {
            *move_by = head.len().saturating_sub(at);
        }
    }
    let mut end = head.len();
    while let Some(byte) = bytes.get(end) {
        if byte == last {
            let start = end.saturating_sub(head.len());
            if bytes.get(start..end) == Some(head) {
                return Some(start);
            }
        }
        end = end.saturating_add(moves.get(usize::from(*byte)).copied().unwrap_or(1));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_where_a_plain_search_finds_them() {
        let bytes: Vec<u8> = (0..3000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 29) as u8).collect();
        for len in [1, 2, 3, 5, 9] {
            for start in (0..bytes.len() - len).step_by(7) {
                let text = &bytes[start..start + len];
                let plain = bytes.windows(len).position(|window| window == text);
                assert_eq!(position(&bytes, text), plain, "{start} {len}");
            }
        }
        for (bytes, text, found) in [
            (&b"abc"[..], &b"abcd"[..], None),
            (b"", b"a", None),
            (b"a", b"", None),
            (b"aaab", b"ab", Some(2)),
            (b"abab\0", b"b\0", Some(3)),
        ] {
            assert_eq!(position(bytes, text), found);
        }
    }
}
