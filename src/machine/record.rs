//! What is kept of a machine across a restart: one line of text each.
//!
//! `52:54:00:12:34:56 failed tries 3 name node01 key 0c… since 1795348800 2026-11-22T12:00:00Z because no disk`
//!
//! A file is a journal: later lines win. The time stands there twice, for the program and for the reader; a line whose two
//! times differ is damaged and does not count. The secret itself is never written, only what it is recognised by.

use std::collections::HashSet;
use std::fmt;

use time::OffsetDateTime;
use time::macros::format_description;

use super::progress::{MAX_REASON, Phase, Progress};
use super::{Key, keys};
use crate::wire::MacAddr;

/// The latest time that can be written with four digits for the year: 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;

/// The longest line read, in bytes: a reason of four-byte characters, and the rest.
const MAX_LINE: usize = 4 * MAX_REASON + 512;

/// Longest name of a machine (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 253;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub mac: MacAddr,
    /// How far its install is.
    pub progress: Progress,
    /// What it is called, where it was given a name.
    pub name: Option<String>,
    /// By what the secret in its kickstart's URL is recognised.
    pub key: Option<Key>,
    /// What somebody chose from its menu, which waits for its next start.
    pub pick: Option<String>,
}

/// A line that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.what)
    }
}

impl Record {
    /// The line, without its newline.
    pub fn to_line(&self) -> String {
        let Progress { phase, tries, since, reason, has_reported, .. } = &self.progress;
        let since = (*since).min(LATEST);
        let reported = if *has_reported { " reported" } else { "" };
        let name = self.name.as_deref().unwrap_or("-");
        let key = self.key.map_or_else(|| "-".to_owned(), |key| key.to_string());
        let pick = self.pick.as_ref().map_or_else(String::new, |label| format!(" pick {label}"));
        let mut line = format!(
            "{} {}{reported} tries {tries} name {name} key {key}{pick} since {since} {}",
            self.mac,
            phase.key(),
            utc(since)
        );
        if let Some(reason) = reason {
            line.push_str(" because ");
            line.push_str(&clean(reason));
        }
        line
    }

    fn from_line(line: &[u8]) -> Result<Self, &'static str> {
        if line.len() > MAX_LINE {
            return Err("too long");
        }
        let text = std::str::from_utf8(line).map_err(|_| "not text")?;
        let (facts, reason) = match text.split_once(" because ") {
            Some((facts, reason)) => (facts, Some(clean(reason)).filter(|reason| !reason.is_empty())),
            None => (text, None),
        };
        let mut words = facts.split_ascii_whitespace().peekable();
        let mut word = |missing| words.next().ok_or(missing);
        let mac = word("no machine")?.parse().map_err(|_| "no such machine")?;
        let phase = word("no phase")?;
        let phase = Phase::ALL.into_iter().find(|it| it.key() == phase).ok_or("no such phase")?;
        let mut next = word("no tries")?;
        let has_reported = next == "reported";
        if has_reported {
            next = word("no tries")?;
        }
        if next != "tries" {
            return Err("no tries");
        }
        let tries = word("no tries")?.parse().map_err(|_| "no number of tries")?;
        if word("no name")? != "name" {
            return Err("no name");
        }
        let name = match word("no name")? {
            "-" => None,
            name => Some(keys::host_name(name.to_owned()).map_err(|_| "no such name")?),
        };
        if word("no key")? != "key" {
            return Err("no key");
        }
        let key = match word("no key")? {
            "-" => None,
            digits => Some(Key::from_digits(digits).ok_or("no such key")?),
        };
        let mut next = word("no time")?;
        let mut pick = None;
        if next == "pick" {
            let label = word("no choice")?;
            pick = Some(label.to_owned()).filter(|_| is_label(label));
            pick.as_ref().ok_or("no such choice")?;
            next = word("no time")?;
        }
        if next != "since" {
            return Err("no time");
        }
        let since = word("no time")?.parse().ok().filter(|since| *since <= LATEST).ok_or("no such time")?;
        if word("cut short")? != utc(since) {
            return Err("its two times differ");
        }
        if words.next().is_some() {
            return Err("more than a machine");
        }
        let progress = Progress { phase, tries, since, reason, has_reported, ..Progress::default() };
        Ok(Self { mac, progress, name, key, pick })
    }
}

