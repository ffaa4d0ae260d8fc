//! The headers of a request, each where it is looked for.

use crate::wire::MacAddr;

/// How the headers begin that name a machine's network cards; a number follows.
const CARD: &str = "X-RHN-Provisioning-MAC-";

/// The headers that are to be there once at most.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Host,
    TransferEncoding,
    ContentLength,
    Range,
    IfMatch,
    IfNoneMatch,
    IfModifiedSince,
    IfUnmodifiedSince,
    IfRange,
    UserAgent,
    Serial,
}

/// Their names, in the order of [`Field`].
const NAMES: [&str; 11] = [
    "Host",
    "Transfer-Encoding",
    "Content-Length",
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Range",
    "User-Agent",
    "X-System-Serial-Number",
];

/// The values of one of them.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    None,
    One(&'a [u8]),
    Several,
}

/// The headers of a request, each where it is looked for.
pub(super) struct Fields<'a> {
    values: [Values<'a>; NAMES.len()],
    /// The network cards that an installer names.
    pub(super) cards: Vec<MacAddr>,
    /// What `Connection` says about what comes after (RFC 9112 §9.3): nothing, to stay open, or to close.
    pub(super) keep_alive: Option<bool>,
}

impl<'a> Fields<'a> {
    pub(super) fn sort(headers: &[httparse::Header<'a>]) -> Self {
        let mut fields = Self { values: [Values::None; NAMES.len()], cards: Vec::new(), keep_alive: None };
        for httparse::Header { name, value } in headers {
            let at = NAMES.iter().position(|it| it.eq_ignore_ascii_case(name));
            if let Some(slot) = at.and_then(|at| fields.values.get_mut(at)) {
                *slot = if matches!(slot, Values::None) { Values::One(value) } else { Values::Several };
            } else if name.eq_ignore_ascii_case("Connection") {
                fields.on_connection(value);
            } else if name.get(..CARD.len()).is_some_and(|start| start.eq_ignore_ascii_case(CARD)) {
                fields.cards.extend(card(value));
            }
        }
        fields
    }

    /// Among several options, `close` counts.
    fn on_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.keep_alive = Some(false);
            } else if option.eq_ignore_ascii_case(b"keep-alive") && self.keep_alive.is_none() {
                self.keep_alive = Some(true);
            }
        }
    }

    pub(super) fn get(&self, field: Field) -> Values<'a> {
        self.values.get(field as usize).copied().unwrap_or(Values::None)
    }

    /// Of a value that is there twice neither can be trusted.
    pub(super) fn one(&self, field: Field) -> Option<Vec<u8>> {
        match self.get(field) {
            Values::One(value) => Some(value.to_vec()),
            Values::None | Values::Several => None,
        }
    }
}

/// The network card that an installer names, behind the name of its interface (anaconda `dracut/anaconda-lib.sh`; of EL6
/// `loader/urls.c`). What is none is passed over.
fn card(value: &[u8]) -> Option<MacAddr> {
    std::str::from_utf8(value).ok()?.split_ascii_whitespace().last()?.parse().ok()
}
