//! EFI programs: what machine they are for, what sections they have, and who signed them.
//!
//! Nothing is verified: firmware does that. A name is what helps a person, and tells a GRUB that a shim will not take.
//!
//! Sources: Microsoft PE Format ("COFF File Header", "Optional Header Data Directories", "The Attribute Certificate
//! Table"); RFC 2315 §9 (PKCS #7 signed data); RFC 5280 §4.1.2.4 (names).

use super::search::contains;

/// Whether a program is signed, as UEFI Secure Boot wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It has no certificate table.
    None,
    /// The name of who issued the signer's certificate, such as `Microsoft Corporation UEFI CA 2011`.
    By(String),
    /// It has a certificate table that cannot be read.
    Unreadable,
    /// It is still packed.
    NotUnpacked,
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("not signed"),
            Self::By(name) => write!(f, "signed by {name}"),
            Self::Unreadable => f.write_str("signed by an unreadable certificate"),
            Self::NotUnpacked => f.write_str("not unpacked yet"),
        }
    }
}

/// The machine a PE image is for, as a number ("Machine Types"); `None` when it is none.
pub fn machine(bytes: &[u8]) -> Option<u16> {
    u16_at(bytes, header(bytes)?.checked_add(4)?)
}

/// Offset of the signature `PE\0\0`.
fn header(bytes: &[u8]) -> Option<usize> {
    let at = usize::try_from(u32_at(bytes.strip_prefix(b"MZ")?, 58)?).ok()?;
    bytes.get(at..)?.starts_with(b"PE\0\0").then_some(at)
}

/// Whether a PE image has a section of this name.
pub fn has_section(bytes: &[u8], name: &[u8]) -> bool {
    let sections = || {
        let header = header(bytes)?;
        let count = usize::from(u16_at(bytes, header.checked_add(6)?)?);
        let optional = usize::from(u16_at(bytes, header.checked_add(20)?)?);
        let table = bytes.get(header.checked_add(24)?.checked_add(optional)?..)?;
        Some(table.chunks_exact(40).take(count))
    };
    let is_named = |section: &[u8]| {
        section.get(..8).is_some_and(|field| field.split(|byte| *byte == 0).next() == Some(name))
    };
    sections().is_some_and(|mut sections| sections.any(is_named))
}

/// Who signed a PE image.
pub fn signature(bytes: &[u8]) -> Signature {
    match certificates(bytes) {
        None => Signature::None,
        Some(table) => match issuer(table).and_then(common_name) {
            Some(name) => Signature::By(name),
            None => Signature::Unreadable,
        },
    }
}

/// Whether shim is likely to start a program: it holds the certificate of who issued the program's signer's. `None` when
/// that cannot be told, as with an unsigned program, which is started while Secure Boot is off.
pub fn trusts(shim: &[u8], program: &[u8]) -> Option<bool> {
    let issuer = issuer(certificates(program)?)?;
    // The certificate lies in shim as it is (shim `cert.S`), so the name is there byte for byte.
    certificates(shim)?;
    Some(contains(shim, issuer))
}

/// The attribute certificate table; `None` when there is none.
fn certificates(bytes: &[u8]) -> Option<&[u8]> {
    let optional = header(bytes)?.checked_add(24)?;
    // The data directories stand behind the fields of PE32 (0x10b) or PE32+ (0x20b); the table is the fifth.
    let directories = match u16_at(bytes, optional)? {
        0x10b => 96_usize,
        0x20b => 112,
        _ => return None,
    };
    let entry = optional.checked_add(directories)?.checked_add(4 * 8)?;
    let (start, len) = (u32_at(bytes, entry)?, u32_at(bytes, entry.checked_add(4)?)?);
    let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
    (len > 0).then(|| bytes.get(start..start.checked_add(len)?))?
}

/// The name, in DER, of who issued the certificate of the first signer.
fn issuer(table: &[u8]) -> Option<&[u8]> {
    // `WIN_CERT_TYPE_PKCS_SIGNED_DATA`, behind length and revision.
    if u16_at(table, 6)? != 2 {
        return None;
    }
    let content = Der::new(table.get(8..)?).enter(SEQUENCE)?;
    let mut signed = content.after(1)?.enter(EXPLICIT_0)?.enter(SEQUENCE)?;
    // Version, digest algorithms, content; then certificates and revocations, which may be missing.
    signed = signed.after(3)?;
    while matches!(signed.tag(), Some(EXPLICIT_0 | EXPLICIT_1)) {
        signed = signed.after(1)?;
    }
    let signer = signed.enter(SET)?.enter(SEQUENCE)?;
    signer.after(1)?.enter(SEQUENCE)?.whole(SEQUENCE)
}

/// The common name in a name; without one the organisation.
fn common_name(name: &[u8]) -> Option<String> {
    // Object identifiers 2.5.4.3 and 2.5.4.10.
    let attribute = |number: u8| {
        let mut parts = Der::new(name).enter(SEQUENCE)?;
        while parts.tag() == Some(SET) {
            let pair = parts.enter(SET)?.enter(SEQUENCE)?;
            if pair.contents(OBJECT_IDENTIFIER)? == [0x55, 4, number] {
                let value = pair.after(1)?;
                let text = value.contents(value.tag()?)?;
                return Some(
                    String::from_utf8_lossy(text).chars().filter(|letter| !letter.is_control()).collect(),
                );
            }
            parts = parts.after(1)?;
        }
        None
    };
    attribute(3).or_else(|| attribute(10)).filter(|name: &String| !name.is_empty())
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_1: u8 = 0xa1;

/// Values in DER, one after another (X.690 §8.1).
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn tag(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Length of the first value's head, and of its contents.
    fn head(self) -> Option<(usize, usize)> {
        let short = *self.0.get(1)?;
        if short < 0x80 {
            return Some((2, short.into()));
        }
        let count = usize::from(short & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let head = count.checked_add(2)?;
        let digits = self.0.get(2..head)?;
        let len = digits.iter().fold(0_u64, |len, digit| len << 8 | u64::from(*digit));
        Some((head, usize::try_from(len).ok()?))
    }

    /// The contents of the first value, if it has this tag.
    fn contents(self, tag: u8) -> Option<&'a [u8]> {
        let (head, len) = self.head()?;
        (self.tag()? == tag).then(|| self.0.get(head..head.checked_add(len)?))?
    }

    /// The values inside the first one.
    fn enter(self, tag: u8) -> Option<Self> {
        self.contents(tag).map(Self)
    }

    /// The first value with its head.
    fn whole(self, tag: u8) -> Option<&'a [u8]> {
        let (head, len) = self.head()?;
        (self.tag()? == tag).then(|| self.0.get(..head.checked_add(len)?))?
    }

    /// What follows the first `count` values.
    fn after(self, count: usize) -> Option<Self> {
        let mut rest = self;
        for _ in 0..count {
            let (head, len) = rest.head()?;
            rest = Self(rest.0.get(head.checked_add(len)?..)?);
        }
        Some(rest)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}
