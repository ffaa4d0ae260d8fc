//! Loaders that the user gives with `--loader ARCH=FILE`: read and checked before anything on this computer is touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Refusal;
use super::prepare::cannot_open;
use crate::boot::arch::Arch;
use crate::config::LoaderFile;
use crate::media::pe;
use crate::media::search::{contains, position};
use crate::order;

/// Largest loader. The largest in use, a GRUB or iPXE with everything in it, have 4 MB.
const MAX_LEN: u64 = 16 << 20;
/// Most files of its own that one may bring along: PXELINUX has some fifty modules.
const MAX_FILES: usize = 200;

/// PXELINUX, as every part of pxego calls it.
const PXELINUX: &str = "pxelinux.0";

/// The first program's name, and all files by theirs.
type Served = (String, BTreeMap<String, Arc<[u8]>>);

/// A loader and what it loads, by the names they are served under.
pub(super) struct Given {
    pub(super) arch: Arch,
    /// The first program's name.
    pub(super) first: String,
    /// Whether it is iPXE: then it is not given to an iPXE again.
    pub(super) is_ipxe: bool,
    pub(super) files: BTreeMap<String, Arc<[u8]>>,
}

impl Given {
    /// Reads a loader and the files beside it that it loads.
    ///
    /// # Errors
    /// When it cannot be read, is for another machine, or lacks what it loads.
    pub(super) fn read(loader: &LoaderFile) -> Result<Self, Refusal> {
        let LoaderFile { arch, name, path } = loader;
        let option = format!("--loader {name}={}", path.display());
        let bytes = read(path).map_err(|error| cannot_open(&format!("--loader {name}="), path, &error))?;
        check(*arch, &bytes).map_err(|what| {
            Refusal::new(format!(
                "{option}: {what}. Name a loader for {arch} machines, or leave --loader out and let the image's be used"
            ))
        })?;
        let is_ipxe = contains(&bytes, b"iPXE initialising") || contains(&bytes, b"http://ipxe.org");
        let beside = Beside::new(path);
        let (first, files) = match arch {
            Arch::Bios => bios(path, bytes, &beside),
            _ => uefi(*arch, name, path, bytes, &beside),
        }
        .map_err(|what| Refusal::new(format!("{option}: {what}")))?;
        Ok(Self { arch: *arch, first, is_ipxe, files })
    }

    /// Whether it takes the place of the image's PXELINUX and its modules.
    pub(super) fn is_pxelinux(&self) -> bool {
        self.first == PXELINUX
    }
}

/// A BIOS program is served at the root, where it looks for its menus.
fn bios(path: &Path, bytes: Vec<u8>, beside: &Beside) -> Result<Served, String> {
    let mut files = BTreeMap::new();
    // The banner of `core/pxelinux.asm`; the rest of the file is compressed.
    let Some(version) = after(&bytes, b"PXELINUX ") else {
        let name = plain_name(path).unwrap_or_else(|| "loader.0".to_owned());
        // Not under the names that are PXELINUX's.
        let name = if name == PXELINUX { "loader.0".to_owned() } else { name };
        files.insert(name.clone(), bytes.into());
        return Ok((name, files));
    };
    for module in beside.names(|name| name.ends_with(".c32"))? {
        files.insert(module.clone(), beside.read(&module)?.into());
    }
    if matches!(version, b'5'..=b'9') && !files.contains_key("ldlinux.c32") {
        return Err(format!(
            "this PXELINUX needs ldlinux.c32 of the same build beside it. Copy that and the other modules (*.c32) into \"{}\"",
            beside.shown()
        ));
    }
    files.insert(PXELINUX.to_owned(), bytes.into());
    Ok((PXELINUX.to_owned(), files))
}

