//! Whether the installer of a release takes a kickstart, line by line, and what people may not want in it.
//!
//! The judge is pykickstart, which the installer reads with: what it stops at is an error here, what it warns about is
//! `Deprecated`. Advice is our own. Where we differ on purpose stands in `tests/kickstart/differences.md`.
//!
//! Never panics on any input: see `tests/fuzz/checks/kickstart_check.rs`.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod advice;
mod commands;
mod dialect;
mod packages;
mod restart;
mod sources;
mod walk;

use super::Release;
use super::finding::{Finding, Report, Severity};
use super::repository::Repository;
use crate::order;
pub use sources::Served;

/// What a kickstart is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The release that is to be installed.
    pub release: Release,
    /// What the image has to install, if that is to be looked at.
    pub repository: Option<&'a Repository>,
    /// What the server has that is to hand it out, if that is known, and if the image has packages.
    pub served: Option<&'a Served>,
}

/// Most findings of one file that are kept: a file of another kind would have one a line.
const MAX_FINDINGS: usize = 500;

/// Checks a kickstart.
pub fn check(text: &[u8], against: Against<'_>) -> Report {
    let release = against.release;
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => return not_utf8(text, error.valid_up_to(), release),
    };
    let walk = walk::walk(text, release);
    if let Some(foreign) = dialect::foreign(text, &walk) {
        let severity = if walk.has_errors() { Severity::Error } else { Severity::Advice };
        let finding = Finding { severity, ..foreign };
        return Report { release, summary: None, findings: vec![finding] };
    }
    let summary = other_release(text, release, &walk);
    let mut findings = advice::advise(&walk, release);
    if let Some(repository) = against.repository {
        findings.extend(packages::compare(&walk, repository));
    }
    findings.extend(sources::advise(&walk, against.served));
    findings.extend(walk.findings);
    order::by_key(&mut findings, |finding| (finding.line, finding.severity, finding.column));
    findings.truncate(MAX_FINDINGS);
    Report { release, summary, findings }
}

/// Whether a kickstart has a `%packages` section with names in it: what an image is asked about.
pub fn names_packages(text: &[u8], release: Release) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !walk::walk(text, release).packages.is_empty())
}

/// Whether a line that begins with this word ends or begins a section, wherever it stands.
pub(super) fn is_section_mark(word: &str) -> bool {
    matches!(word, "%end" | "%include" | "%ksappend") || super::rules::RULES.named(word).is_some()
}

/// The installer reads UTF-8 and nothing else, in comments too.
fn not_utf8(text: &[u8], at: usize, release: Release) -> Report {
    let before = String::from_utf8_lossy(text.get(..at).unwrap_or_default());
    let line = super::lexer::lines(&before).count();
    let (line, start) = match before.chars().last() {
        Some('\n' | '\r') | None => (line.saturating_add(1), ""),
        Some(_) => (line, before.rsplit(['\n', '\r']).next().unwrap_or("")),
    };
    let column = start.chars().count().saturating_add(1);
    let message = "a letter is not UTF-8, and the installer reads nothing else, in comments too";
    let finding = Finding::at(Severity::Error, line, column, "encoding", message)
        .instead("save the file as UTF-8: iconv -f latin1 -t utf-8");
    Report { release, summary: None, findings: vec![finding] }
}

/// One sentence where the file is right for another release.
fn other_release(text: &str, release: Release, walk: &walk::Walk) -> Option<String> {
    let errors = walk.errors().count();
    if errors == 0 {
        return None;
    }
    let lines: std::collections::BTreeSet<usize> = walk.errors().map(|finding| finding.line).collect();
    let distance = |other: &Release| {
        (other.generation().abs_diff(release.generation()), other.is_fedora() != release.is_fedora())
    };
    let mut others: Vec<Release> = Release::ALL.into_iter().filter(|other| *other != release).collect();
    order::by_key(&mut others, distance);
    // One that has nothing against it says more than one that only goes on.
    let finds = |is_strict| others.iter().find(|other| walk::is_taken(text, **other, is_strict));
    let written_for = finds(true).or_else(|| finds(false))?;
    let stop = match lines.len() {
        1 => "1 line stops".to_owned(),
        count => format!("{count} lines stop"),
    };
    Some(format!("written for {written_for}; {stop} {release}"))
}
