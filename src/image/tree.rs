//! An open ISO 9660 image.

use std::fmt;
use std::sync::Arc;

use super::cursor::offset_of;
use super::el_torito::{self, BootEntry, CatalogError, Platform};
use super::error::{ImageError, Problem, Warning};
use super::index::{self, Kind};
use super::indexed::Indexed;
use super::udf::{self, Udf};
use super::volume::{Medium, Volume};
use super::walk::{Walked, walk};
use super::{BootImage, Entry, Extent, FatImage, FileData, FileTree, Node, ReadAt, limits, links, partition};

/// An ISO 9660, UDF or FAT image: an index of all its files, held in memory, and the source of their bytes.
///
/// Names are those of Rock Ridge where the image has it, else those of Joliet, else the plain ones in lower case.
/// Directories moved by Rock Ridge stand where they belong. Symbolic links are listed as what they lead to, and
/// left out when they lead nowhere. A link may lead to a directory above itself (Debian has `debian -> .`): who
/// walks the tree uses [`IsoImage::walk`], which does not enter links.
///
/// UDF is read where it is all there is, where the ISO 9660 side is a stub, and where that has no room for a file.
///
/// Left out on purpose: other block sizes of ISO 9660 than 2,048, interleaved files, devices, and the decompression of zisofs.
/// Never panics on any input, and reads no more than a small multiple of what the directories hold: see
/// `tests/fuzz/checks/iso.rs`.
pub struct IsoImage {
    files: Indexed,
    volume_id: String,
    boot_catalog: Option<u64>,
    entry_count: usize,
    warnings: Vec<Warning>,
}

impl IsoImage {
    /// Reads the volume descriptors and all directories.
    ///
    /// # Errors
    /// When the file is something else, is cut short, or is damaged beyond use: see [`ImageError`].
    pub fn open(source: Arc<dyn ReadAt>) -> Result<Self, ImageError> {
        let volume = match Volume::read(source.as_ref()) {
            Ok(Medium::UdfOnly) => return Self::from_udf(source, None),
            Ok(Medium::Iso(volume)) => volume,
            Err(foreign) => return Self::from_fat(source).ok_or(foreign),
        };
        let (expected, found) = (volume.space, source.len());
        let missing = expected.saturating_sub(found);
        if missing > limits::PADDING {
            return Err(ImageError::CutShort { expected, found });
        }
        let Walked { mut index, mut warnings, links } = walk(source.as_ref(), &volume).map_err(|error| {
            // The descriptor says how long the whole image is; the file that ends last need not be the last one.
            match error {
                ImageError::BeyondEnd { expected: end, .. } if end <= expected => {
                    ImageError::CutShort { expected, found }
                }
                other => other,
            }
        })?;
        links::resolve(&mut index, &links, &mut warnings);
        let entry_count =
            (1_u32..).zip(index.nodes.iter().skip(1)).filter(|(id, _)| index.follow(*id).is_some()).count();
        // A stub that says "insert this disc into a computer that reads UDF", or files that ISO 9660 has no room for.
        let is_stub = entry_count <= 1;
        if volume.has_udf && (is_stub || index.nodes.iter().any(is_cut_off)) {
            let udf = Self::from_udf(Arc::clone(&source), Some(&volume));
            if is_stub || udf.is_ok() {
                return udf;
            }
        }
        if missing > 0 {
            warnings.add(Problem::Padding(missing), Vec::new);
        }
        Ok(Self {
            files: Indexed { source, index },
            volume_id: volume.id,
            boot_catalog: volume.boot_catalog.map(offset_of),
            entry_count,
            warnings: warnings.into_vec(),
        })
    }

    /// The files that the UDF file system of the image has; `volume` is its ISO 9660 side, if there is one.
    fn from_udf(source: Arc<dyn ReadAt>, volume: Option<&Volume>) -> Result<Self, ImageError> {
        let Udf { index, warnings, label } = udf::open(source.as_ref())?;
        let entry_count = index.nodes.len().saturating_sub(1);
        Ok(Self {
            files: Indexed { source, index },
            volume_id: volume.map_or(label, |volume| volume.id.clone()),
            boot_catalog: volume.and_then(|volume| volume.boot_catalog).map(offset_of),
            entry_count,
            warnings: warnings.into_vec(),
        })
    }

