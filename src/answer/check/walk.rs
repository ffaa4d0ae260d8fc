//! A kickstart from its first line to its last: sections, commands, and what is wrong with each.
//!
//! Source: pykickstart `parser.py`. A section runs to `%end`; before EL6 it ran to the next section, and still may.

use std::collections::{BTreeMap, HashSet};

use super::super::Release;
use super::super::finding::{Finding, Severity};
use super::super::instead;
use super::super::lexer::{Line, SplitError, Word, first_word, lines, words, words_with_comment};
use super::super::nearest::nearest;
use super::super::options::{Given, read};
use super::super::rules::{CommandRule, RULES, State};
use super::commands;
use super::restart::{Restart, Scanner};

/// A line of `%packages`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackageLine {
    /// The line.
    pub(super) line: usize,
    /// Where the name begins.
    pub(super) column: usize,
    /// The text without its comment.
    pub(super) text: String,
}

/// A command of the file, with what advice looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// The name that its options are known under.
    pub(super) name: &'static str,
    /// The name in the file.
    pub(super) typed: String,
    /// The line.
    pub(super) line: usize,
    /// Where it begins.
    pub(super) column: usize,
    /// Options by their first name, with their value.
    pub(super) options: Vec<(&'static str, Option<String>, usize)>,
    /// Plain words and their columns.
    pub(super) words: Vec<Word>,
}

impl Seen {
    /// The last value of an option; the empty text for a flag.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let option = self.options.iter().rev().find(|(option, _, _)| *option == name);
        option.map(|(_, value, _)| value.as_deref().unwrap_or(""))
    }

    /// Where an option stands.
    pub(super) fn option_column(&self, name: &str) -> usize {
        self.options.iter().rev().find(|(option, _, _)| *option == name).map_or(1, |(_, _, column)| *column)
    }
}

/// What a walk through the file found.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    /// Errors and deprecated things.
    pub(super) findings: Vec<Finding>,
    /// The commands that the release knows, in their order.
    pub(super) seen: Vec<Seen>,
    /// First words of command lines that no release knows.
    pub(super) unknown: Vec<(String, usize)>,
    /// What stands in `%packages`.
    pub(super) packages: Vec<PackageLine>,
    /// The sections, with their lines.
    pub(super) sections: Vec<(String, usize)>,
    /// The lines on which commands stand.
    pub(super) command_lines: HashSet<usize>,
    /// Whether a command line includes another file.
    pub(super) includes: bool,
    /// Whether packages that are missing are to be passed over.
    pub(super) ignores_missing: bool,
    /// Commands in scripts after which the installer cannot say how it went: the section, the line.
    pub(super) restarts: Vec<(&'static str, usize, Restart)>,
    /// Whether any line has a word on it.
    has_content: bool,
}

impl Walk {
    /// The errors.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }

    /// Whether the installer stops.
    pub(super) fn has_errors(&self) -> bool {
        self.errors().next().is_some()
    }

    /// The first command of this name.
    pub(super) fn command(&self, name: &str) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.name == name)
    }

    fn error(&mut self, line: usize, column: usize, code: &'static str, message: impl Into<String>) {
        self.findings.push(Finding::at(Severity::Error, line, column, code, message));
    }
}

