//! What a file is that is not an ISO 9660 image, by its first bytes.

use super::ReadAt;
use super::cursor::{le16, part, rest};
use super::error::{Foreign, ImageError};

/// A magic number: where, what, the thing it marks, and what to do about it.
type Magic = (usize, &'static [u8], &'static str, &'static str);

const GIVE: &str = "give the .iso file of an installation DVD or boot.iso";
const UNPACK: &str = "unpack it first";

/// The order matters: a kernel and a GPT disk also carry the signature of an MBR.
const MAGIC: &[Magic] = &[
    (0, b"\x1f\x8b", "gzip-compressed data", "unpack it first: gunzip"),
    (0, b"\xfd7zXZ\0", "xz-compressed data", "unpack it first: unxz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed data", "unpack it first: unzstd"),
    (0, b"BZh", "bzip2-compressed data", "unpack it first: bunzip2"),
    (0, b"PK\x03\x04", "a zip archive", "unpack it first: unzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!", "a rar archive", UNPACK),
    (257, b"ustar", "a tar archive", "unpack it first: tar xf"),
    (0, b"QFI\xfb", "a qcow2 disk image", GIVE),
    (0, b"KDMV", "a VMDK disk image", GIVE),
    (0, b"vhdxfile", "a VHDX disk image", GIVE),
    (0, b"\x7fELF", "an ELF program", GIVE),
    (0x202, b"HdrS", "a Linux kernel (bzImage)", GIVE),
    (0, b"MZ", "an EFI or Windows program", GIVE),
    (0, b"hsqs", "a squashfs file system", GIVE),
    (0, b"\xed\xab\xee\xdb", "an RPM package", GIVE),
    (0, b"!<arch>\ndebian", "a Debian package", GIVE),
    (0, b"070701", "a cpio archive", GIVE),
    (0x438, b"\x53\xef", "an ext file system", GIVE),
    (0, b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", "a raw CD dump (.bin)", "convert it first: bchunk"),
    (512, b"EFI PART", "a raw disk image (GPT) without an ISO 9660 volume", GIVE),
    (4096, b"EFI PART", "a raw disk image (GPT) without an ISO 9660 volume", GIVE),
    (510, b"\x55\xaa", "a raw disk image (MBR) without an ISO 9660 volume", GIVE),
];

/// Names a file that has no ISO 9660 volume descriptor.
///
/// # Errors
/// Always: with what was found, or why it could not be read.
pub(super) fn refuse<T>(source: &dyn ReadAt) -> Result<T, ImageError> {
    let len = source.len();
    let mut head = vec![0; usize::try_from(len.min(8192)).unwrap_or(0)];
    source.read_exact_at(&mut head, 0)?;
    let (found, remedy) = name(&head);
    Err(ImageError::Foreign(Foreign { found, remedy, len }))
}

/// What a file with these first bytes is, and what to do about it.
fn name(head: &[u8]) -> (&'static str, &'static str) {
    if head.is_empty() {
        return ("an empty file", "download it again");
    }
    for (at, magic, found, remedy) in MAGIC {
        if part(head, *at, magic.len()) == Some(magic) {
            return (found, remedy);
        }
    }
    if head.iter().all(|byte| *byte == 0) {
        return ("a file that begins with zeros", "wait for the download to end, or download it again");
    }
    // UTF-16 text is rare enough to stay "a file".
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    if begins(b"<!doctype html") || begins(b"<html") {
        return (
            "an HTML page",
            "a download page or an error was saved in place of the image; download it again",
        );
    }
    if le16(head, 0).is_some() && is_text(rest(head, 0)) {
        return ("a text file", GIVE);
    }
    ("a file of no known kind", GIVE)
}

/// Whether this is the start of a text: no control characters but white space.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    use super::*;

    #[test]
    fn every_magic_is_found_where_it_stands() {
        for (at, magic, found, _) in MAGIC {
            let mut head = vec![b'x'; 8192];
            head[*at..*at + magic.len()].copy_from_slice(magic);
            assert_eq!(name(&head).0, *found);
        }
    }

    #[test]
    fn what_has_no_magic_is_told_by_its_look() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "an empty file"),
            (&[0; 8192], "a file that begins with zeros"),
            (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", "an HTML page"),
            (b"<HTML>", "an HTML page"),
            ("caf\u{e9}\n".as_bytes(), "a text file"),
            (b"\x01\x02\x03", "a file of no known kind"),
        ];
        for (head, found) in cases {
            assert_eq!(name(head).0, found);
        }
    }

    #[test]
    fn a_kernel_is_a_kernel_though_it_carries_the_mark_of_a_disk() {
        let mut head = vec![0; 1024];
        head[510..512].copy_from_slice(b"\x55\xaa");
        assert_eq!(name(&head).0, "a raw disk image (MBR) without an ISO 9660 volume");
        head[0x202..0x206].copy_from_slice(b"HdrS");
        assert_eq!(name(&head).0, "a Linux kernel (bzImage)");
    }
}
