//! shim and GRUB in an image's `EFI/BOOT`, or in its FAT images.
//!
//! Red Hat's GRUB on the media has the network modules and is signed, so it boots over the network as it is. What
//! the default loader is, is read in it: shim names the file it loads next in UTF-16, GRUB 2 has a section `mods`
//! (`util/mkimage.c`), EL6's GRUB 0.97 has its menu beside it.
//!
//! shim and GRUB are always of one directory: a shim takes no GRUB of another vendor, and a revoked one of neither.

use std::cell::Cell;

use super::fat::Fat;
use super::pe::{self, Signature};
use super::search::contains;
use super::set::Set;
use crate::image::FileTree;
use crate::media::paths;
use crate::order;

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

/// The EFI loader of one architecture. Paths are of the tree that [`super::Loaders::over`] gives.
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
    /// Where it is on the image, for people: a directory, a FAT image, packages.
    pub origin: String,
    /// Who signed the first program.
    pub signature: Signature,
    /// Who signed GRUB.
    pub grub_signature: Signature,
    /// What told which is which.
    pub evidence: String,
}

impl UefiLoader {
    /// The first program: shim where there is one.
    pub fn first(&self) -> &str {
        self.shim.as_deref().unwrap_or(&self.grub)
    }
}

/// One architecture: what its default loader is called (UEFI 2.10 §3.5.1.1), and shim where it stands in its vendor's
/// directory; which GRUB shim loads (shim `Make.defaults`, `DEFAULT_LOADER`; SUSE's is `grub.efi`); GRUB 0.97's menu.
pub(super) struct Names {
    pub(super) arch: UefiArch,
    /// How it is called in file names, `x64` in `bootx64.efi`.
    pub(super) suffix: &'static str,
    boot: &'static str,
    shim: &'static str,
    grub: [&'static str; 2],
    legacy_menu: &'static str,
    /// The number of its machine in a PE header.
    machine: u16,
}

pub(super) const NAMES: [Names; 3] = [
    Names {
        arch: UefiArch::X64,
        suffix: "x64",
        boot: "BOOTX64.EFI",
        shim: "shimx64.efi",
        grub: ["grubx64.efi", "grub.efi"],
        legacy_menu: "BOOTX64.conf",
        machine: 0x8664,
    },
    Names {
        arch: UefiArch::Aa64,
        suffix: "aa64",
        boot: "BOOTAA64.EFI",
        shim: "shimaa64.efi",
        grub: ["grubaa64.efi", "grub.efi"],
        legacy_menu: "BOOTAA64.conf",
        machine: 0xaa64,
    },
    Names {
        arch: UefiArch::Ia32,
        suffix: "ia32",
        boot: "BOOTIA32.EFI",
        shim: "shimia32.efi",
        grub: ["grubia32.efi", "grub.efi"],
        legacy_menu: "BOOTIA32.conf",
        machine: 0x14c,
    },
];

/// What GRUB's `http` module ends the first line of a request with (`grub-core/net/http.c`).
const END_OF_REQUEST: &[u8] = b" HTTP/1.1\r\n";

/// What GRUB's `tftp` module asks for (`grub-core/net/tftp.c`). GRUB for discs has the network card's module and not this
/// one: it gets nowhere.
const BLOCK_SIZE: &[u8] = b"blksize\0";

/// What GRUB says, when told to, where it has seen that there is a proxyDHCP offer
/// (`grub-core/net/drivers/efi/efinet.c`).
const PROXY_OFFER: &[u8] = b"proxy offer receive";

const EFI: &str = "EFI";
const DIRECTORY: &str = "EFI/BOOT";

/// Largest EFI loader that is looked into; the real ones have 1 to 4 MB.
const MAX_LOADER: u64 = 16 << 20;
/// How much is read of them altogether.
const MAX_READ: u64 = 256 << 20;
/// Most directories of vendors beside `EFI/BOOT`.
const MAX_VENDORS: usize = 16;

/// A directory that may hold loaders.
struct Place<'a> {
    tree: &'a dyn FileTree,
    /// As the tree spells it.
    directory: String,
    /// The FAT image that it is in, if it is not in the image's own tree.
    fat: Option<&'a str>,
    budget: &'a Cell<u64>,
}

