//! Loaders built into the binary, for images that have none.
//!
//! Which they are says `vendor/manifest.toml`; `build.rs` finds them, compresses them and writes the tables here.

include!(concat!(env!("OUT_DIR"), "/loaders.rs"));

/// A machine that a built-in loader is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Legacy BIOS.
    Bios,
    /// UEFI on x86-64.
    X64,
    /// UEFI on 64-bit Arm.
    Arm64,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bios => "BIOS",
            Self::X64 => "UEFI x64",
            Self::Arm64 => "UEFI arm64",
        })
    }
}

/// A loader that is in this binary.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The machines it is for.
    pub role: Role,
    /// The name it is served by.
    pub name: &'static str,
    /// Its licence, as an SPDX expression.
    pub licence: &'static str,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: &'static str,
    gzip: &'static [u8],
}

/// A loader that was not on the computer this binary was built on.
#[derive(Clone, Copy, Debug)]
pub struct Absent {
    /// The machines it is for.
    pub role: Role,
    /// The name it would be served by.
    pub name: &'static str,
    /// What to do to have it built in.
    pub remedy: &'static str,
}

impl Embedded {
    /// One without bytes.
    #[cfg(test)]
    pub(crate) const fn empty(role: Role, name: &'static str) -> Self {
        Self { role, name, licence: "", sha256: "", gzip: &[] }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// None in a binary that was not damaged.
    pub fn unpack(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(self.gzip), &mut bytes)?;
        Ok(bytes)
    }
}

/// The loaders in this binary, at most one for each role.
pub fn embedded() -> &'static [Embedded] {
    EMBEDDED
}

/// The loaders that could be in it and are not.
pub fn missing() -> &'static [Absent] {
    ABSENT
}
