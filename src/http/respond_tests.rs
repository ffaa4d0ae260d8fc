use super::*;
use crate::http::request::parse;
use crate::image::FileData;

/// 2022-11-15T03:33:20Z.
const MODIFIED: u64 = 1_668_483_200;
const NOW: u64 = 1_795_348_800;

fn file() -> Found {
    let body = Body::Image(FileData::from_bytes((0..=255).collect()));
    Found::Content(Content { body, role: Role::Package, modified: MODIFIED })
}

fn ask_for(found: Found, method: &str, target: &str, headers: &str) -> Answer {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    let (request, _) = parse(head.as_bytes()).unwrap().unwrap();
    respond(&request, found, NOW)
}

fn get(headers: &str) -> Answer {
    ask_for(file(), "GET", "/a.rpm", headers)
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn body(answer: &Answer) -> Vec<u8> {
    match &answer.body {
        Payload::Empty => Vec::new(),
        Payload::Text(text) => text.clone().into_bytes(),
        Payload::Part { content, start, len } => {
            let mut bytes = vec![0; *len as usize];
            assert_eq!(content.read_at(&mut bytes, *start).unwrap() as u64, *len);
            bytes
        }
    }
}

#[test]
fn w01_w02_w03_the_head_suits_every_client() {
    let answer = get("");
    assert!(
        answer.head.starts_with("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"),
        "{}",
        answer.head
    );
    assert!(answer.head.ends_with("\r\nConnection: keep-alive\r\n\r\n"), "{}", answer.head);
    assert_eq!(answer.head.matches("Content-Length: 256\r\n").count(), 1);
    assert_eq!(answer.head.to_ascii_lowercase().matches("content-length").count(), 1);
    assert_eq!(body(&answer).len(), 256);
}

#[test]
fn w04_h09_nothing_is_encoded_even_when_asked() {
    let answer = get("Accept-Encoding: gzip\r\nTE: chunked\r\n");
    assert!(!answer.head.contains("Encoding"), "{}", answer.head);
}

#[test]
fn w05_h07_head_is_get_without_the_body() {
    let (head, get) = (ask_for(file(), "HEAD", "/a.rpm", ""), get(""));
    assert_eq!(head.head, get.head);
    assert!(body(&head).is_empty());
    let ranged = ask_for(file(), "HEAD", "/a.rpm", "Range: bytes=0-1\r\n");
    assert_eq!(ranged.head, get.head, "HEAD has no range");
}

#[test]
fn w06_a_part_says_what_it_is() {
    let answer = get("Range: bytes=16-31\r\n");
    assert_eq!((answer.status, field(&answer, "Content-Range")), (206, Some("bytes 16-31/256")));
    assert_eq!(field(&answer, "Content-Length"), Some("16"));
    assert_eq!(body(&answer), (16..32).collect::<Vec<u8>>());
}

#[test]
fn w08_a_part_that_there_is_not_is_refused_with_the_length() {
    let answer = get("Range: bytes=256-\r\n");
    assert_eq!((answer.status, field(&answer, "Content-Range")), (416, Some("bytes */256")));
    assert_eq!(field(&answer, "Content-Length"), Some("0"));
}

#[test]
fn w10_a_part_of_another_state_is_the_whole() {
    let tag = field(&get(""), "ETag").unwrap().to_owned();
    let date = Date(MODIFIED).to_string();
    for (condition, expected) in [
        (tag.as_str(), 206),
        ("\"other\"", 200),
        (date.as_str(), 206),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ] {
        let answer = get(&format!("Range: bytes=0-1\r\nIf-Range: {condition}\r\n"));
        assert_eq!(answer.status, expected, "{condition}");
    }
}

#[test]
fn w11_what_the_client_has_is_not_sent_again() {
    let tag = field(&get(""), "ETag").unwrap().to_owned();
    for headers in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-None-Match: \"a\", {tag}\r\n"),
        format!("If-None-Match: W/{tag}\r\n"),
        "If-None-Match: *\r\n".to_owned(),
        format!("If-Modified-Since: {}\r\n", Date(MODIFIED)),
        format!("If-Modified-Since: {}\r\n", Date(NOW)),
    ] {
        let answer = get(&headers);
        assert_eq!((answer.status, body(&answer).len()), (304, 0), "{headers}");
        assert!(field(&answer, "Content-Length").is_none(), "{headers}");
    }
    for headers in [
        "If-None-Match: \"other\"\r\n".to_owned(),
        format!("If-Modified-Since: {}\r\n", Date(MODIFIED - 1)),
        "If-Modified-Since: yesterday\r\n".to_owned(),
        format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {}\r\n", Date(NOW)),
    ] {
        assert_eq!(get(&headers).status, 200, "{headers}");
    }
}