/// Where the walk is.
enum Place {
    Commands,
    /// Inside a section. Holds its name and line.
    Section(&'static str, usize),
}

/// The sections whose scripts run when an install is over, well or not.
const LATE_SCRIPTS: [&str; 3] = ["%post", "%onerror", "%traceback"];

/// Interpreters that read a shell's language.
const SHELLS: [&str; 6] = ["/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash", "/bin/dash", "/bin/ksh"];

/// Most findings before the walk ends: a file with so many is of another kind.
const MAX_FINDINGS: usize = 500;

/// Most names for which what was meant is looked for.
const MAX_GUESSES: usize = 50;

struct Walker {
    release: Release,
    /// How many names may still be guessed at.
    guesses: usize,
    walk: Walk,
    /// Commands that were there, by the name of their reader.
    commands: HashSet<&'static str>,
    /// What may be there once only.
    names: BTreeMap<(&'static str, String), usize>,
    place: Place,
    /// Whether the `%certificate` that is open has anything in it.
    has_certificate: bool,
    /// Reads the script that is open, where it is a shell's and runs when an install is over.
    script: Option<Scanner>,
}

/// Walks through `text` as the installer of `release` would.
pub(super) fn walk(text: &str, release: Release) -> Walk {
    walk_until(text, release, MAX_GUESSES, |walk| walk.findings.len() >= MAX_FINDINGS)
}

/// Whether the installer of `release` takes `text`, and when `is_strict` without a word against it. Looks no further than it
/// must.
pub(super) fn is_taken(text: &str, release: Release, is_strict: bool) -> bool {
    let is_enough: fn(&Walk) -> bool = match is_strict {
        true => |walk| !walk.findings.is_empty(),
        false => |walk| walk.has_errors() || walk.findings.len() >= MAX_FINDINGS,
    };
    let walk = walk_until(text, release, 0, is_enough);
    !walk.has_errors() && (!is_strict || walk.findings.is_empty())
}

fn walk_until(text: &str, release: Release, guesses: usize, is_enough: fn(&Walk) -> bool) -> Walk {
    let mut walker = Walker {
        release,
        guesses,
        walk: Walk::default(),
        commands: HashSet::new(),
        names: BTreeMap::new(),
        place: Place::Commands,
        has_certificate: false,
        script: None,
    };
    let mut last = 0;
    for line in lines(text) {
        last = line.number;
        if is_enough(&walker.walk) {
            return walker.walk;
        }
        match walker.place {
            Place::Commands => walker.command_line(line),
            Place::Section(name, opened) => walker.section_line(line, name, opened),
        }
    }
    if let Place::Section(name, opened) = walker.place
        && release.generation() >= 6
    {
        let message = format!("the section {name} of line {opened} has no %end before the end of the file");
        walker.walk.findings.push(
            Finding::at(Severity::Error, opened, 1, "missing-end", message)
                .instead(format!("write %end behind line {last}")),
        );
    }
    if !walker.walk.has_content {
        walker.walk.findings.push(Finding::whole(Severity::Error, "empty", "the file has no commands"));
    }
    walker.walk
}

impl Walker {
    fn command_line(&mut self, line: Line<'_>) {
        if line.is_blank_or_comment() {
            self.walk.has_content |= !line.text.trim().is_empty();
            return;
        }
        self.walk.has_content = true;
        self.walk.command_lines.insert(line.number);
        let words = match words(line) {
            Ok(words) => words,
            Err(error) => return self.split_error(line, error),
        };
        let Some((first, rest)) = words.split_first() else { return };
        match first.text.as_str() {
            "" => self.walk.error(line.number, first.column, "empty-command", "a command is empty"),
            "%include" => {
                if rest.first().is_none_or(|file| file.text.is_empty()) {
                    self.walk.error(line.number, first.column, "missing-value", "%include needs a file");
                }
                self.walk.includes = true;
            }
            "%ksappend" => self.walk.includes = true,
            section if section.starts_with('%') => self.open(line, first, rest),
            _ => self.command(line, first, rest),
        }
    }

    fn split_error(&mut self, line: Line<'_>, error: SplitError) {
        let (column, message) = match error {
            SplitError::OpenQuote(column) => (column, "a quote is opened and never closed"),
            SplitError::LoneBackslash(column) => (column, "the file ends behind a backslash"),
        };
        self.walk.error(line.number, column, "open-quote", message);
    }

