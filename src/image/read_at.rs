//! Positioned reads, and files as lists of extents.

use std::fmt;
use std::fs;
use std::io::{self, Seek};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Bytes that can be read at any offset: an image file, or a buffer in a test.
pub trait ReadAt: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads some bytes at `offset`; 0 only at or beyond the end, or for an empty buffer.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The open file behind, for `sendfile`; `None` when there is none.
    fn as_file(&self) -> Option<&fs::File> {
        None
    }

    /// Why there is nothing to be had for now; `None` when there is.
    fn absence(&self) -> Option<Absence> {
        None
    }

    /// Takes note that a read through [`ReadAt::as_file`] failed.
    fn note_failure(&self) {}

    /// Whether what was read a moment ago is to be doubted: a read failed, or there is nothing to be had.
    fn is_suspect(&self) -> bool {
        false
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when fewer bytes are left, or what the device says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut done = 0_usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = u64::try_from(done).ok().and_then(|done| offset.checked_add(done));
            match at.map_or(Ok(0), |at| self.read_at(rest, at)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done = done.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// Why the bytes of an image are not to be had for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absence {
    /// The stick, disc or disk that it is on was taken away.
    Gone,
    /// There is another one in its place.
    Replaced,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone => "the medium with the image was taken away; it is waited for",
            Self::Replaced => "another medium is in the place of the one with the image, which is waited for",
        })
    }
}

/// Of bytes that would have to be made from others, which are not to be had for now.
struct Absent(Absence);

impl ReadAt for Absent {
    fn len(&self) -> u64 {
        0
    }

    fn read_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::Error::other(self.0.to_string()))
    }

    fn absence(&self) -> Option<Absence> {
        Some(self.0)
    }
}

/// An image file on a disk or stick, open for reading.
///
/// A stick can be pulled. Whoever watches over it tells with [`ImageFile::set_absence`]; whoever reads tells when that fails.
#[derive(Debug)]
pub struct ImageFile {
    file: fs::File,
    path: PathBuf,
    len: u64,
    absence: AtomicU8,
    has_failed: AtomicBool,
}

impl ImageFile {
    /// Opens `path`: a file, or a drive with the disc in it. The length is taken once, here.
    ///
    /// # Errors
    /// What `stat(2)`, `open(2)` or `lseek(2)` say; `IsADirectory` for a directory, `InvalidInput` for pipes and the like.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Before it is opened: that of a pipe waits for a writer.
        let kind = fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a file nor a drive"));
        }
        let mut file = fs::File::open(path)?;
        // Drives have no length in stat(2).
        let len = file.seek(io::SeekFrom::End(0))?;
        let (absence, has_failed) = (AtomicU8::new(0), AtomicBool::new(false));
        Ok(Self { file, path: path.to_owned(), len, absence, has_failed })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes note that there is nothing to be had from now on, or that there is again.
    pub fn set_absence(&self, absence: Option<Absence>) {
        let number = match absence {
            None => 0,
            Some(Absence::Gone) => 1,
            Some(Absence::Replaced) => 2,
        };
        self.absence.store(number, Ordering::Release);
    }

    /// Whether a read failed since the last call.
    pub fn take_failure(&self) -> bool {
        self.has_failed.swap(false, Ordering::AcqRel)
    }
}

impl ReadAt for ImageFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let result = self.file.read_at(buffer, offset);
        // A drive that is gone has no bytes any more.
        let has_failed = match &result {
            Ok(0) => !buffer.is_empty() && offset < self.len,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        if has_failed {
            self.note_failure();
        }
        result
    }

    fn as_file(&self) -> Option<&fs::File> {
        Some(&self.file)
    }

    fn absence(&self) -> Option<Absence> {
        match self.absence.load(Ordering::Acquire) {
            1 => Some(Absence::Gone),
            2 => Some(Absence::Replaced),
            _ => None,
        }
    }

    fn note_failure(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    fn is_suspect(&self) -> bool {
        self.absence().is_some() || self.has_failed.load(Ordering::Acquire)
    }
}

/// Consecutive bytes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the first byte in the image.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// The bytes of one file: extents of a source, read in order.
#[derive(Clone)]
pub struct FileData {
    source: Arc<dyn ReadAt>,
    extents: Arc<[Extent]>,
    len: u64,
}

impl FileData {
    /// The file made of `extents` of `source`. Its length is their sum.
    pub fn new(source: Arc<dyn ReadAt>, extents: impl Into<Arc<[Extent]>>) -> Self {
        let extents = extents.into();
        let len = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
        Self { source, extents, len }
    }

    /// A file that cannot be made for now, of which nothing is known but why.
    pub fn absent(absence: Absence) -> Self {
        Self::new(Arc::new(Absent(absence)), [])
    }

