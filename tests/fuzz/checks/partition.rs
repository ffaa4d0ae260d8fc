//! Tables of partitions in front of an image that is a disk too: what they tell lies on the image and can be looked into.

use std::sync::Arc;

use pxego::image::{FatImage, FileTree, IsoImage};

/// No reader of ISO 9660 looks at it (ECMA-119 §6.2.1).
const SYSTEM_AREA: usize = 32 << 10;

/// An image without its system area, and a partition for behind it.
const IMAGE: &[u8] = include_bytes!("../seeds/iso/plain");
const FAT: &[u8] = include_bytes!("../seeds/fat/fat12");

/// Reads `data` as the system area of an image that is sound.
pub fn partition(data: &[u8]) {
    found(data);
}

/// How many FAT file systems are found with this system area.
pub fn found(data: &[u8]) -> usize {
    let mut bytes = data.to_vec();
    bytes.resize(SYSTEM_AREA, 0);
    bytes.extend(IMAGE);
    bytes.extend(FAT);
    let len = bytes.len() as u64;
    let image = IsoImage::open(Arc::new(bytes)).expect("what stands before the image does not matter to it");
    let partitions = image.boot_images();
    // Table 21 of UEFI 2.10 has no limit; ours is that of what everybody writes, and the MBR has four.
    assert!(partitions.len() <= 128 + 4, "{}", partitions.len());
    let of_image = partitions.iter().filter(|partition| {
        let first = partition.data.extent_at(0).expect("it has bytes");
        assert!(first.offset > 0 && first.offset + partition.data.len() <= len, "{}", partition.origin);
        FatImage::open(&partition.data).is_ok()
    });
    of_image.count()
}
