//! `pxego inspect`: looks at images and says what they are. Needs no rights, and goes on after one that is bad.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::images::{in_folder, runs_on};
use super::verify::{Checked, Report as CheckReport, Task};
use crate::boot::site::RunsOn;
use crate::cli::InspectOptions;
use crate::image::{FileTree, ImageFile, IsoImage, ReadAt};
use crate::media::embedded;
use crate::media::report::Report;
use crate::media::verify::{Verdict, Verification};
use crate::media::{find_loaders, recognise};
use crate::ui::inspection::{self, Check, CheckState, Inspection};

/// Inspects what was asked for, and writes it to standard output. Whether all is well.
pub(super) fn run(options: &InspectOptions) -> bool {
    let mut is_well = true;
    let mut output = io::stdout().lock();
    for (number, path) in options.images.iter().flat_map(|path| images(path)).enumerate() {
        let inspection = inspect(&path, options.verify);
        is_well &= inspection.is_well();
        let text = match options.json {
            true => inspection::for_programs(&inspection),
            false => inspection::for_people(&inspection),
        };
        let gap = if number > 0 && !options.json { "\n" } else { "" };
        // A reader that went away has seen enough.
        if writeln!(output, "{gap}{text}").and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    is_well
}

/// The images that a path means: those in a folder, else itself.
fn images(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let found = in_folder(path).unwrap_or_default();
    // Then it is told that there is none.
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

/// Looks at one image.
fn inspect(path: &Path, verify: bool) -> Inspection {
    let mut inspection = Inspection { file: path.display().to_string(), ..Inspection::default() };
    let file = match ImageFile::open(path) {
        Ok(file) => Arc::new(file),
        Err(error) => {
            inspection.failure = Some(cannot_open(path, &error));
            return inspection;
        }
    };
    inspection.bytes = Some(file.len());
    let image = match IsoImage::open(file.clone()) {
        Ok(image) => image,
        Err(error) => {
            inspection.failure = Some(error.to_string());
            return inspection;
        }
    };
    inspection.volume_id = Some(image.volume_id().to_owned());
    inspection.files = Some(image.entry_count());
    inspection.warnings = image.warnings().iter().map(ToString::to_string).collect();
    match recognise(&image, image.volume_id()) {
        Ok(media) => {
            let loaders = find_loaders(&image);
            let mut report = Report::new(&media, &loaders, embedded::embedded());
            for (id, runs_on) in runs_on(&image, &media.entries) {
                tell_of_firmware(&mut report, &id, runs_on);
            }
            inspection.report = Some(report);
        }
        Err(error) => inspection.failure = Some(format!("is {error}")),
    }
    inspection.check = Some(check(file, &image, verify));
    inspection
}

/// Notes at an offer that it starts on one kind of firmware alone. What only GRUB starts on UEFI is told for the whole image.
fn tell_of_firmware(report: &mut Report, id: &str, runs_on: RunsOn) {
    let needs = match runs_on {
        RunsOn::BiosOnly => "needs a BIOS",
        RunsOn::UefiOnly => "needs UEFI",
        RunsOn::Any | RunsOn::BiosOrGrub => return,
    };
    for offer in report.offers.iter_mut().filter(|offer| offer.id == id) {
        let more = offer.note.take().map_or_else(String::new, |note| format!("; {note}"));
        offer.note = Some(format!("{needs}{more}"));
    }
}

fn check(file: Arc<ImageFile>, tree: &dyn FileTree, verify: bool) -> Check {
    if !verify {
        let verification = Verification::new(tree, file.as_ref());
        return match verification.verdict() {
            Verdict::NoChecksum => Check { state: CheckState::NoChecksum, text: no_checksum() },
            Verdict::Damaged(damage) => Check { state: CheckState::Damaged, text: damage.to_string() },
            Verdict::Good { .. } => Check {
                state: CheckState::NotChecked,
                text: format!("not compared yet ({}): --verify does it", verification.basis()),
            },
        };
    }
    match Task::new(file, tree).run(None) {
        Some(report) => Check { state: state(&report), text: report.sentence() },
        None => Check { state: CheckState::NotChecked, text: "stopped".to_owned() },
    }
}

fn state(report: &CheckReport) -> CheckState {
    match &report.checked {
        Checked::Verdict(Verdict::Good { .. }) => CheckState::Good,
        Checked::Verdict(Verdict::NoChecksum) => CheckState::NoChecksum,
        Checked::Verdict(Verdict::Damaged(_)) => CheckState::Damaged,
        Checked::Unreadable(..) => CheckState::Unreadable,
    }
}

fn no_checksum() -> String {
    "none of its own: compare the file with the publisher's, by sha256sum".to_owned()
}

fn cannot_open(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => {
            format!(
                "is a folder without a file that ends in .iso or .img; see what is there with \"ls -l {}\"",
                path.display()
            )
        }
        io::ErrorKind::NotFound => {
            format!("is not there; see what is with \"ls -l {}\"", parent(path).display())
        }
        io::ErrorKind::PermissionDenied => {
            format!("may not be read ({error}); see who may with \"ls -l {}\"", path.display())
        }
        _ => format!("cannot be read: {error}"),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
