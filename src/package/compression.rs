//! The decompressor of a payload, chosen by what the package says and by how the payload begins.

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;

use super::{Limits, PackageError};
use crate::image::FileData;

/// Memory for an xz or lzma dictionary, in KiB. `xz -9` wants 65 MiB; rpmbuild's default wants 9.
const XZ_MEMORY_KIB: u32 = 80 << 10;

/// Largest zstd window, in bytes. `zstd -19`, as Fedora and EL9 pack, wants 8 MiB.
const ZSTD_WINDOW: u64 = 64 << 20;

/// How a payload is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Not at all.
    None,
    /// `gzip`, RPM's default when nothing is said.
    Gzip,
    /// `xz`, EL6 to EL8.
    Xz,
    /// The older `.lzma` format, Fedora 10-11.
    Lzma,
    /// `zstd`, Fedora 31 and EL9 on.
    Zstd,
    /// `bzip2`, EL5's larger packages and old Debian ones.
    Bzip2,
}

/// What rpm writes into PAYLOADCOMPRESSOR, and what it means.
const NAMES: [(&str, Compression); 5] = [
    ("gzip", Compression::Gzip),
    ("xz", Compression::Xz),
    ("lzma", Compression::Lzma),
    ("zstd", Compression::Zstd),
    ("bzip2", Compression::Bzip2),
];

/// How the names of a Debian package's members end, and what that means.
const SUFFIXES: [(&str, Compression); 6] = [
    ("", Compression::None),
    (".gz", Compression::Gzip),
    (".xz", Compression::Xz),
    (".zst", Compression::Zstd),
    (".bz2", Compression::Bzip2),
    (".lzma", Compression::Lzma),
];

/// How packed bytes begin. The `.lzma` format has no magic: `5d 00 00` is what every encoder in use writes for the
/// properties lc=3 lp=0 pb=2 and a dictionary of whole 64 KiB.
const MAGICS: [(&[u8], Compression); 6] = [
    (b"\x1f\x8b", Compression::Gzip),
    (b"\xfd7zXZ\0", Compression::Xz),
    (b"\x28\xb5\x2f\xfd", Compression::Zstd),
    (b"BZh", Compression::Bzip2),
    (b"0707", Compression::None),
    (b"\x5d\0\0", Compression::Lzma),
];

impl Compression {
    /// Chooses by the tag and by the first bytes of the payload, which have to agree.
    ///
    /// `named` is PAYLOADCOMPRESSOR; rpm leaves it out for gzip in old packages and for plain payloads (rpm
    /// `build/pack.c`), so without it the magic decides.
    pub(super) fn choose(named: Option<&str>, payload: &[u8]) -> Result<Self, PackageError> {
        let found = MAGICS.iter().find(|(magic, _)| payload.starts_with(magic)).map(|(_, found)| *found);
        let Some(name) = named else {
            return found
                .ok_or_else(|| PackageError::Compression(format!("unknown packing{}", hex(payload))));
        };
        let Some((_, says)) = NAMES.iter().find(|(known, _)| *known == name) else {
            return Err(PackageError::Compression(format!("the payload is packed with \"{name}\"")));
        };
        // rpm's gzip reader passes plain bytes through, so packages that say gzip and are plain do install.
        let agrees = found == Some(*says) || (*says, found) == (Self::Gzip, Some(Self::None));
        // An .lzma stream with other properties is legal: then the tag alone decides.
        match found {
            Some(found) if agrees => Ok(found),
            None if *says == Self::Lzma => Ok(Self::Lzma),
            _ => Err(PackageError::Compression(format!(
                "the package says its payload is packed with {name}, but it begins{}",
                hex(payload)
            ))),
        }
    }

    /// Chooses by the end of a Debian member's name, such as `.xz`, and by its first bytes, which have to agree (dpkg
    /// `lib/dpkg/compress.c`).
    pub(super) fn of_suffix(suffix: &str, payload: &[u8]) -> Result<Self, PackageError> {
        let Some((_, says)) = SUFFIXES.iter().find(|(known, _)| *known == suffix) else {
            return Err(PackageError::Compression(format!("the payload is packed as \"{suffix}\"")));
        };
        let found = MAGICS.iter().find(|(magic, _)| payload.starts_with(magic)).map(|(_, found)| *found);
        // An .lzma stream may begin otherwise, and a tar archive begins with any name.
        if found == Some(*says) || matches!(says, Self::Lzma | Self::None) {
            return Ok(*says);
        }
        Err(PackageError::Compression(format!(
            "the package says its payload is packed as \"{suffix}\", but it begins{}",
            hex(payload)
        )))
    }

    /// The unpacked bytes of `packed`, as a stream.
    pub(super) fn unpack<'a>(
        self,
        packed: BufReader<Box<dyn Read + 'a>>,
    ) -> Result<Box<dyn Read + 'a>, PackageError> {
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Xz => Box::new(XzReader::new_mem_limit(packed, true, XZ_MEMORY_KIB)),
            Self::Lzma => Box::new(
                LzmaReader::new_mem_limit(packed, XZ_MEMORY_KIB, None).map_err(PackageError::Payload)?,
            ),
            Self::Zstd => Box::new(
                StreamingDecoder::new_with_max_window_size(packed, ZSTD_WINDOW)
                    .map_err(|error| PackageError::Payload(io::Error::other(error)))
                    .map(Checked::new)?,
            ),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(packed)),
        })
    }
}

/// The payload as a stream, as far as it can be worth reading: packed bytes may be many and unpack to nothing.
pub(super) struct Packed<'a> {
    data: &'a FileData,
    position: u64,
    left: u64,
}

impl<'a> Packed<'a> {
    /// The bytes of `data` from `position` on.
    pub(super) fn new(data: &'a FileData, position: u64, limits: Limits) -> Self {
        Self { data, position, left: limits.payload_bytes }
    }
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.data.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(count as u64);
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "more packed bytes than may be unpacked")
        })?;
        Ok(count)
    }
}

/// The first bytes of a payload, for an error.
fn hex(payload: &[u8]) -> String {
    let head: Vec<String> = payload.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!(" with [{}]", head.join(" "))
}

/// A zstd stream whose checksum is compared at its end, which `ruzstd` leaves to its caller.
struct Checked<R: Read> {
    decoder: StreamingDecoder<R, ruzstd::decoding::FrameDecoder>,
}

impl<R: Read> Checked<R> {
    fn new(decoder: StreamingDecoder<R, ruzstd::decoding::FrameDecoder>) -> Self {
        Self { decoder }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            let frame = &self.decoder.decoder;
            if let Some(stored) = frame.get_checksum_from_data()
                && frame.get_calculated_checksum() != Some(stored)
            {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "zstd checksum differs"));
            }
        }
        Ok(count)
    }
}
