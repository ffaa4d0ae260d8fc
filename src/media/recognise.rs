//! Which family an image is of, and where its files are.

use std::fmt;

use super::entries::{self, Parts};
use super::entry::{AnswerKind, Entry, Menu};
use super::family::{FAMILIES, Family, Releases, Support, UNKNOWN};
use super::identity::{self, Identity};
use super::menu::{self, OwnMenu};
use super::parts::{GrubVerb, Medium, arch_of_files, grub_verb, lacks_efi_stub, medium, place, repositories};
use super::paths;
use super::treeinfo::Treeinfo;
use crate::image::FileTree;

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
    /// Whether the default entry's kernel is one that UEFI, and so iPXE on it, does not start.
    pub lacks_efi_stub: bool,
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
        /// What a person has to know; one sentence each.
        notes: &'static [&'static str],
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

/// What every image is told of whose family is not in the table, or not as one that works.
const NOT_KNOWN: &str =
    "It is not known to install over the network: what is offered are the entries of its own menu.";

/// Names of an unknown image's root that are told.
const MAX_NAMES: usize = 12;

impl fmt::Display for NotInstallable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet { name, evidence, notes } => {
                write!(f, "recognised as {name} ({evidence}), which pxego does not install yet")?;
                notes.iter().try_for_each(|note| write!(f, ". {}", note.trim_end_matches('.')))
            }
            Self::Incomplete { name, part, looked_for } => {
                let places = looked_for.join(", ");
                write!(f, "recognised as {name}, but the {part} is not on the image: looked for {places}. ")?;
                f.write_str("The image may be damaged: compare its checksum with the publisher's")
            }
            Self::Unknown { volume_id, found } => {
                f.write_str(
                    "not an install image that pxego knows: looked for .treeinfo, for the kernels of ",
                )?;
                write!(
                    f,
                    "{} families, and for isolinux.cfg, grub.cfg or loader/entries; found ",
                    FAMILIES.len()
                )?;
                match found.as_slice() {
                    [] => f.write_str("nothing")?,
                    names => f.write_str(&names.join(", "))?,
                }
                write!(
                    f,
                    " (volume id {volume_id:?}). If it boots from a stick: pxego boots the kernels that a menu on the image names"
                )
            }
        }
    }
}

impl std::error::Error for NotInstallable {}

