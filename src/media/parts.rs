//! What an image is made of: where its kernel is, what it carries, and which machine it is for.

use super::entry::AnswerKind;
use super::family::{Family, Support};
use super::paths;
use super::treeinfo::Treeinfo;
use crate::image::FileTree;

/// What an image carries beside the installer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// A repository to install from.
    Dvd,
    /// A repository that is enough for a minimal system.
    Minimal,
    /// No packages: the installer needs a mirror, or a second image.
    NetworkInstall,
    /// A system that runs without being installed.
    Live,
    /// Anything else.
    Other,
}

/// The GRUB commands that load a kernel and an initial ramdisk on UEFI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrubVerb {
    /// `linux` and `initrd`.
    Linux,
    /// `linuxefi` and `initrdefi`, which EL7's GRUB requires.
    LinuxEfi,
}

impl GrubVerb {
    /// The command for the kernel, and the one for the initial ramdisk.
    pub fn commands(self) -> (&'static str, &'static str) {
        match self {
            Self::Linux => ("linux", "initrd"),
            Self::LinuxEfi => ("linuxefi", "initrdefi"),
        }
    }
}

/// Where a file is: as `.treeinfo` tells, when it is there, else at a known place.
pub(super) fn place(
    tree: &dyn FileTree,
    told: Option<&str>,
    known: &[&str],
    evidence: &mut Vec<String>,
) -> Option<String> {
    if let Some(told) = told {
        if paths::is_file(tree, told) {
            return Some(told.to_owned());
        }
        evidence.push(format!(".treeinfo names {told}, which is not on the image"));
    }
    paths::first_file(tree, known)
}

/// Where repositories are: `.treeinfo`'s variants and the known places, as far as they have metadata.
pub(super) fn repositories(tree: &dyn FileTree, treeinfo: Option<&Treeinfo>) -> Vec<String> {
    let told = treeinfo.map(Treeinfo::repositories).unwrap_or_default();
    let known = ["", "BaseOS", "AppStream", "Minimal", "Server", "Client"].map(str::to_owned);
    let mut found: Vec<String> = Vec::new();
    for path in told.into_iter().chain(known) {
        if !found.contains(&path) && paths::is_file(tree, &paths::join(&path, "repodata/repomd.xml")) {
            found.push(path);
        }
    }
    found
}

/// Packages on the smallest DVD are some 3,000, on the largest Minimal image some 700 (CentOS 6 and 7).
const MINIMAL_PACKAGES: usize = 1000;

/// What tells that an image without a repository of RPMs has packages (osinfo-db, debian-cd).
const PACKAGES: [&str; 5] = ["suse", "media.1/products", "install", "dists", "casper"];

/// What an image carries. `directories` are where packages lie.
pub(super) fn medium(
    tree: &dyn FileTree,
    family: &Family,
    directories: &[String],
    repositories: &[String],
    evidence: &mut Vec<String>,
) -> Medium {
    match family.support {
        Support::Live => return Medium::Live,
        Support::Tool | Support::Named => return Medium::Other,
        Support::Installs => {}
    }
    if family.answer != AnswerKind::Kickstart {
        let has_packages =
            !repositories.is_empty() || PACKAGES.iter().any(|path| paths::find(tree, path).is_some());
        return if has_packages { Medium::Dvd } else { Medium::NetworkInstall };
    }
    if repositories.is_empty() {
        return Medium::NetworkInstall;
    }
    if repositories.iter().any(|path| path == "Minimal") {
        return Medium::Minimal;
    }
    if repositories.iter().any(|path| path == "BaseOS" || path == "AppStream") {
        return Medium::Dvd;
    }
    let packages =
        |directory: &String| paths::names(tree, directory).iter().filter(|it| it.ends_with(".rpm")).count();
    let count = directories.iter().map(packages).fold(0_usize, usize::saturating_add);
    let noun = if count == 1 { "package" } else { "packages" };
    evidence.push(format!("{count} {noun}"));
    if count < MINIMAL_PACKAGES { Medium::Minimal } else { Medium::Dvd }
}

