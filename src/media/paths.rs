//! Questions about paths of a tree.

use super::treeinfo::Treeinfo;
use crate::image::{FileTree, Node};
use crate::order;
use crate::package::FileName;

/// Most directories that are searched for packages: three variants with a directory for each letter are 81.
const MAX_DIRECTORIES: usize = 500;

/// Longest text file of an image that is read whole, in bytes.
const MAX_TEXT: u64 = super::treeinfo::MAX_LEN;

/// The first path, in order, at which `pattern` finds something. A `*` stands for any letters of the last component.
pub(super) fn find(tree: &dyn FileTree, pattern: &str) -> Option<String> {
    let Some((before, after)) = pattern.split_once('*') else {
        return tree.find(pattern.as_bytes()).map(|_| pattern.to_owned());
    };
    let (directory, head) = before.rsplit_once('/').unwrap_or(("", before));
    let entries = tree.list(directory.as_bytes())?;
    let is_match = |name: &&String| {
        name.strip_prefix(head).is_some_and(|rest| rest.ends_with(after)) && !name.starts_with('.')
    };
    let names: Vec<String> =
        entries.into_iter().filter_map(|entry| String::from_utf8(entry.name).ok()).collect();
    names.iter().find(is_match).map(|name| join(directory, name))
}

/// The first of `patterns` that leads to a file.
pub(super) fn first_file(tree: &dyn FileTree, patterns: &[&str]) -> Option<String> {
    patterns.iter().filter_map(|pattern| find(tree, pattern)).find(|path| is_file(tree, path))
}

/// Whether a file stands at `path`.
pub(super) fn is_file(tree: &dyn FileTree, path: &str) -> bool {
    matches!(tree.find(path.as_bytes()), Some(Node::File(_)))
}

/// `path` as the image spells it, upper and lower case taken as equal.
pub(super) fn spelled(tree: &dyn FileTree, path: &str) -> Option<String> {
    let mut found = String::new();
    for part in path.split('/') {
        let exact = join(&found, part);
        if tree.find(exact.as_bytes()).is_some() {
            found = exact;
            continue;
        }
        let entries = tree.list(found.as_bytes())?;
        let entry = entries.into_iter().find(|entry| entry.name.eq_ignore_ascii_case(part.as_bytes()))?;
        found = join(&found, &String::from_utf8(entry.name).ok()?);
    }
    Some(found)
}

/// The names in a directory; empty when there is none.
pub(super) fn names(tree: &dyn FileTree, directory: &str) -> Vec<String> {
    let entries = tree.list(directory.as_bytes()).unwrap_or_default();
    let name = |bytes| {
        String::from_utf8(bytes).unwrap_or_else(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
    };
    entries.into_iter().map(|entry| name(entry.name)).collect()
}

/// The file names in a directory of the packages that have one of these names. Of tens of thousands of others no copy is
/// made, and no more than the first letters looked at.
pub(super) fn packages(tree: &dyn FileTree, directory: &str, names: &[&str]) -> Vec<String> {
    let mut wanted = Vec::new();
    tree.names(directory.as_bytes(), &mut |file| {
        let is_first = |name: &&str| name.as_bytes().first() == file.first();
        if !names.iter().any(|name| is_first(name) && file.starts_with(name.as_bytes())) {
            return;
        }
        let Ok(file) = std::str::from_utf8(file) else { return };
        if FileName::parse(file).is_some_and(|it| names.contains(&it.name)) {
            wanted.push(file.to_owned());
        }
    });
    order::by(&mut wanted, Ord::cmp);
    wanted
}

/// The bytes of a text file; `None` when there is none, when it is too long for one or cannot be read.
pub(super) fn read_text(tree: &dyn FileTree, path: &str) -> Option<Vec<u8>> {
    tree.file(path.as_bytes())?.data.read_all(MAX_TEXT).ok()
}

/// `directory` and `name` as one path; the root is the empty one.
pub(super) fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
}

/// Directories that hold packages, on one release or another (lorax, Pungi, and the EL5 trees).
const PACKAGE_DIRECTORIES: &[&str] = &[
    "Packages",
    "BaseOS/Packages",
    "AppStream/Packages",
    "Minimal/Packages",
    "CentOS",
    "Server",
    "Client",
    "Workstation",
    "SL",
];

/// The directories of this tree that hold packages: those of `.treeinfo` and the known ones, each followed by its
/// subdirectories of one letter, as Fedora has them.
pub(super) fn package_directories(tree: &dyn FileTree, treeinfo: Option<&Treeinfo>) -> Vec<String> {
    let told = treeinfo.map(Treeinfo::package_directories).unwrap_or_default();
    let known = PACKAGE_DIRECTORIES.iter().map(|path| (*path).to_owned());
    let mut directories: Vec<String> = Vec::new();
    for directory in told.into_iter().chain(known) {
        if !directory.is_empty() && !directories.contains(&directory) && is_directory(tree, &directory) {
            let letters = ('a'..='z').map(|letter| format!("{directory}/{letter}"));
            let letters: Vec<String> = letters.filter(|path| is_directory(tree, path)).collect();
            directories.push(directory);
            directories.extend(letters);
        }
    }
    directories.truncate(MAX_DIRECTORIES);
    directories
}

/// Whether a directory stands at `path`.
fn is_directory(tree: &dyn FileTree, path: &str) -> bool {
    matches!(tree.find(path.as_bytes()), Some(Node::Directory))
}
