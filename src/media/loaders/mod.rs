//! What of an image can be a machine's first program, and what that one loads.
//!
//! Finding is cheap: directories are listed, and the heads of a few EFI files read. Unpacking a package waits until a
//! machine asks.
//!
//! Places, in this order: the image's tree, the FAT images that firmware boots the medium from (`images/efiboot.img`, El
//! Torito, an EFI partition), packages.

mod bios;
mod fat;
mod packages;
pub mod pe;
mod scan;
pub mod search;
mod set;
mod uefi;

use std::sync::Arc;

pub use bios::{BiosLoader, BiosSource};
pub use pe::Signature;
pub use uefi::{UefiArch, UefiKind, UefiLoader};

use super::paths;
use super::treeinfo::Treeinfo;
use crate::image::FileTree;
use crate::package::Limits;
pub use set::NotUnpacked;
use set::{Set, WithLoaders};

/// The loaders of an image.
#[derive(Debug)]
pub struct Loaders {
    /// For legacy BIOS: PXELINUX.
    pub bios: Option<BiosLoader>,
    /// For UEFI: shim and GRUB, one for each architecture.
    pub uefi: Vec<UefiLoader>,
    /// What there is not, and where it was looked for; one sentence each.
    pub missing: Vec<String>,
    /// Files of loaders that are not in the image's tree.
    sets: Vec<Arc<Set>>,
}

impl Loaders {
    /// The image's tree, with the loaders in it that were found elsewhere on the image, where [`UefiLoader`] says they
    /// are.
    pub fn over(&self, tree: Arc<dyn FileTree>) -> Arc<dyn FileTree> {
        if self.sets.is_empty() { tree } else { Arc::new(WithLoaders { tree, sets: self.sets.clone() }) }
    }

    /// Who signed a loader's first program, which is unpacked for it: some 100 ms.
    pub fn signature(&self, loader: &UefiLoader) -> Signature {
        if loader.signature != Signature::NotUnpacked {
            return loader.signature.clone();
        }
        let set = self.sets.iter().find(|set| set.directory == loader.directory);
        let name = loader.first().rsplit('/').next().unwrap_or_default();
        let file = set.and_then(|set| set.file(name.as_bytes()));
        match file.map(|file| file.data.read_all(Limits::default().file_bytes)) {
            Some(Ok(bytes)) => pe::signature(&bytes),
            Some(Err(_)) | None => Signature::NotUnpacked,
        }
    }

    /// What unpacks the loader of an architecture, if it is in packages, and tells why it cannot be unpacked or does not
    /// belong together. Only its first call takes time, some 100 ms.
    pub fn preparer(&self) -> Box<dyn Fn(UefiArch) -> Result<(), NotUnpacked> + Send + Sync> {
        let (sets, loaders) = (self.sets.clone(), self.uefi.clone());
        Box::new(move |arch| {
            let loader = loaders.iter().find(|loader| loader.arch == arch);
            let set = loader.and_then(|loader| sets.iter().find(|set| set.directory == loader.directory));
            set.and_then(|set| set.failure()).map_or(Ok(()), Err)
        })
    }
}

/// Looks for loaders.
pub fn find_loaders(tree: &dyn FileTree) -> Loaders {
    let treeinfo = paths::read_text(tree, ".treeinfo").map(|bytes| Treeinfo::parse(&bytes));
    let directories = paths::package_directories(tree, treeinfo.as_ref());
    let names: Vec<&str> = bios::PACKAGES.into_iter().chain(packages::names()).collect();
    let packages = scan::find(tree, &directories, &names);
    let fats = fat::find(tree);
    let mut missing = Vec::new();
    let bios = bios::find(tree, &packages, &fats);
    if bios.is_none() {
        // Those below another are for its first letters.
        let is_below = |path: &str| {
            path.rsplit_once('/').is_some_and(|(above, _)| directories.iter().any(|it| it == above))
        };
        let places: Vec<&str> =
            directories.iter().map(String::as_str).filter(|path| !is_below(path)).collect();
        let place = if places.is_empty() { String::new() } else { format!(" in {}", places.join(", ")) };
        missing.push(format!("BIOS: no pxelinux.0 on the image, and no syslinux package{place}"));
    }
    let mut loaders = Vec::new();
    let mut sets = Vec::new();
    let mut reasons = Vec::new();
    for (names, found) in uefi::find(tree, &fats) {
        let of_tree = found.loader.map(|loader| (loader, found.set));
        let of_packages = || packages::find(&packages, names).map(|(loader, set)| (loader, Some(set)));
        match of_tree.or_else(of_packages) {
            Some((loader, set)) => {
                loaders.push(loader);
                sets.extend(set.map(Arc::new));
            }
            None => reasons.extend(found.reasons.into_iter().map(|reason| format!("UEFI: {reason}"))),
        }
    }
    if loaders.is_empty() && reasons.is_empty() {
        reasons.push(uefi::nothing());
    }
    missing.append(&mut reasons);
    Loaders { bios, uefi: loaders, missing, sets }
}