/// Recognises an image by its files; `volume_id` helps to name it. One that is of no known family, or of one that is known
/// by name only, is what its own menu offers.
///
/// # Errors
/// `NotInstallable`, whose text says what it is instead, or what was looked for and what was found.
pub fn recognise(tree: &dyn FileTree, volume_id: &str) -> Result<Media, NotInstallable> {
    let treeinfo = paths::read_text(tree, ".treeinfo").map(|bytes| Treeinfo::parse(&bytes));
    let directories = paths::package_directories(tree, treeinfo.as_ref());
    let mut identity = Identity::read(tree, treeinfo.as_ref(), &directories, volume_id);
    let found = FAMILIES
        .iter()
        .find_map(|family| matches(family, tree, &identity, volume_id).map(|told| (family, told)));
    let own = menu::read(tree);
    let (family, told) = found.unwrap_or((&UNKNOWN, Vec::new()));
    identity.read_more(tree, family.version, volume_id);
    let found = Found { tree, family, volume_id, treeinfo, directories, identity, told, own };
    match family.support {
        Support::Installs | Support::Live | Support::Tool => found.known(),
        Support::Named => {
            let error = found.refusal();
            found.by_own_menu(error)
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
        Support::Installs => paths::find(tree, path),
        // Others come without Rock Ridge too, in upper case.
        _ => paths::find(tree, path).or_else(|| paths::spelled(tree, path)),
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
    let says = |(path, text): &(&str, &str)| {
        let bytes = paths::read_text(tree, path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).to_lowercase().contains(text)
    };
    if !family.says.is_empty() && !family.says.iter().any(says) {
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

/// An image whose family is known, or of which it is known that it has none.
struct Found<'a> {
    tree: &'a dyn FileTree,
    family: &'static Family,
    volume_id: &'a str,
    treeinfo: Option<Treeinfo>,
    directories: Vec<String>,
    identity: Identity,
    /// The paths that speak for the family.
    told: Vec<String>,
    own: Option<OwnMenu>,
}

impl Found<'_> {
    /// Why it cannot be booted, when it cannot.
    fn refusal(&self) -> NotInstallable {
        if self.told.is_empty() {
            let mut found = paths::names(self.tree, "");
            found.truncate(MAX_NAMES);
            return NotInstallable::Unknown { volume_id: self.volume_id.to_owned(), found };
        }
        NotInstallable::NotYet {
            name: not_yet_name(self.family, self.tree),
            evidence: self.told.join(", "),
            notes: self.family.notes,
        }
    }

    /// An image of a known family.
    fn known(mut self) -> Result<Media, NotInstallable> {
        let (tree, family) = (self.tree, self.family);
        let mut evidence = vec![format!("{}: {}", family.name, self.told.join(", "))];
        evidence.append(&mut self.identity.evidence);
        let arch =
            self.identity.arch.take().unwrap_or_else(|| arch_of_files(tree, family.kernel, &mut evidence));
        let treeinfo = self.treeinfo.as_ref();
        let repositories = repositories(tree, treeinfo);
        let medium = medium(tree, family, &self.directories, &repositories, &mut evidence);
        let product = self.identity.product.take().unwrap_or_else(|| family.name.to_owned());
        let version = self.identity.version.take();
        let name = name(&product, version.as_deref(), medium);

        let told_kernel = treeinfo.and_then(|info| info.kernel(&arch));
        let told_initrd = treeinfo.and_then(|info| info.initrd(&arch));
        let told_stage2 = treeinfo.and_then(Treeinfo::main_image);
        let kernel = place(tree, told_kernel.as_deref(), family.kernel, &mut evidence);
        let initrd = place(tree, told_initrd.as_deref(), family.initrd, &mut evidence);
        let missing = match (&kernel, &initrd) {
            (None, _) => Some(("kernel", told_kernel, family.kernel)),
            (_, None) if !family.initrd.is_empty() => Some(("initial ramdisk", told_initrd, family.initrd)),
            _ => None,
        };
        if let Some((part, told, known)) = missing {
            let known = known.iter().map(|path| (*path).to_owned());
            let looked_for = told.into_iter().chain(known).collect();
            return self.by_own_menu(NotInstallable::Incomplete { name, part, looked_for });
        }
        let stage2 = place(tree, told_stage2.as_deref(), family.stage2, &mut evidence);
        let before = family.before.iter().filter_map(|path| paths::find(tree, path));
        let initrds: Vec<String> = before.chain(initrd).collect();
        let kernel = kernel.unwrap_or_default();
        let parts = Parts { name: &name, kernel: &kernel, initrds: &initrds, stage2: stage2.as_deref() };
        let entries = entries::known(tree, family, &parts, self.own.as_ref());
        Ok(Media {
            family,
            lacks_efi_stub: lacks_efi_stub(tree, &kernel),
            grub_verb: grub_verb(tree, family.grub_verb),
            menu: self.own.map(|own| entries::menu(own, &entries)),
            entries,
            name,
            product,
            version,
            arch,
            medium,
            answer: family.answer,
            known: true,
            notes: family.notes.iter().map(|note| (*note).to_owned()).collect(),
            stage2,
            repositories,
            treeinfo: self.treeinfo,
            evidence,
        })
    }

    /// An image by its own menu; without one it is refused, as `error` says.
    fn by_own_menu(mut self, error: NotInstallable) -> Result<Media, NotInstallable> {
        let Some(own) = self.own.take() else { return Err(error) };
        let entries = entries::unknown(self.tree, &own);
        let Some(first) = entries.first() else { return Err(error) };
        let mut evidence = Vec::new();
        if !self.told.is_empty() {
            evidence.push(format!("{}: {}", self.family.name, self.told.join(", ")));
        }
        // The last is the disk, which it need not have.
        let count = entries.len().saturating_sub(1);
        let noun = if count == 1 { "entry" } else { "entries" };
        evidence.push(format!("{}: {count} {noun} with a kernel", own.menu.path));
        evidence.append(&mut self.identity.evidence);
        let arch = self.identity.arch.take();
        let arch = arch.unwrap_or_else(|| arch_of_files(self.tree, &[&first.kernel], &mut evidence));
        let title = identity::printable(own.menu.title.as_deref().unwrap_or(self.volume_id));
        let product =
            self.identity.product.take().unwrap_or_else(|| match (self.told.is_empty(), title.is_empty()) {
                (false, _) => self.family.name.to_owned(),
                (true, true) => self.family.name.to_owned(),
                (true, false) => title,
            });
        let version = self.identity.version.take();
        let mut notes: Vec<String> = self.family.notes.iter().map(|note| (*note).to_owned()).collect();
        notes.push(NOT_KNOWN.to_owned());
        Ok(Media {
            family: self.family,
            lacks_efi_stub: lacks_efi_stub(self.tree, &first.kernel),
            name: name(&product, version.as_deref(), Medium::Other),
            product,
            version,
            arch,
            medium: Medium::Other,
            answer: AnswerKind::None,
            known: false,
            menu: Some(entries::menu(own, &entries)),
            stage2: entries::first_fetch(self.tree, &entries),
            entries,
            notes,
            repositories: repositories(self.tree, self.treeinfo.as_ref()),
            grub_verb: grub_verb(self.tree, self.family.grub_verb),
            treeinfo: self.treeinfo,
            evidence,
        })
    }
}

/// What a person calls an image.
fn name(product: &str, version: Option<&str>, medium: Medium) -> String {
    let word = Some(medium.word()).filter(|word| !product.to_lowercase().contains(word));
    [Some(product), version, word].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The number before the dot.
fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).take(6).collect();
    digits.parse().ok()
}
