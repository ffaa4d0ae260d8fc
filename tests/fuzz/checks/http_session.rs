//! A client's stream: however it is cut into pieces, the same requests come out of it, and none after a refusal. The first byte
//! says how long the pieces are.

use pxego::content::{Content, Found, Role};
use pxego::http::inbox::Inbox;
use pxego::http::request::{MAX_HEAD, Refused, Request};
use pxego::http::respond::{Answer, refuse, respond};

/// What a server makes of a stream that comes in pieces.
fn session(stream: &[u8], size: usize) -> (Vec<Request>, Option<Refused>) {
    let mut inbox = Inbox::default();
    let mut requests = Vec::new();
    let mut rest = stream;
    loop {
        match inbox.take() {
            Ok(Some(request)) => requests.push(request),
            Err(refused) => return (requests, Some(refused)),
            Ok(None) => {
                assert!(inbox.room() > 0 && inbox.room() <= MAX_HEAD);
                let (piece, after) = rest.split_at(rest.len().min(size).min(inbox.room()));
                if piece.is_empty() {
                    return (requests, None);
                }
                inbox.push(piece);
                rest = after;
            }
        }
    }
}

fn check_name(name: &[u8]) {
    assert!(!name.contains(&0) && !name.starts_with(b"/") && !name.ends_with(b"/"));
    assert!(name.is_empty() || name.split(|it| *it == b'/').all(|part| !matches!(part, b"" | b"." | b"..")));
}

/// The head is framed as a strict client reads it, and promises what follows.
fn check_answer(answer: &Answer) {
    let head = answer.head.strip_suffix("\r\n\r\n").expect("a head ends");
    let mut lines = head.split("\r\n");
    let status = format!("HTTP/1.1 {} ", answer.status);
    assert!(lines.next().is_some_and(|line| line.starts_with(&status)), "{head}");
    let fields: Vec<_> = lines.map(|line| line.split_once(": ").expect("a field")).collect();
    assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head}");
    let lengths: Vec<_> = fields.iter().filter(|(name, _)| *name == "Content-Length").collect();
    match answer.status {
        304 => assert!(lengths.is_empty()),
        _ => assert_eq!(lengths.len(), 1),
    }
    let len: u64 = lengths.first().map_or(0, |(_, value)| value.parse().expect("a number"));
    assert!(answer.body.is_empty() || answer.body.len() == len, "{head}");
    let last = if answer.keep_alive { "keep-alive" } else { "close" };
    assert_eq!(fields.last(), Some(&("Connection", last)));
}

/// Reads `data` as what a client sends.
pub fn http_session(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else { return };
    let whole = session(stream, usize::MAX);
    assert_eq!(whole, session(stream, usize::from(*size).max(1)));
    let (requests, refused) = whole;
    for request in requests {
        check_name(&request.target.name);
        request.target.others.iter().for_each(|name| check_name(name));
        let content = || Content::from_bytes(&b"0123456789"[..], Role::Package, 784_111_777);
        for found in [Found::Missing, Found::Directory(Vec::new()), Found::Content(content())] {
            let answer = respond(&request, found, 1_800_000_000);
            check_answer(&answer);
            assert!(!request.is_head || answer.body.is_empty());
            assert_eq!(answer.keep_alive, request.keep_alive);
            assert!(answer.body.len() <= 10 || answer.role.is_none());
        }
    }
    if let Some(refused) = refused {
        let answer = refuse(refused, false, 1_800_000_000);
        assert!(answer.status >= 400 && !answer.keep_alive);
        check_answer(&answer);
    }
}