    /// A line that begins a section.
    fn open(&mut self, line: Line<'_>, first: &Word, rest: &[Word]) {
        let Some(rule) = RULES.named(&first.text) else {
            let known = RULES.names(self.release).filter(|name| name.starts_with('%'));
            let message = format!("there is no section {}", first.text);
            let instead = match first.text.as_str() {
                "%end" => Some("leave it out: no section is open here".to_owned()),
                name => self.guess(name, known),
            };
            let finding = Finding::at(Severity::Error, line.number, first.column, "unknown-section", message);
            self.walk.findings.push(Finding { instead, ..finding });
            // What follows would be taken for commands, one error a line.
            if first.text != "%end" {
                self.place = Place::Section("%", line.number);
            }
            return;
        };
        if rule.state(self.release) == State::Deprecated {
            let message = format!("{} is deprecated in {}", rule.name, self.release);
            self.walk.findings.push(
                Finding::at(Severity::Deprecated, line.number, first.column, "deprecated-section", message)
                    .instead("write %onerror"),
            );
        }
        let mut given = read(rule, self.release, rest);
        commands::judge(&mut given, rule.name, rule.name, self.release);
        if rule.name == "%packages" {
            self.walk.ignores_missing |= given.has("--ignoremissing");
        }
        let is_shell = given.value("--interpreter").is_none_or(|program| SHELLS.contains(&program));
        self.script = (LATE_SCRIPTS.contains(&rule.name) && is_shell).then(Scanner::default);
        self.take_problems(line, first, given);
        self.walk.sections.push((rule.name.to_owned(), line.number));
        self.place = Place::Section(rule.name, line.number);
        self.has_certificate = false;
    }

    fn section_line(&mut self, line: Line<'_>, name: &'static str, opened: usize) {
        let is_script = !matches!(name, "%packages" | "%");
        if line.is_blank_or_comment() {
            return self.script_line(line, name);
        }
        let first = first_word(line.text);
        if first.starts_with('%') {
            let is_section = RULES.named(first).is_some();
            if is_section || matches!(first, "%end" | "%include") {
                return self.section_mark(line, first, name, opened);
            }
        }
        self.has_certificate = true;
        self.script_line(line, name);
        if name == "%packages" {
            self.package_line(line);
        } else if is_script && first == "%END" {
            let message = "%END is no %end: the section goes on";
            self.walk.findings.push(Finding::at(Severity::Advice, line.number, 1, "missing-end", message));
        }
    }

    fn script_line(&mut self, line: Line<'_>, name: &'static str) {
        let found = self.script.as_mut().and_then(|script| script.line(line.text));
        if let Some(restart) = found.filter(|_| self.walk.restarts.len() < MAX_FINDINGS) {
            self.walk.restarts.push((name, line.number, restart));
        }
    }

    /// `%end`, `%include`, or the beginning of another section.
    fn section_mark(&mut self, line: Line<'_>, first: &str, name: &'static str, opened: usize) {
        let words = match words_with_comment(line) {
            Ok(words) => words,
            Err(error) => return self.split_error(line, error),
        };
        match first {
            "%end" => {
                if name == "%certificate" && !self.has_certificate {
                    let message = "the certificate is empty";
                    self.walk.error(line.number, 1, "missing-value", message);
                }
                self.place = Place::Commands;
            }
            "%include" => {
                if words.get(1).is_none_or(|file| file.text.is_empty()) {
                    self.walk.error(line.number, 1, "missing-value", "%include needs a file");
                }
            }
            _ => {
                // EL5 takes it as the end of one section and the beginning of the next.
                if self.release.generation() >= 6 {
                    let number = line.number;
                    let message = format!("the section {name} of line {opened} has no %end before this one");
                    self.walk.findings.push(
                        Finding::at(Severity::Error, number, 1, "missing-end", message)
                            .instead(format!("write %end before line {number}")),
                    );
                }
                self.place = Place::Commands;
                self.command_line(line);
            }
        }
    }