/// What there is of one architecture.
#[derive(Default)]
pub(super) struct Found {
    pub(super) loader: Option<UefiLoader>,
    /// The files of a loader that is not in the image's own tree.
    pub(super) set: Option<Set>,
    /// Why a place that has something of it gives no loader.
    pub(super) reasons: Vec<String>,
}

/// Looks for the loader of each architecture: in the tree, then in the FAT images; in the default directory, then in those
/// of vendors.
pub(super) fn find(tree: &dyn FileTree, fats: &[Fat]) -> Vec<(&'static Names, Found)> {
    let budget = Cell::new(MAX_READ);
    let mut places = directories(tree, None, &budget);
    for fat in fats {
        places.extend(directories(&fat.tree, Some(&fat.origin), &budget));
    }
    NAMES.iter().map(|names| (names, of_arch(&places, names))).collect()
}

/// What is said when there is nothing of any architecture.
pub(super) fn nothing() -> String {
    let boots: Vec<&str> = NAMES.iter().map(|names| names.boot).collect();
    format!("UEFI: none of {} in {DIRECTORY}", boots.join(", "))
}

/// The directories of a tree that may hold loaders.
fn directories<'a>(tree: &'a dyn FileTree, fat: Option<&'a str>, budget: &'a Cell<u64>) -> Vec<Place<'a>> {
    let default = paths::spelled(tree, DIRECTORY);
    let vendors = paths::spelled(tree, EFI).map(|efi| {
        let names = tree.list(efi.as_bytes()).unwrap_or_default().into_iter();
        let names =
            names.filter(|entry| entry.is_directory).filter_map(|entry| String::from_utf8(entry.name).ok());
        let paths: Vec<String> = names.map(|name| paths::join(&efi, &name)).collect();
        paths
    });
    let vendors = vendors.unwrap_or_default().into_iter().filter(|path| Some(path) != default.as_ref());
    let all = default.iter().cloned().chain(vendors.take(MAX_VENDORS));
    all.map(|directory| Place { tree, directory, fat, budget }).collect()
}