/// Longest label of a menu, in bytes.
const MAX_LABEL: usize = 128;

/// Whether this can be a label of a menu.
fn is_label(text: &str) -> bool {
    text.len() <= MAX_LABEL
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Reads a file: the last record of each machine in their order, how many lines there are, and those that do not count.
/// Empty lines and comments (`#`) are skipped; a last line without its newline is torn, whatever it says.
pub fn parse_lines(bytes: &[u8]) -> (Vec<Record>, usize, Vec<BadLine>) {
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let Some(line) = line.strip_suffix(b"\n") else {
            bad.push(BadLine { number, what: "torn: no newline at its end" });
            break;
        };
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match Record::from_line(line) {
            Ok(record) => records.push(record),
            Err(what) => bad.push(BadLine { number, what }),
        }
    }
    let count = records.len();
    let mut seen = HashSet::new();
    let mut latest: Vec<_> = records.into_iter().rev().filter(|record| seen.insert(record.mac)).collect();
    latest.reverse();
    (latest, count, bad)
}

/// A reason that stays on its line.
fn clean(reason: &str) -> String {
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    reason.trim().to_owned()
}

/// `2026-11-22T12:00:00Z` (RFC 3339).
fn utc(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    moment.and_then(|moment| moment.format(format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(last: u8, phase: Phase, reason: Option<&str>) -> Record {
        let reason = reason.map(str::to_owned);
        Record {
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            progress: Progress {
                phase,
                tries: 2,
                since: 1_795_348_800,
                reason,
                has_reported: last == 1,
                ..Progress::default()
            },
            name: (last != 2).then(|| format!("node{last:02}")),
            key: (last != 3).then(|| Key::of("0123")),
            pick: (last == 2).then(|| "el9-text".to_owned()),
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let records = [
            record(1, Phase::Installing, None),
            record(2, Phase::Done, None),
            record(3, Phase::Failed, Some("no disk because of \u{1f4a5} = it broke")),
        ];
        let text: String = records.iter().map(|record| record.to_line() + "\n").collect();
        let first = text.lines().next().expect("a line");
        assert!(
            first.starts_with("02:00:00:00:00:01 installing reported tries 2 name node01 key ")
                && first.ends_with(" since 1795348800 2026-11-22T12:00:00Z"),
            "{text}"
        );
        assert_eq!(parse_lines(text.as_bytes()), (records.to_vec(), 3, Vec::new()));
    }

    #[test]
    fn a_reason_adds_no_line() {
        let line = record(1, Phase::Failed, Some("a\nb\u{1b}[2J")).to_line();
        assert!(line.ends_with(" because a b [2J"), "{line}");
    }

    #[test]
    fn the_last_line_of_a_machine_counts_and_damaged_ones_do_not() {
        let (old, new) = (record(1, Phase::Booting, None), record(1, Phase::Done, None));
        let whole = new.to_line();
        let text = format!("# machines\n\n{}\n{whole}\n{}", old.to_line(), old.to_line());
        let (records, count, bad) = parse_lines(text.as_bytes());
        assert_eq!((records, count), (vec![new], 2));
        assert_eq!(bad, [BadLine { number: 5, what: "torn: no newline at its end" }]);
        for damaged in [
            whole.replace("12:00:00Z", "12:00:01Z"),
            whole.replace("done", "gone"),
            whole.replace("tries 2", "tries 2000"),
            whole.replace("key ", "key 0"),
            whole.replace(" since", " pick since"),
            whole.replace(" since", " pick a/b since"),
            format!("{whole} x"),
            "\u{fffd}".repeat(1000),
        ] {
            let (records, _, bad) = parse_lines(format!("{damaged}\n").as_bytes());
            assert!(records.is_empty() && bad.len() == 1, "{damaged}");
        }
    }
}
