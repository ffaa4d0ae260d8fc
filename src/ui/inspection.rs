//! What `pxego inspect` says of an image: lines for people, or one JSON object.

use serde_json::{Value, json};

use super::line::escape;
use crate::event::human_bytes;
use crate::media::report::{Boot, Offer, Report};
use crate::media::{AnswerKind, EntryKind, Medium};

/// Everything that was found out about one image. What could not be is `None`.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    /// The file, as the user named it.
    pub file: String,
    /// Its length.
    pub bytes: Option<u64>,
    /// The volume id.
    pub volume_id: Option<String>,
    /// Files and directories on it.
    pub files: Option<usize>,
    /// What is odd about it; one sentence each.
    pub warnings: Vec<String>,
    /// What it is and what boots from it.
    pub report: Option<Report>,
    /// Why it cannot be used, as it goes on after the file's name, and what to do.
    pub failure: Option<String>,
    /// Its checksums.
    pub check: Option<Check>,
}

/// What is known of an image's own checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// In a word.
    pub state: CheckState,
    /// In a sentence.
    pub text: String,
}

/// How far an image was compared with its own checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// It has some.
    NotChecked,
    /// It has none.
    NoChecksum,
    /// They agree.
    Good,
    /// One does not.
    Damaged,
    /// A part of the image could not be read.
    Unreadable,
}

impl CheckState {
    fn key(self) -> &'static str {
        match self {
            Self::NotChecked => "not checked",
            Self::NoChecksum => "no checksum",
            Self::Good => "good",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
        }
    }

    fn is_well(self) -> bool {
        !matches!(self, Self::Damaged | Self::Unreadable)
    }
}

impl Inspection {
    /// Whether nothing is missing or damaged.
    pub fn is_well(&self) -> bool {
        let is_complete = self.report.as_ref().is_some_and(|report| report.missing.is_empty());
        is_complete && self.failure.is_none() && self.check.as_ref().is_none_or(|check| check.state.is_well())
    }
}

/// `1 package`, `2 packages`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Width of the first column.
const LABEL: usize = 11;

/// Lines under a heading.
struct Page(String);

impl Page {
    /// A line; those after the first of a block have no label.
    fn block(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        let mut label = label;
        for line in lines {
            let line = format!("\n  {label:<LABEL$} {}", escape(&line));
            self.0.push_str(line.trim_end());
            label = "";
        }
    }
}

/// Some lines. Names from the image are escaped: a control byte would drive the terminal.
pub fn for_people(inspection: &Inspection) -> String {
    let Inspection { file, bytes, volume_id, files, warnings, report, failure, check } = inspection;
    let title = match (report, failure) {
        (Some(report), _) => format!(": {}", report.name),
        (None, Some(failure)) => format!(" {failure}"),
        (None, None) => String::new(),
    };
    // A failure can be long, and is the whole answer.
    let mut page = Page(title.split('\n').map(escape_whole).collect::<Vec<_>>().join("\n"));
    page.0.insert_str(0, &escape_whole(file));
    let size = bytes.map(human_bytes);
    let volume = volume_id.as_ref().map(|id| format!("volume id {id:?}"));
    let count = files.map(|count| counted(count, "file or directory", "files and directories"));
    let known: Vec<String> = [size, volume, count].into_iter().flatten().collect();
    page.block("image", (!known.is_empty()).then(|| known.join(", ")));
    if let Some(report) = report {
        of_report(&mut page, report);
    }
    page.block("checksums", check.iter().map(|check| check.text.clone()));
    page.block("odd", warnings.clone());
    page.block("missing", report.iter().flat_map(|report| report.missing.clone()));
    page.0
}

