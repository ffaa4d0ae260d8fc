//! The head of a request, read strictly: whatever two readers could understand in two ways is refused.

use std::fmt;

use super::target::Target;
use crate::content::name::BadName;
use crate::wire::MacAddr;

/// Longest head, in bytes.
pub const MAX_HEAD: usize = 8 << 10;

/// Longest body of a report, in bytes.
pub const MAX_BODY: usize = 64 << 10;

/// What a machine reports goes to a name that begins so; nothing else has a body.
const REPORTS: &[u8] = b"/hook/";

/// How the headers begin that name a machine's network cards; a number follows.
const CARD: &str = "X-RHN-Provisioning-MAC-";

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
    let Some(line_end) = head.iter().position(|byte| *byte == b'\n') else {
        return incomplete(bytes);
    };
    let (line, rest) = head.split_at_checked(line_end.saturating_add(1)).unwrap_or_default();
    let (method, target, is_http_11) = request_line(line)?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let (len, headers) = match httparse::parse_headers(rest, &mut headers) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return incomplete(bytes),
        Err(httparse::Error::TooManyHeaders) => return Err(Refused::TooLong),
        Err(_) => return Err(Refused::Bad("a header is malformed")),
    };
    let total = skipped.saturating_add(line.len()).saturating_add(len);
    if total > MAX_HEAD {
        return Err(Refused::TooLong);
    }
    if rest.get(..len).is_some_and(has_bare_cr) {
        return Err(Refused::Bad("a carriage return without its line feed"));
    }
    let request = Request { keep_alive: is_http_11, ..read_headers(method, target, is_http_11, headers)? };
    Ok(Some((with_connection(request, headers), total)))
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

/// The method, the target, and whether it is HTTP/1.1. Split at the first and the last space: GRUB sends names
/// with spaces as they are (`net/http.c`).
fn request_line(line: &[u8]) -> Result<(Method, &[u8], bool), Refused> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bad = || Refused::Bad("the request line is malformed");
    if line.iter().any(u8::is_ascii_control) {
        return Err(bad());
    }
    let first = line.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
    let last = line.iter().rposition(|byte| *byte == b' ').filter(|last| *last > first).ok_or_else(bad)?;
    let (method, target) = (line.get(..first).unwrap_or_default(), line.get(first.saturating_add(1)..last));
    let is_http_11 = match line.get(last.saturating_add(1)..).unwrap_or_default() {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        version if version.starts_with(b"HTTP/") => return Err(Refused::Version),
        _ => return Err(bad()),
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(bad());
    }
    let method = match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" if target.is_some_and(|target| target.starts_with(REPORTS)) => Method::Post,
        _ => return Err(Refused::Method),
    };
    Ok((method, target.filter(|target| !target.is_empty()).ok_or_else(bad)?, is_http_11))
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn read_headers(
    method: Method,
    target: &[u8],
    is_http_11: bool,
    headers: &[httparse::Header<'_>],
) -> Result<Request, Refused> {
    let all = |name: &'static str| {
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    match all("Host").collect::<Vec<_>>().as_slice() {
        [] if is_http_11 => return Err(Refused::Bad("there is no Host header")),
        [] => {}
        [host] if host.iter().all(|byte| byte.is_ascii_graphic() && !b"/\\@,".contains(byte)) => {}
        _ => return Err(Refused::Bad("the Host header is malformed")),
    }
    if all("Transfer-Encoding").next().is_some() {
        return Err(Refused::Bad("a request has no body here"));
    }
    let lengths: Vec<_> = all("Content-Length").collect();
    let report_len = match method {
        Method::Post => Some(report_len(&lengths)?),
        Method::Get | Method::Head => None,
    };
    let is_zero = |len: &&[u8]| !len.is_empty() && len.iter().all(|byte| *byte == b'0');
    if report_len.is_none() && (lengths.len() > 1 || !lengths.iter().all(is_zero)) {
        return Err(Refused::Bad("a request has no body here"));
    }
    // Of a condition that is there twice neither can be trusted.
    let one = |name| {
        let mut values = all(name);
        values.next().map(<[u8]>::to_vec).filter(|_| values.next().is_none())
    };
    Ok(Request {
        is_head: method == Method::Head,
        target: Target::parse(target).map_err(Refused::Target)?,
        keep_alive: false,
        range: one("Range"),
        conditions: Conditions {
            matches: one("If-Match"),
            none_match: one("If-None-Match"),
            modified_since: one("If-Modified-Since"),
            unmodified_since: one("If-Unmodified-Since"),
            range: one("If-Range"),
        },
        agent: one("User-Agent"),
        serial: one("X-System-Serial-Number"),
        cards: cards(headers),
        report_len,
        report: Vec::new(),
    })
}

/// The network cards that an installer names, each behind the name of its interface (anaconda `dracut/anaconda-lib.sh`; of
/// EL6 `loader/urls.c`). What is none is passed over.
fn cards(headers: &[httparse::Header<'_>]) -> Vec<MacAddr> {
    let start = |name: &str| name.get(..CARD.len()).is_some_and(|start| start.eq_ignore_ascii_case(CARD));
    let named = headers.iter().filter(|header| start(header.name));
    let texts = named.filter_map(|header| std::str::from_utf8(header.value).ok());
    texts.filter_map(|text| text.split_ascii_whitespace().last()?.parse().ok()).collect()
}

/// The length of a report: digits, once.
fn report_len(lengths: &[&[u8]]) -> Result<usize, Refused> {
    let digits = match lengths {
        [] => return Err(Refused::NoLength),
        [digits] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return Err(Refused::Bad("the Content-Length is malformed")),
    };
    let len = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<usize>().ok());
    len.filter(|len| *len <= MAX_BODY).ok_or(Refused::TooLarge)
}

/// What the `Connection` headers say about what comes after (RFC 9112 §9.3).
fn with_connection(mut request: Request, headers: &[httparse::Header<'_>]) -> Request {
    let options = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("Connection"))
        .flat_map(|header| header.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    for option in options {
        if option.eq_ignore_ascii_case(b"close") {
            request.keep_alive = false;
            break;
        }
        request.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    request
}

/// A carriage return that does not end a line; a line feed alone does.
fn has_bare_cr(head: &[u8]) -> bool {
    let after = head.iter().skip(1).chain([&0]);
    head.iter().zip(after).any(|(byte, next)| *byte == b'\r' && *next != b'\n')
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
