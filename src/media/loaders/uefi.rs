//! shim and GRUB in an image's `EFI/BOOT`.
//!
//! Red Hat's GRUB on the media has the network modules and is signed, so it boots over the network as it is. What
//! the default loader is, is read in it: shim names the file it loads next in UTF-16, GRUB 2 has a section `mods`
//! (`util/mkimage.c`), EL6's GRUB 0.97 has its menu beside it.

use crate::image::FileTree;
use crate::media::paths;

/// The architecture of an EFI loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UefiArch {
    /// 64-bit x86.
    X64,
    /// 32-bit x86.
    Ia32,
    /// 64-bit ARM.
    Aa64,
}

/// What kind of loader it is; decides which menu is written for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UefiKind {
    /// GRUB 2, reads `grub.cfg`.
    Grub2,
    /// GRUB 0.97 of EL6, reads a menu named after its own address by TFTP; no Secure Boot.
    GrubLegacy,
}

/// The EFI loader of one architecture. Paths are of the tree, as the image spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UefiLoader {
    /// For which firmware.
    pub arch: UefiArch,
    /// What the menu is for.
    pub kind: UefiKind,
    /// The directory that both lie in.
    pub directory: String,
    /// shim, the first program under Secure Boot; `None` when GRUB is the first itself.
    pub shim: Option<String>,
    /// GRUB.
    pub grub: String,
    /// Whether GRUB has its `http` module: Red Hat's has, from EL 7.4 on; Debian's and Ubuntu's signed ones have not.
    pub speaks_http: bool,
    /// Whether GRUB takes its server from a proxyDHCP offer: upstream's does from 2.12 on, Red Hat's since June 2021
    /// (EL 8.5, EL 9).
    pub knows_proxy: bool,
    /// What told which is which.
    pub evidence: String,
}

impl UefiLoader {
    /// The first program: shim where there is one.
    pub fn first(&self) -> &str {
        self.shim.as_deref().unwrap_or(&self.grub)
    }
}

/// One architecture: what its default loader is called (UEFI 2.10 §3.5.1.1), which GRUB shim loads (shim `Make.defaults`,
/// `DEFAULT_LOADER`), and GRUB 0.97's menu.
struct Names {
    arch: UefiArch,
    boot: &'static str,
    grub: &'static str,
    legacy_menu: &'static str,
}

const NAMES: [Names; 3] = [
    Names { arch: UefiArch::X64, boot: "BOOTX64.EFI", grub: "grubx64.efi", legacy_menu: "BOOTX64.conf" },
    Names { arch: UefiArch::Aa64, boot: "BOOTAA64.EFI", grub: "grubaa64.efi", legacy_menu: "BOOTAA64.conf" },
    Names { arch: UefiArch::Ia32, boot: "BOOTIA32.EFI", grub: "grubia32.efi", legacy_menu: "BOOTIA32.conf" },
];

/// What GRUB's `http` module ends the first line of a request with (`grub-core/net/http.c`).
const END_OF_REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// What GRUB says, when told to, where it has seen that there is a proxyDHCP offer
/// (`grub-core/net/drivers/efi/efinet.c`).
const PROXY_OFFER: &[u8] = b"proxy offer receive";

const DIRECTORY: &str = "EFI/BOOT";

/// Largest EFI loader that is looked into; the real ones have 1 to 4 MB.
const MAX_LOADER: u64 = 16 << 20;

/// Looks for the loaders of every architecture, and says what is missing if there is none.
pub(super) fn find(tree: &dyn FileTree, missing: &mut Vec<String>) -> Vec<UefiLoader> {
    let mut loaders = Vec::new();
    let mut reasons = Vec::new();
    if let Some(directory) = paths::spelled(tree, DIRECTORY) {
        for names in &NAMES {
            match one(tree, &directory, names) {
                Some(Ok(loader)) => loaders.push(loader),
                Some(Err(reason)) => reasons.push(format!("UEFI: {reason}")),
                None => {}
            }
        }
    }
    if loaders.is_empty() && reasons.is_empty() {
        let boots: Vec<&str> = NAMES.iter().map(|names| names.boot).collect();
        reasons.push(format!("UEFI: none of {} in {DIRECTORY}", boots.join(", ")));
    }
    missing.append(&mut reasons);
    loaders
}

