//! The transfer mode of telephones and switches (RFC 764): lines end with CR LF, and a bare CR is CR NUL.

/// `text` as it stands on the wire.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\n' => encoded.extend(b"\r\n"),
            b'\r' => encoded.extend(b"\r\0"),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t35_line_ends_are_translated() {
        assert_eq!(encode(b"a\nb\rc\r\n"), b"a\r\nb\r\0c\r\0\r\n");
    }
}
