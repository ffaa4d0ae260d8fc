//! What an image says it is: product, release, architecture, from every place that tells.
//!
//! Sources, best first: `.treeinfo`; `.discinfo`; the file name of the release package, which is what cobbler goes by;
//! the volume id, which changes when somebody remasters the image.

use super::family::Product;
use super::paths;
use super::treeinfo::{Discinfo, Treeinfo};
use crate::image::FileTree;
use crate::package::FileName;

/// What an image says it is. Anything may be missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Identity {
    /// What a person calls the product, such as `CentOS Linux`.
    pub(super) product: Option<String>,
    /// The release, as exactly as it is told, such as `7.9`.
    pub(super) version: Option<String>,
    /// The architecture, such as `x86_64`.
    pub(super) arch: Option<String>,
    /// Where that was read, one sentence each.
    pub(super) evidence: Vec<String>,
    /// Whether nothing but the volume id tells the release: `RESCUE1101` is 11.01.
    is_of_volume_id: bool,
}

/// Release packages, and the products they belong to.
const RELEASE_PACKAGES: &[(&str, &str)] = &[
    ("centos-release", "CentOS Linux"),
    ("centos-linux-release", "CentOS Linux"),
    ("centos-stream-release", "CentOS Stream"),
    ("redhat-release", "Red Hat Enterprise Linux"),
    ("redhat-release-server", "Red Hat Enterprise Linux"),
    ("redhat-release-client", "Red Hat Enterprise Linux"),
    ("redhat-release-workstation", "Red Hat Enterprise Linux"),
    ("rocky-release", "Rocky Linux"),
    ("almalinux-release", "AlmaLinux"),
    ("oraclelinux-release", "Oracle Linux"),
    ("anolis-release", "Anolis OS"),
    ("cloudlinux-release", "CloudLinux"),
    ("vzlinux-release", "VzLinux"),
    ("sl-release", "Scientific Linux"),
    ("openEuler-release", "openEuler"),
    ("fedora-release", "Fedora"),
    ("fedora-release-common", "Fedora"),
];

/// How volume ids begin (osinfo-db), the longer first.
const VOLUME_PREFIXES: &[(&str, &str)] = &[
    ("CentOS-Stream", "CentOS Stream"),
    ("CentOS", "CentOS Linux"),
    ("RHEL", "Red Hat Enterprise Linux"),
    ("Rocky", "Rocky Linux"),
    ("AlmaLinux", "AlmaLinux"),
    ("OL", "Oracle Linux"),
    ("anolis", "Anolis OS"),
    ("openEuler", "openEuler"),
    ("Fedora", "Fedora"),
    ("fedora-coreos", "Fedora CoreOS"),
    ("rhcos", "Red Hat Enterprise Linux CoreOS"),
    ("scos", "CentOS Stream CoreOS"),
    ("openSUSE-Leap", "openSUSE Leap"),
    ("openSUSE-Tumbleweed", "openSUSE Tumbleweed"),
    ("Install-Leap", "openSUSE Leap"),
    ("Install-SUSE-SLE", "SUSE Linux Enterprise"),
    ("SLE", "SUSE Linux Enterprise"),
    ("ARCH_", "Arch Linux"),
    ("RESCUE", "SystemRescue"),
    ("MANJARO", "Manjaro"),
    ("alpine", "Alpine Linux"),
    ("TALOS", "Talos Linux"),
    ("Mageia", "Mageia"),
];

/// Architectures as anaconda writes them, the longer first.
const ARCHES: [&str; 6] = ["x86_64", "aarch64", "ppc64le", "ppc64", "s390x", "i386"];