/// The loader of one architecture; `None` when there is nothing of it.
fn one(tree: &dyn FileTree, directory: &str, names: &Names) -> Option<Result<UefiLoader, String>> {
    let beside =
        |name| paths::spelled(tree, &paths::join(directory, name)).filter(|path| paths::is_file(tree, path));
    let (boot, grub) = (beside(names.boot), beside(names.grub));
    let loader = |kind, shim, grub: String, evidence| {
        let program = read(tree, &grub);
        UefiLoader {
            arch: names.arch,
            kind,
            directory: directory.to_owned(),
            shim,
            speaks_http: kind == UefiKind::Grub2 && contains(&program, END_OF_REQUEST),
            knows_proxy: kind == UefiKind::Grub2 && contains(&program, PROXY_OFFER),
            grub,
            evidence,
        }
    };
    let Some(boot) = boot else {
        return grub.map(|grub| {
            let evidence = format!("{grub}, and no {}", names.boot);
            Ok(loader(UefiKind::Grub2, None, grub, evidence))
        });
    };
    let bytes = read(tree, &boot);
    let is_shim = names_in_utf16(&bytes, names.grub);
    Some(match grub {
        Some(grub) if is_shim => {
            let evidence = format!("{boot} is shim: it names {}", names.grub);
            Ok(loader(UefiKind::Grub2, Some(boot), grub, evidence))
        }
        // Both are GRUB, as on media remastered without Secure Boot.
        _ if has_section(&bytes, b"mods") => {
            let evidence = format!("{boot} is GRUB 2: it has a section of modules");
            Ok(loader(UefiKind::Grub2, None, boot, evidence))
        }
        Some(grub) => {
            let evidence = format!("{boot} taken for shim: {grub} stands beside it");
            Ok(loader(UefiKind::Grub2, Some(boot), grub, evidence))
        }
        None if is_shim => Err(format!("{boot} is shim, and {} is not beside it", names.grub)),
        None => match beside(names.legacy_menu) {
            Some(menu) => {
                let evidence = format!("{boot} taken for GRUB 0.97: {menu} stands beside it");
                Ok(loader(UefiKind::GrubLegacy, None, boot, evidence))
            }
            None => Err(format!("{boot} is neither shim nor GRUB")),
        },
    })
}

fn read(tree: &dyn FileTree, path: &str) -> Vec<u8> {
    tree.file(path.as_bytes()).and_then(|file| file.data.read_all(MAX_LOADER).ok()).unwrap_or_default()
}

/// Whether `text` stands in `bytes`.
fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// Whether `text` stands in `bytes` in UTF-16.
fn names_in_utf16(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    contains(bytes, &wide)
}

/// Whether a PE image has a section of this name (PE/COFF §3, §4).
fn has_section(bytes: &[u8], name: &[u8]) -> bool {
    let u16_at =
        |at: usize| bytes.get(at..)?.first_chunk().map(|chunk| usize::from(u16::from_le_bytes(*chunk)));
    let u32_at = |at: usize| bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk));
    let sections = || {
        let header = usize::try_from(u32_at(0x3c)?).ok()?;
        let count = u16_at(header.checked_add(6)?)?;
        let optional = u16_at(header.checked_add(20)?)?;
        let table = bytes.get(header.checked_add(24)?.checked_add(optional)?..)?;
        Some(table.chunks_exact(40).take(count))
    };
    let is_named = |section: &[u8]| {
        section.get(..8).is_some_and(|field| field.split(|byte| *byte == 0).next() == Some(name))
    };
    bytes.starts_with(b"MZ") && sections().is_some_and(|mut sections| sections.any(is_named))
}
