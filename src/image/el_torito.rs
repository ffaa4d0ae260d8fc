//! The El Torito boot catalogue: what firmware starts when it boots from the disc itself.
//!
//! Source: "El Torito" Bootable CD-ROM Format Specification 1.0 (Phoenix, IBM, 1995) §2. Which numbers of sectors
//! firmware believes: EDK2 `MdeModulePkg/Universal/Disk/PartitionDxe/ElTorito.c`.

use std::io;

use super::ReadAt;
use super::cursor::{SECTOR, byte, le16, le32, offset_of, part};

/// An entry of the catalogue is this long, in bytes.
const ENTRY: usize = 32;
/// Longest catalogue that is looked at: 512 entries. xorriso writes 32 at most.
const MAX_LEN: usize = 16 << 10;
/// Sectors of a boot image are those of a floppy disk, in bytes (§2.2).
const VIRTUAL_SECTOR: u64 = 512;

/// For which firmware an entry is (§2.1; UEFI 2.10 §13.3.2.1 adds 0xef).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// 80x86: BIOS.
    Bios,
    /// PowerPC.
    PowerPc,
    /// Macintosh.
    Mac,
    /// UEFI.
    Uefi,
    /// Another number.
    Other(u8),
}

/// What the firmware makes of a boot image (§2.2, byte 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulation {
    /// It is a program, or for UEFI a FAT file system.
    None,
    /// It is a floppy disk of 1.2, 1.44 or 2.88 MB.
    Floppy,
    /// It is a hard disk.
    HardDisk,
    /// Another number.
    Other(u8),
}

/// An entry of the boot catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// For which firmware.
    pub platform: Platform,
    /// Whether it may be booted at all.
    pub is_bootable: bool,
    /// What the firmware makes of the image.
    pub emulation: Emulation,
    /// Where a BIOS puts it; 0 stands for 0x7c0.
    pub load_segment: u16,
    /// How many sectors of 512 bytes are loaded. For UEFI 0 and 1 stand for "up to the end of the disc".
    pub sectors: u16,
    /// First sector of 2,048 bytes of the boot image.
    pub block: u32,
}

impl BootEntry {
    /// Where the boot image starts, in bytes.
    pub fn offset(&self) -> u64 {
        offset_of(self.block)
    }

    /// How many bytes of it are loaded, as far as the catalogue tells.
    pub fn loaded(&self) -> Option<u64> {
        (self.sectors > 1).then(|| u64::from(self.sectors).saturating_mul(VIRTUAL_SECTOR))
    }

    fn parse(entry: &[u8], platform: Platform) -> Option<Self> {
        Some(Self {
            platform,
            is_bootable: byte(entry, 0)? == 0x88,
            emulation: match byte(entry, 1)? & 0x0f {
                0 => Emulation::None,
                1..=3 => Emulation::Floppy,
                4 => Emulation::HardDisk,
                other => Emulation::Other(other),
            },
            load_segment: le16(entry, 2)?,
            sectors: le16(entry, 6)?,
            block: le32(entry, 8)?,
        })
    }
}

impl Platform {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Bios,
            1 => Self::PowerPc,
            2 => Self::Mac,
            0xef => Self::Uefi,
            other => Self::Other(other),
        }
    }
}

/// Why a boot catalogue is not read.
#[derive(Debug)]
pub enum CatalogError {
    /// It does not begin with a validation entry.
    NotValid(&'static str),
    /// The image cannot be read there.
    Read(io::Error),
}

impl std::fmt::Display for CatalogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotValid(what) => write!(f, "the El Torito boot catalogue is damaged: {what}"),
            Self::Read(error) => write!(f, "the El Torito boot catalogue cannot be read: {error}"),
        }
    }
}

impl std::error::Error for CatalogError {}

