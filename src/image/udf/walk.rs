//! Reads all directories of a UDF file system into an index.
//!
//! Every entry is read once, however many names it has; directories in the order they lie on the image. Nothing recurses.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::Udf;
use super::descriptor::{Address, Allocation, Kind as Bytes, name, tag, tag_of, time};
use super::volume::Volume;
use crate::image::cursor::{Window, byte, le16, le32, le64, part};
use crate::image::error::{ImageError, Problem, Warnings};
use crate::image::index::{Id, Index, Kind, ROOT};
use crate::image::{Extent, ReadAt, limits};

/// Entries lie side by side on most images: so much is read at a time.
const WINDOW: usize = 64 << 10;
/// Most pieces of one file. An extent has 1 GiB at most.
const MAX_PIECES: usize = 1 << 16;

/// A file's or directory's entry (4/14.9, 4/14.17), as far as it matters.
#[derive(Clone, Debug)]
struct FileEntry {
    is_directory: bool,
    is_file: bool,
    len: u64,
    modified: u32,
    extents: Vec<Extent>,
    /// Whether all of its bytes are on the image.
    is_whole: bool,
}

/// What a name leads to.
#[derive(Clone, Copy)]
enum Seen {
    File {
        first: u32,
        count: u32,
        modified: u32,
    },
    Directory,
    /// A device or a symbolic link.
    Other,
    Broken,
}

/// A directory to be read; ordered by its place on the image.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    at: u64,
    id: Id,
    depth: u32,
    extents: Vec<(u64, u64)>,
    len: u64,
}

struct Walk<'a> {
    source: &'a dyn ReadAt,
    volume: Volume,
    index: Index,
    warnings: Warnings,
    window: Window,
    pending: BinaryHeap<Reverse<Pending>>,
    seen: HashMap<u64, Seen>,
    budget: u64,
    /// Directories found while one is read, by the number of their node before it is sorted.
    found: HashMap<u32, Pending>,
    /// What ends last of what ends beyond the image.
    furthest: Option<(u64, Id, Vec<u8>)>,
}

/// Reads all directories of `volume`.
pub(super) fn walk(source: &dyn ReadAt, volume: Volume) -> Result<Udf, ImageError> {
    let label = volume.label.clone();
    let root = volume.root;
    let mut walk = Walk {
        source,
        volume,
        index: Index::default(),
        warnings: Warnings::default(),
        window: Window::new(WINDOW),
        pending: BinaryHeap::new(),
        seen: HashMap::new(),
        budget: limits::DIRECTORY_BYTES.min(source.len()),
        found: HashMap::new(),
        furthest: None,
    };
    walk.index.add(ROOT, b"", 0, Kind::Absent);
    let nothing = ImageError::Damaged("its UDF root directory is not there");
    let entry = walk.entry(root)?.filter(|(_, entry)| entry.is_directory);
    let (at, entry) = entry.ok_or(nothing)?;
    walk.seen.insert(at, Seen::Directory);
    walk.pending.push(Reverse(pending(at, ROOT, 0, &entry)));
    while let Some(Reverse(next)) = walk.pending.pop() {
        walk.directory(&next)?;
    }
    if let Some((expected, parent, name)) = walk.furthest {
        let path = walk.index.path_in(parent, &name);
        return Err(ImageError::BeyondEnd { path, expected, found: source.len() });
    }
    walk.index.shrink();
    Ok(Udf { index: walk.index, warnings: walk.warnings, label })
}

fn pending(at: u64, id: Id, depth: u32, entry: &FileEntry) -> Pending {
    let extents = entry.extents.iter().map(|extent| (extent.offset, extent.len)).collect();
    Pending { at, id, depth, extents, len: entry.len }
}

