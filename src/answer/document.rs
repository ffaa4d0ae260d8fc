//! A TOML document, taken apart key by key.
//!
//! Reading it by serde's way is made anew for every type, 200 KB for a profile. Here each type says what it looks for, and
//! everything knows its line.

use std::fmt;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong, and in which line, from 1.
#[derive(Debug)]
pub(super) struct Error {
    line: usize,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads a document: `take` takes what it knows out of the table, and nothing may be left.
///
/// # Errors
/// A line that is wrong, and what may stand there.
pub(super) fn read(text: &str, take: impl FnOnce(&mut Table<'_>) -> Result<(), Error>) -> Result<(), Error> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let lines = Lines(&ends);
    let document = DeTable::parse(text).map_err(|error| Error {
        line: error.span().map_or(1, |span| lines.of(span.start)),
        message: error.message().trim().replace('\n', "; "),
    })?;
    let mut table = Table::new(document.get_ref(), 1, lines);
    take(&mut table)?;
    table.end()
}

/// Where lines end.
#[derive(Clone, Copy)]
struct Lines<'d>(&'d [usize]);

impl Lines<'_> {
    /// The line of a byte.
    fn of(self, at: usize) -> usize {
        1_usize.saturating_add(self.0.partition_point(|end| *end < at))
    }
}

/// A value, and where it stands.
#[derive(Clone, Copy)]
struct Value<'d> {
    value: &'d DeValue<'d>,
    line: usize,
    lines: Lines<'d>,
}

impl<'d> Value<'d> {
    fn new(value: &'d Spanned<DeValue<'d>>, lines: Lines<'d>) -> Self {
        Self { value: value.get_ref(), line: lines.of(value.span().start), lines }
    }

    fn wanted(self, what: &str) -> Error {
        Error { line: self.line, message: format!("here stands {what}") }
    }

    fn text(self) -> Result<&'d str, Error> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wanted("a text in quotes")),
        }
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(self) -> Result<T, Error> {
        let text = self.text()?;
        text.parse().map_err(|error: T::Err| Error { line: self.line, message: error.to_string() })
    }

    fn items(self) -> Result<impl Iterator<Item = Self>, Error> {
        match self.value {
            DeValue::Array(items) => Ok(items.iter().map(move |item| Self::new(item, self.lines))),
            _ => Err(self.wanted("a list in brackets")),
        }
    }

    fn table(self) -> Result<Table<'d>, Error> {
        match self.value {
            DeValue::Table(table) => Ok(Table::new(table, self.line, self.lines)),
            _ => Err(self.wanted("a table")),
        }
    }
}

/// A table. What it has under a key is looked for once.
pub(super) struct Table<'d> {
    /// What was not looked for yet: the key with its line, and the value.
    rest: Vec<(&'d str, usize, Value<'d>)>,
    line: usize,
    /// What was looked for.
    known: Vec<&'static str>,
}

impl<'d> Table<'d> {
    fn new(table: &'d DeTable<'d>, line: usize, lines: Lines<'d>) -> Self {
        let entry = |(key, value): (&'d Spanned<_>, &'d Spanned<_>)| {
            let name: &'d std::borrow::Cow<'d, str> = key.get_ref();
            (name.as_ref(), lines.of(key.span().start), Value::new(value, lines))
        };
        Self { rest: table.iter().map(entry).collect(), line, known: Vec::new() }
    }

    fn take(&mut self, key: &'static str) -> Option<Value<'d>> {
        self.known.push(key);
        let at = self.rest.iter().position(|(name, ..)| *name == key)?;
        Some(self.rest.swap_remove(at).2)
    }

    /// A text, if it is there.
    pub(super) fn text<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &'static str,
        into: &mut T,
    ) -> Result<(), Error> {
        if let Some(value) = self.take(key) {
            *into = value.parsed()?;
        }
        Ok(())
    }

    /// The same for what has nothing by default.
    pub(super) fn option<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &'static str,
        into: &mut Option<T>,
    ) -> Result<(), Error> {
        if let Some(value) = self.take(key) {
            *into = Some(value.parsed()?);
        }
        Ok(())
    }

    /// A text that has to be there.
    pub(super) fn required<T: FromStr<Err: fmt::Display>>(&mut self, key: &'static str) -> Result<T, Error> {
        match self.take(key) {
            Some(value) => value.parsed(),
            None => Err(Error { line: self.line, message: format!("{key} is missing here") }),
        }
    }

    /// A list of texts.
    pub(super) fn list<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &'static str,
        into: &mut Vec<T>,
    ) -> Result<(), Error> {
        if let Some(value) = self.take(key) {
            *into = value.items()?.map(Value::parsed).collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.value {
            DeValue::Boolean(is_so) => Ok(Some(*is_so)),
            _ => Err(value.wanted("true or false, without quotes")),
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<u16>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = match value.value {
            DeValue::Integer(number) => u16::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| value.wanted("a number from 0 to 65535, without quotes"))
    }

    /// A table in this one.
    pub(super) fn table(
        &mut self,
        key: &'static str,
        take: &mut dyn FnMut(&mut Table<'d>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(value) = self.take(key) else { return Ok(()) };
        let mut table = value.table()?;
        take(&mut table)?;
        table.end()
    }

    /// Several tables of one kind.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        into: &mut Vec<T>,
        take: fn(&mut Table<'_>) -> Result<T, Error>,
    ) -> Result<(), Error> {
        let Some(value) = self.take(key) else { return Ok(()) };
        for item in value.items()? {
            let mut table = item.table()?;
            into.push(take(&mut table)?);
            table.end()?;
        }
        Ok(())
    }

    /// The first key that nobody looked for.
    fn end(self) -> Result<(), Error> {
        match self.rest.iter().min_by_key(|(_, line, _)| *line) {
            None => Ok(()),
            Some((key, line, _)) => {
                let message = format!("\"{key}\" is not known here; write one of {}", self.known.join(", "));
                Err(Error { line: *line, message })
            }
        }
    }
}
