//! As much of XML as repository metadata has: elements, attributes and text, read as a stream.
//!
//! Source: XML 1.0 §2.4 to §4.6. Left out: document types, other encodings than UTF-8, a `>` within an attribute's value,
//! which no program that writes such metadata leaves unescaped.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

/// Longest tag or text that is kept whole, in bytes. A description may be longer; it is not looked at.
const MAX_TOKEN: u64 = 64 << 10;

/// What comes next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An element begins; [`Reader::name`] and [`Reader::attribute`] tell more. It may be empty.
    Open {
        /// Whether it ends at once: `<a/>`.
        is_empty: bool,
    },
    /// An element ends.
    Close,
    /// The stream ends.
    End,
}

/// A reader of elements. The text before each tag is in [`Reader::text`].
pub(super) struct Reader<R> {
    source: R,
    text: Vec<u8>,
    tag: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `source`.
    pub(super) fn new(source: R) -> Self {
        Self { source, text: Vec::new(), tag: Vec::new() }
    }

    /// The next tag.
    ///
    /// # Errors
    /// When the source fails, or a tag is not closed.
    pub(super) fn next(&mut self) -> io::Result<Token> {
        self.text.clear();
        loop {
            if !until(&mut self.source, b'<', &mut self.text)? {
                return Ok(Token::End);
            }
            self.tag.clear();
            if !until(&mut self.source, b'>', &mut self.tag)? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a tag is not closed"));
            }
            match self.tag.as_slice() {
                [b'?', ..] => {}
                [b'!', b'-', b'-', ..] => self.skip_until(b"--")?,
                [b'!', b'[', ..] => {
                    self.skip_until(b"]]")?;
                    let inner = self.tag.strip_prefix(b"![CDATA[").unwrap_or_default();
                    let inner = inner.strip_suffix(b"]]").unwrap_or(inner);
                    self.text.extend_from_slice(inner);
                }
                [b'!', ..] => {}
                [b'/', ..] => return Ok(Token::Close),
                tag => return Ok(Token::Open { is_empty: tag.ends_with(b"/") }),
            }
        }
    }

    /// Reads on until the tag, which has a `>` inside, ends with `end`.
    fn skip_until(&mut self, end: &[u8]) -> io::Result<()> {
        while !self.tag.ends_with(end) {
            if u64::try_from(self.tag.len()).unwrap_or(u64::MAX) < MAX_TOKEN {
                self.tag.push(b'>');
            } else {
                // What is as long as that is not looked at; its end is found by the last letters alone.
                let keep = self.tag.len().saturating_sub(end.len());
                self.tag.drain(..keep);
            }
            if !until(&mut self.source, b'>', &mut self.tag)? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a comment is not closed"));
            }
        }
        Ok(())
    }

    /// The name of the element, without its prefix.
    pub(super) fn name(&self) -> &[u8] {
        let tag = self.tag.strip_prefix(b"/").unwrap_or(&self.tag);
        let end =
            tag.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'/').unwrap_or(tag.len());
        let name = tag.get(..end).unwrap_or_default();
        name.rsplit(|byte| *byte == b':').next().unwrap_or_default()
    }

    /// The value of an attribute of the element.
    pub(super) fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut rest = self.tag.as_slice();
        loop {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (before, after) = (rest.get(..equals)?, rest.get(equals.saturating_add(1)..)?);
            let key = before.trim_ascii_end().rsplit(u8::is_ascii_whitespace).next()?;
            let value = after.trim_ascii_start();
            let (quote, value) = value.split_first()?;
            let end = value.iter().position(|byte| byte == quote)?;
            if key == name.as_bytes() {
                return Some(unescape(value.get(..end)?));
            }
            rest = value.get(end.saturating_add(1)..)?;
        }
    }

    /// The text before the tag, trimmed.
    pub(super) fn text(&self) -> Cow<'_, str> {
        unescape(self.text.trim_ascii())
    }
}

/// Reads up to and without `end`; what is longer than [`MAX_TOKEN`] is cut. Whether `end` came.
fn until(source: &mut impl BufRead, end: u8, into: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let room = MAX_TOKEN.saturating_sub(u64::try_from(into.len()).unwrap_or(u64::MAX));
        let read = if room > 0 {
            source.by_ref().take(room).read_until(end, into)?
        } else {
            let before = into.len();
            let read = source.by_ref().take(MAX_TOKEN).read_until(end, into)?;
            let ended = into.last() == Some(&end) && into.len() > before;
            into.truncate(before);
            if ended {
                return Ok(true);
            }
            read
        };
        if room > 0 && into.last() == Some(&end) && read > 0 {
            into.pop();
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
    }
}

/// Text with its entities resolved; an unknown one stays as it is.
fn unescape(text: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(text);
    if !text.contains('&') {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let letter = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        rest = match letter {
            Some((letter, after)) => {
                plain.push(letter);
                after
            }
            None => {
                plain.push('&');
                after
            }
        };
    }
    plain.push_str(rest);
    plain.into()
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_text_are_read() {
        let text = br#"<?xml version="1.0"?><!DOCTYPE a>
            <a:b x='1&amp;2' long = "y"/><!-- <c> --><d>t &lt; u<![CDATA[ <v> ]]></d>"#;
        let mut reader = Reader::new(&text[..]);
        assert_eq!(reader.next().ok(), Some(Token::Open { is_empty: true }));
        assert_eq!(reader.name(), b"b");
        assert_eq!(reader.attribute("x").as_deref(), Some("1&2"));
        assert_eq!(reader.attribute("long").as_deref(), Some("y"));
        assert_eq!(reader.attribute("z"), None);
        assert_eq!(reader.next().ok(), Some(Token::Open { is_empty: false }));
        assert_eq!(reader.name(), b"d");
        assert_eq!(reader.next().ok(), Some(Token::Close));
        assert_eq!((reader.name(), &*reader.text()), (&b"d"[..], "t < u <v>"));
        assert_eq!(reader.next().ok(), Some(Token::End));
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let text = format!(
            "<a>{}</a><b {}><!-- {}<c>{} --><d>",
            "x".repeat(1 << 20),
            "y".repeat(1 << 20),
            "<z>".repeat(90_000),
            "q".repeat(99)
        );
        let mut reader = Reader::new(text.as_bytes());
        let mut names = Vec::new();
        while reader.next().expect("it is well formed") != Token::End {
            names.push(String::from_utf8_lossy(reader.name()).into_owned());
        }
        assert_eq!(names, ["a", "a", "b", "d"]);
        assert!(Reader::new(&b"<a"[..]).next().is_err());
        assert!(Reader::new(&b"<!-- a > b"[..]).next().is_err());
    }
}
