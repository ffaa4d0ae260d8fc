//! Reads all directories of a FAT file system into an index.

use std::collections::{HashSet, VecDeque};

use super::directory::{self, Found, Item};
use super::volume::{Root, Table, Volume};
use crate::image::error::{ImageError, Problem, Warnings};
use crate::image::index::{Id, Index, Kind, ROOT};
use crate::image::{Extent, FileData, limits};

/// Longest directory: 65,536 entries (specification, "FAT Directory Structure").
const MAX_DIRECTORY: u64 = 2 << 20;
/// Most pieces of one file: a stick that was written to for years has thousands.
const MAX_PIECES: usize = 1 << 16;

/// What was found.
pub(super) struct Walked {
    pub(super) index: Index,
    pub(super) warnings: Warnings,
    /// The label in the root directory.
    pub(super) label: Option<String>,
}

struct Walk<'a> {
    data: &'a FileData,
    volume: &'a Volume,
    table: Table,
    index: Index,
    warnings: Warnings,
    label: Option<String>,
    /// Directories to be read, with their depth and first cluster.
    pending: VecDeque<(Id, u32, u32)>,
    visited: HashSet<u32>,
    budget: u64,
}

/// Reads all directories.
pub(super) fn walk(data: &FileData, volume: &Volume) -> Result<Walked, ImageError> {
    let mut walk = Walk {
        data,
        volume,
        table: volume.table(data)?,
        index: Index::default(),
        warnings: Warnings::default(),
        label: None,
        pending: VecDeque::new(),
        visited: HashSet::new(),
        budget: limits::DIRECTORY_BYTES.min(data.len()),
    };
    walk.index.add(ROOT, b"", 0, Kind::Absent);
    let root = match volume.root {
        Root::Region { offset, len } => walk.region(offset, len)?,
        Root::Cluster(first) => {
            walk.visited.insert(first);
            walk.clusters(first)?.ok_or(ImageError::Damaged("its root directory is not there"))?
        }
    };
    walk.directory(ROOT, 0, &root)?;
    while let Some((id, depth, first)) = walk.pending.pop_front() {
        let bytes = walk.clusters(first)?;
        if bytes.is_none() {
            walk.warn(Problem::NotDirectory, id, None);
        }
        walk.directory(id, depth, &bytes.unwrap_or_default())?;
    }
    walk.index.shrink();
    Ok(Walked { index: walk.index, warnings: walk.warnings, label: walk.label })
}

impl Walk<'_> {
    fn warn(&mut self, problem: Problem, directory: Id, name: Option<&[u8]>) {
        let index = &self.index;
        self.warnings.add(problem, || match name {
            Some(name) => index.path_in(directory, name),
            None => index.path(directory),
        });
    }

    /// The root directory of FAT12 and FAT16.
    fn region(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, ImageError> {
        let mut bytes = vec![0; usize::try_from(len.min(MAX_DIRECTORY)).unwrap_or_default()];
        let count = self.data.read_at(&mut bytes, offset)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// The bytes of a directory that starts at a cluster, as far as its chain goes; `None` when that is no cluster.
    fn clusters(&mut self, first: u32) -> Result<Option<Vec<u8>>, ImageError> {
        let mut bytes = Vec::new();
        let mut next = Some(first);
        while let Some(cluster) = next {
            let Some(offset) = self.volume.offset(cluster) else { break };
            self.budget = self
                .budget
                .checked_sub(self.volume.cluster)
                .ok_or(ImageError::TooMuch("the directories of its FAT file system are larger than it"))?;
            let start = bytes.len();
            let len = usize::try_from(self.volume.cluster).unwrap_or_default();
            bytes.resize(start.saturating_add(len), 0);
            let count = self.data.read_at(bytes.get_mut(start..).unwrap_or_default(), offset)?;
            bytes.truncate(start.saturating_add(count));
            if count < len || bytes.len() as u64 >= MAX_DIRECTORY {
                break;
            }
            next = self.table.next(cluster)?;
        }
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Adds what is in a directory, and marks the directories in it as ones to be read.
    fn directory(&mut self, id: Id, depth: u32, bytes: &[u8]) -> Result<(), ImageError> {
        let first = u32::try_from(self.index.nodes.len()).unwrap_or(Id::MAX);
        let mut found = Vec::new();
        directory::read(bytes, |item| match item {
            Item::Entry(entry) => found.push(entry),
            // The one in the root is the volume's.
            Item::Label(label) if id == ROOT => self.label = Some(label),
            Item::Label(_) => {}
        });
        for entry in found {
            self.entry(id, depth, &entry)?;
        }
        let Self { index, warnings, .. } = self;
        let count = index.close(first, &mut |index, node| {
            warnings.add(Problem::Duplicate, || index.path_in(id, index.name(node)));
        });
        index.set(id, Kind::Directory { first, count });
        for child in first..first.saturating_add(count) {
            if let Some(Kind::Unread { block, .. }) = self.index.node(child).map(|node| node.kind) {
                self.pending.push_back((child, depth.saturating_add(1), block));
                self.index.set(child, Kind::Directory { first: 0, count: 0 });
            }
        }
        Ok(())
    }

    fn entry(&mut self, directory: Id, depth: u32, entry: &Found) -> Result<(), ImageError> {
        let name = entry.name.as_slice();
        let is_bad = matches!(name, b"" | b"." | b"..")
            || name.len() > limits::NAME
            || name.iter().any(|byte| matches!(byte, 0 | b'/'));
        if is_bad {
            self.warn(Problem::Name, directory, None);
            return Ok(());
        }
        let kind = if entry.is_directory {
            if depth >= limits::DEPTH {
                self.warn(Problem::Depth, directory, Some(name));
                return Ok(());
            }
            if !self.visited.insert(entry.cluster) {
                self.warn(Problem::Loop, directory, Some(name));
                return Ok(());
            }
            Kind::Unread { block: entry.cluster, len: 0 }
        } else {
            match self.pieces(entry)? {
                Some(kind) => kind,
                None => {
                    self.warn(Problem::Chain, directory, Some(name));
                    return Ok(());
                }
            }
        };
        self.index
            .add(directory, name, entry.modified, kind)
            .map(drop)
            .ok_or(ImageError::TooMuch("it has more files than any install image"))
    }

    /// Where the bytes of a file are; `None` when its chain is shorter than it, or leads out of the file system.
    fn pieces(&mut self, entry: &Found) -> Result<Option<Kind>, ImageError> {
        let mut extents: Vec<Extent> = Vec::new();
        let mut left = u64::from(entry.len);
        let mut next = Some(entry.cluster);
        while left > 0 {
            let Some(offset) = next.and_then(|cluster| self.volume.offset(cluster)) else { return Ok(None) };
            let len = left.min(self.volume.cluster);
            if self.data.locate(offset, len, &mut extents).is_none() || extents.len() > MAX_PIECES {
                return Ok(None);
            }
            left = left.saturating_sub(len);
            if left > 0 {
                next = self.table.next(next.unwrap_or_default())?;
            }
        }
        let first = u32::try_from(self.index.extents.len());
        let count = u32::try_from(extents.len());
        self.index.extents.extend(extents);
        Ok(first.ok().zip(count.ok()).map(|(first, count)| Kind::Long { first, count }))
    }
}
