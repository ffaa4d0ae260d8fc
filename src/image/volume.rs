//! Volume descriptors: what is on the image, and how long it should be.
//!
//! Sources: ECMA-119 (4th edition) §8; the Joliet specification §3; El Torito 1.0 §2.0; ECMA-167 part 2 §8 (the
//! sequence by which UDF is recognised).

use super::cursor::{SECTOR, byte, le16, le32, part};
use super::error::ImageError;
use super::iso9660::Record;
use super::{ReadAt, foreign, joliet};

/// The first volume descriptor, in sectors (ECMA-119 §6.2.1).
const FIRST: u64 = 16;
/// How many sectors are looked at: descriptors, and after them the marks of UDF.
const COUNT: usize = 32;

/// The extent of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Its first sector.
    pub(super) block: u32,
    /// Its length in bytes.
    pub(super) len: u32,
}

/// What the volume descriptors say.
#[derive(Debug)]
pub(super) struct Volume {
    /// Volume identifier, padding removed.
    pub(super) id: String,
    /// Volume space size in bytes.
    pub(super) space: u64,
    /// Root of the primary tree, which carries Rock Ridge.
    pub(super) primary: Root,
    /// Root of the Joliet tree.
    pub(super) joliet: Option<Root>,
    /// Sector of the El Torito boot catalog.
    pub(super) boot_catalog: Option<u32>,
    /// Whether there is a UDF file system too.
    pub(super) has_udf: bool,
}

/// Which file systems the marks at the start of an image tell of.
#[derive(Debug)]
pub(super) enum Medium {
    /// ISO 9660, UDF perhaps too.
    Iso(Volume),
    /// UDF alone.
    UdfOnly,
}

impl Volume {
    /// Reads the descriptors.
    ///
    /// # Errors
    /// `Foreign` when there are none of any kind, `CutShort` when the file ends within them, `Damaged` when the
    /// primary one is nonsense.
    pub(super) fn read(source: &dyn ReadAt) -> Result<Medium, ImageError> {
        let start = FIRST.saturating_mul(SECTOR);
        let left = usize::try_from(source.len().saturating_sub(start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(COUNT.saturating_mul(SECTOR as usize))];
        source.read_exact_at(&mut bytes, start)?;
        let sectors = || bytes.chunks_exact(SECTOR as usize);
        let has_udf = sectors().any(|sector| matches!(part(sector, 1, 5), Some(b"NSR02" | b"NSR03")));
        let descriptors = || sectors().take_while(|sector| is_descriptor(sector));
        let Some(primary) = descriptors().find(|sector| byte(sector, 0) == Some(1)) else {
            return match (has_udf, descriptors().next()) {
                (true, _) => Ok(Medium::UdfOnly),
                (false, Some(_)) => Err(ImageError::Damaged("it has no primary volume descriptor")),
                (false, None) => foreign::refuse(source),
            };
        };
        let mut volume = Self::from_primary(primary)
            .ok_or(ImageError::Damaged("its primary volume descriptor is nonsense"))?;
        volume.has_udf = has_udf;
        volume.joliet = descriptors().filter(|sector| joliet::is_joliet(sector)).find_map(root);
        volume.boot_catalog = descriptors().find_map(boot_catalog);
        Ok(Medium::Iso(volume))
    }

    /// Reads a primary volume descriptor; `None` when its numbers cannot be true.
    fn from_primary(sector: &[u8]) -> Option<Self> {
        // Blocks of 512 and 1,024 bytes are allowed by ECMA-119 §6.2.2; no install image has them.
        if u64::from(le16(sector, 128)?) != SECTOR {
            return None;
        }
        let id = String::from_utf8_lossy(part(sector, 40, 32)?);
        Some(Self {
            id: id.trim_matches(['\0', ' ']).to_owned(),
            space: u64::from(le32(sector, 80)?).checked_mul(SECTOR)?,
            primary: root(sector)?,
            joliet: None,
            boot_catalog: None,
            has_udf: false,
        })
    }
}

/// Whether this is a volume descriptor and not the terminator (ECMA-119 §8.1, §8.3).
fn is_descriptor(sector: &[u8]) -> bool {
    part(sector, 1, 5) == Some(b"CD001") && byte(sector, 0) != Some(255)
}

/// The root directory named by a descriptor (ECMA-119 §8.4.18).
fn root(sector: &[u8]) -> Option<Root> {
    let record = Record::parse(part(sector, 156, 34)?)?;
    (record.is_directory() && record.block > 0).then_some(Root { block: record.block, len: record.len })
}

/// The boot catalog named by a boot record (El Torito 1.0, figure 7).
fn boot_catalog(sector: &[u8]) -> Option<u32> {
    let is_boot_record =
        byte(sector, 0) == Some(0) && part(sector, 7, 23) == Some(b"EL TORITO SPECIFICATION");
    if is_boot_record { le32(sector, 71) } else { None }
}
