//! Files out of the packages on an image.
//!
//! An image often holds what its own menus do not use: `pxelinux.0` lies in an RPM beside thousands of others. It is
//! read where it is, through the decompressor, and only the wanted files are ever in memory.
//!
//! Supported: RPM 3 and 4 with a cpio payload, and Debian packages; plain, gzip, bzip2, xz, lzma or zstd. Left out on
//! purpose: delta RPMs, files of 4 GiB and more, signatures (the image is verified as a whole).
//!
//! Never panics on any input: see `tests/fuzz/checks/rpm.rs` and `deb.rs`.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod ar;
mod compression;
mod cpio;
pub mod deb;
mod error;
mod file_name;
pub mod rpm;
mod sums;
mod tar;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use compression::unpacked;
use std::collections::BTreeMap;

use crate::image::FileData;

pub use error::PackageError;
pub use file_name::FileName;

/// Files by their paths, which have no leading `/` or `./`.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Unpacks the wanted files of a package; `path` tells by its end of which kind it is.
///
/// # Errors
/// As [`rpm::Package`] and [`deb::Package`].
pub fn extract(
    path: &str,
    data: &FileData,
    wanted: &dyn Fn(&str) -> bool,
    limits: Limits,
) -> Result<Files, PackageError> {
    if path.ends_with(".deb") {
        deb::Package::open(data)?.extract(wanted, limits)
    } else {
        rpm::Package::open(data)?.extract(wanted, limits)
    }
}

/// How much may come out of one package. Passing a limit is an error, never a short result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest single file, in bytes.
    pub file_bytes: u64,
    /// All wanted files together, in bytes.
    pub total_bytes: u64,
    /// What the whole payload may decompress to, in bytes, whether it is wanted or not.
    pub payload_bytes: u64,
}

impl Default for Limits {
    /// 16 MiB, 64 MiB and 512 MiB: a hundred times what a syslinux package holds, and seconds of work at most.
    fn default() -> Self {
        Self { file_bytes: 16 << 20, total_bytes: 64 << 20, payload_bytes: 512 << 20 }
    }
}
