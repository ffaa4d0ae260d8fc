//! RPM packages, read-only: the headers as far as needed, and files out of the payload.
//!
//! A package is a *lead* of 96 bytes that nothing depends on any more, a *signature header* padded to 8 bytes, the
//! *header* and the *payload*. Both headers have the same shape: 8 bytes of magic, the number of index entries, the
//! length of the store, the entries (tag, type, offset, count), the store.
//!
//! Sources: rpm's `docs/manual/format.md` (v3 and v4), `include/rpm/rpmtag.h` for the tags, `build/pack.c` for what
//! the payload tags say.

use std::collections::BTreeMap;
use std::io::BufReader;

use super::compression::{Compression, Packed};
use super::sums::{self, Sum};
use super::{Files, Limits, PackageError, cpio};
use crate::image::FileData;

/// Magic of the lead.
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
const LEAD_LEN: u64 = 96;

/// Magic and version of a header.
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
const HEADER_LEN: u64 = 16;

/// Most index entries of a header; rpm itself allows 65,535 (`lib/header_internal.hh`, `hdrchkTags`).
const MAX_ENTRIES: u32 = 0xffff;
const ENTRY_LEN: u64 = 16;

/// Largest store; rpm itself allows 256 MiB (`hdrchkData`). It is skipped, not read.
const MAX_STORE: u32 = 256 << 20;

/// Longest value we take of a tag, in bytes.
const MAX_TEXT: usize = 256;

/// Type of a plain string, and of one with translations.
const TYPE_STRING: u32 = 6;
const TYPE_I18N_STRING: u32 = 9;

/// Types of lists: of numbers, most significant byte first, and of strings, each ended by NUL.
const TYPE_INT16: u32 = 3;
const TYPE_INT32: u32 = 4;
const TYPE_STRING_ARRAY: u32 = 8;

/// What the first four bits of a regular file's mode are (stat(2)).
const REGULAR: u8 = 0o10;

/// The flag of a file that belongs to the package and is not in it (`RPMFILE_GHOST` of rpm's `rpmfiles.h`).
const GHOST: u32 = 1 << 6;

/// Most files whose names are looked at, and what these may take in bytes. The kernel's headers have 20,000 in 600 KB.
const MAX_FILES: usize = 200_000;
const MAX_LIST: usize = 16 << 20;

const TAG_NAME: u32 = 1000;
const TAG_VERSION: u32 = 1001;
const TAG_RELEASE: u32 = 1002;
const TAG_ARCH: u32 = 1022;
const TAG_FILE_MODES: u32 = 1030;
const TAG_FILE_DIGESTS: u32 = 1035;
const TAG_FILE_FLAGS: u32 = 1037;
const TAG_DIRECTORY_INDEXES: u32 = 1116;
const TAG_BASE_NAMES: u32 = 1117;
const TAG_DIRECTORY_NAMES: u32 = 1118;
const TAG_PAYLOAD_FORMAT: u32 = 1124;
const TAG_PAYLOAD_COMPRESSOR: u32 = 1125;

/// A package whose headers were read; the payload still lies in the image.
#[derive(Debug)]
pub struct Package {
    /// NAME, such as `syslinux-tftpboot`.
    pub name: String,
    /// VERSION, such as `6.04`.
    pub version: String,
    /// RELEASE, such as `0.20.el9`.
    pub release: String,
    /// ARCH, such as `noarch`.
    pub arch: String,
    format: Option<String>,
    compressor: Option<String>,
    header: Header,
    data: FileData,
    payload: u64,
}

