//! The boot sector, and the table that chains clusters together.

use crate::image::FileData;
use crate::image::cursor::{byte, le16, le32, part};
use crate::image::error::ImageError;

/// Most clusters: 128 GB at 32 KiB each. The table of more would not be a stick's, and is held in memory.
const MAX_CLUSTERS: u32 = 4 << 20;

/// FAT12 and FAT16 are told by the number of their clusters (specification, "FAT Type Determination").
const FAT12_LAST: u32 = 4084;
const FAT16_FIRST: u32 = FAT12_LAST + 1;
const FAT16_LAST: u32 = 65_524;

/// How wide the entries of the table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Fat12,
    Fat16,
    Fat32,
}

/// Where the root directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// Between table and clusters; in bytes.
    Region { offset: u64, len: u64 },
    /// In clusters, from this one on.
    Cluster(u32),
}

/// What the boot sector says, in bytes from the start of the file system.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) width: Width,
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    pub(super) root: Root,
    /// Volume label of the boot sector, padding removed.
    pub(super) label: String,
    /// The first table.
    table: u64,
    /// Cluster 2, which is the first.
    data: u64,
    /// How many clusters there are.
    count: u32,
}

impl Volume {
    /// Reads the boot sector.
    pub(super) fn read(data: &FileData) -> Result<Self, ImageError> {
        let mut sector = [0; 512];
        if data.read_at(&mut sector, 0)? < sector.len() {
            return Err(ImageError::Damaged("it is too short for a FAT file system"));
        }
        if part(&sector, 510, 2) != Some(&[0x55, 0xaa]) || !matches!(sector.first(), Some(0xeb | 0xe9)) {
            return Err(ImageError::Damaged("it does not begin as a FAT file system does"));
        }
        let volume = Self::parse(&sector)
            .ok_or(ImageError::Damaged("the numbers in its FAT boot sector cannot be true"))?;
        if volume.count > MAX_CLUSTERS {
            return Err(ImageError::TooMuch("its FAT file system has more clusters than any stick's"));
        }
        Ok(volume)
    }

    /// Reads a boot sector; `None` when its numbers contradict each other.
    fn parse(sector: &[u8]) -> Option<Self> {
        let sector_len = u64::from(le16(sector, 11)?);
        let sectors_per_cluster = u64::from(byte(sector, 13)?);
        if !matches!(sector_len, 512 | 1024 | 2048 | 4096) || !sectors_per_cluster.is_power_of_two() {
            return None;
        }
        let reserved = u64::from(le16(sector, 14)?);
        let tables = u64::from(byte(sector, 16)?);
        let table_16 = u64::from(le16(sector, 22)?);
        let is_fat32 = table_16 == 0;
        let table_sectors = if is_fat32 { u64::from(le32(sector, 36)?) } else { table_16 };
        let total_16 = u64::from(le16(sector, 19)?);
        let total = if total_16 == 0 { u64::from(le32(sector, 32)?) } else { total_16 };
        if reserved == 0 || tables == 0 || table_sectors == 0 {
            return None;
        }
        let root_len = u64::from(le16(sector, 17)?).checked_mul(32)?;
        let root_sectors = root_len.div_ceil(sector_len);
        let root_start = reserved.checked_add(tables.checked_mul(table_sectors)?)?;
        let data_start = root_start.checked_add(root_sectors)?;
        let count = total.checked_sub(data_start)?.checked_div(sectors_per_cluster)?;
        let width = match u32::try_from(count).ok()? {
            _ if is_fat32 => Width::Fat32,
            ..=FAT12_LAST => Width::Fat12,
            FAT16_FIRST..=FAT16_LAST => Width::Fat16,
            _ => return None,
        };
        let entries = table_sectors.checked_mul(sector_len)?.checked_mul(8)?.checked_div(width.bits())?;
        let count = u32::try_from(count.min(entries.checked_sub(2)?)).ok()?;
        let root = match width {
            Width::Fat32 => Root::Cluster(le32(sector, 44)?),
            _ => Root::Region { offset: root_start.checked_mul(sector_len)?, len: root_len },
        };
        let label = part(sector, if is_fat32 { 71 } else { 43 }, 11)?;
        Some(Self {
            width,
            cluster: sector_len.checked_mul(sectors_per_cluster)?,
            root,
            label: label_text(label),
            table: reserved.checked_mul(sector_len)?,
            data: data_start.checked_mul(sector_len)?,
            count,
        })
    }

    /// Where a cluster starts; `None` for numbers that are not a cluster's.
    pub(super) fn offset(&self, cluster: u32) -> Option<u64> {
        let number = cluster.checked_sub(2).filter(|number| *number < self.count)?;
        self.data.checked_add(u64::from(number).checked_mul(self.cluster)?)
    }

    /// Reads the table, as much of it as stands for clusters.
    pub(super) fn table(&self, data: &FileData) -> Result<Table, ImageError> {
        let entries = u64::from(self.count).saturating_add(2);
        let len = entries.saturating_mul(self.width.bits()).div_ceil(8);
        let mut bytes = vec![0; usize::try_from(len.min(data.len())).unwrap_or_default()];
        let count = data.read_at(&mut bytes, self.table)?;
        bytes.truncate(count);
        // A file may have every cluster, and no two the same one. Twice as many are enough for any honest mistake.
        let budget = u64::from(self.count).saturating_mul(2).saturating_add(64);
        Ok(Table { bytes, width: self.width, budget })
    }
}

impl Width {
    fn bits(self) -> u64 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }
}

/// The table: what comes after each cluster.
pub(super) struct Table {
    bytes: Vec<u8>,
    width: Width,
    /// How many more steps may be taken.
    budget: u64,
}

impl Table {
    /// The cluster after this one; `None` at the end of the chain, at a bad or free one, and beyond the table.
    ///
    /// # Errors
    /// `TooMuch` when more steps were taken than there are clusters: chains that share parts, or lead in a circle.
    pub(super) fn next(&mut self, cluster: u32) -> Result<Option<u32>, ImageError> {
        self.budget = self
            .budget
            .checked_sub(1)
            .ok_or(ImageError::TooMuch("the chains of its FAT file system share clusters"))?;
        Ok(self.entry(cluster))
    }

    fn entry(&self, cluster: u32) -> Option<u32> {
        let number = usize::try_from(cluster).ok()?;
        let (value, reserved) = match self.width {
            Width::Fat12 => {
                // Two entries share three bytes.
                let pair = le16(&self.bytes, number.checked_mul(3)? / 2)?;
                let value = if number % 2 == 0 { pair & 0xfff } else { pair >> 4 };
                (u32::from(value), 0xff0)
            }
            Width::Fat16 => (u32::from(le16(&self.bytes, number.checked_mul(2)?)?), 0xfff0),
            Width::Fat32 => (le32(&self.bytes, number.checked_mul(4)?)? & 0x0fff_ffff, 0x0fff_fff0),
        };
        (2..reserved).contains(&value).then_some(value)
    }
}

/// A label without its padding; `NO NAME` stands for none.
pub(super) fn label_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(['\0', ' ']);
    if text == "NO NAME" { String::new() } else { text.to_owned() }
}
