//! Bytes of an answer into a socket, as many as it takes at once; those of the image by sendfile(2).

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::net::TcpStream;
use std::ops::Range;
use std::os::fd::AsFd;

use socket2::SockRef;

use crate::content::{Body, Content};
use crate::http::respond::{Answer, Payload};
use crate::image::FileData;
use crate::net::sys;

/// Bytes of the image that pass through our own memory at once: the first ones of a file, which go out with the head in one
/// system call (a package's metadata whole), and all of them where the image's file system has no sendfile.
pub(super) const PIECE: usize = 64 << 10;

/// Bytes for one client before another has its turn.
const TURN: u64 = 2 << 20;

/// A page of memory, in bytes; where they are larger, nothing is lost.
const PAGE: u64 = 4096;

/// How far an answer has come.
#[derive(Debug)]
pub(super) struct Outgoing {
    answer: Answer,
    /// Bytes of the head that went out.
    head: usize,
    /// Bytes of the body that went out.
    body: u64,
    /// Whether sendfile cannot read this image.
    is_copied: bool,
    /// Whether the socket sends full packets only: else each piece would end in a small one.
    is_corked: bool,
}

/// Why sending stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// Everything went out.
    Done,
    /// The socket takes no more now.
    Full,
    /// It takes more, but others wait.
    Turn,
    /// The disk would have to be waited for.
    Disk,
    /// The client has closed the connection.
    Closed,
    /// The bytes cannot be read.
    Source(io::Error),
}

impl Outgoing {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, head: 0, body: 0, is_copied: false, is_corked: false }
    }

    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Bytes of the body that went out.
    pub(super) fn body(&self) -> u64 {
        self.body
    }

    /// Whether the client has seen something of it.
    pub(super) fn has_begun(&self) -> bool {
        self.head > 0
    }

    /// Tells whoever watches over the medium that it could not be read.
    pub(super) fn note_failure(&self) {
        if let Payload::Part { content: Content { body: Body::Image(file), .. }, .. } = &self.answer.body {
            file.source().note_failure();
        }
    }

    /// Sends what the socket takes. `piece` is room for [`PIECE`] bytes. Waits for the disk only if it `may_wait`.
    pub(super) fn send(&mut self, stream: &TcpStream, piece: &mut [u8], may_wait: bool) -> Stopped {
        let end = self.body.saturating_add(TURN);
        loop {
            self.cork(stream);
            let result = match &self.answer.body {
                _ if self.is_done() => return Stopped::Done,
                _ if self.body >= end => return Stopped::Turn,
                body if body.is_empty() => self.send_memory(stream, &[], true),
                Payload::Empty => return Stopped::Done,
                Payload::Text(text) => {
                    let rest = text.as_bytes().get(self.body_at()..).unwrap_or_default();
                    self.send_memory(stream, rest, true)
                }
                Payload::Part { content, start, len } => {
                    self.send_content(stream, content, start.saturating_add(self.body), *len, piece, may_wait)
                }
            };
            match result {
                Ok(Sent { head, body, is_all }) => {
                    self.head += head;
                    self.body += body;
                    if !is_all && !self.is_done() {
                        // Asking once more would only be told so.
                        return Stopped::Full;
                    }
                }
                Err(Stopped::Source(error)) if error.kind() == ErrorKind::Unsupported => {
                    self.is_copied = true
                }
                Err(stopped) => return stopped,
            }
        }
    }

    /// Before the last piece the cork is drawn.
    fn cork(&mut self, stream: &TcpStream) {
        let left = self.answer.body.len() - self.body;
        let is_wanted = left > TURN && matches!(self.answer.body, Payload::Part { .. });
        if is_wanted != self.is_corked {
            // Without it there are more packets, and nothing else.
            let _ = SockRef::from(stream).set_tcp_cork(is_wanted);
            self.is_corked = is_wanted;
        }
    }

    fn is_done(&self) -> bool {
        self.head >= self.answer.head.len() && self.body >= self.answer.body.len()
    }

    fn body_at(&self) -> usize {
        usize::try_from(self.body).unwrap_or(usize::MAX)
    }

    /// Some bytes of `content`, from `at` on, of which `len` make the whole body.
    fn send_content(
        &self,
        stream: &TcpStream,
        content: &Content,
        at: u64,
        len: u64,
        piece: &mut [u8],
        may_wait: bool,
    ) -> Result<Sent, Stopped> {
        let left = len - self.body;
        let file = match &content.body {
            Body::Memory(bytes) => {
                let (at, left) = (usize::try_from(at), usize::try_from(left));
                let part = at.ok().zip(left.ok()).and_then(|(at, left)| bytes.get(at..)?.get(..left));
                return self.send_memory(stream, part.ok_or_else(too_short)?, true);
            }
            Body::Image(file) => file,
        };
        let has_head_left = self.head < self.answer.head.len();
        match file.source().as_file() {
            Some(image) if !has_head_left && !self.is_copied => {
                send_extent(stream, image, file, at, left, may_wait)
            }
            image => {
                let count = usize::try_from(left).unwrap_or(PIECE).min(piece.len());
                let piece = piece.get_mut(..count).unwrap_or_default();
                read(file, image.filter(|_| !may_wait), piece, at)?;
                self.send_memory(stream, piece, count as u64 == left)
            }
        }
    }

    /// What is left of the head, and `body` after it. Unless that is the end, the kernel waits for what follows before it
    /// fills a packet.
    fn send_memory(&self, stream: &TcpStream, body: &[u8], is_end: bool) -> Result<Sent, Stopped> {
        let head = self.answer.head.as_bytes().get(self.head..).unwrap_or_default();
        let flags = if is_end { libc::MSG_NOSIGNAL } else { libc::MSG_NOSIGNAL | libc::MSG_MORE };
        let socket = SockRef::from(stream);
        let result = match (head, body) {
            ([], body) => socket.send_with_flags(body, flags),
            (head, []) => socket.send_with_flags(head, flags),
            (head, body) => socket.send_vectored_with_flags(&[IoSlice::new(head), IoSlice::new(body)], flags),
        };
        let sent = result.map_err(stopped)?;
        let of_head = sent.min(head.len());
        let is_all = sent == head.len() + body.len();
        Ok(Sent { head: of_head, body: (sent - of_head) as u64, is_all })
    }
}