fn of_report(page: &mut Page, report: &Report) {
    let product = match &report.version {
        Some(version) => format!("{} {version}", report.product),
        None => format!("{}, release unknown", report.product),
    };
    let arch = format!("for {}", report.arch);
    let medium = report.medium.word().to_owned();
    let known: Vec<String> = [product, arch, medium].into_iter().filter(|it| !it.is_empty()).collect();
    page.block("product", [known.join(", ")]);
    page.block("known by", report.evidence.clone());
    page.block("boots on", report.boots.iter().flat_map(boot_lines));
    page.block("no loader", report.no_loaders.clone());
    let longest = report.offers.iter().map(|offer| offer.id.chars().count()).max().unwrap_or(0).min(24);
    page.block("offers", report.offers.iter().map(|offer| offer_line(offer, longest)));
    page.block("answers", [answer_text(report.answer).to_owned()]);
    // Of an unknown image nobody knows.
    if report.memory_mib > 0 {
        page.block("memory", [format!("{} MiB at least", report.memory_mib)]);
    }
    if report.medium != Medium::NetworkInstall {
        let places = report.repositories.iter().map(|path| if path.is_empty() { "/" } else { path.as_str() });
        page.block(
            "packages",
            [places.collect::<Vec<_>>().join(", ")].into_iter().filter(|it| !it.is_empty()),
        );
    }
    page.block("note", report.notes.iter().flat_map(|note| sentences(note)));
}

/// Each sentence for a line of its own: what stands behind the first is what to do.
fn sentences(note: &str) -> impl Iterator<Item = String> {
    note.split_inclusive(". ").map(|sentence| sentence.trim_end().to_owned())
}

/// Width of the column of firmware.
const FIRMWARE: usize = 10;

fn boot_lines(boot: &Boot) -> Vec<String> {
    let mut text = format!("{:<FIRMWARE$} {}", boot.firmware.name(), boot.loader);
    // Its path tells where a file of the tree is.
    let is_in_tree = !boot.is_built_in && boot.loader.starts_with(boot.origin.as_str());
    // Of several packages each has a line: their names are long.
    let packages: Vec<&str> = boot.origin.split(", ").filter(|_| !is_in_tree).collect();
    if let [origin] = packages.as_slice() {
        text.push_str(&format!(" ({origin})"));
    }
    if let Some(signer) = &boot.secure_boot {
        text.push_str(&format!(", Secure Boot (signed by {signer})"));
    }
    if boot.http_boot {
        text.push_str(", HTTP Boot");
    }
    let packages = packages.iter().filter(|_| packages.len() > 1);
    let lines = packages.map(|package| format!("{:<FIRMWARE$}   from {package}", ""));
    std::iter::once(text).chain(lines).collect()
}

fn offer_line(offer: &Offer, width: usize) -> String {
    let note = offer.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    format!("{:<width$}  {}{note}", offer.id, offer.title)
}

fn answer_text(answer: AnswerKind) -> &'static str {
    match answer {
        AnswerKind::None => "none: it takes no answer file",
        AnswerKind::Kickstart => "a kickstart (--ks FILE)",
        AnswerKind::AutoYast => "an AutoYaST profile (--ks FILE)",
        AnswerKind::Agama => "an Agama profile (--ks FILE)",
        AnswerKind::Ignition => "an Ignition configuration (--ks FILE)",
        AnswerKind::Preseed => "a preseed file (--ks FILE)",
        AnswerKind::Autoinstall => "an autoinstall file, user-data (--ks FILE)",
        AnswerKind::Script => "a script (--ks FILE)",
        AnswerKind::Apkovl => "an apkovl archive (--ks FILE)",
        AnswerKind::MachineConfig => "a machine configuration (--ks FILE)",
    }
}

/// One JSON object on one line.
pub fn for_programs(inspection: &Inspection) -> String {
    let Inspection { file, bytes, volume_id, files, warnings, report, failure, check } = inspection;
    let mut object = json!({
        "file": file,
        "well": inspection.is_well(),
        "bytes": bytes,
        "volume_id": volume_id,
        "files": files,
        "failure": failure,
        "warnings": warnings,
        "check": check.as_ref().map(|check| json!({ "state": check.state.key(), "text": check.text })),
    });
    if let (Some(report), Value::Object(fields)) = (report, &mut object)
        && let Value::Object(more) = report_value(report)
    {
        fields.extend(more);
    }
    object.to_string()
}

