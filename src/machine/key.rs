//! By what a machine's secret is recognised.
//!
//! A machine may be in the middle of its install when we are started anew: the URLs in its kickstart must still be known.
//! What is written for that tells nobody the secret.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first 128 bits of a secret's SHA-256. The secrets are random and as long, so no salt is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a secret.
    pub fn of(secret: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        Self(digest.first_chunk().copied().unwrap_or_default())
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn from_digits(digits: &str) -> Option<Self> {
        let is_key = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_key.then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(|bits| Self(bits.to_be_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sha_256_and_comes_back_from_its_digits() {
        // FIPS 180-4's example, "abc".
        let key = Key::of("abc");
        assert_eq!(key.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(Key::from_digits(&key.to_string()), Some(key));
        for digits in ["", "ba78", "+a7816bf8f01cfea414140de5dae2223", "ba7816bf8f01cfea414140de5dae222g"] {
            assert_eq!(Key::from_digits(digits), None, "{digits}");
        }
    }
}
