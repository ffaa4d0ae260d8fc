//! Rock Ridge: POSIX names, links and dates in the system use field of directory records.
//!
//! Read: SP CE ER ST of SUSP; NM PX SL CL RE TF of RRIP, and ZF of zisofs. PL is not needed (a directory's parent
//! is where its CL stands), PN neither (devices are left out).
//!
//! Sources: SUSP 1.12 (IEEE P1281) §4, §5; RRIP 1.12 (IEEE P1282) §4.1; `fs/isofs/rock.c` of Linux.

use super::ReadAt;
use super::cursor::{Window, byte, le32, offset_of, part, rest};
use super::iso9660::{long_date, short_date};
use super::limits;

/// The type of a file in `st_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A regular file, or no type given.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, pipe or socket.
    Special,
}

/// What the Rock Ridge entries of one record say. Kept and cleared for each record, so that nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    /// NM: the name; empty when there is none.
    pub(super) name: Vec<u8>,
    /// SL: the target of a symbolic link; empty when there is none.
    pub(super) link: Vec<u8>,
    /// PX: file mode.
    pub(super) mode: Option<u32>,
    /// TF: change time in seconds since 1970.
    pub(super) modified: Option<u32>,
    /// CL: sector of the directory that belongs here and was moved.
    pub(super) child: Option<u32>,
    /// RE: this directory was moved here.
    pub(super) is_relocated: bool,
    /// ZF: the data are compressed.
    pub(super) is_compressed: bool,
    /// ER, or an entry that only Rock Ridge has.
    pub(super) is_rock_ridge: bool,
    /// Whether a continuation area could not be read, or went on for too long.
    pub(super) is_broken: bool,
    /// Whether the last component of the link goes on in the next.
    link_goes_on: bool,
    continuation: Option<Area>,
    /// The last short date and what it stands for: files that were packed together have the same one.
    dated: ([u8; 7], u32),
}

/// A continuation area (SUSP §5.1).
#[derive(Clone, Copy, Debug)]
struct Area {
    offset: u64,
    len: usize,
}

/// Where continuation areas are read from.
pub(super) struct Continuations<'a> {
    /// The image.
    pub(super) source: &'a dyn ReadAt,
    /// The window on the directory being read; many tools put the areas right behind it.
    pub(super) near: &'a Window,
    /// A window of their own.
    pub(super) far: &'a mut Window,
    /// How many bytes of continuation areas may still be read.
    pub(super) budget: &'a mut u64,
}

impl Attributes {
    /// Reads the entries of one record, `system_use`, and of its continuation areas.
    pub(super) fn read(&mut self, system_use: &[u8], from: &mut Continuations<'_>) {
        self.clear();
        self.entries(system_use);
        for _ in 0..limits::CONTINUATIONS {
            let Some(area) = self.continuation.take() else { return };
            let Some(budget) = from.budget.checked_sub(area.len as u64) else { break };
            *from.budget = budget;
            if let Some(bytes) = from.near.held(area.offset, area.len) {
                self.entries(bytes);
            } else if from.far.fill(from.source, area.offset, area.len).is_ok()
                && let Some(bytes) = from.far.held(area.offset, area.len)
            {
                self.entries(bytes);
            } else {
                break;
            }
        }
        self.is_broken = true;
    }

    /// What PX says the record is; without PX what else there is.
    pub(super) fn kind(&self) -> Kind {
        match self.mode.map(|mode| mode & 0o170_000) {
            Some(0o040_000) => Kind::Directory,
            Some(0o120_000) => Kind::Link,
            Some(0o100_000) => Kind::File,
            Some(0) | None if self.link.is_empty() => Kind::File,
            Some(0) | None => Kind::Link,
            Some(_) => Kind::Special,
        }
    }

    fn clear(&mut self) {
        let (mut name, mut link) = (std::mem::take(&mut self.name), std::mem::take(&mut self.link));
        name.clear();
        link.clear();
        *self = Self { name, link, dated: self.dated, ..Self::default() };
    }

    /// Reads the entries of one area: signature (2 bytes), length, version, data (SUSP §4).
    fn entries(&mut self, mut area: &[u8]) {
        while let (Some(signature), Some(len)) = (part(area, 0, 2), byte(area, 2)) {
            let len = usize::from(len);
            let Some(entry) = area.get(..len).filter(|_| len >= 4) else { return };
            if signature == b"ST" || self.entry(signature, entry).is_none() {
                return;
            }
            area = rest(area, len);
        }
    }

