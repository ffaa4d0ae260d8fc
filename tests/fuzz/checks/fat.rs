//! FAT file systems: a named error, or a tree that hangs together, for no more work than the file system is long.

use pxego::image::{Extent, FatImage, FileData};

use super::trees::{Counting, hangs_together, is_named};

/// Reads `data` as a file system.
pub fn fat(data: &[u8]) {
    image(data.to_vec());
}

/// Opens a file system and looks at everything on it; tells whether there is anything.
pub fn image(bytes: Vec<u8>) -> bool {
    let len = bytes.len() as u64;
    let source = Counting::new(bytes);
    let opened = FatImage::open(&FileData::new(source.clone(), [Extent { offset: 0, len }]));
    source.has_read_at_most(3 * len + (64 << 10));
    let fat = match opened {
        Ok(fat) => fat,
        Err(error) => {
            is_named(&error);
            return false;
        }
    };
    assert!(fat.warnings().len() <= 100);
    let mut seen = Vec::new();
    fat.walk(|path, entry| seen.push((path.to_vec(), entry.clone())));
    assert_eq!(seen.len(), fat.entry_count());
    assert!(seen.len() as u64 <= len / 32, "each has its entry");
    hangs_together(&fat, &seen);
    true
}
