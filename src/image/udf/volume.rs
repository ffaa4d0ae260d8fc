//! From the anchor to the root directory: volume descriptors, partitions, the file set.

use std::io;

use super::descriptor::{Address, Allocation, Kind, dstring, tag, tag_of};
use crate::image::cursor::{byte, le16, le32, part};
use crate::image::error::ImageError;
use crate::image::{Extent, ReadAt};

/// Sizes of logical blocks; a disc's first (UDF 2.2.2.3: that of a sector).
const BLOCKS: [u64; 4] = [2048, 512, 4096, 1024];
/// Where the anchor is (3/8.4.2.1): one of these, or the same from the end.
const ANCHORS: [u64; 2] = [256, 512];
/// Most descriptors of a sequence, and most sequences that one leads to.
const MAX_DESCRIPTORS: u64 = 256;
const MAX_SEQUENCES: usize = 4;
/// Most partition maps.
const MAX_MAPS: u32 = 8;

/// Where a partition's blocks are.
#[derive(Clone, Debug)]
enum Map {
    /// One after another from this byte on, to that.
    Straight { start: u64, end: u64 },
    /// In pieces: the metadata file (UDF 2.2.10).
    Pieces(Vec<Extent>),
    /// Of a kind that is not read.
    Unread,
}

/// What the descriptors say.
#[derive(Debug)]
pub(super) struct Volume {
    /// Bytes of a logical block.
    pub(super) block: u64,
    /// The logical volume's identifier.
    pub(super) label: String,
    /// The root directory's entry.
    pub(super) root: Address,
    maps: Vec<Map>,
}

/// What a sequence of volume descriptors has: of each kind the one with the highest number (3/8.4.3).
#[derive(Default)]
struct Sequence {
    logical: Option<(u32, Vec<u8>)>,
    /// Number, and where its blocks are.
    partitions: Vec<(u16, u64, u64)>,
}

impl Volume {
    pub(super) fn read(source: &dyn ReadAt) -> Result<Self, ImageError> {
        let (block, anchor) =
            anchor(source)?.ok_or(ImageError::Damaged("its UDF file system has no anchor"))?;
        let mut sequence = Sequence::default();
        // The main sequence; when there is nothing in it, the reserve (3/10.2).
        for at in [16, 24] {
            if sequence.logical.is_none() || sequence.partitions.is_empty() {
                let (len, location) = (le32(&anchor, at), le32(&anchor, at.saturating_add(4)));
                let extent = len.zip(location).map(|(len, location)| Extent {
                    offset: u64::from(location).saturating_mul(block),
                    len: len.into(),
                });
                sequence.read(source, block, extent)?;
            }
        }
        let nothing = ImageError::Damaged("its UDF file system has no logical volume");
        let (_, logical) = sequence.logical.as_ref().ok_or(nothing)?;
        let mut volume = Self {
            block: le32(logical, 212).map_or(block, u64::from),
            label: part(logical, 84, 128).map(dstring).unwrap_or_default(),
            root: Address { map: 0, block: 0 },
            maps: Vec::new(),
        };
        if volume.block != block {
            return Err(ImageError::Damaged("its UDF blocks are not as long as its sectors"));
        }
        volume.maps(source, logical, &sequence)?;
        let set = part(logical, 248, 16).and_then(Allocation::long).map(|it| it.at);
        let set = set.and_then(|at| volume.read_block(source, at).transpose()).transpose()?;
        let set = set.filter(|set| tag_of(set) == Some(tag::FILE_SET));
        let root = set.and_then(|set| Allocation::long(part(&set, 400, 16)?));
        volume.root = root.ok_or(ImageError::Damaged("its UDF file system has no root directory"))?.at;
        Ok(volume)
    }

