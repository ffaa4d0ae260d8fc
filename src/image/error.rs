//! Why an image is refused, and what is odd about one that is not.

use std::error::Error;
use std::fmt;
use std::io;

/// Why an image is refused.
///
/// The text is what follows the file's name in a sentence: `format!("{file} {error}")`.
#[derive(Debug)]
#[non_exhaustive]
pub enum ImageError {
    /// The file is something else.
    Foreign(Foreign),
    /// The file ends before the volume does.
    CutShort {
        /// How many bytes the volume descriptor says there are.
        expected: u64,
        /// How many bytes the file has.
        found: u64,
    },
    /// A file of the image ends beyond the end of the image.
    BeyondEnd {
        /// The file, of those the one that ends last.
        path: Vec<u8>,
        /// Where it ends: how many bytes the image should have at least.
        expected: u64,
        /// How many bytes the image has.
        found: u64,
    },
    /// A structure without which nothing can be read is nonsense.
    Damaged(&'static str),
    /// More of something than any install image has: too many files, directories of absurd length.
    TooMuch(&'static str),
    /// The file could not be read.
    Read(io::Error),
}

/// What a file is that is not an ISO 9660 image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it looks like, with its article: "gzip-compressed data", "an ELF program".
    pub found: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Its length in bytes.
    pub len: u64,
}

impl Error for ImageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ImageError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(foreign) => write!(
                f,
                "is not an install image: expected an ISO 9660 volume, found {} of {} bytes: {}",
                foreign.found,
                thousands(foreign.len),
                foreign.remedy
            ),
            Self::CutShort { expected, found } => write!(
                f,
                "is cut short: its volume descriptor says {} bytes, the file has {} bytes; {} are missing: \
                 download it again",
                thousands(*expected),
                thousands(*found),
                megabytes(expected.saturating_sub(*found))
            ),
            Self::BeyondEnd { path, expected, found } => {
                f.write_str("is cut short or damaged: ")?;
                match path.as_slice() {
                    [] => f.write_str("its root directory")?,
                    path => write!(f, "{} on it", path.escape_ascii())?,
                }
                write!(
                    f,
                    " ends at {} bytes, the file has {} bytes; {} are missing: download it again",
                    thousands(*expected),
                    thousands(*found),
                    megabytes(expected.saturating_sub(*found))
                )
            }
            Self::Damaged(what) => write!(f, "is damaged: {what}: download it again"),
            Self::TooMuch(what) => write!(f, "is refused: {what}"),
            Self::Read(error) => write!(f, "cannot be read: {error}"),
        }
    }
}

/// Something odd on an image that is read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The directory or file it is about; empty for the root or the whole image.
    pub path: Vec<u8>,
    /// What is odd.
    pub problem: Problem,
}

/// What is odd about a directory or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// A name that is empty, `.`, `..`, too long, or has a `/` or NUL in it; the entry is left out.
    Name,
    /// Two entries of one name; the first is kept.
    Duplicate,
    /// A directory record that is too short or runs over the end of its sector; the rest of the sector is left out.
    Record,
    /// A directory that is its own ancestor, or stands in two places; the second is left out.
    Loop,
    /// Directories nested too deep; the deepest are left out.
    Depth,
    /// A directory that has no records of a directory; shown as empty.
    NotDirectory,
    /// A file of several extents whose last one is missing; served as far as it goes.
    Unfinished,
    /// A file whose chain of clusters is shorter than it, leads out of the file system or is in absurdly many pieces;
    /// left out.
    Chain,
    /// A file in more pieces than any tool writes; left out.
    Scattered,
    /// A file stored in interleaved pieces (ECMA-119 §6.4.3), which nobody writes; left out.
    Interleaved,
    /// A Rock Ridge continuation area outside of the image or leading in a circle; ignored.
    Continuation,
    /// A file compressed with zisofs; served as it is stored.
    Compressed,
    /// More symbolic links than can be resolved in reasonable time; the rest is left out.
    Links,
    /// The image lacks this many bytes of padding after its last file.
    Padding(u64),
    /// This many more warnings.
    More(u64),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.escape_ascii())?;
        }
        f.write_str(match self.problem {
            Problem::Name => "an entry with an impossible name is left out",
            Problem::Duplicate => "two entries have one name; the first is kept",
            Problem::Record => "a damaged directory record; the rest of its sector is left out",
            Problem::Loop => "a directory stands in two places; the second is left out",
            Problem::Depth => "directories are nested too deep; the deepest are left out",
            Problem::NotDirectory => "the directory has no records; shown as empty",
            Problem::Unfinished => "the last part of the file is missing",
            Problem::Chain => "the file's chain of clusters is broken; left out",
            Problem::Scattered => "the file is in more pieces than any tool writes; left out",
            Problem::Interleaved => "the file is interleaved, which is not read; left out",
            Problem::Continuation => "a damaged Rock Ridge continuation area is ignored",
            Problem::Compressed => "compressed with zisofs; served as it is stored",
            Problem::Links => "too many symbolic links; the rest is left out",
            Problem::Padding(missing) => {
                return write!(f, "{} bytes of padding are missing at the end; no file is touched", missing);
            }
            Problem::More(count) => return write!(f, "{count} more warnings"),
        })
    }
}

/// Warnings, of which no more than a hundred are kept.
#[derive(Default)]
pub(super) struct Warnings {
    kept: Vec<Warning>,
    more: u64,
}

impl Warnings {
    /// Adds one; the path is only made when it is kept.
    pub(super) fn add(&mut self, problem: Problem, path: impl FnOnce() -> Vec<u8>) {
        if self.kept.len() < 99 {
            self.kept.push(Warning { path: path(), problem });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// All of them, the last one telling how many were not kept.
    pub(super) fn into_vec(mut self) -> Vec<Warning> {
        if self.more > 0 {
            self.kept.push(Warning { path: Vec::new(), problem: Problem::More(self.more) });
        }
        self.kept
    }
}

/// `4712345600` as `4,712,345,600`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes as megabytes, rounded up, with a decimal below ten.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    if tenths < 100 {
        format!("{}.{} MB", tenths / 10, tenths % 10)
    } else {
        format!("{} MB", thousands(bytes.div_ceil(1_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_expected_and_what_was_found() {
        let cases: [(&str, ImageError, &str); 3] = [
            (
                "cut",
                ImageError::CutShort { expected: 4_712_345_600, found: 1_203_000_000 },
                "is cut short: its volume descriptor says 4,712,345,600 bytes, the file has 1,203,000,000 bytes; \
                 3,510 MB are missing: download it again",
            ),
            (
                "beyond",
                ImageError::BeyondEnd { path: b"a/b".to_vec(), expected: 3_000_000, found: 2_999_999 },
                "is cut short or damaged: a/b on it ends at 3,000,000 bytes, the file has 2,999,999 bytes; 0.1 MB \
                 are missing: download it again",
            ),
            (
                "foreign",
                ImageError::Foreign(Foreign { found: "an ELF program", remedy: "give an image", len: 12 }),
                "is not an install image: expected an ISO 9660 volume, found an ELF program of 12 bytes: give an \
                 image",
            ),
        ];
        for (name, error, text) in cases {
            assert_eq!(error.to_string(), text, "{name}");
        }
    }

    #[test]
    fn only_a_hundred_warnings_are_kept() {
        let mut warnings = Warnings::default();
        for _ in 0..1000 {
            warnings.add(Problem::Name, Vec::new);
        }
        let warnings = warnings.into_vec();
        assert_eq!(warnings.len(), 100);
        assert_eq!(warnings.last().map(|last| last.problem), Some(Problem::More(901)));
    }
}
