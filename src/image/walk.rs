//! Reads all directories of an image into an [`Index`].
//!
//! Directories are read in the order they lie on the image, whatever their depth: on real images that is one sweep
//! over a few megabytes. Nothing recurses; every loop ends with the bytes of the image or with a limit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::mem;

use super::cursor::{SECTOR, Window, offset_of, rest};
use super::error::{ImageError, Problem, Warnings};
use super::index::{Id, Index, Kind, ROOT};
use super::iso9660::{Record, plain_name};
use super::rock_ridge::{self, Attributes, Continuations};
use super::volume::{Root, Volume};
use super::{Extent, ReadAt, joliet, limits};

/// How much of the directories is read at a time.
const DIRECTORY_WINDOW: usize = 256 << 10;
/// How much of the continuation areas is read at a time.
const CONTINUATION_WINDOW: usize = 32 << 10;

/// Where the names come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Rock Ridge; this many bytes are skipped at the start of every system use field.
    RockRidge { skip: usize },
    /// The Joliet tree.
    Joliet,
    /// Plain identifiers.
    Plain,
}

/// What was found.
pub(super) struct Walked {
    pub(super) index: Index,
    pub(super) warnings: Warnings,
    /// Targets of the links, by the number in [`Kind::Unresolved`].
    pub(super) links: Vec<Vec<u8>>,
}

/// A directory to be read; ordered by its place on the image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    block: u32,
    len: u32,
    id: Id,
    depth: u32,
}

/// A file whose next extent is in the next record.
struct Joining {
    identifier: Vec<u8>,
    /// Whether it has a node, the one added last.
    is_listed: bool,
}

struct Walk<'a> {
    source: &'a dyn ReadAt,
    names: Names,
    index: Index,
    links: Vec<Vec<u8>>,
    warnings: Warnings,
    pending: BinaryHeap<Reverse<Pending>>,
    visited: HashSet<u32>,
    directory_budget: u64,
    continuation_budget: u64,
    continuations: Window,
    /// What ends last of what ends beyond the image: its end, directory and name. (The number of a file changes
    /// when its directory is sorted.)
    furthest: Option<(u64, Id, Vec<u8>)>,
    // Of the directory and record being read:
    joining: Option<Joining>,
    moved_away: bool,
    attributes: Attributes,
    name: Vec<u8>,
}

/// Reads all directories of `volume`.
///
/// # Errors
/// `BeyondEnd` when a file or directory is not all there, `Damaged` when the root is no directory, `TooMuch` at a
/// limit, `Read` when the device fails.
pub(super) fn walk(source: &dyn ReadAt, volume: &Volume) -> Result<Walked, ImageError> {
    let mut window = Window::new(DIRECTORY_WINDOW);
    let mut walk = Walk {
        source,
        names: Names::Plain,
        index: Index::default(),
        links: Vec::new(),
        warnings: Warnings::default(),
        pending: BinaryHeap::new(),
        visited: HashSet::new(),
        directory_budget: limits::DIRECTORY_BYTES.min(source.len()),
        continuation_budget: limits::CONTINUATION_BYTES.min(source.len()),
        continuations: Window::new(CONTINUATION_WINDOW),
        furthest: None,
        joining: None,
        moved_away: false,
        attributes: Attributes::default(),
        name: Vec::new(),
    };
    let root = walk.choose(volume, &mut window)?;
    walk.index.add(ROOT, b"", 0, Kind::Unread { block: root.block, len: root.len });
    walk.enqueue(ROOT, 0);
    while let Some(Reverse(next)) = walk.pending.pop() {
        walk.directory(next, &mut window)?;
    }
    if let Some((expected, parent, name)) = walk.furthest {
        let path = walk.index.path_in(parent, &name);
        return Err(ImageError::BeyondEnd { path, expected, found: source.len() });
    }
    walk.index.shrink();
    Ok(Walked { index: walk.index, warnings: walk.warnings, links: walk.links })
}

