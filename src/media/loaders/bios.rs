//! PXELINUX out of the syslinux packages on an image, or as plain files.
//!
//! Which package has it differs: `syslinux` itself up to EL7, `syslinux-nonlinux` and `syslinux-tftpboot` later. From
//! version 5 on `pxelinux.0` is a stub that needs `ldlinux.c32` of the same build, and the menus need libraries; so
//! every source is first tried alone, and the packages of one build together after that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::fat::Fat;
use super::scan::Package;
use super::search::{contains, position};
use crate::image::{FileData, FileTree};
use crate::media::paths;
use crate::order;
use crate::package::{self, Limits, PackageError};

/// Where PXELINUX comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BiosSource {
    /// A package, by its path on the image.
    Package(String),
    /// Plain files of this directory of the image, or of a FAT image on it: then its path is before that.
    Directory(String),
}

/// PXELINUX and its modules, still packed.
#[derive(Debug)]
pub struct BiosLoader {
    candidates: Vec<Candidate>,
    /// What the first unpacking gave.
    unpacked: Mutex<Option<Files>>,
}

/// Flat names, such as `pxelinux.0` and `menu.c32`, and their bytes.
type Files = BTreeMap<String, Arc<[u8]>>;

#[derive(Debug)]
struct Candidate {
    source: BiosSource,
    /// Version and release of a package.
    build: String,
    /// The package, or the directory's files.
    contents: Vec<(String, FileData)>,
}

/// Packages that may hold it, the likelier first; the rank breaks ties between packages of one build. Debian has the
/// program in one and the modules in another.
pub(super) const PACKAGES: [&str; 5] =
    ["syslinux-tftpboot", "syslinux-nonlinux", "pxelinux", "syslinux-common", "syslinux"];

/// Where they put it.
const PLACES: [&str; 6] = [
    "tftpboot",
    "var/lib/tftpboot",
    "usr/share/syslinux",
    "usr/lib/PXELINUX",
    "usr/lib/syslinux/modules/bios",
    "usr/lib/syslinux",
];

/// Directories of an image that may hold it as plain files.
const DIRECTORIES: [&str; 7] =
    ["boot/pxelinux", "pxelinux", "boot/syslinux", "syslinux", "isolinux", "boot/isolinux", "images/pxeboot"];

/// Libraries that modules of syslinux 5 and 6 may need (`com32/` of its source).
const LIBRARIES: [&str; 5] = ["libcom32.c32", "libutil.c32", "libmenu.c32", "libgpl.c32", "liblua.c32"];

const PXELINUX: &str = "pxelinux.0";
const LDLINUX: &str = "ldlinux.c32";

/// Most packages that are looked into: an image has one of each name, now and then two builds.
const MAX_CANDIDATES: usize = 16;

/// Looks through packages and directories; nothing is opened.
pub(super) fn find(tree: &dyn FileTree, packages: &[Package], fats: &[Fat]) -> Option<BiosLoader> {
    let mut candidates = of_packages(packages);
    candidates.extend(DIRECTORIES.iter().filter_map(|directory| plain_files(tree, directory)));
    for fat in fats {
        let of_fat = DIRECTORIES.iter().filter_map(|directory| plain_files(&fat.tree, directory));
        candidates.extend(of_fat.map(|it| it.inside(&fat.origin)));
    }
    (!candidates.is_empty()).then(|| BiosLoader { candidates, unpacked: Mutex::new(None) })
}

/// The syslinux packages, newest build first.
fn of_packages(packages: &[Package]) -> Vec<Candidate> {
    let mut found: Vec<&Package> = packages.iter().filter(|it| PACKAGES.contains(&it.name())).collect();
    order::by(&mut found, |left, right| {
        right.age(left).then_with(|| rank(left.name()).cmp(&rank(right.name())))
    });
    let candidate = |package: &Package| Candidate {
        source: BiosSource::Package(package.path.clone()),
        build: package.build(),
        contents: vec![(package.path.clone(), package.data.clone())],
    };
    found.into_iter().map(candidate).take(MAX_CANDIDATES).collect()
}

/// How far down the list of likely packages one is.
fn rank(name: &str) -> usize {
    PACKAGES.iter().position(|known| *known == name).unwrap_or(PACKAGES.len())
}

/// The loader files that lie open in a directory, if `pxelinux.0` is among them.
fn plain_files(tree: &dyn FileTree, directory: &str) -> Option<Candidate> {
    let directory = paths::spelled(tree, directory)?;
    let names =
        paths::names(tree, &directory).into_iter().filter(|name| is_loader(&name.to_ascii_lowercase()));
    let contents: Vec<_> = names
        .filter_map(|name| {
            let file = tree.file(paths::join(&directory, &name).as_bytes())?;
            Some((name.to_ascii_lowercase(), file.data))
        })
        .collect();
    contents.iter().any(|(name, _)| name == PXELINUX).then(|| Candidate {
        source: BiosSource::Directory(directory),
        build: String::new(),
        contents,
    })
}

/// Whether a flat name is one of PXELINUX's files.
fn is_loader(name: &str) -> bool {
    name.ends_with(".c32") || matches!(name, PXELINUX | "lpxelinux.0" | "gpxelinux.0" | "memdisk")
}

