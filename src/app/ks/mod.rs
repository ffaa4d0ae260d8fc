//! `pxego ks`: a kickstart written to standard output, or one checked.

mod flags;
mod for_machine;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::images::{self, Image};
use super::{Refusal, complain, judge};
use crate::answer::check::{Against, check, names_packages};
use crate::answer::finding::{Finding, Report, Severity};
use crate::answer::kickstart::MAX_LEN;
use crate::answer::profile::{Password, Url};
use crate::answer::repository::Repository;
use crate::answer::write::{Sources, settle, write};
use crate::answer::{Profile, Release, hash};
use crate::cli::KsOptions;
use crate::config::{Cidr, DEFAULT_ADDRESS};
use crate::media::Media;
use crate::net::{random, terminal};
use crate::ui::line::escape_whole;

pub(super) use flags::of_file;

/// Runs the command.
///
/// # Errors
/// When what was typed cannot be done, with the cause and what to type.
pub(super) fn run(options: &KsOptions) -> Result<ExitCode, Refusal> {
    if let Some(mac) = &options.machine {
        return for_machine::print(mac, options);
    }
    if let Some(option) = for_machine::misplaced(options) {
        return Err(Refusal::wrong_use(format!("{option} goes with --for MAC")));
    }
    let image = options.iso.as_deref().map(images::one).transpose()?;
    let release = release(options, image.as_ref().map(|image| &image.media))?;
    match &options.check {
        Some(path) => check_file(path, options, release, image.as_ref()),
        None => print(options, release, image.as_ref()),
    }
}

/// The release that was typed, or else the image's.
fn release(options: &KsOptions, media: Option<&Media>) -> Result<Option<Release>, Refusal> {
    match (&options.release, media) {
        (Some(text), _) => {
            text.parse().map(Some).map_err(|error| Refusal::wrong_use(format!("--release: {error}")))
        }
        (None, Some(media)) => Release::of(media).map(Some).ok_or_else(|| {
            Refusal::wrong_use(format!(
                "{} does not say its release; add --release, such as --release EL9",
                media.name
            ))
        }),
        (None, None) => Ok(None),
    }
}