impl Walk<'_> {
    /// Chooses the tree with the best names.
    fn choose(&mut self, volume: &Volume, window: &mut Window) -> Result<Root, ImageError> {
        let start = offset_of(volume.primary.block);
        if start.saturating_add(SECTOR) > self.source.len() {
            let expected = volume.space.max(start.saturating_add(SECTOR));
            return Err(ImageError::CutShort { expected, found: self.source.len() });
        }
        window.fill(self.source, start, SECTOR as usize)?;
        let sector = window.held(start, SECTOR as usize).unwrap_or_default();
        let record = Record::parse(sector).filter(Record::is_self);
        let mut from = Continuations {
            source: self.source,
            near: window,
            far: &mut self.continuations,
            budget: &mut self.continuation_budget,
        };
        let skip = record.and_then(|record| rock_ridge::evidence(record.system_use, &mut from));
        let (names, root) = match (skip, volume.joliet) {
            (Some(skip), _) => (Names::RockRidge { skip }, volume.primary),
            (None, Some(joliet)) => (Names::Joliet, joliet),
            (None, None) if record.is_some() => (Names::Plain, volume.primary),
            (None, None) => return Err(ImageError::Damaged("its root directory has no records")),
        };
        self.names = names;
        Ok(root)
    }

    /// Marks a directory that has just been found as one to be read, unless that leads in a circle.
    fn enqueue(&mut self, id: Id, depth: u32) {
        let Some(Kind::Unread { block, len }) = self.index.node(id).map(|node| node.kind) else { return };
        self.index.set(id, Kind::Directory { first: 0, count: 0 });
        if depth > limits::DEPTH {
            self.warn(Problem::Depth, id);
        } else if self.visited.insert(block) {
            self.pending.push(Reverse(Pending { block, len, id, depth }));
            return;
        } else {
            self.warn(Problem::Loop, id);
        }
        self.index.set(id, Kind::Absent);
    }

    /// Reads one directory.
    fn directory(&mut self, mut at: Pending, window: &mut Window) -> Result<(), ImageError> {
        let start = offset_of(at.block);
        if !self.is_inside(start, SECTOR.min(u64::from(at.len).max(1)), at.id) {
            return Ok(());
        }
        let first_len = usize::try_from(SECTOR.min(self.source.len().saturating_sub(start))).unwrap_or(0);
        window.fill(self.source, start, first_len)?;
        let Some(own) =
            window.held(start, first_len).and_then(Record::parse).filter(|record| record.is_self())
        else {
            self.warn(Problem::NotDirectory, at.id);
            return Ok(());
        };
        if at.len == 0 {
            at.len = own.len;
        }
        let len = u64::from(at.len);
        if !self.is_inside(start, len, at.id) {
            return Ok(());
        }
        self.directory_budget = self
            .directory_budget
            .checked_sub(len)
            .ok_or(ImageError::TooMuch("its directories are longer than directories can be"))?;
        let first = u32::try_from(self.index.nodes.len()).unwrap_or(u32::MAX);
        (self.joining, self.moved_away) = (None, false);
        let mut done = 0_u64;
        while done < len {
            let offset = start.saturating_add(done);
            let count = len.saturating_sub(done).min(DIRECTORY_WINDOW as u64) as usize;
            window.fill(self.source, offset, count)?;
            for sector in window.held(offset, count).unwrap_or_default().chunks(SECTOR as usize) {
                self.sector(sector, at.id, window)?;
            }
            done = done.saturating_add(DIRECTORY_WINDOW as u64);
        }
        self.unfinished(at.id);
        self.close(at, first);
        Ok(())
    }

    /// Sorts the children of a directory that has been read, and queues its directories.
    fn close(&mut self, at: Pending, first: Id) {
        let warnings = &mut self.warnings;
        let count = self.index.close(first, &mut |index, node| {
            warnings.add(Problem::Duplicate, || index.path_in(at.id, index.name(node)));
        });
        // The holder of relocated directories disappears once these are back where they belong.
        let is_holder = self.moved_away && count == 0 && at.id != ROOT;
        self.index.set(at.id, if is_holder { Kind::Absent } else { Kind::Directory { first, count } });
        for id in first..first.saturating_add(count) {
            self.enqueue(id, at.depth.saturating_add(1));
        }
    }

    /// Reads the records of one sector. They do not cross into the next; zeros fill the end (ECMA-119 §6.8.1.1).
    fn sector(&mut self, sector: &[u8], parent: Id, near: &Window) -> Result<(), ImageError> {
        let mut records = sector;
        while records.first().is_some_and(|size| *size != 0) {
            let Some(record) = Record::parse(records) else {
                self.warn(Problem::Record, parent);
                break;
            };
            if !record.is_self() && !record.is_parent() && !record.is_associated() {
                self.record(&record, parent, near)?;
            }
            records = rest(records, record.size);
        }
        Ok(())
    }

    /// Adds what one record says.
    fn record(&mut self, record: &Record<'_>, parent: Id, near: &Window) -> Result<(), ImageError> {
        if let Some(joining) = self.joining.take() {
            if joining.identifier == record.identifier && !record.is_directory() {
                if joining.is_listed {
                    self.add_extent(record);
                }
                self.joining = record.goes_on().then_some(joining);
                return Ok(());
            }
            self.joining = Some(joining);
            self.unfinished(parent);
        }
        let goes_on = record.goes_on() && !record.is_directory();
        let Some((kind, modified)) = self.understand(record, parent, near) else {
            if goes_on {
                self.joining = Some(Joining { identifier: record.identifier.to_vec(), is_listed: false });
            }
            return Ok(());
        };
        let id = self
            .index
            .add(parent, &self.name, modified, kind)
            .ok_or(ImageError::TooMuch("it has more files than an install image can have"))?;
        match kind {
            Kind::Unresolved { .. } => self.links.push(self.attributes.link.clone()),
            Kind::File { .. } => {
                self.is_inside(offset_of(record.block), u64::from(record.len), id);
                if goes_on {
                    let first = u32::try_from(self.index.extents.len()).unwrap_or(u32::MAX);
                    self.index.set(id, Kind::Long { first, count: 0 });
                    self.add_extent(record);
                    self.joining = Some(Joining { identifier: record.identifier.to_vec(), is_listed: true });
                }
            }
            _ => {}
        }
        if self.attributes.is_compressed {
            self.warn(Problem::Compressed, id);
        }
        Ok(())
    }

    /// What a record stands for, and its change time; its name is put into `self.name`. `None` when it is left out.
    fn understand(&mut self, record: &Record<'_>, parent: Id, near: &Window) -> Option<(Kind, u32)> {
        self.name.clear();
        match self.names {
            Names::RockRidge { skip } => self.rock_ridge(rest(record.system_use, skip), parent, near),
            Names::Joliet => joliet::name(record.identifier, &mut self.name),
            Names::Plain => {}
        }
        if self.name.is_empty() && self.names != Names::Joliet {
            plain_name(record.identifier, &mut self.name);
        }
        if self.attributes.is_relocated {
            self.moved_away = true;
            return None;
        }
        if !is_name(&self.name) {
            self.warn(Problem::Name, parent);
            return None;
        }
        let file = Kind::File { block: if record.len == 0 { 0 } else { record.block }, len: record.len };
        let kind = match (self.attributes.child, self.attributes.kind()) {
            (Some(block), _) => Kind::Unread { block, len: 0 },
            _ if record.is_directory() => Kind::Unread { block: record.block, len: record.len },
            (None, rock_ridge::Kind::Link) => {
                Kind::Unresolved { link: u32::try_from(self.links.len()).unwrap_or(u32::MAX) }
            }
            (None, rock_ridge::Kind::Special) => return None,
            (None, rock_ridge::Kind::File | rock_ridge::Kind::Directory) => file,
        };
        if matches!(kind, Kind::File { .. }) && record.is_interleaved {
            self.warn(Problem::Interleaved, parent);
            return None;
        }
        Some((kind, self.attributes.modified.filter(|time| *time > 0).unwrap_or_else(|| record.modified())))
    }

    /// Reads the Rock Ridge entries of a record.
    fn rock_ridge(&mut self, system_use: &[u8], parent: Id, near: &Window) {
        let mut from = Continuations {
            source: self.source,
            near,
            far: &mut self.continuations,
            budget: &mut self.continuation_budget,
        };
        self.attributes.read(system_use, &mut from);
        if self.attributes.is_broken {
            self.warn(Problem::Continuation, parent);
        }
        mem::swap(&mut self.name, &mut self.attributes.name);
    }

    /// Adds an extent to the file added last. Those that touch become one.
    fn add_extent(&mut self, record: &Record<'_>) {
        let extent = Extent { offset: offset_of(record.block), len: u64::from(record.len) };
        let Some(id) = self.index.nodes.len().checked_sub(1).and_then(|id| u32::try_from(id).ok()) else {
            return;
        };
        let Some(Kind::Long { first, count }) = self.index.node(id).map(|node| node.kind) else { return };
        if extent.len == 0 || !self.is_inside(extent.offset, extent.len, id) {
            return;
        }
        // Files are read by looking for the piece from the first one on.
        if count >= limits::EXTENTS {
            self.index.set(id, Kind::Absent);
            return self.warn(Problem::Scattered, id);
        }
        let last = if count > 0 { self.index.extents.last_mut() } else { None };
        match last.filter(|last| last.offset.checked_add(last.len) == Some(extent.offset)) {
            Some(last) => last.len = last.len.saturating_add(extent.len),
            None => {
                self.index.extents.push(extent);
                self.index.set(id, Kind::Long { first, count: count.saturating_add(1) });
            }
        }
    }

    /// Complains about a file whose next extent did not come.
    fn unfinished(&mut self, parent: Id) {
        if self.joining.take().is_some() {
            self.warn(Problem::Unfinished, parent);
        }
    }

    /// Whether an extent lies on the image; if not, it is remembered.
    fn is_inside(&mut self, offset: u64, len: u64, id: Id) -> bool {
        let end = offset.saturating_add(len);
        let is_inside = len == 0 || end <= self.source.len();
        if !is_inside
            && self.furthest.as_ref().is_none_or(|(furthest, ..)| end > *furthest)
            && let Some(node) = self.index.node(id)
        {
            self.furthest = Some((end, node.parent, self.index.name(node).to_vec()));
        }
        is_inside
    }

    fn warn(&mut self, problem: Problem, id: Id) {
        self.warnings.add(problem, || self.index.path(id));
    }
}

/// Whether a name can stand in a path.
fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= limits::NAME
        && memchr::memchr2(b'/', 0, name).is_none()
}
