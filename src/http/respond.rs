//! From a request and what its name means to the answer.
//!
//! The head suits every client of the field guide (§6.1): names in title case because GRUB and dracut compare so,
//! `Content-Length` early and exactly once, `Connection` last because lpxelinux never reads the last one.

use super::date::Date;
use super::listing;
use super::number;
use super::range::{Selection, select};
use super::request::{Conditions, Refused, Request};
use crate::content::{Body, Content, Found, Role};

/// An answer: a head, and the bytes that follow it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The whole head, with the empty line that ends it.
    pub head: String,
    /// What follows.
    pub body: Payload,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// What the content is in the boot of a machine, where something was found.
    pub role: Option<Role>,
}

/// The bytes that follow a head.
#[derive(Clone, Debug)]
pub enum Payload {
    /// None.
    Empty,
    /// A text made for this answer.
    Text(String),
    /// `len` bytes of a content, from `start` on.
    Part {
        /// The content.
        content: Content,
        /// Offset of the first byte.
        start: u64,
        /// How many; all of them are there.
        len: u64,
    },
}

impl Payload {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Text(text) => text.len() as u64,
            Self::Part { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Answers `request`, whose name means `found`, at `now` seconds since 1970.
pub fn respond(request: &Request, found: Found, now: u64) -> Answer {
    match found {
        Found::Content(content) if content.absence().is_some() => absent(request, &content, now),
        Found::Content(content) => of_content(request, content, now),
        Found::Directory(entries) => {
            let page = listing::page(&request.target.name, &entries);
            let head =
                Head::new(200, now, page.len() as u64).field("Content-Type", "text/html; charset=utf-8");
            answer(request, head, Payload::Text(page), None)
        }
        Found::Missing => plain(request, 404, "there is nothing of that name\n", now),
    }
}

/// The answer to a report. The client may try again when it was not taken.
pub fn to_report(request: &Request, is_taken: bool, now: u64) -> Answer {
    if is_taken {
        plain(request, 200, "noted\n", now)
    } else {
        plain(request, 404, "nobody is known by that\n", now)
    }
}

/// The answer to what could not be read; the connection is closed after it.
pub fn refuse(refused: Refused, is_head: bool, now: u64) -> Answer {
    let answer = unavailable(refused.status(), &format!("{refused}\n"), now);
    if is_head { Answer { body: Payload::Empty, ..answer } } else { answer }
}

/// An answer with a sentence, after which the connection is closed.
pub fn unavailable(status: u16, sentence: &str, now: u64) -> Answer {
    let head = Head::new(status, now, sentence.len() as u64).field("Content-Type", "text/plain");
    let head = if status == 405 { head.field("Allow", "GET, HEAD") } else { head };
    let head = if status == 503 { head.field("Retry-After", "5") } else { head };
    Answer {
        status,
        head: head.end(false),
        body: Payload::Text(sentence.to_owned()),
        keep_alive: false,
        role: None,
    }
}

/// The medium was taken away: the client is to come back.
fn absent(request: &Request, content: &Content, now: u64) -> Answer {
    let sentence = content.absence().map(|absence| format!("{absence}\n")).unwrap_or_default();
    let head = Head::new(503, now, sentence.len() as u64).field("Content-Type", "text/plain");
    answer(request, head.field("Retry-After", "5"), Payload::Text(sentence), Some(content.role))
}

fn plain(request: &Request, status: u16, sentence: &str, now: u64) -> Answer {
    let head = Head::new(status, now, sentence.len() as u64).field("Content-Type", "text/plain");
    answer(request, head, Payload::Text(sentence.to_owned()), None)
}

fn answer(request: &Request, head: Head, body: Payload, role: Option<Role>) -> Answer {
    let body = if request.is_head { Payload::Empty } else { body };
    let keep_alive = request.keep_alive;
    Answer { status: head.status, head: head.end(keep_alive), body, keep_alive, role }
}

fn of_content(request: &Request, content: Content, now: u64) -> Answer {
    let (len, role) = (content.len(), content.role);
    let validators = Validators::of(&content);
    let verdict = validators.judge(&request.conditions);
    let describe = |head: Head| {
        let mut head = head.field("ETag", &validators.tag);
        head.text.push_str("Last-Modified: ");
        Date(validators.modified).push(&mut head.text);
        head.text.push_str("\r\n");
        // What is made for each machine is asked for again each time.
        if matches!(role, Role::Menu | Role::Answer) { head.field("Cache-Control", "no-store") } else { head }
    };
    match verdict {
        Verdict::NotModified => {
            let head = describe(Head::without_length(304, now));
            return answer(request, head, Payload::Empty, Some(role));
        }
        Verdict::Failed => return plain(request, 412, "it has changed\n", now),
        Verdict::Go => {}
    }
    let wanted =
        request.range.as_deref().filter(|_| !request.is_head && validators.allow_range(&request.conditions));
    let content_type = content_type(&request.target.name, role);
    match wanted.map_or(Selection::Whole, |range| select(range, len)) {
        Selection::Whole => {
            let head = describe(Head::new(200, now, len).field("Content-Type", content_type));
            answer(request, head, Payload::Part { content, start: 0, len }, Some(role))
        }
        Selection::Part { start, len: part } => {
            let last = start.saturating_add(part).saturating_sub(1);
            let head = Head::new(206, now, part)
                .field("Content-Range", &format!("bytes {start}-{last}/{len}"))
                .field("Content-Type", content_type);
            answer(request, describe(head), Payload::Part { content, start, len: part }, Some(role))
        }
        Selection::Unsatisfiable => {
            let head = Head::new(416, now, 0).field("Content-Range", &format!("bytes */{len}"));
            answer(request, head, Payload::Empty, Some(role))
        }
    }
}

/// Room for the longest head of ours, in bytes.
const HEAD_ROOM: usize = 384;

/// A head as it is written.
struct Head {
    status: u16,
    text: String,
}

impl Head {
    fn new(status: u16, now: u64, len: u64) -> Self {
        let mut head = Self::without_length(status, now);
        head.text.push_str("Content-Length: ");
        number::push_decimal(&mut head.text, len);
        head.text.push_str("\r\nAccept-Ranges: bytes\r\n");
        head
    }

    fn without_length(status: u16, now: u64) -> Self {
        let mut text = String::with_capacity(HEAD_ROOM);
        text.push_str("HTTP/1.1 ");
        number::push_decimal(&mut text, status.into());
        text.push(' ');
        text.push_str(reason(status));
        text.push_str("\r\nDate: ");
        Date(now).push(&mut text);
        text.push_str("\r\nServer: pxego\r\n");
        Self { status, text }
    }

    /// `value` has no line ends: it is ours, or a number.
    fn field(mut self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.text.push_str(part);
        }
        self
    }

    fn end(self, keep_alive: bool) -> String {
        let connection = if keep_alive { "keep-alive\r\n" } else { "close\r\n" };
        self.field("Connection", connection).text
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

/// Firmware takes these three, without a parameter (UEFI 2.10 §24.7.2); the rest is for people.
fn content_type(name: &[u8], role: Role) -> &'static str {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is = |other: &str| extension.eq_ignore_ascii_case(other.as_bytes());
    match role {
        Role::Menu | Role::Answer => "text/plain",
        _ if is("efi") => "application/efi",
        _ if is("iso") => "application/vnd.efi-iso",
        _ if is("img") => "application/vnd.efi-img",
        _ if is("xml") => "text/xml",
        _ if is("html") || is("htm") => "text/html",
        _ if is("txt") || is("cfg") || is("treeinfo") || is("discinfo") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// Room for the longest tag, in bytes.
const TAG_ROOM: usize = 52;

/// What identifies one state of a content.
struct Validators {
    tag: String,
    modified: u64,
}

enum Verdict {
    Go,
    NotModified,
    Failed,
}

impl Validators {
    fn of(content: &Content) -> Self {
        let identity = match &content.body {
            Body::Memory(bytes) => fnv(bytes),
            // Where it lies tells two files of one image apart.
            Body::Image(file) => file.extent_at(0).map_or(0, |extent| extent.offset),
        };
        let mut tag = String::with_capacity(TAG_ROOM);
        for (before, number) in [('"', content.modified), ('-', content.len()), ('-', identity)] {
            tag.push(before);
            number::push_hex(&mut tag, number);
        }
        tag.push('"');
        Self { tag, modified: content.modified }
    }

    /// RFC 9110 §13.2.2.
    fn judge(&self, conditions: &Conditions) -> Verdict {
        let date = |value: &Option<Vec<u8>>| value.as_deref().and_then(Date::parse);
        let was_matched = match (&conditions.matches, date(&conditions.unmodified_since)) {
            (Some(tags), _) => self.is_among(tags, false),
            (None, Some(Date(since))) => self.modified <= since,
            (None, None) => true,
        };
        if !was_matched {
            return Verdict::Failed;
        }
        let is_known = match (&conditions.none_match, date(&conditions.modified_since)) {
            (Some(tags), _) => self.is_among(tags, true),
            (None, Some(Date(since))) => self.modified <= since,
            (None, None) => false,
        };
        if is_known { Verdict::NotModified } else { Verdict::Go }
    }

    /// Whether the range counts: what the client has a part of is still the same (RFC 9110 §13.1.5).
    fn allow_range(&self, conditions: &Conditions) -> bool {
        conditions.range.as_deref().is_none_or(|value| {
            value == self.tag.as_bytes() || Date::parse(value).is_some_and(|Date(date)| date == self.modified)
        })
    }

    /// `*`, or a list of tags. Ours are strong: one that is marked as weak counts only where a weak comparison is asked for
    /// (RFC 9110 §8.8.3.2).
    fn is_among(&self, tags: &[u8], weakly: bool) -> bool {
        let tag = |tag: &[u8]| {
            let tag = tag.trim_ascii();
            let strong = if weakly { tag.strip_prefix(b"W/").unwrap_or(tag) } else { tag };
            strong == self.tag.as_bytes()
        };
        tags.trim_ascii() == b"*" || tags.split(|byte| *byte == b',').any(tag)
    }
}

/// Tells states of what we made ourselves, or unpacked, apart: Fowler, Noll and Vo's hash (64 bits), eight bytes at a time, or
/// a loader of some megabytes would take as many milliseconds.
fn fnv(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    words
        .chain(rest.iter().map(|byte| u64::from(*byte)))
        .fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