impl Identity {
    /// Asks all sources. `directories` are where packages lie.
    pub(super) fn read(
        tree: &dyn FileTree,
        treeinfo: Option<&Treeinfo>,
        directories: &[String],
        volume_id: &str,
    ) -> Self {
        let mut identity = Self::default();
        if let Some(treeinfo) = treeinfo {
            let (family, version) = (treeinfo.family(), treeinfo.version());
            identity.learn(".treeinfo", family, version, treeinfo.arch());
        }
        if let Some(bytes) = paths::read_text(tree, ".discinfo") {
            let disc = Discinfo::parse(&bytes);
            let arch = Some(disc.arch.as_str()).filter(|arch| ARCHES.contains(arch));
            identity.learn(".discinfo", known_product(&disc.release), number(&disc.release).as_deref(), arch);
        }
        if let Some((file, product, version, arch)) = release_package(tree, directories) {
            identity.learn(&file, Some(product), Some(&version), arch.as_deref());
            // The package's name is the better of two spellings: EL7's .treeinfo says no more than `CentOS`.
            identity.product = Some(product.to_owned());
        }
        if let Some(bytes) = paths::read_text(tree, ".disk/info") {
            let info = printable(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default());
            let arch = DEBIAN_ARCHES.iter().find(|(name, _)| info.split(' ').any(|word| word == *name));
            let product =
                info.split(' ').take_while(|word| !word.starts_with(|it: char| it.is_ascii_digit()));
            let product = product.collect::<Vec<_>>().join(" ");
            let product = Some(product.trim_start_matches("Official ")).filter(|product| !product.is_empty());
            identity.learn(".disk/info", product, number(&info).as_deref(), arch.map(|(_, arch)| *arch));
        }
        let arch = ARCHES.into_iter().find(|arch| volume_id.contains(arch));
        let version = known_product(volume_id).and_then(|_| volume_version(volume_id));
        identity.is_of_volume_id = identity.version.is_none() && version.is_some();
        identity.learn(
            &format!("volume id {volume_id:?}"),
            known_product(volume_id),
            version.as_deref(),
            arch,
        );
        identity
    }

    /// Asks where a family has its release, unless it is known already: `volume`, or a file whose first line tells. One that
    /// comes before `volume` is believed more than that.
    pub(super) fn read_more(&mut self, tree: &dyn FileTree, places: &[&str], volume_id: &str) {
        for place in places {
            let is_better = self.is_of_volume_id && *place != "volume";
            if self.version.is_some() && !is_better {
                return;
            }
            let bytes = if *place == "volume" { None } else { paths::read_text(tree, place) };
            let (source, text) = match bytes {
                Some(bytes) => (
                    (*place).to_owned(),
                    printable(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default()),
                ),
                None if *place == "volume" => (format!("volume id {volume_id:?}"), volume_id.to_owned()),
                None => continue,
            };
            // A product that begins with its number, or a number beside others, is no release.
            let version = volume_version(&text).filter(|version| version.len() < 24);
            if version.is_some() {
                self.version = None;
                self.is_of_volume_id = false;
            }
            self.learn(&source, None, version.as_deref(), None);
        }
    }

    /// Whose numbers the release is of; `None` when nothing tells.
    pub(super) fn numbering(&self) -> Option<Product> {
        let product = self.product.as_deref()?;
        Some(if product.starts_with("Fedora") { Product::Fedora } else { Product::Enterprise })
    }

    /// Takes what one source says, where the better ones were silent or less exact.
    fn learn(&mut self, source: &str, product: Option<&str>, version: Option<&str>, arch: Option<&str>) {
        let said: Vec<&str> = [product, version, arch].into_iter().flatten().collect();
        if said.is_empty() {
            return;
        }
        self.evidence.push(format!("{source}: {}", said.join(" ")));
        if self.product.is_none() {
            self.product = product.map(str::to_owned);
        }
        if self.arch.is_none() {
            self.arch = arch.map(str::to_owned);
        }
        // 7.9 says more than 7; 8 does not.
        let is_finer = |version: &str| match &self.version {
            None => true,
            Some(known) => version.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with('.')),
        };
        if let Some(version) = version.filter(|version| is_finer(version)) {
            self.version = Some(version.to_owned());
        }
    }
}

/// Architectures as Debian writes them, and as anaconda does.
const DEBIAN_ARCHES: [(&str, &str); 4] =
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("i386", "i386"), ("ppc64el", "ppc64le")];

/// What may be shown of a foreign line: no control characters, not too long, blanks single.
pub(super) fn printable(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(80).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The product that a text begins with the name of.
fn known_product(text: &str) -> Option<&'static str> {
    let names = VOLUME_PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
    names.or_else(|| VOLUME_PREFIXES.iter().find(|(_, name)| text.starts_with(name))).map(|(_, name)| *name)
}

/// The first number of a text, with its dots: `8.1.0` of `Red Hat Enterprise Linux 8.1.0`.
fn number(text: &str) -> Option<String> {
    let is_number = |word: &&str| word.starts_with(|letter: char| letter.is_ascii_digit());
    let word = text.split_whitespace().find(is_number)?;
    let digits: String =
        word.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    Some(digits.trim_end_matches('.').to_owned())
}

/// The release that a volume id names: `9.6` of `Rocky-9-6-x86_64-dvd`, `6.10` of `OL6.10 x86_64 Disc 1`.
fn volume_version(volume_id: &str) -> Option<String> {
    let mut text = volume_id.to_owned();
    for arch in ARCHES {
        text = text.replace(arch, "@");
    }
    let mut words = text
        .split(['-', '_', ' '])
        .map(|word| word.trim_start_matches(|letter: char| letter.is_alphabetic()));
    let is_number =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let first = words.by_ref().find(|word| is_number(word))?.trim_matches('.').to_owned();
    match words.next() {
        Some(minor) if !first.contains('.') && is_number(minor) && minor.len() < 3 => {
            Some(format!("{first}.{minor}"))
        }
        _ => Some(first),
    }
}

