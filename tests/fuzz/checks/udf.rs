//! UDF file systems: a named error, or a tree that hangs together, for no more work than the image is long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pxego::image::{FileTree, IsoImage, Node, ReadAt};

const SECTOR: usize = 2048;
/// Longest image that is put together: the anchor is at sector 256, what follows is small.
const MAX_SECTORS: usize = 1024;

/// Reads `data` as those sectors of an image that are not empty: the number of each in two bytes, most significant first,
/// and its bytes.
pub fn udf(data: &[u8]) {
    image(whole(data));
}

/// The image of which `data` has the sectors.
pub fn whole(data: &[u8]) -> Vec<u8> {
    let mut image = Vec::new();
    for part in data.chunks(SECTOR + 2) {
        let [high, low, bytes @ ..] = part else { break };
        let at = (usize::from(*high) << 8 | usize::from(*low)) % MAX_SECTORS * SECTOR;
        image.resize(image.len().max(at + SECTOR), 0);
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    image
}

/// An image that counts what is read of it.
struct Counting {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl ReadAt for Counting {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.bytes.read_at(buffer, offset)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens an image and looks at everything on it; tells whether there is anything.
pub fn image(bytes: Vec<u8>) -> bool {
    let len = bytes.len() as u64;
    let source = Arc::new(Counting { bytes, read: AtomicU64::new(0) });
    let opened = IsoImage::open(source.clone());
    let read = source.read.load(Ordering::Relaxed);
    assert!(read <= 8 * len + (4 << 20), "{read} bytes read of {len}");
    let image = match opened {
        Ok(image) => image,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("is ") || text.starts_with("cannot be read: "), "{text}");
            return false;
        }
    };
    assert!(image.warnings().len() <= 100);
    let mut seen = Vec::new();
    image.walk(|path, entry| seen.push((path.to_vec(), entry.clone())));
    assert_eq!(seen.len(), image.entry_count());
    assert!(seen.len() as u64 <= len / 34, "each has its record");
    for (path, entry) in seen.iter().take(2000) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        assert_eq!(name, entry.name);
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&0));
        match image.find(path) {
            Some(Node::Directory) => {
                let listed = image.list(path).expect("it is a directory");
                assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
            }
            Some(Node::File(file)) => {
                assert_eq!((entry.len, entry.modified), (file.data.len(), file.modified));
                let mut buffer = [0; 64];
                for at in [0, entry.len.saturating_sub(40), entry.len] {
                    let count = file.data.read_at(&mut buffer, at).expect("files end on the image");
                    assert_eq!(count as u64, (entry.len - at).min(64));
                }
            }
            None => panic!("{} is listed and not found", path.escape_ascii()),
        }
    }
    true
}
