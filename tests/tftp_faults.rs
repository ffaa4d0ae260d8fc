//! Each system call of the TFTP server's loop fails once, the first to the fourth time it is made: the next honest client
//! is served each time. strace(1) makes them fail; this program runs itself for it.
#![allow(clippy::disallowed_methods)]

#[path = "common/tftp_server.rs"]
mod tftp_server;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pxego::content::{Body, Content, Found, Library, Request, Role};
use pxego::image::{Extent, FileData, ImageFile};
use pxego::wire::tftp::{self, Packet};
use tftp_server::{bytes, config, serving};

/// The file that is served by this program when it runs under strace, and what tells it so.
const SERVED: &str = "PXEGO_TEST_SERVED";

const LEN: usize = 50_000;

/// How long a client of ours waits for the next packet: a lost one comes again after a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// System calls, what they fail with, and which of them is the first of the loop.
const FAULTS: [(&str, &[&str], u32); 11] = [
    ("epoll_wait", &["EINTR", "ENOMEM"], 1),
    ("recvmmsg", &["EINTR", "ENOMEM", "ENETDOWN", "ECONNREFUSED"], 1),
    ("recvfrom", &["EINTR", "ENOMEM", "ENETDOWN"], 1),
    ("sendmsg", &["EINTR", "EAGAIN", "ENOBUFS", "ENETDOWN", "EPERM", "EIO"], 1),
    ("sendmmsg", &["EINVAL", "ENOBUFS"], 1),
    ("sendto", &["ENOBUFS"], 1),
    ("socket", &["EMFILE", "ENFILE", "ENOMEM"], 2),
    ("bind", &["EADDRINUSE", "ENOMEM"], 2),
    ("setsockopt", &["ENOMEM"], 2),
    ("epoll_ctl", &["ENOMEM", "ENOSPC"], 3),
    ("pread64", &["EIO", "EINTR"], 1),
];

struct Image(Arc<ImageFile>);

impl Library for Image {
    fn find(&self, _: &Request<'_>) -> Found {
        let file = FileData::new(self.0.clone(), [Extent { offset: 0, len: LEN as u64 }]);
        Found::Content(Content { body: Body::Image(file), role: Role::Other, modified: 0 })
    }
}

/// Serves the file until the standard input ends, in the process that strace looks at.
fn serve_here(path: &str) {
    let image = ImageFile::open(path.as_ref()).unwrap();
    let config = config(Ipv4Addr::LOCALHOST, 8);
    serving(
        Arc::new(Image(Arc::new(image))),
        &config,
        0,
        |serve| serve(),
        |address, _| {
            std::io::stdout().write_all(format!("\nserved at {address}\n").as_bytes()).unwrap();
            let _ = std::io::stdin().read(&mut [0]);
        },
    );
}

struct Server {
    strace: Child,
    address: SocketAddrV4,
}

impl Server {
    fn start(path: &str, fault: &str) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", fault]).arg(std::env::current_exe().unwrap());
        // The harness would run the test on a thread that it keeps the output of.
        command.args(["--exact", "every_system_call_may_fail_once", "--nocapture"]).env(SERVED, path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut strace = command.spawn().expect("strace runs (demo/setup.sh test)");
        let lines = BufReader::new(strace.stdout.as_mut().unwrap()).lines();
        let address =
            lines.map_while(Result::ok).find_map(|line| line.strip_prefix("served at ")?.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("{fault}: it does not start")), strace }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.strace.stdin.take());
        let _ = self.strace.wait();
    }
}

/// Fetches the file in windows, as firmware does. What it says when it does not get it.
fn fetch(server: SocketAddrV4) -> Result<(), String> {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let options = [("blksize", "1400"), ("windowsize", "4")];
    let request = tftp::read_request(b"file", "octet", &options);
    socket.send_to(&request, server).unwrap();
    let (mut got, mut buffer) = (Vec::<u8>::new(), [0; 2048]);
    loop {
        let (len, from) = socket.recv_from(&mut buffer).map_err(|error| error.to_string())?;
        let next = got.len() / 1400 + 1;
        match Packet::parse(&buffer[..len]).unwrap() {
            Packet::Data { block, payload } if usize::from(block) == next => {
                got.extend(payload);
                if next % 4 == 0 || payload.len() < 1400 {
                    socket.send_to(&tftp::ack(block), from).unwrap();
                }
                if payload.len() < 1400 {
                    assert!(got == bytes(LEN), "other bytes");
                    return Ok(());
                }
            }
            Packet::Data { .. } => {
                socket.send_to(&tftp::ack(next as u16 - 1), from).unwrap();
            }
            Packet::OptionAck(_) => drop(socket.send_to(&tftp::ack(0), from).unwrap()),
            Packet::Error { message, .. } => return Err(String::from_utf8_lossy(message).into_owned()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_system_call_may_fail_once() {
    if let Ok(path) = std::env::var(SERVED) {
        return serve_here(&path);
    }
    let path = std::env::temp_dir().join(format!("pxego-faults-{}", std::process::id()));
    File::create(&path).unwrap().write_all(&bytes(LEN)).unwrap();
    let path = path.to_str().unwrap();
    let mut disturbed = 0;
    for (call, errors, first) in FAULTS {
        for error in errors {
            for when in first..first + 4 {
                let fault = format!("inject={call}:error={error}:when={when}");
                let server = Server::start(path, &fault);
                // The one that is hit may see an error; who comes after it gets its file.
                let said: Vec<_> = (0..5).filter_map(|_| fetch(server.address).err()).collect();
                assert!(said.len() <= 1, "{fault}: {said:?}");
                fetch(server.address).unwrap_or_else(|said| panic!("{fault}: {said}"));
                disturbed += said.len();
            }
        }
    }
    std::fs::remove_file(path).unwrap();
    assert!(disturbed > 0, "no fault was felt: strace does not inject");
}
