//! `pxego ks`: a kickstart written to standard output, or one checked.

mod check;
mod flags;
mod for_machine;
mod of_machines;

use std::io::{self, Write};
use std::process::ExitCode;

use super::images::{self, Image};
use super::{Refusal, complain};
use crate::answer::check::{self as checks, Against, names_packages};
use crate::answer::finding::Severity;
use crate::answer::profile::{Password, Url};
use crate::answer::repository::Repository;
use crate::answer::write::{Sources, settle, without_passwords, write};
use crate::answer::{Profile, Release, hash};
use crate::cli::KsOptions;
use crate::config::{Cidr, DEFAULT_ADDRESS};
use crate::media::Media;
use crate::net::{random, terminal};
use crate::ui::line::escape_whole;

pub(super) use check::for_people;
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
        Some(path) => check::run(path, options, release, image.as_ref()),
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

/// The address that the server will have.
fn server(options: &KsOptions) -> Result<Cidr, Refusal> {
    let Some(text) = &options.address else { return Ok(DEFAULT_ADDRESS) };
    text.parse()
        .map_err(|error| Refusal::wrong_use(format!("--address: {error}; write it as 192.168.100.1/24")))
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
    let sources = Sources { tree: mirror, repos: Vec::new() };
    // What is wrong is told before anybody is shown, or types, a password.
    let text = write(&without_passwords(&profile), release, &sources).map_err(Refusal::wrong_use)?;
    if let Some(image) = image {
        refuse_missing(&text, release, image)?;
    }
    make_passwords(&mut profile)?;
    let text = write(&profile, release, &sources).map_err(Refusal::wrong_use)?;
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
    let against = Against { release, repository: repository.as_ref(), served: None };
    let report = checks::check(text.as_bytes(), against);
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
