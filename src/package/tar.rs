//! Files out of a tar archive, as it streams by: what dpkg-deb writes (GNU format), and what it reads besides (ustar,
//! pax).
//!
//! Sources: GNU tar manual, "Basic Tar Format"; POSIX.1-2017 `pax`, "ustar Interchange Format" and "pax Extended
//! Header"; what dpkg takes: dpkg `lib/dpkg/tarfn.c`.

use std::io::{self, Read};

use super::{Files, Limits, PackageError};

const BLOCK: usize = 512;
/// More entries than any package has.
const MAX_ENTRIES: u32 = 200_000;
/// Longest name, and longest set of pax records, in bytes.
const MAX_NAME: u64 = 4096;
const MAX_RECORDS: u64 = 64 << 10;

/// What one header says.
struct Header {
    name: String,
    /// What a link leads to.
    target: String,
    size: u64,
    kind: u8,
}

/// Names that were told before the header they belong to.
#[derive(Default)]
struct Told {
    name: Option<String>,
    target: Option<String>,
}

/// The archive, and how much of it may still be read.
struct Source<R> {
    inner: R,
    left: u64,
    limits: Limits,
}

/// Reads `archive` and keeps the wanted regular files; hard links are files too. Stops as soon as those are `enough`; else it
/// reads to the end of everything, so that the decompressor compares its checksum.
///
/// Names lose their leading `./` or `/` before `wanted` sees them.
pub(super) fn extract(
    archive: impl Read,
    wanted: &dyn Fn(&str) -> bool,
    enough: &dyn Fn(&Files) -> bool,
    limits: Limits,
) -> Result<Files, PackageError> {
    let mut source = Source { inner: archive, left: limits.payload_bytes, limits };
    let mut files = Files::new();
    let mut total: u64 = 0;
    let mut told = Told::default();
    for _ in 0..MAX_ENTRIES {
        if enough(&files) {
            return Ok(files);
        }
        let Some(header) = source.header()? else {
            source.drain()?;
            return Ok(files);
        };
        let told_now = std::mem::take(&mut told);
        match header.kind {
            b'L' => told = Told { name: Some(source.text(header.size, MAX_NAME)?), ..told_now },
            b'K' => told = Told { target: Some(source.text(header.size, MAX_NAME)?), ..told_now },
            b'x' => told = records(&source.text(header.size, MAX_RECORDS)?, told_now),
            _ => {
                let name = told_now.name.unwrap_or(header.name);
                let name =
                    Some(plain(&name)).filter(|name| !name.is_empty() && wanted(name)).map(str::to_owned);
                let bytes = match (name.is_some(), header.kind) {
                    (true, b'0' | b'7' | 0) => Some(source.contents(header.size, name.as_deref())?),
                    (true, b'1') => {
                        let target = told_now.target.unwrap_or(header.target);
                        files.get(plain(&target)).cloned()
                    }
                    // Links have no contents, whatever their size says; some writers give it all the same.
                    (_, b'1' | b'2') => None,
                    _ => {
                        source.skip(header.size)?;
                        None
                    }
                };
                if let Some((name, bytes)) = name.zip(bytes) {
                    // Names count too: an archive may consist of nothing else.
                    total = total.saturating_add(bytes.len() as u64).saturating_add(name.len() as u64);
                    if total > limits.total_bytes {
                        let what = "the sum of the wanted files".to_owned();
                        return Err(PackageError::TooLarge { what, limit: limits.total_bytes });
                    }
                    files.insert(name, bytes);
                }
            }
        }
    }
    Err(PackageError::TooLarge {
        what: "the number of archive entries".to_owned(),
        limit: MAX_ENTRIES.into(),
    })
}

