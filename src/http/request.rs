//! The head of a request, read strictly: whatever two readers could understand in two ways is refused.

use std::fmt;

use memchr::{memchr, memchr_iter, memrchr};

use super::headers::{Field, Fields, Values};
use super::target::Target;
use crate::content::name::BadName;
use crate::wire::MacAddr;

/// Longest head, in bytes.
pub const MAX_HEAD: usize = 8 << 10;

/// Longest body of a report, in bytes.
pub const MAX_BODY: usize = 64 << 10;

/// What a machine reports goes to a name that begins so; nothing else has a body.
const REPORTS: &[u8] = b"/hook/";

/// Most headers.
const MAX_HEADERS: usize = 64;

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whether only the head of the answer is wanted.
    pub is_head: bool,
    /// What is asked for.
    pub target: Target,
    /// Whether the connection stays open for more.
    pub keep_alive: bool,
    /// Value of `Range`.
    pub range: Option<Vec<u8>>,
    /// Conditions on the answer.
    pub conditions: Conditions,
    /// Value of `User-Agent`.
    pub agent: Option<Vec<u8>>,
    /// Value of `X-System-Serial-Number`, by which an installer says which machine it runs on (`inst.ks.sendsn`).
    pub serial: Option<Vec<u8>>,
    /// The machine's network cards, by which an installer says which machine it runs on (`inst.ks.sendmac`):
    /// `X-RHN-Provisioning-MAC-0: eth0 52:54:00:12:34:56`, one header each.
    pub cards: Vec<MacAddr>,
    /// How many bytes follow the head of a POST.
    pub report_len: Option<usize>,
    /// Those bytes.
    pub report: Vec<u8>,
}