fn report_value(report: &Report) -> Value {
    let boots = report.boots.iter().map(|boot| {
        json!({
            "firmware": boot.firmware.key(),
            "loader": boot.loader,
            "origin": boot.origin,
            "built_in": boot.is_built_in,
            "secure_boot": boot.secure_boot,
            "http_boot": boot.http_boot,
        })
    });
    let offers = report.offers.iter().map(|offer| {
        json!({ "id": offer.id, "title": offer.title, "kind": kind_key(offer.kind), "note": offer.note })
    });
    json!({
        "name": report.name,
        "family": report.family,
        "known": report.known,
        "product": report.product,
        "version": report.version,
        "arch": report.arch,
        "medium": report.medium.word(),
        "evidence": report.evidence,
        "boots": boots.collect::<Vec<_>>(),
        "no_loaders": report.no_loaders,
        "offers": offers.collect::<Vec<_>>(),
        "answer": answer_key(report.answer),
        "memory_mib": report.memory_mib,
        "repositories": report.repositories,
        "notes": report.notes,
        "missing": report.missing,
    })
}

fn kind_key(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Install => "install",
        EntryKind::Text => "text",
        EntryKind::Rescue => "rescue",
        EntryKind::Live => "live",
        EntryKind::Tool => "tool",
        EntryKind::Local => "local",
        EntryKind::Other => "other",
    }
}

fn answer_key(answer: AnswerKind) -> Option<&'static str> {
    Some(match answer {
        AnswerKind::None => return None,
        AnswerKind::Kickstart => "kickstart",
        AnswerKind::AutoYast => "autoyast",
        AnswerKind::Agama => "agama",
        AnswerKind::Ignition => "ignition",
        AnswerKind::Preseed => "preseed",
        AnswerKind::Autoinstall => "autoinstall",
        AnswerKind::Script => "script",
        AnswerKind::Apkovl => "apkovl",
        AnswerKind::MachineConfig => "machineconfig",
    })
}

/// The whole text, with everything escaped that a terminal would act on.
fn escape_whole(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(100).map(|piece| escape(&piece.iter().collect::<String>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::report::Firmware;

    #[test]
    fn what_an_image_says_of_itself_neither_drives_a_terminal_nor_breaks_json() {
        let inspection = Inspection {
            file: "a\u{1b}[2J.iso".to_owned(),
            bytes: Some(1_500_000),
            volume_id: Some("x\"]\n[evil]\u{7}\ny = '''".to_owned()),
            failure: Some("is \"odd\"\u{9b}".to_owned()),
            ..Inspection::default()
        };
        let text = for_people(&inspection);
        assert!(text.chars().all(|it| it == '\n' || !it.is_control()), "{text:?}");
        assert_eq!(text.lines().count(), 2, "{text}");
        let object = for_programs(&inspection);
        assert!(!object.contains('\n') && !object.contains('\u{1b}'), "{object}");
        let value: Value = serde_json::from_str(&object).expect("JSON");
        assert_eq!(value["volume_id"], inspection.volume_id.clone().unwrap());
        assert_eq!((&value["well"], &value["bytes"]), (&json!(false), &json!(1_500_000)));
    }

    #[test]
    fn a_loader_of_several_packages_names_each_on_a_line() {
        let mut boot = Boot {
            firmware: Firmware::X64,
            loader: "loaders/x64/bootx64.efi".to_owned(),
            origin: "pool/shim.deb, pool/grub.deb".to_owned(),
            is_built_in: false,
            secure_boot: Some("Microsoft".to_owned()),
            http_boot: false,
        };
        let first = "UEFI x64   loaders/x64/bootx64.efi, Secure Boot (signed by Microsoft)";
        let from = |package| format!("             from {package}");
        assert_eq!(boot_lines(&boot), [first.to_owned(), from("pool/shim.deb"), from("pool/grub.deb")]);
        "efiboot.img".clone_into(&mut boot.origin);
        assert!(boot_lines(&boot)[0].contains("bootx64.efi (efiboot.img), Secure Boot"));
    }

    #[test]
    fn one_is_not_many() {
        let of = |files| for_people(&Inspection { files: Some(files), ..Inspection::default() });
        assert!(of(1).contains(" 1 file or directory") && of(30).contains(" 30 files and directories"));
    }

    #[test]
    fn a_long_reason_is_told_whole() {
        let failure = format!("is no image: {}", "looked for this, ".repeat(40));
        let inspection =
            Inspection { failure: Some(failure.clone()), file: "f".to_owned(), ..Inspection::default() };
        assert!(for_people(&inspection).contains(failure.trim()));
    }
}
