//! A load of TFTP clients: one thread, as few system calls as possible, every byte compared.
//!
//! Clients have addresses of their own and share sockets ([`super::post`]): what has come for all of them is taken in one
//! call, and their answers go in one. An answer is waited for awake, as boot firmware does, so that what is measured is the
//! server. The bytes are compared after the client has answered.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::post::{Post, wait};

/// A client sends its last word again after so long without an answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long a packet is waited for awake.
const AWAKE: Duration = Duration::from_micros(100);

/// What every client does.
pub(crate) struct Work<'a> {
    pub(crate) server: SocketAddrV4,
    pub(crate) name: &'a str,
    /// What is to come.
    pub(crate) file: &'a [u8],
    pub(crate) block_len: u16,
    pub(crate) window: u16,
    /// Clients that are not done then have failed.
    pub(crate) patience: Duration,
}

/// What came of it.
pub(crate) struct Outcome {
    /// From the first request to the last block.
    pub(crate) seconds: f64,
    /// The same of each client that got its file, sorted.
    pub(crate) each: Vec<f64>,
    /// Why the others did not.
    pub(crate) failures: Vec<String>,
    /// Block length and window that the server granted to the first client.
    pub(crate) granted: (usize, u64),
    /// Blocks that came once more than needed, or after a gap.
    pub(crate) useless: u64,
    /// Bytes that came in order, of all clients.
    pub(crate) bytes: u64,
}

/// Lets `count` clients fetch the file, all at once; they have these addresses in turn.
pub(crate) fn run(addresses: &[Ipv4Addr], count: usize, work: &Work<'_>) -> Outcome {
    let start = Instant::now();
    let places: HashMap<Ipv4Addr, usize> = addresses.iter().enumerate().map(|(at, ip)| (*ip, at)).collect();
    let mut posts: Vec<_> = (0..count.div_ceil(addresses.len())).map(|_| Post::new()).collect();
    let mut clients: Vec<_> =
        (0..count).map(|number| Client::new(addresses[number % addresses.len()], work, start)).collect();
    for (number, client) in clients.iter().enumerate() {
        posts[number / addresses.len()].push(client.address, work.server, &client.last_word);
    }
    posts.iter_mut().for_each(Post::send);
    let (mut running, mut last_event, mut last_look) = (count, start, start);
    // Where bytes lie in the post, and where in the file they belong.
    let mut unread = Vec::new();
    while running > 0 && start.elapsed() < work.patience {
        let now = Instant::now();
        for (at, post) in posts.iter_mut().enumerate() {
            let received = post.receive();
            if received > 0 {
                last_event = now;
            }
            for message in 0..received {
                let (to, from) = post.ends(message);
                let client = &mut clients[at * addresses.len() + places[&to]];
                if client.end.is_some() {
                    continue;
                }
                client.port.get_or_insert(from);
                client.last_heard = now;
                for packet in post.packets(message) {
                    let read = client.on_packet(packet, work.file.len());
                    unread.extend(read.map(|(offset, payload)| (offset, payload as *const [u8])));
                }
                running -= usize::from(client.end.is_some());
                if std::mem::take(&mut client.speaks) {
                    post.push(client.address, from, &client.last_word);
                }
            }
            post.send();
            for (offset, payload) in unread.drain(..) {
                // SAFETY: it lies in the post, which nothing was received into since.
                let payload: &[u8] = unsafe { &*payload };
                assert!(
                    work.file.get(offset..offset + payload.len()) == Some(payload),
                    "other bytes at {offset}"
                );
            }
        }
        if now - last_event > AWAKE {
            wait(&posts);
        }
        if now - last_look > TIMEOUT / 20 {
            last_look = now;
            for (number, client) in clients.iter_mut().enumerate() {
                if client.end.is_none() && now - client.last_heard > TIMEOUT {
                    client.last_heard = now;
                    let to = client.port.unwrap_or(work.server);
                    let post = &mut posts[number / addresses.len()];
                    post.push(client.address, to, &client.last_word);
                    post.send();
                }
            }
        }
    }
    let mut outcome = Outcome {
        seconds: start.elapsed().as_secs_f64(),
        each: Vec::new(),
        failures: Vec::new(),
        granted: (clients[0].block_len, clients[0].window),
        useless: clients.iter().map(|client| client.useless).sum(),
        bytes: clients.iter().map(|client| client.offset as u64).sum(),
    };
    for client in clients {
        match client.end {
            Some(Ok(time)) => outcome.each.push(time.as_secs_f64()),
            Some(Err(reason)) => outcome.failures.push(reason),
            None => outcome.failures.push(format!("not done, {} bytes", client.offset)),
        }
    }
    outcome.each.sort_by(f64::total_cmp);
    outcome
}

