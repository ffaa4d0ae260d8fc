//! Which family an image is of, and where its files are.

use std::fmt;

use super::entry::{AnswerKind, Entry, EntryKind, Menu};
use super::family::{FAMILIES, Family, Releases, Support};
use super::identity::Identity;
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

/// An image that machines can be booted from. Every path in it exists on the image.
#[derive(Clone, Debug)]
pub struct Media {
    /// The row of the table it matched.
    pub family: &'static Family,
    /// What a person calls it, such as `CentOS Linux 7.9 DVD`.
    pub name: String,
    /// The product alone, such as `CentOS Linux`; the family's name when nothing tells.
    pub product: String,
    /// The release, such as `7.9`; `None` when nothing tells.
    pub version: Option<String>,
    /// The architecture as anaconda writes it, such as `x86_64`.
    pub arch: String,
    /// What it carries.
    pub medium: Medium,
    /// What it offers to boot; never empty, the first is the default.
    pub entries: Vec<Entry>,
    /// The answer file that its default entry takes.
    pub answer: AnswerKind,
    /// Whether it is of a known family. If not, the entries are those of its own menu, and nobody knows whether they work
    /// over a network.
    pub known: bool,
    /// Its own menu, if it has one.
    pub menu: Option<Menu>,
    /// What a person has to know; one sentence each.
    pub notes: Vec<String>,
    /// The installer's runtime image; `None` when it is not on the image.
    pub stage2: Option<String>,
    /// Where repositories are, as paths of the tree; the root is the empty path.
    pub repositories: Vec<String>,
    /// The GRUB commands of its EFI loader.
    pub grub_verb: GrubVerb,
    /// Its `.treeinfo`, if there is one.
    pub treeinfo: Option<Treeinfo>,
    /// What all this was concluded from, one sentence each.
    pub evidence: Vec<String>,
}

impl Media {
    /// The kernel of the default entry.
    pub fn kernel(&self) -> &str {
        self.entries.first().map_or("", |entry| entry.kernel.as_str())
    }

    /// The initial ramdisks of the default entry.
    pub fn initrds(&self) -> &[String] {
        self.entries.first().map_or(&[], |entry| entry.initrds.as_slice())
    }

    /// The template of the default entry's kernel arguments.
    pub fn arguments(&self) -> &str {
        self.entries.first().map_or("", |entry| entry.arguments.as_str())
    }

    /// Whether there is a repository on the image.
    pub fn packages(&self) -> bool {
        !self.repositories.is_empty()
    }

    /// The release's number before the dot.
    pub fn major(&self) -> Option<u32> {
        self.version.as_deref().and_then(major)
    }

    /// Memory a machine needs for an install over the network, in MiB.
    pub fn memory_mib(&self) -> u32 {
        self.family.memory_mib
    }
}

/// Why an image cannot be installed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotInstallable {
    /// It is known, and not supported yet.
    NotYet {
        /// What it is.
        name: String,
        /// What told.
        evidence: String,
    },
    /// It is of a known family, and a part of that is not there.
    Incomplete {
        /// What it is.
        name: String,
        /// The part: `kernel` or `initial ramdisk`.
        part: &'static str,
        /// Where it was looked for.
        looked_for: Vec<String>,
    },
    /// It is nothing we know.
    Unknown {
        /// The volume id.
        volume_id: String,
        /// What stands at its root.
        found: Vec<String>,
    },
}

/// Names of an unknown image's root that are told.
const MAX_NAMES: usize = 12;

impl fmt::Display for NotInstallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet { name, evidence } => {
                write!(f, "recognised as {name} ({evidence}); pxego does not install it yet")
            }
            Self::Incomplete { name, part, looked_for } => {
                let places = looked_for.join(", ");
                write!(f, "recognised as {name}, but the {part} is not on the image: looked for {places}. ")?;
                f.write_str("The image may be damaged: compare its checksum with the publisher's")
            }
            Self::Unknown { volume_id, found } => {
                f.write_str(
                    "not an install image that pxego knows: looked for .treeinfo, or images/pxeboot/vmlinuz ",
                )?;
                f.write_str("with images/install.img, LiveOS/squashfs.img or images/stage2.img; found ")?;
                match found.as_slice() {
                    [] => f.write_str("nothing")?,
                    names => f.write_str(&names.join(", "))?,
                }
                write!(f, " (volume id {volume_id:?})")
            }
        }
    }
}

