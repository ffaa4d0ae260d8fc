//! The part of TOML 1.0 that this project's tables are written in: arrays of tables, whose values are basic strings
//! without escapes but `\"`, lists of strings, and whole numbers.

/// One `[[name]]` with its keys in order.
#[derive(Debug, PartialEq)]
pub(crate) struct Table {
    /// What stands between the brackets.
    pub(crate) name: String,
    /// The line that it begins in, from 1.
    pub(crate) line: usize,
    /// Keys and values, each key once.
    pub(crate) keys: Vec<(String, Value)>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A string.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// A number.
    Number(u32),
}

/// Reads all tables.
///
/// # Errors
/// The first line that is not understood, with its number.
pub(crate) fn parse(text: &str) -> Result<Vec<Table>, String> {
    let mut tables: Vec<Table> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let fail = |what: &str| format!("line {}: {what}: {}", index + 1, line.trim());
        let mut line_text = without_comment(line).to_owned();
        if line_text.is_empty() {
            continue;
        }
        if let Some(name) = line_text.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            tables.push(Table { name: name.to_owned(), line: index + 1, keys: Vec::new() });
            continue;
        }
        let (key, _) = line_text.split_once('=').ok_or_else(|| fail("neither a table nor a key"))?;
        let key = key.trim().to_owned();
        let mut value = line_text.split_off(line_text.find('=').map_or(0, |at| at + 1)).trim().to_owned();
        // A list may go over several lines.
        while value.starts_with('[') && !value.ends_with(']') {
            let (_, next) = lines.next().ok_or_else(|| fail("a list without an end"))?;
            value.push_str(without_comment(next));
        }
        let value = value_of(&value).ok_or_else(|| fail("not a string, a list of strings or a number"))?;
        let table = tables.last_mut().ok_or_else(|| fail("a key before any table"))?;
        if table.keys.iter().any(|(other, _)| *other == key) {
            return Err(fail("a key that was there before"));
        }
        table.keys.push((key, value));
    }
    Ok(tables)
}

/// The line without a comment and the space around it.
fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '#' if !is_quoted => return line[..at].trim(),
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    line.trim()
}

fn value_of(text: &str) -> Option<Value> {
    if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        return text.parse().ok().map(Value::Number);
    }
    if let Some(mut rest) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let mut list = Vec::new();
        rest = rest.trim();
        while !rest.is_empty() {
            let (item, after) = string_of(rest)?;
            list.push(item);
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if after.is_empty() => after,
                None => return None,
            };
        }
        return Some(Value::List(list));
    }
    let (text, rest) = string_of(text)?;
    rest.is_empty().then_some(Value::Text(text))
}

/// The string that a text begins with, and what comes after it.
fn string_of(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut string = String::new();
    let mut letters = inner.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((string, &inner[at + 1..])),
            '\\' => match letters.next()? {
                (_, quote @ ('"' | '\\')) => string.push(quote),
                _ => return None,
            },
            letter if letter.is_control() => return None,
            letter => string.push(letter),
        }
    }
    None
}
