//! Our verdict on kickstarts against pykickstart's, the parser that the installers read with.
#![allow(clippy::disallowed_methods)]

#[path = "common/pykickstart.rs"]
mod pykickstart;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pxego::answer::Release;
use pxego::answer::check::{Against, check};
use pxego::answer::finding::{Report, Severity};
use pykickstart::{Judgement, judge, python, script};

fn report(text: &[u8], release: Release) -> Report {
    check(text, Against { release, repository: None, served: None })
}

fn verdict(report: &Report) -> &'static str {
    match (report.count(Severity::Error), report.count(Severity::Deprecated)) {
        (1.., _) => "error",
        (0, 1..) => "deprecated",
        (0, 0) => "clean",
    }
}

fn lines(report: &Report, severity: Severity) -> BTreeSet<usize> {
    report
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| finding.line)
        .collect()
}

/// Findings that we place elsewhere: a missing `%end` where its section begins, and what is said once for a whole file.
const ELSEWHERE: [&str; 4] = ["missing-end", "template", "other-dialect", "other-format"];

/// How the two differ; nothing when they agree.
fn difference(report: &Report, judge: &Judgement) -> Option<String> {
    let (ours, theirs) = (lines(report, Severity::Error), judge.error_lines());
    // Where the judge gave up, only what is before it is comparable.
    let end = if judge.fatal { theirs.iter().max().copied().unwrap_or(0) } else { usize::MAX };
    let both = |lines: &BTreeSet<usize>| -> BTreeSet<usize> {
        lines.iter().copied().filter(|line| *line > 0 && (*line < end)).collect()
    };
    // A line with an error is not warned about as well.
    let calm = |lines: BTreeSet<usize>| -> BTreeSet<usize> {
        both(&lines).difference(&theirs).copied().filter(|line| !ours.contains(line)).collect()
    };
    let unplaced = theirs.contains(&0);
    let is_elsewhere = report.findings.iter().any(|finding| ELSEWHERE.contains(&finding.code));
    let same_errors = both(&ours) == both(&theirs) || unplaced || is_elsewhere;
    let warnings = (calm(lines(report, Severity::Deprecated)), calm(judge.warning_lines()));
    let same_warnings =
        warnings.0 == warnings.1 || judge.warning_lines().contains(&0) || unplaced || is_elsewhere;
    (verdict(report) != judge.verdict || !same_errors || !same_warnings).then(|| {
        format!(
            "{}: we say {}, it says {}\n  ours: {}\n  its: {:?} {:?}",
            report.release,
            verdict(report),
            judge.verdict,
            report
                .findings
                .iter()
                .filter(|finding| finding.severity != Severity::Advice)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" | "),
            judge.errors,
            judge.warnings
        )
    })
}

/// The table is what pykickstart says, of the version that it was made with.
#[test]
fn the_table_is_what_pykickstart_says() {
    let output = Command::new(python()).arg(script("table.py")).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).expect("the table is text");
    let differs: Vec<(&str, &str)> =
        include_str!("../src/answer/rules.tsv").lines().zip(table.lines()).filter(|(a, b)| a != b).collect();
    assert!(differs.is_empty(), "{differs:#?}; make it anew as tests/kickstart/table.py says");
}

/// Kickstarts that we wrote, good and broken, each for every release.
fn cases() -> Vec<(String, Vec<u8>)> {
    let text = include_str!("kickstart/cases.txt");
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("### ") {
            Some(name) => cases.push((name.trim().to_owned(), Vec::new())),
            None => cases.last_mut().expect("a name comes first").1.extend(unescaped(line).bytes_()),
        }
    }
    cases
}

/// Bytes that cannot stand in a text file: `<<e9>>` is one.
struct Unescaped(Vec<u8>);

impl Unescaped {
    fn bytes_(self) -> Vec<u8> {
        self.0
    }
}

fn unescaped(line: &str) -> Unescaped {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("<<") {
        bytes.extend(before.bytes());
        let code = after.get(..4).filter(|code| code.ends_with(">>"));
        match code.and_then(|code| u8::from_str_radix(&code[..2], 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[4..];
            }
            None => {
                bytes.extend(b"<<");
                rest = after;
            }
        }
    }
    // `<<no end>>` at the end of a line takes its end away.
    bytes.extend(rest.bytes());
    if bytes.ends_with(b"<<no end>>\n") {
        bytes.truncate(bytes.len() - b"<<no end>>\n".len());
    }
    Unescaped(bytes)
}

