//! A tree out of a fuzzer's bytes: what the checks of whole images look at.

use std::collections::BTreeMap;

use pxego::image::{Entry, File, FileData, FileTree, Node};

/// Most files of a tree: more of them find nothing.
const MAX_FILES: usize = 64;

/// Files by their paths, each component a name as an image may have it.
pub struct Files(BTreeMap<Vec<u8>, FileData>);

impl Files {
    /// A tree of these; of two with one path the later counts.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut tree = Self(BTreeMap::new());
        for (path, bytes) in files {
            // No name is both a file's and a directory's.
            let is_below = (0..path.len()).any(|at| path[at] == b'/' && tree.0.contains_key(&path[..at]));
            let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
            if path.split(|byte| *byte == b'/').all(is_name) && !is_below && !tree.has_below(path) {
                tree.0.insert(path.to_vec(), FileData::from_bytes(bytes.to_vec()));
            }
        }
        tree
    }

    /// A text, and a tree: each file begins with a line `--` and one that is its path.
    pub fn parse(data: &[u8]) -> (&[u8], Self) {
        let mark = b"\n--\n";
        let mut parts = Vec::new();
        let mut rest = data;
        while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
            parts.push(&rest[..at]);
            rest = &rest[at + mark.len()..];
        }
        parts.push(rest);
        let (first, files) = parts.split_first().expect("there is one");
        let files = files.iter().take(MAX_FILES).filter_map(|part| {
            let at = part.iter().position(|byte| *byte == b'\n')?;
            Some((&part[..at], &part[at + 1..]))
        });
        (first, Self::new(files))
    }

    /// Each component of `paths` in the spelling that is there.
    fn spelled(&self, path: &[u8]) -> Option<Vec<u8>> {
        let is_it = |other: &&Vec<u8>| {
            let head = other.get(..path.len()).is_some_and(|head| head.eq_ignore_ascii_case(path));
            head && matches!(other.get(path.len()), None | Some(b'/'))
        };
        self.0.keys().find(is_it).map(|other| other[..path.len()].to_vec())
    }

    /// The paths of the files below a directory, without it.
    fn below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a FileData)> {
        let rest = move |other: &'a [u8]| match path {
            b"" => Some(other),
            path => other.strip_prefix(path)?.strip_prefix(b"/"),
        };
        self.0.iter().filter_map(move |(other, data)| Some((rest(other)?, data)))
    }

    fn has_below(&self, path: &[u8]) -> bool {
        self.below(path).next().is_some()
    }
}

impl FileTree for Files {
    fn find(&self, path: &[u8]) -> Option<Node> {
        match self.0.get(path) {
            Some(data) => Some(Node::File(File { data: data.clone(), modified: 0 })),
            None => (path.is_empty() || self.has_below(path)).then_some(Node::Directory),
        }
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path).or_else(|| self.find(&self.spelled(path)?))
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        matches!(self.find(path)?, Node::Directory).then_some(())?;
        let mut entries = BTreeMap::new();
        for (rest, data) in self.below(path) {
            let mut parts = rest.splitn(2, |byte| *byte == b'/');
            let (name, is_directory) = (parts.next()?.to_vec(), parts.next().is_some());
            let len = if is_directory { 0 } else { data.len() };
            entries.insert(name.clone(), Entry { name, is_directory, len, modified: 0 });
        }
        Some(entries.into_values().collect())
    }
}
