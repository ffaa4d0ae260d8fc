//! Checksums: what bytes have to hash to, and lists of files with theirs.
//!
//! Broken algorithms are welcome here: a sum on the medium itself tells of damage, not of forgery.

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512};

/// Longest list of checksums that is read: that of a Debian DVD has 600 KB.
pub(super) const MAX_LIST: u64 = 16 << 20;

/// Most files of a list.
const MAX_FILES: usize = 100_000;

/// How bytes are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 1321.
    Md5,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha512,
}

impl Algorithm {
    /// The algorithm of that name, as `.treeinfo` and SUSE's media have it: `md5`, `sha256`, `sha512`.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha256, Self::Sha512].into_iter().find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a sum in hexadecimal digits.
    fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// What bytes have to hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How.
    pub algorithm: Algorithm,
    /// The sum, in lower case hexadecimal digits.
    pub digits: String,
}

impl Sum {
    /// The sum with these digits; `None` when it has not as many as the algorithm makes.
    pub fn new(algorithm: Algorithm, digits: &str) -> Option<Self> {
        let is_sum = digits.len() == algorithm.digits() && digits.bytes().all(|it| it.is_ascii_hexdigit());
        is_sum.then(|| Self { algorithm, digits: digits.to_ascii_lowercase() })
    }

    /// The sum with these digits, whose number tells the algorithm.
    fn by_length(digits: &str) -> Option<Self> {
        let all = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512];
        all.into_iter().find_map(|algorithm| Self::new(algorithm, digits))
    }
}

/// Hashes bytes as they come.
#[derive(Clone)]
pub(super) enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The sum's bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }

    /// The sum in hexadecimal digits.
    pub(super) fn digits(self) -> String {
        hexadecimal(&self.finish())
    }
}

/// Bytes in lower case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The files of a list as coreutils write it: a sum, a space, a space or `*`, and a path of the tree, if need be with `./`
/// before it. Lines that are something else, and sums of other algorithms, are passed over.
///
/// Debian and Ubuntu have `md5sum.txt`, older ones `sha256sum.txt`; openSUSE has `CHECKSUMS`.
pub fn list(bytes: &[u8]) -> Vec<(String, Sum)> {
    let text = String::from_utf8_lossy(bytes);
    let one = |line: &str| {
        let (digits, rest) = line.trim_end_matches('\r').split_once(' ')?;
        let path = rest.strip_prefix([' ', '*']).unwrap_or(rest).trim_start();
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let leaves = path.split('/').any(|part| matches!(part, "" | "." | "..") || part.contains('\0'));
        (!leaves).then_some(())?;
        Some((path.to_owned(), Sum::by_length(digits)?))
    };
    text.lines().filter_map(one).take(MAX_FILES).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sums_are_those_of_their_standards() {
        // RFC 1321 §A.5 and FIPS 180-4's example "abc".
        let cases = [
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (algorithm, expected) in cases {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"a");
            hasher.update(b"bc");
            assert_eq!(Sum::new(algorithm, expected).unwrap().digits, hasher.digits());
            assert_eq!(Algorithm::by_name(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn a_list_is_read_as_coreutils_and_debian_write_it() {
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "{md5}  ./a b/c\n{}  d\r\n{sha256} *e\n# no sum\n{md5}  ../f\n{md5}  .//g\n12  h\n{md5}  \n{md5}x  i\n",
            md5.to_uppercase()
        );
        let found = list(text.as_bytes());
        let found: Vec<_> = found.iter().map(|(path, sum)| (path.as_str(), sum.digits.as_str())).collect();
        assert_eq!(found, [("a b/c", md5), ("d", md5), ("e", sha256), ("g", md5)]);
    }

    #[test]
    fn what_is_no_sum_is_none() {
        for digits in ["", "90", "900150983cd24fb0d6963f7d28e17f7g", "900150983cd24fb0d6963f7d28e17f720"] {
            assert_eq!(Sum::new(Algorithm::Md5, digits), None, "{digits}");
        }
    }
}
