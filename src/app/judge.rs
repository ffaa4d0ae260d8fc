//! What installers will make of the kickstarts of a run, looked at before anything is served: errors stop the start, the rest
//! is told in a few lines.

use std::cell::OnceCell;

use super::Refusal;
use super::images::Image;
use super::ks;
use crate::answer::check::{Against, Served, check, names_packages};
use crate::answer::finding::{Report, Severity};
use crate::answer::repository::Repository;
use crate::answer::{Kickstart, Release, Source};
use crate::boot::Site;
use crate::boot::site::{MenuWish, Packages};
use crate::config::{Cidr, Config, DEFAULT_ADDRESS};
use crate::content::Protocol;
use crate::order;

/// Most findings that are told at the start; the command that is named shows all.
const FINDINGS_TOLD: usize = 3;

/// What is told first of many findings: what cannot be undone, what ends unseen, what goes elsewhere, what asks.
const FIRST: [&str; 4] = ["wipes", "hides-the-end", "source", "asks"];

/// Most kickstarts whose findings are counted singly.
const FILES_TOLD: usize = 4;

/// Compares kickstarts with one image. Its packages are read once, for the first that names some.
pub(super) struct Judge {
    server: Cidr,
    /// What the image installs; nothing where it does not say.
    release: Option<Release>,
    served: Option<Served>,
    repository: OnceCell<Option<Repository>>,
}

impl Judge {
    /// One for `image`, as it will be served from `server`; or for no certain one.
    pub(super) fn new(image: Option<&Image>, server: Cidr, http_port: u16) -> Self {
        Self {
            server,
            release: image.and_then(|image| Release::of(&image.media)),
            served: match image {
                Some(image) => served(image, server, http_port),
                None => Some(served_by(server, http_port)),
            },
            repository: OnceCell::new(),
        }
    }

    /// Whether `image` can be installed by a kickstart: a sentence about what is wrong with it where that was forced. `place`
    /// says where in the user's file the findings are.
    ///
    /// # Errors
    /// When its installer would stop, or finds no packages.
    pub(super) fn judge(
        &self,
        kickstart: &Kickstart,
        named: &Named<'_>,
        image: &Image,
        config: &Config,
        advice: &mut Advice,
        place: impl FnOnce(&mut Report),
    ) -> Result<Option<String>, Refusal> {
        judge_source(kickstart, named.shown, image)?;
        let Some(release) = self.release else { return Ok(None) };
        let mut report = self.report(kickstart.text(), release, Some(image))?;
        place(&mut report);
        let looked = Looked { named, title: &image.media.name, report: &report };
        let forced = looked.stop(config)?;
        advice.add(&looked);
        Ok(forced)
    }

    /// The command that shows everything about a kickstart and an image.
    pub(super) fn command(&self, shown: &str, image: &Image) -> String {
        check_command(shown, image, self.server)
    }

    /// What a release's installer will make of `text`. What the image has is looked at if there is one.
    pub(super) fn report(
        &self,
        text: &[u8],
        release: Release,
        image: Option<&Image>,
    ) -> Result<Report, Refusal> {
        let repository = match (self.repository.get(), image) {
            _ if !names_packages(text, release) => None,
            (Some(repository), _) => repository.as_ref(),
            (None, None) => None,
            (None, Some(image)) => {
                let repository = ks::repository(image, text, release)?;
                self.repository.get_or_init(|| repository).as_ref()
            }
        };
        Ok(check(text, Against { release, repository, served: self.served.as_ref() }))
    }
}

/// What there is for installers of `image`; nothing where it brings no packages.
fn served(image: &Image, server: Cidr, http_port: u16) -> Option<Served> {
    let site = bare_site(server, http_port);
    let (id, repositories) = match &image.packages {
        Packages::Own => (&image.id, image.media.repositories.clone()),
        Packages::Image(other) => (other, Vec::new()),
        Packages::Mirror(_) | Packages::Unknown => return None,
    };
    Some(Served { root: site.url(Protocol::Http, ""), tree: Some(site.tree_url(id)), repositories })
}

/// The same where no image is named.
fn served_by(server: Cidr, http_port: u16) -> Served {
    let root = bare_site(server, http_port).url(Protocol::Http, "");
    Served { root, tree: None, repositories: Vec::new() }
}

/// Knows how URLs look.
pub(super) fn bare_site(server: Cidr, http_port: u16) -> Site {
    Site {
        server: server.address,
        http_port,
        images: Vec::new(),
        loader: None,
        disk: None,
        wish: MenuWish::default(),
    }
}

/// A kickstart as it is named to people.
pub(super) struct Named<'a> {
    /// The file, and whose it is where it was filled in.
    pub(super) shown: &'a str,
    /// The command that shows everything about it.
    pub(super) more: &'a str,
}

/// A kickstart that was looked at.
struct Looked<'a> {
    named: &'a Named<'a>,
    /// What it is for, as people name it.
    title: &'a str,
    report: &'a Report,
}