#[test]
fn a_condition_that_fails_is_said() {
    let tag = field(&get(""), "ETag").unwrap().to_owned();
    assert_eq!(get(&format!("If-Match: {tag}\r\n")).status, 200);
    assert_eq!(get("If-Match: \"other\"\r\n").status, 412);
    assert_eq!(get(&format!("If-Unmodified-Since: {}\r\n", Date(MODIFIED))).status, 200);
    assert_eq!(get(&format!("If-Unmodified-Since: {}\r\n", Date(MODIFIED - 1))).status, 412);
}

#[test]
fn h13_h14_a_firmware_that_resumes_gets_the_rest_of_the_same_file() {
    let tag = field(&get(""), "ETag").unwrap().to_owned();
    let resume = |condition: &str| get(&format!("Range: bytes=100-255\r\n{condition}\r\n"));
    for condition in [format!("If-Match: {tag}"), format!("If-Unmodified-Since: {}", Date(MODIFIED))] {
        let answer = resume(&condition);
        assert_eq!(
            (answer.status, field(&answer, "Content-Range")),
            (206, Some("bytes 100-255/256")),
            "{condition}"
        );
        assert_eq!(body(&answer), (100..=255).collect::<Vec<u8>>());
    }
    for condition in [
        "If-Match: \"other\"".to_owned(),
        format!("If-Match: W/{tag}"),
        format!("If-Unmodified-Since: {}", Date(MODIFIED - 1)),
    ] {
        assert_eq!(resume(&condition).status, 412, "{condition}");
    }
}

#[test]
fn h12_h09_firmware_is_neither_sent_elsewhere_nor_chunked() {
    for found in [file(), Found::Directory(Vec::new()), Found::Missing] {
        let answer = ask_for(found, "GET", "/a", "User-Agent: UefiHttpBoot/1.0\r\nTE: chunked\r\n");
        assert!(!(300..400).contains(&answer.status));
        assert!(field(&answer, "Location").is_none() && field(&answer, "Transfer-Encoding").is_none());
        assert!(field(&answer, "Content-Length").is_some());
    }
}

#[test]
fn validators_tell_files_of_the_same_length_and_age_apart_and_stay() {
    use crate::image::Extent;
    use std::sync::Arc;
    let tag = |offset: u64| {
        let data = FileData::new(Arc::new(vec![0; 100]), [Extent { offset, len: 10 }]);
        let found = Found::Content(Content { body: Body::Image(data), role: Role::Other, modified: 5 });
        field(&ask_for(found, "GET", "/x", ""), "ETag").unwrap().to_owned()
    };
    assert_eq!(tag(0), tag(0));
    assert_ne!(tag(0), tag(50));
    let text = |text: &str| {
        let found = Found::Content(Content::from_bytes(text.as_bytes(), Role::Other, 5));
        field(&ask_for(found, "GET", "/x", ""), "ETag").unwrap().to_owned()
    };
    assert_ne!(text("one"), text("two"));
}

#[test]
fn w21_w22_missing_files_and_directories_have_a_length_and_no_redirect() {
    let missing = ask_for(Found::Missing, "GET", "/updates.img", "");
    assert_eq!((missing.status, missing.keep_alive), (404, true));
    assert_eq!(field(&missing, "Content-Length"), Some(body(&missing).len().to_string().as_str()));
    let listing = ask_for(Found::Directory(Vec::new()), "GET", "/Packages", "");
    assert_eq!(listing.status, 200);
    assert!(field(&listing, "Location").is_none());
    assert_eq!(field(&listing, "Content-Length"), Some(body(&listing).len().to_string().as_str()));
}

#[test]
fn w23_lengths_have_64_bits() {
    use crate::image::Extent;
    use std::sync::Arc;
    let len = 9 << 30;
    let data = FileData::new(Arc::new(Vec::new()), [Extent { offset: 0, len }]);
    let found =
        || Found::Content(Content { body: Body::Image(data.clone()), role: Role::Other, modified: 0 });
    let answer = ask_for(found(), "GET", "/x", "Range: bytes=5368709120-\r\n");
    assert_eq!(field(&answer, "Content-Range"), Some("bytes 5368709120-9663676415/9663676416"));
    assert_eq!(field(&answer, "Content-Length"), Some("4294967296"));
}

#[test]
fn w32_a_refusal_says_what_is_served() {
    let refused = parse(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap_err();
    let answer = refuse(refused, false, NOW);
    assert_eq!((answer.status, field(&answer, "Allow"), answer.keep_alive), (405, Some("GET, HEAD"), false));
    assert!(answer.head.ends_with("Connection: close\r\n\r\n"));
}

#[test]
fn h10_firmware_gets_types_without_a_parameter() {
    for (target, expected) in [
        ("/EFI/BOOT/BOOTX64.EFI", "application/efi"),
        ("/a.iso", "application/vnd.efi-iso"),
        ("/images/efiboot.img", "application/vnd.efi-img"),
        ("/images/pxeboot/vmlinuz", "application/octet-stream"),
    ] {
        assert_eq!(field(&ask_for(file(), "GET", target, ""), "Content-Type"), Some(expected), "{target}");
    }
}