impl BiosLoader {
    /// Whether the medium that it is on was pulled, or is about to be known to be: then a failure need not last.
    pub fn is_suspect(&self) -> bool {
        let mut files = self.candidates.iter().flat_map(|candidate| &candidate.contents);
        files.any(|(_, data)| data.source().is_suspect())
    }

    /// Where it will be looked for, in this order.
    pub fn sources(&self) -> impl Iterator<Item = &BiosSource> {
        self.candidates.iter().map(|candidate| &candidate.source)
    }

    /// `pxelinux.0`, its modules (`*.c32`) and its kin under their flat names; modules that lack a library they need are
    /// left out. The first call unpacks, which takes some 100 ms; later ones give the same bytes.
    ///
    /// # Errors
    /// What is wrong with the last of the packages that cannot be read; `Missing` when they are sound and none has a
    /// complete set.
    pub fn extract(&self) -> Result<Files, PackageError> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = unpacked.as_ref() {
            return Ok(files.clone());
        }
        let files = without_orphans(self.complete_set()?);
        *unpacked = Some(files.clone());
        Ok(files)
    }

    /// The first complete set: of one source, or of all packages of one build.
    fn complete_set(&self) -> Result<Files, PackageError> {
        let mut builds: BTreeMap<&str, Files> = BTreeMap::new();
        let mut failure = None;
        for candidate in &self.candidates {
            let files = match candidate.unpack() {
                Ok(files) => files,
                Err(error) => {
                    let path = candidate.source.path().to_owned();
                    failure = Some(PackageError::In { path, error: Box::new(error) });
                    continue;
                }
            };
            if lacks(&files).is_none() {
                return Ok(files);
            }
            let together = builds.entry(&candidate.build).or_default();
            for (name, bytes) in files {
                together.entry(name).or_insert(bytes);
            }
            if lacks(together).is_none() {
                return Ok(std::mem::take(together));
            }
        }
        // A damaged package is the likelier reason than one that never had it.
        Err(failure.unwrap_or_else(|| {
            let places: Vec<&str> = self.sources().map(BiosSource::path).collect();
            let is_half = builds.values().any(|files| files.contains_key(PXELINUX));
            let what = if is_half { "ldlinux.c32 of the same build as pxelinux.0" } else { PXELINUX };
            PackageError::Missing(format!("{what} in {}", places.join(", ")))
        }))
    }
}

impl BiosSource {
    /// Its path on the image.
    pub fn path(&self) -> &str {
        match self {
            Self::Package(path) | Self::Directory(path) => path,
        }
    }
}

impl Candidate {
    /// The same in a FAT image.
    fn inside(self, fat: &str) -> Self {
        let source = BiosSource::Directory(format!("{fat}: {}", self.source.path()));
        Self { source, ..self }
    }

    fn unpack(&self) -> Result<Files, PackageError> {
        if matches!(self.source, BiosSource::Package(_)) {
            let mut files = Files::new();
            for (path, data) in &self.contents {
                let is_loader = |path: &str| flat_name(path).is_some();
                let found = package::extract(path, data, &is_loader, Limits::default())?;
                for (path, bytes) in found {
                    let name = flat_name(&path).unwrap_or_default().to_owned();
                    files.entry(name).or_insert_with(|| bytes.into());
                }
            }
            return Ok(files);
        }
        let mut room = Limits::default().total_bytes;
        let mut files = Files::new();
        for (name, data) in &self.contents {
            let bytes = data.read_all(Limits::default().file_bytes.min(room)).map_err(PackageError::Read)?;
            room = room.saturating_sub(data.len());
            files.insert(name.clone(), Arc::from(bytes));
        }
        Ok(files)
    }
}

/// The flat name of a loader file at `path` in a package.
fn flat_name(path: &str) -> Option<&str> {
    let (directory, name) = path.rsplit_once('/')?;
    (PLACES.contains(&directory) && is_loader(name)).then_some(name)
}

/// What a set lacks to start; `None` when it is complete.
fn lacks(files: &Files) -> Option<&'static str> {
    match files.get(PXELINUX) {
        None => Some(PXELINUX),
        Some(pxelinux) if version(pxelinux) >= Some(5) && !files.contains_key(LDLINUX) => Some(LDLINUX),
        Some(_) => None,
    }
}

/// The major version that `pxelinux.0` has in its banner, `PXELINUX 6.04 PXE`. The rest of the file is compressed.
fn version(pxelinux: &[u8]) -> Option<u8> {
    let banner = b"PXELINUX ";
    let at = position(pxelinux, banner)?;
    let digit = pxelinux.get(at..)?.get(banner.len())?;
    digit.is_ascii_digit().then(|| digit.saturating_sub(b'0'))
}

/// Takes out the modules whose libraries are not there: a menu that fails to load stops the boot.
fn without_orphans(mut files: Files) -> Files {
    // The libraries need one another, two deep.
    for _ in 0..3 {
        let gone: Vec<&str> = LIBRARIES.into_iter().filter(|name| !files.contains_key(*name)).collect();
        files.retain(|name, bytes| {
            !name.ends_with(".c32") || !gone.iter().any(|library| contains(bytes, library.as_bytes()))
        });
    }
    files
}