/// An EFI program is served in a directory of its own, with what it names to load next.
fn uefi(arch: Arch, name: &str, path: &Path, bytes: Vec<u8>, beside: &Beside) -> Result<Served, String> {
    let suffix = arch.efi_suffix().unwrap_or(name);
    let directory = format!("given/{suffix}");
    let mut files = BTreeMap::new();
    let next = [format!("grub{suffix}.efi"), "grub.efi".to_owned()].into_iter().find(|it| names(&bytes, it));
    let helpers = ["mm", "fb"].map(|it| format!("{it}{suffix}.efi"));
    for other in next.iter().chain(helpers.iter().filter(|_| next.is_some())) {
        match beside.find(other)? {
            Some(found) => {
                let program = beside.read(&found)?;
                check(arch, &program).map_err(|what| format!("{found} beside it: {what}"))?;
                files.insert(format!("{directory}/{other}"), program.into());
            }
            None if Some(other) == next.as_ref() => {
                return Err(format!(
                    "it is shim, which loads {other}, and that is not beside it. Copy {other} of the same release into \
                     \"{}\"",
                    beside.shown()
                ));
            }
            None => {}
        }
    }
    let first = plain_name(path).unwrap_or_else(|| format!("boot{suffix}.efi"));
    let first = format!("{directory}/{first}");
    files.insert(first.clone(), bytes.into());
    Ok((first, files))
}

/// The directory that a loader lies in.
struct Beside {
    directory: PathBuf,
}

impl Beside {
    fn new(path: &Path) -> Self {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self { directory: parent.unwrap_or(Path::new(".")).to_owned() }
    }

    fn shown(&self) -> String {
        self.directory.display().to_string()
    }

    /// The names in it that are wanted, sorted.
    fn names(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, String> {
        let entries = fs::read_dir(&self.directory).map_err(|error| format!("{}: {error}", self.shown()))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_wanted(name)).collect();
        order::by(&mut names, Ord::cmp);
        names.truncate(MAX_FILES);
        Ok(names)
    }

    /// A file of this name, in any case.
    fn find(&self, name: &str) -> Result<Option<String>, String> {
        Ok(self.names(|other| other.eq_ignore_ascii_case(name))?.into_iter().next())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.directory.join(name);
        read(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Opening a pipe waits for a writer.
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_LEN.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// That machines of this kind can execute it, as far as its head shows.
fn check(arch: Arch, bytes: &[u8]) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if bytes.len() as u64 > MAX_LEN {
        return Err(format!("it is larger than {} MiB, which no loader is", MAX_LEN >> 20));
    }
    match (pe::machine(bytes), machines(arch)) {
        (Some(found), Some(wanted)) if wanted.contains(&found) => Ok(()),
        (Some(found), _) => Err(format!("it is an EFI program for {}", machine_name(found))),
        (None, Some(_)) => Err("it is no EFI program".to_owned()),
        (None, None) if bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"MZ") => {
            Err("it is no program that a BIOS can start".to_owned())
        }
        (None, None) => Ok(()),
    }
}

/// The machines in the head of an EFI program for `arch` (PE Format, "Machine Types"); `None` for BIOS.
fn machines(arch: Arch) -> Option<&'static [u16]> {
    Some(match arch {
        Arch::Ia32Uefi => &[0x14c],
        Arch::X64Uefi => &[0x8664],
        Arch::Arm32Uefi => &[0x1c0, 0x1c2, 0x1c4],
        Arch::Arm64Uefi => &[0xaa64],
        Arch::RiscV64Uefi => &[0x5064],
        Arch::LoongArch64Uefi => &[0x6264],
        _ => return None,
    })
}

fn machine_name(machine: u16) -> String {
    match machine {
        0x14c => "ia32 (32-bit x86)".to_owned(),
        0x8664 => "x64 (64-bit x86)".to_owned(),
        0x1c0 | 0x1c2 | 0x1c4 => "arm (32-bit ARM)".to_owned(),
        0xaa64 => "arm64 (64-bit ARM)".to_owned(),
        0x5064 => "riscv64 (64-bit RISC-V)".to_owned(),
        0x6264 => "loongarch64 (64-bit LoongArch)".to_owned(),
        other => format!("another machine, number {other:#06x}"),
    }
}

/// The file's name, where it can stand in a path and a URL as it is.
fn plain_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (name.len() <= 64 && name.bytes().all(is_plain)).then(|| name.to_owned())
}

/// The byte that follows `text`.
fn after(bytes: &[u8], text: &[u8]) -> Option<u8> {
    let at = position(bytes, text)?;
    bytes.get(at + text.len()).copied()
}

/// Whether `text` stands in `bytes` in UTF-16.
fn names(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    contains(bytes, &wide)
}