fn check_file(
    path: &Path,
    options: &KsOptions,
    release: Option<Release>,
    image: Option<&Image>,
) -> Result<ExitCode, Refusal> {
    let text = flags::read("--check", path).map_err(Refusal::wrong_use)?;
    if text.len() > MAX_LEN.min(1 << 20) {
        return Err(Refusal::wrong_use(format!("{}: no kickstart is longer than 1 MiB", path.display())));
    }
    let guessed = release.is_none();
    let release = release.unwrap_or_else(|| best(&text));
    let repository = image.map(|image| repository(image, &text, release)).transpose()?;
    let server = server(options)?;
    let served = match image {
        Some(image) => judge::served(image, server, 80),
        None => Some(judge::served_by(server)),
    };
    let repository = repository.flatten();
    let report = check(&text, Against { release, repository: repository.as_ref(), served: served.as_ref() });
    let mut output = io::stdout().lock();
    let shown = path.display().to_string();
    // A reader that went away (`| head`) is no error.
    let _ = if options.json {
        writeln!(output, "{}", as_json(&shown, &report))
    } else {
        output.write_all(for_people(&shown, &report, guessed).as_bytes())
    };
    Ok(if report.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The address that the server will have.
fn server(options: &KsOptions) -> Result<Cidr, Refusal> {
    let Some(text) = &options.address else { return Ok(DEFAULT_ADDRESS) };
    text.parse()
        .map_err(|error| Refusal::wrong_use(format!("--address: {error}; write it as 192.168.100.1/24")))
}

/// The release that takes the file best; the newest of several.
fn best(text: &[u8]) -> Release {
    let against = |release: &Release| {
        let report = check(text, Against { release: *release, repository: None, served: None });
        (report.count(Severity::Error), report.count(Severity::Deprecated))
    };
    let enterprise = Release::ALL.into_iter().filter(|release| !release.is_fedora()).rev();
    enterprise.min_by_key(against).unwrap_or(Release::Enterprise(10))
}

/// What the image has, where the kickstart asks; `None` where it does not, or the image has no packages.
pub(super) fn repository(
    image: &Image,
    text: &[u8],
    release: Release,
) -> Result<Option<Repository>, Refusal> {
    let repositories = &image.media.repositories;
    if repositories.is_empty() || !names_packages(text, release) {
        return Ok(None);
    }
    Repository::load(image.files.as_ref(), repositories, true).map(Some).map_err(|error| {
        Refusal::new(format!("{error}. Test the image: sha256sum, and compare with what its publisher says"))
    })
}

/// One line for each finding, and one that says how many.
pub(super) fn for_people(path: &str, report: &Report, guessed: bool) -> String {
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
    let guess = if guessed { " (the release that it fits best; --release names another)" } else { "" };
    text += &format!(
        "{}\n",
        escape_whole(&format!("{path}: {} for {}{guess}", counts.join(", "), report.release))
    );
    text
}

fn as_json(path: &str, report: &Report) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "severity": finding.severity.key(),
            "line": finding.line,
            "column": finding.column,
            "code": finding.code,
            "message": finding.message,
            "instead": finding.instead,
        })
    };
    json!({
        "file": path,
        "release": report.release.to_string(),
        "summary": report.summary,
        "errors": report.count(Severity::Error),
        "deprecated": report.count(Severity::Deprecated),
        "advice": report.count(Severity::Advice),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn print(options: &KsOptions, release: Option<Release>, image: Option<&Image>) -> Result<ExitCode, Refusal> {
    let release = release.ok_or_else(|| {
        Refusal::wrong_use(
            "For which release? Name it with --release EL9, or give the image with --iso.\n\
             Type \"pxego ks --help\" for the options.",
        )
    })?;
    if options.json {
        return Err(Refusal::wrong_use("--json goes with --check"));
    }
    let mut profile = of_file(options.profile.as_deref()).map_err(Refusal::wrong_use)?;
    flags::apply(&mut profile, options).map_err(Refusal::wrong_use)?;
    let mirror = options.mirror.as_deref().map(mirror).transpose()?;
    make_passwords(&mut profile)?;
    let sources = Sources { tree: mirror, repos: Vec::new() };
    let text = write(&profile, release, &sources).map_err(Refusal::wrong_use)?;
    if let Some(image) = image {
        refuse_missing(&text, release, image)?;
    }
    if profile.disk.wipe.is_none() {
        complain("no --wipe rule: the installer will ask which disk to use, and erases nothing by itself");
    }
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// A mirror's URL, without the slash at its end.
fn mirror(text: &str) -> Result<String, Refusal> {
    let url: Url = text.parse().map_err(|error| Refusal::wrong_use(format!("--mirror: {error}")))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// A profile that wants what the image does not have.
pub(super) fn refuse_missing(text: &str, release: Release, image: &Image) -> Result<(), Refusal> {
    let repository = repository(image, text.as_bytes(), release)?;
    let report = check(text.as_bytes(), Against { release, repository: repository.as_ref(), served: None });
    if !report.has_errors() {
        return Ok(());
    }
    let errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors
        .map(|finding| match &finding.instead {
            Some(instead) => format!("{}; {instead}", finding.message),
            None => finding.message.clone(),
        })
        .collect();
    Err(Refusal::new(escape_whole(&format!("{}: {}", image.media.name, errors.join("; ")))))
}

/// Makes up passwords, or has them typed in. Those that are made up are shown here and nowhere else.
pub(super) fn make_passwords(profile: &mut Profile) -> Result<(), Refusal> {
    settle(profile, |who, password| {
        let text = match password {
            Password::Prompt => typed(who)?,
            _ => {
                let text = hash::password(random_bits()?);
                let mut output = io::stderr().lock();
                let _ = writeln!(output, "pxego: password of {who}, shown this once: {text}");
                text
            }
        };
        let mut salt = [0; 12];
        salt.copy_from_slice(&random_bits()?.to_le_bytes()[..12]);
        Ok(hash::sha512(&text, salt))
    })
}

fn random_bits() -> Result<u128, Refusal> {
    random::bits().map_err(|error| Refusal::new(format!("/dev/urandom: {error}. See \"ls -l /dev/urandom\"")))
}

fn typed(who: &str) -> Result<String, Refusal> {
    let ask = |again: &str| terminal::secret(&format!("Password of {who}{again}"));
    let wrong = |error: io::Error| {
        Refusal::wrong_use(format!(
            "the password of {who} cannot be typed in: {error}. Give its hash instead"
        ))
    };
    let (first, second) = (ask("").map_err(wrong)?, ask(" once more").map_err(wrong)?);
    if first != second {
        return Err(Refusal::wrong_use(format!("the passwords of {who} differ; start again")));
    }
    Ok(first)
}
