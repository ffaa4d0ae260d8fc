//! What an image has to install: names of packages, groups and environments, read from its repositories when asked.
//!
//! Never panics on any input: see `tests/fuzz/checks/repository.rs`.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod metadata;
mod xml;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

pub use metadata::{Comps, Group, Primary, Repomd};

use crate::image::FileTree;
use crate::package::unpacked;

/// Most bytes of metadata that are read of one file, unpacked. Fedora's Everything has 200 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes that are read at once.
const BUFFER: usize = 128 << 10;

/// What there is to install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repository {
    /// The packages; `None` when they were not asked for.
    pub packages: Option<Primary>,
    /// Groups and environments; none of either when the repositories have no such list.
    pub comps: Comps,
    /// Whether there are modules, which go by `@name:stream`.
    pub has_modules: bool,
}

/// Why the repositories of an image could not be read.
#[derive(Debug)]
pub struct RepositoryError {
    path: String,
    cause: io::Error,
}

impl fmt::Display for RepositoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on the image cannot be read: {}", self.path, self.cause)
    }
}

impl std::error::Error for RepositoryError {}

impl Repository {
    /// Reads the repositories at these paths of the tree. Package names are most of the work: 10,000 take 0.2 s.
    ///
    /// # Errors
    /// The first file that is missing or damaged.
    pub fn load(
        tree: &dyn FileTree,
        repositories: &[String],
        with_packages: bool,
    ) -> Result<Self, RepositoryError> {
        let mut found = Self { packages: with_packages.then(Primary::default), ..Self::default() };
        for directory in repositories {
            let path = |name: &str| match directory.as_str() {
                "" => name.to_owned(),
                directory => format!("{directory}/{name}"),
            };
            let repomd = read(tree, path("repodata/repomd.xml"), |source| Repomd::read(source))?;
            found.has_modules |= repomd.has_modules;
            if let Some(comps) = repomd.comps {
                read(tree, path(&comps), |source| found.comps.read(source))?;
            }
            if let (Some(primary), Some(packages)) = (repomd.primary, &mut found.packages) {
                read(tree, path(&primary), |source| packages.read(source))?;
            }
        }
        Ok(found)
    }
}

/// Reads one file, packed or not.
fn read<T>(
    tree: &dyn FileTree,
    path: String,
    reader: impl FnOnce(Box<dyn BufRead + '_>) -> io::Result<T>,
) -> Result<T, RepositoryError> {
    let result = tree
        .file(path.as_bytes())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not there"))
        .and_then(|file| unpacked(Box::new(file.data.reader())).map_err(io::Error::other))
        .and_then(|source| reader(Box::new(BufReader::with_capacity(BUFFER, source.take(MAX_BYTES)))));
    result.map_err(|cause| RepositoryError { path, cause })
}