    /// Reads one entry; `None` when it is shorter than it has to be.
    fn entry(&mut self, signature: &[u8], entry: &[u8]) -> Option<()> {
        match signature {
            b"NM" => self.part_of_name(byte(entry, 4)?, rest(entry, 5)),
            b"PX" => self.mode = Some(le32(entry, 4)?),
            b"TF" => self.modified = self.change_time(byte(entry, 4)?, rest(entry, 5)),
            b"SL" => self.part_of_link(rest(entry, 5)),
            b"CL" => self.child = Some(le32(entry, 4)?),
            b"RE" => self.is_relocated = true,
            b"ZF" => self.is_compressed = true,
            b"RR" => {}
            b"CE" => self.continuation = area(entry),
            b"ER" => {
                let id = part(entry, 8, usize::from(byte(entry, 4)?))?;
                self.is_rock_ridge |= matches!(id, b"RRIP_1991A" | b"IEEE_P1282" | b"IEEE_1282");
            }
            _ => {}
        }
        self.is_rock_ridge |= matches!(signature, b"NM" | b"PX" | b"SL" | b"CL" | b"RE" | b"TF" | b"RR");
        Some(())
    }

    /// TF (RRIP §4.1.6): dates in a fixed order, those of the flags' bits. The change of content is the second.
    fn change_time(&mut self, flags: u8, dates: &[u8]) -> Option<u32> {
        if flags & 0b10 == 0 {
            return None;
        }
        let is_long = flags & 0x80 != 0;
        let len = if is_long { 17 } else { 7 };
        let date = part(dates, if flags & 1 == 0 { 0 } else { len }, len)?;
        let Ok(short) = <[u8; 7]>::try_from(date) else { return Some(long_date(date)) };
        if self.dated.0 != short {
            self.dated = (short, short_date(date));
        }
        Some(self.dated.1)
    }

    /// NM (RRIP §4.1.4): several entries make one name. The flags CURRENT and PARENT stand for `.` and `..`.
    fn part_of_name(&mut self, flags: u8, text: &[u8]) {
        if flags & 0b110 == 0 && self.name.len() <= limits::NAME {
            self.name.extend_from_slice(text);
        }
    }

    /// SL (RRIP §4.1.3): components of flags, length and text, where text may go on in the next component or in
    /// the next SL. They become a path as `readlink` shows it.
    fn part_of_link(&mut self, mut components: &[u8]) {
        while let (Some(flags), Some(len)) = (byte(components, 0), byte(components, 1)) {
            let Some(text) = part(components, 2, usize::from(len)) else { return };
            if self.link.len() > limits::LINK {
                return;
            }
            let text = match flags & 0b1110 {
                0b0010 => b".".as_slice(),
                0b0100 => b"..",
                0b1000 => {
                    self.link.clear();
                    b"/"
                }
                _ => text,
            };
            if !self.link_goes_on && !self.link.is_empty() && !self.link.ends_with(b"/") {
                self.link.push(b'/');
            }
            self.link.extend_from_slice(text);
            self.link_goes_on = flags & 1 != 0;
            components = rest(components, usize::from(len).saturating_add(2));
        }
    }
}

/// CE (SUSP §5.1): sector, offset and length, each in both byte orders.
fn area(entry: &[u8]) -> Option<Area> {
    let offset = offset_of(le32(entry, 4)?).checked_add(u64::from(le32(entry, 12)?))?;
    let len = usize::try_from(le32(entry, 20)?).ok()?;
    // An absurd length keeps its place as one that cannot be read: the record is marked as broken.
    Some(Area { offset, len: if len <= limits::CONTINUATION { len } else { usize::MAX } })
}

/// How many bytes to skip at the start of every system use field, if there is Rock Ridge on the image: SP (SUSP
/// §5.3) stands first in the record of the root itself, or behind 14 bytes of CD-ROM XA. Images older than SUSP
/// 1.09 begin with RR instead.
pub(super) fn evidence(root: &[u8], from: &mut Continuations<'_>) -> Option<usize> {
    let (start, skip) = [0_usize, 14, 15]
        .into_iter()
        .find_map(|at| {
            let entry = part(root, at, 7)?;
            (entry.starts_with(b"SP\x07") && part(entry, 4, 2) == Some(b"\xbe\xef"))
                .then(|| (at, usize::from(byte(entry, 6).unwrap_or(0))))
        })
        .or_else(|| root.starts_with(b"RR\x05").then_some((0, 0)))?;
    let mut attributes = Attributes::default();
    attributes.read(rest(root, start), from);
    attributes.is_rock_ridge.then_some(skip)
}
