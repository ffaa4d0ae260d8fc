//! The words of one command as options, values and plain words, as the installer's own parser reads them.
//!
//! That parser is Python's `argparse`: `--x=y` equals `--x y`, a long option may be cut to any prefix that fits one name,
//! a word that begins with `-` is an option unless it is a negative number or has a space in it.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use super::Release;
use super::lexer::Word;
use super::nearest::nearest;
use super::rules::{CommandRule, Kind, OptionRule, State, Words};

/// Commands that take their further words wherever they stand between options.
const SCATTERED: [&str; 8] =
    ["raid", "volgroup", "stratispool", "btrfs", "device", "key", "langsupport", "zerombr"];

/// Most problems of one line that are kept: one is enough to mend it.
const MAX_PROBLEMS: usize = 20;

/// Something that is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where, in characters from 1.
    pub(super) column: usize,
    /// Whether it stops nothing: the word is read and has no effect.
    pub(super) is_deprecated: bool,
    /// A stable word for this kind of problem.
    pub(super) code: &'static str,
    /// What is wrong, as a sentence without its end.
    pub(super) message: String,
    /// What to write.
    pub(super) instead: Option<String>,
}

/// An option that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenOption<'a> {
    /// The name it is known by.
    pub(super) name: &'static str,
    /// Its value.
    pub(super) value: Option<&'a str>,
    /// What kind of value that is.
    pub(super) kind: Kind,
    /// Where it stands.
    pub(super) column: usize,
}

/// One command's words, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given<'a> {
    /// The options, in their order.
    pub(super) options: Vec<GivenOption<'a>>,
    /// The plain words, in runs between the options.
    pub(super) runs: Vec<Vec<&'a Word>>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
}

impl<'a> Given<'a> {
    /// The last of this option's values; the empty text for a flag.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|option| option.name == name).map(|option| option.value.unwrap_or(""))
    }

    /// Whether the option was given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|option| option.name == name)
    }

    /// Whether the option was given a value that counts: not the empty text, not zero.
    pub(super) fn counts(&self, name: &str) -> bool {
        self.options.iter().rev().find(|option| option.name == name).is_some_and(|option| {
            match option.value {
                Some(value) if option.kind == Kind::Number => parse_number(value) != Some(0),
                Some(value) => !value.is_empty(),
                None => true,
            }
        })
    }

    /// The value as a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(parse_number)
    }

    /// Where the option stands; 1 when it was not given.
    pub(super) fn column(&self, name: &str) -> usize {
        self.options.iter().rev().find(|option| option.name == name).map_or(1, |option| option.column)
    }

    /// All plain words.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a Word> {
        self.runs.iter().flatten().copied()
    }

    /// The first plain word.
    pub(super) fn first_word(&self) -> Option<&'a Word> {
        self.words().next()
    }

    /// Adds a problem that stops the installer.
    pub(super) fn wrong(&mut self, column: usize, code: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.problems.push(Problem { column, is_deprecated: false, code, message, instead: None });
    }
}

/// What a word is.
enum Class<'r> {
    Plain,
    Option(&'r OptionRule, &'static str),
    Ambiguous(Vec<&'static str>),
    UnknownOption,
}

/// Reads the words after a command.
pub(super) fn read<'a>(command: &CommandRule, release: Release, words: &'a [Word]) -> Given<'a> {
    let mut given = Given::default();
    let Words::Count(least, most) = command.words(release) else {
        given.runs.push(words.iter().collect());
        return given;
    };
    let rules: Vec<&OptionRule> = command.options(release).collect();
    let mut only_plain = false;
    let mut run: Vec<&Word> = Vec::new();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        if given.problems.len() >= MAX_PROBLEMS {
            break;
        }
        if word.text == "--" && !only_plain {
            only_plain = true;
            continue;
        }
        let class = if only_plain { Class::Plain } else { classify(&word.text, &rules) };
        if matches!(class, Class::Plain) {
            run.push(word);
            continue;
        }
        if !run.is_empty() {
            given.runs.push(std::mem::take(&mut run));
        }
        match class {
            Class::Plain => {}
            Class::UnknownOption => unknown_option(&mut given, command, release, word, &rules),
            Class::Ambiguous(names) => {
                let message = format!("\"{}\" may be {}", word.text, names.join(" or "));
                given.wrong(word.column, "ambiguous-option", message);
            }
            Class::Option(rule, name) => {
                let mut value = word.text.split_once('=').map(|(_, value)| value);
                if value.is_none() && rule.kind != Kind::Flag {
                    let is_value = |next: &&Word| matches!(classify(&next.text, &rules), Class::Plain);
                    value = rest.next_if(is_value).map(|next| next.text.as_str());
                }
                take(&mut given, rule, name, value, word.column, release);
            }
        }
    }
    if !run.is_empty() {
        given.runs.push(run);
    }
    missing(&mut given, command, release, &rules);
    count(&mut given, command, least, most);
    given
}

