//! What was received and not yet understood: requests sent ahead of their turn wait here.

use super::request::{self, MAX_HEAD, Refused, Request};

/// The bytes a client has sent, up to the longest head, or to the end of a report.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
    /// Length of the head and the report that are on their way.
    awaited: usize,
}

impl Inbox {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many more bytes it takes: more are left to the socket, so that whoever sends ahead is slowed down by TCP.
    /// There is always room after [`Inbox::take`] has asked for more.
    pub fn room(&self) -> usize {
        self.awaited.max(MAX_HEAD).saturating_sub(self.bytes.len())
    }

    /// Takes what was received, in its order.
    pub fn push(&mut self, received: &[u8]) {
        self.bytes.extend(received);
    }

    /// Whether what waits, refused or not, asks for a head only: then even a refusal has no body (RFC 9110 §9.3.2).
    pub fn is_head(&self) -> bool {
        self.bytes.strip_prefix(b"\r\n").unwrap_or(&self.bytes).starts_with(b"HEAD ")
    }

    /// The next request; `None` when more of it must come.
    ///
    /// # Errors
    /// Why it is refused. Where the next one begins is then unknown: the connection must be closed.
    pub fn take(&mut self) -> Result<Option<Request>, Refused> {
        let Some((mut request, head)) = request::parse(&self.bytes)? else { return Ok(None) };
        let len = head.saturating_add(request.report_len.unwrap_or(0));
        match self.bytes.get(head..len) {
            Some(report) => request.report = report.to_vec(),
            None => {
                self.awaited = len;
                return Ok(None);
            }
        }
        self.awaited = 0;
        if len >= self.bytes.len() {
            // Most clients wait for their answer: thousands of them cost no buffers.
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..len);
        }
        Ok(Some(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names asked for when `bytes` arrive in pieces of `size`.
    fn names(bytes: &[u8], size: usize) -> Vec<String> {
        let mut inbox = Inbox::default();
        let mut names = Vec::new();
        for piece in bytes.chunks(size) {
            inbox.push(piece);
            while let Some(request) = inbox.take().expect("requests") {
                names.push(String::from_utf8(request.target.name).expect("text"));
            }
            assert!(inbox.room() > 0);
        }
        names
    }

    #[test]
    fn requests_are_the_same_however_they_are_cut() {
        let one = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n");
        let all: String = ["a", "b", "c"].map(one).concat();
        for size in 1..=all.len() {
            assert_eq!(names(all.as_bytes(), size), ["a", "b", "c"], "{size}");
        }
    }

    #[test]
    fn a_report_is_whole_and_what_comes_after_it_is_another_request() {
        let body = "x".repeat(request::MAX_BODY);
        let head =
            format!("POST /hook/a/failed HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        let all = format!("{head}{body}GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
        for size in [1000, 8192, all.len()] {
            let (mut inbox, mut taken, mut rest) = (Inbox::default(), Vec::new(), all.as_bytes());
            while !rest.is_empty() {
                let (piece, more) = rest.split_at(rest.len().min(size).min(inbox.room()));
                assert!(!piece.is_empty(), "there is room until it is whole");
                inbox.push(piece);
                rest = more;
                while let Some(request) = inbox.take().expect("requests") {
                    taken.push((request.target.name, request.report.len()));
                }
            }
            assert_eq!(taken, [(b"hook/a/failed".to_vec(), body.len()), (b"b".to_vec(), 0)], "{size}");
        }
    }

    #[test]
    fn s10_a_head_that_does_not_end_is_refused_when_there_is_no_more_room() {
        let mut inbox = Inbox::default();
        inbox.push(b"GET / HTTP/1.1\r\nA: ");
        while inbox.take() == Ok(None) {
            let room = inbox.room();
            assert!(room > 0);
            inbox.push(&vec![b'a'; room.min(1000)]);
        }
        assert_eq!(inbox.take(), Err(Refused::TooLong));
    }
}
