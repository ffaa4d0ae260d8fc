//! Layouts of real images (`.treeinfo` of lorax and productmd, paths of osinfo-db), as trees in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod families;
pub(super) mod loaders;
mod recognise;

use std::collections::BTreeMap;

use crate::image::{Entry, File, FileData, FileTree, Node};

/// A tree in memory: paths and bytes. Directories are what the paths go through.
#[derive(Default)]
pub(super) struct MemoryTree {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryTree {
    /// Empty files at `paths`; those that end in `/` are directories.
    pub(super) fn of(paths: &[&str]) -> Self {
        paths.iter().fold(Self::default(), |tree, path| tree.with(path, b""))
    }

    pub(super) fn with(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.insert(path.to_owned(), bytes.to_vec());
        self
    }

    pub(super) fn without(mut self, path: &str) -> Self {
        assert!(self.files.remove(path).is_some(), "{path}");
        self
    }

    fn file(bytes: &[u8]) -> File {
        File { data: FileData::from_bytes(bytes.to_vec()), modified: 0 }
    }
}

impl FileTree for MemoryTree {
    fn find(&self, path: &[u8]) -> Option<Node> {
        let path = std::str::from_utf8(path).ok()?;
        if let Some(bytes) = self.files.get(path) {
            return Some(Node::File(Self::file(bytes)));
        }
        let inside = format!("{path}/");
        let is_directory = path.is_empty() || self.files.keys().any(|name| name.starts_with(&inside));
        is_directory.then_some(Node::Directory)
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path).or_else(|| {
            let same = |name: &&String| name.as_bytes().eq_ignore_ascii_case(path);
            self.files.keys().find(same).and_then(|name| self.find(name.as_bytes()))
        })
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        if !matches!(self.find(path)?, Node::Directory) {
            return None;
        }
        let inside =
            if path.is_empty() { String::new() } else { format!("{}/", std::str::from_utf8(path).ok()?) };
        let mut entries = BTreeMap::new();
        for (name, bytes) in &self.files {
            let Some(rest) = name.strip_prefix(&inside).filter(|rest| !rest.is_empty()) else { continue };
            let (first, is_directory) =
                rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
            let len = if is_directory { 0 } else { bytes.len() as u64 };
            entries.insert(
                first.as_bytes().to_vec(),
                Entry { name: first.as_bytes().to_vec(), is_directory, len, modified: 0 },
            );
        }
        Some(entries.into_values().collect())
    }
}
