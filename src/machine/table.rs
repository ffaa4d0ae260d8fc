//! A table as spreadsheets write it: comma, semicolon or tab between cells, quotes where they are needed (RFC 4180).
//!
//! Stricter than spreadsheets are: a quote that is never closed would swallow the machines after it, so it is an error.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;

/// Largest table, in bytes.
pub const MAX_LEN: usize = 4 << 20;

/// Most rows, and most cells in one.
const MAX_ROWS: usize = 10_000;
const MAX_CELLS: usize = 200;

/// What is wrong with a list of machines, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListError {
    /// The line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl ListError {
    pub(super) fn at(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// One row, blank ones left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line that it begins on, counted from 1.
    pub line: usize,
    /// Its cells, without white space around them.
    pub cells: Vec<String>,
}

/// The rows of a table. Blank ones, and those that begin with `#`, are left out.
///
/// # Errors
/// When it is no text, or a quote is not closed.
pub fn rows(bytes: &[u8]) -> Result<Vec<Row>, ListError> {
    if bytes.len() > MAX_LEN {
        return Err(ListError::at(0, "it is larger than any list of machines"));
    }
    let text = decode(bytes)?;
    let (separator, text, first) = separator(&text);
    let mut reader = Reader { rest: text, separator, line: first };
    let mut rows = Vec::new();
    while let Some(row) = reader.row()? {
        let is_blank = row.cells.iter().all(String::is_empty);
        let is_comment = row.cells.first().is_some_and(|cell| cell.starts_with('#'));
        if is_blank || is_comment {
            continue;
        }
        if rows.len() >= MAX_ROWS {
            return Err(ListError::at(row.line, format!("more than {MAX_ROWS} rows")));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The text of a file: UTF-8, or the UTF-16 that spreadsheets call "Unicode text".
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ListError> {
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            rest.chunks_exact(2).filter_map(|pair| pair.try_into().ok()).map(read).collect();
        String::from_utf16(&units).map(Cow::Owned).map_err(|_| ListError::at(0, "it is damaged UTF-16 text"))
    };
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => std::str::from_utf8(rest),
        [0xff, 0xfe, rest @ ..] => return wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return wide(rest, u16::from_be_bytes),
        _ => std::str::from_utf8(bytes),
    };
    text.map(Cow::Borrowed).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        ListError::at(line, "it is not UTF-8 text; save it as \"CSV UTF-8\"")
    })
}

/// What stands between cells, the text from the first row on, and that row's line. The first row that is no comment tells:
/// what it has most of. Some spreadsheets say it in a line `sep=;`.
fn separator(text: &str) -> (char, &str, usize) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(said) = first.trim_end().strip_prefix("sep=")
        && let Some(separator @ (',' | ';' | '\t')) = said.chars().next()
    {
        return (separator, rest, 2);
    }
    let header = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let header = header.unwrap_or_default();
    let count = |separator: char| header.chars().filter(|c| *c == separator).count();
    let mut best = ',';
    for other in [';', '\t'] {
        if count(other) > count(best) {
            best = other;
        }
    }
    (best, text, 1)
}

struct Reader<'a> {
    rest: &'a str,
    separator: char,
    line: usize,
}

/// What ended a cell.
#[derive(PartialEq)]
enum End {
    Cell,
    Row,
}

