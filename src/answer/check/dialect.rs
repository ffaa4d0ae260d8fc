//! Files that are no kickstarts of ours: templates, and the answer files of other systems.

use super::super::finding::{Finding, Severity};
use super::super::lexer::lines;
use super::walk::Walk;

/// How files of other systems begin, and what they are.
const OTHERS: [(&str, &str); 6] = [
    ("#cloud-config", "a cloud-init file, such as Ubuntu's autoinstall"),
    ("d-i ", "a preseed file of Debian's installer"),
    ("<?xml", "XML, such as AutoYaST's or Windows' answer files"),
    ("{", "JSON, such as Ignition's"),
    ("autoinstall:", "Ubuntu's autoinstall"),
    ("#!ipxe", "a script of iPXE"),
];

/// Commands of other systems' kickstarts, and whose they are.
const DIALECTS: [(&str, &str); 8] = [
    ("vmaccepteula", "VMware ESXi"),
    ("accepteula", "VMware ESXi"),
    ("dryrun", "VMware ESXi"),
    ("installorupgrade", "VMware ESXi"),
    ("vmserialnum", "VMware ESXi"),
    ("preseed", "Ubuntu's older installer"),
    ("%firstboot", "VMware ESXi"),
    ("keyboard-configuration", "Ubuntu's older installer"),
];

/// Marks of template languages, and what renders them.
const TEMPLATES: [(&str, &str); 6] = [
    ("{{", "Jinja"),
    ("{%", "Jinja"),
    ("$SNIPPET(", "Cobbler (Cheetah)"),
    ("<%", "Foreman (ERB)"),
    ("${", "Packer, Terraform or a shell"),
    ("@@", "some program that fills in what stands between @@"),
];

/// Lines that Cheetah reads and a kickstart takes for comments.
const CHEETAH: [&str; 6] = ["#if $", "#set $", "#for $", "#end if", "#end for", "#raw"];

/// What the file is, where it is not a kickstart of the Red Hat family as it stands.
pub(super) fn foreign(text: &str, walk: &Walk) -> Option<Finding> {
    if let Some((line, kind)) = template(text, walk) {
        let message = format!("this is a template of {kind}, not yet a kickstart");
        let instead = match kind {
            "Jinja" => {
                "give the file a name that ends in .j2: then it is filled in for each machine, and so checked"
            }
            _ => "render it first, then check what comes out",
        };
        return Some(Finding::at(Severity::Error, line, 1, "template", message).instead(instead));
    }
    let first = text.trim_start();
    if let Some((_, what)) = OTHERS.iter().find(|(start, _)| first.starts_with(start)) {
        let message = format!("this is {what}, not a kickstart");
        return Some(Finding::at(Severity::Error, 1, 1, "other-format", message));
    }
    let dialect = |word: &str| DIALECTS.iter().find(|(name, _)| *name == word).map(|(_, whose)| *whose);
    let unknown = walk.unknown.iter().find_map(|(word, line)| Some((dialect(word)?, *line)));
    let (whose, line) = unknown.or_else(|| ubuntu(walk))?;
    let message =
        format!("this is a kickstart of {whose}, which the installer of Red Hat's family does not read");
    Some(Finding::at(Severity::Error, line, 1, "other-dialect", message))
}

/// Ubuntu's own options of known commands.
fn ubuntu(walk: &Walk) -> Option<(&'static str, usize)> {
    let is_own = |finding: &&Finding| {
        finding.message == unknown("rootpw", "--disabled", &finding.message)
            || finding.message == unknown("user", "--fullname", &finding.message)
    };
    walk.findings.iter().find(is_own).map(|finding| ("Ubuntu's older installer", finding.line))
}

/// The message about an unknown option, whatever the release in it.
fn unknown(command: &str, option: &str, message: &str) -> String {
    let release = message.split_whitespace().nth(2).unwrap_or_default();
    format!("{command} of {release} has no option {option}")
}

/// The first mark of a template among the commands, and the language.
fn template(text: &str, walk: &Walk) -> Option<(usize, &'static str)> {
    lines(text).find_map(|line| {
        let trimmed = line.text.trim_start();
        // A snippet may stand anywhere; the other marks mean something else in scripts.
        if trimmed.starts_with("$SNIPPET(") || CHEETAH.iter().any(|mark| trimmed.starts_with(mark)) {
            return Some((line.number, "Cobbler (Cheetah)"));
        }
        if !walk.command_lines.contains(&line.number) {
            return None;
        }
        let found = TEMPLATES.iter().find(|(mark, _)| line.text.contains(mark))?;
        Some((line.number, found.1))
    })
}
