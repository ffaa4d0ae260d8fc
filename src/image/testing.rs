//! A tree for tests: a list of paths.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::{Entry, File, FileData, FileTree, Node};

/// Files by their paths; there are the directories that these need.
pub(crate) struct Paths(BTreeMap<Vec<u8>, Vec<u8>>);

impl Paths {
    /// Files that each hold their own path.
    pub(crate) fn new(paths: &[&str]) -> Self {
        Self(paths.iter().map(|path| (path.as_bytes().to_vec(), path.as_bytes().to_vec())).collect())
    }

    /// Files with these texts.
    pub(crate) fn with_texts(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (path.as_bytes().to_vec(), text.as_bytes().to_vec())).collect())
    }
}

impl FileTree for Paths {
    fn find(&self, path: &[u8]) -> Option<Node> {
        if let Some(bytes) = self.0.get(path) {
            return Some(Node::File(File { data: FileData::from_bytes(bytes.clone()), modified: 1 }));
        }
        self.list(path).map(|_| Node::Directory)
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path).or_else(|| {
            let directories = self.0.keys().flat_map(|it| {
                it.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| it.get(..at).unwrap())
            });
            let mut all = self.0.keys().map(Vec::as_slice).chain(directories);
            all.find(|it| it.eq_ignore_ascii_case(path)).and_then(|it| self.find(it))
        })
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        for (file, bytes) in &self.0 {
            let Some(rest) = file.strip_prefix(&*prefix) else { continue };
            let mut parts = rest.splitn(2, |byte| *byte == b'/');
            let (name, is_directory) = (parts.next().unwrap().to_vec(), parts.next().is_some());
            let len = if is_directory { 0 } else { bytes.len() as u64 };
            entries.entry(name.clone()).or_insert(Entry { name, is_directory, len, modified: 1 });
        }
        (!entries.is_empty()).then(|| entries.into_values().collect())
    }
}