impl std::error::Error for NotInstallable {}

/// Recognises an image by its files; `volume_id` helps to name it.
///
/// # Errors
/// `NotInstallable`, whose text says what it is instead, or what was looked for and what was found.
pub fn recognise(tree: &dyn FileTree, volume_id: &str) -> Result<Media, NotInstallable> {
    let treeinfo = paths::read_text(tree, ".treeinfo").map(|bytes| Treeinfo::parse(&bytes));
    let directories = paths::package_directories(tree, treeinfo.as_ref());
    let identity = Identity::read(tree, treeinfo.as_ref(), &directories, volume_id);
    let Some((family, told)) = FAMILIES
        .iter()
        .find_map(|family| matches(family, tree, &identity, volume_id).map(|told| (family, told)))
    else {
        let mut found = paths::names(tree, "");
        found.truncate(MAX_NAMES);
        return Err(NotInstallable::Unknown { volume_id: volume_id.to_owned(), found });
    };
    match family.support {
        Support::Named => {
            Err(NotInstallable::NotYet { name: not_yet_name(family, tree), evidence: told.join(", ") })
        }
        Support::Installs | Support::Live | Support::Tool => {
            let told = format!("{}: {}", family.name, told.join(", "));
            installable(Found { tree, family, treeinfo, directories, identity, told })
        }
    }
}

/// The paths that speak for `family`; `None` when the image is not of it.
fn matches(
    family: &Family,
    tree: &dyn FileTree,
    identity: &Identity,
    volume_id: &str,
) -> Option<Vec<String>> {
    let exists = |path: &&str| match family.support {
        Support::Installs | Support::Live | Support::Tool => paths::find(tree, path),
        // Foreign images come without Rock Ridge too, in upper case.
        Support::Named => paths::find(tree, path).or_else(|| paths::spelled(tree, path)),
    };
    let mut told = Vec::new();
    for path in family.all {
        told.push(exists(path)?);
    }
    if !family.any.is_empty() {
        told.push(family.any.iter().find_map(exists)?);
    }
    if family.none.iter().any(|path| exists(path).is_some()) {
        return None;
    }
    let volume_fits = family.volume.is_empty() || family.volume.iter().any(|part| volume_id.contains(part));
    (volume_fits && release_fits(family.releases, identity)).then_some(told)
}

/// Whether the image's release is one of `releases`. What it does not tell does not speak against it.
fn release_fits(releases: &[Releases], identity: &Identity) -> bool {
    let product = identity.numbering();
    let version = identity.version.as_deref().and_then(major);
    releases.is_empty()
        || releases.iter().any(|row| {
            product.is_none_or(|product| product == row.product)
                && version.is_none_or(|version| (row.first..=row.last).contains(&version))
        })
}

/// The name of an image that is not installed yet: in its own words, if it has any.
fn not_yet_name(family: &Family, tree: &dyn FileTree) -> String {
    let info = paths::read_text(tree, ".disk/info").unwrap_or_default();
    let info = String::from_utf8_lossy(&info);
    let line: String =
        info.lines().next().unwrap_or_default().chars().filter(|it| !it.is_control()).take(80).collect();
    if line.trim().is_empty() { family.name.to_owned() } else { format!("{}: {}", family.name, line.trim()) }
}

/// An image whose family is known.
struct Found<'a> {
    tree: &'a dyn FileTree,
    family: &'static Family,
    treeinfo: Option<Treeinfo>,
    directories: Vec<String>,
    identity: Identity,
    told: String,
}

