//! Files out of a cpio archive ("new ASCII", with or without checksums), as it streams by.
//!
//! The `cpio` crate parses the entries; the bounds are here: it would read a name of 4 GiB, and takes a file that
//! ends early for a short one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use cpio::NewcReader;
use cpio::newc::Entry as NewcEntry;

use super::{Files, Limits, PackageError};

/// More entries than any package has: `kernel-devel` has some 20,000.
const MAX_ENTRIES: u32 = 200_000;

/// What an entry may take before its contents: 110 bytes of header, a path of `PATH_MAX` and the padding.
const MAX_HEAD: u64 = 110 + 4096 + 4;

/// Type bits of a mode, and a regular file's (cpio(5)).
const TYPE_MASK: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// A reader that stops with an error after so many bytes.
struct Budget<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "archive entry out of bounds"));
        }
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(buffer.get_mut(..limit).unwrap_or_default())?;
        self.left.set(left.saturating_sub(count as u64));
        Ok(count)
    }
}

/// Reads `archive` and keeps the wanted regular files. Stops as soon as those are `enough`; else what follows the archive's
/// trailer is read too, so that the decompressor gets to compare its checksum.
///
/// Names lose their leading `./` or `/` before `wanted` sees them.
pub(super) fn extract(
    archive: impl Read,
    wanted: &dyn Fn(&str) -> bool,
    enough: &dyn Fn(&Files) -> bool,
    limits: Limits,
) -> Result<Files, PackageError> {
    let left = Rc::new(Cell::new(0));
    let mut whole = limits.payload_bytes;
    let mut source = Budget { inner: archive, left: Rc::clone(&left) };
    let mut kept = Kept { limits, files: BTreeMap::new(), links: BTreeMap::new(), total: 0 };
    for _ in 0..MAX_ENTRIES {
        // The bytes of hard links come late.
        if kept.links.is_empty() && enough(&kept.files) {
            return Ok(kept.files);
        }
        left.set(MAX_HEAD);
        let entry = NewcReader::new(&mut source).map_err(PackageError::Payload)?;
        whole = spend(whole, MAX_HEAD.saturating_sub(left.get()), limits)?;
        if entry.entry().is_trailer() {
            drain(&mut source, &left, whole).map_err(|error| out_of_bounds(error, limits))?;
            return Ok(kept.files);
        }
        // The contents and at most three bytes of padding.
        let size = u64::from(entry.entry().file_size());
        left.set(size.saturating_add(3));
        whole = spend(whole, size, limits)?;
        let names = kept.names(entry.entry(), wanted);
        if names.is_empty() {
            entry.finish().map_err(PackageError::Payload)?;
        } else {
            kept.keep(names, entry)?;
        }
    }
    Err(PackageError::TooLarge {
        what: "the number of archive entries".to_owned(),
        limit: MAX_ENTRIES.into(),
    })
}

/// Device and inode number of an entry: equal for hard links to one file.
type Inode = (u32, u32, u32);

/// The wanted files so far.
struct Kept {
    limits: Limits,
    files: Files,
    /// Wanted names whose bytes come with a later link: of hard links only the last carries them (cpio(5)).
    links: BTreeMap<Inode, Vec<String>>,
    total: u64,
}

impl Kept {
    /// Under which names the contents of this entry are wanted.
    fn names(&mut self, head: &NewcEntry, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
        if head.mode() & TYPE_MASK != REGULAR {
            return Vec::new();
        }
        let name = Some(plain(head.name())).filter(|name| wanted(name)).map(str::to_owned);
        if head.nlink() < 2 {
            return name.into_iter().collect();
        }
        let inode = (head.dev_major(), head.dev_minor(), head.ino());
        if head.file_size() == 0 {
            if let Some(name) = &name {
                self.links.entry(inode).or_default().push(name.clone());
            }
            return name.into_iter().collect();
        }
        self.links.remove(&inode).unwrap_or_default().into_iter().chain(name).collect()
    }

    /// Takes the contents of an entry.
    fn keep<R: Read>(&mut self, names: Vec<String>, entry: NewcReader<R>) -> Result<(), PackageError> {
        let size = u64::from(entry.entry().file_size());
        if size > self.limits.file_bytes {
            let what = names.into_iter().next().unwrap_or_default();
            return Err(PackageError::TooLarge { what, limit: self.limits.file_bytes });
        }
        // Names count too: an archive may consist of nothing else.
        let copies =
            names.iter().fold(0, |sum: u64, name| sum.saturating_add(size).saturating_add(name.len() as u64));
        self.total = self.total.saturating_add(copies);
        if self.total > self.limits.total_bytes {
            let what = "the sum of the wanted files".to_owned();
            return Err(PackageError::TooLarge { what, limit: self.limits.total_bytes });
        }
        let bytes = contents(entry, size)?;
        self.files.extend(names.into_iter().map(|name| (name, bytes.clone())));
        Ok(())
    }
}

/// The contents of an entry of `size` bytes; the buffer grows as bytes arrive.
fn contents<R: Read>(mut entry: NewcReader<R>, size: u64) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(PackageError::Payload)?;
    if bytes.len() as u64 != size {
        return Err(PackageError::Payload(io::ErrorKind::UnexpectedEof.into()));
    }
    entry.finish().map_err(PackageError::Payload)?;
    Ok(bytes)
}

/// What is left of `whole` after `bytes`.
fn spend(whole: u64, bytes: u64, limits: Limits) -> Result<u64, PackageError> {
    whole.checked_sub(bytes).ok_or_else(|| out_of_bounds(io::ErrorKind::FileTooLarge.into(), limits))
}

fn out_of_bounds(error: io::Error, limits: Limits) -> PackageError {
    if error.kind() == io::ErrorKind::FileTooLarge {
        PackageError::TooLarge { what: "the unpacked payload".to_owned(), limit: limits.payload_bytes }
    } else {
        PackageError::Payload(error)
    }
}

/// Reads what follows the trailer: padding up to a block of 512 bytes, in practice.
fn drain<R: Read>(source: &mut Budget<R>, left: &Cell<u64>, whole: u64) -> io::Result<()> {
    left.set(whole.max(1));
    io::copy(source, &mut io::sink()).map(drop)
}

/// An archive's name for a file without its leading `./` or `/`.
fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name).trim_start_matches('/')
}
