//! RPM packages, read-only: the headers as far as needed, and files out of the payload.
//!
//! A package is a *lead* of 96 bytes that nothing depends on any more, a *signature header* padded to 8 bytes, the
//! *header* and the *payload*. Both headers have the same shape: 8 bytes of magic, the number of index entries, the
//! length of the store, the entries (tag, type, offset, count), the store.
//!
//! Sources: rpm's `docs/manual/format.md` (v3 and v4), `include/rpm/rpmtag.h` for the tags, `build/pack.c` for what
//! the payload tags say.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use super::compression::Compression;
use super::{Limits, PackageError, cpio};
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

const TAG_NAME: u32 = 1000;
const TAG_VERSION: u32 = 1001;
const TAG_RELEASE: u32 = 1002;
const TAG_ARCH: u32 = 1022;
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
        })
    }

    /// Name, version, release and architecture as in the file name, without `.rpm`.
    pub fn full_name(&self) -> String {
        format!("{}-{}-{}.{}", self.name, self.version, self.release, self.arch)
    }

    /// Unpacks the files that are wanted. Names have no leading `/` or `./`.
    ///
    /// The payload is streamed; in memory are the wanted files, the decompressor's window (80 MiB at most) and its
    /// buffers.
    ///
    /// # Errors
    /// `Compression` and `Format` when the payload is of a kind that is not supported, `Payload` when it is damaged,
    /// `TooLarge` when a limit is passed, `Read` when the image cannot be read.
    pub fn extract(
        &self,
        wanted: &dyn Fn(&str) -> bool,
        limits: Limits,
    ) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
        // RPM before 4 had no tag for the format, and no other one.
        if let Some(format) = self.format.as_deref().filter(|format| *format != "cpio") {
            return Err(PackageError::Format(format.to_owned()));
        }
        let mut head = [0; 6];
        let count = self.data.read_at(&mut head, self.payload).map_err(PackageError::Read)?;
        let head = head.get(..count).unwrap_or_default();
        let compression = Compression::choose(self.compressor.as_deref(), head)?;
        let packed = Payload { data: &self.data, position: self.payload, left: limits.payload_bytes };
        cpio::extract(
            compression.unpack(BufReader::with_capacity(64 << 10, Box::new(packed)))?,
            wanted,
            limits,
        )
    }
}

/// One of the two headers: its index, and where its store is.
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

/// The payload as a stream, as far as it can be worth reading: packed bytes may be many and unpack to nothing.
struct Payload<'a> {
    data: &'a FileData,
    position: u64,
    left: u64,
}

impl Read for Payload<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(count as u64);
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "more packed bytes than may be unpacked")
        })?;
        Ok(count)
    }
}

/// The `N` bytes at `offset`.
fn bytes_at<const N: usize>(data: &FileData, offset: u64) -> Result<[u8; N], PackageError> {
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
