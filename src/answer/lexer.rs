//! Lines and words of a kickstart, as the installer's own parser cuts them.
//!
//! That parser is pykickstart: lines are those of Python's `str.splitlines`, words those of `shlex.split` in POSIX mode.
//! There are no continuation lines; a `#` outside quotes ends the line even inside a word.
//!
//! Never panics on any input: see `tests/fuzz/checks/kickstart_check.rs`.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

/// One line, without what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// What stands on it.
    pub text: &'a str,
    /// Whether something ends it; the last line of a file may just stop.
    pub is_ended: bool,
}

impl Line<'_> {
    /// Whether there is nothing on it but white space and a comment.
    pub fn is_blank_or_comment(&self) -> bool {
        self.text.trim_start_matches(is_space).chars().next().is_none_or(|first| first == '#')
    }
}

/// What Python's `str.isspace` takes for white space: four separators more than Unicode has it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// Whether this ends a line (Python `str.splitlines`).
fn ends_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The lines of `text`.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut rest = text;
    let mut number = 0_usize;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number = number.saturating_add(1);
        let (line, after) = match rest.split_once(ends_line) {
            Some(split) => split,
            None => {
                let line = Line { number, text: rest, is_ended: false };
                rest = "";
                return Some(line);
            }
        };
        let is_return = rest.as_bytes().get(line.len()) == Some(&b'\r');
        rest = if is_return { after.strip_prefix('\n').unwrap_or(after) } else { after };
        Some(Line { number, text: line, is_ended: true })
    })
}

/// The first word as far as white space goes, quotes not looked at: what tells whether a line in a script is a section.
pub fn first_word(text: &str) -> &str {
    text.split(is_space).find(|word| !word.is_empty()).unwrap_or("")
}

/// One word, its quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Where it begins, in characters from 1.
    pub column: usize,
}

/// Why a line has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitError {
    /// A quote is never closed. Holds its column.
    OpenQuote(usize),
    /// The file ends behind a `\`. Holds its column.
    LoneBackslash(usize),
}

/// The words of a line; a comment ends them.
///
/// # Errors
/// When a quote is left open, or the file ends behind a `\`.
pub fn words(line: Line<'_>) -> Result<Vec<Word>, SplitError> {
    split(line, true)
}

/// The same where `#` is a letter like others, as on lines of sections.
///
/// # Errors
/// As [`words`].
pub fn words_with_comment(line: Line<'_>) -> Result<Vec<Word>, SplitError> {
    split(line, false)
}

fn split(line: Line<'_>, comments: bool) -> Result<Vec<Word>, SplitError> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    // The quote that is open, with its column.
    let mut quote: Option<(char, usize)> = None;
    let end = if line.is_ended { "\n" } else { "" };
    let mut letters = (1_usize..).zip(line.text.chars().chain(end.chars()));
    while let Some((column, letter)) = letters.next() {
        if let Some((open, _)) = quote {
            let current = word.get_or_insert_with(|| Word { text: String::new(), column });
            if letter == open {
                quote = None;
            } else if letter == '\\' && open == '"' {
                let Some((_, next)) = letters.next() else { return Err(SplitError::LoneBackslash(column)) };
                // Within double quotes a backslash quotes itself and the quote, nothing else.
                if next != '\\' && next != '"' {
                    current.text.push('\\');
                }
                current.text.push(next);
            } else {
                current.text.push(letter);
            }
            continue;
        }
        match letter {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if comments => break,
            '"' | '\'' => {
                word.get_or_insert_with(|| Word { text: String::new(), column });
                quote = Some((letter, column));
            }
            '\\' => {
                let Some((_, next)) = letters.next() else { return Err(SplitError::LoneBackslash(column)) };
                word.get_or_insert_with(|| Word { text: String::new(), column }).text.push(next);
            }
            _ => word.get_or_insert_with(|| Word { text: String::new(), column }).text.push(letter),
        }
    }
    if let Some((_, column)) = quote {
        return Err(SplitError::OpenQuote(column));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<Vec<String>, SplitError> {
        let line = lines(text).next().unwrap_or(Line { number: 1, text: "", is_ended: false });
        words(line).map(|words| words.into_iter().map(|word| word.text).collect())
    }

    #[test]
    fn words_are_those_of_a_posix_shell() {
        for (line, expected) in [
            ("lang en_US # comment\n", vec!["lang", "en_US"]),
            ("rootpw a#b", vec!["rootpw", "a"]),
            ("rootpw 'a#b' \"c # d\"", vec!["rootpw", "a#b", "c # d"]),
            (r#"x --append="quiet \"a\" \n \\" y"#, vec!["x", r#"--append=quiet "a" \n \"#, "y"]),
            (r"a\ b '\'c ''", vec!["a b", r"\c", ""]),
            ("  a\tb  \r\n", vec!["a", "b"]),
            ("a \\\nb", vec!["a", "\n"]),
            ("", vec![]),
        ] {
            assert_eq!(cut(line), Ok(expected.into_iter().map(str::to_owned).collect()), "{line:?}");
        }
        assert_eq!(cut("a 'b\n"), Err(SplitError::OpenQuote(3)));
        assert_eq!(cut("a \\"), Err(SplitError::LoneBackslash(3)));
        assert_eq!(cut("a \"\\"), Err(SplitError::LoneBackslash(4)));
    }

    #[test]
    fn lines_are_those_of_python() {
        let text = "a\nb\r\nc\rd\u{2028}e\x0cf\n\ng";
        let read: Vec<(usize, &str, bool)> =
            lines(text).map(|line| (line.number, line.text, line.is_ended)).collect();
        let expected =
            ["a", "b", "c", "d", "e", "f", "", "g"].into_iter().zip(1..).map(|(text, n)| (n, text, n < 8));
        assert_eq!(read, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_word_knows_where_it_begins() {
        let line = lines("  lang 'é b' x").next().expect("a line");
        let columns: Vec<usize> = words(line).expect("words").iter().map(|word| word.column).collect();
        assert_eq!(columns, [3, 8, 14]);
    }
}
