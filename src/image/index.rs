//! The index: every name of an image, found in a few hundred nanoseconds.
//!
//! One arena holds all names, one table all nodes. The children of a directory stand side by side, in the order of
//! [`compare`]; so one binary search finds a name, and the names that differ from it in case only are its
//! neighbours.

use std::cmp::Ordering;

use super::{Extent, limits};

/// The number of a node in the table.
pub(super) type Id = u32;

/// The root directory.
pub(super) const ROOT: Id = 0;

/// A file, directory or link: 28 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The directory it stands in; the root is its own.
    pub(super) parent: Id,
    /// Change time in seconds since 1970; 0 when unknown.
    pub(super) modified: u32,
    /// What it is.
    pub(super) kind: Kind,
    name_start: u32,
    name_len: u16,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory and where its children stand in the table.
    Directory { first: Id, count: u32 },
    /// A directory that has not been read yet. Length 0: as long as its own record says.
    Unread { block: u32, len: u32 },
    /// A file of one extent.
    File { block: u32, len: u32 },
    /// A file of several extents, and where they stand in the list of extents.
    Long { first: u32, count: u32 },
    /// A symbolic link, by what it leads to: never a link.
    Link { target: Id },
    /// A symbolic link not followed yet: its place in the list of targets, which stays when children are sorted.
    Unresolved { link: u32 },
    /// Something left out after its place was given.
    Absent,
}

/// The tables.
#[derive(Default)]
pub(super) struct Index {
    pub(super) nodes: Vec<Node>,
    pub(super) extents: Vec<Extent>,
    names: Vec<u8>,
}

impl Index {
    /// Adds a node at the end of the table; `None` when the index is full.
    pub(super) fn add(&mut self, parent: Id, name: &[u8], modified: u32, kind: Kind) -> Option<Id> {
        let id = u32::try_from(self.nodes.len()).ok()?;
        let name_start = u32::try_from(self.names.len()).ok()?;
        let name_len = u16::try_from(name.len()).ok()?;
        if self.nodes.len() >= limits::NODES {
            return None;
        }
        self.names.extend_from_slice(name);
        self.nodes.push(Node { parent, modified, kind, name_start, name_len });
        Some(id)
    }

    /// Sorts what was added from `first` on, the children of one directory. Calls `drop` for each name that was
    /// already there and removes it; returns how many are left.
    pub(super) fn close(&mut self, first: Id, drop: &mut dyn FnMut(&Self, &Node)) -> u32 {
        let start = first as usize;
        let mut children = self.nodes.split_off(start.min(self.nodes.len()));
        // Stable: of two equal names the first one on the image stays.
        children.sort_by(|left, right| compare(self.name(left), self.name(right)));
        let mut last: Option<Node> = None;
        children.retain(|node| {
            let is_new = last.is_none_or(|last| self.name(&last) != self.name(node));
            if is_new {
                last = Some(*node);
            } else {
                drop(self, node);
            }
            is_new
        });
        self.nodes.append(&mut children);
        u32::try_from(self.nodes.len().saturating_sub(start)).unwrap_or(u32::MAX)
    }

