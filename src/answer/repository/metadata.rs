//! `repomd.xml`, `primary.xml` and comps: what a repository says about itself.
//!
//! Sources: createrepo_c `src/xml_dump_primary.c`, `src/repomd.c`; libcomps `libcomps.dtd`.

use std::collections::HashSet;
use std::io::{self, BufRead};

use super::xml::{Reader, Token};

/// Most names that are kept. Fedora's whole archive has 70,000 packages and 500,000 provides.
const MAX_NAMES: usize = 2_000_000;

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
                    kind = reader.attribute("type").unwrap_or_default();
                    repomd.has_modules |= kind == "modules";
                }
                Token::Open { .. } if reader.name() == b"location" => {
                    let href = reader.attribute("href");
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

/// The packages of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Primary {
    /// Their names.
    pub names: HashSet<Box<str>>,
    /// What they provide beside their names; files not.
    pub provides: HashSet<Box<str>>,
}

impl Primary {
    /// Reads the packed or unpacked metadata and adds what it has.
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
                        if let Some(name) = reader.attribute("name")
                            && self.provides.len() < MAX_NAMES
                            && !self.names.contains(name.as_str())
                        {
                            self.provides.insert(name.into());
                        }
                    }
                    _ => {}
                },
                Token::Close => match reader.name() {
                    b"name" if in_package && self.names.len() < MAX_NAMES => {
                        self.names.insert(reader.text().into());
                    }
                    b"package" => in_package = false,
                    b"provides" => in_provides = false,
                    _ => {}
                },
                Token::End => return Ok(()),
            }
        }
    }
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
                    b"id" if group.id.is_empty() => group.id = reader.text(),
                    b"name" if !is_translated && group.name.is_empty() => group.name = reader.text(),
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
        assert!(primary.names.contains("bash") && primary.names.len() == 1);
        assert!(primary.provides.contains("/bin/sh") && !primary.provides.contains("libc"));

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
}