impl Walk<'_> {
    /// Reads the entry at an address, and where that is; `None` when there is none.
    fn entry(&mut self, at: Address) -> Result<Option<(u64, FileEntry)>, ImageError> {
        let Some(offset) = self.volume.offset(at) else { return Ok(None) };
        let len = usize::try_from(self.volume.block).unwrap_or_default();
        if offset.saturating_add(self.volume.block) > self.source.len() {
            return Ok(None);
        }
        self.window.fill(self.source, offset, len)?;
        let bytes = self.window.held(offset, len).unwrap_or_default().to_vec();
        let entry = self.parse(&bytes, offset, at.map)?;
        Ok(entry.map(|entry| (offset, entry)))
    }

    fn parse(&mut self, entry: &[u8], offset: u64, map: u16) -> Result<Option<FileEntry>, ImageError> {
        let (head, lengths, modified) = match tag_of(entry) {
            Some(tag::FILE_ENTRY) => (176_usize, 168_usize, 84_usize),
            Some(tag::EXTENDED_FILE_ENTRY) => (216, 208, 92),
            _ => return Ok(None),
        };
        let numbers = || {
            let attributes = usize::try_from(le32(entry, lengths)?).ok()?;
            let start = head.checked_add(attributes)?;
            let len = usize::try_from(le32(entry, lengths.checked_add(4)?)?).ok()?;
            Some((start, len, le64(entry, 56)?, byte(entry, 27)?, le16(entry, 34)? & 7))
        };
        let Some((start, allocated, len, kind, form)) = numbers() else { return Ok(None) };
        let Some(allocations) = part(entry, start, allocated) else { return Ok(None) };
        let mut found = FileEntry {
            is_directory: kind == 4,
            // 0 was written by some for a file; 249 is one that is recorded for playing (UDF 2.3.5.2).
            is_file: matches!(kind, 0 | 5 | 249),
            len,
            modified: part(entry, modified, 12).map(time).unwrap_or_default(),
            extents: Vec::new(),
            is_whole: true,
        };
        if form == 3 {
            let at = u64::try_from(start).ok().and_then(|start| offset.checked_add(start));
            found.is_whole = at.is_some() && len <= allocations.len() as u64;
            if let Some(offset) = at.filter(|_| len > 0) {
                found.extents.push(Extent { offset, len });
            }
            return Ok(Some(found));
        }
        let bytes = allocations.to_vec();
        found.is_whole = self.pieces(bytes, form, map, len, &mut found.extents)?;
        Ok(Some(found))
    }

    /// Where the bytes of a file are; whether these are all.
    fn pieces(
        &mut self,
        allocations: Vec<u8>,
        form: u16,
        map: u16,
        len: u64,
        extents: &mut Vec<Extent>,
    ) -> Result<bool, ImageError> {
        let width = match form {
            0 => 8_usize,
            1 => 16,
            _ => return Ok(false),
        };
        let mut left = len;
        let mut bytes = allocations;
        loop {
            let mut next = None;
            for one in bytes.chunks_exact(width) {
                let read = if form == 0 { Allocation::short(one, map) } else { Allocation::long(one) };
                let Some(allocation) = read.filter(|it| it.len > 0 && left > 0) else { break };
                match allocation.kind {
                    Bytes::Hole => return Ok(false),
                    Bytes::Continuation => {
                        next = Some(allocation.at);
                        break;
                    }
                    Bytes::Recorded => {}
                }
                let len = left.min(allocation.len.into());
                if self.volume.locate(allocation.at, len, extents).is_none() || extents.len() > MAX_PIECES {
                    return Ok(false);
                }
                left = left.saturating_sub(len);
            }
            let Some(at) = next else { return Ok(left == 0) };
            // Every extent of them costs its block, so a circle ends.
            self.budget = self
                .budget
                .checked_sub(self.volume.block)
                .ok_or(ImageError::TooMuch("its UDF entries have more parts than it has blocks"))?;
            let Some(block) = self.volume.read_block(self.source, at)? else { return Ok(false) };
            if tag_of(&block) != Some(tag::ALLOCATION_EXTENT) {
                return Ok(false);
            }
            let len = le32(&block, 20).and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
            bytes = part(&block, 24, len).unwrap_or_default().to_vec();
        }
    }

    fn directory(&mut self, directory: &Pending) -> Result<(), ImageError> {
        let first = u32::try_from(self.index.nodes.len()).unwrap_or(Id::MAX);
        let bytes = self.bytes(directory)?;
        let mut at = 0_usize;
        while let Some(size) = self.identifier(bytes.get(at..).unwrap_or_default(), directory)? {
            at = at.saturating_add(size);
        }
        if at < bytes.len() && bytes.get(at..).is_some_and(|rest| rest.iter().any(|byte| *byte != 0)) {
            let (index, id) = (&self.index, directory.id);
            self.warnings.add(Problem::Record, || index.path(id));
        }
        let Self { index, warnings, .. } = self;
        let id = directory.id;
        let count = index.close(first, &mut |index, node| {
            warnings.add(Problem::Duplicate, || index.path_in(id, index.name(node)));
        });
        index.set(id, Kind::Directory { first, count });
        let mut found = std::mem::take(&mut self.found);
        for child in first..first.saturating_add(count) {
            if let Some(Kind::Unread { block, .. }) = self.index.node(child).map(|node| node.kind) {
                self.index.set(child, Kind::Directory { first: 0, count: 0 });
                if let Some(pending) = found.remove(&block) {
                    self.pending.push(Reverse(Pending { id: child, ..pending }));
                }
            }
        }
        Ok(())
    }

    /// The bytes of a directory.
    fn bytes(&mut self, directory: &Pending) -> Result<Vec<u8>, ImageError> {
        let (len, left) = (directory.len, self.source.len());
        self.budget = self
            .budget
            .checked_sub(len)
            .ok_or(ImageError::TooMuch("its directories are longer than any install image's"))?;
        let mut bytes = Vec::new();
        for &(offset, len) in &directory.extents {
            if offset.saturating_add(len) > left {
                let (index, id) = (&self.index, directory.id);
                self.warnings.add(Problem::NotDirectory, || index.path(id));
                break;
            }
            let start = bytes.len();
            bytes.resize(start.saturating_add(usize::try_from(len).unwrap_or_default()), 0);
            self.source.read_exact_at(bytes.get_mut(start..).unwrap_or_default(), offset)?;
        }
        Ok(bytes)
    }

    /// Takes in the file identifier at the start of `bytes` (4/14.4); how long it is, or `None` when there is none.
    fn identifier(&mut self, bytes: &[u8], directory: &Pending) -> Result<Option<usize>, ImageError> {
        if tag_of(bytes) != Some(tag::FILE_IDENTIFIER) {
            return Ok(None);
        }
        let numbers = || {
            let (flags, name_len) = (byte(bytes, 18)?, usize::from(byte(bytes, 19)?));
            let start = 38_usize.checked_add(le16(bytes, 36)?.into())?;
            let name = part(bytes, start, name_len)?;
            let size = start.checked_add(name_len)?.checked_next_multiple_of(4)?;
            Some((flags, name, Allocation::long(part(bytes, 20, 16)?)?.at, size))
        };
        let Some((flags, identifier, at, size)) = numbers() else { return Ok(None) };
        // Deleted, the parent, or metadata (UDF 2.3.4.2, 3.3.1).
        if flags & 0x1c != 0 {
            return Ok(Some(size));
        }
        let text = name(identifier).unwrap_or_default();
        let is_bad = matches!(text.as_str(), "" | "." | "..")
            || text.len() > limits::NAME
            || text.contains(['\0', '/']);
        if is_bad {
            let (index, id) = (&self.index, directory.id);
            self.warnings.add(Problem::Name, || index.path(id));
            return Ok(Some(size));
        }
        self.name(text.as_bytes(), at, directory)?;
        Ok(Some(size))
    }

    /// Adds a name, and what it leads to.
    fn name(&mut self, name: &[u8], at: Address, directory: &Pending) -> Result<(), ImageError> {
        let offset = self.volume.offset(at);
        let known = offset.and_then(|offset| self.seen.get(&offset)).copied();
        let mut fresh = None;
        let seen = match known {
            // Only files have several names.
            Some(Seen::Directory) => return self.left_out(Problem::Loop, name, directory),
            Some(seen) => seen,
            None => {
                let read = self.entry(at)?;
                let seen = self.take(read.as_ref().map(|(_, entry)| entry), name, directory);
                if let Some(offset) = offset {
                    self.seen.insert(offset, seen);
                }
                fresh = read;
                seen
            }
        };
        let (kind, modified) = match seen {
            Seen::File { first, count, modified } => (Kind::Long { first, count }, modified),
            Seen::Directory if directory.depth >= limits::DEPTH => {
                return self.left_out(Problem::Depth, name, directory);
            }
            Seen::Directory => {
                let key = u32::try_from(self.found.len()).unwrap_or(u32::MAX);
                let modified = fresh.as_ref().map(|(_, entry)| entry.modified).unwrap_or_default();
                let depth = directory.depth.saturating_add(1);
                let next = fresh.map(|(at, entry)| pending(at, ROOT, depth, &entry));
                self.found.extend(next.map(|next| (key, next)));
                (Kind::Unread { block: key, len: 0 }, modified)
            }
            Seen::Other => return Ok(()),
            Seen::Broken => return self.left_out(Problem::Chain, name, directory),
        };
        self.index
            .add(directory.id, name, modified, kind)
            .map(drop)
            .ok_or(ImageError::TooMuch("it has more files than any install image"))
    }

    fn left_out(&mut self, problem: Problem, name: &[u8], directory: &Pending) -> Result<(), ImageError> {
        let (index, id) = (&self.index, directory.id);
        self.warnings.add(problem, || index.path_in(id, name));
        Ok(())
    }

    /// Keeps where the bytes of a file are.
    fn take(&mut self, entry: Option<&FileEntry>, name: &[u8], directory: &Pending) -> Seen {
        let Some(entry) = entry.filter(|entry| entry.is_whole) else { return Seen::Broken };
        if entry.is_directory {
            return Seen::Directory;
        }
        if !entry.is_file {
            return Seen::Other;
        }
        let end = entry.extents.iter().map(|it| it.offset.saturating_add(it.len)).max().unwrap_or(0);
        if end > self.source.len() && self.furthest.as_ref().is_none_or(|(last, _, _)| end > *last) {
            self.furthest = Some((end, directory.id, name.to_vec()));
        }
        let (first, count) = (u32::try_from(self.index.extents.len()), u32::try_from(entry.extents.len()));
        let (Ok(first), Ok(count)) = (first, count) else { return Seen::Broken };
        self.index.extents.extend(&entry.extents);
        Seen::File { first, count, modified: entry.modified }
    }
}