impl Package {
    /// Reads the headers of a package: a few KiB, whatever its size.
    ///
    /// # Errors
    /// `NotRpm`, `Malformed` with the place, or `Read` when the image cannot be read. A package that is cut off in its
    /// headers is `Malformed`.
    pub fn open(data: &FileData) -> Result<Self, PackageError> {
        let magic = bytes_at::<4>(data, 0)?;
        if magic != LEAD_MAGIC {
            return Err(PackageError::NotRpm { found: magic });
        }
        let signature = Header::read(data, LEAD_LEN)?;
        // Only the signature is padded: the header after it starts on a multiple of 8.
        let start = signature.end.checked_next_multiple_of(8).unwrap_or(u64::MAX);
        let header = Header::read(data, start)?;
        if header.end > data.len() {
            return Err(PackageError::Malformed { what: "it ends inside its header", offset: data.len() });
        }
        let text = |tag| header.text(data, tag);
        Ok(Self {
            name: text(TAG_NAME)?.unwrap_or_default(),
            version: text(TAG_VERSION)?.unwrap_or_default(),
            release: text(TAG_RELEASE)?.unwrap_or_default(),
            arch: text(TAG_ARCH)?.unwrap_or_default(),
            format: text(TAG_PAYLOAD_FORMAT)?,
            compressor: text(TAG_PAYLOAD_COMPRESSOR)?,
            data: data.clone(),
            payload: header.end,
            header,
        })
    }

    /// Name, version, release and architecture as in the file name, without `.rpm`.
    pub fn full_name(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.version, self.release, self.arch)
    }

    /// The wanted regular files that the header lists and the payload has, with their checksums; `None` when it lists none, as RPM 3 did not,
    /// or one of them has a checksum of another kind.
    fn sums(&self, wanted: &dyn Fn(&str) -> bool) -> Option<BTreeMap<String, Sum>> {
        let strings = |tag| self.header.bytes(&self.data, tag, TYPE_STRING_ARRAY);
        let (names, directories) = (strings(TAG_BASE_NAMES)?, strings(TAG_DIRECTORY_NAMES)?);
        let indexes = self.header.bytes(&self.data, TAG_DIRECTORY_INDEXES, TYPE_INT32)?;
        let modes = self.header.bytes(&self.data, TAG_FILE_MODES, TYPE_INT16)?;
        let digests = strings(TAG_FILE_DIGESTS)?;
        let flags = self.header.bytes(&self.data, TAG_FILE_FLAGS, TYPE_INT32).unwrap_or_default();
        let directories: Vec<&[u8]> = directories.split(|byte| *byte == 0).collect();
        let numbers = indexes.chunks_exact(4).zip(modes.chunks_exact(2));
        let texts = names.split(|byte| *byte == 0).zip(digests.split(|byte| *byte == 0));
        let mut sums = BTreeMap::new();
        for (number, ((name, digest), (index, mode))) in texts.zip(numbers).enumerate() {
            let is_regular = mode.first().is_some_and(|high| high >> 4 == REGULAR);
            let directory = directories.get(usize::try_from(field(index, 0)).ok()?)?;
            let path = [directory, name].concat();
            let path = String::from_utf8_lossy(&path);
            let path = path.trim_start_matches('/');
            let is_ghost = field(&flags, number.saturating_mul(4)) & GHOST != 0;
            if is_regular && !is_ghost && wanted(path) {
                sums.insert(path.to_owned(), Sum::parse(digest)?);
            }
        }
        (!sums.is_empty()).then_some(sums)
    }

    /// Unpacks the files that are wanted. Names have no leading `/` or `./`.
    ///
    /// The payload is streamed; in memory are the wanted files, the decompressor's window (80 MiB at most) and its
    /// buffers. It is read only as far as the last wanted file that the header lists, if it has their checksums too.
    ///
    /// # Errors
    /// `Compression` and `Format` when the payload is of a kind that is not supported, `Payload` when it is damaged,
    /// `TooLarge` when a limit is passed, `Read` when the image cannot be read.
    pub fn extract(&self, wanted: &dyn Fn(&str) -> bool, limits: Limits) -> Result<Files, PackageError> {
        // RPM before 4 had no tag for the format, and no other one.
        if let Some(format) = self.format.as_deref().filter(|format| *format != "cpio") {
            return Err(PackageError::Format(format.to_owned()));
        }
        let mut head = [0; 6];
        let count = self.data.read_at(&mut head, self.payload).map_err(PackageError::Read)?;
        let head = head.get(..count).unwrap_or_default();
        let compression = Compression::choose(self.compressor.as_deref(), head)?;
        let packed = Packed::new(&self.data, self.payload, limits);
        let archive = compression.unpack(BufReader::with_capacity(64 << 10, Box::new(packed)))?;
        let sums = self.sums(wanted).unwrap_or_default();
        let files = cpio::extract(archive, wanted, &|files| sums::has_all(files, &sums), limits)?;
        sums::compare(&files, &sums, !sums.is_empty())?;
        Ok(files)
    }
}

