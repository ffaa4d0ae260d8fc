//! The packages on an image that may hold loaders: found by their names, in one look at each directory.

use std::cmp::Ordering;

use crate::image::{FileData, FileTree};
use crate::media::paths;
use crate::package::FileName;

/// Where Debian and Ubuntu keep them in `pool/COMPONENT/`: the first letter of the source package, and its name.
const POOL: [&str; 9] = [
    "s/syslinux",
    "s/shim-signed",
    "s/shim",
    "s/shim-helpers-amd64-signed",
    "s/shim-helpers-arm64-signed",
    "g/grub-efi-amd64-signed",
    "g/grub-efi-arm64-signed",
    "g/grub2-signed",
    "g/grub2-unsigned",
];

/// Where SUSE keeps them (`suse/` up to SLE 12).
const SUSE: [&str; 5] = ["x86_64", "noarch", "aarch64", "suse/x86_64", "suse/noarch"];

/// Most components of a pool that are looked into; Ubuntu has four.
const MAX_COMPONENTS: usize = 8;

/// A package on the image.
pub(super) struct Package {
    /// Its path.
    pub(super) path: String,
    /// Its file name.
    file: String,
    pub(super) data: FileData,
}

impl Package {
    fn parts(&self) -> Option<FileName<'_>> {
        FileName::parse(&self.file)
    }

    /// The package's name, such as `shim-signed`.
    pub(super) fn name(&self) -> &str {
        self.parts().map_or("", |parts| parts.name)
    }

    /// Version and release.
    pub(super) fn build(&self) -> String {
        self.parts().map(|it| format!("{}-{}", it.version, it.release)).unwrap_or_default()
    }

    /// Which of two is the newer.
    pub(super) fn age(&self, other: &Self) -> Ordering {
        match (self.parts(), other.parts()) {
            (Some(left), Some(right)) => left.age(&right),
            _ => Ordering::Equal,
        }
    }
}

/// The packages of these names, but for sources, in these directories and in those where other distributions keep them.
pub(super) fn find(tree: &dyn FileTree, directories: &[String], names: &[&str]) -> Vec<Package> {
    let mut all: Vec<String> = directories.to_vec();
    for directory in pool(tree).into_iter().chain(SUSE.map(str::to_owned)) {
        if !all.contains(&directory) {
            all.push(directory);
        }
    }
    let mut found = Vec::new();
    for directory in all {
        for file in paths::packages(tree, &directory, names) {
            let path = paths::join(&directory, &file);
            let is_source = FileName::parse(&file).is_some_and(|it| it.arch == "src");
            if let Some(package) = tree.file(path.as_bytes()).filter(|_| !is_source) {
                found.push(Package { path, file, data: package.data });
            }
        }
    }
    found
}

/// The directories of a Debian pool.
fn pool(tree: &dyn FileTree) -> Vec<String> {
    let components = paths::names(tree, "pool").into_iter().take(MAX_COMPONENTS);
    components.flat_map(|component| POOL.map(|source| format!("pool/{component}/{source}"))).collect()
}
