//! Files by their paths: an [`Index`] and the source of its bytes, whatever file system they are from.

use std::collections::HashSet;
use std::sync::Arc;

use super::cursor::offset_of;
use super::index::{Id, Index, Kind, ROOT};
use super::{Entry, Extent, File, FileData, FileTree, Node, ReadAt};
use crate::order;

/// How many directories a path may mean when case is ignored and there are several spellings.
const SPELLINGS: usize = 16;

/// All names of a file system, and what their extents point into.
pub(super) struct Indexed {
    pub(super) source: Arc<dyn ReadAt>,
    pub(super) index: Index,
}

impl Indexed {
    /// Calls `visit` with the path and entry of everything, each directory before what is in it. Links to directories
    /// are shown and not entered.
    pub(super) fn walk(&self, mut visit: impl FnMut(&[u8], &Entry)) {
        // Their paths are made when their turn comes: all at once they can be longer than the image.
        let mut directories = vec![ROOT];
        while let Some(directory) = directories.pop() {
            let (first, path) = (directories.len(), self.index.path(directory));
            for (id, entry) in self.entries(directory) {
                let mut path = path.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(&entry.name);
                visit(&path, &entry);
                if matches!(self.index.node(id).map(|node| node.kind), Some(Kind::Directory { .. })) {
                    directories.push(id);
                }
            }
            // The last one is taken first.
            directories.get_mut(first..).unwrap_or_default().reverse();
        }
    }

    /// The entries of a directory with their nodes, in the order of the index.
    fn entries(&self, directory: Id) -> impl Iterator<Item = (Id, Entry)> {
        let (first, children) = self.index.children(directory);
        (first..).zip(children).filter_map(|(id, child)| {
            let node = self.index.node(self.index.follow(id)?)?;
            let entry = Entry {
                name: self.index.name(child).to_vec(),
                is_directory: matches!(node.kind, Kind::Directory { .. }),
                len: self.index.len(node),
                modified: u64::from(node.modified),
            };
            Some((id, entry))
        })
    }

    /// The node at `path`, links followed.
    fn resolve(&self, path: &[u8]) -> Option<Id> {
        let mut at = ROOT;
        for name in components(path) {
            at = self.index.follow(self.index.child(at, name)?)?;
        }
        Some(at)
    }

    /// The node at `path` in any spelling, the exact one first. Where several directories differ in case only, all
    /// are looked into.
    fn resolve_any_case(&self, path: &[u8]) -> Option<Id> {
        if let Some(exact) = self.resolve(path) {
            return Some(exact);
        }
        let mut level = vec![ROOT];
        for name in components(path) {
            let mut next = Vec::new();
            let mut seen = HashSet::new();
            for directory in level {
                let exact = self.index.child(directory, name);
                let ids = exact.into_iter().chain(self.index.children_any_case(directory, name));
                for id in ids.filter_map(|id| self.index.follow(id)).take(SPELLINGS) {
                    if next.len() < SPELLINGS && seen.insert(id) {
                        next.push(id);
                    }
                }
            }
            level = next;
        }
        level.first().copied()
    }

    /// What others see of a node.
    fn to_node(&self, id: Id) -> Option<Node> {
        let node = self.index.node(id)?;
        let data = match node.kind {
            Kind::Directory { .. } => return Some(Node::Directory),
            Kind::File { block, len } => {
                let extent = Extent { offset: offset_of(block), len: u64::from(len) };
                FileData::new(Arc::clone(&self.source), [extent])
            }
            Kind::Long { first, count } => {
                FileData::new(Arc::clone(&self.source), self.index.extents_of(first, count))
            }
            _ => return None,
        };
        Some(Node::File(File { data, modified: u64::from(node.modified) }))
    }
}

impl FileTree for Indexed {
    fn find(&self, path: &[u8]) -> Option<Node> {
        self.to_node(self.resolve(path)?)
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.to_node(self.resolve_any_case(path)?)
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        let directory = self.resolve(path)?;
        let Kind::Directory { .. } = self.index.node(directory)?.kind else { return None };
        let mut entries: Vec<Entry> = self.entries(directory).map(|(_, entry)| entry).collect();
        order::by(&mut entries, |left, right| left.name.cmp(&right.name));
        Some(entries)
    }

    fn names(&self, path: &[u8], see: &mut dyn FnMut(&[u8])) {
        let Some(directory) = self.resolve(path) else { return };
        let (_, children) = self.index.children(directory);
        children.iter().for_each(|child| see(self.index.name(child)));
    }
}

/// The names in a path; none for the root.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').skip(usize::from(path.is_empty()))
}
