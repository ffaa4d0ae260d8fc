//! Finds the loaders of the manifest on this computer and writes the table that `src/media/embedded.rs` includes.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::manifest::{Loader, Package};
use super::sha256;

/// No loader is larger; the largest of iPXE is about 1 MiB.
const MAX_LEN: usize = 4 << 20;

/// Where the loaders come from.
pub(crate) enum Source {
    /// From nowhere: `PXEGO_NO_VENDOR`.
    Nowhere,
    /// From the folder, if one was named (`PXEGO_VENDOR_DIR`), else from the packages' files below the root.
    Computer {
        /// Looked into first.
        folder: Option<PathBuf>,
        /// `/`; another in tests.
        root: PathBuf,
    },
}

/// A loader of the manifest and its bytes, or why it has none.
pub(crate) struct Found<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) bytes: Result<Vec<u8>, String>,
}

/// Looks for every loader.
///
/// # Errors
/// A file in the folder that was named cannot be what it should be: that is a mistake to be told of at once.
pub(crate) fn find<'a>(loaders: &'a [Loader], source: &Source) -> Result<Vec<Found<'a>>, String> {
    loaders.iter().map(|loader| Ok(Found { loader, bytes: find_one(loader, source)? })).collect()
}

fn find_one(loader: &Loader, source: &Source) -> Result<Result<Vec<u8>, String>, String> {
    let Source::Computer { folder, root } = source else {
        return Ok(Err("left out by PXEGO_NO_VENDOR; build again without it".to_owned()));
    };
    if let Some(path) = folder.as_ref().map(|folder| folder.join(&loader.file)) {
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
            Ok(bytes) => {
                check(&loader.role, &bytes).map_err(|what| format!("{}: {what}", path.display()))?;
                return Ok(Ok(bytes));
            }
        }
    }
    let paths = loader.packages.iter().flat_map(|package| &package.paths).map(|path| below(root, path));
    let bytes = paths.filter_map(|path| fs::read(path).ok()).find(|it| check(&loader.role, it).is_ok());
    Ok(bytes.ok_or_else(|| remedy(&loader.packages)))
}

/// `path`, which is absolute, as it is called from a system whose root is `root`.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What to do to have a loader built in.
fn remedy(packages: &[Package]) -> String {
    let names: Vec<_> =
        packages.iter().map(|package| format!("{} ({})", package.name, package.systems)).collect();
    format!(
        "install the package {}, or put the file into a folder and name that by PXEGO_VENDOR_DIR, then build again",
        names.join(" or ")
    )
}

/// That a machine of this role can execute it, as far as its head shows.
fn check(role: &str, bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() || bytes.len() > MAX_LEN {
        return Err(format!("{} bytes is not a loader's size", bytes.len()));
    }
    // `IMAGE_FILE_MACHINE_AMD64`, `IMAGE_FILE_MACHINE_ARM64` (PE format, "Machine types").
    let (expected, wanted) = match role {
        "x64" => (Some(0x8664), "an EFI program for x64"),
        "arm64" => (Some(0xAA64), "an EFI program for arm64"),
        _ => (None, "a program for BIOS"),
    };
    if pe_machine(bytes) == expected { Ok(()) } else { Err(format!("is not {wanted}")) }
}

/// The machine type of a PE image: the offset of its header is at 60, behind `MZ` (PE format, "Signature").
fn pe_machine(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"MZ")?;
    let offset = u32::from_le_bytes(*rest.get(58..)?.first_chunk()?);
    let header = bytes.get(offset as usize..)?.strip_prefix(b"PE\0\0")?;
    header.first_chunk().copied().map(u16::from_le_bytes)
}

/// Writes each loader, compressed, and `loaders.rs` into `folder`.
pub(crate) fn write(found: &[Found<'_>], folder: &Path) -> io::Result<()> {
    let (mut embedded, mut absent) = (String::new(), String::new());
    for Found { loader, bytes } in found {
        let role = variant(&loader.role);
        let Loader { file, licence, .. } = loader;
        // Writing to a string cannot fail.
        let _ = match bytes {
            Ok(bytes) => {
                let name = format!("{file}.gz");
                fs::write(folder.join(&name), gzip(bytes)?)?;
                writeln!(
                    embedded,
                    "    Embedded {{ role: Role::{role}, name: {file:?}, licence: {licence:?}, sha256: {:?}, \
                     gzip: include_bytes!({name:?}) }},",
                    sha256::hex(bytes)
                )
            }
            Err(remedy) => {
                writeln!(absent, "    Absent {{ role: Role::{role}, name: {file:?}, remedy: {remedy:?} }},")
            }
        };
    }
    let table = format!(
        "static EMBEDDED: &[Embedded] = &[\n{embedded}];\n\nstatic ABSENT: &[Absent] = &[\n{absent}];\n"
    );
    fs::write(folder.join("loaders.rs"), table)
}

/// The role's name in `Role`.
fn variant(role: &str) -> &'static str {
    match role {
        "bios" => "Bios",
        "x64" => "X64",
        _ => "Arm64",
    }
}

/// The same bytes give the same file: the header has no time and no name.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