#[test]
fn our_verdict_is_pykickstarts_but_for_differences_that_are_explained() {
    let explained: BTreeSet<&str> = include_str!("kickstart/differences.md")
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.split(" (").next())
        .collect();
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let all: Vec<(Release, Vec<u8>)> = cases
        .iter()
        .flat_map(|(_, text)| Release::ALL.into_iter().map(move |release| (release, text.clone())))
        .collect();
    let judgements = judge(&all);
    let mut differences = BTreeMap::<&str, Vec<String>>::new();
    let mut verdicts = BTreeMap::<&str, usize>::new();
    for (index, ((release, text), judgement)) in all.iter().zip(&judgements).enumerate() {
        let report = report(text, *release);
        *verdicts.entry(verdict(&report)).or_default() += 1;
        if let Some(difference) = difference(&report, judgement) {
            let name = cases[index / Release::ALL.len()].0.as_str();
            differences.entry(name).or_default().push(difference);
        }
    }
    let unexplained: Vec<String> = differences
        .iter()
        .filter(|(name, _)| !explained.contains(*name))
        .map(|(name, list)| format!("{name}\n{}", list.join("\n")))
        .collect();
    assert!(unexplained.is_empty(), "{} cases differ:\n{}", unexplained.len(), unexplained.join("\n"));
    let gone: Vec<&&str> = explained.iter().filter(|name| !differences.contains_key(**name)).collect();
    assert!(gone.is_empty(), "explained, and no longer different: {gone:?}");
    eprintln!("{} cases, {} judgements, {verdicts:?}, {} explained", cases.len(), all.len(), explained.len());
    assert!(verdicts.len() == 3 && verdicts.values().all(|count| *count >= 100), "{verdicts:?}");
}

/// xorshift64* (Vigna).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// Names, options and kinds, as the table has them.
fn vocabulary() -> BTreeMap<&'static str, Vec<(&'static str, &'static str)>> {
    let mut words = BTreeMap::<_, Vec<_>>::new();
    for line in include_str!("../src/answer/rules.tsv").lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let options = words.entry(fields[0]).or_default();
        if !fields[1].is_empty() {
            options.extend(fields[1].split('|').map(|name| (name, fields[2])));
        }
    }
    words.retain(|name, _| !name.starts_with('%'));
    words
}

/// A line that is often right.
fn line(random: &mut Random, words: &BTreeMap<&str, Vec<(&str, &str)>>) -> String {
    let names: Vec<&str> = words.keys().copied().collect();
    let name = random.one_of(&names);
    // What excludes most others would hide them.
    let name = if ["autopart", "mount"].contains(&name) && random.below(8) > 0 { "part" } else { name };
    let options = &words[name];
    let mut line = name.to_owned();
    let plain = |random: &mut Random| {
        random.one_of(&[
            "us", "/boot", "/", "swap", "pv.01", "vg", "vg/lv", "sda", "a", "$6$x$y", "'a b'", "''", "-1",
        ])
    };
    for _ in 0..random.below(3) {
        let word = plain(random);
        line += &format!(" {word}");
    }
    for _ in 0..random.below(5).min(options.len()) {
        let (option, kind) = options[random.below(options.len())];
        let option = if random.below(12) == 0 { &option[..option.len() - 1] } else { option };
        let values: Vec<&str> = match kind.split_once(':') {
            Some((_, list)) => list.split(',').chain(["x"]).collect(),
            None if kind == "int" => vec!["1", "100", "0", "-1", "x", "1.5"],
            None if kind == "bool" => vec!["yes", "off", "maybe"],
            None => vec!["a", "vg", "sda,sdb", "a=b", "ext4", "btrfs", "luks2-x", "", "'x y'", "http://a/"],
        };
        let value = random.one_of(&values);
        line += &match (kind, random.below(10)) {
            ("flag", 1..) => format!(" {option}"),
            (_, 0..=6) => format!(" {option}={value}"),
            (_, 7..=8) => format!(" {option} {value}"),
            _ => format!(" {option}"),
        };
    }
    if random.below(3) == 0 {
        let word = plain(random);
        line += &format!(" {word}");
    }
    line + "\n"
}

/// Lines made at random from the table's words, right and wrong.
#[test]
fn random_lines_are_judged_as_pykickstart_judges_them() {
    let count = std::env::var("PXEGO_LINES").ok().map_or(40, |text| text.parse().expect("a number"));
    let words = vocabulary();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let cases: Vec<(Release, Vec<u8>)> = Release::ALL
        .into_iter()
        .flat_map(|release| std::iter::repeat_n(release, 12))
        .map(|release| {
            let text: String = (0..count).map(|_| line(&mut random, &words)).collect();
            (release, text.into_bytes())
        })
        .collect();
    let judgements = judge(&cases);
    let differences: Vec<String> = cases
        .iter()
        .zip(&judgements)
        .filter_map(|((release, text), judgement)| {
            let report = report(text, *release);
            let (ours, theirs) = (lines(&report, Severity::Error), judgement.error_lines());
            let text = String::from_utf8_lossy(text);
            let differs: Vec<String> = ours
                .symmetric_difference(&theirs)
                .map(|line| {
                    let said: Vec<String> = report
                        .findings
                        .iter()
                        .filter(|finding| finding.line == *line)
                        .map(ToString::to_string)
                        .collect();
                    let its: Vec<&(usize, String)> =
                        judgement.errors.iter().filter(|(number, _)| number == line).collect();
                    format!("{release}: {}\n   {said:?} {its:?}", text.lines().nth(*line - 1).unwrap_or("?"))
                })
                .collect();
            (!differs.is_empty()).then(|| differs.join("\n"))
        })
        .collect();
    let clean = cases
        .iter()
        .map(|(release, text)| lines(&report(text, *release), Severity::Error).len())
        .sum::<usize>();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let all = cases.len() * count;
    assert!(clean > all / 10 && clean < all * 9 / 10, "{clean} of {all} lines are wrong");
}