impl Reader<'_> {
    fn row(&mut self) -> Result<Option<Row>, ListError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut cells = Vec::new();
        loop {
            let (cell, end) = self.cell()?;
            if cells.len() >= MAX_CELLS {
                return Err(ListError::at(line, format!("more than {MAX_CELLS} columns")));
            }
            cells.push(cell);
            if end == End::Row {
                return Ok(Some(Row { line, cells }));
            }
        }
    }

    fn cell(&mut self) -> Result<(String, End), ListError> {
        let blank = |c: char| (c == ' ' || c == '\t') && c != self.separator;
        let start = self.rest.trim_start_matches(blank);
        let Some(quoted) = start.strip_prefix('"') else {
            let len = start.find([self.separator, '\n', '\r']).unwrap_or(start.len());
            let (cell, rest) = start.split_at_checked(len).unwrap_or((start, ""));
            let cell = cell.trim_end().to_owned();
            let end = self.end(rest).ok_or_else(|| ListError::at(self.line, "a damaged row"))?;
            return Ok((cell, end));
        };
        let begun = self.line;
        let (mut cell, mut rest) = (String::new(), quoted);
        loop {
            let (before, after) = rest.split_once('"').ok_or_else(|| {
                ListError::at(begun, "a quote (\") that is not closed; the rest is not read")
            })?;
            cell.push_str(before);
            self.line = self.line.saturating_add(before.matches('\n').count());
            match after.strip_prefix('"') {
                Some(more) => {
                    cell.push('"');
                    rest = more;
                }
                None => {
                    rest = after.trim_start_matches(blank);
                    break;
                }
            }
        }
        let at = self.line;
        let end = self.end(rest).ok_or_else(|| {
            ListError::at(at, "text after a closing quote; inside quotes a quote is written twice (\"\")")
        })?;
        Ok((cell.trim().to_owned(), end))
    }

    /// Goes past what ends a cell; nothing when `rest` does not begin with that.
    fn end(&mut self, rest: &str) -> Option<End> {
        let len = self.rest.len().checked_sub(rest.len())?;
        let rest = self.rest.get(len..)?;
        for end in ["\r\n", "\n", "\r"] {
            if let Some(next) = rest.strip_prefix(end) {
                self.rest = next;
                self.line = self.line.saturating_add(1);
                return Some(End::Row);
            }
        }
        if rest.is_empty() {
            self.rest = rest;
            return Some(End::Row);
        }
        self.rest = rest.strip_prefix(self.separator)?;
        Some(End::Cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8]) -> Vec<Vec<String>> {
        rows(text).expect("a table").into_iter().map(|row| row.cells).collect()
    }

    #[test]
    fn every_spreadsheets_spelling_is_read() {
        let expected = [vec!["mac", "note"], vec!["a", "x, \"y\"; z"]];
        let wide = |text: &str| {
            let units = text.encode_utf16().flat_map(u16::to_le_bytes);
            [0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>()
        };
        for text in [
            b"mac,note\na,\"x, \"\"y\"\"; z\"\n".to_vec(),
            b"\xef\xbb\xbfmac;note\r\na;\"x, \"\"y\"\"; z\"".to_vec(),
            b"mac\tnote\r\n\r\n# a comment, \"\r\na\t\"x, \"\"y\"\"; z\"\t\r\n".to_vec(),
            b"sep=;\r\nmac;note\r\n a ; \"x, \"\"y\"\"; z\" \r\n;;\r\n".to_vec(),
            b"mac,note\ra,\"x, \"\"y\"\"; z\"\r".to_vec(),
            wide("mac\tnote\r\na\t\"x, \"\"y\"\"; z\"\r\n"),
        ] {
            let mut read = cells(&text);
            read.iter_mut().for_each(|row| row.truncate(2));
            assert_eq!(read, expected, "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn lines_are_counted_as_an_editor_does() {
        let text = b"a,b\n\n1,\"two\nlines\"\r\n\r\n3,4\n";
        let lines: Vec<usize> = rows(text).expect("a table").iter().map(|row| row.line).collect();
        assert_eq!(lines, [1, 3, 6]);
    }

    #[test]
    fn damage_is_named_with_its_line() {
        for (text, line, what) in [
            (&b"a,b\n1,\"2\n3,4\n5,6\n"[..], 2, "not closed"),
            (b"a,b\n1,2\n\"3\"x,4\n", 3, "closing quote"),
            (b"a\n\xe4\n", 2, "UTF-8"),
            (b"\xff\xfe\x00\xd8", 0, "UTF-16"),
        ] {
            let error = rows(text).expect_err("is refused");
            assert!(error.line == line && error.what.contains(what), "{error:?}");
        }
        let wide = "x,".repeat(MAX_CELLS + 1);
        assert!(rows(wide.as_bytes()).is_err());
        assert!(rows("x\n".repeat(MAX_ROWS + 1).as_bytes()).is_err());
        assert!(rows(&vec![b'x'; MAX_LEN + 1]).is_err());
    }
}