struct Client {
    address: Ipv4Addr,
    start: Instant,
    /// The server's port for this transfer, once it has answered.
    port: Option<SocketAddrV4>,
    block_len: usize,
    window: u64,
    /// The block that is next, and where it begins.
    next: u64,
    offset: usize,
    in_window: u64,
    has_gap: bool,
    useless: u64,
    last_word: Vec<u8>,
    /// Whether the last word is to be sent.
    speaks: bool,
    last_heard: Instant,
    end: Option<Result<Duration, String>>,
}

impl Client {
    fn new(address: Ipv4Addr, work: &Work<'_>, start: Instant) -> Self {
        // In the order of iPXE and GRUB; the other way round it would be a Raspberry Pi, which is treated with care.
        let mut request = format!("\0\x01{}\0octet\0blksize\0{}\0tsize\x000\0", work.name, work.block_len);
        if work.window > 1 {
            request.push_str(&format!("windowsize\0{}\0", work.window));
        }
        Self {
            address,
            start,
            port: None,
            block_len: 512,
            window: 1,
            next: 1,
            offset: 0,
            in_window: 0,
            has_gap: false,
            useless: 0,
            last_word: request.into_bytes(),
            speaks: false,
            last_heard: start,
            end: None,
        }
    }

    /// Takes a packet. Returns the bytes of a block that was next, and where they belong.
    fn on_packet<'a>(&mut self, packet: &'a [u8], len: usize) -> Option<(usize, &'a [u8])> {
        match packet {
            [0, 3, high, low, payload @ ..] => {
                return self.on_data(u16::from_be_bytes([*high, *low]), payload, len);
            }
            [0, 6, options @ ..] => {
                let mut strings = options.split(|byte| *byte == 0);
                while let (Some(name), Some(value)) = (strings.next(), strings.next()) {
                    let number =
                        std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                    match name {
                        b"blksize" => self.block_len = number,
                        b"windowsize" => self.window = number as u64,
                        _ => {}
                    }
                }
                self.say(0);
            }
            [0, 5, _, code, text @ ..] => {
                self.end = Some(Err(format!("ERROR {code}: {}", String::from_utf8_lossy(text))));
            }
            other => self.end = Some(Err(format!("not understood: {other:?}"))),
        }
        None
    }

    fn on_data<'a>(&mut self, block: u16, payload: &'a [u8], len: usize) -> Option<(usize, &'a [u8])> {
        if block != self.next as u16 {
            self.useless += 1;
            // One block at a time: an old one means that its acknowledgement got lost, each time. In windows: RFC 7440 §4,
            // the last one in order is acknowledged, once.
            let answers = if self.window == 1 { block == (self.next - 1) as u16 } else { !self.has_gap };
            if answers {
                self.has_gap = true;
                self.in_window = 0;
                self.say(self.next - 1);
            }
            return None;
        }
        self.has_gap = false;
        let offset = self.offset;
        self.offset += payload.len();
        self.next += 1;
        self.in_window += 1;
        let is_last = payload.len() < self.block_len;
        if is_last || self.in_window == self.window {
            self.in_window = 0;
            self.say(self.next - 1);
        }
        if is_last {
            let is_whole = self.offset == len;
            self.end = Some(if is_whole { Ok(self.start.elapsed()) } else { Err("too short".into()) });
        }
        Some((offset, payload))
    }

    fn say(&mut self, block: u64) {
        self.last_word.clear();
        self.last_word.extend([0, 4, (block >> 8) as u8, block as u8]);
        self.speaks = true;
    }
}