impl Medium {
    /// The word for it in a name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dvd => "DVD",
            Self::Minimal => "Minimal",
            Self::NetworkInstall => "network install",
            Self::Live => "live",
            Self::Other => "",
        }
    }
}

/// EFI loaders, and the architectures they are of (UEFI 2.10 §3.5.1.1).
const EFI_LOADERS: [(&str, &str); 3] = [
    ("EFI/BOOT/BOOTX64.EFI", "x86_64"),
    ("EFI/BOOT/BOOTAA64.EFI", "aarch64"),
    ("EFI/BOOT/BOOTIA32.EFI", "i386"),
];

/// The architecture by the kernel, and else by the EFI loader.
pub(super) fn arch_of_files(tree: &dyn FileTree, kernels: &[&str], evidence: &mut Vec<String>) -> String {
    let kernel = paths::first_file(tree, kernels).and_then(|path| tree.file(path.as_bytes()));
    let told = kernel.and_then(|file| {
        let mut head = [0; 0x240];
        file.data.read_at(&mut head, 0).ok()?;
        kernel_arch(&head)
    });
    if let Some(arch) = told {
        evidence.push(format!("the kernel is for {arch}"));
        return arch.to_owned();
    }
    let loader = EFI_LOADERS.iter().find(|(path, _)| tree.find_any_case(path.as_bytes()).is_some());
    if let Some((path, arch)) = loader {
        evidence.push(format!("{path}: {arch}"));
        return (*arch).to_owned();
    }
    evidence.push("nothing tells the architecture: x86_64 assumed".to_owned());
    "x86_64".to_owned()
}

/// Whether a kernel is one of Linux for x86 that UEFI does not start by itself: before 3.3 it was no EFI program (Linux
/// `Documentation/admin-guide/efi-stub.rst`).
pub(super) fn lacks_efi_stub(tree: &dyn FileTree, kernel: &str) -> bool {
    let mut head = [0; 0x206];
    let read = tree.file(kernel.as_bytes()).and_then(|file| file.data.read_at(&mut head, 0).ok());
    read == Some(head.len()) && head.ends_with(b"HdrS") && !head.starts_with(b"MZ")
}

/// What a kernel's first bytes say it is for: `xloadflags` bit 0 of a bzImage (Linux `Documentation/arch/x86/boot.rst`)
/// or the arm64 magic (`Documentation/arch/arm64/booting.rst`).
fn kernel_arch(head: &[u8]) -> Option<&'static str> {
    if head.get(0x38..0x3c) == Some(b"ARM\x64") {
        return Some("aarch64");
    }
    if head.get(0x202..0x206) != Some(b"HdrS") {
        return None;
    }
    // xloadflags came with protocol 2.12 (Linux 3.8); before, a 32-bit kernel looks like a 64-bit one.
    let version = u16::from_le_bytes(*head.get(0x206..)?.first_chunk()?);
    let flags = *head.get(0x236)?;
    (version >= 0x20c).then_some(if flags & 1 == 1 { "x86_64" } else { "i386" })
}

/// The GRUB commands of the image's EFI loader: those of its own `grub.cfg`, and `otherwise` without one.
///
/// The file is read for this alone; it is never served.
pub fn grub_verb(tree: &dyn FileTree, otherwise: GrubVerb) -> GrubVerb {
    let config = paths::spelled(tree, "EFI/BOOT/grub.cfg").and_then(|path| paths::read_text(tree, &path));
    let config = config.unwrap_or_default();
    let config = String::from_utf8_lossy(&config);
    let mut words = config.lines().filter_map(|line| line.split_whitespace().next());
    match words.find(|word| matches!(*word, "linux" | "linuxefi")) {
        Some("linuxefi") => GrubVerb::LinuxEfi,
        Some(_) => GrubVerb::Linux,
        None => otherwise,
    }
}
