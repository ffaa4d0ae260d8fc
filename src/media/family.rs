//! The families of install images: one row each, in the order of the tests; the first that matches wins.
//!
//! The rows are those of `families.toml`, compiled in; a later family is one more table there. Families that are known by
//! name only stand where their test has to come, so that a CoreOS image is not taken for an EL one.

use super::entry::AnswerKind;
use super::recognise::GrubVerb;

/// What can be done with a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is installed.
    Installs,
    /// It runs without being installed.
    Live,
    /// It is a program of its own.
    Tool,
    /// It is recognised, and that is all.
    Named,
}

/// Who counts its releases how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Red Hat Enterprise Linux and its kin, all numbered alike.
    Enterprise,
    /// Fedora.
    Fedora,
}

/// Releases from `first` to `last` of a product, by the number before the dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releases {
    /// Whose numbers.
    pub product: Product,
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

/// One row: how a family is known, and where its files are.
///
/// Paths are of the tree, spelled exactly; a `*` stands for any letters within the last component.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Short name for logs and tests.
    pub id: &'static str,
    /// What a person calls it.
    pub name: &'static str,
    /// Whether it is installed, and how.
    pub support: Support,
    /// Every one of these exists.
    pub all: &'static [&'static str],
    /// At least one of these exists, unless the list is empty.
    pub any: &'static [&'static str],
    /// None of these exists.
    pub none: &'static [&'static str],
    /// The release is one of these. No rule when the list is empty; a release that the image does not tell passes.
    pub releases: &'static [Releases],
    /// The volume id contains one of these, unless the list is empty. Only for what no path tells: DVD, Minimal and
    /// netinst of one release share one volume id.
    pub volume: &'static [&'static str],
    /// One of these files contains this text in lower case, whatever its own case, unless the list is empty.
    pub says: &'static [(&'static str, &'static str)],
    /// Where the kernel may be, after what `.treeinfo` says.
    pub kernel: &'static [&'static str],
    /// Ramdisks that are loaded before the initial one, as far as they exist.
    pub before: &'static [&'static str],
    /// Where the initial ramdisk may be; empty when it has none.
    pub initrd: &'static [&'static str],
    /// Where the installer's runtime image may be.
    pub stage2: &'static [&'static str],
    /// The kernel's arguments, as a template of `boot::arguments`; `{stage2}` is the path of that file.
    pub arguments: &'static str,
    /// What is added to them for the installer's text mode; empty when there is no such.
    pub text: &'static str,
    /// The whole template for the installer's rescue mode; empty when there is none.
    pub rescue: &'static str,
    /// The answer file it reads.
    pub answer: AnswerKind,
    /// How the kernel is told of it, such as `inst.ks=`.
    pub passed: &'static str,
    /// The GRUB commands for its kernel, where its own `grub.cfg` does not tell.
    pub grub_verb: GrubVerb,
    /// Where the release stands, after what is asked for every image: `volume`, or a path of the tree.
    pub version: &'static [&'static str],
    /// Where an image of it has its loaders; one sentence each.
    pub loaders: &'static [&'static str],
    /// What a person has to know; one sentence each.
    pub notes: &'static [&'static str],
    /// Memory a machine needs for it over the network, in MiB; 0 when nothing tells.
    pub memory_mib: u32,
    /// Where this was read.
    pub source: &'static str,
}

/// What stands for the family of an image that is of none.
pub static UNKNOWN: Family = Family {
    id: "unknown",
    name: "an unknown image",
    support: Support::Named,
    all: &[],
    any: &[],
    none: &[],
    releases: &[],
    volume: &[],
    says: &[],
    kernel: &[],
    before: &[],
    initrd: &[],
    stage2: &[],
    arguments: "",
    text: "",
    rescue: "",
    answer: AnswerKind::None,
    passed: "",
    grub_verb: GrubVerb::Linux,
    version: &[],
    loaders: &[],
    notes: &[],
    memory_mib: 0,
    source: "the image's own menu",
};

include!(concat!(env!("OUT_DIR"), "/families.rs"));