/// Values of the headers that make an answer depend on what the client has (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`.
    pub matches: Option<Vec<u8>>,
    /// `If-None-Match`.
    pub none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`.
    pub modified_since: Option<Vec<u8>>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<Vec<u8>>,
    /// `If-Range`.
    pub range: Option<Vec<u8>>,
}

/// Why a request is refused. The connection is closed after it: what follows cannot be told apart from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is malformed or ambiguous; holds in what.
    Bad(&'static str),
    /// The target means nothing.
    Target(BadName),
    /// Neither GET nor HEAD.
    Method,
    /// A report that does not say how long it is.
    NoLength,
    /// A report that is longer than [`MAX_BODY`].
    TooLarge,
    /// Its head is longer than [`MAX_HEAD`].
    TooLong,
    /// HTTP/2 or later, or nothing at all.
    Version,
}

impl Refused {
    /// The status code.
    pub fn status(self) -> u16 {
        match self {
            Self::Bad(_) | Self::Target(_) => 400,
            Self::Method => 405,
            Self::NoLength => 411,
            Self::TooLarge => 413,
            Self::TooLong => 431,
            Self::Version => 505,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(what) => f.write_str(what),
            Self::Target(reason) => reason.fmt(f),
            Self::Method => f.write_str("only GET and HEAD are served"),
            Self::NoLength => f.write_str("a report needs its Content-Length"),
            Self::TooLarge => write!(f, "the report is longer than {MAX_BODY} bytes"),
            Self::TooLong => write!(f, "the head is longer than {MAX_HEAD} bytes"),
            Self::Version => f.write_str("only HTTP/1.0 and HTTP/1.1 are served"),
        }
    }
}

/// Reads the request at the start of `bytes`, and how long its head is; `None` when more must come.
///
/// # Errors
/// Why it is refused.
pub fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refused> {
    // An empty line before a request is skipped (RFC 9112 §2.2); more of them are not.
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let head = bytes.get(skipped..).unwrap_or_default();
    let Some(line_end) = memchr(b'\n', head) else {
        return incomplete(bytes);
    };
    let (line, rest) = head.split_at_checked(line_end.saturating_add(1)).unwrap_or_default();
    let line_len = line.len();
    let line = RequestLine::parse(line)?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (len, headers) = match httparse::parse_headers(rest, &mut headers) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return incomplete(bytes),
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
        Err(_) => return Err(Refused::Bad("a header is malformed")),
    };
    let total = skipped.saturating_add(line_len).saturating_add(len);
    if total > MAX_HEAD {
        return Err(Refused::TooLong);
    }
    if rest.get(..len).is_some_and(has_bare_cr) {
        return Err(Refused::Bad("a carriage return without its line feed"));
    }
    Ok(Some((to_request(&line, Fields::sort(headers))?, total)))
}

fn incomplete(bytes: &[u8]) -> Result<Option<(Request, usize)>, Refused> {
    if bytes.len() >= MAX_HEAD { Err(Refused::TooLong) } else { Ok(None) }
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    /// To be told something.
    Post,
}

/// The first line of a request.
struct RequestLine<'a> {
    method: Method,
    target: &'a [u8],
    is_http_11: bool,
}

impl<'a> RequestLine<'a> {
    /// Split at the first and the last space: GRUB sends names with spaces as they are (`net/http.c`).
    fn parse(line: &'a [u8]) -> Result<Self, Refused> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let bad = || Refused::Bad("the request line is malformed");
        if line.iter().any(u8::is_ascii_control) {
            return Err(bad());
        }
        let first = memchr(b' ', line).ok_or_else(bad)?;
        let last = memrchr(b' ', line).filter(|last| *last > first).ok_or_else(bad)?;
        let (method, target) =
            (line.get(..first).unwrap_or_default(), line.get(first.saturating_add(1)..last));
        let is_http_11 = match line.get(last.saturating_add(1)..).unwrap_or_default() {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            version if version.starts_with(b"HTTP/") => return Err(Refused::Version),
            _ => return Err(bad()),
        };
        let method = match method {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" if target.is_some_and(|target| target.starts_with(REPORTS)) => Method::Post,
            method if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) => return Err(bad()),
            _ => return Err(Refused::Method),
        };
        Ok(Self { method, target: target.filter(|target| !target.is_empty()).ok_or_else(bad)?, is_http_11 })
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn to_request(line: &RequestLine<'_>, fields: Fields<'_>) -> Result<Request, Refused> {
    match fields.get(Field::Host) {
        Values::None if line.is_http_11 => return Err(Refused::Bad("there is no Host header")),
        Values::None => {}
        Values::One(host) if host.iter().all(|byte| byte.is_ascii_graphic() && !b"/\\@,".contains(byte)) => {}
        Values::One(_) | Values::Several => return Err(Refused::Bad("the Host header is malformed")),
    }
    if !matches!(fields.get(Field::TransferEncoding), Values::None) {
        return Err(Refused::Bad("a request has no body here"));
    }
    Ok(Request {
        is_head: line.method == Method::Head,
        report_len: body_len(line.method, fields.get(Field::ContentLength))?,
        target: Target::parse(line.target).map_err(Refused::Target)?,
        keep_alive: fields.keep_alive.unwrap_or(line.is_http_11),
        range: fields.one(Field::Range),
        conditions: Conditions {
            matches: fields.one(Field::IfMatch),
            none_match: fields.one(Field::IfNoneMatch),
            modified_since: fields.one(Field::IfModifiedSince),
            unmodified_since: fields.one(Field::IfUnmodifiedSince),
            range: fields.one(Field::IfRange),
        },
        agent: fields.one(Field::UserAgent),
        serial: fields.one(Field::Serial),
        cards: fields.cards,
        report: Vec::new(),
    })
}

/// The length of a report, which has its digits once; nothing else has a body.
fn body_len(method: Method, length: Values<'_>) -> Result<Option<usize>, Refused> {
    match (method, length) {
        (Method::Post, Values::None) => Err(Refused::NoLength),
        (Method::Post, Values::One(digits))
            if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) =>
        {
            let len = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
            len.filter(|len| *len <= MAX_BODY).ok_or(Refused::TooLarge).map(Some)
        }
        (Method::Post, _) => Err(Refused::Bad("the Content-Length is malformed")),
        (_, Values::None) => Ok(None),
        (_, Values::One(zeros)) if !zeros.is_empty() && zeros.iter().all(|byte| *byte == b'0') => Ok(None),
        _ => Err(Refused::Bad("a request has no body here")),
    }
}

/// A carriage return that does not end a line; a line feed alone does.
fn has_bare_cr(head: &[u8]) -> bool {
    memchr_iter(b'\r', head).any(|at| head.get(at.saturating_add(1)) != Some(&b'\n'))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
