//! What of an image can be a machine's first program, and what that one loads.
//!
//! Finding is cheap: directories are listed, and the heads of a few EFI files read. Unpacking a package waits until a
//! machine asks.

mod bios;
mod uefi;

pub use bios::{BiosLoader, BiosSource};
pub use uefi::{UefiArch, UefiKind, UefiLoader};

use super::paths;
use super::treeinfo::Treeinfo;
use crate::image::FileTree;

/// The loaders of an image.
#[derive(Debug)]
pub struct Loaders {
    /// For legacy BIOS: PXELINUX.
    pub bios: Option<BiosLoader>,
    /// For UEFI: shim and GRUB, one for each architecture.
    pub uefi: Vec<UefiLoader>,
    /// What there is not, and where it was looked for; one sentence each.
    pub missing: Vec<String>,
}

/// Looks for loaders.
pub fn find_loaders(tree: &dyn FileTree) -> Loaders {
    let treeinfo = paths::read_text(tree, ".treeinfo").map(|bytes| Treeinfo::parse(&bytes));
    let directories = paths::package_directories(tree, treeinfo.as_ref());
    let mut missing = Vec::new();
    let bios = bios::find(tree, &directories);
    if bios.is_none() {
        let place = match directories.as_slice() {
            [] => "there are no packages on the image".to_owned(),
            directories => format!("no syslinux package in {}", directories.join(", ")),
        };
        missing.push(format!("BIOS: no pxelinux.0 on the image, and {place}"));
    }
    let uefi = uefi::find(tree, &mut missing);
    Loaders { bios, uefi, missing }
}
