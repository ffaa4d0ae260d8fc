//! What was read of the images a moment ago: a room of machines fetches the same files, each some blocks behind another.
//!
//! The image is read in pieces, of which some megabytes are kept however many transfers there are. Blocks are sent from
//! where they lie here, without another copy.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use crate::content::{Body, Content};
use crate::image::{FileData, ReadAt};
use crate::net::datagram::Batch;

/// Bytes in a piece: what one read brings ahead of a client that takes a block at a time.
const PIECE_LEN: u64 = 16 << 10;

/// Pieces that are kept for each transfer: more than the longest window and the next one, and so few that a single client's
/// stay in the processor's own memory, and no page has to be made for each.
const PIECES_EACH: usize = 64;

/// Pieces that are kept for all: 8 MB.
const MAX_PIECES: usize = 512;

/// A source's address in memory, and the number of a piece in it.
type Key = (usize, u64);

struct Piece {
    key: Key,
    /// Kept, so that no other source gets its address.
    _source: Arc<dyn ReadAt>,
    /// Where the bytes begin in the source; behind the piece's own start when that cannot be read.
    start: u64,
    bytes: Vec<u8>,
    /// The number of the load that wanted it last.
    used_in: u64,
}

/// The pieces. The one that nobody wanted for longest gives way.
#[derive(Default)]
pub(super) struct Cache {
    pieces: Vec<Piece>,
    index: HashMap<Key, usize>,
    transfers: usize,
    loads: u64,
}

impl Cache {
    /// Keeps as much as so many transfers need; nothing when there are none.
    pub(super) fn set_transfers(&mut self, count: usize) {
        self.transfers = count;
        if count == 0 {
            *self = Self::default();
        }
    }

    /// Reads what is missing of `range` of the content.
    pub(super) fn load(&mut self, content: &Content, range: Range<u64>) -> io::Result<()> {
        let Body::Image(file) = &content.body else { return Ok(()) };
        self.loads += 1;
        let mut at = range.start;
        while at < range.end {
            let (key, wanted) = place(file, at, range.end)?;
            let len = wanted.end - wanted.start;
            self.load_piece(file.source(), key, wanted)?;
            at += len;
        }
        Ok(())
    }

    /// The bytes of `range` of the content, which was loaded, from where they lie.
    pub(super) fn get<'a>(&'a self, content: &'a Content, range: Range<u64>) -> io::Result<Parts<'a>> {
        let file = match &content.body {
            Body::Image(file) => file,
            Body::Memory(bytes) => {
                let range = range.start as usize..range.end as usize;
                return Ok(Parts(vec![bytes.get(range).ok_or(io::ErrorKind::UnexpectedEof)?]));
            }
        };
        let (mut parts, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let (key, wanted) = place(file, at, range.end)?;
            at += wanted.end - wanted.start;
            let piece = self.index.get(&key).and_then(|at| self.pieces.get(*at));
            let bytes = piece.and_then(|piece| piece.get(wanted));
            parts.push(bytes.ok_or_else(|| io::Error::other("read, and gone again"))?);
        }
        parts.reverse();
        Ok(Parts(parts))
    }

    fn load_piece(&mut self, source: &Arc<dyn ReadAt>, key: Key, wanted: Range<u64>) -> io::Result<()> {
        let known = self.index.get(&key).copied();
        if let Some(piece) = known.and_then(|at| self.pieces.get_mut(at))
            && piece.get(wanted.clone()).is_some()
        {
            piece.used_in = self.loads;
            return Ok(());
        }
        let at = known.unwrap_or_else(|| self.make_room());
        let buffer =
            self.pieces.get_mut(at).map(|piece| std::mem::take(&mut piece.bytes)).unwrap_or_default();
        let first = key.1 * PIECE_LEN;
        let (start, bytes) = match read(source, first..first + PIECE_LEN, wanted.clone(), buffer) {
            Ok(bytes) => (first, bytes),
            // A bad sector of another file is no reason: once more without what is not wanted.
            Err(_) => (wanted.start, read(source, wanted.clone(), wanted.clone(), Vec::new())?),
        };
        let piece = Piece { key, _source: source.clone(), start, bytes, used_in: self.loads };
        match self.pieces.get_mut(at) {
            Some(place) => *place = piece,
            None => self.pieces.push(piece),
        }
        self.index.insert(key, at);
        Ok(())
    }

