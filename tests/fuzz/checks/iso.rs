//! ISO 9660 images: a named error, or a tree that hangs together, for no more work than the image is long.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pxego::image::{Entry, FatImage, FileTree, IsoImage, Node, ReadAt};

/// The system area, which no reader looks at (ECMA-119 §6.2.1). Seeds are without it.
const SYSTEM_AREA: u64 = 32 << 10;

/// Reads `data` as an image without its system area, and as a whole file of whatever kind.
pub fn iso(data: &[u8]) {
    image(data.to_vec(), SYSTEM_AREA);
    image(data.to_vec(), 0);
}

/// An image that counts what is read of it.
struct Counting {
    bytes: Vec<u8>,
    /// Zeros before the bytes.
    before: u64,
    calls: AtomicU64,
    read: AtomicU64,
}

impl ReadAt for Counting {
    fn len(&self) -> u64 {
        self.before + self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let zeros = (self.before.saturating_sub(offset) as usize).min(buffer.len());
        let count = if zeros > 0 {
            buffer[..zeros].fill(0);
            zeros
        } else {
            self.bytes.read_at(buffer, offset - self.before)?
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens an image and looks at everything on it; tells whether there is anything.
pub fn image(bytes: Vec<u8>, before: u64) -> bool {
    let source = Arc::new(Counting { bytes, before, calls: AtomicU64::new(0), read: AtomicU64::new(0) });
    let len = source.len();
    let opened = IsoImage::open(source.clone());
    let (calls, read) = (source.calls.load(Ordering::Relaxed), source.read.load(Ordering::Relaxed));
    assert!(read <= 8 * len + (4 << 20) && calls <= len / 34 + 64, "{calls} reads of {read} bytes, of {len}");
    let image = match opened {
        Ok(image) => image,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("is ") || text.starts_with("cannot be read: "), "{text}");
            return false;
        }
    };
    assert_eq!(image.len(), len);
    assert!(
        image.warnings().len() <= 100
            && image.warnings().iter().all(|warning| !warning.to_string().is_empty())
    );
    let mut seen = Vec::new();
    image.walk(|path, entry| seen.push((path.to_vec(), entry.clone())));
    assert_eq!(seen.len(), image.entry_count());
    assert!(seen.len() as u64 <= len / 34, "each has its record");
    let mut room = Room(64 << 20);
    for (path, entry) in &seen {
        if !room.takes(path) {
            break;
        }
        is_there(&image, path, entry);
    }
    lists(&image, b"", &mut room);
    for (path, entry) in &seen {
        if entry.is_directory && room.takes(path) {
            lists(&image, path, &mut room);
        }
    }
    for boot_image in image.boot_images() {
        let last = boot_image.data.len().checked_sub(1).expect("it has bytes");
        assert!(boot_image.data.extent_at(last).is_some_and(|extent| extent.offset < len));
        let _ = FatImage::open(&boot_image.data);
    }
    assert!(image.find(b"no such name").is_none() && image.find(b"/").is_none());
    true
}

/// How much more may be looked at: one evil path of 256 names costs as much as a thousand good ones.
struct Room(usize);

impl Room {
    fn takes(&mut self, path: &[u8]) -> bool {
        self.0 = self.0.saturating_sub(1000 + path.len() * 16);
        self.0 > 0
    }
}

/// What the walk showed is found by its path, in other letters too, and can be read.
fn is_there(image: &IsoImage, path: &[u8], entry: &Entry) {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    assert_eq!(name, entry.name);
    assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&0));
    match image.find(path) {
        Some(Node::Directory) => assert!(entry.is_directory && entry.len == 0),
        Some(Node::File(file)) => {
            assert_eq!(
                (entry.is_directory, entry.len, entry.modified),
                (false, file.data.len(), file.modified)
            );
            let mut buffer = [0; 64];
            for at in [0, entry.len.saturating_sub(40), entry.len] {
                let count = file.data.read_at(&mut buffer, at).expect("files end on the image");
                assert_eq!(count as u64, (entry.len - at).min(64));
            }
        }
        None => panic!("{} is listed and not found", path.escape_ascii()),
    }
    assert!(image.find_any_case(&path.to_ascii_uppercase()).is_some());
    assert!(image.find(&[path, b"/"].concat()).is_none());
}

/// What a directory lists is sorted, stands there once, and is found.
fn lists(image: &IsoImage, directory: &[u8], room: &mut Room) {
    let listed = image.list(directory).expect("it is a directory");
    assert!(listed.windows(2).all(|pair| pair[0].name < pair[1].name));
    // A link to a directory lists what is in that.
    for entry in listed.iter().filter(|entry| room.takes(&entry.name)).take(100) {
        let path =
            if directory.is_empty() { entry.name.clone() } else { [directory, &entry.name].join(&b'/') };
        assert!(image.find(&path).is_some(), "{}", path.escape_ascii());
    }
}
