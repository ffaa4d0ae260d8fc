//! An open ISO 9660 image.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::cursor::offset_of;
use super::error::{ImageError, Problem, Warning};
use super::index::{Id, Index, Kind, ROOT};
use super::volume::Volume;
use super::walk::{Walked, walk};
use super::{Entry, Extent, File, FileData, FileTree, Node, ReadAt, limits, links};

/// How many directories a path may mean when case is ignored and there are several spellings.
const SPELLINGS: usize = 16;

/// An ISO 9660 image: an index of all its files, held in memory, and the source of their bytes.
///
/// Names are those of Rock Ridge where the image has it, else those of Joliet, else the plain ones in lower case.
/// Directories moved by Rock Ridge stand where they belong. Symbolic links are listed as what they lead to, and
/// left out when they lead nowhere. A link may lead to a directory above itself (Debian has `debian -> .`): who
/// walks the tree uses [`IsoImage::walk`], which does not enter links.
///
/// Left out on purpose: other block sizes than 2,048, interleaved files, devices, and the decompression of zisofs.
/// Never panics on any input, and reads no more than a small multiple of what the directories hold: see
/// `tests/fuzz/checks/iso.rs`.
pub struct IsoImage {
    source: Arc<dyn ReadAt>,
    index: Index,
    volume_id: String,
    boot_catalog: Option<u64>,
    entry_count: usize,
    warnings: Vec<Warning>,
}

impl IsoImage {
    /// Reads the volume descriptors and all directories.
    ///
    /// # Errors
    /// When the file is something else, is cut short, or is damaged beyond use: see [`ImageError`].
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self, ImageError> {
        let volume = Volume::read(source.as_ref())?;
        let (expected, found) = (volume.space, source.len());
        let missing = expected.saturating_sub(found);
        if missing > limits::PADDING {
            return Err(ImageError::CutShort { expected, found });
        }
        let Walked { mut index, mut warnings, links } = walk(source.as_ref(), &volume).map_err(|error| {
            // The descriptor says how long the whole image is; the file that ends last need not be the last one.
            match error {
                ImageError::BeyondEnd { expected: end, .. } if end <= expected => {
                    ImageError::CutShort { expected, found }
                }
                other => other,
            }
        })?;
        links::resolve(&mut index, &links, &mut warnings);
        let entry_count =
            (1_u32..).zip(index.nodes.iter().skip(1)).filter(|(id, _)| index.follow(*id).is_some()).count();
        if volume.has_udf && entry_count <= 1 {
            return Err(ImageError::UdfOnly);
        }
        if missing > 0 {
            warnings.add(Problem::Padding(missing), Vec::new);
        }
        Ok(Self {
            source,
            index,
            volume_id: volume.id,
            boot_catalog: volume.boot_catalog.map(offset_of),
            entry_count,
            warnings: warnings.into_vec(),
        })
    }

    /// The volume identifier without its padding, as in `hd:LABEL=`; what is not UTF-8 in it is replaced.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// Length of the image file in bytes.
    pub fn len(&self) -> u64 {
        self.source.len()
    }

    /// Whether the image file has no bytes: never, or it would not be open.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// How many files, directories and links that lead somewhere there are, without the root.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// What is odd about the image; at most a hundred, the last of which then says how many more there were.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the El Torito boot catalog starts, in bytes, if the image has one. Not checked.
    pub fn boot_catalog(&self) -> Option<u64> {
        self.boot_catalog
    }

    /// Calls `visit` with the path and entry of everything on the image, each directory before what is in it.
    /// Links to directories are shown and not entered.
    pub fn walk(&self, mut visit: impl FnMut(&[u8], &Entry)) {
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

impl FileTree for IsoImage {
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
        entries.sort_unstable_by(|left, right| left.name.cmp(&right.name));
        Some(entries)
    }
}

impl fmt::Debug for IsoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsoImage")
            .field("volume_id", &self.volume_id)
            .field("len", &self.len())
            .field("entry_count", &self.entry_count)
            .finish_non_exhaustive()
    }
}

/// The names in a path; none for the root.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').skip(usize::from(path.is_empty()))
}
