//! What the checks of file systems share: how much is read of one, and that its tree hangs together.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pxego::image::{Entry, FileTree, Node, ReadAt};

/// Most entries that are looked at.
const MAX_ENTRIES: usize = 2000;

/// An image that counts what is read of it.
pub struct Counting {
    bytes: Vec<u8>,
    read: AtomicU64,
}

impl Counting {
    /// The image `bytes`, of which nothing was read yet.
    pub fn new(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { bytes, read: AtomicU64::new(0) })
    }

    /// Opening it has read at most so many bytes.
    pub fn has_read_at_most(&self, limit: u64) {
        let read = self.read.load(Ordering::Relaxed);
        assert!(read <= limit, "{read} bytes read of {}, at most {limit} should be", self.bytes.len());
    }
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

/// The error goes on after the image's name.
pub fn is_named(error: &impl Display) {
    let text = error.to_string();
    assert!(text.starts_with("is ") || text.starts_with("cannot be read: "), "{text}");
}

/// What the walk has shown is found by its path, and can be read; what a directory lists stands there once, in order.
pub fn hangs_together(tree: &dyn FileTree, seen: &[(Vec<u8>, Entry)]) {
    for (path, entry) in seen.iter().take(MAX_ENTRIES) {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        assert_eq!(name, entry.name);
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&0));
        match tree.find(path) {
            Some(Node::Directory) => {
                let listed = tree.list(path).expect("it is a directory");
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
        assert!(tree.find_any_case(&path.to_ascii_uppercase()).is_some());
    }
}