fn of_arch(places: &[Place<'_>], names: &'static Names) -> Found {
    let mut found = Found::default();
    for place in places {
        match place.loader(names) {
            Some(Ok(loader)) => {
                found.set = place.fat.map(|_| place.set(names));
                found.loader = Some(match &found.set {
                    Some(set) => moved(loader, set),
                    None => loader,
                });
                return found;
            }
            Some(Err(reason)) => found.reasons.push(place.in_fat(reason)),
            None => {}
        }
    }
    found
}

/// The loader with its paths in the directory of a set.
fn moved(loader: UefiLoader, set: &Set) -> UefiLoader {
    let path = |old: &str| {
        let name = old.rsplit('/').next().unwrap_or(old);
        format!("{}/{}", set.directory, name.to_ascii_lowercase())
    };
    UefiLoader {
        directory: set.directory.clone(),
        shim: loader.shim.as_deref().map(path),
        grub: path(&loader.grub),
        ..loader
    }
}

impl Place<'_> {
    /// A text that begins with a path, with the FAT image before it that the path is in.
    fn in_fat(&self, text: String) -> String {
        match self.fat {
            Some(fat) => format!("{fat}: {text}"),
            None => text,
        }
    }

    fn beside(&self, name: &str) -> Option<String> {
        let path = paths::spelled(self.tree, &paths::join(&self.directory, name))?;
        paths::is_file(self.tree, &path).then_some(path)
    }

    fn read(&self, path: &str) -> Vec<u8> {
        let Some(file) = self.tree.file(path.as_bytes()) else { return Vec::new() };
        let limit = MAX_LOADER.min(self.budget.get());
        let bytes = file.data.read_all(limit).unwrap_or_default();
        self.budget.set(self.budget.get().saturating_sub(bytes.len() as u64));
        bytes
    }

    /// The files that shim or GRUB may ask for: all EFI programs of the directory.
    fn set(&self, names: &Names) -> Set {
        let programs = paths::names(self.tree, &self.directory).into_iter().filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            let file = self.tree.file(paths::join(&self.directory, &name).as_bytes())?;
            lower.ends_with(".efi").then_some((lower, file))
        });
        Set::open(names.suffix, order::map(programs))
    }

    /// The loader of one architecture; `None` when there is nothing of it.
    fn loader(&self, names: &Names) -> Option<Result<UefiLoader, String>> {
        let boot = self.beside(names.boot).or_else(|| self.beside(names.shim));
        let grubs: Vec<String> = names.grub.iter().filter_map(|name| self.beside(name)).collect();
        let Some(boot) = boot else {
            // `grub.efi` says nothing of its architecture.
            let grub = self.beside(names.grub[0])?;
            let evidence = format!("{grub}, and no {}", names.boot);
            return Some(self.grub2(names, None, grub, evidence));
        };
        let bytes = self.read(&boot);
        if pe::machine(&bytes).is_some_and(|machine| machine != names.machine) {
            return Some(Err(format!("{boot} is a program for another machine")));
        }
        let shim = || Some((boot.clone(), bytes.as_slice()));
        let named = names.grub.iter().find(|name| names_in_utf16(&bytes, name)).copied();
        let named_path = named.and_then(|name| self.beside(name));
        Some(match (named, named_path, grubs.into_iter().next()) {
            (Some(name), Some(grub), _) => {
                let evidence = format!("{boot} is shim: it names {name}");
                self.grub2(names, shim(), grub, evidence)
            }
            // Both are GRUB, as on media remastered without Secure Boot.
            _ if pe::has_section(&bytes, b"mods") => {
                let evidence = format!("{boot} is GRUB 2: it has a section of modules");
                self.grub2(names, None, boot, evidence)
            }
            (_, _, Some(grub)) => {
                let evidence = format!("{boot} taken for shim: {grub} stands beside it");
                self.grub2(names, shim(), grub, evidence)
            }
            (Some(name), _, None) => Err(format!("{boot} is shim, and {name} is not beside it")),
            (None, _, None) => match self.beside(names.legacy_menu) {
                Some(menu) => {
                    let evidence = format!("{boot} taken for GRUB 0.97: {menu} stands beside it");
                    Ok(UefiLoader {
                        kind: UefiKind::GrubLegacy,
                        ..self.describe(names, None, boot, &bytes, evidence)
                    })
                }
                None => Err(format!("{boot} is neither shim nor GRUB")),
            },
        })
    }

    /// GRUB 2 at `grub`, started by shim, whose path and bytes are given, or by the firmware.
    fn grub2(
        &self,
        names: &Names,
        shim: Option<(String, &[u8])>,
        grub: String,
        evidence: String,
    ) -> Result<UefiLoader, String> {
        let program = self.read(&grub);
        if !may_use_network(&program) {
            return Err(format!("{grub} is GRUB for discs: it has no module that fetches by TFTP or HTTP"));
        }
        if let Some((path, shim)) = &shim
            && pe::trusts(shim, &program) == Some(false)
        {
            let signature = pe::signature(&program);
            return Err(format!("{path} will not start {grub}: it is {signature}, whom shim does not know"));
        }
        let mut loader =
            self.describe(names, shim.as_ref().map(|(path, _)| path.clone()), grub, &program, evidence);
        if let Some((_, shim)) = shim {
            loader.signature = pe::signature(shim);
        }
        Ok(loader)
    }

    /// A loader whose last program is `grub`.
    fn describe(
        &self,
        names: &Names,
        shim: Option<String>,
        grub: String,
        program: &[u8],
        evidence: String,
    ) -> UefiLoader {
        UefiLoader {
            arch: names.arch,
            kind: UefiKind::Grub2,
            directory: self.directory.clone(),
            shim,
            grub,
            speaks_http: contains(program, END_OF_REQUEST),
            knows_proxy: contains(program, PROXY_OFFER),
            origin: self.in_fat(self.directory.clone()),
            signature: pe::signature(program),
            grub_signature: pe::signature(program),
            evidence: self.in_fat(evidence),
        }
    }
}

/// Whether GRUB has a module that fetches files. What is no GRUB 2 as it is built today may have.
pub(super) fn may_use_network(grub: &[u8]) -> bool {
    !pe::has_section(grub, b"mods") || contains(grub, BLOCK_SIZE) || contains(grub, END_OF_REQUEST)
}

/// Whether `text` stands in `bytes` in UTF-16, as the whole name of a file.
pub(super) fn names_in_utf16(bytes: &[u8], text: &str) -> bool {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    contains(bytes, &wide)
}
