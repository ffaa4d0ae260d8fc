//! Loaders that do not stand in the image's tree, and the tree with them in it.
//!
//! shim loads GRUB from the directory it was loaded from itself, so what belongs together is served from one directory of
//! its own, and nothing else is in that: a chain of two releases cannot come about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::image::{BootImage, Entry, File, FileData, FileTree, Node};
use crate::order;
use crate::package::PackageError;

/// Where the directories are: `loaders/x64/bootx64.efi`.
const ROOT: &str = "loaders";

/// What unpacking gives: files by their served names.
type Unpacked = Result<BTreeMap<String, FileData>, PackageError>;

/// Files that are served from one directory.
pub(super) struct Set {
    /// The directory, such as `loaders/x64`.
    pub(super) directory: String,
    /// Served names, all in lower case.
    pub(super) names: Vec<String>,
    contents: Contents,
}

enum Contents {
    Open(BTreeMap<String, File>),
    Packed { unpack: Box<dyn Fn() -> Unpacked + Send + Sync>, cell: OnceLock<Unpacked> },
}

impl Set {
    /// Files that can be read where they lie; the directory is named after `arch`.
    pub(super) fn open(arch: &str, files: BTreeMap<String, File>) -> Self {
        Self {
            directory: format!("{ROOT}/{arch}"),
            names: files.keys().cloned().collect(),
            contents: Contents::Open(files),
        }
    }

    /// Files that are unpacked when the first is asked for; `names` are those that may come out.
    pub(super) fn packed(
        arch: &str,
        names: &[&str],
        unpack: impl Fn() -> Unpacked + Send + Sync + 'static,
    ) -> Self {
        Self {
            directory: format!("{ROOT}/{arch}"),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            contents: Contents::Packed { unpack: Box::new(unpack), cell: OnceLock::new() },
        }
    }

    fn unpacked(&self) -> Option<&Unpacked> {
        match &self.contents {
            Contents::Open(_) => None,
            Contents::Packed { unpack, cell } => Some(cell.get_or_init(unpack)),
        }
    }

    /// The file of this name, in any case.
    fn file(&self, name: &[u8]) -> Option<File> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        if !self.names.contains(&name) {
            return None;
        }
        match &self.contents {
            Contents::Open(files) => files.get(&name).cloned(),
            Contents::Packed { .. } => {
                let data = self.unpacked()?.as_ref().ok()?.get(&name)?.clone();
                Some(File { data, modified: 0 })
            }
        }
    }

    /// Why its files cannot be unpacked, which this tries.
    pub(super) fn failure(&self) -> Option<&PackageError> {
        self.unpacked()?.as_ref().err()
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |name: &String| {
            // What is still packed stays so: its length is not known yet.
            let len = match &self.contents {
                Contents::Open(files) => files.get(name).map_or(0, |file| file.data.len()),
                Contents::Packed { .. } => 0,
            };
            Entry { name: name.clone().into_bytes(), is_directory: false, len, modified: 0 }
        };
        let mut entries: Vec<Entry> = self.names.iter().map(entry).collect();
        order::by(&mut entries, |left, right| left.name.cmp(&right.name));
        entries
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        path.eq_ignore_ascii_case(self.directory.as_bytes())
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set")
            .field("directory", &self.directory)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A tree, and beside it the loaders that were found elsewhere on the image. They are not in any listing but their own.
pub(super) struct WithLoaders {
    pub(super) tree: Arc<dyn FileTree>,
    pub(super) sets: Vec<Arc<Set>>,
}

impl WithLoaders {
    fn loader(&self, path: &[u8]) -> Option<Node> {
        if let Some(at) = path.iter().rposition(|byte| *byte == b'/') {
            let (directory, name) = path.split_at_checked(at)?;
            let set = self.sets.iter().find(|set| set.is_directory(directory));
            let file = set.and_then(|set| set.file(name.get(1..).unwrap_or_default()));
            if let Some(file) = file {
                return Some(Node::File(file));
            }
        }
        self.sets.iter().any(|set| set.is_directory(path)).then_some(Node::Directory)
    }
}

impl FileTree for WithLoaders {
    fn find(&self, path: &[u8]) -> Option<Node> {
        self.loader(path).or_else(|| self.tree.find(path))
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.loader(path).or_else(|| self.tree.find_any_case(path))
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        let set = self.sets.iter().find(|set| set.is_directory(path));
        set.map(|set| set.entries()).or_else(|| self.tree.list(path))
    }

    fn boot_images(&self) -> Vec<BootImage> {
        self.tree.boot_images()
    }
}
