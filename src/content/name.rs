//! From what a client calls a file to the name it is looked up by.

use std::fmt;

/// Longest name, in bytes: what Linux opens (`PATH_MAX`).
const MAX_NAME: usize = 4096;
/// Longest part of a name between two slashes, in bytes: the 103 characters of Joliet in UTF-8 are up to 309.
const MAX_PART: usize = 320;

/// Why a name cannot mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// It leads above the root.
    Outside,
    /// It has a NUL.
    Nul,
    /// It is longer than any file's.
    TooLong,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "the name leads outside of what is served",
            Self::Nul => "the name has a NUL",
            Self::TooLong => "the name is too long",
        })
    }
}

/// The name in the form of [`super::Request::name`]. `\` is `/`, as boot managers of Windows write it; doubled slashes
/// are one; `.` and `..` are resolved, and never lead out.
///
/// # Errors
/// When it leads out, has a NUL, or is absurdly long.
pub fn normalise(raw: &[u8]) -> Result<Vec<u8>, BadName> {
    resolve(raw, |byte| matches!(byte, b'/' | b'\\'))
}

/// The same where `\` is a letter of a file's name, as files on Linux may have it; `None` when there is none in it, or where
/// that is more than another reading of what [`normalise`] gives, as in `a\b/../c`.
pub fn with_backslashes(raw: &[u8]) -> Option<Vec<u8>> {
    let name = raw.contains(&b'\\').then(|| resolve(raw, |byte| byte == b'/'))?.ok()?;
    (normalise(&name) == Ok(normalise(raw).ok()?) && name.contains(&b'\\')).then_some(name)
}

fn resolve(raw: &[u8], is_separator: impl Fn(u8) -> bool) -> Result<Vec<u8>, BadName> {
    if raw.contains(&0) {
        return Err(BadName::Nul);
    }
    let mut name = Vec::with_capacity(raw.len());
    for part in raw.split(|byte| is_separator(*byte)) {
        match part {
            b"" | b"." => {}
            b".." if name.is_empty() => return Err(BadName::Outside),
            b".." => name.truncate(memchr::memrchr(b'/', &name).unwrap_or(0)),
            part if part.len() > MAX_PART => return Err(BadName::TooLong),
            part => {
                if !name.is_empty() {
                    name.push(b'/');
                }
                name.extend_from_slice(part);
            }
        }
    }
    if name.len() > MAX_NAME { Err(BadName::TooLong) } else { Ok(name) }
}

/// What a boot ROM means by a TFTP name: without the bytes that stand behind option 67 in its memory, without a drive
/// letter (`C:\`), without `tftp://host/`.
pub fn from_boot_rom(raw: &[u8]) -> &[u8] {
    let end =
        raw.iter().rposition(|byte| (0x20..0x80).contains(byte)).map_or(0, |last| last.saturating_add(1));
    let name = raw.get(..end).unwrap_or_default();
    let name = match name.split_first_chunk::<7>() {
        Some((b"tftp://", rest)) => {
            let host = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            rest.get(host..).unwrap_or_default()
        }
        _ => name,
    };
    match name {
        [drive, b':', rest @ ..] if drive.is_ascii_alphabetic() => rest,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t32_names_are_brought_to_one_form() {
        for (raw, expected) in [
            (&b"pxelinux.0"[..], &b"pxelinux.0"[..]),
            (b"/EFI//BOOT/./grub.cfg", b"EFI/BOOT/grub.cfg"),
            (br"\Boot\BCD", b"Boot/BCD"),
            (br"boot\fonts/wgl4_boot.ttf", b"boot/fonts/wgl4_boot.ttf"),
            (b"a/b/../c/", b"a/c"),
            (b"", b""),
            (b"/", b""),
            (b"a b+~%41", b"a b+~%41"),
            (b"\xff\xfe", b"\xff\xfe"),
        ] {
            assert_eq!(normalise(raw).as_deref(), Ok(expected), "{raw:?}");
        }
        assert_eq!(from_boot_rom(br"C:\pxelinux.0"), br"\pxelinux.0");
        for (raw, expected) in [
            (r"/a\b//c", Some(r"a\b/c")),
            ("a/b", None),
            (r"..\a", None),
            (r"a\../..", None),
            (r"a\b/../c", None),
            ("a\\\0", None),
        ] {
            assert_eq!(with_backslashes(raw.as_bytes()).as_deref(), expected.map(str::as_bytes), "{raw}");
        }
        assert_eq!(from_boot_rom(b"tftp://192.168.100.1/pxelinux.0"), b"/pxelinux.0");
        assert_eq!(from_boot_rom(b"tftp://host"), b"");
    }

    #[test]
    fn t34_nothing_leads_outside() {
        for raw in [&b".."[..], b"../etc/passwd", b"/a/../../b", br"..\..\b", b"a/..//../b"] {
            assert_eq!(normalise(raw), Err(BadName::Outside), "{raw:?}");
        }
        assert_eq!(normalise(b"a\0b"), Err(BadName::Nul));
        assert_eq!(normalise(&[b'a'; 321]), Err(BadName::TooLong));
        assert_eq!(normalise(&b"ab/".repeat(1400)), Err(BadName::TooLong));
    }

    #[test]
    fn t31_what_stands_behind_a_name_in_a_roms_memory_is_cut() {
        assert_eq!(from_boot_rom(b"pxelinux.0\xff"), b"pxelinux.0");
        assert_eq!(from_boot_rom(b"pxelinux.0\x01\x80\xff\xff"), b"pxelinux.0");
        assert_eq!(from_boot_rom(b"\xff"), b"");
    }
}
