use super::*;
use crate::content::networks::Networks;
use crate::content::{Body, Content, Found, Outcome, Protocol, Request, Role, Transfer};
use crate::image::{FileData, ImageFile};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

const DEADLINE: Duration = Duration::from_secs(20);

/// `small` is in memory, `large` on a file of this length; `huge` is that many times over, and `cut` is said to be longer than
/// its file.
struct Shelf {
    large: FileData,
    huge: FileData,
    cut: FileData,
}

const LARGE: usize = 5_000_000;
const HUGE: usize = 20 * LARGE;

impl Library for Shelf {
    fn find(&self, request: &Request<'_>) -> Found {
        let body = match request.name {
            b"small" => Body::Memory((*b"small thing").into()),
            b"large" => Body::Image(self.large.clone()),
            b"huge" => Body::Image(self.huge.clone()),
            b"empty" => Body::Image(FileData::from_bytes(Vec::new())),
            b"memory" => Body::Image(FileData::from_bytes((0..300_000).map(content).collect())),
            b"bug" => panic!("a bug, on purpose"),
            b"cut" => Body::Image(self.cut.clone()),
            b"" => return Found::Directory(Vec::new()),
            _ => return Found::Missing,
        };
        Found::Content(Content { body, role: Role::Other, modified: 0 })
    }
}

struct Ear(Mutex<Sender<String>>);

impl Observer for Ear {
    fn started(&self, _: Ipv4Addr, _: Protocol, _: &[u8], _: Role) {}

    fn ended(&self, transfer: &Transfer<'_>) {
        let name = String::from_utf8_lossy(transfer.name);
        let outcome = match &transfer.outcome {
            Outcome::Failed(_) => "failed".to_owned(),
            Outcome::Aborted(_) => "aborted".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
        let _ = self.0.lock().unwrap().send(format!("{name} {} {outcome}", transfer.sent));
    }
}

/// A server on the loopback. Stopped when dropped.
struct Bench {
    address: SocketAddr,
    heard: Receiver<String>,
    stop: Stop,
    thread: Option<thread::JoinHandle<()>>,
    file: PathBuf,
}

fn content(at: usize) -> u8 {
    (at % 251) as u8
}

impl Bench {
    fn new(name: &str, change: impl FnOnce(&mut HttpConfig)) -> Self {
        use crate::image::Extent;
        let file = std::env::temp_dir().join(format!("pxego-http-{name}-{}", std::process::id()));
        std::fs::write(&file, (0..LARGE).map(content).collect::<Vec<u8>>()).unwrap();
        let image = Arc::new(ImageFile::open(&file).unwrap());
        // Two extents, out of order on the disk.
        let half = (LARGE / 2) as u64;
        let extents = [Extent { offset: half, len: half }, Extent { offset: 0, len: half }];
        let shelf = Shelf {
            large: FileData::new(image.clone(), extents),
            huge: FileData::new(image.clone(), [Extent { offset: 0, len: LARGE as u64 }; HUGE / LARGE]),
            cut: FileData::new(image, [Extent { offset: 0, len: LARGE as u64 + 1 }]),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = HttpConfig::new(Networks::local(Ipv4Addr::LOCALHOST, 8));
        change(&mut config);
        let stop = Stop::new().unwrap();
        let (tell, heard) = channel();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let library: Arc<dyn Library> = Arc::new(shelf);
            let observer: Arc<dyn Observer> = Arc::new(Ear(Mutex::new(tell)));
            serve(&listener, &config, &library, &observer, &stopped).unwrap();
        });
        Self { address, heard, stop, thread: Some(thread), file }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    fn hears(&self, expected: &str) {
        assert_eq!(self.heard.recv_timeout(DEADLINE).unwrap(), expected);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.set();
        let _ = self.thread.take().unwrap().join();
        let _ = std::fs::remove_file(&self.file);
    }
}

/// One answer: its status line, and its body by `Content-Length`.
fn answer(stream: &mut impl Read) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap_or("0");
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head.lines().next().unwrap().to_owned(), body)
}

fn get(name: &str) -> String {
    format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n")
}

#[test]
fn a_file_of_two_extents_is_whole() {
    let bench = Bench::new("whole", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("large").as_bytes()).unwrap();
    let (status, body) = answer(&mut stream);
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", LARGE));
    let half = LARGE / 2;
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == content((at + half) % LARGE)));
    bench.hears("large 5000000 done");
}