impl<R: Read> Source<R> {
    /// The next header; `None` at the end, which is a block of zeros, or nothing.
    fn header(&mut self) -> Result<Option<Header>, PackageError> {
        self.spend(BLOCK as u64)?;
        let mut block = [0; BLOCK];
        let count = read_up_to(&mut self.inner, &mut block).map_err(PackageError::Payload)?;
        if count == 0 || block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if count < BLOCK {
            return Err(PackageError::Payload(io::ErrorKind::UnexpectedEof.into()));
        }
        let damaged = || PackageError::Payload(io::Error::other("no tar header where one should be"));
        parse(&block).map(Some).ok_or_else(damaged)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), PackageError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            let what = "the unpacked payload".to_owned();
            PackageError::TooLarge { what, limit: self.limits.payload_bytes }
        })?;
        Ok(())
    }

    /// The contents of an entry; the buffer grows as bytes arrive.
    fn bytes(&mut self, size: u64) -> Result<Vec<u8>, PackageError> {
        self.spend(padded(size))?;
        let mut bytes = Vec::new();
        (&mut self.inner).take(size).read_to_end(&mut bytes).map_err(PackageError::Payload)?;
        if bytes.len() as u64 != size {
            return Err(PackageError::Payload(io::ErrorKind::UnexpectedEof.into()));
        }
        self.pass(padded(size).saturating_sub(size))?;
        Ok(bytes)
    }

    fn contents(&mut self, size: u64, name: Option<&str>) -> Result<Vec<u8>, PackageError> {
        if size > self.limits.file_bytes {
            let what = name.unwrap_or_default().to_owned();
            return Err(PackageError::TooLarge { what, limit: self.limits.file_bytes });
        }
        self.bytes(size)
    }

    /// The contents of an entry that is a name or names.
    fn text(&mut self, size: u64, limit: u64) -> Result<String, PackageError> {
        if size > limit {
            return Err(PackageError::TooLarge { what: "a name in the archive".to_owned(), limit });
        }
        let bytes = self.bytes(size)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    fn skip(&mut self, size: u64) -> Result<(), PackageError> {
        self.spend(padded(size))?;
        self.pass(padded(size))
    }

    /// Reads so many bytes and forgets them.
    fn pass(&mut self, size: u64) -> Result<(), PackageError> {
        let passed =
            io::copy(&mut (&mut self.inner).take(size), &mut io::sink()).map_err(PackageError::Payload)?;
        if passed == size { Ok(()) } else { Err(PackageError::Payload(io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Reads what follows the end.
    fn drain(&mut self) -> Result<(), PackageError> {
        let limit = self.left.saturating_add(1);
        let rest =
            io::copy(&mut (&mut self.inner).take(limit), &mut io::sink()).map_err(PackageError::Payload)?;
        self.spend(rest)
    }
}

fn parse(block: &[u8; BLOCK]) -> Option<Header> {
    let field = |at: usize, len: usize| block.get(at..at.saturating_add(len)).unwrap_or_default();
    // The sum of all bytes, those of its own field counted as blanks.
    let own: u64 = field(148, 8).iter().map(|byte| u64::from(*byte)).sum();
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    if number(field(148, 8))? != sum.saturating_sub(own).saturating_add(8 * 32) {
        return None;
    }
    let mut name = text(field(0, 100));
    // GNU's own magic has other fields where POSIX has the beginning of a long name.
    if field(257, 6) == b"ustar\0" && block.get(345) != Some(&0) {
        name = format!("{}/{name}", text(field(345, 155)));
    }
    Some(Header {
        name,
        target: text(field(157, 100)),
        size: number(field(124, 12))?,
        kind: *block.get(156)?,
    })
}

/// Octal digits between blanks and NULs, or GNU's binary form for what does not fit.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
        return high
            .iter()
            .all(|byte| *byte == 0)
            .then(|| low.first_chunk().copied().map(u64::from_be_bytes))?;
    }
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|byte| *byte == b' ')
        .take_while(|byte| !matches!(byte, b' ' | 0))
        .collect();
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// What pax records (`LENGTH KEY=VALUE\n`) tell of names.
fn records(text: &str, mut told: Told) -> Told {
    let mut rest = text;
    while let Some((len, _)) = rest.split_once(' ') {
        let len = len.parse::<usize>().ok().filter(|len| *len > 0);
        let Some((record, after)) = len.and_then(|len| rest.split_at_checked(len)) else { break };
        let pair = record.trim_end_matches('\n').split_once(' ').and_then(|(_, pair)| pair.split_once('='));
        match pair {
            Some(("path", path)) => told.name = Some(path.to_owned()),
            Some(("linkpath", path)) => told.target = Some(path.to_owned()),
            _ => {}
        }
        rest = after;
    }
    told
}

/// `size` and what fills its last block.
fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

/// Fills `buffer` as far as the source goes.
fn read_up_to(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0_usize;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => done = done.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// An archive's name for a file without its leading `./` or `/`.
fn plain(name: &str) -> &str {
    name.strip_prefix("./").unwrap_or(name).trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        let cases: [(&[u8], Option<u64>); 7] = [
            (b"00000001750\0", Some(1000)),
            (b"   1750 ", Some(1000)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"0000000009\0 ", None),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(0x2_0000_0000)),
            (b"\x80\x01\0\0\0\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn pax_records_tell_names() {
        let told = records("21 path=some/long/na\n16 linkpath=abc\n9 size=1\n", Told::default());
        assert_eq!((told.name.as_deref(), told.target.as_deref()), (Some("some/long/na"), Some("abc")));
        for damaged in ["", "x path=a\n", "999 path=a\n", "0 path=a\n", "2 path=a\n"] {
            assert_eq!(records(damaged, Told::default()).name, None, "{damaged}");
        }
    }
}
