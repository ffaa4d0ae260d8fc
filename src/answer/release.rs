//! The releases whose kickstart language is known, and the column of the table that each has.

use std::fmt;
use std::str::FromStr;

use crate::media::{AnswerKind, Media};

/// A release of the installer, by the language of its kickstarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// Red Hat Enterprise Linux and its kin, 5 to 10. A later one is read as 10.
    Enterprise(u32),
    /// Fedora. Before 40 it is read as the Enterprise Linux that was made from it.
    Fedora(u32),
}

impl Release {
    /// Every release that has a column of its own, in the order of the columns.
    pub const ALL: [Self; 13] = [
        Self::Enterprise(5),
        Self::Enterprise(6),
        Self::Enterprise(7),
        Self::Enterprise(8),
        Self::Enterprise(9),
        Self::Enterprise(10),
        Self::Fedora(40),
        Self::Fedora(41),
        Self::Fedora(42),
        Self::Fedora(43),
        Self::Fedora(44),
        Self::Fedora(45),
        Self::Fedora(46),
    ];

    /// What an image installs; `None` when the image does not say, or its installer reads no kickstart.
    pub fn of(media: &Media) -> Option<Self> {
        if media.answer != AnswerKind::Kickstart {
            return None;
        }
        if let Some(major) = media.major() {
            let make = if media.product.starts_with("Fedora") { Self::Fedora } else { Self::Enterprise };
            return Some(make(major));
        }
        // Families of one release each tell it even where the image does not.
        let known = [("el5", 5), ("el6", 6), ("el7", 7)];
        let known = known.into_iter().find(|(id, _)| media.family.id.starts_with(id));
        known.map(|(_, number)| Self::Enterprise(number))
    }

    /// The column of the table, 0 to 12.
    pub(super) fn column(self) -> usize {
        match self {
            Self::Fedora(number @ 40..) => {
                6 + usize::try_from(number.min(46)).unwrap_or(46).saturating_sub(40)
            }
            _ => usize::try_from(self.generation()).unwrap_or(10).saturating_sub(5),
        }
    }

    /// The Enterprise Linux whose installer this one is closest to, 5 to 10.
    ///
    /// EL6 was made from Fedora 12 and 13, EL7 from 19, EL8 from 28, EL9 from 34, EL10 from 40.
    pub fn generation(self) -> u32 {
        match self {
            Self::Enterprise(number) => number.clamp(5, 10),
            Self::Fedora(0..=10) => 5,
            Self::Fedora(11..=16) => 6,
            Self::Fedora(17..=27) => 7,
            Self::Fedora(28..=33) => 8,
            Self::Fedora(34..=39) => 9,
            Self::Fedora(_) => 10,
        }
    }

    /// Whether it is Fedora with a column of its own: what Red Hat took out for its own product is still there.
    pub fn is_fedora(self) -> bool {
        matches!(self, Self::Fedora(40..))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enterprise(number) => write!(f, "EL{number}"),
            Self::Fedora(number) => write!(f, "F{number}"),
        }
    }
}

/// Ways in which people begin the name of a release; all but the first two are Enterprise Linux.
const PREFIXES: [&str; 12] = [
    "fedora",
    "f",
    "rhel",
    "centosstream",
    "centos",
    "rocky",
    "almalinux",
    "alma",
    "oracle",
    "ol",
    "el",
    "rl",
];

impl FromStr for Release {
    type Err = String;

    /// Reads `EL9`, `el 9.6`, `RHEL8`, `Rocky-9`, `F44`, `fedora40`.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain: String =
            text.chars().filter(|c| !matches!(c, ' ' | '-' | '_')).collect::<String>().to_ascii_lowercase();
        let unknown = || format!("{text} is no release; write one of EL5 to EL10, or F40 and later");
        let (fedora, number) = PREFIXES
            .iter()
            .enumerate()
            .find_map(|(index, prefix)| plain.strip_prefix(prefix).map(|rest| (index < 2, rest)))
            .ok_or_else(unknown)?;
        let number: u32 = number.split('.').next().unwrap_or(number).parse().map_err(|_| unknown())?;
        match (fedora, number) {
            (false, 5..=10) => Ok(Self::Enterprise(number)),
            (true, 6..=999) => Ok(Self::Fedora(number)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_people_write_them() {
        for (text, expected) in [
            ("EL9", Release::Enterprise(9)),
            ("el 9.6", Release::Enterprise(9)),
            ("RHEL-10", Release::Enterprise(10)),
            ("CentOS 7", Release::Enterprise(7)),
            ("CentOS Stream 9", Release::Enterprise(9)),
            ("Rocky-9", Release::Enterprise(9)),
            ("F44", Release::Fedora(44)),
            ("fedora 40", Release::Fedora(40)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "EL", "EL4", "EL11", "9", "Debian12", "F", "F5", "Fx", "EL99999999999"] {
            assert!(text.parse::<Release>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_release_has_a_column_and_a_name() {
        for (column, release) in Release::ALL.into_iter().enumerate() {
            assert_eq!(release.column(), column);
            assert_eq!(release.to_string().parse(), Ok(release));
        }
        assert_eq!(Release::Fedora(28).column(), Release::Enterprise(8).column());
        assert_eq!(Release::Fedora(99).column(), 12);
        assert_eq!(Release::Enterprise(12).column(), 5);
    }
}
