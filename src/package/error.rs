//! Why a package gave no files.

use std::fmt;
use std::io;

/// Why a package gave no files.
#[derive(Debug)]
pub enum PackageError {
    /// The image could not be read there.
    Read(io::Error),
    /// It does not begin as a package does.
    NotRpm {
        /// Its first four bytes.
        found: [u8; 4],
    },
    /// It does not begin as a Debian package does.
    NotDeb {
        /// Its first eight bytes.
        found: [u8; 8],
    },
    /// Its headers contradict themselves, or end early.
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the start of the package.
        offset: u64,
    },
    /// The payload is packed in a way that is not supported; the text names it.
    Compression(String),
    /// The package or its payload is of another format than we know; the text is the one it names.
    Format(String),
    /// The payload is damaged: what the decompressor or the archive reader said.
    Payload(io::Error),
    /// More came out than [`super::Limits`] allow.
    TooLarge {
        /// What grew too large.
        what: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The packages are sound, and this is not in them.
    Missing(String),
    /// What is wrong with one of several packages.
    In {
        /// Its path on the image.
        path: String,
        /// What is wrong.
        error: Box<Self>,
    },
}

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the image cannot be read: {error}"),
            Self::NotRpm { found } => {
                write!(f, "not an RPM package: it begins with {found:02x?} instead of [ed, ab, ee, db]")
            }
            Self::NotDeb { found } => {
                write!(f, "not a Debian package: it begins with {found:02x?} instead of \"!<arch>\"")
            }
            Self::Malformed { what, offset } => write!(f, "damaged package: {what} (at byte {offset})"),
            Self::Compression(what) => {
                write!(f, "{what}; pxego unpacks gzip, bzip2, xz, lzma, zstd and plain payloads")
            }
            Self::Format(format) => {
                write!(f, "the package is in the format \"{format}\", which is not known")
            }
            Self::Payload(error) => write!(f, "damaged payload: {error}"),
            Self::TooLarge { what, limit } => write!(f, "{what} is larger than the limit of {limit} bytes"),
            Self::Missing(what) => write!(f, "there is no {what}"),
            Self::In { path, error } => write!(f, "{path}: {error}"),
        }
    }
}

impl std::error::Error for PackageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) | Self::Payload(error) => Some(error),
            Self::In { error, .. } => error.source(),
            _ => None,
        }
    }
}
