//! What `genisoimage` and `mkudffs` do not write: a metadata partition in pieces, long allocation descriptors that go on in
//! another block, a file inside its own entry (ECMA-167 part 4, UDF 2.60 §2.2.10).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::sync::Arc;

use crate::image::{FileTree, IsoImage};

const BLOCK: usize = 2048;
/// First block of the partition.
const PARTITION: usize = 300;
/// Where the metadata file has its five blocks, in blocks of the partition.
const METADATA: [usize; 5] = [10, 11, 20, 21, 22];

struct Builder(Vec<u8>);

impl Builder {
    fn put(&mut self, block: usize, at: usize, bytes: &[u8]) {
        let start = block * BLOCK + at;
        self.0[start..start + bytes.len()].copy_from_slice(bytes);
    }

    fn put16(&mut self, block: usize, at: usize, number: u16) {
        self.put(block, at, &number.to_le_bytes());
    }

    fn put32(&mut self, block: usize, at: usize, number: usize) {
        self.put(block, at, &u32::try_from(number).unwrap().to_le_bytes());
    }

    /// A tag with its checksum; last, because nothing else of it is checked.
    fn tag(&mut self, block: usize, at: usize, number: u16, location: usize) {
        self.put16(block, at, number);
        self.put32(block, at + 12, location);
        let start = block * BLOCK + at;
        self.0[start + 4] = 0;
        let sum = self.0[start..start + 16].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        self.0[start + 4] = sum;
    }

    fn long_ad(&mut self, block: usize, at: usize, len: usize, map: u16, to: usize) {
        self.put32(block, at, len);
        self.put32(block, at + 4, to);
        self.put16(block, at + 8, map);
    }

    /// An extended file entry of a metadata block; its allocation descriptors, or contents, are to follow at 216.
    fn entry(&mut self, metadata: usize, kind: u8, form: u16, len: usize, allocated: usize) -> usize {
        let block = PARTITION + METADATA[metadata];
        self.put(block, 27, &[kind]);
        self.put16(block, 34, form);
        self.put32(block, 56, len);
        self.put32(block, 212, allocated);
        self.tag(block, 0, 266, metadata);
        block
    }

    /// A file identifier; how long it is.
    fn name(&mut self, block: usize, at: usize, flags: u8, name: &str, to: usize) -> usize {
        let name = if name.is_empty() { Vec::new() } else { [b"\x08", name.as_bytes()].concat() };
        self.put(block, at + 18, &[flags, u8::try_from(name.len()).unwrap()]);
        self.long_ad(block, at + 20, BLOCK, 1, to);
        self.put(block, at + 38, &name);
        self.tag(block, at, 257, 0);
        (38 + name.len()).next_multiple_of(4)
    }
}

fn image() -> Vec<u8> {
    let mut image = Builder(vec![0; 400 * BLOCK]);
    for (block, mark) in [(16, b"BEA01"), (17, b"NSR03"), (18, b"TEA01")] {
        image.put(block, 1, mark);
    }
    image.put32(256, 16, 3 * BLOCK);
    image.put32(256, 20, 32);
    image.tag(256, 0, 2, 256);
    // Partition, logical volume, end.
    image.put32(32, 188, PARTITION);
    image.put32(32, 192, 100);
    image.tag(32, 0, 5, 32);
    image.put(33, 84, b"\x08METADATA");
    image.put(33, 84 + 127, &[9]);
    image.put32(33, 212, BLOCK);
    image.long_ad(33, 248, BLOCK, 1, 0);
    image.put32(33, 268, 2);
    image.put(33, 440, &[1, 6, 1, 0, 0, 0]);
    image.put(33, 446, &[2, 64]);
    image.put(33, 446 + 5, b"*UDF Metadata Partition");
    image.tag(33, 0, 6, 33);
    image.tag(34, 0, 8, 34);
    // The metadata file: two pieces, by short allocation descriptors.
    image.put(PARTITION, 27, &[250]);
    image.put32(PARTITION, 212, 16);
    for (at, len, to) in [(216, 2, 10), (224, 3, 20)] {
        image.put32(PARTITION, at, len * BLOCK);
        image.put32(PARTITION, at + 4, to);
    }
    image.tag(PARTITION, 0, 266, 0);
    // The file set, and the root directory, which is inside its entry.
    let set = PARTITION + METADATA[0];
    image.long_ad(set, 400, BLOCK, 1, 1);
    image.tag(set, 0, 256, 0);
    let root = image.entry(1, 4, 3, 0, 0);
    let mut at = 216;
    for (flags, name, to) in
        [(0x0a, "", 1), (0, "big", 2), (4, "deleted", 2), (0, "inside", 4), (2, "again", 1)]
    {
        at += image.name(root, at, flags, name, to);
    }
    image.put32(root, 56, at - 216);
    image.put32(root, 212, at - 216);
    // A file in three pieces, the last two of which another block tells of.
    let big = image.entry(2, 5, 1, 3 * BLOCK + 1000, 32);
    image.long_ad(big, 216, BLOCK, 0, 50);
    image.long_ad(big, 232, BLOCK | 3 << 30, 1, 3);
    let more = PARTITION + METADATA[3];
    image.put32(more, 20, 32);
    image.long_ad(more, 24, 2 * BLOCK, 0, 60);
    image.long_ad(more, 40, BLOCK, 0, 55);
    image.tag(more, 0, 258, 3);
    for (block, letter) in [(50, b'a'), (60, b'b'), (61, b'c'), (55, b'd')] {
        image.put(PARTITION + block, 0, &[letter; BLOCK]);
    }
    let inside = image.entry(4, 5, 3, 6, 6);
    image.put(inside, 216, b"inside");
    image.0
}

#[test]
fn a_metadata_partition_and_files_in_pieces_are_read() {
    let image = IsoImage::open(Arc::new(image())).unwrap();
    assert_eq!(image.volume_id(), "METADATA");
    let read = |path: &str| image.file(path.as_bytes()).unwrap().data.read_all(1 << 20).unwrap();
    let expected = [&[b'a'; BLOCK][..], &[b'b'; BLOCK], &[b'c'; BLOCK], &[b'd'; 1000]].concat();
    assert!(read("big") == expected);
    assert_eq!(read("inside"), b"inside");
    assert_eq!(image.entry_count(), 2, "the deleted and the circle are left out");
    assert_eq!(image.warnings().len(), 1, "the circle: {:?}", image.warnings());
}

#[test]
fn what_is_not_all_there_is_told() {
    let cut = |blocks: usize| {
        let mut image = image();
        image.truncate(blocks * BLOCK);
        IsoImage::open(Arc::new(image)).unwrap_err().to_string()
    };
    assert!(cut(PARTITION + 58).contains("big on it ends at "), "{}", cut(PARTITION + 58));
    assert!(cut(PARTITION + 5).contains("UDF"), "{}", cut(PARTITION + 5));
    assert!(cut(200).contains("no anchor"), "{}", cut(200));
}
