//! Checksums of single files, which packages carry: they tell a damaged file although the payload was not read to its end.

use std::collections::BTreeMap;
use std::io;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::{Files, PackageError};

/// The checksum of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// Debian packages, and RPM up to EL5.
    Md5([u8; 16]),
    /// RPM since.
    Sha256([u8; 32]),
}

impl Sum {
    /// Reads a checksum in hexadecimal; its length tells which it is.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pairs = text.chunks_exact(2).map(|pair| {
            let (high, low) = (digit(pair.first()?)?, digit(pair.get(1)?)?);
            Some(high << 4 | low)
        });
        let bytes: Vec<u8> = pairs.collect::<Option<_>>()?;
        match text.len() {
            32 => bytes.try_into().ok().map(Self::Md5),
            64 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    fn is_of(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Md5(sum) => Md5::digest(bytes).as_slice() == sum,
            Self::Sha256(sum) => Sha256::digest(bytes).as_slice() == sum,
        }
    }
}

/// Whether all files that have checksums are there, so that what follows need not be read. It is not their number that
/// counts: where a name is damaged another file may stand in for one of them.
pub(super) fn has_all(files: &Files, sums: &BTreeMap<String, Sum>) -> bool {
    !sums.is_empty() && files.len() >= sums.len() && sums.keys().all(|path| files.contains_key(path))
}

/// Files by their paths, and what they should be. Where these are all that there are to be, they are there `exactly`; else what
/// has no checksum is not compared.
///
/// # Errors
/// `Payload` with the name of a file that is another.
pub(super) fn compare(
    files: &Files,
    sums: &BTreeMap<String, Sum>,
    exactly: bool,
) -> Result<(), PackageError> {
    let is_right = |path: &&String| match (files.get(*path), sums.get(*path)) {
        (Some(bytes), Some(sum)) => sum.is_of(bytes),
        _ => !exactly,
    };
    let missing = sums.keys().filter(|path| !files.contains_key(*path));
    match files.keys().chain(missing).find(|path| !is_right(path)) {
        None => Ok(()),
        Some(path) => Err(PackageError::Payload(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} is not what the package's list says"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        // RFC 1321 A.5 and FIPS 180-2 B.1.
        for text in [
            "900150983cd24fb0d6963f7d28e17f72",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            let sum = Sum::parse(text.as_bytes()).unwrap();
            assert!(sum.is_of(b"abc") && !sum.is_of(b"abd"), "{text}");
        }
        for text in ["", "90", "900150983cd24fb0d6963f7d28e17f7g", "9001"] {
            assert_eq!(Sum::parse(text.as_bytes()), None);
        }
    }
}
