//! What the file name of a package tells, without opening it.

use std::cmp::Ordering;

/// The parts of `name-version-release.arch.rpm`, or of `name_version-release_arch.deb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName<'a> {
    /// The package, such as `syslinux-tftpboot`.
    pub name: &'a str,
    /// Its version, such as `6.04`.
    pub version: &'a str,
    /// Its release, such as `0.20.el9`.
    pub release: &'a str,
    /// Its architecture, such as `noarch`; `src` for sources.
    pub arch: &'a str,
}

impl<'a> FileName<'a> {
    /// Takes a file name apart; `None` when it is not one of a package.
    pub fn parse(file: &'a str) -> Option<Self> {
        if let Some(stem) = file.strip_suffix(".deb") {
            return Self::parse_deb(stem);
        }
        let (rest, arch) = file.strip_suffix(".rpm")?.rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let parts = [name, version, release, arch];
        parts.iter().all(|part| !part.is_empty()).then_some(Self { name, version, release, arch })
    }

    /// A native Debian package has a version without a release (deb-version(7)); an epoch is not in the name.
    fn parse_deb(stem: &'a str) -> Option<Self> {
        let (rest, arch) = stem.rsplit_once('_')?;
        let (name, version) = rest.split_once('_')?;
        let (version, release) = version.rsplit_once('-').unwrap_or((version, ""));
        let is_whole = [name, version, arch].iter().all(|part| !part.is_empty());
        is_whole.then_some(Self { name, version, release, arch })
    }

    /// Which of two builds is the newer, by version and then release.
    pub fn age(&self, other: &Self) -> Ordering {
        compare(self.version, other.version).then_with(|| compare(self.release, other.release))
    }
}

/// Compares as rpm does (`rpmio/rpmvercmp.c`): runs of digits as numbers, runs of letters as text, digits above
/// letters, anything else as a separator. Its `~` and `^` do not occur in what we look for.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (runs(left), runs(right));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => compare_runs(left, right),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_runs(left: &str, right: &str) -> Ordering {
    let is_number = |run: &str| run.starts_with(|letter: char| letter.is_ascii_digit());
    match (is_number(left), is_number(right)) {
        (true, true) => {
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => left.cmp(right),
    }
}

/// The runs of digits and of letters.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).flat_map(|part| {
        part.as_bytes()
            .chunk_by(|left, right| left.is_ascii_digit() == right.is_ascii_digit())
            .map(|run| std::str::from_utf8(run).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn file_names_come_apart() {
        let cases = [
            (
                "syslinux-tftpboot-6.04-0.20.el9.noarch.rpm",
                Some(("syslinux-tftpboot", "6.04", "0.20.el9", "noarch")),
            ),
            (
                "centos-release-7-9.2009.0.el7.centos.x86_64.rpm",
                Some(("centos-release", "7", "9.2009.0.el7.centos", "x86_64")),
            ),
            ("syslinux-6.04.noarch.rpm", None),
            (
                "pxelinux_6.04~git20190206.bf6db5b4+dfsg1-3_all.deb",
                Some(("pxelinux", "6.04~git20190206.bf6db5b4+dfsg1", "3", "all")),
            ),
            ("shim-signed_1.44_amd64.deb", Some(("shim-signed", "1.44", "", "amd64"))),
            ("pxelinux_6.04.deb", None),
            ("TRANS.TBL", None),
            ("--.x.rpm", None),
        ];
        for (file, expected) in cases {
            let found = FileName::parse(file).map(|it| (it.name, it.version, it.release, it.arch));
            assert_eq!(found, expected, "{file}");
        }
    }

    #[test]
    fn builds_are_ordered_as_rpm_orders_them() {
        // Pairs from rpm's own tests/rpmvercmp.at, left the older.
        let pairs = [
            ("1.0", "2.0"),
            ("2.0", "2.0.1"),
            ("5.5p1", "5.5p2"),
            ("5.5p1", "5.5p10"),
            ("10xyz", "10.1xyz"),
            ("xyz.4", "8"),
            ("4.05", "6.04"),
            ("20101121", "20101122"),
        ];
        for (older, newer) in pairs {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        assert_eq!(compare("6.04", "6.4"), Ordering::Equal);
        assert_eq!(compare("2_0", "2.0"), Ordering::Equal);
    }
}
