//! Loaders that do not stand in the image's tree, and the tree with them in it.
//!
//! shim loads GRUB from the directory it was loaded from itself, so what belongs together is served from one directory of
//! its own, and nothing else is in that: a chain of two releases cannot come about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::{Absence, BootImage, Entry, File, FileData, FileTree, Node};
use crate::order;
use crate::package::PackageError;

/// Where the directories are: `loaders/x64/bootx64.efi`.
const ROOT: &str = "loaders";

/// What unpacking gives: files by their served names.
type Unpacked = Result<BTreeMap<String, FileData>, PackageError>;

/// The same, as it is kept.
type Kept = Result<Arc<BTreeMap<String, FileData>>, NotUnpacked>;

/// Why loaders cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotUnpacked {
    /// What is wrong.
    pub why: String,
    /// Whether the medium that they are on may be away: then it need not last, and people know of it already.
    pub may_pass: bool,
}

impl fmt::Display for NotUnpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

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
    Packed(Packed),
}

struct Packed {
    unpack: Box<dyn Fn() -> Unpacked + Send + Sync>,
    /// Whether the medium may be away: then a failure need not last.
    is_suspect: Box<dyn Fn() -> bool + Send + Sync>,
    kept: Mutex<Option<Kept>>,
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

    /// Files that are unpacked when the first is asked for; `names` are those that may come out. A failure is kept too,
    /// unless `is_suspect` says of the medium that it may be why.
    pub(super) fn packed(
        arch: &str,
        names: &[&str],
        unpack: impl Fn() -> Unpacked + Send + Sync + 'static,
        is_suspect: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            directory: format!("{ROOT}/{arch}"),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            contents: Contents::Packed(Packed {
                unpack: Box::new(unpack),
                is_suspect: Box::new(is_suspect),
                kept: Mutex::new(None),
            }),
        }
    }

    /// The file of this name, in any case. While the medium that it is packed on is away, so is the file.
    pub(super) fn file(&self, name: &[u8]) -> Option<File> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        if !self.names.contains(&name) {
            return None;
        }
        match &self.contents {
            Contents::Open(files) => files.get(&name).cloned(),
            Contents::Packed(packed) => {
                let data = match packed.files() {
                    Ok(files) => files.get(&name)?.clone(),
                    Err(failure) if failure.may_pass => FileData::absent(Absence::Gone),
                    Err(_) => return None,
                };
                Some(File { data, modified: 0 })
            }
        }
    }

    /// Why its files cannot be unpacked, which this tries.
    pub(super) fn failure(&self) -> Option<NotUnpacked> {
        match &self.contents {
            Contents::Open(_) => None,
            Contents::Packed(packed) => packed.files().err(),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |name: &String| {
            // What is still packed stays so: its length is not known yet.
            let len = match &self.contents {
                Contents::Open(files) => files.get(name).map_or(0, |file| file.data.len()),
                Contents::Packed(_) => 0,
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

impl Packed {
    /// What is in it, unpacked by the first who asks; others wait.
    fn files(&self) -> Kept {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref() {
            return kept.clone();
        }
        let was_suspect = (self.is_suspect)();
        let unpacked = (self.unpack)().map(Arc::new).map_err(|error| NotUnpacked {
            why: error.to_string(),
            may_pass: was_suspect || (self.is_suspect)(),
        });
        if !unpacked.as_ref().is_err_and(|failure| failure.may_pass) {
            *kept = Some(unpacked.clone());
        }
        unpacked
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    /// A set whose medium can be pulled, and how often it was unpacked.
    fn set(is_away: &Arc<AtomicBool>, is_damaged: bool) -> (Set, Arc<AtomicU32>) {
        let tries = Arc::new(AtomicU32::new(0));
        let (away, counted) = (is_away.clone(), tries.clone());
        let unpack = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            if is_damaged || away.load(Ordering::Relaxed) {
                return Err(PackageError::Missing("shim".to_owned()));
            }
            Ok(BTreeMap::from([("bootx64.efi".to_owned(), FileData::from_bytes(b"MZ".to_vec()))]))
        };
        let away = is_away.clone();
        let set = Set::packed("x64", &["bootx64.efi"], unpack, move || away.load(Ordering::Relaxed));
        (set, tries)
    }

    #[test]
    fn what_failed_while_the_medium_was_away_is_tried_again() {
        let is_away = Arc::new(AtomicBool::new(true));
        let (set, tries) = set(&is_away, false);
        assert!(set.failure().is_some_and(|failure| failure.may_pass));
        let file = set.file(b"bootx64.efi").unwrap();
        assert_eq!(file.data.source().absence(), Some(Absence::Gone), "who asks is to come back");
        is_away.store(false, Ordering::Relaxed);
        let is_there = |name: &[u8]| set.file(name).is_some_and(|file| !file.data.is_empty());
        assert!(set.failure().is_none() && is_there(b"BOOTX64.efi"));
        let until_now = tries.load(Ordering::Relaxed);
        // What is unpacked outlasts the medium.
        is_away.store(true, Ordering::Relaxed);
        assert!(set.failure().is_none() && is_there(b"bootx64.efi"));
        assert_eq!(tries.load(Ordering::Relaxed), until_now);
    }

    #[test]
    fn what_is_damaged_is_tried_once() {
        let (set, tries) = set(&Arc::new(AtomicBool::new(false)), true);
        assert!(
            set.failure().is_some()
                && set.failure().is_some_and(|it| !it.may_pass)
                && set.file(b"bootx64.efi").is_none()
        );
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }
}