    fn package_line(&mut self, line: Line<'_>) {
        let text = line.text.split('#').next().unwrap_or("");
        let name = text.trim();
        let column = text.chars().take_while(|c| c.is_whitespace()).count().saturating_add(1);
        if name == "-" {
            self.walk.error(line.number, column, "empty-name", "the name of a package is missing");
            return;
        }
        if let Some(group) = name.strip_prefix('@').filter(|group| !group.starts_with('^')) {
            let is_cut = |word: &str, full: &str| word.len() > 2 && full.starts_with(word);
            let has = |full: &str| group.split_whitespace().any(|word| is_cut(word, full));
            if has("--nodefaults") && has("--optional") {
                let message = "--nodefaults and --optional exclude each other";
                self.walk.error(line.number, column, "option-clash", message);
            }
        }
        self.walk.packages.push(PackageLine { line: line.number, column, text: name.to_owned() });
    }

    fn command(&mut self, line: Line<'_>, first: &Word, rest: &[Word]) {
        let release = self.release;
        let rule = RULES.named(&first.text);
        let state = rule.map_or(State::Unknown, |rule| rule.state(release));
        let Some(rule) = rule.filter(|_| state != State::Unknown) else {
            return self.unknown_command(line, first, rule);
        };
        let Some(reader) = RULES.reader(rule, release) else { return };
        self.commands.insert(reader.name);
        let clash = commands::conflicts(reader.name, release)
            .iter()
            .find(|other| **other != reader.name && self.commands.contains(*other));
        if let Some(other) = clash {
            let message = format!("{} cannot stand in one file with {other}", first.text);
            return self.walk.error(line.number, first.column, "command-clash", message);
        }
        match state {
            State::Removed => {
                let message = format!("{release} has no {} any more", first.text);
                let instead = instead::command(rule.name, release);
                let finding =
                    Finding::at(Severity::Error, line.number, first.column, "removed-command", message);
                self.walk.findings.push(Finding { instead, ..finding });
                return;
            }
            State::Deprecated => {
                let message = format!("{} has no effect any more in {release}", first.text);
                let instead = instead::command(rule.name, release);
                let severity = Severity::Deprecated;
                let finding = Finding::at(severity, line.number, first.column, "deprecated-command", message);
                self.walk.findings.push(Finding { instead, ..finding });
                return;
            }
            _ => {}
        }
        let mut given = read(reader, release, rest);
        commands::judge(&mut given, reader.name, &first.text, release);
        if given.problems.iter().all(|problem| problem.is_deprecated) {
            self.twice(line, reader.name, &given);
        }
        self.walk.seen.push(Seen {
            name: reader.name,
            typed: first.text.clone(),
            line: line.number,
            column: first.column,
            options: given
                .options
                .iter()
                .map(|option| (option.name, option.value.map(str::to_owned), option.column))
                .collect(),
            words: given.words().cloned().collect(),
        });
        self.take_problems(line, first, given);
    }

    fn unknown_command(&mut self, line: Line<'_>, first: &Word, rule: Option<&CommandRule>) {
        let release = self.release;
        if let Some(plain) = first.text.strip_prefix('\u{feff}') {
            let message = "the file begins with a byte order mark, which the installer takes for a letter";
            self.walk.findings.push(
                Finding::at(Severity::Error, line.number, 1, "encoding", message)
                    .instead(format!("save it without: sed -i '1s/^\\xef\\xbb\\xbf//' (before {plain})")),
            );
            return;
        }
        if rule.is_none() {
            self.walk.unknown.push((first.text.clone(), line.number));
        }
        let message = match rule {
            Some(_) => format!("{release} does not know {}", first.text),
            None => format!("there is no command {}", short(&first.text)),
        };
        let names = RULES.names(release).filter(|name| !name.starts_with('%'));
        let instead = instead::command(&first.text, release).or_else(|| self.guess(&first.text, names));
        let finding = Finding::at(Severity::Error, line.number, first.column, "unknown-command", message);
        self.walk.findings.push(Finding { instead, ..finding });
    }