    /// Gives back memory that growing left over.
    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        self.extents.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// The node of that number.
    pub(super) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// Changes what a node is.
    pub(super) fn set(&mut self, id: Id, kind: Kind) {
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.kind = kind;
        }
    }

    /// The name of a node.
    pub(super) fn name(&self, node: &Node) -> &[u8] {
        let start = node.name_start as usize;
        self.names.get(start..start.saturating_add(usize::from(node.name_len))).unwrap_or_default()
    }

    /// The number and nodes of a directory's children; none for a file.
    pub(super) fn children(&self, directory: Id) -> (Id, &[Node]) {
        match self.node(directory).map(|node| node.kind) {
            Some(Kind::Directory { first, count }) => {
                let start = first as usize;
                (first, self.nodes.get(start..start.saturating_add(count as usize)).unwrap_or_default())
            }
            _ => (0, &[]),
        }
    }

    /// The child of that name, links not followed.
    pub(super) fn child(&self, directory: Id, name: &[u8]) -> Option<Id> {
        let (first, children) = self.children(directory);
        let at = children.binary_search_by(|node| compare(self.name(node), name)).ok()?;
        first.checked_add(u32::try_from(at).ok()?)
    }

    /// The children whose names are equal to `name` but for case, links not followed.
    pub(super) fn children_any_case(&self, directory: Id, name: &[u8]) -> impl Iterator<Item = Id> {
        let (first, children) = self.children(directory);
        let start = children.partition_point(|node| compare_any_case(self.name(node), name).is_lt());
        let count = children
            .get(start..)
            .unwrap_or_default()
            .iter()
            .take_while(|node| self.name(node).eq_ignore_ascii_case(name))
            .count();
        (start..start.saturating_add(count)).filter_map(move |at| first.checked_add(u32::try_from(at).ok()?))
    }

    /// What a node is in the end: links followed, `None` for what is left out.
    pub(super) fn follow(&self, id: Id) -> Option<Id> {
        match self.node(id)?.kind {
            Kind::Link { target } => Some(target),
            Kind::Absent | Kind::Unresolved { .. } => None,
            _ => Some(id),
        }
    }

    /// Length of a file in bytes; 0 for anything else.
    pub(super) fn len(&self, node: &Node) -> u64 {
        match node.kind {
            Kind::File { len, .. } => u64::from(len),
            Kind::Long { first, count } => {
                self.extents_of(first, count).iter().fold(0, |sum, extent| extent.len.saturating_add(sum))
            }
            _ => 0,
        }
    }

    /// The extents of a file of several.
    pub(super) fn extents_of(&self, first: u32, count: u32) -> &[Extent] {
        let start = first as usize;
        self.extents.get(start..start.saturating_add(count as usize)).unwrap_or_default()
    }

    /// The path of what is called `name` in a directory.
    pub(super) fn path_in(&self, directory: Id, name: &[u8]) -> Vec<u8> {
        let mut path = self.path(directory);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    /// The path of a node from the root.
    pub(super) fn path(&self, id: Id) -> Vec<u8> {
        let mut names = Vec::new();
        let mut id = id;
        while id != ROOT
            && let Some(node) = self.node(id)
            && names.len() <= limits::DEPTH as usize
        {
            names.push(self.name(node));
            id = node.parent;
        }
        names.reverse();
        names.join(&b'/')
    }
}

/// The order of the children of a directory: first without regard to case, then with.
fn compare(left: &[u8], right: &[u8]) -> Ordering {
    compare_any_case(left, right).then_with(|| left.cmp(right))
}

/// The order without regard to case (ASCII).
fn compare_any_case(left: &[u8], right: &[u8]) -> Ordering {
    // Neighbours begin alike, most of them in the same case: that is passed over eight letters at a time.
    let (eights, others) = (left.as_chunks::<8>().0, right.as_chunks::<8>().0);
    let alike = eights
        .iter()
        .zip(others)
        // As numbers: for arrays a function is called.
        .take_while(|(left, right)| u64::from_ne_bytes(**left) == u64::from_ne_bytes(**right))
        .count()
        .saturating_mul(8);
    let (left, right) = (left.get(alike..).unwrap_or_default(), right.get(alike..).unwrap_or_default());
    match left.iter().zip(right).find(|(left, right)| left != right && !left.eq_ignore_ascii_case(right)) {
        Some((left, right)) => left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()),
        None => left.len().cmp(&right.len()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn index(names: &[&[u8]]) -> Index {
        let mut index = Index::default();
        index.add(ROOT, b"", 0, Kind::Absent).unwrap();
        for (at, name) in (0..).zip(names) {
            index.add(ROOT, name, at, Kind::File { block: 0, len: 0 }).unwrap();
        }
        let count = index.close(1, &mut |_, _| {});
        index.set(ROOT, Kind::Directory { first: 1, count });
        index
    }

    #[test]
    fn names_are_found_exactly_and_in_any_case() {
        let index = index(&[b"b", b"README", b"readme", b"Readme", b"a", b"readmf", b"R\xc3\x84", b"r"]);
        for name in [b"README".as_slice(), b"readme", b"Readme", b"a", b"b", b"R\xc3\x84"] {
            let id = index.child(ROOT, name).unwrap();
            assert_eq!(index.name(index.node(id).unwrap()), name);
        }
        assert_eq!(index.child(ROOT, b"ReadMe"), None);
        assert_eq!(index.children_any_case(ROOT, b"ReadMe").count(), 3);
        assert_eq!(index.children_any_case(ROOT, b"r\xc3\xa4").count(), 0, "only ASCII has cases");
        assert_eq!(index.children_any_case(ROOT, b"zzz").count(), 0);
    }

    #[test]
    fn of_two_equal_names_the_first_stays() {
        let index = index(&[b"x", b"x", b"X", b"x"]);
        assert_eq!(index.children(ROOT).1.len(), 2);
        assert_eq!(index.node(index.child(ROOT, b"x").unwrap()).unwrap().modified, 0);
    }
}
