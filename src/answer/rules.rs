//! Which commands and options each release knows: `rules.tsv`, read at first use.
//!
//! The table is asked of pykickstart by `tests/kickstart/table.py`, and compared with it by `tests/kickstart_oracle.rs`.

use std::collections::HashMap;
use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;

use super::Release;

/// The table, packed by `build.rs`: a fifth of its length.
const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.tsv.gz"));

/// The table: command, option, kind, and a mark for each release.
static TABLE: LazyLock<String> = LazyLock::new(|| {
    let mut table = String::new();
    let read = GzDecoder::new(PACKED).read_to_string(&mut table);
    read.expect("what is built in can be unpacked");
    table
});

/// What a release makes of a command or an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It never knew it, or does not know it yet.
    Unknown,
    /// It knows it.
    Known,
    /// It knows it, and the command needs it.
    Required,
    /// It reads it, says so, and does nothing.
    Deprecated,
    /// It knew it once and now stops at it.
    Removed,
}

impl State {
    fn of(marks: &str, release: Release) -> Self {
        match marks.as_bytes().get(release.column()) {
            Some(b'o') => Self::Known,
            Some(b'R') => Self::Required,
            Some(b'd') => Self::Deprecated,
            Some(b'x') => Self::Removed,
            _ => Self::Unknown,
        }
    }
}

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// None.
    Flag,
    /// Any.
    Text,
    /// Any, or none.
    OptionalText,
    /// A whole number.
    Number,
    /// `on`, `yes`, `true`, `1`, or the opposites.
    Boolean,
    /// One of these, separated by commas.
    OneOf(&'static str),
    /// One of these, upper and lower case taken as equal.
    OneOfAnyCase(&'static str),
}

impl Kind {
    fn parse(text: &'static str) -> Self {
        match (text, text.split_once(':')) {
            (_, Some(("one", list))) => Self::OneOf(list),
            (_, Some(("case", list))) => Self::OneOfAnyCase(list),
            ("flag", _) => Self::Flag,
            ("text?", _) => Self::OptionalText,
            ("int", _) => Self::Number,
            ("bool", _) => Self::Boolean,
            _ => Self::Text,
        }
    }
}

/// How many words a command takes beside its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// They are not read as options and values at all.
    Raw,
    /// From the first number to the second; `usize::MAX` is any number.
    Count(usize, usize),
}

/// An option of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OptionRule {
    /// Its names, the first one is the one it is known by here.
    pub(super) names: Vec<&'static str>,
    /// What it takes.
    pub(super) kind: Kind,
    marks: &'static str,
}

impl OptionRule {
    /// What `release` makes of it.
    pub(super) fn state(&self, release: Release) -> State {
        State::of(self.marks, release)
    }

    /// The name it is known by here.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// A command, or a section with its `%`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CommandRule {
    /// Its name.
    pub(super) name: &'static str,
    /// Marks as a command of its own, and as another name of a command.
    marks: Vec<(Option<&'static str>, &'static str)>,
    words: Vec<(&'static str, &'static str)>,
    options: Vec<OptionRule>,
}

impl CommandRule {
    /// What `release` makes of it.
    pub(super) fn state(&self, release: Release) -> State {
        let states = self.marks.iter().map(|(_, marks)| State::of(marks, release));
        states.rev().find(|state| *state != State::Unknown).unwrap_or(State::Unknown)
    }

    /// The command that this is another name of.
    fn same_as(&self, release: Release) -> Option<&'static str> {
        self.marks
            .iter()
            .find_map(|(same, marks)| same.filter(|_| State::of(marks, release) != State::Unknown))
    }

    /// The options that `release` has a word on.
    pub(super) fn options(&self, release: Release) -> impl Iterator<Item = &OptionRule> {
        self.options.iter().filter(move |option| option.state(release) != State::Unknown)
    }

    /// How many words it takes.
    pub(super) fn words(&self, release: Release) -> Words {
        let kind = self.words.iter().find(|(_, marks)| State::of(marks, release) != State::Unknown);
        let Some((kind, _)) = kind else { return Words::Raw };
        match kind.split_once('-') {
            Some((least, most)) => {
                Words::Count(least.parse().unwrap_or(0), most.parse().unwrap_or(usize::MAX))
            }
            None => Words::Raw,
        }
    }
}

/// The whole table.
#[derive(Debug, Default)]
pub(super) struct Rules {
    commands: HashMap<&'static str, CommandRule>,
}

/// The table, read at first use.
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::parse(&TABLE));

impl Rules {
    fn parse(table: &'static str) -> Self {
        let mut rules = Self::default();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            let (name, option, kind, marks) = (field(), field(), field(), field());
            let command = rules.commands.entry(name).or_default();
            command.name = name;
            match (option, kind.split_once(':')) {
                ("", Some(("same", other))) => command.marks.push((Some(other), marks)),
                ("", Some(("words", count))) => command.words.push((count, marks)),
                ("", _) => command.marks.push((None, marks)),
                (names, _) => {
                    let names = names.split('|').collect();
                    command.options.push(OptionRule { names, kind: Kind::parse(kind), marks });
                }
            }
        }
        rules
    }

    /// The command of this name, if any release ever had it.
    pub(super) fn named(&self, name: &str) -> Option<&CommandRule> {
        self.commands.get(name)
    }

    /// The command whose options a line with this command has in `release`: `partition` is `part`.
    pub(super) fn reader(&self, command: &CommandRule, release: Release) -> Option<&CommandRule> {
        self.commands.get(command.same_as(release).unwrap_or(command.name))
    }

    /// The names that `release` knows, sections with their `%`.
    pub(super) fn names(&self, release: Release) -> impl Iterator<Item = &'static str> {
        self.commands
            .values()
            .filter(move |command| !matches!(command.state(release), State::Unknown | State::Removed))
            .map(|command| command.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EL5: Release = Release::Enterprise(5);
    const EL8: Release = Release::Enterprise(8);
    const EL10: Release = Release::Enterprise(10);

    #[test]
    fn the_table_is_read_whole() {
        let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
        for row in rows.clone() {
            let fields: Vec<&str> = row.split('\t').collect();
            assert_eq!((fields.len(), fields[3].len()), (4, Release::ALL.len()), "{row}");
        }
        let read: usize = RULES
            .commands
            .values()
            .map(|command| command.marks.len() + command.words.len() + command.options.len())
            .sum();
        assert_eq!(read, rows.count());
    }

    #[test]
    fn states_follow_the_release() {
        let state = |name: &str, release| RULES.named(name).map(|command| command.state(release));
        assert_eq!(state("install", EL5), Some(State::Known));
        assert_eq!(state("install", EL8), Some(State::Deprecated));
        assert_eq!(state("install", EL10), Some(State::Removed));
        assert_eq!(state("rdp", EL8), Some(State::Unknown));
        assert_eq!(state("Install", EL8), None);
        let partition = RULES.named("partition").expect("a command");
        let reader = RULES.reader(partition, EL8).expect("its reader");
        assert_eq!((reader.name, reader.words(EL8)), ("part", Words::Count(1, 1)));
        assert!(reader.options(EL8).any(|option| option.names.contains(&"--usepart")));
    }
}
