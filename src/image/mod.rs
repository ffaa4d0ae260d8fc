//! Install images, read in place: nothing is mounted, unpacked or mapped.
//!
//! A file on an image is a [`FileData`]: where its bytes lie in the image file. It is read with `pread`, or sent
//! with `sendfile`; never through `mmap`, which turns a pulled stick into SIGBUS.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod cursor;
pub mod el_torito;
mod error;
mod fat;
mod fingerprint;
mod folder;
mod foreign;
mod index;
mod indexed;
mod iso9660;
mod joliet;
mod limits;
mod links;
mod partition;
mod read_at;
mod rock_ridge;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod udf;
mod union;
mod volume;
mod walk;

pub use error::{Foreign, ImageError, Problem, Warning};
pub use fat::FatImage;
pub use fingerprint::{Difference, Fingerprint};
pub use folder::FolderTree;
pub use read_at::{Absence, Extent, FileData, FileReader, ImageFile, ReadAt};
pub use tree::IsoImage;
pub use union::UnionTree;

/// What a path of a tree leads to, symbolic links followed.
#[derive(Clone)]
pub enum Node {
    /// A regular file.
    File(File),
    /// A directory; [`FileTree::list`] tells what is in it.
    Directory,
}

/// A regular file of a tree.
#[derive(Clone)]
pub struct File {
    /// Its bytes.
    pub data: FileData,
    /// When it was last changed, in seconds since 1970; 0 when the image does not say.
    pub modified: u64,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name as the image spells it; any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// Whether it leads to a directory.
    pub is_directory: bool,
    /// Length of a file in bytes; 0 for directories.
    pub len: u64,
    /// When it was last changed, in seconds since 1970; 0 when the image does not say.
    pub modified: u64,
}

/// A part of an image that firmware boots from the medium itself: a FAT file system, as UEFI wants it.
#[derive(Clone, Debug)]
pub struct BootImage {
    /// Where it is, for people, such as `El Torito entry 2`.
    pub origin: String,
    /// Its bytes; more than it has when its length is not told.
    pub data: FileData,
}

/// A read-only tree of files.
///
/// Paths have no leading, trailing or doubled `/` and no `.` or `..`; the empty path is the root. Symbolic links are
/// followed inside the tree and never leave it.
pub trait FileTree: Send + Sync {
    /// What stands at `path`, spelled exactly so.
    fn find(&self, path: &[u8]) -> Option<Node>;

    /// What stands at `path`, upper and lower case taken as equal (ASCII) where the exact spelling finds nothing.
    fn find_any_case(&self, path: &[u8]) -> Option<Node>;

    /// The entries of the directory at `path`, sorted by name.
    fn list(&self, path: &[u8]) -> Option<Vec<Entry>>;

    /// Shows `see` the name of each entry of the directory at `path`, in any order: of tens of thousands no list is made.
    fn names(&self, path: &[u8], see: &mut dyn FnMut(&[u8])) {
        self.list(path).unwrap_or_default().iter().for_each(|entry| see(&entry.name));
    }

    /// What UEFI firmware would boot from the medium, in its order; none for a tree that is not a medium.
    fn boot_images(&self) -> Vec<BootImage> {
        Vec::new()
    }

    /// The file at `path`, if one is there.
    fn file(&self, path: &[u8]) -> Option<File> {
        match self.find(path)? {
            Node::File(file) => Some(file),
            Node::Directory => None,
        }
    }
}
