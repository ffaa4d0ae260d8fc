//! Clients that cost as little as possible: what they receive is thrown away in the kernel, after one pass that looked at it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::files::{self, FOLDER, SMALL};

const LENGTH: &[u8] = b"\r\nContent-Length: ";

/// Room for a head; what of the body comes with it is copied.
const HEAD_ROOM: usize = 512;

/// A connection that is kept open.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What asks for a file.
pub(crate) fn request(file: u64) -> Vec<u8> {
    format!("GET /{FOLDER}/{} HTTP/1.1\r\nHost: 192.168.100.1\r\n\r\n", files::name(file)).into_bytes()
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, buffer: vec![0; 256 << 10] }
    }

    pub(crate) fn ask(&mut self, request: &[u8]) {
        self.stream.write_all(request).unwrap();
    }

    /// The length of the body, and where what came of it begins and ends in the buffer.
    fn head(&mut self) -> (u64, usize, usize) {
        let mut have = 0;
        loop {
            let count = self.stream.read(&mut self.buffer[have..HEAD_ROOM]).unwrap();
            assert!(count > 0, "the server closed the connection, or its head is too long");
            have += count;
            let Some(end) = memmem::find(&self.buffer[..have], b"\r\n\r\n") else { continue };
            let head = &self.buffer[..end];
            assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(head));
            let len_at = memmem::find(head, LENGTH).unwrap() + LENGTH.len();
            let digits = head[len_at..].iter().take_while(|byte| byte.is_ascii_digit());
            let len = digits.fold(0, |len, digit| len * 10 + u64::from(digit - b'0'));
            return (len, end + 4, have);
        }
    }

    /// Takes the answer to [`Client::ask`] without looking at it.
    pub(crate) fn take(&mut self, file: u64) {
        let (len, start, end) = self.head();
        assert_eq!(len, files::len(file));
        self.skip(len - (end - start) as u64);
    }

    /// Throws bytes away: with `MSG_TRUNC` the kernel does not copy them (tcp(7)).
    fn skip(&self, mut count: u64) {
        while count > 0 {
            let piece = count.min(1 << 30) as usize;
            // SAFETY: with MSG_TRUNC nothing is written for TCP, so no buffer is needed.
            let taken =
                unsafe { libc::recv(self.stream.as_raw_fd(), std::ptr::null_mut(), piece, libc::MSG_TRUNC) };
            assert!(taken > 0, "{}", std::io::Error::last_os_error());
            count -= taken as u64;
        }
    }

    /// Takes the answer, and looks at every byte.
    pub(crate) fn verify(&mut self, file: u64) {
        let (len, start, end) = self.head();
        assert_eq!(len, files::len(file));
        let mut done = 0;
        let mut have = start..end;
        loop {
            assert!(files::is_right(file, done, &self.buffer[have.clone()]), "file {file} at {done}");
            done += have.len() as u64;
            if done == len {
                return;
            }
            have = 0..self.stream.read(&mut self.buffer).unwrap();
            assert!(!have.is_empty());
        }
    }
}

/// Everything once, looked at.
pub(crate) fn verify_all(address: SocketAddr) {
    let mut client = Client::connect(address);
    for file in 0..=SMALL {
        client.ask(&request(file));
        client.verify(file);
    }
}

/// The large file `times` times on each of so many connections. Returns MB/s.
pub(crate) fn large(address: SocketAddr, connections: u32, times: u32) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            std::thread::Builder::new()
                .stack_size(128 << 10)
                .spawn_scoped(scope, || {
                    let mut client = Client::connect(address);
                    for _ in 0..times {
                        client.ask(&request(0));
                        client.take(0);
                    }
                })
                .unwrap();
        }
    });
    rate(connections, times, start)
}

/// The same from who sends the file and nothing else.
pub(crate) fn bare(address: SocketAddr, connections: u32, times: u32) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| (0..times).for_each(|_| Client::connect(address).skip(files::LARGE)));
        }
    });
    rate(connections, times, start)
}

fn rate(connections: u32, times: u32, start: Instant) -> f64 {
    f64::from(connections * times) * files::LARGE as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// `requests` for small files over so many connections, one at a time on each. Returns requests a second.
pub(crate) fn small(address: SocketAddr, connections: u32, requests: u32) -> f64 {
    let threads = connections.min(2);
    let words: Vec<_> = (0..=SMALL).map(request).collect();
    let words = &words;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut clients: Vec<_> =
                    (0..connections / threads).map(|_| Client::connect(address)).collect();
                let mut next = u64::from(thread) * 1000;
                let mut asked = vec![0; clients.len()];
                for round in 0..=requests / connections {
                    for (client, asked) in clients.iter_mut().zip(&mut asked) {
                        if round > 0 {
                            client.take(*asked);
                        }
                        if round < requests / connections {
                            next += 1;
                            *asked = next % SMALL + 1;
                            client.ask(&words[*asked as usize]);
                        }
                    }
                }
            });
        }
    });
    f64::from(requests / connections * connections) / start.elapsed().as_secs_f64()
}