    /// A new place, or that of the piece that nobody wanted for longest. None gives way to one that is wanted with it, however
    /// scattered a file is.
    fn make_room(&mut self) -> usize {
        let limit = (self.transfers.max(1) * PIECES_EACH).min(MAX_PIECES);
        let oldest = self.pieces.iter().enumerate().min_by_key(|(_, piece)| piece.used_in);
        match oldest {
            Some((at, piece)) if self.pieces.len() >= limit && piece.used_in < self.loads => {
                // After a failed read the key may be that of another piece.
                if self.index.get(&piece.key) == Some(&at) {
                    self.index.remove(&piece.key);
                }
                at
            }
            _ => self.pieces.len(),
        }
    }
}

impl Piece {
    fn get(&self, range: Range<u64>) -> Option<&[u8]> {
        let start = range.start.checked_sub(self.start)? as usize;
        self.bytes.get(start..start + (range.end - range.start) as usize)
    }
}

/// Bytes that lie in several places, the first of them last.
pub(super) struct Parts<'a>(Vec<&'a [u8]>);

impl<'a> Parts<'a> {
    /// Moves the next `len` bytes to the packet that is begun.
    pub(super) fn push(&mut self, batch: &mut Batch<'a>, mut len: usize) {
        while len > 0
            && let Some(part) = self.0.last_mut()
        {
            let (bytes, rest) = part.split_at(len.min(part.len()));
            batch.push(bytes);
            len -= bytes.len();
            *part = rest;
            if rest.is_empty() {
                self.0.pop();
            }
        }
    }
}

/// The piece with the byte at `at` of the file, and the part of the source in it that belongs to the file up to `end`.
fn place(file: &FileData, at: u64, end: u64) -> io::Result<(Key, Range<u64>)> {
    let extent = file.extent_at(at).ok_or(io::ErrorKind::UnexpectedEof)?;
    let number = extent.offset / PIECE_LEN;
    let len = extent.len.min(end - at).min((number + 1) * PIECE_LEN - extent.offset);
    let source = Arc::as_ptr(file.source()).cast::<()>().addr();
    Ok(((source, number), extent.offset..extent.offset + len))
}