/// Reads the catalogue that starts at `offset`, in its order: the default entry, then those of every section. Entries
/// that are not bootable are there too; a section that ends early gives what it has.
///
/// # Errors
/// `NotValid` when its validation entry is wrong (§2.1), in which case no firmware boots it; `Read` when it is not
/// on the image.
pub fn read_catalog(source: &dyn ReadAt, offset: u64) -> Result<Vec<BootEntry>, CatalogError> {
    let left = usize::try_from(source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut bytes = vec![0; left.min(MAX_LEN)];
    source.read_exact_at(&mut bytes, offset).map_err(CatalogError::Read)?;
    parse(&bytes).map_err(CatalogError::NotValid)
}

fn parse(catalog: &[u8]) -> Result<Vec<BootEntry>, &'static str> {
    let mut entries = catalog.chunks_exact(ENTRY);
    let first = entries.next().ok_or("it ends before its first entry")?;
    if byte(first, 0) != Some(1) || part(first, 30, 2) != Some(&[0x55, 0xaa]) {
        return Err("it has no validation entry");
    }
    let sum = first.chunks_exact(2).filter_map(|word| le16(word, 0)).fold(0, u16::wrapping_add);
    if sum != 0 {
        return Err("the checksum of its validation entry is wrong");
    }
    let platform = Platform::of(byte(first, 1).unwrap_or_default());
    let mut found: Vec<BootEntry> =
        entries.next().and_then(|entry| BootEntry::parse(entry, platform)).into_iter().collect();
    while let Some(header) = entries.next() {
        // 0x90: more headers follow; 0x91: this is the last (§2.3).
        let Some(indicator @ (0x90 | 0x91)) = byte(header, 0) else { break };
        let platform = Platform::of(byte(header, 1).unwrap_or_default());
        for _ in 0..le16(header, 2).unwrap_or_default() {
            let Some(entry) = entries.next() else { break };
            found.extend(BootEntry::parse(entry, platform));
            // Bit 5 of the media type: extensions follow, each of which says whether another one does (§2.4, §2.5).
            let mut goes_on = byte(entry, 1).is_some_and(|flags| flags & 0x20 != 0);
            while goes_on {
                let Some(extension) = entries.next() else { break };
                goes_on = byte(extension, 0) == Some(0x44)
                    && byte(extension, 1).is_some_and(|flags| flags & 0x20 != 0);
            }
        }
        if indicator == 0x91 {
            break;
        }
    }
    Ok(found)
}

/// The bytes of a boot image: up to the end of the image, because the number of sectors is often a lie; what is in it
/// knows its length.
pub(super) fn extent(entry: &BootEntry, image_len: u64) -> Option<super::Extent> {
    let offset = entry.offset();
    let len = image_len.checked_sub(offset)?;
    (entry.block > 0 && len >= SECTOR).then_some(super::Extent { offset, len })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]
    use super::*;

    /// A validation entry for `platform`.
    fn validation(platform: u8) -> Vec<u8> {
        let mut entry = vec![0; ENTRY];
        entry[0] = 1;
        entry[1] = platform;
        entry[30..].copy_from_slice(&[0x55, 0xaa]);
        let sum = entry.chunks(2).map(|word| le16(word, 0).unwrap()).fold(0, u16::wrapping_add);
        entry[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
        entry
    }

    fn entry(bytes: &[u8]) -> Vec<u8> {
        let mut entry = bytes.to_vec();
        entry.resize(ENTRY, 0);
        entry
    }

    #[test]
    fn sections_and_their_extensions_are_read_in_order() {
        let catalog = [
            validation(0),
            entry(&[0x88, 0, 0xc0, 7, 0, 0, 4, 0, 30, 0, 0, 0]),
            entry(&[0x90, 0xef, 2, 0]),
            entry(&[0x88, 0x20, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0]),
            entry(&[0x44, 0x20]),
            entry(&[0x44, 0]),
            entry(&[0, 4, 0, 0, 0, 0, 1, 0, 50, 0, 0, 0]),
            entry(&[0x91, 2, 1, 0]),
            entry(&[0x88, 2, 0, 0, 0, 0, 1, 0, 60, 0, 0, 0]),
            entry(&[0x91, 0xef, 1, 0]),
            entry(&[0x88, 0, 0, 0, 0, 0, 1, 0, 70, 0, 0, 0]),
        ]
        .concat();
        let found = parse(&catalog).unwrap();
        let blocks: Vec<_> = found.iter().map(|it| (it.platform, it.block, it.is_bootable)).collect();
        assert_eq!(
            blocks,
            [
                (Platform::Bios, 30, true),
                (Platform::Uefi, 40, true),
                (Platform::Uefi, 50, false),
                (Platform::Mac, 60, true)
            ],
            "what follows the last section is not read"
        );
        assert_eq!((found[0].load_segment, found[0].loaded()), (0x7c0, Some(2048)));
        assert_eq!(found[1].loaded(), None);
        assert_eq!([found[2].emulation, found[3].emulation], [Emulation::HardDisk, Emulation::Floppy]);
    }

    #[test]
    fn a_catalog_that_no_firmware_would_boot_is_refused() {
        let good = [validation(0xef), entry(&[0x88])].concat();
        assert_eq!(parse(&good).unwrap().len(), 1);
        for (at, what) in
            [(0, "no validation entry"), (31, "no validation entry"), (5, "checksum"), (28, "checksum")]
        {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(parse(&bad).unwrap_err().contains(what), "{at}");
        }
        assert!(parse(&good[..31]).is_err());
        assert_eq!(parse(&good[..32]).unwrap(), []);
        // A section that promises more than there is.
        let cut = [good, entry(&[0x90, 0xef, 0xff, 0xff]), entry(&[0x88, 0x20])].concat();
        assert_eq!(parse(&cut).unwrap().len(), 2);
    }
}