    /// Reads the partition maps of the logical volume (3/10.7, UDF 2.2.8 to 2.2.10).
    fn maps(&mut self, source: &dyn ReadAt, logical: &[u8], sequence: &Sequence) -> Result<(), ImageError> {
        let straight = |number: u16| {
            let found = sequence.partitions.iter().find(|(other, _, _)| *other == number);
            found.map_or(Map::Unread, |&(_, start, end)| Map::Straight { start, end })
        };
        let mut at = 440_usize;
        let mut metadata = Vec::new();
        for _ in 0..le32(logical, 268).unwrap_or_default().min(MAX_MAPS) {
            let len = byte(logical, at.saturating_add(1)).map(usize::from).unwrap_or_default();
            let Some(map) = part(logical, at, len).filter(|map| map.len() >= 6) else { break };
            at = at.saturating_add(len);
            self.maps.push(match (byte(map, 0), part(map, 5, 23)) {
                (Some(1), _) => straight(le16(map, 4).unwrap_or(u16::MAX)),
                (Some(2), Some(b"*UDF Metadata Partition")) => {
                    let (number, location) = (le16(map, 38), le32(map, 40));
                    let of_map = self.maps.len();
                    metadata.extend(number.zip(location).map(|(number, block)| (of_map, number, block)));
                    Map::Unread
                }
                // Packets that went bad are kept elsewhere; images that were never on such a disc have none (UDF 2.2.9).
                (Some(2), Some(b"*UDF Sparable Partition")) => straight(le16(map, 38).unwrap_or(u16::MAX)),
                _ => Map::Unread,
            });
        }
        for (of_map, number, location) in metadata {
            let physical = straight(number);
            let mut pieces = Vec::new();
            let entry = physical.at(location, self.block);
            let entry = entry.map(|at| self.bytes(source, at)).transpose()?;
            for allocation in entry.as_deref().and_then(allocations_of).unwrap_or_default() {
                let Some(offset) = physical.at(allocation.at.block, self.block) else { break };
                if allocation.kind != Kind::Recorded || allocation.len == 0 {
                    break;
                }
                pieces.push(Extent { offset, len: allocation.len.into() });
            }
            if let Some(map) = self.maps.get_mut(of_map) {
                *map = Map::Pieces(pieces);
            }
        }
        Ok(())
    }

    /// Where a block is, in bytes of the image.
    pub(super) fn offset(&self, at: Address) -> Option<u64> {
        self.maps.get(usize::from(at.map))?.at(at.block, self.block)
    }

    /// Where `len` bytes from a block on are: in one piece, or in several of the metadata file.
    pub(super) fn locate(&self, at: Address, len: u64, extents: &mut Vec<Extent>) -> Option<()> {
        let map = self.maps.get(usize::from(at.map))?;
        let (mut block, mut left) = (at.block, len);
        while left > 0 {
            let offset = map.at(block, self.block)?;
            // Whole blocks, as far as they lie together.
            let room = map.room(block, self.block)?;
            let piece = Extent { offset, len: room.min(left) };
            match extents.last_mut().filter(|last| last.offset.checked_add(last.len) == Some(offset)) {
                Some(last) => last.len = last.len.checked_add(piece.len)?,
                None => extents.push(piece),
            }
            left = left.saturating_sub(piece.len);
            block = block.checked_add(u32::try_from(piece.len.div_ceil(self.block)).ok()?)?;
        }
        Some(())
    }

    /// The bytes of a block; `None` where there is none.
    pub(super) fn read_block(&self, source: &dyn ReadAt, at: Address) -> Result<Option<Vec<u8>>, ImageError> {
        self.offset(at).map(|offset| self.bytes(source, offset)).transpose()
    }

    fn bytes(&self, source: &dyn ReadAt, offset: u64) -> Result<Vec<u8>, ImageError> {
        block_at(source, offset, self.block).map(Option::unwrap_or_default)
    }
}

impl Map {
    /// Where a block is, in bytes of the image.
    fn at(&self, number: u32, block: u64) -> Option<u64> {
        let within = u64::from(number).checked_mul(block)?;
        match self {
            Self::Straight { start, end } => start.checked_add(within).filter(|offset| offset < end),
            Self::Pieces(pieces) => {
                let mut skip = within;
                for piece in pieces {
                    match skip.checked_sub(piece.len) {
                        Some(left) => skip = left,
                        None => return piece.offset.checked_add(skip),
                    }
                }
                None
            }
            Self::Unread => None,
        }
    }