impl Looked<'_> {
    /// Errors stop the start, unless that is forced: then the sentence that says so.
    fn stop(&self, config: &Config) -> Result<Option<String>, Refusal> {
        let (Named { shown, more }, title) = (self.named, self.title);
        let errors = self.report.count(Severity::Error);
        if errors == 0 {
            return Ok(None);
        }
        if config.force {
            return Ok(Some(format!(
                "{shown} has {} at which the installer of {title} stops; served because of --force. See with \"{more}\"",
                if errors == 1 { "an error".to_owned() } else { format!("{errors} errors") },
            )));
        }
        let mut listed = self.report.clone();
        listed.findings.retain(|finding| finding.severity == Severity::Error);
        Err(Refusal::new(format!(
            "the installer of {title} would stop at this kickstart:\n{}Mend it and see what is left with\n\n    {more}\n\n\
             or serve it as it is with --force",
            ks::for_people(shown, &listed, "")
        )))
    }
}

/// Whether the kickstart and the image together say where the packages come from.
fn judge_source(kickstart: &Kickstart, shown: &str, image: &Image) -> Result<(), Refusal> {
    if matches!(kickstart.source(), Source::Own(_)) || image.packages != Packages::Unknown {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "{shown} names no installation source that a machine booted from the network can reach, and {} has no \
         packages itself. Add a line to {shown}, such as\n\n    url --url=http://mirror.example.org/path/to/the/tree\n\n\
         or give that URL with --mirror, or the DVD image of the same release with another --iso",
        image.media.name
    )))
}

/// The command that shows what an image's installer makes of a kickstart.
fn check_command(shown: &str, image: &Image, server: Cidr) -> String {
    let address = if server == DEFAULT_ADDRESS { String::new() } else { format!(" --address {server}") };
    format!("pxego ks --check {shown} --iso {}{address}", image.path.display())
}

/// What people may want to know of the kickstarts before machines are switched on, and what stops nothing.
#[derive(Default)]
pub(super) struct Advice {
    findings: Vec<String>,
    counts: Vec<String>,
    /// Kickstarts that are not counted singly.
    others: usize,
}

impl Advice {
    /// Adds what was found in one kickstart.
    fn add(&mut self, looked: &Looked<'_>) {
        let (Named { shown, more }, Looked { title, report, .. }) = (looked.named, looked);
        let findings = report.findings.iter().filter(|finding| finding.severity != Severity::Error);
        let mut findings: Vec<_> = findings.collect();
        order::by_key(&mut findings, |it| {
            FIRST.iter().position(|code| *code == it.code).unwrap_or(FIRST.len())
        });
        for finding in findings.into_iter().take(FINDINGS_TOLD.saturating_sub(self.findings.len())) {
            let colon = if finding.line > 0 { ":" } else { ": " };
            self.findings.push(format!("{shown}{colon}{finding}"));
        }
        let counts = [
            (report.count(Severity::Deprecated), "deprecated"),
            (report.count(Severity::Advice), "of advice"),
        ];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        if counts.is_empty() {
            return;
        }
        if self.counts.len() == FILES_TOLD {
            self.others = self.others.saturating_add(1);
            return;
        }
        self.counts.push(format!("{shown} for {title}: {}; all of it: {more}", counts.join(" and ")));
    }

    /// One sentence a line.
    pub(super) fn into_lines(self) -> Vec<String> {
        let others = (self.others > 0).then(|| format!("there is some in {} more kickstarts", self.others));
        self.findings.into_iter().chain(self.counts).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        check(text.as_bytes(), Against { release: Release::Enterprise(9), repository: None, served: None })
    }

    #[test]
    fn the_first_findings_are_told_and_the_rest_is_counted() {
        let mut advice = Advice::default();
        let report = report("lang en_US\nkeyboard us\nlogging --level=info\nrootpw secret\ncdrom\n");
        for name in ["a.cfg", "b.cfg", "c.cfg", "d.cfg", "e.cfg", "f.cfg"] {
            let more = format!("pxego ks --check {name}");
            let named = Named { shown: name, more: &more };
            advice.add(&Looked { named: &named, title: "Rocky Linux 9.6", report: &report });
        }
        let lines = advice.into_lines();
        assert_eq!(lines.len(), FINDINGS_TOLD + FILES_TOLD + 1, "{lines:#?}");
        assert_eq!(
            lines[0],
            "a.cfg:5:1: advice: cdrom names a medium that a machine booted from the network does not have; leave it out: \
             machines get a url line in its place"
        );
        assert_eq!(
            lines[1],
            "a.cfg: advice: the installer will ask for the time zone; write timezone --utc Etc/UTC"
        );
        assert_eq!(
            lines[3],
            "a.cfg for Rocky Linux 9.6: 1 deprecated and 6 of advice; all of it: pxego ks --check a.cfg"
        );
        assert_eq!(lines[7], "there is some in 2 more kickstarts");
    }

    #[test]
    fn a_clean_file_and_errors_are_not_advice() {
        let clean =
            "lang en_US\nkeyboard us\ntimezone Etc/UTC\nrootpw --lock\nautopart\nreboot\n%packages\n%end\n";
        for text in [clean.to_owned(), format!("{clean}nosuchcommand\n")] {
            let mut advice = Advice::default();
            let named = Named { shown: "ks.cfg", more: "" };
            advice.add(&Looked { named: &named, title: "", report: &report(&text) });
            assert!(advice.into_lines().is_empty(), "{text}");
        }
    }
}
