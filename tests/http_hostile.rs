//! Hundreds of hostile and odd requests, each with its allowed outcomes: none hangs, and none is taken for two.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pxego::content::networks::Networks;
use pxego::content::{Content, Found, Library, Observer, Protocol, Request, Role, Transfer};
use pxego::net::http::{HttpConfig, serve};
use pxego::net::signals::Stop;

/// Nothing here takes a second, however busy the computer is.
const DEADLINE: Duration = Duration::from_secs(20);

/// Sent after each case: answered if the connection goes on, and only then.
const SENTINEL: &str = "GET /sentinel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Threads that ask, so that round trips overlap.
const CLIENTS: usize = 8;

struct Shelf;

impl Library for Shelf {
    fn find(&self, request: &Request<'_>) -> Found {
        assert!(!request.name.starts_with(b"/") && !request.name.contains(&0), "{:?}", request.name);
        assert!(!request.name.split(|byte| *byte == b'/').any(|part| matches!(part, b".." | b".")));
        match request.name {
            b"a" | b"sentinel" | b"smuggled" => {
                Found::Content(Content::from_bytes(request.name, Role::Other, 0))
            }
            _ => Found::Missing,
        }
    }
}

struct Nobody;

impl Observer for Nobody {
    fn started(&self, _: Ipv4Addr, _: Protocol, _: &[u8], _: Role) {}
    fn ended(&self, _: &Transfer<'_>) {}
}

struct Server {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Stop::new().unwrap();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let library: Arc<dyn Library> = Arc::new(Shelf);
            let observer: Arc<dyn Observer> = Arc::new(Nobody);
            let config = HttpConfig::new(Networks::local(Ipv4Addr::LOCALHOST, 8));
            serve(&listener, &config, &library, &observer, &stopped).unwrap();
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// Everything it says to `bytes`, the sentinel after them, and the end of the stream. `None` when it hangs.
    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may close while we still talk.
        let _ = stream.write_all(&[bytes, SENTINEL.as_bytes()].concat());
        let _ = stream.shutdown(Shutdown::Write);
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Ok(_) => Some(all),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(all),
            Err(_) => None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.set();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The answers of a stream, framed as strictly as they can be: statuses joined by `+`, with a `+` after them when the
/// sentinel was answered.
fn outcome(mut stream: &[u8], is_head: impl Fn(usize) -> bool) -> Result<String, String> {
    let mut statuses = Vec::new();
    let mut goes_on = false;
    while !stream.is_empty() {
        let end = stream.windows(4).position(|it| it == b"\r\n\r\n").ok_or("a head without an end")?;
        let head = std::str::from_utf8(&stream[..end]).map_err(|_| "a head that is not text")?;
        stream = &stream[end + 4..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|it| it.get(..3)).ok_or("no status line")?;
        if goes_on {
            return Err("something is answered after the sentinel".into());
        }
        let mut names = BTreeSet::new();
        let mut len = None;
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
            if !names.insert(name) {
                return Err(format!("{name} twice"));
            }
            match name {
                "Content-Length" => len = Some(value.parse::<usize>().map_err(|_| "a length that is none")?),
                "Transfer-Encoding" | "Location" | "Content-Encoding" => {
                    return Err(format!("there is a {name}"));
                }
                _ => {}
            }
        }
        if !head.rsplit("\r\n").next().is_some_and(|last| last.starts_with("Connection: ")) {
            return Err("Connection is not the last header".into());
        }
        if status == "405" && !names.contains("Allow") {
            return Err("405 without Allow".into());
        }
        let len = match (status, len) {
            ("304", None) => 0,
            (_, Some(_)) if is_head(statuses.len()) => 0,
            (_, Some(len)) => len,
            (_, None) => return Err("no length".into()),
        };
        let body = stream.get(..len).ok_or("fewer bytes than promised")?;
        stream = &stream[len..];
        if body == b"smuggled" {
            return Err("the smuggled request is answered".into());
        }
        if body == b"sentinel" && status == "200" {
            goes_on = true;
        } else {
            statuses.push(status.to_owned());
        }
        if head.ends_with("Connection: close") && !goes_on && !stream.is_empty() {
            return Err("bytes after the last answer".into());
        }
    }
    if statuses.is_empty() && !goes_on {
        return Ok("close".into());
    }
    Ok(statuses.join("+") + if goes_on { "+" } else { "" })
}

struct Case {
    name: String,
    allowed: Vec<String>,
    bytes: Vec<u8>,
}

/// The bytes that a column of the table stands for.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        let after = &rest[at + 1..];
        match after.as_bytes()[0] {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'\\' => bytes.push(b'\\'),
            b'x' => bytes.push(u8::from_str_radix(&after[1..3], 16).unwrap()),
            b'{' => {
                let end = after.find('}').unwrap();
                let (times, text) = after[1..end].split_once(':').unwrap();
                bytes.extend(unescape(text).repeat(times.parse().unwrap()));
                rest = &after[end + 1..];
                continue;
            }
            other => panic!("\\{} in {text}", char::from(other)),
        }
        rest = &after[if after.starts_with('x') { 3 } else { 1 }..];
    }
    bytes.extend(rest.as_bytes());
    bytes
}

