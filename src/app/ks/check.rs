//! `pxego ks --check`: what the installer will make of a kickstart, or of what comes of a template.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::of_machines::{self, Collected};
use super::{Refusal, flags, server};
use crate::answer::Release;
use crate::answer::check::{Against, check};
use crate::answer::finding::{Finding, Report, Severity};
use crate::answer::kickstart::MAX_LEN;
use crate::app::images::Image;
use crate::app::judge::Judge;
use crate::cli::KsOptions;
use crate::ui::line::escape_whole;

/// The port that the server has unless it is told another.
pub(super) const HTTP_PORT: u16 = 80;

/// Checks the file, and says on standard output what was found.
///
/// # Errors
/// When it cannot be read, and when a list of machines or the image cannot be used.
pub(super) fn run(
    path: &Path,
    options: &KsOptions,
    release: Option<Release>,
    image: Option<&Image>,
) -> Result<ExitCode, Refusal> {
    let text = flags::read("--check", path).map_err(Refusal::wrong_use)?;
    if text.len() > MAX_LEN.min(1 << 20) {
        return Err(Refusal::wrong_use(format!("{}: no kickstart is longer than 1 MiB", path.display())));
    }
    let server = server(options)?;
    let shown = path.display().to_string();
    let checked = if shown.ends_with(".j2") {
        of_machines::check(path, text, options, release, image, server)?
    } else {
        if let Some(option) = of_machines::misplaced(options) {
            return Err(Refusal::wrong_use(format!(
                "{option} goes with --for MAC, and with --check where the file is a template (*.j2)"
            )));
        }
        let release = release.unwrap_or_else(|| best(&text));
        Collected::of_file(Judge::new(image, server, HTTP_PORT).report(&text, release, image)?)
    };
    let mut output = io::stdout().lock();
    // A reader that went away (`| head`) is no error.
    let _ = if options.json {
        writeln!(output, "{}", as_json(&shown, &checked))
    } else {
        output.write_all(for_people(&shown, &checked.told(), &behind(&checked, release.is_none())).as_bytes())
    };
    Ok(if checked.report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The release that takes the file best; the newest of several.
pub(super) fn best(text: &[u8]) -> Release {
    let against = |release: &Release| {
        let report = check(text, Against { release: *release, repository: None, served: None });
        (report.count(Severity::Error), report.count(Severity::Deprecated))
    };
    let enterprise = Release::ALL.into_iter().filter(|release| !release.is_fedora()).rev();
    enterprise.min_by_key(against).unwrap_or(Release::Enterprise(10))
}

/// What is to be said of the check itself.
fn behind(checked: &Collected, guessed: bool) -> String {
    let guess = if guessed { " (the release that it fits best; --release names another)" } else { "" };
    let machines = match checked.machines.len() {
        0 => String::new(),
        1 => ", filled in for a machine".to_owned(),
        count => format!(", filled in for {count} machines"),
    };
    format!("{guess}{machines}")
}

/// One line for each finding, and one that says how many, with `behind` at its end.
pub(in crate::app) fn for_people(path: &str, report: &Report, behind: &str) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let colon = if finding.line > 0 { ":" } else { ": " };
        text += &format!("{}\n", escape_whole(&format!("{path}{colon}{finding}")));
    }
    if let Some(summary) = &report.summary {
        text += &format!("{}\n", escape_whole(&format!("{path}: {summary}")));
    }
    let counts = [
        (Severity::Error, ["error", "errors"]),
        (Severity::Deprecated, ["deprecated", "deprecated"]),
        (Severity::Advice, ["piece of advice", "pieces of advice"]),
    ]
    .map(|(severity, [one, many])| match report.count(severity) {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    });
    let counts = format!("{path}: {} for {}{behind}", counts.join(", "), report.release);
    text += &format!("{}\n", escape_whole(&counts));
    text
}

fn as_json(path: &str, checked: &Collected) -> serde_json::Value {
    let report = &checked.report;
    let finding = |(at, finding): (usize, &Finding)| {
        let mut told = json!({
            "severity": finding.severity.key(),
            "line": finding.line,
            "column": finding.column,
            "code": finding.code,
            "message": finding.message,
            "instead": finding.instead,
        });
        if !checked.machines.is_empty() {
            told["machines"] = checked.of(at).collect::<Vec<_>>().into();
        }
        told
    };
    let mut told = json!({
        "file": path,
        "release": report.release.to_string(),
        "summary": report.summary,
        "errors": report.count(Severity::Error),
        "deprecated": report.count(Severity::Deprecated),
        "advice": report.count(Severity::Advice),
        "findings": report.findings.iter().enumerate().map(finding).collect::<Vec<_>>(),
    });
    if !checked.machines.is_empty() {
        told["machines"] = checked.machines.clone().into();
    }
    told
}
