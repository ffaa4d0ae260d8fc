//! FAT file systems: a named error, or a tree that hangs together, for no more work than the file system is long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pxego::image::{Extent, FatImage, FileData, FileTree, Node, ReadAt};

/// Reads `data` as a file system.
pub fn fat(data: &[u8]) {
    image(data.to_vec());
}

/// A file system that counts what is read of it.
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

/// Opens a file system and looks at everything on it; tells whether there is anything.
pub fn image(bytes: Vec<u8>) -> bool {
    let len = bytes.len() as u64;
    let source = Arc::new(Counting { bytes, read: AtomicU64::new(0) });
    let opened = FatImage::open(&FileData::new(source.clone(), [Extent { offset: 0, len }]));
    let read = source.read.load(Ordering::Relaxed);
    assert!(read <= 3 * len + (64 << 10), "{read} bytes read of {len}");
    let fat = match opened {
        Ok(fat) => fat,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("is ") || text.starts_with("cannot be read: "), "{text}");
            return false;
        }
    };
    assert!(fat.warnings().len() <= 100);
    let mut seen = Vec::new();
    fat.walk(|path, entry| seen.push((path.to_vec(), entry.clone())));
    assert_eq!(seen.len(), fat.entry_count());
    assert!(seen.len() as u64 <= len / 32, "each has its entry");
    for (path, entry) in seen.iter().take(2000) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        assert_eq!(name, entry.name);
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&0));
        match fat.find(path) {
            Some(Node::Directory) => {
                let listed = fat.list(path).expect("it is a directory");
                assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
            }
            Some(Node::File(file)) => {
                assert_eq!(entry.len, file.data.len());
                let mut buffer = [0; 64];
                for at in [0, entry.len.saturating_sub(40), entry.len] {
                    let count = file.data.read_at(&mut buffer, at).expect("files end on the file system");
                    assert_eq!(count as u64, (entry.len - at).min(64));
                }
            }
            None => panic!("{} is listed and not found", path.escape_ascii()),
        }
        assert!(fat.find_any_case(&path.to_ascii_uppercase()).is_some());
    }
    true
}
