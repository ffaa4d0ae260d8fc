//! EFI system partitions of an image that is laid out as a disk too, as `isohybrid` and xorriso make it.
//!
//! EL10, Fedora and others append the FAT image of their loaders as a partition instead of keeping it as a file.
//! Sources: UEFI 2.10 §5.2 (MBR), §5.3 (GPT).

use super::cursor::{byte, le32, le64, part};
use super::{Extent, ReadAt};

/// Sectors of a disk, in bytes. Images are made for sticks, which have no others.
const SECTOR: u64 = 512;
/// Most entries of a GPT that are looked at; 128 are usual.
const MAX_ENTRIES: u32 = 128;
/// C12A7328-F81F-11D2-BA4B-00A0C93EC93B as it is stored (UEFI 2.10 table 5.7).
const EFI_SYSTEM: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
/// The same in an MBR (UEFI 2.10 §5.2.2).
const MBR_EFI_SYSTEM: u8 = 0xef;

/// The EFI system partitions of a disk, those of its GPT before those of its MBR, as far as they lie on it.
pub(super) fn efi_system(source: &dyn ReadAt) -> Vec<Extent> {
    let mut found = gpt(source).unwrap_or_default();
    for extent in mbr(source).unwrap_or_default() {
        if !found.iter().any(|other| other.offset == extent.offset) {
            found.push(extent);
        }
    }
    found
}

/// The sectors from `first` on, where they are on the disk and not its first.
fn extent(source: &dyn ReadAt, first: u64, count: u64) -> Option<Extent> {
    let extent = Extent { offset: first.checked_mul(SECTOR)?, len: count.checked_mul(SECTOR)? };
    let is_there = extent.offset.checked_add(extent.len)? <= source.len();
    (first > 0 && count > 0 && is_there).then_some(extent)
}

fn read(source: &dyn ReadAt, offset: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    source.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

fn mbr(source: &dyn ReadAt) -> Option<Vec<Extent>> {
    let sector = read(source, 0, SECTOR as usize)?;
    if part(&sector, 510, 2) != Some(&[0x55, 0xaa]) {
        return None;
    }
    let entries = part(&sector, 446, 64)?.chunks_exact(16);
    let efi = entries.filter(|entry| byte(entry, 4) == Some(MBR_EFI_SYSTEM));
    Some(efi.filter_map(|it| extent(source, le32(it, 8)?.into(), le32(it, 12)?.into())).collect())
}

fn gpt(source: &dyn ReadAt) -> Option<Vec<Extent>> {
    let header = read(source, SECTOR, SECTOR as usize)?;
    if part(&header, 0, 8) != Some(b"EFI PART") {
        return None;
    }
    let (table, count, size) = (le64(&header, 72)?, le32(&header, 80)?, le32(&header, 84)?);
    if !(128..=4096).contains(&size) {
        return None;
    }
    let (count, size) = (count.min(MAX_ENTRIES) as usize, size as usize);
    let entries = read(source, table.checked_mul(SECTOR)?, count.checked_mul(size)?)?;
    let efi = entries.chunks_exact(size).filter(|entry| part(entry, 0, 16) == Some(&EFI_SYSTEM));
    let sectors = |entry: &[u8]| {
        let (first, last) = (le64(entry, 32)?, le64(entry, 40)?);
        extent(source, first, last.checked_sub(first)?.checked_add(1)?)
    };
    Some(efi.filter_map(sectors).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn partitions_that_are_not_there_are_left_out() {
        let mut disk = vec![0; 100 * 512];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let cases = [
            (10_u32, 5_u32, true),
            (0, 5, false),
            (10, 0, false),
            (90, 11, false),
            (u32::MAX, u32::MAX, false),
        ];
        for (first, count, is_there) in cases {
            disk[446 + 4] = 0xef;
            disk[446 + 8..446 + 12].copy_from_slice(&first.to_le_bytes());
            disk[446 + 12..446 + 16].copy_from_slice(&count.to_le_bytes());
            let expected: &[Extent] = if is_there { &[Extent { offset: 5120, len: 2560 }] } else { &[] };
            assert_eq!(efi_system(&disk), expected, "{first} {count}");
        }
        disk[446 + 4] = 0x83;
        assert_eq!(efi_system(&disk), []);
        assert_eq!(efi_system(&vec![0; 100]), []);
    }
}
