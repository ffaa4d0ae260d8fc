//! Images that nobody would make but to do harm: built by hand, since no program writes them.

use std::sync::Arc;

use pxego::image::{FileTree, ImageError, IsoImage, Problem};

const SECTOR: usize = 2048;
const DIRECTORY: u8 = 2;
const GOES_ON: u8 = 0x80;

/// Where directories and files begin.
const ROOT: u32 = 18;

/// A directory record (ECMA-119 §9.1).
fn record(name: &[u8], block: u32, len: u32, flags: u8) -> Vec<u8> {
    let mut record = vec![0; (33 + name.len()).next_multiple_of(2)];
    record[0] = u8::try_from(record.len()).unwrap();
    record[2..6].copy_from_slice(&block.to_le_bytes());
    record[10..14].copy_from_slice(&len.to_le_bytes());
    record[25] = flags;
    record[32] = u8::try_from(name.len()).unwrap();
    record[33..33 + name.len()].copy_from_slice(name);
    record
}

/// A directory that begins at `block`: whole sectors, over whose ends no record goes.
fn directory(block: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let own = [record(&[0], block, 0, DIRECTORY), record(&[1], block, 0, DIRECTORY)];
    let mut bytes = Vec::new();
    for record in own.iter().chain(records) {
        if bytes.len() / SECTOR != (bytes.len() + record.len() - 1) / SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend(record);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[10..14].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// An image of a root directory of `root_len` bytes and whatever follows.
fn image(root_len: u32, body: &[u8]) -> Result<IsoImage, ImageError> {
    let mut bytes = vec![0; ROOT as usize * SECTOR];
    bytes[16 * SECTOR..][..6].copy_from_slice(b"\x01CD001");
    bytes[16 * SECTOR + 128..][..2].copy_from_slice(&2048_u16.to_le_bytes());
    bytes[16 * SECTOR + 156..][..34].copy_from_slice(&record(&[0], ROOT, root_len, DIRECTORY));
    bytes[17 * SECTOR..][..6].copy_from_slice(b"\xffCD001");
    bytes.extend(body);
    bytes.extend([7; SECTOR]);
    let blocks = u32::try_from(bytes.len() / SECTOR).unwrap();
    bytes[16 * SECTOR + 80..][..4].copy_from_slice(&blocks.to_le_bytes());
    IsoImage::open(Arc::new(bytes))
}

fn with_root(records: &[Vec<u8>]) -> Result<IsoImage, ImageError> {
    let root = directory(ROOT, records);
    image(u32::try_from(root.len()).unwrap(), &root)
}

/// A file of so many pieces of a byte each.
fn pieces(name: &[u8], count: usize) -> Vec<Vec<u8>> {
    (1..=count).map(|number| record(name, ROOT, 1, if number < count { GOES_ON } else { 0 })).collect()
}

/// To read a file of n pieces one by one takes n² / 2 steps: with a million it would never end.
#[test]
fn a_file_in_a_hundred_thousand_pieces_is_left_out() {
    let records = [pieces(b"A", 1000), pieces(b"B", 100_000), vec![record(b"C", ROOT, 1, 0)]].concat();
    let image = with_root(&records).unwrap();
    let names: Vec<_> = image.list(b"").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [b"a", b"c"]);
    assert_eq!(image.file(b"a").unwrap().data.read_all(1000).unwrap().len(), 1000);
    assert!(image.find(b"b").is_none());
    let [warning] = image.warnings() else { panic!("{:?}", image.warnings()) };
    assert_eq!((warning.problem, &warning.path[..]), (Problem::Scattered, &b"b"[..]));
}

#[test]
fn a_directory_that_stands_in_many_places_is_read_once() {
    let records: Vec<_> =
        (0..10_000).map(|number: u32| record(number.to_string().as_bytes(), ROOT, 0, DIRECTORY)).collect();
    let image = with_root(&records).unwrap();
    assert_eq!(image.entry_count(), 0);
    assert_eq!((image.warnings().len(), image.warnings()[0].problem), (100, Problem::Loop));
}

/// Names of all directories on the way would be gigabytes if each kept its path.
#[test]
fn directories_too_deep_are_left_out_and_the_walk_ends() {
    let name = [b'd'; 200];
    let sector = u32::try_from(SECTOR).unwrap();
    let nested =
        |block| directory(block, &[record(&name, block + 1, sector, DIRECTORY), record(b"F", ROOT, 1, 0)]);
    let body: Vec<u8> = (ROOT..ROOT + 300).flat_map(nested).collect();
    let image = image(sector, &body).unwrap();
    let (mut count, mut longest) = (0, 0);
    image.walk(|path, _| {
        count += 1;
        longest = longest.max(path.len());
        assert!(image.find(path).is_some());
    });
    // The root and 256 below it, a file in each.
    assert_eq!((count, longest), (256 + 257, 256 * 201 + 1));
    assert_eq!(image.warnings().iter().map(|warning| warning.problem).collect::<Vec<_>>(), [Problem::Depth]);
}

#[test]
fn lengths_beyond_the_image_are_refused_with_the_name() {
    for (record, expected) in [
        (record(b"FILE", ROOT, u32::MAX, 0), "file on it ends at 4,295,004,159 bytes"),
        (record(b"FAR", u32::MAX, 1, 0), "far on it ends at 8,796,093,020,161 bytes"),
    ] {
        let error = with_root(&[record]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = image(u32::MAX, &directory(ROOT, &[])).unwrap_err().to_string();
    assert!(error.contains("its root directory ends at 4,295,004,159 bytes"), "{error}");
}
