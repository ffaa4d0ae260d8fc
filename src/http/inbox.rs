//! What was received and not yet understood: requests sent ahead of their turn wait here.

use super::request::{self, MAX_HEAD, Refused, Request};

/// The bytes a client has sent, up to the longest head.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many more bytes it takes: more are left to the socket, so that whoever sends ahead is slowed down by TCP.
    /// There is always room after [`Inbox::take`] has asked for more.
    pub fn room(&self) -> usize {
        MAX_HEAD.saturating_sub(self.bytes.len())
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
        let Some((request, len)) = request::parse(&self.bytes)? else { return Ok(None) };
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
