//! A folder of this computer as a tree, read anew at every look: what changes in it while it is served is served changed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::{Entry, Extent, File, FileData, FileTree, ImageFile, Node, ReadAt};

/// A folder. Symbolic links are followed as long as they stay in it; one that leads out is as good as not there, and so
/// is everything but files and folders: a pipe would make a transfer wait for a writer.
#[derive(Clone, Debug)]
pub struct FolderTree {
    /// Without symbolic links.
    root: PathBuf,
}

impl FolderTree {
    /// The folder at `path`.
    ///
    /// # Errors
    /// What `realpath(3)` or `opendir(3)` say; `NotADirectory` for anything else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        fs::read_dir(&root)?;
        Ok(Self { root })
    }

    /// Where `path` of the tree is on this computer, links resolved; only when that is inside the folder.
    fn locate(&self, path: &[u8]) -> Option<PathBuf> {
        let mut place = self.root.clone();
        for name in path.split(|byte| *byte == b'/').filter(|_| !path.is_empty()) {
            // The names come from clients. They are normalised long before; here none can lead anywhere else either way.
            if !is_name(name) {
                return None;
            }
            place.push(OsStr::from_bytes(name));
        }
        let place = fs::canonicalize(place).ok()?;
        place.starts_with(&self.root).then_some(place)
    }

    /// `path` as the folder spells it, upper and lower case taken as equal where the exact spelling is not there.
    fn spelled(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut found: Vec<u8> = Vec::new();
        for name in path.split(|byte| *byte == b'/') {
            if !is_name(name) {
                return None;
            }
            let exact = join(&found, name);
            if self.locate(&exact).is_some() {
                found = exact;
                continue;
            }
            let names = fs::read_dir(self.locate(&found)?).ok()?.filter_map(Result::ok);
            let mut names = names.map(|entry| entry.file_name().into_vec());
            let name = names.find(|other| other.eq_ignore_ascii_case(name))?;
            found = join(&found, &name);
        }
        Some(found)
    }
}

impl FileTree for FolderTree {
    fn find(&self, path: &[u8]) -> Option<Node> {
        let place = self.locate(path)?;
        let metadata = fs::metadata(&place).ok()?;
        if metadata.is_dir() {
            return Some(Node::Directory);
        }
        if !metadata.is_file() {
            return None;
        }
        // Its own length is that of the moment it was opened.
        let file = ImageFile::open(&place).ok()?;
        let extent = Extent { offset: 0, len: file.len() };
        let data = FileData::new(Arc::new(file), [extent]);
        Some(Node::File(File { data, modified: modified(&metadata) }))
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path).or_else(|| self.find(&self.spelled(path)?))
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        let names = fs::read_dir(self.locate(path)?).ok()?.filter_map(Result::ok);
        let entry = |name: Vec<u8>| {
            let metadata = fs::metadata(self.locate(&join(path, &name))?).ok()?;
            let is_directory = metadata.is_dir();
            let is_shown = is_directory || metadata.is_file();
            let len = if is_directory { 0 } else { metadata.len() };
            is_shown.then(|| Entry { name, is_directory, len, modified: modified(&metadata) })
        };
        let mut entries: Vec<Entry> = names.filter_map(|it| entry(it.file_name().into_vec())).collect();
        crate::order::by(&mut entries, |left, right| left.name.cmp(&right.name));
        Some(entries)
    }
}

/// Whether it can be the name of something in a folder.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&0)
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// When it was last changed, in seconds since 1970.
fn modified(metadata: &fs::Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("pxego-folder-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("served/images")).unwrap();
        path
    }

    fn text(tree: &FolderTree, path: &str) -> Option<String> {
        Some(String::from_utf8(tree.file(path.as_bytes())?.data.read_all(100).unwrap()).unwrap())
    }

    #[test]
    fn what_changes_while_it_is_served_is_served_changed() {
        let scratch = scratch("changes");
        let file = scratch.join("served/images/updates.img");
        let tree = FolderTree::open(&scratch.join("served")).unwrap();
        assert_eq!(text(&tree, "images/updates.img"), None);
        fs::write(&file, "one").unwrap();
        assert_eq!(text(&tree, "images/updates.img").as_deref(), Some("one"));
        fs::write(&file, "three").unwrap();
        assert_eq!(text(&tree, "images/updates.img").as_deref(), Some("three"));
        assert!(matches!(tree.find_any_case(b"IMAGES/Updates.img"), Some(Node::File(_))));
        let names = |path: &[u8]| -> Vec<Vec<u8>> {
            tree.list(path).unwrap().into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!((names(b""), names(b"images")), (vec![b"images".to_vec()], vec![b"updates.img".to_vec()]));
        fs::remove_file(&file).unwrap();
        assert_eq!(text(&tree, "images/updates.img"), None);
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn s08_nothing_outside_of_the_folder_is_reached() {
        let scratch = scratch("outside");
        fs::write(scratch.join("secret"), "secret").unwrap();
        fs::write(scratch.join("served/images/a"), "a").unwrap();
        let link = |target: &str, name: &str| symlink(target, scratch.join("served").join(name)).unwrap();
        link("../secret", "out");
        link("/etc", "etc");
        link("images/a", "inside");
        link("images", "more");
        link("loop", "loop");
        // A folder whose name begins like the served one's is another one.
        fs::create_dir(scratch.join("served-not")).unwrap();
        fs::write(scratch.join("served-not/b"), "b").unwrap();
        link("../served-not", "near");
        let tree = FolderTree::open(&scratch.join("served")).unwrap();
        for path in [
            "out",
            "etc/passwd",
            "../secret",
            "images/../../secret",
            "near/b",
            "loop",
            "images//a",
            "a\0b",
            "/",
        ] {
            assert!(tree.find(path.as_bytes()).is_none(), "{path}");
            assert!(tree.find_any_case(path.as_bytes()).is_none(), "{path}");
        }
        for path in ["inside", "more/a", "images/a"] {
            assert_eq!(text(&tree, path).as_deref(), Some("a"), "{path}");
        }
        let names: Vec<Vec<u8>> = tree.list(b"").unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, [b"images".to_vec(), b"inside".to_vec(), b"more".to_vec()]);
        fs::remove_dir_all(scratch).unwrap();
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let scratch = scratch("pipe");
        let made = std::process::Command::new("mkfifo").arg(scratch.join("served/pipe")).status().unwrap();
        assert!(made.success());
        let tree = FolderTree::open(&scratch.join("served")).unwrap();
        assert!(tree.find(b"pipe").is_none());
        assert_eq!(tree.list(b"").unwrap().len(), 1);
        assert!(FolderTree::open(&scratch.join("served/pipe")).is_err());
        fs::remove_dir_all(scratch).unwrap();
    }
}
