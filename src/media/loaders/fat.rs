//! The FAT file systems on an image that firmware boots from.

use crate::image::{FatImage, FileTree};
use crate::media::paths;

/// Where they stand as files (lorax; grub-mkrescue and Debian; SUSE; archiso).
const FILES: [&str; 7] = [
    "images/efiboot.img",
    "boot/grub/efi.img",
    "boot/x86_64/efi",
    "boot/aarch64/efi",
    "EFI/archiso/efiboot.img",
    "isolinux/efiboot.img",
    "efi.img",
];

/// Most that are looked into: an image has one for each architecture, and names each twice.
const MAX_IMAGES: usize = 8;

/// A FAT file system on the image.
pub(super) struct Fat {
    pub(super) tree: FatImage,
    /// Where it is, for people.
    pub(super) origin: String,
}

/// Opens them: those that are files, then El Torito's and the EFI partitions, each once.
pub(super) fn find(tree: &dyn FileTree) -> Vec<Fat> {
    let files = FILES.iter().filter_map(|path| {
        let path = paths::spelled(tree, path)?;
        Some((tree.file(path.as_bytes())?.data, path))
    });
    let boot_images = tree.boot_images().into_iter().map(|image| (image.data, image.origin));
    let mut starts = Vec::new();
    let mut found = Vec::new();
    for (data, origin) in files.chain(boot_images) {
        let start = data.extent_at(0).map(|extent| extent.offset);
        if found.len() >= MAX_IMAGES || starts.contains(&start) {
            continue;
        }
        // What is none is an ordinary thing: a boot image may be a program too.
        if let Ok(tree) = FatImage::open(&data) {
            starts.push(start);
            found.push(Fat { tree, origin });
        }
    }
    found
}