    /// How many bytes lie together from a block on.
    fn room(&self, number: u32, block: u64) -> Option<u64> {
        let within = u64::from(number).checked_mul(block)?;
        match self {
            // A file that runs over the end of its partition is looked at where it is known to be one.
            Self::Straight { .. } => Some(u64::MAX),
            Self::Pieces(pieces) => {
                let mut skip = within;
                for piece in pieces {
                    match skip.checked_sub(piece.len) {
                        Some(left) => skip = left,
                        None => return piece.len.checked_sub(skip),
                    }
                }
                None
            }
            Self::Unread => None,
        }
    }
}

impl Sequence {
    /// Takes in a sequence of descriptors, and those that it leads to.
    fn read(&mut self, source: &dyn ReadAt, block: u64, extent: Option<Extent>) -> Result<(), ImageError> {
        let mut next = extent;
        for _ in 0..MAX_SEQUENCES {
            let Some(extent) = next.take() else { break };
            for number in 0..extent.len.checked_div(block).unwrap_or(0).min(MAX_DESCRIPTORS) {
                let offset = extent.offset.saturating_add(number.saturating_mul(block));
                let Some(bytes) = block_at(source, offset, block)? else { break };
                match tag_of(&bytes) {
                    Some(tag::END) | None => break,
                    Some(tag::POINTER) => {
                        let (len, location) = (le32(&bytes, 20), le32(&bytes, 24));
                        next = len.zip(location).map(|(len, location)| Extent {
                            offset: u64::from(location).saturating_mul(block),
                            len: len.into(),
                        });
                    }
                    Some(tag::PARTITION) => self.partitions.extend(partition(&bytes, block)),
                    Some(tag::LOGICAL_VOLUME) => {
                        let order = le32(&bytes, 16).unwrap_or_default();
                        if self.logical.as_ref().is_none_or(|(known, _)| *known <= order) {
                            self.logical = Some((order, bytes));
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Number, first and last byte of a partition (3/10.5).
fn partition(bytes: &[u8], block: u64) -> Option<(u16, u64, u64)> {
    let (start, len) = (u64::from(le32(bytes, 188)?), u64::from(le32(bytes, 192)?));
    let end = start.checked_add(len)?.checked_mul(block)?;
    Some((le16(bytes, 22)?, start.checked_mul(block)?, end))
}

/// The allocation descriptors of an entry that has short or long ones, all in its own block.
pub(super) fn allocations_of(entry: &[u8]) -> Option<Vec<Allocation>> {
    let (head, lengths) = match tag_of(entry)? {
        tag::FILE_ENTRY => (176_usize, 168_usize),
        tag::EXTENDED_FILE_ENTRY => (216, 208),
        _ => return None,
    };
    let attributes = usize::try_from(le32(entry, lengths)?).ok()?;
    let len = usize::try_from(le32(entry, lengths.checked_add(4)?)?).ok()?;
    let bytes = part(entry, head.checked_add(attributes)?, len)?;
    match le16(entry, 34)? & 7 {
        0 => Some(bytes.chunks_exact(8).filter_map(|it| Allocation::short(it, 0)).collect()),
        1 => Some(bytes.chunks_exact(16).filter_map(Allocation::long).collect()),
        _ => None,
    }
}

/// The anchor, and the size of blocks that it is found with.
fn anchor(source: &dyn ReadAt) -> Result<Option<(u64, Vec<u8>)>, ImageError> {
    for block in BLOCKS {
        let last = source.len().checked_div(block).unwrap_or(0).saturating_sub(1);
        for number in ANCHORS.into_iter().chain([last, last.saturating_sub(256)]) {
            let Some(bytes) = block_at(source, number.saturating_mul(block), block)? else { continue };
            // Its own location in the tag tells that the size of blocks is right.
            let is_here = le32(&bytes, 12).map(u64::from) == Some(number);
            if tag_of(&bytes) == Some(tag::ANCHOR) && is_here {
                return Ok(Some((block, bytes)));
            }
        }
    }
    Ok(None)
}

/// The bytes of a block; `None` beyond the end.
fn block_at(source: &dyn ReadAt, offset: u64, block: u64) -> Result<Option<Vec<u8>>, ImageError> {
    let mut bytes = vec![0; usize::try_from(block).unwrap_or_default()];
    match source.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.into()),
    }
}