    /// What was meant by a name, as advice.
    fn guess(&mut self, name: &str, known: impl Iterator<Item = &'static str>) -> Option<String> {
        self.guesses = self.guesses.checked_sub(1)?;
        nearest(name, known).map(|name| format!("write {name}"))
    }

    fn take_problems(&mut self, line: Line<'_>, first: &Word, given: Given<'_>) {
        for problem in given.problems {
            let severity = if problem.is_deprecated { Severity::Deprecated } else { Severity::Error };
            let column = problem.column.max(first.column);
            let finding = Finding::at(severity, line.number, column, problem.code, problem.message);
            self.walk.findings.push(Finding { instead: problem.instead, ..finding });
        }
    }

    /// Says so when the same thing was set up before.
    fn twice(&mut self, line: Line<'_>, command: &'static str, given: &Given<'_>) {
        let Some(name) = identity(command, given, self.release) else { return };
        if let Some(before) = self.names.get(&(command, name.clone())) {
            let what = if name.is_empty() { "without a device".to_owned() } else { name };
            let message = format!("{command} {} is there already, in line {before}", short(&what));
            // A second snapshot of a name is what the installer stops at, of all the others it takes both.
            let stops = matches!(command, "snapshot" | "realm" | "multipath");
            let severity = if stops { Severity::Error } else { Severity::Deprecated };
            self.walk.findings.push(Finding::at(severity, line.number, 1, "twice", message));
        } else {
            self.names.insert((command, name), line.number);
        }
    }
}

/// What two lines of one command must not have in common.
fn identity(command: &str, given: &Given<'_>, release: Release) -> Option<String> {
    let value = |name: &str| given.value(name).unwrap_or("").to_owned();
    let word = || given.words().next().map(|word| word.text.clone());
    Some(match command {
        "network" => value("--device"),
        "part" => word().map(|point| mount_point(&point)).filter(|point| point != "swap")?,
        "btrfs" => mount_point(&word()?),
        "mount" => mount_point(&given.words().nth(1)?.text),
        "raid" => {
            let device = value("--device");
            // Before Fedora 43 and EL10 the name of an array is what follows `md`.
            let keeps = release == Release::Enterprise(10) || matches!(release, Release::Fedora(43..));
            if keeps { device } else { device.strip_prefix("md").map(str::to_owned).unwrap_or(device) }
        }
        "logvol" => format!("{}/{}", value("--vgname"), value("--name")),
        "user" | "group" | "repo" | "snapshot" => value("--name"),
        "volgroup" | "stratispool" => word()?,
        "stratisfs" => format!("{}/{}", value("--poolname"), value("--name")),
        "sshpw" | "sshkey" => value("--username"),
        "fcoe" => value("--nic"),
        "device" if release.generation() >= 6 => word()?,
        "multipath" => value("--device"),
        "realm" => String::new(),
        "zfcp" => ["--devnum", "--wwpn", "--fcplun", "--scsiid", "--scsilun"].map(value).join(" "),
        "dmraid" => {
            let devices = given.options.iter().filter(|option| option.name == "--dev");
            let devices: Vec<&str> = devices.filter_map(|option| option.value).collect();
            format!("{} {}", value("--name"), devices.join(","))
        }
        "nvdimm" => format!("{} {} {}", word()?, value("--namespace"), value("--blockdevs")),
        "module" if release.generation() <= 9 => return None,
        _ => return None,
    })
}

/// A mount point without doubled and trailing slashes; a name without a slash as it is.
fn mount_point(text: &str) -> String {
    if !text.starts_with('/') {
        return text.to_owned();
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

/// A word from the file as it may stand in a message.
pub(super) fn short(text: &str) -> String {
    let shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().count() > 40 { format!("{shown}…") } else { shown }
}
