//! A template checked: filled in as at a start of the server, for each machine of the list and for one that is in none, and
//! what comes of it judged. What is found in many is told once.

use std::collections::HashMap;
use std::path::Path;

use super::Refusal;
use super::check::{HTTP_PORT, best};
use crate::answer::answers::{Answer, FAULT};
use crate::answer::finding::{Finding, Report, Severity};
use crate::answer::{AnswerError, Answers, Circumstances, Release};
use crate::app::images::Image;
use crate::app::judge::{self, Judge};
use crate::app::{kickstarts, machines, templates};
use crate::cli::KsOptions;
use crate::config::Cidr;
use crate::content::Protocol;
use crate::machine::policy::Only;
use crate::machine::{ImageId, Listed, Machine, NamePattern, Policy};
use crate::order;

/// Most machines that a sentence names.
const NAMED: usize = 2;

/// Most findings that are kept.
const MAX_FINDINGS: usize = 500;

/// What was found in a file, or in everything that comes of it.
pub(super) struct Collected {
    pub(super) report: Report,
    /// The machines that it was filled in for; none where it is no template.
    pub(super) machines: Vec<String>,
    /// For how many something came of it.
    filled_in: usize,
    /// Which machines each finding is about.
    whose: Vec<Vec<usize>>,
}

impl Collected {
    /// What was found in a file that is the same for all machines.
    pub(super) fn of_file(report: Report) -> Self {
        Self { report, machines: Vec::new(), filled_in: 0, whose: Vec::new() }
    }

    /// The machines that a finding is about.
    pub(super) fn of(&self, finding: usize) -> impl Iterator<Item = &str> {
        let whose = self.whose.get(finding).into_iter().flatten();
        whose.filter_map(|at| Some(self.machines.get(*at)?.as_str()))
    }

    /// The findings with the machines in their sentences, where they are not about all.
    pub(super) fn told(&self) -> Report {
        let mut report = self.report.clone();
        for (at, finding) in report.findings.iter_mut().enumerate() {
            let count = self.of(at).count();
            let all = if finding.code == FAULT { self.machines.len() } else { self.filled_in };
            if count < all {
                let names: Vec<&str> = self.of(at).take(NAMED).collect();
                let more = match count.saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                finding.message += &format!(" (for {}{more})", names.join(", "));
            }
        }
        report
    }

    /// Adds what was found for a machine.
    fn add(&mut self, report: Report, machine: usize) {
        for finding in report.findings {
            let known = self.report.findings.iter().position(|known| *known == finding);
            if let Some(whose) = known.and_then(|at| self.whose.get_mut(at)) {
                whose.push(machine);
                // A line of a loop may say the same again.
                whose.dedup();
            } else if self.whose.len() < MAX_FINDINGS {
                self.report.findings.push(finding);
                self.whose.push(vec![machine]);
            }
        }
        self.report.summary = self.report.summary.take().or(report.summary);
    }

    /// The same by line.
    fn sorted(mut self) -> Self {
        let mut all: Vec<_> = self.report.findings.into_iter().zip(self.whose).collect();
        order::by_key(&mut all, |(finding, _)| (finding.line, finding.severity, finding.column));
        (self.report.findings, self.whose) = all.into_iter().unzip();
        self
    }
}

/// An option that is of use only where machines differ, if there is one.
pub(super) fn misplaced(options: &KsOptions) -> Option<&'static str> {
    let given = [(options.machines.is_some(), "--machines"), (options.name.is_some(), "--name")];
    given.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
}