fn classify<'r>(text: &str, rules: &[&'r OptionRule]) -> Class<'r> {
    if !text.starts_with('-') || text.len() == 1 {
        return Class::Plain;
    }
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    let all = || rules.iter().flat_map(|rule| rule.names.iter().map(move |name| (*rule, *name)));
    if let Some((rule, name)) = all().find(|(_, known)| *known == name) {
        return Class::Option(rule, name);
    }
    if name.starts_with("--") {
        let fitting: Vec<_> = all().filter(|(_, known)| known.starts_with(name)).collect();
        match fitting.as_slice() {
            [] => {}
            [(rule, name)] => return Class::Option(rule, name),
            many => return Class::Ambiguous(many.iter().map(|(_, name)| *name).collect()),
        }
    }
    if is_negative_number(text) || text.contains(' ') { Class::Plain } else { Class::UnknownOption }
}

fn is_negative_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('-') else { return false };
    let (whole, part) = digits.split_once('.').unwrap_or(("", digits));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !part.is_empty() && are_digits(whole) && are_digits(part)
}

fn unknown_option(
    given: &mut Given<'_>,
    command: &CommandRule,
    release: Release,
    word: &Word,
    rules: &[&OptionRule],
) {
    let name = word.text.split_once('=').map_or(word.text.as_str(), |(name, _)| name);
    let names = rules.iter().flat_map(|rule| rule.names.iter().copied());
    let message = format!("{} of {release} has no option {name}", command.name);
    let instead = super::instead::option(command.name, name, release)
        .or_else(|| nearest(name, names).map(|name| format!("write {name}")));
    // EL5's zerombr says that it does not want it, and goes on.
    let is_deprecated = command.name == "zerombr" && release.generation() == 5;
    let code = "unknown-option";
    given.problems.push(Problem { column: word.column, is_deprecated, code, message, instead });
}

/// Takes an option with its value.
fn take<'a>(
    given: &mut Given<'a>,
    rule: &OptionRule,
    name: &'static str,
    value: Option<&'a str>,
    column: usize,
    release: Release,
) {
    if rule.state(release) == State::Deprecated {
        let message = format!("{name} has no effect any more in {release}, and stops a later one");
        let instead = super::instead::option("", name, release);
        let code = "deprecated-option";
        given.problems.push(Problem { column, is_deprecated: true, code, message, instead });
    }
    match (rule.kind, value) {
        (Kind::Flag, Some(value)) => {
            given.wrong(column, "option-value", format!("{name} takes no value, but has \"{value}\""));
        }
        (Kind::Flag | Kind::OptionalText, None) => {}
        (_, None) => given.wrong(column, "option-value", format!("{name} wants a value")),
        (kind, Some(value)) => {
            if let Some(wanted) = misfit(kind, value) {
                given.wrong(column, "option-value", format!("{name} wants {wanted}, not \"{value}\""));
            }
        }
    }
    given.options.push(GivenOption { name: rule.name(), value, kind: rule.kind, column });
}

/// What the value should be, where it is not.
fn misfit(kind: Kind, value: &str) -> Option<String> {
    let list = |list: &str| format!("one of {}", list.replace(',', ", "));
    match kind {
        Kind::Number if !is_number(value) => Some("a whole number".to_owned()),
        Kind::Boolean => {
            let known = ["on", "yes", "true", "1", "off", "no", "false", "0"];
            (!known.contains(&value.to_lowercase().as_str())).then(|| "yes or no".to_owned())
        }
        Kind::OneOf(choices) if !choices.split(',').any(|choice| choice == value) => Some(list(choices)),
        Kind::OneOfAnyCase(choices)
            if !choices.split(',').any(|choice| choice.to_lowercase() == value.to_lowercase()) =>
        {
            Some(list(choices))
        }
        _ => None,
    }
}

/// A number as Python's `int` reads it: signs, white space around it, single `_` between digits.
fn is_number(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_number(text: &str) -> Option<i64> {
    is_number(text).then(|| text.trim().replace('_', "").parse().unwrap_or(i64::MAX))
}

fn missing(given: &mut Given<'_>, command: &CommandRule, release: Release, rules: &[&OptionRule]) {
    for rule in rules {
        if rule.state(release) == State::Required && !given.has(rule.name()) {
            given.wrong(1, "missing-option", format!("{} needs {}=", command.name, rule.name()));
        }
    }
}

fn count(given: &mut Given<'_>, command: &CommandRule, least: usize, most: usize) {
    let name = command.name;
    let words: Vec<&Word> = given.words().collect();
    if words.len() < least {
        let message = match (least, words.len()) {
            (1, _) => format!("{name} needs a value"),
            (_, had) => format!("{name} needs {least} values, and has {had}"),
        };
        given.wrong(1, "missing-value", message);
    } else if let Some(extra) = words.get(most) {
        given.wrong(extra.column, "unexpected-word", format!("{name} has no use for \"{}\"", extra.text));
    } else if most == usize::MAX
        && !SCATTERED.contains(&name)
        && let Some(extra) = given.runs.get(1).and_then(|run| run.first()).copied()
    {
        given.wrong(
            extra.column,
            "unexpected-word",
            format!("{name} has no use for \"{}\" behind an option", extra.text),
        );
    }
}
