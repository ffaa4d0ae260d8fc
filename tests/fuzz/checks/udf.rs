//! UDF file systems: a named error, or a tree that hangs together, for no more work than the image is long.

use pxego::image::IsoImage;

use super::trees::{Counting, hangs_together, is_named};

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

/// Opens an image and looks at everything on it; tells whether there is anything.
pub fn image(bytes: Vec<u8>) -> bool {
    let len = bytes.len() as u64;
    let source = Counting::new(bytes);
    let opened = IsoImage::open(source.clone());
    source.has_read_at_most(8 * len + (4 << 20));
    let image = match opened {
        Ok(image) => image,
        Err(error) => {
            is_named(&error);
            return false;
        }
    };
    assert!(image.warnings().len() <= 100);
    let mut seen = Vec::new();
    image.walk(|path, entry| seen.push((path.to_vec(), entry.clone())));
    assert_eq!(seen.len(), image.entry_count());
    assert!(seen.len() as u64 <= len / 34, "each has its record");
    hangs_together(&image, &seen);
    true
}