/// Reads `range` of the source, or as much of it as there is, but all that is wanted. `buffer` is used again.
fn read(
    source: &Arc<dyn ReadAt>,
    range: Range<u64>,
    wanted: Range<u64>,
    mut buffer: Vec<u8>,
) -> io::Result<Vec<u8>> {
    buffer.resize((range.end - range.start) as usize, 0);
    let mut done = 0;
    while done < buffer.len() {
        match source.read_at(&mut buffer[done..], range.start + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What is behind the bad place is not wanted.
            Err(_) if range.start + done as u64 >= wanted.end => break,
            Err(error) => return Err(error),
        }
    }
    if range.start + (done as u64) < wanted.end {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the image has become shorter"));
    }
    buffer.truncate(done);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Role;
    use crate::image::Extent;
    use std::sync::Mutex;

    /// A source whose bytes tell their place, that counts its reads and has a bad sector.
    struct Source {
        len: u64,
        bad: Range<u64>,
        reads: Mutex<usize>,
    }

    fn byte(at: u64) -> u8 {
        (at ^ (at >> 8) ^ (at >> 16)) as u8
    }

    impl ReadAt for Source {
        fn len(&self) -> u64 {
            self.len
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            *self.reads.lock().unwrap() += 1;
            if self.bad.contains(&offset) {
                return Err(io::Error::from_raw_os_error(libc::EIO));
            }
            let end = (offset + buffer.len() as u64).min(self.len);
            let end = if offset < self.bad.start { end.min(self.bad.start) } else { end };
            let count = end.saturating_sub(offset) as usize;
            for (number, place) in buffer[..count].iter_mut().enumerate() {
                *place = byte(offset + number as u64);
            }
            Ok(count)
        }
    }

    fn content(source: &Arc<Source>, offset: u64, len: u64) -> Content {
        let file = FileData::new(source.clone(), [Extent { offset, len }]);
        Content { body: Body::Image(file), role: Role::Other, modified: 0 }
    }

    fn source(len: u64, bad: Range<u64>) -> Arc<Source> {
        Arc::new(Source { len, bad, reads: Mutex::new(0) })
    }

    /// The bytes of `range`, as they would be sent.
    fn sent(cache: &mut Cache, content: &Content, range: Range<u64>) -> io::Result<Vec<u8>> {
        cache.load(content, range.clone())?;
        let mut batch = Batch::new(1, 1472);
        let len = (range.end - range.start) as usize;
        cache.get(content, range)?.push(&mut batch, len);
        batch.end_packet();
        Ok(batch.bytes())
    }

    #[test]
    fn bytes_are_those_of_the_file_and_read_once() {
        let source = source(1 << 20, 0..0);
        let content = content(&source, 2048, 100_000);
        let mut cache = Cache::default();
        for start in (0..98_000).step_by(1468) {
            let bytes = sent(&mut cache, &content, start..start + 1468).unwrap();
            assert!(
                bytes.iter().enumerate().all(|(at, it)| *it == byte(2048 + start + at as u64)),
                "{start}"
            );
        }
        assert_eq!(*source.reads.lock().unwrap(), 7);
        assert!(sent(&mut cache, &content, 99_999..100_001).is_err(), "beyond the end");
    }

    #[test]
    fn more_than_there_is_room_for_comes_and_goes() {
        let source = source(12 << 20, 0..0);
        let content = content(&source, 0, 12 << 20);
        let mut cache = Cache::default();
        for (transfers, limit) in [(1, PIECES_EACH), (3, 3 * PIECES_EACH), (500, MAX_PIECES)] {
            cache.set_transfers(transfers);
            for start in (0..11 << 20).step_by(3 << 14) {
                sent(&mut cache, &content, start..start + 94_208).unwrap();
                assert!(cache.pieces.len() <= limit && cache.index.len() == cache.pieces.len());
            }
            assert_eq!(cache.pieces.len(), limit);
        }
        cache.set_transfers(0);
        assert!(cache.pieces.is_empty());
    }

    #[test]
    fn what_was_just_wanted_does_not_give_way_to_what_is_wanted_with_it() {
        let source = source(12 << 20, 0..0);
        let content = content(&source, 0, 12 << 20);
        let mut cache = Cache::default();
        // Forwards and backwards, so that some of it is there already, in every place.
        for start in (0..80).chain((0..80).rev()) {
            let start = start * 3 * PIECE_LEN;
            sent(&mut cache, &content, start..start + 40 * PIECE_LEN).unwrap();
        }
        // Each of its sectors in another piece.
        let extents: Vec<_> =
            (0..184).map(|number| Extent { offset: number * PIECE_LEN, len: 512 }).collect();
        let body = Body::Image(FileData::new(source, extents));
        let scattered = Content { body, role: Role::Other, modified: 0 };
        assert_eq!(sent(&mut cache, &scattered, 0..184 * 512).unwrap().len(), 184 * 512);
        assert_eq!(cache.pieces.len(), 184);
    }

    #[test]
    fn a_bad_sector_fails_only_who_wants_it() {
        let source = source(64 << 10, 20_000..20_512);
        let mut cache = Cache::default();
        let before = content(&source, 16_384, 3_000);
        let behind = content(&source, 20_512, 3_000);
        let with = content(&source, 19_000, 3_000);
        for _ in 0..2 {
            assert_eq!(sent(&mut cache, &before, 0..3_000).unwrap()[2_999], byte(19_383));
            assert_eq!(sent(&mut cache, &behind, 0..3_000).unwrap()[0], byte(20_512));
            assert!(sent(&mut cache, &with, 0..3_000).is_err());
        }
    }

    #[test]
    fn s20_an_image_that_ends_early_is_an_error() {
        let source = source(5_000, 0..0);
        let content = content(&source, 0, 20_000);
        let mut cache = Cache::default();
        assert_eq!(sent(&mut cache, &content, 4_000..5_000).unwrap().len(), 1_000);
        let error = sent(&mut cache, &content, 4_500..5_500).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
