//! From the target of a request to names that can be looked up.

use std::borrow::Cow;

use crate::content::name::{BadName, normalise, with_backslashes};

/// What a target asks for: the name as it was meant, and others that it may be stored under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Percent-decoded and normalised.
    pub name: Vec<u8>,
    /// To be tried in this order when there is nothing of that name: with slashes for backslashes that were not escaped; with its colons escaped,
    /// because files of a Debian pool have `%3a` in their very names; and as it was written.
    pub others: Vec<Vec<u8>>,
}

impl Target {
    /// Reads the target of a request line: a path, or an absolute URL (RFC 9112 §3.2). The query is left out.
    ///
    /// # Errors
    /// When it is neither, leads outside, or hides a slash or a NUL.
    pub fn parse(raw: &[u8]) -> Result<Self, BadName> {
        let path = path(raw).ok_or(BadName::Outside)?;
        let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        let decoded = decode(path)?;
        let mut name = normalise(&decoded)?;
        let mut others = Vec::new();
        if let Some(written) = with_backslashes(&decoded) {
            let slashed = std::mem::replace(&mut name, written);
            others.extend(path.contains(&b'\\').then_some(slashed));
        }
        // An escape is longer than a colon: the name may have grown too long.
        others.extend(replace_colons(&name).and_then(|other| normalise(&other).ok()));
        if path.contains(&b'%') {
            others
                .extend(normalise(path).ok().filter(|written| *written != name && !others.contains(written)));
        }
        Ok(Self { name, others })
    }
}

/// The path of an origin-form or absolute-form target.
fn path(raw: &[u8]) -> Option<&[u8]> {
    if raw.first() == Some(&b'/') {
        return Some(raw);
    }
    let (scheme, rest) = raw.split_first_chunk::<7>()?;
    if !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    let slash = rest.iter().position(|byte| *byte == b'/');
    Some(slash.map_or(b"/", |slash| rest.get(slash..).unwrap_or_default()))
}

/// Percent-decoded once. A `%` without two digits stands for itself; `+` always does.
fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, BadName> {
    if !path.contains(&b'%') {
        return Ok(path.into());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = escaped.and_then(|([high, low], after)| Some((digit(*high)? << 4 | digit(*low)?, after)));
        match byte {
            Some((b'/', _)) => return Err(BadName::Outside),
            Some((byte, after)) => {
                decoded.push(byte);
                rest = after;
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    Ok(decoded.into())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn replace_colons(name: &[u8]) -> Option<Vec<u8>> {
    name.contains(&b':').then(|| name.split(|byte| *byte == b':').collect::<Vec<_>>().join(&b"%3a"[..]))
}

/// A name as it stands in a URL: everything but unreserved characters and slashes escaped (RFC 3986 §2.3).
pub fn encode(name: &[u8]) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~/+@".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(raw: &str) -> Result<String, BadName> {
        Target::parse(raw.as_bytes()).map(|target| String::from_utf8(target.name).unwrap())
    }

    #[test]
    fn w16_w18_w31_targets_mean_the_same_file() {
        for (raw, expected) in [
            ("/Packages/gcc-c++-11.rpm", "Packages/gcc-c++-11.rpm"),
            ("/Packages/gcc-c%2B%2B-11.rpm", "Packages/gcc-c++-11.rpm"),
            ("/a%20b", "a b"),
            ("/a b", "a b"),
            ("//images//install.img", "images/install.img"),
            ("http://192.168.100.1/x?y=z", "x"),
            ("HTTP://host", ""),
            ("/x?a=/../..", "x"),
            ("/100%", "100%"),
            ("/%zz", "%zz"),
            ("/%25zz", "%zz"),
            (r"/a%5Cb\c", r"a\b\c"),
            ("/", ""),
        ] {
            assert_eq!(name(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn w17_nothing_leads_outside() {
        for raw in [
            "/..",
            "/%2e%2e/etc",
            "/a%2f..%2f..",
            "/..%5cx",
            r"/..\x",
            "/%00",
            "/a%00b",
            "*",
            "x",
            "",
            "ftp://h/x",
        ] {
            assert!(name(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn w19_a_colon_may_be_stored_escaped() {
        let others = |raw: &str| {
            let others = Target::parse(raw.as_bytes()).unwrap().others;
            others.into_iter().map(|other| String::from_utf8(other).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(name("/pool/gcc_4%3a10.deb").as_deref(), Ok("pool/gcc_4:10.deb"));
        assert_eq!(others("/pool/gcc_4%3a10.deb"), ["pool/gcc_4%3a10.deb"]);
        assert_eq!(others("/pool/gcc_4:10.deb"), ["pool/gcc_4%3a10.deb"]);
        assert_eq!(others("/pool/g%2b%2b_4%3A10.deb"), ["pool/g++_4%3a10.deb", "pool/g%2b%2b_4%3A10.deb"]);
        assert!(others("/x").is_empty());
        assert_eq!(others(r"/Boot\BCD"), ["Boot/BCD"]);
        assert_eq!(others("/Boot%5CBCD"), ["Boot%5CBCD"]);
    }

    #[test]
    fn a_name_that_was_encoded_means_itself() {
        let all: Vec<u8> = (1..=255).filter(|byte| !b"/\\".contains(byte)).collect();
        let encoded = format!("/{}", encode(&all));
        assert_eq!(Target::parse(encoded.as_bytes()).unwrap().name, all);
    }
}