/// The release package on the image: its file name, the product, the release and the architecture, which a `noarch`
/// package does not tell.
fn release_package(
    tree: &dyn FileTree,
    directories: &[String],
) -> Option<(String, &'static str, String, Option<String>)> {
    let product =
        |name: &str| RELEASE_PACKAGES.iter().find(|(known, _)| *known == name).map(|(_, product)| *product);
    let names: Vec<&str> = RELEASE_PACKAGES.iter().map(|(known, _)| *known).collect();
    for directory in directories {
        for file in paths::packages(tree, directory, &names) {
            let Some(parts) = FileName::parse(&file) else { continue };
            let Some(product) = product(parts.name) else { continue };
            let arch = ARCHES.contains(&parts.arch).then(|| parts.arch.to_owned());
            let version = release_version(&parts)?;
            return Some((paths::join(directory, &file), product, version, arch));
        }
    }
    None
}

/// The release of the product that a release package belongs to.
fn release_version(parts: &FileName<'_>) -> Option<String> {
    // 6Server-6.10.0.5: the whole number is in the release.
    let major: String = parts.version.chars().take_while(char::is_ascii_digit).collect();
    let minor: String = parts.release.chars().take_while(char::is_ascii_digit).collect();
    if major.is_empty() {
        return None;
    }
    if parts.version != major && !parts.version.starts_with(&format!("{major}.")) {
        let rest = parts.release.strip_prefix(&format!("{major}.")).unwrap_or_default();
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return Some(if minor.is_empty() { major } else { format!("{major}.{minor}") });
    }
    // A stream has no minor releases, though its package is called 9.0.
    if parts.name == "centos-stream-release" {
        return Some(major);
    }
    // centos-release-7-9.2009: CentOS 5 to 7 have the minor number in the release.
    if parts.name == "centos-release" && parts.version == major && !minor.is_empty() {
        return Some(format!("{major}.{minor}"));
    }
    Some(parts.version.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn releases_in_volume_ids() {
        // Volume ids from osinfo-db.
        let cases = [
            ("CentOS_6.10_Final", Some("6.10")),
            ("CentOS 7 x86_64", Some("7")),
            ("CentOS-Stream-9-BaseOS-x86_64", Some("9")),
            ("RHEL-8-9-0-BaseOS-x86_64", Some("8.9")),
            ("RHEL-7.9 Server.x86_64", Some("7.9")),
            ("Rocky-9-6-x86_64-dvd", Some("9.6")),
            ("AlmaLinux-Kitten-10-x86_64", Some("10")),
            ("OL6.10 x86_64 Disc 1 20180625", Some("6.10")),
            ("OL-8-10-0-BaseOS-x86_64", Some("8.10")),
            ("Fedora-S-dvd-x86_64-44", Some("44")),
            ("CentOS", None),
        ];
        for (volume_id, expected) in cases {
            assert_eq!(volume_version(volume_id).as_deref(), expected, "{volume_id}");
        }
    }

    #[test]
    fn releases_in_package_names() {
        let cases = [
            ("centos-release-5-11.el5.centos.x86_64.rpm", "5.11"),
            ("centos-release-6-10.el6.centos.12.3.x86_64.rpm", "6.10"),
            ("centos-release-7-9.2009.0.el7.centos.x86_64.rpm", "7.9"),
            ("redhat-release-server-6Server-6.10.0.5.el6.x86_64.rpm", "6.10"),
            ("redhat-release-server-7.9-3.el7.x86_64.rpm", "7.9"),
            ("rocky-release-9.4-1.7.el9.noarch.rpm", "9.4"),
            ("centos-stream-release-9.0-26.el9.noarch.rpm", "9"),
            ("fedora-release-common-40-39.noarch.rpm", "40"),
        ];
        for (file, expected) in cases {
            assert_eq!(release_version(&FileName::parse(file).unwrap()).unwrap(), expected, "{file}");
        }
    }

    #[test]
    fn releases_in_discinfo() {
        let cases = [
            ("Red Hat Enterprise Linux 8.1.0", Some("8.1.0")),
            ("7.9", Some("7.9")),
            ("Final", None),
            ("Fedora 40", Some("40")),
            ("", None),
        ];
        for (release, expected) in cases {
            assert_eq!(number(release).as_deref(), expected, "{release}");
        }
    }
}