/// Bytes that went out.
struct Sent {
    head: usize,
    body: u64,
    /// Whether these were all that the socket was given: else it is full.
    is_all: bool,
}

/// Fills `piece` with the bytes of `file` from `at` on; without the disk when the `image` is given.
fn read(file: &FileData, image: Option<&File>, piece: &mut [u8], at: u64) -> Result<(), Stopped> {
    if let Some(image) = image {
        let extent = file.extent_at(at).ok_or_else(too_short)?;
        if extent.len < piece.len() as u64 {
            return Err(Stopped::Disk);
        }
        return match sys::read_cached(image.as_fd(), piece, extent.offset) {
            Ok(read) if read == piece.len() => Ok(()),
            Ok(_) => Err(Stopped::Disk),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Stopped::Disk),
            Err(error) => Err(Stopped::Source(error)),
        };
    }
    match file.read_at(piece, at) {
        Ok(read) if read == piece.len() => Ok(()),
        Ok(_) => Err(too_short()),
        Err(error) => Err(Stopped::Source(error)),
    }
}

/// Some of the `left` bytes of `file` from `at` on, straight from the image.
fn send_extent(
    stream: &TcpStream,
    image: &File,
    file: &FileData,
    at: u64,
    left: u64,
    may_wait: bool,
) -> Result<Sent, Stopped> {
    let extent = file.extent_at(at).ok_or_else(too_short)?;
    let count = turn(extent.offset, extent.len.min(left));
    if !may_wait {
        let asked = witness(extent.offset, count);
        let mut room = [0; PAGE as usize + 1];
        let room = room.get_mut(..(asked.end - asked.start) as usize).unwrap_or_default();
        if !matches!(sys::read_cached(image.as_fd(), room, asked.start), Ok(read) if read == room.len()) {
            return Err(Stopped::Disk);
        }
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    match sys::send_file(stream.as_fd(), image.as_fd(), extent.offset, count) {
        Ok(0) => Err(too_short()),
        Ok(sent) => Ok(Sent { head: 0, body: sent as u64, is_all: sent == count }),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            Err(Stopped::Source(ErrorKind::Unsupported.into()))
        }
        Err(error) => Err(match stopped(error) {
            // A file system in user space that has ended speaks of a connection too (`fuse_simple_request` of Linux
            // `fs/fuse/dev.c`).
            Stopped::Closed if file.source().read_at(&mut [0], extent.offset).is_err() => {
                Stopped::Source(io::Error::other("its file system has ended"))
            }
            stopped => stopped,
        }),
    }
}

/// How many of `left` bytes to send at once. The kernel sends page after page: a turn that ends inside one costs two pieces of
/// it, and files of an image begin at any half of a page.
fn turn(offset: u64, left: u64) -> u64 {
    if left <= TURN { left } else { TURN - offset % PAGE }
}

/// What to ask for, to know of `count` bytes at `offset` whether they are in memory: what lies last was read last. The last page
/// of a file may be there because of its neighbour on the image, so the one before it is asked about, too.
fn witness(offset: u64, count: u64) -> Range<u64> {
    let end = offset + count;
    let of_last_page = (end % PAGE).min(count);
    end - (of_last_page + 1).min(count)..end
}

fn too_short() -> Stopped {
    Stopped::Source(io::Error::other("it has become shorter"))
}

/// What an error in sending means: the socket, the client, or (sendfile) the source.
fn stopped(error: io::Error) -> Stopped {
    match error.kind() {
        ErrorKind::WouldBlock => Stopped::Full,
        // Tried again when others had their turn.
        ErrorKind::Interrupted => Stopped::Turn,
        ErrorKind::TimedOut
        | ErrorKind::BrokenPipe
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::NotConnected
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown => Stopped::Closed,
        _ => match error.raw_os_error() {
            // Without memory for buffers the next try may do better.
            Some(libc::ENOBUFS | libc::ENOMEM) => Stopped::Turn,
            _ => Stopped::Source(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_end_with_a_page_unless_they_are_the_last() {
        let (mut offset, mut left, mut turns) = (46_716_928 + 7, 5 * TURN + 123, 0);
        while left > 0 {
            let count = turn(offset, left);
            assert!((1..=TURN).contains(&count));
            (offset, left, turns) = (offset + count, left - count, turns + 1);
            assert!(left == 0 || offset % PAGE == 0);
        }
        assert_eq!(turns, 6);
    }

    #[test]
    fn a_page_that_is_the_files_alone_is_asked_about() {
        for (offset, count, asked) in [
            (4096, 8192, 12_287..12_288),
            (2048, 10_241, 12_287..12_289),
            (2048, 14_335, 12_287..16_383),
            (2048, 100, 2048..2148),
            (4096, 1, 4096..4097),
            (4095, 2, 4095..4097),
            (4095, 1, 4095..4096),
        ] {
            assert_eq!(witness(offset, count), asked, "{count} at {offset}");
        }
    }
}
