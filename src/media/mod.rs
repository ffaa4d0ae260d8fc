//! What is on this image?
//!
//! [`recognise`] tells the family, the release and where the installer's files are; [`find_loaders`] tells what of the
//! image can be a machine's first program; [`embedded`] holds what stands in when the image has nothing.
//!
//! The families are rows of one table, [`family::FAMILIES`]; a later family is one more row.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod checksum;
pub mod embedded;
mod entries;
pub mod entry;
pub mod family;
mod identity;
pub mod implanted;
mod loaders;
pub mod menu;
mod parts;
mod paths;
mod recognise;
pub mod report;
#[cfg(test)]
pub(crate) mod tests;
pub mod treeinfo;
pub mod verify;

pub use entry::{AnswerKind, Entry, EntryKind, Menu};
pub use family::Family;
pub use loaders::{
    BiosLoader, BiosSource, Loaders, NotUnpacked, Signature, UefiArch, UefiKind, UefiLoader, find_loaders,
    pe, search,
};
pub use parts::{GrubVerb, Medium, grub_verb};
pub use recognise::{Media, NotInstallable, recognise};
