//! `repomd.xml`, `primary.xml` and comps: what a repository says about itself.
//!
//! Sources: createrepo_c `src/xml_dump_primary.c`, `src/repomd.c`; libcomps `libcomps.dtd`.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead};

use super::xml::{Reader, Token};

/// Most packages that are kept. Fedora's whole archive has 70,000.
const MAX_NAMES: usize = 200_000;

/// Most bytes of their names. Those of Fedora's have 2 MB.
const MAX_NAME_BYTES: usize = 16 << 20;

/// Longest name of a package or a group, in bytes: that of a file, as a package's name is part of one.
const MAX_NAME: usize = 255;

/// Most things provided that are kept. Fedora's whole archive has 500,000; a million take 19 MB.
const MAX_PROVIDES: usize = 1_000_000;

/// Most groups and environments that are kept.
const MAX_GROUPS: usize = 20_000;

/// Where a repository's other metadata lies, as paths of the repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repomd {
    /// The packages.
    pub primary: Option<String>,
    /// The groups.
    pub comps: Option<String>,
    /// Whether there are modules (EL8 and EL9).
    pub has_modules: bool,
}

impl Repomd {
    /// Reads `repodata/repomd.xml`.
    ///
    /// # Errors
    /// When it is no XML.
    pub fn read(source: impl BufRead) -> io::Result<Self> {
        let mut reader = Reader::new(source);
        let (mut repomd, mut kind) = (Self::default(), String::new());
        loop {
            match reader.next()? {
                Token::Open { .. } if reader.name() == b"data" => {
                    kind = reader.attribute("type").unwrap_or_default().into_owned();
                    repomd.has_modules |= kind == "modules";
                }
                Token::Open { .. } if reader.name() == b"location" => {
                    let href = reader.attribute("href").map(Cow::into_owned);
                    match kind.as_str() {
                        "primary" => repomd.primary = href,
                        // Plain, or packed under a name of its own, whose kind is `group_gz` whatever packed it.
                        "group" => repomd.comps = href,
                        "group_gz" if repomd.comps.is_none() => repomd.comps = href,
                        _ => {}
                    }
                }
                Token::End => return Ok(repomd),
                _ => {}
            }
        }
    }
}

/// The packages of a repository: what is needed to know whether one is there, and which was meant where it is not.
///
/// Metadata is read as a stream. Of a package its name is kept, of what it provides a hash: seven in eight names are such, and
/// nobody has to be told of one that is similar. What does not fit is left out, and [`Primary::is_whole`] says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Primary {
    names: HashSet<Box<str>>,
    name_bytes: usize,
    provides: HashSet<u64>,
    is_cut: bool,
}

impl Primary {
    /// Reads the unpacked metadata and adds what it has.
    ///
    /// # Errors
    /// When it is no XML.
    pub fn read(&mut self, source: impl BufRead) -> io::Result<()> {
        let mut reader = Reader::new(source);
        let (mut in_package, mut in_provides) = (false, false);
        loop {
            match reader.next()? {
                Token::Open { is_empty } => match reader.name() {
                    b"package" => in_package = !is_empty,
                    b"provides" => in_provides = !is_empty,
                    b"entry" if in_provides => {
                        if let Some(name) = reader.attribute("name") {
                            self.add_provided(&name);
                        }
                    }
                    _ => {}
                },
                Token::Close => match reader.name() {
                    b"name" if in_package => self.add_name(&reader.text()),
                    b"package" => in_package = false,
                    b"provides" => in_provides = false,
                    _ => {}
                },
                Token::End => return Ok(()),
            }
        }
    }

    /// Adds a package.
    pub fn add_name(&mut self, name: &str) {
        let bytes = self.name_bytes.saturating_add(name.len());
        let fits = self.names.len() < MAX_NAMES && bytes <= MAX_NAME_BYTES && name.len() <= MAX_NAME;
        if !fits {
            self.is_cut = true;
        } else if !self.names.contains(name) {
            self.names.insert(name.into());
            self.name_bytes = bytes;
        }
    }

    /// Adds what some package provides; files not.
    pub fn add_provided(&mut self, name: &str) {
        if self.provides.len() < MAX_PROVIDES {
            self.provides.insert(hash(name));
        } else {
            self.is_cut = true;
        }
    }

    /// Names of packages.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether there is a package of this name.
    pub fn has_package(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether there is a package of this name, or one that provides it.
    pub fn has(&self, name: &str) -> bool {
        self.has_package(name) || self.provides.contains(&hash(name))
    }

    /// Whether all that was read is kept: what is not found then is not there.
    pub fn is_whole(&self) -> bool {
        !self.is_cut
    }
}

/// Two of a million names have the same one with a chance of 1 in 30 million.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// A group or an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// What a kickstart calls it.
    pub id: String,
    /// What people call it, in English.
    pub name: String,
}