fn table() -> Vec<Case> {
    include_str!("http_hostile.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, allowed, bytes] = columns[..] else { panic!("three columns: {line}") };
            Case {
                name: name.into(),
                allowed: allowed.split('|').map(str::to_owned).collect(),
                bytes: unescape(bytes),
            }
        })
        .collect()
}

/// Every byte at every place of a request where one can do harm.
fn every_byte() -> Vec<Case> {
    let places: [(&str, &str, &str); 9] = [
        ("before", "", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("method", "GE", "T /a HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("target", "GET /a", "b HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("version", "GET /a HTTP/1", ".1\r\nHost: x\r\n\r\n"),
        ("after version", "GET /a HTTP/1.1", "\r\nHost: x\r\n\r\n"),
        ("name", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length", ": 37\r\n\r\n"),
        ("colon", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:", "chunked\r\n\r\n0\r\n\r\n"),
        ("value", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0", "\r\n\r\n"),
        ("host", "GET /a HTTP/1.1\r\nHost: x", "\r\n\r\n"),
    ];
    let allowed: Vec<String> =
        ["200+", "400", "404+", "405", "501", "505", "200+404+", "close"].map(str::to_owned).into();
    let mut cases = Vec::new();
    for (place, before, after) in places {
        for byte in 0..=255 {
            cases.push(Case {
                name: format!("byte {byte:#04x}: {place}"),
                allowed: allowed.clone(),
                bytes: [before.as_bytes(), &[byte], after.as_bytes()].concat(),
            });
        }
    }
    cases
}

fn run(cases: &[Case]) {
    let server = Server::start();
    let next = AtomicUsize::new(0);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let client = || {
            let mut wrong = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let heads: Vec<bool> = case
                    .bytes
                    .split(|byte| *byte == b'\n')
                    .filter(|line| line.windows(6).any(|it| it == b" HTTP/"))
                    .map(|line| line.starts_with(b"HEAD"))
                    .collect();
                let is_head = |number: usize| heads.get(number).copied().unwrap_or(false);
                let Some(stream) = server.answer(&case.bytes) else {
                    wrong.push(format!("{}: hangs", case.name));
                    continue;
                };
                match outcome(&stream, is_head) {
                    Ok(outcome) if case.allowed.contains(&outcome) => {}
                    Ok(outcome) => {
                        wrong.push(format!("{}: {outcome}, allowed {:?}", case.name, case.allowed))
                    }
                    Err(error) => {
                        wrong.push(format!("{}: {error}:\n{}", case.name, String::from_utf8_lossy(&stream)))
                    }
                }
            }
            wrong
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn s09_s10_w17_w32_hostile_requests_end_as_they_may_and_none_is_taken_for_two() {
    let cases = table();
    let distinct: BTreeSet<&[u8]> = cases.iter().map(|case| case.bytes.as_slice()).collect();
    assert!(distinct.len() >= 400, "{}", distinct.len());
    run(&cases);
}

#[test]
fn any_byte_at_any_place_leaves_the_framing_intact() {
    run(&every_byte());
}