fn installable(found: Found<'_>) -> Result<Media, NotInstallable> {
    let Found { tree, family, treeinfo, directories, identity, told } = found;
    let mut evidence = vec![told];
    evidence.extend(identity.evidence);
    let arch = identity.arch.unwrap_or_else(|| arch_of_files(tree, family, &mut evidence));
    let repositories = repositories(tree, treeinfo.as_ref());
    let medium = medium(tree, &directories, &repositories, &mut evidence);
    let product = identity.product.unwrap_or_else(|| family.name.to_owned());
    let version = identity.version;
    let words = [Some(product.as_str()), version.as_deref(), Some(medium.word())];
    let name = words.into_iter().flatten().collect::<Vec<_>>().join(" ");

    let mut locate = |part, told: Option<String>, known: &[&str]| {
        let place = place(tree, told.as_deref(), known, &mut evidence);
        place.ok_or_else(|| NotInstallable::Incomplete {
            name: name.clone(),
            part,
            looked_for: told.into_iter().chain(known.iter().map(|path| (*path).to_owned())).collect(),
        })
    };
    let kernel = locate("kernel", treeinfo.as_ref().and_then(|info| info.kernel(&arch)), family.kernel)?;
    let initrd =
        locate("initial ramdisk", treeinfo.as_ref().and_then(|info| info.initrd(&arch)), family.initrd)?;
    let told = treeinfo.as_ref().and_then(Treeinfo::main_image);
    let stage2 = place(tree, told.as_deref(), family.stage2, &mut evidence);
    let grub_verb = grub_verb(tree, family.grub_verb);
    let entries = entries(family, &name, &kernel, &initrd);
    Ok(Media {
        family,
        name,
        product,
        version,
        arch,
        medium,
        entries,
        answer: family.answer,
        known: true,
        menu: None,
        notes: family.notes.iter().map(|note| (*note).to_owned()).collect(),
        stage2,
        repositories,
        grub_verb,
        treeinfo,
        evidence,
    })
}

/// What a known image offers: to install, in text mode too, and its rescue mode.
fn entries(family: &Family, name: &str, kernel: &str, initrd: &str) -> Vec<Entry> {
    let entry = |id: &str, title: String, kind, arguments: String| Entry {
        id: id.to_owned(),
        title,
        kind,
        kernel: kernel.to_owned(),
        initrds: vec![initrd.to_owned()],
        arguments,
        note: None,
    };
    let mut entries =
        vec![entry("linux", format!("Install {name}"), EntryKind::Install, family.arguments.to_owned())];
    if !family.text.is_empty() {
        let arguments = format!("{} {}", family.arguments, family.text);
        entries.push(entry("text", format!("Install {name} in text mode"), EntryKind::Text, arguments));
    }
    if !family.rescue.is_empty() {
        let arguments = family.rescue.to_owned();
        entries.push(entry("rescue", format!("Rescue a system with {name}"), EntryKind::Rescue, arguments));
    }
    entries.push(Entry::local());
    entries
}

/// Where a file is: as `.treeinfo` tells, when it is there, else at a known place.
fn place(
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
fn repositories(tree: &dyn FileTree, treeinfo: Option<&Treeinfo>) -> Vec<String> {
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

fn medium(
    tree: &dyn FileTree,
    directories: &[String],
    repositories: &[String],
    evidence: &mut Vec<String>,
) -> Medium {
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
    evidence.push(format!("{count} packages"));
    if count < MINIMAL_PACKAGES { Medium::Minimal } else { Medium::Dvd }
}

impl Medium {
    /// The word for it in a name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dvd => "DVD",
            Self::Minimal => "Minimal",
            Self::NetworkInstall => "network install",
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
fn arch_of_files(tree: &dyn FileTree, family: &Family, evidence: &mut Vec<String>) -> String {
    let kernel = paths::first_file(tree, family.kernel).and_then(|path| tree.file(path.as_bytes()));
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

/// The number before the dot.
fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).take(6).collect();
    digits.parse().ok()
}