/// The groups of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comps {
    /// Groups.
    pub groups: Vec<Group>,
    /// Environments, from EL7 on.
    pub environments: Vec<Group>,
}

impl Comps {
    /// Reads comps and adds what it has.
    ///
    /// # Errors
    /// When it is no XML.
    pub fn read(&mut self, source: impl BufRead) -> io::Result<()> {
        let mut reader = Reader::new(source);
        let (mut group, mut is_translated) = (Group::default(), false);
        loop {
            match reader.next()? {
                Token::Open { .. } => match reader.name() {
                    b"group" | b"environment" => group = Group::default(),
                    b"name" => is_translated = reader.attribute("lang").is_some(),
                    _ => {}
                },
                Token::Close => match reader.name() {
                    b"id" if group.id.is_empty() => group.id = name_of(&reader),
                    b"name" if !is_translated && group.name.is_empty() => group.name = name_of(&reader),
                    b"group" if !group.id.is_empty() && self.groups.len() < MAX_GROUPS => {
                        self.groups.push(std::mem::take(&mut group));
                    }
                    b"environment" if !group.id.is_empty() && self.environments.len() < MAX_GROUPS => {
                        self.environments.push(std::mem::take(&mut group));
                    }
                    _ => {}
                },
                Token::End => return Ok(()),
            }
        }
    }
}

/// The name of a group before its tag; empty where it is longer than any.
fn name_of<R: BufRead>(reader: &Reader<R>) -> String {
    let text = reader.text();
    if text.len() <= MAX_NAME { text.into_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_packages_and_groups_are_read() {
        let repomd = Repomd::read(
            &br#"<repomd><data type="primary"><location href="repodata/p.xml.gz"/></data>
                <data type="group"><location href="repodata/c.xml"/></data>
                <data type="group_gz"><location href="repodata/c.xml.gz"/></data><data type="modules"/></repomd>"#
                [..],
        )
        .expect("it is XML");
        assert_eq!(repomd.primary.as_deref(), Some("repodata/p.xml.gz"));
        assert_eq!((repomd.comps.as_deref(), repomd.has_modules), (Some("repodata/c.xml"), true));

        let mut primary = Primary::default();
        primary
            .read(
                &br#"<metadata><package type="rpm"><name>bash</name><arch>x86_64</arch><format>
                <rpm:provides><rpm:entry name="bash"/><rpm:entry name="/bin/sh"/></rpm:provides>
                <rpm:requires><rpm:entry name="libc"/></rpm:requires></format></package></metadata>"#[..],
            )
            .expect("it is XML");
        assert!(primary.has_package("bash") && primary.names().len() == 1 && primary.is_whole());
        assert!(primary.has("/bin/sh") && !primary.has_package("/bin/sh") && !primary.has("libc"));

        let mut comps = Comps::default();
        comps
            .read(
                &br#"<comps><group><id>core</id><name>Core</name><name xml:lang="de">Kern</name>
                <packagelist><packagereq>bash</packagereq></packagelist></group>
                <environment><id>minimal</id><name>Minimal Install</name>
                <grouplist><groupid>core</groupid></grouplist></environment></comps>"#[..],
            )
            .expect("it is XML");
        assert_eq!(comps.groups, [Group { id: "core".into(), name: "Core".into() }]);
        assert_eq!(comps.environments, [Group { id: "minimal".into(), name: "Minimal Install".into() }]);
    }

    /// What a hostile image can make us keep.
    #[test]
    fn memory_is_bounded_whatever_comes() {
        let long = "x".repeat(MAX_NAME + 1);
        let mut primary = Primary::default();
        primary.add_name(&long);
        assert!(!primary.is_whole() && primary.names().len() == 0);
        let mut primary = Primary::default();
        (0..=MAX_NAMES).for_each(|number| primary.add_name(&format!("{number:0200}")));
        assert!(primary.name_bytes <= MAX_NAME_BYTES && !primary.is_whole());
        (0..=MAX_PROVIDES).for_each(|number| primary.add_provided(&number.to_string()));
        assert_eq!(primary.provides.len(), MAX_PROVIDES);
        let mut comps = Comps::default();
        let text = format!(
            "<comps><group><id>{long}</id></group><group><id>a</id><name>{long}</name></group></comps>"
        );
        comps.read(text.as_bytes()).expect("it is XML");
        assert_eq!(comps.groups, [Group { id: "a".into(), name: String::new() }]);
    }
}