    /// The files of a FAT file system: a stick that somebody copied an image's files to.
    fn from_fat(source: Arc<dyn ReadAt>) -> Option<Self> {
        let len = source.len();
        let fat = FatImage::open(&FileData::new(source, [Extent { offset: 0, len }])).ok()?;
        Some(Self {
            volume_id: fat.label().to_owned(),
            boot_catalog: None,
            entry_count: fat.entry_count(),
            warnings: fat.warnings().to_vec(),
            files: fat.into_files(),
        })
    }

    /// The volume identifier without its padding, as in `hd:LABEL=`; what is not UTF-8 in it is replaced.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// Length of the image file in bytes.
    pub fn len(&self) -> u64 {
        self.files.source.len()
    }

    /// Whether the image file has no bytes: never, or it would not be open.
    pub fn is_empty(&self) -> bool {
        self.files.source.is_empty()
    }

    /// How many files, directories and links that lead somewhere there are, without the root.
    pub fn entry_count(&self) -> usize {
        self.entry_count
    }

    /// What is odd about the image; at most a hundred, the last of which then says how many more there were.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Where the El Torito boot catalog starts, in bytes, if the image has one. Not checked.
    pub fn boot_catalog(&self) -> Option<u64> {
        self.boot_catalog
    }

    /// What firmware would boot from the image: the entries of its El Torito catalogue; none when it has no catalogue.
    ///
    /// # Errors
    /// When the catalogue is one that no firmware boots.
    pub fn boot_entries(&self) -> Result<Vec<BootEntry>, CatalogError> {
        self.boot_catalog
            .map_or_else(|| Ok(Vec::new()), |at| el_torito::read_catalog(self.files.source.as_ref(), at))
    }

    /// Calls `visit` with the path and entry of everything on the image, each directory before what is in it.
    /// Links to directories are shown and not entered.
    pub fn walk(&self, visit: impl FnMut(&[u8], &Entry)) {
        self.files.walk(visit);
    }
}

/// Whether a file has the largest length that one extent can have: genisoimage writes that for longer ones when there is
/// UDF beside it (`-allow-limited-size`).
fn is_cut_off(node: &index::Node) -> bool {
    matches!(node.kind, Kind::File { len: 0xffff_f800.., .. })
}

impl FileTree for IsoImage {
    fn find(&self, path: &[u8]) -> Option<Node> {
        self.files.find(path)
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.files.find_any_case(path)
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        self.files.list(path)
    }

    fn names(&self, path: &[u8], see: &mut dyn FnMut(&[u8])) {
        self.files.names(path, see);
    }

    /// The entries for UEFI of the El Torito catalogue, then the EFI system partitions.
    fn boot_images(&self) -> Vec<BootImage> {
        let source = &self.files.source;
        let entries = self.boot_entries().unwrap_or_default();
        let is_efi = |entry: &BootEntry| entry.is_bootable && entry.platform == Platform::Uefi;
        let of_catalog =
            (1..).zip(entries).filter(|(_, entry)| is_efi(entry)).filter_map(|(number, entry)| {
                Some((format!("El Torito entry {number}"), el_torito::extent(&entry, source.len())?))
            });
        let partitions = partition::efi_system(source.as_ref()).into_iter();
        let partitions =
            partitions.map(|extent| (format!("EFI partition at byte {}", extent.offset), extent));
        let image = |(origin, extent)| BootImage { origin, data: FileData::new(source.clone(), [extent]) };
        of_catalog.chain(partitions).map(image).collect()
    }
}

impl fmt::Debug for IsoImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsoImage")
            .field("volume_id", &self.volume_id)
            .field("len", &self.len())
            .field("entry_count", &self.entry_count)
            .finish_non_exhaustive()
    }
}