/// One of the two headers: its index, and where its store is.
#[derive(Debug)]
struct Header {
    index: Vec<u8>,
    store: u64,
    store_len: u64,
    /// Offset of the first byte after it.
    end: u64,
}

impl Header {
    fn read(data: &FileData, offset: u64) -> Result<Self, PackageError> {
        let intro = bytes_at::<{ HEADER_LEN as usize }>(data, offset)?;
        let (magic, entries, store_len) = (field(&intro, 0), field(&intro, 8), field(&intro, 12));
        let malformed = |what| PackageError::Malformed { what, offset };
        if magic != u32::from_be_bytes(HEADER_MAGIC) {
            return Err(malformed("no header where one should be"));
        }
        if entries > MAX_ENTRIES || store_len > MAX_STORE {
            return Err(malformed("a header larger than rpm allows"));
        }
        let index_len = u64::from(entries).saturating_mul(ENTRY_LEN);
        let start = offset.saturating_add(HEADER_LEN);
        let store = start.saturating_add(index_len);
        let end = store.saturating_add(store_len.into());
        if store > data.len() {
            return Err(malformed("it ends inside the index of a header"));
        }
        let mut index = vec![0; usize::try_from(index_len).unwrap_or_default()];
        data.read_at(&mut index, start).map_err(PackageError::Read)?;
        Ok(Self { index, store, store_len: store_len.into(), end })
    }

    /// The bytes of a list that a tag stands for; `None` when there is no such list, or it is absurd.
    fn bytes(&self, data: &FileData, tag: u32, kind: u32) -> Option<Vec<u8>> {
        let entry = self.index.chunks_exact(16).find(|entry| field(entry, 0) == tag)?;
        let count = usize::try_from(field(entry, 12)).ok().filter(|count| *count <= MAX_FILES)?;
        let room = usize::try_from(self.store_len.checked_sub(field(entry, 8).into())?).ok()?;
        let len = match (field(entry, 4) == kind, kind) {
            (false, _) => return None,
            (true, TYPE_INT16) => count.checked_mul(2)?,
            (true, TYPE_INT32) => count.checked_mul(4)?,
            // Where they end only they tell.
            (true, _) => room.min(MAX_LIST),
        };
        let mut bytes = vec![0; len.min(room)];
        let read = data.read_at(&mut bytes, self.store.checked_add(field(entry, 8).into())?).ok()?;
        bytes.truncate(read);
        if kind == TYPE_STRING_ARRAY {
            let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0);
            let end = ends.map(|(at, _)| at).nth(count.checked_sub(1)?)?;
            bytes.truncate(end);
        }
        Some(bytes)
    }

    /// The string that a tag stands for; `None` when there is no such tag.
    fn text(&self, data: &FileData, tag: u32) -> Result<Option<String>, PackageError> {
        let Some(entry) = self.index.chunks_exact(16).find(|entry| field(entry, 0) == tag) else {
            return Ok(None);
        };
        let (kind, offset) = (field(entry, 4), u64::from(field(entry, 8)));
        let at = self.store.saturating_add(offset);
        if !matches!(kind, TYPE_STRING | TYPE_I18N_STRING) || offset >= self.store_len {
            return Err(PackageError::Malformed { what: "a tag that is not a string", offset: at });
        }
        let mut buffer = [0; MAX_TEXT];
        let room = usize::try_from(self.store_len.saturating_sub(offset)).unwrap_or(MAX_TEXT).min(MAX_TEXT);
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        let count = data.read_at(buffer, at).map_err(PackageError::Read)?;
        let text =
            buffer.get(..count).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }
}

/// The `N` bytes at `offset`.
pub(super) fn bytes_at<const N: usize>(data: &FileData, offset: u64) -> Result<[u8; N], PackageError> {
    let mut bytes = [0; N];
    let count = data.read_at(&mut bytes, offset).map_err(PackageError::Read)?;
    if count < N {
        return Err(PackageError::Malformed { what: "it ends inside its headers", offset });
    }
    Ok(bytes)
}

/// The big-endian number at `offset`; 0 beyond the end, which the callers' lengths exclude.
fn field(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_be_bytes(*chunk))
}