    /// A file that is a buffer.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let len = bytes.as_slice().len() as u64;
        Self::new(Arc::new(bytes), [Extent { offset: 0, len }])
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the extents point into.
    pub fn source(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    /// The part of the source that holds the bytes from `offset` on, as far as they lie together; `None` at and
    /// beyond the end.
    pub fn extent_at(&self, offset: u64) -> Option<Extent> {
        let mut skip = offset;
        for extent in self.extents.iter() {
            match extent.len.checked_sub(skip) {
                Some(0) | None => skip = skip.saturating_sub(extent.len),
                Some(len) => return Some(Extent { offset: extent.offset.checked_add(skip)?, len }),
            }
        }
        None
    }

    /// `len` bytes of the file from `offset` on, as a file of its own; `None` when it ends before them.
    pub fn part(&self, offset: u64, len: u64) -> Option<Self> {
        let mut extents = Vec::new();
        self.locate(offset, len, &mut extents)?;
        Some(Self::new(Arc::clone(&self.source), extents))
    }

    /// Where `len` bytes from `offset` on lie in the source, added to `extents`; pieces that touch become one. `None`
    /// when the file ends before them.
    pub(super) fn locate(&self, offset: u64, len: u64, extents: &mut Vec<Extent>) -> Option<()> {
        let (mut at, mut left) = (offset, len);
        while left > 0 {
            let found = self.extent_at(at)?;
            let piece = Extent { offset: found.offset, len: found.len.min(left) };
            match extents.last_mut().filter(|last| last.offset.checked_add(last.len) == Some(piece.offset)) {
                Some(last) => last.len = last.len.checked_add(piece.len)?,
                None => extents.push(piece),
            }
            at = at.checked_add(piece.len)?;
            left = left.saturating_sub(piece.len);
        }
        Some(())
    }

    /// Fills `buffer` with the bytes from `offset` on and returns how many there were: fewer than asked only at the
    /// end of the file.
    ///
    /// # Errors
    /// `UnexpectedEof` when the image ends before the file does, or what the device says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0_usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(extent) = offset.checked_add(done as u64).and_then(|at| self.extent_at(at)) else {
                break;
            };
            let count = usize::try_from(extent.len).unwrap_or(usize::MAX).min(rest.len());
            let Some(part) = rest.get_mut(..count) else { break };
            self.source.read_exact_at(part, extent.offset)?;
            done = done.saturating_add(count);
        }
        Ok(done)
    }

    /// The whole file in memory.
    ///
    /// # Errors
    /// `FileTooLarge` when it is longer than `limit` bytes, and as [`FileData::read_at`].
    pub fn read_all(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.len > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut bytes = vec![0; usize::try_from(self.len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        self.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// A reader from the start of the file.
    pub fn reader(&self) -> FileReader {
        FileReader { data: self.clone(), position: 0 }
    }
}

impl fmt::Debug for FileData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileData")
            .field("len", &self.len)
            .field("extents", &self.extents)
            .finish_non_exhaustive()
    }
}

/// [`io::Read`] over a [`FileData`].
#[derive(Debug)]
pub struct FileReader {
    data: FileData,
    position: u64,
}

impl io::Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use std::io::Read;

    fn two_extents() -> FileData {
        let source: Arc<dyn ReadAt> = Arc::new((0..100).collect::<Vec<u8>>());
        FileData::new(source, [Extent { offset: 90, len: 10 }, Extent { offset: 10, len: 5 }])
    }

    #[test]
    fn extents_are_read_in_order() {
        let mut bytes = Vec::new();
        two_extents().reader().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, (90..100).chain(10..15).collect::<Vec<u8>>());
        assert_eq!(two_extents().read_all(15).unwrap(), bytes);
    }

    #[test]
    fn a_read_may_start_anywhere_and_stops_at_the_end() {
        let mut buffer = [0; 8];
        assert_eq!(two_extents().read_at(&mut buffer, 12).unwrap(), 3);
        assert_eq!(buffer[..3], [12, 13, 14]);
        assert_eq!(two_extents().read_at(&mut buffer, 15).unwrap(), 0);
        assert_eq!(two_extents().read_at(&mut buffer, u64::MAX).unwrap(), 0);
        assert_eq!(two_extents().extent_at(9), Some(Extent { offset: 99, len: 1 }));
        assert_eq!(two_extents().extent_at(10), Some(Extent { offset: 10, len: 5 }));
    }

    #[test]
    fn what_has_no_length_is_not_opened() {
        for (path, kind) in [
            ("/dev/null", io::ErrorKind::InvalidInput),
            ("/", io::ErrorKind::IsADirectory),
            ("/no/such/file", io::ErrorKind::NotFound),
        ] {
            assert_eq!(ImageFile::open(Path::new(path)).unwrap_err().kind(), kind, "{path}");
        }
    }

    #[test]
    fn an_image_that_ends_early_is_an_error() {
        let source: Arc<dyn ReadAt> = Arc::new(vec![1, 2, 3]);
        let file = FileData::new(source, [Extent { offset: 1, len: 10 }]);
        assert_eq!(file.read_all(100).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(file.read_all(9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
