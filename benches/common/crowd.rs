//! Many HTTP clients at the same moment, looked after by two threads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;

/// So many clients that ask for the `file` at `path` at the same moment, each for a part of `part` bytes at another place. Every
/// byte is looked at. Returns how long each took, in seconds.
///
/// Two threads look after all of them in turn, a little for each: what is measured is how fair the server is, not what this
/// computer makes of 500 threads.
pub(crate) fn crowd(
    address: SocketAddr,
    (path, file): (&str, &[u8]),
    clients: usize,
    part: usize,
) -> Vec<f64> {
    let mut guests: Vec<_> =
        (0..clients).map(|number| Guest::connect(address, (path, file), number, part)).collect();
    let start = Instant::now();
    guests.iter_mut().for_each(Guest::ask);
    std::thread::scope(|scope| {
        let halves = guests.chunks_mut(clients.div_ceil(2));
        let threads: Vec<_> = halves.map(|half| scope.spawn(move || look_after(half, start))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// Bytes taken of one client's answer before another's turn.
const BITE: usize = 64 << 10;

/// One of a crowd.
struct Guest<'a> {
    stream: TcpStream,
    request: String,
    /// What is to come after the head.
    expected: &'a [u8],
    head: Vec<u8>,
    done: usize,
}

impl<'a> Guest<'a> {
    fn connect(address: SocketAddr, (path, file): (&str, &'a [u8]), number: usize, part: usize) -> Self {
        let first = number * 12_345 % (file.len() - part);
        let range = format!("bytes={first}-{}", first + part - 1);
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: x\r\nRange: {range}\r\nConnection: close\r\n\r\n");
        let stream = TcpStream::connect(address).unwrap();
        Self { stream, request, expected: &file[first..first + part], head: Vec::new(), done: 0 }
    }

    fn ask(&mut self) {
        self.stream.write_all(self.request.as_bytes()).unwrap();
        self.stream.set_nonblocking(true).unwrap();
    }

    /// Takes some of what is there. Returns whether everything is.
    fn take(&mut self, buffer: &mut [u8]) -> bool {
        let count = self.stream.read(buffer).unwrap();
        assert!(count > 0, "cut after {} bytes", self.done);
        let mut body = &buffer[..count];
        if self.done == 0 && !self.head.ends_with(b"\r\n\r\n") {
            // The head comes at once, but need not.
            let before = self.head.len();
            self.head.extend(body);
            let Some(end) = self.head.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
            self.head.truncate(end + 4);
            assert!(self.head.starts_with(b"HTTP/1.1 206 "), "{}", String::from_utf8_lossy(&self.head));
            body = &body[end + 4 - before..];
        }
        assert!(self.expected.get(self.done..self.done + body.len()) == Some(body), "other bytes");
        self.done += body.len();
        self.done == self.expected.len()
    }
}

/// Takes the answers of all of them, in turn. Returns when each had everything.
fn look_after(guests: &mut [Guest<'_>], start: Instant) -> Vec<f64> {
    let mut buffer = vec![0; BITE];
    let mut times = Vec::new();
    let mut polled: Vec<libc::pollfd> = guests
        .iter()
        .map(|guest| libc::pollfd { fd: guest.stream.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    while times.len() < guests.len() {
        // SAFETY: an initialised slice that outlives the call.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 60_000) };
        assert!(ready > 0, "nothing comes any more");
        for (guest, entry) in guests.iter_mut().zip(&mut polled) {
            if entry.revents != 0 && guest.take(&mut buffer) {
                times.push(start.elapsed().as_secs_f64());
                // Not looked at any more (poll(2)).
                entry.fd = -1;
            }
        }
    }
    times
}
