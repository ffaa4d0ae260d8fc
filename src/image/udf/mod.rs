//! UDF, read in place: images that have nothing else, and bridges whose ISO 9660 side lacks the large files.
//!
//! Read: UDF 1.02 to 2.60 on one partition, a metadata partition in it included; files of any size, in pieces or inside
//! their own entry. Left out on purpose: partitions of CD-R packets (virtual), packets of a CD-RW that were moved, entries
//! with a history (strategy 4096), symbolic links, named streams, and files with holes.
//!
//! Sources: ECMA-167, third edition; OSTA UDF 2.60.

mod descriptor;
mod volume;
mod walk;

use super::ReadAt;
use super::error::{ImageError, Warnings};
use super::index::Index;

/// What a UDF file system has.
pub(super) struct Udf {
    pub(super) index: Index,
    pub(super) warnings: Warnings,
    /// The logical volume's identifier.
    pub(super) label: String,
}

/// Reads the descriptors and all directories.
///
/// # Errors
/// `Damaged` when nothing can be made of it, or it is of a kind that is not read; `BeyondEnd` when a file is not all
/// there; `TooMuch` at a limit; `Read` when the device fails.
pub(super) fn open(source: &dyn ReadAt) -> Result<Udf, ImageError> {
    let volume = volume::Volume::read(source)?;
    walk::walk(source, volume)
}