#[test]
fn a_part_may_span_extents() {
    let bench = Bench::new("part", |_| {});
    let mut stream = bench.connect();
    let half = LARGE / 2;
    let range = format!("GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes={}-{}\r\n\r\n", half - 3, half + 2);
    stream.write_all(range.as_bytes()).unwrap();
    let (status, body) = answer(&mut stream);
    assert_eq!(status, "HTTP/1.1 206 Partial Content");
    let expected: Vec<u8> = (LARGE - 3..LARGE).chain(0..3).map(content).collect();
    assert_eq!(body, expected);
}

#[test]
fn w13_w14_requests_sent_ahead_are_answered_in_their_order() {
    let bench = Bench::new("ahead", |_| {});
    let mut stream = bench.connect();
    let names = ["small", "nothing", "large", "small", "", "nothing", "small", "large", "small", "small"];
    let all: String = names.iter().map(|name| get(name)).collect();
    stream.write_all(all.as_bytes()).unwrap();
    for name in names {
        let (status, body) = answer(&mut stream);
        let expected = if name == "nothing" { "HTTP/1.1 404 Not Found" } else { "HTTP/1.1 200 OK" };
        assert_eq!(status, expected, "{name}");
        assert_eq!(name == "small", body == b"small thing", "{name}");
    }
    for _ in 0..20 {
        stream.write_all(get("small").as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).1, b"small thing");
    }
}

#[test]
fn a_source_that_is_too_short_resets_the_connection() {
    let bench = Bench::new("short", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("cut").as_bytes()).unwrap();
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    bench.hears("cut 5000000 failed");
}

#[test]
fn a_refused_request_is_answered_and_the_connection_closed() {
    let bench = Bench::new("refused", |_| {});
    let mut stream = bench.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(answer(&mut stream).0, "HTTP/1.1 405 Method Not Allowed");
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_client_that_goes_away_is_an_abort() {
    let bench = Bench::new("away", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("large").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 10]).unwrap();
    drop(stream);
    let heard = bench.heard.recv_timeout(DEADLINE).unwrap();
    // All of it may have fitted the socket's buffers.
    assert!(heard.ends_with("aborted") || heard.ends_with("done"), "{heard}");
}

#[test]
fn s11_who_is_idle_makes_room_and_who_works_is_not_cut() {
    let bench = Bench::new("room", |config| config.max_per_client = 2);
    let mut first = bench.connect();
    let mut second = bench.connect();
    for stream in [&mut first, &mut second] {
        stream.write_all(get("small").as_bytes()).unwrap();
        answer(stream);
    }
    // A client has its answer a moment before its connection counts as idle.
    let start = clock::now();
    let _third = loop {
        let mut third = bench.connect();
        let _ = third.write_all(get("small").as_bytes());
        let mut said = [0; 13];
        if third.read_exact(&mut said).is_ok() && &said == b"HTTP/1.1 200 " {
            break third;
        }
        assert!(start.elapsed() < DEADLINE);
    };
    // As a rule the first, which is idle longest; a thread that was held up may count it as such after the second.
    let is_cut = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    };
    while !is_cut(&mut first) && !is_cut(&mut second) {
        assert!(start.elapsed() < DEADLINE, "nobody was cut");
    }
}

#[test]
fn stopping_cuts_everybody_at_once() {
    let bench = Bench::new("stop", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("small").as_bytes()).unwrap();
    answer(&mut stream);
    bench.stop.set();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn half_a_request_and_an_end_is_no_request() {
    let bench = Bench::new("half", |_| {});
    let mut stream = bench.connect();
    stream.write_all(b"GET /small HT").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[path = "tests_faults.rs"]
mod faults;
#[path = "tests_slow.rs"]
mod slow;

/// U-Boot's `wget`: the one with a TCP of its own, which takes three packets at a time (`net/wget.c`), and the one of lwIP
/// (`http_client.c`). Both look for these very words, and read until the end.
#[test]
fn w29_u_boot_loads_a_file() {
    let bench = Bench::new("u-boot", |_| {});
    for request in [
        "GET /large HTTP/1.0\r\n\r\n",
        "GET /large HTTP/1.1\r\nUser-Agent: U-Boot\r\nAccept: */*\r\nHost: 127.0.0.1\r\nConnection: Close\r\n\r\n",
    ] {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(3 * 1460).unwrap();
        socket.connect(&bench.address.into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        let head = std::str::from_utf8(&all[..end]).unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("\r\nContent-Length: {LARGE}\r\n"))
        );
        // Its second half lies before the first.
        let expected = (LARGE / 2..LARGE).chain(0..LARGE / 2).map(content);
        assert!(all[end..].iter().copied().eq(expected), "{} other bytes", all.len() - end);
        bench.hears(&format!("large {LARGE} done"));
    }
}
