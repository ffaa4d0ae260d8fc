//! FAT file systems, read in place: `images/efiboot.img`, the El Torito entry for UEFI, or a whole stick.
//!
//! Names are the long ones where there are any. Left out on purpose: exFAT, and sectors that are not of 512 to 4,096
//! bytes.
//!
//! Sources: Microsoft Extensible Firmware Initiative FAT32 File System Specification 1.03 (2000), which also describes
//! FAT12 and FAT16; where writers differ from it, Linux `fs/fat/inode.c`.

mod directory;
mod volume;
mod walk;

use std::fmt;

use super::error::{ImageError, Warning};
use super::indexed::Indexed;
use super::{Entry, FileData, FileTree, Node};

/// A FAT file system: an index of all its files, held in memory. Their bytes are extents of whatever the file system
/// lies in.
///
/// Never panics on any input, and reads no more than a small multiple of what its table and directories hold: see
/// `tests/fuzz/checks/fat.rs`.
pub struct FatImage {
    files: Indexed,
    label: String,
    entry_count: usize,
    warnings: Vec<Warning>,
}

impl FatImage {
    /// Reads the boot sector, the table and all directories of the file system at the start of `data`, which may be
    /// longer than it.
    ///
    /// # Errors
    /// `Damaged` when it is not a FAT file system or nothing can be made of it, `TooMuch` at a limit, `Read` when the
    /// device fails.
    pub fn open(data: &FileData) -> Result<Self, ImageError> {
        let volume = volume::Volume::read(data)?;
        let walked = walk::walk(data, &volume)?;
        let label = walked.label.unwrap_or_else(|| volume.label.clone());
        Ok(Self {
            entry_count: walked.index.nodes.len().saturating_sub(1),
            files: Indexed { source: data.source().clone(), index: walked.index },
            label,
            warnings: walked.warnings.into_vec(),
        })
    }

    /// The volume label, without its padding; empty when there is none.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How many files and directories there are, without the root.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// What is odd about it; at most a hundred, the last of which then says how many more there were.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Calls `visit` with the path and entry of everything, each directory before what is in it.
    pub fn walk(&self, visit: impl FnMut(&[u8], &Entry)) {
        self.files.walk(visit);
    }
}

impl FileTree for FatImage {
    fn find(&self, path: &[u8]) -> Option<Node> {
        self.files.find(path)
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.files.find_any_case(path)
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        self.files.list(path)
    }
}

impl fmt::Debug for FatImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FatImage")
            .field("label", &self.label)
            .field("entry_count", &self.entry_count)
            .finish_non_exhaustive()
    }
}
