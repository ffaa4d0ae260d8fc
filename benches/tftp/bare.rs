//! The limit: a loop that sends the next blocks from memory as soon as a packet comes, awake, and knows nothing but their
//! numbers. No options are weighed, no time is kept, nothing is read, nobody else is listened to.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::netns::Netns;
use super::post::{Post, wait};
use super::servers::Files;

/// A client that is silent for so long has what it wanted.
const SILENCE: Duration = Duration::from_secs(1);

/// Serves one client after the other, for as long as the process lives. Returns where.
pub(crate) fn start(netns: &Netns, last: u8, files: &Files) -> SocketAddrV4 {
    let all: Arc<[u8]> = files.large();
    let address = Ipv4Addr::new(192, 168, 100, last);
    let [requests, port] = netns.run(|| [69, 1069].map(|port| UdpSocket::bind((address, port)).unwrap()));
    std::thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((len, peer)) = requests.recv_from(&mut request) {
            port.connect(peer).unwrap();
            let name = request[2..len].split(|byte| *byte == 0).next().unwrap();
            let file = &all[..Files::len(std::str::from_utf8(name).unwrap())];
            serve(&port, &request[..len], file);
        }
    });
    SocketAddrV4::new(address, 69)
}

/// The same for many clients that take a block at a time, at once: all that has come is taken in one call, and all answers
/// go in one. Returns where.
pub(crate) fn start_crowd(netns: &Netns, last: u8, files: &Files) -> SocketAddrV4 {
    let all: Arc<[u8]> = files.large();
    let address = Ipv4Addr::new(192, 168, 100, last);
    let socket = netns.run(|| UdpSocket::bind((address, 69)).unwrap());
    std::thread::spawn(move || {
        let mut post = Post::of(socket);
        let (mut lens, mut packet, mut heard) = (HashMap::new(), Vec::new(), Instant::now());
        loop {
            let received = post.receive();
            for message in 0..received {
                let (_, peer) = post.ends(message);
                let word = post.packets(message).next().unwrap_or_default();
                packet.clear();
                match word {
                    [0, 1, request @ ..] => {
                        let name = request.split(|byte| *byte == 0).next().unwrap();
                        lens.insert(peer, Files::len(std::str::from_utf8(name).unwrap()));
                        packet.extend(b"\0\x06blksize\x001468\0");
                    }
                    [0, 4, high, low] => {
                        let block = u16::from_be_bytes([*high, *low]);
                        let (start, len) = (usize::from(block) * 1468, lens[&peer]);
                        if start > len {
                            continue;
                        }
                        packet.extend([0, 3]);
                        packet.extend((block + 1).to_be_bytes());
                        packet.extend(&all[start..len.min(start + 1468)]);
                    }
                    _ => continue,
                }
                post.push(address, peer, &packet);
            }
            post.send();
            if received > 0 {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                wait(std::slice::from_ref(&post));
            }
        }
    });
    SocketAddrV4::new(address, 69)
}

fn serve(port: &UdpSocket, request: &[u8], file: &[u8]) {
    let number = |name: &str| {
        let mut words = request.split(|byte| *byte == 0).skip_while(|word| *word != name.as_bytes());
        words.nth(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok())
    };
    let (block_len, window) = (number("blksize").unwrap(), number("windowsize").unwrap_or(1));
    let segment = (block_len + 4) as libc::c_int;
    // SAFETY: the kernel reads one C int.
    let result = unsafe {
        let value = std::ptr::from_ref(&segment).cast();
        libc::setsockopt(port.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, 4)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    port.set_nonblocking(true).unwrap();
    port.send(format!("\0\x06blksize\0{block_len}\0windowsize\0{window}\0").as_bytes()).unwrap();
    let blocks: Vec<&[u8]> = file.chunks(block_len).collect();
    let ends_short = !file.len().is_multiple_of(block_len);
    let count = blocks.len() + usize::from(!ends_short);
    let mut sent = 0;
    while sent < count {
        if !comes(port) {
            return;
        }
        let end = (sent + window).min(count);
        let headers: Vec<[u8; 4]> =
            (sent..end).map(|block| [0, 3, ((block + 1) >> 8) as u8, (block + 1) as u8]).collect();
        let parts: Vec<libc::iovec> = (sent..end)
            .zip(&headers)
            .flat_map(|(block, header)| [&header[..], blocks.get(block).copied().unwrap_or_default()])
            .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() })
            .collect();
        // What the kernel takes in one call: 64 segments, 64 kB.
        let at_once = (65_507 / (block_len + 4)).clamp(1, 64);
        for parts in parts.chunks(2 * at_once) {
            // SAFETY: the parts are of headers and a file that outlive the call.
            unsafe { libc::writev(port.as_raw_fd(), parts.as_ptr(), parts.len() as libc::c_int) };
        }
        sent = end;
    }
    comes(port);
}

/// Whether another packet comes.
fn comes(port: &UdpSocket) -> bool {
    let start = Instant::now();
    let mut packet = [0; 64];
    loop {
        for _ in 0..100 {
            if port.recv(&mut packet).is_ok() {
                return true;
            }
        }
        if start.elapsed() > SILENCE {
            return false;
        }
    }
}
