//! The `ar` archive that a Debian package is (ar(5), deb(5)).

use super::PackageError;
use super::rpm::bytes_at;
use crate::image::FileData;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Most members that are looked at; a package has three, and further ones that dpkg passes over.
const MAX_MEMBERS: usize = 32;

/// A member of the archive.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name, without the blanks and the `/` that some writers end it with.
    pub(super) name: String,
    /// Its bytes, where they lie.
    pub(super) data: FileData,
}

/// The members of an archive, in their order.
///
/// # Errors
/// `NotDeb` when it is no archive, `Malformed` with the place, or `Read` when the image cannot be read.
pub(super) fn members(data: &FileData) -> Result<Vec<Member>, PackageError> {
    let magic = bytes_at::<8>(data, 0)?;
    if magic != *MAGIC {
        return Err(PackageError::NotDeb { found: magic });
    }
    let mut members = Vec::new();
    let mut at = MAGIC.len() as u64;
    while at < data.len() && members.len() < MAX_MEMBERS {
        let malformed = |what| PackageError::Malformed { what, offset: at };
        let header = bytes_at::<HEADER>(data, at)?;
        if header.get(58..) != Some(b"`\n") {
            return Err(malformed("no member of an ar archive where one should be"));
        }
        let size =
            header.get(48..58).and_then(number).ok_or(malformed("a member whose size is no number"))?;
        let start = at.saturating_add(HEADER as u64);
        let member = data.part(start, size).ok_or(malformed("a member that runs over its end"))?;
        let name = String::from_utf8_lossy(header.get(..16).unwrap_or_default());
        members.push(Member { name: name.trim_end_matches([' ', '/']).to_owned(), data: member });
        // Members begin at even offsets.
        at = start.saturating_add(size).checked_next_multiple_of(2).unwrap_or(u64::MAX);
    }
    Ok(members)
}

/// A decimal number, padded with blanks.
fn number(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_end();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}
