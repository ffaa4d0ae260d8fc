//! Heads of HTTP requests, and the answers to them: the same however the bytes arrive, names stay inside, heads are heads.

use pxego::content::name::{normalise, with_backslashes};
use pxego::content::{Content, Found, Role};
use pxego::http::request::{MAX_HEAD, Refused, Request, parse};
use pxego::http::respond::{Answer, Payload, refuse, respond};
use pxego::http::target::{Target, encode};
use pxego::image::Entry;

/// Longest content that an answer is made of here.
const LEN: u64 = 1000;

/// 2026-11-22T12:00:00Z.
const NOW: u64 = 1_795_348_800;

/// Reads `data` as what a client sends on one connection.
pub fn http(data: &[u8]) {
    if let Ok(target) = Target::parse(data) {
        means_itself(&target);
    }
    let whole = parse(data);
    for cut in cuts(data.len()) {
        // What is decided stays decided, whatever comes after it; what is not must be waited for.
        match (parse(&data[..cut]), &whole) {
            (Ok(None), Ok(Some((_, len)))) => assert!(cut < *len, "{cut} of {len} bytes are all of it"),
            (Ok(None), _) => assert!(cut < MAX_HEAD),
            (Ok(Some(early)), Ok(Some(whole))) => assert_eq!(early, *whole),
            (Err(early), Err(_)) => assert!(early.status() >= 400),
            (early, whole) => panic!("{cut} bytes give {early:?}, all of them {whole:?}"),
        }
    }
    match whole {
        Ok(None) => assert!(data.len() < MAX_HEAD),
        Ok(Some((request, len))) => {
            assert!(len <= data.len().min(MAX_HEAD));
            assert_eq!(parse(&data[..len]), Ok(Some((request.clone(), len))));
            means_itself(&request.target);
            answers(&request);
        }
        Err(refused) => {
            assert!(matches!(refused.status(), 400 | 405 | 431 | 505));
            assert!(!matches!(refused, Refused::TooLong) || data.len() > 64);
            is_an_answer(&refuse(refused, false, NOW), false);
        }
    }
}

/// Where the bytes are cut in two: at each of the first, then ever rarer.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(0_usize), |at| Some(at + 1 + at / 16)).take_while(move |at| *at < len)
}

/// All names of a target are in their form, and a link to what it names leads there.
fn means_itself(target: &Target) {
    for name in [&target.name].into_iter().chain(&target.others) {
        let in_form = with_backslashes(name).or_else(|| normalise(name).ok());
        assert_eq!(in_form.as_ref(), Some(name));
        assert!(normalise(name).is_ok(), "it stays inside however a backslash is read");
        assert!(!name.starts_with(b"/") && !name.contains(&0));
        assert!(name.split(|byte| *byte == b'/').all(|part| !matches!(part, b"." | b"..")));
    }
    let link = format!("/{}", encode(&target.name));
    assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>?#".contains(&byte)));
    let again = Target::parse(link.as_bytes()).map(|again| again.name);
    assert_eq!(again.as_ref(), Ok(&target.name));
}

/// Answers the request with everything that there can be under its name.
fn answers(request: &Request) {
    let bytes: Vec<u8> = (0..LEN).map(|number| number as u8).collect();
    for role in [Role::Kernel, Role::Menu] {
        let content = Content::from_bytes(bytes.clone(), role, NOW - 86_400);
        is_an_answer(&respond(request, Found::Content(content), NOW), request.is_head);
    }
    let name = request.target.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
    let entry = Entry { name, is_directory: false, len: LEN, modified: NOW };
    let answer = respond(request, Found::Directory(vec![entry]), NOW);
    // A name as long as names may be has no room for one more.
    if let Payload::Text(page) = &answer.body
        && request.target.name.len() < 2048
    {
        let links = page.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
        links.for_each(|link| assert!(Target::parse(link.as_bytes()).is_ok(), "{link}"));
    }
    is_an_answer(&answer, request.is_head);
    is_an_answer(&respond(request, Found::Missing, NOW), request.is_head);
}

fn is_an_answer(answer: &Answer, is_head: bool) {
    let head = answer.head.strip_suffix("\r\n\r\n").expect("an empty line ends the head");
    let mut lines = head.split("\r\n");
    assert!(lines.next().is_some_and(|line| line.starts_with(&format!("HTTP/1.1 {} ", answer.status))));
    assert!(!head.replace("\r\n", "").contains(char::is_control), "{head:?}");
    let fields: Vec<(&str, &str)> =
        lines.map(|line| line.split_once(": ").expect("a name and a value")).collect();
    let lengths: Vec<u64> = fields
        .iter()
        .filter(|(name, _)| *name == "Content-Length")
        .map(|(_, value)| value.parse().expect("a number"))
        .collect();
    let len = match &answer.body {
        Payload::Empty => None,
        Payload::Text(text) => Some(text.len() as u64),
        Payload::Part { content, start, len } => {
            assert!(start.checked_add(*len).is_some_and(|end| end <= content.len()));
            Some(*len)
        }
    };
    match answer.status {
        304 => assert!(lengths.is_empty() && len.is_none()),
        416 => assert_eq!(lengths, [0]),
        _ => assert!(lengths.len() == 1 && (is_head && len.is_none() || len == Some(lengths[0])), "{head}"),
    }
}