/// Checks the template in `path`, whose text is `text`.
///
/// # Errors
/// When the list of machines or the image cannot be used.
pub(super) fn check(
    path: &Path,
    text: Vec<u8>,
    options: &KsOptions,
    release: Option<Release>,
    image: Option<&Image>,
    server: Cidr,
) -> Result<Collected, Refusal> {
    let tried = machines(path, options, image)?;
    let titles = tried.iter().map(templates::short_title).collect();
    let newest = release.unwrap_or(Release::Enterprise(10));
    let mut collected = Collected::of_file(Report { release: newest, summary: None, findings: Vec::new() });
    collected.machines = titles;
    let answer = match Answer::parse(&path.display().to_string(), text) {
        Ok(answer) => Answers::new(Some(answer), HashMap::new(), false),
        // Wrong for whoever gets it.
        Err(error) => {
            for machine in 0..tried.len() {
                collected.add(fault(&error, newest), machine);
            }
            return Ok(collected);
        }
    };
    let release = release.unwrap_or_else(|| {
        let at = circumstances(options, newest, image, server);
        let texts = tried.iter().filter_map(|machine| answer.filled_in(machine, &at).ok()?);
        texts.map(|it| best(it.kickstart.text())).next().unwrap_or(newest)
    });
    collected.report.release = release;
    let at = circumstances(options, release, image, server);
    let judge = Judge::new(image, server, HTTP_PORT);
    for (number, machine) in tried.iter().enumerate() {
        let report = match answer.filled_in(machine, &at) {
            Err(error) if machine.listed.is_none() && tried.len() > 1 => of_stranger(&error, release),
            Err(error) => fault(&error, release),
            Ok(None) => continue,
            Ok(Some(filled_in)) => {
                let mut report = judge.report(filled_in.kickstart.text(), release, image)?;
                filled_in.place(&mut report);
                collected.filled_in += 1;
                report
            }
        };
        collected.add(report, number);
    }
    Ok(collected.sorted())
}

/// Nothing comes of the template.
fn fault(error: &AnswerError, release: Release) -> Report {
    Report { release, summary: None, findings: vec![error.finding()] }
}

/// The same for a machine that is not in the list, where there is one: such a machine waits, and stops nobody.
fn of_stranger(error: &AnswerError, release: Release) -> Report {
    let finding = Finding { severity: Severity::Advice, ..error.finding() };
    let instead = Some("add the machine to the list, or leave others alone with --only".to_owned());
    Report { release, summary: None, findings: vec![Finding { instead, ..finding }] }
}

/// The machines that get this file: those whose row names it, or else those whose row names none and one that is in no list.
fn machines(path: &Path, options: &KsOptions, image: Option<&Image>) -> Result<Vec<Machine>, Refusal> {
    let names = options.name.as_deref().map(NamePattern::parse).transpose().map_err(Refusal::wrong_use)?;
    let Some(list) = options.machines.as_deref() else {
        return Ok(templates::machines(&Policy { names, ..Policy::default() }));
    };
    let policy = Policy { list: machines::read_list("--machines ", list)?, only: Only::Everyone, names };
    let names_it = |row: &Listed| row.ks.as_ref().is_some_and(|ks| is_same(&list.with_file_name(ks), path));
    let is_named = policy.list.rows().iter().any(|row| names_it(row));
    let is_for_image = |row: &Listed| match (image, &row.image) {
        (Some(image), Some(id)) => ImageId::new(id) == image.id,
        _ => true,
    };
    let gets_it = |machine: &Machine| match machine.listed.as_deref() {
        None => !is_named,
        Some(row) => is_for_image(row) && if is_named { names_it(row) } else { row.ks.is_none() },
    };
    let mut tried = templates::machines(&policy);
    tried.retain(gets_it);
    if tried.is_empty() {
        return Err(Refusal::wrong_use(format!(
            "{}: the machines that get {} are installed from another image. Name that with --iso",
            list.display(),
            path.display()
        )));
    }
    Ok(tried)
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|it| it == one))
}

/// What a template is told of the image; where none is given, of one that has the release's name.
fn circumstances(
    options: &KsOptions,
    release: Release,
    image: Option<&Image>,
    server: Cidr,
) -> Circumstances {
    let site = judge::bare_site(server, HTTP_PORT);
    let tree = |id: &ImageId| options.mirror.clone().unwrap_or_else(|| site.tree_url(id));
    if let Some(image) = image {
        return kickstarts::circumstances(image, &site, tree(&image.id));
    }
    let title = release.to_string();
    let id = ImageId::new(&title.to_ascii_lowercase());
    Circumstances {
        server: site.server,
        http_port: site.http_port,
        root: site.url(Protocol::Http, ""),
        tree: tree(&id),
        image: id.to_string(),
        version: Some(title.trim_start_matches(|c: char| !c.is_ascii_digit()).to_owned()),
        title,
        dialect: None,
    }
}
