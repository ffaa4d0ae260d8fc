use super::*;

#[test]
fn an_installer_names_its_cards() {
    let head = "GET /ks.cfg HTTP/1.1\r\nHost: a\r\nX-RHN-Provisioning-MAC-0: eth0 52:54:00:00:00:01\r\n\
                x-rhn-provisioning-mac-1:enp3s0 52:54:00:AB:cd:02\r\nX-RHN-Provisioning-MAC-2: eth2\r\n\
                X-RHN-Provisioning-MAC-3: \r\nX-RHN: eth0 52:54:00:00:00:09\r\n\r\n";
    let (request, _) = parse(head.as_bytes()).expect("well formed").expect("whole");
    assert_eq!(request.cards, [MacAddr([0x52, 0x54, 0, 0, 0, 1]), MacAddr([0x52, 0x54, 0, 0xab, 0xcd, 2])]);
}

fn read(head: &str) -> Result<Request, Refused> {
    parse(head.as_bytes()).map(|parsed| parsed.expect("a whole head").0)
}

fn status(head: &str) -> u16 {
    read(head).map_or_else(Refused::status, |_| 200)
}

#[test]
fn a_request_is_taken_from_the_front() {
    let two = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n";
    let (first, len) = parse(two).unwrap().unwrap();
    assert_eq!((first.is_head, first.target.name.as_slice(), first.keep_alive), (false, &b"a"[..], true));
    let (second, rest) = parse(&two[len..]).unwrap().unwrap();
    assert_eq!((second.is_head, second.target.name.as_slice()), (true, &b"b"[..]));
    assert_eq!(len + rest, two.len());
}

#[test]
fn w12_http_10_needs_no_host_and_closes() {
    assert!(!read("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
    assert!(read("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().keep_alive);
    assert!(!read("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n").unwrap().keep_alive);
}

#[test]
fn h11_the_host_may_be_any_name_of_ours_with_or_without_a_port() {
    for host in ["192.168.100.1", "192.168.100.1:8080", "pxego", "[fe80::1]:80", ""] {
        assert!(read(&format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n")).is_ok(), "{host}");
    }
}

#[test]
fn w16_a_raw_space_in_a_name_is_part_of_it() {
    assert_eq!(read("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().target.name, b"a b");
}

#[test]
fn every_part_of_a_head_may_still_have_to_come() {
    let head = "GET /a HTTP/1.1\r\nHost: 192.168.100.1:80\r\nRange: bytes=0-\r\n\r\n";
    for end in 0..head.len() {
        assert_eq!(parse(&head.as_bytes()[..end]), Ok(None), "{end}");
    }
    assert!(read(head).is_ok());
    assert!(read(&head.replace("\r\n", "\n")).is_ok(), "line feeds alone");
}

#[test]
fn s09_w32_other_methods_are_refused() {
    for method in ["POST", "PUT", "DELETE", "CONNECT", "get", "PRI"] {
        assert_eq!(status(&format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n")), 405, "{method}");
    }
}

#[test]
fn only_reports_have_a_body_and_they_say_how_long_it_is() {
    for (target, headers, expected) in [
        ("/hook/a/started", "Content-Length: 5\r\n", 200),
        ("/hook/a/started", "Content-Length: 0\r\n", 200),
        ("/hook/a/started", "Content-Length: 65536\r\n", 200),
        ("/hook/a/started", "Content-Length: 65537\r\n", 413),
        ("/hook/a/started", "Content-Length: 99999999999999999999999\r\n", 413),
        ("/hook/a/started", "", 411),
        ("/hook/a/started", "Content-Length: +5\r\n", 400),
        ("/hook/a/started", "Content-Length: 5, 5\r\n", 400),
        ("/hook/a/started", "Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        ("/hook/a/started", "Transfer-Encoding: chunked\r\n", 400),
        ("/hook/a/started", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("/ks/a/ks.cfg", "Content-Length: 5\r\n", 405),
        ("/a/../hook/b", "Content-Length: 5\r\n", 405),
        ("/hook/../../b", "Content-Length: 5\r\n", 400),
    ] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        assert_eq!(status(&head), expected, "{target} {headers}");
    }
    assert_eq!(status("GET /hook/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"), 400);
}

#[test]
fn what_can_be_understood_in_two_ways_is_refused() {
    for (headers, expected) in [
        ("", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host: x\r\nContent-Length: 5\r\n", 400),
        ("Host: x\r\nContent-Length: 0\r\n", 200),
        ("Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n", 400),
        ("Host: x\r\nContent-Length: +0\r\n", 400),
        ("Host: x\r\nContent-Length: 0, 0\r\n", 400),
        ("Host: x\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Host: x\r\nTransfer-Encoding: identity\r\n", 400),
        ("Host : x\r\n", 400),
        ("Host: x\r\n folded: y\r\n", 400),
        ("Host: x\r\nA: b\rc\r\n", 400),
        ("Host: x\r\nA: b\0c\r\n", 400),
        ("Host: x\r\n: y\r\n", 400),
        ("Host: x\r\nno colon\r\n", 400),
    ] {
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{headers}\r\n")), expected, "{headers:?}");
    }
}

#[test]
fn malformed_request_lines_are_refused() {
    for (line, expected) in [
        ("GET /", 400),
        ("GET", 400),
        ("", 400),
        ("GET  HTTP/1.1", 400),
        (" / HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.10", 505),
        ("GET /\0 HTTP/1.1", 400),
        ("G\u{e9}T / HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET /../x HTTP/1.1", 400),
    ] {
        assert_eq!(status(&format!("{line}\r\nHost: x\r\n\r\n")), expected, "{line:?}");
    }
}

#[test]
fn s10_a_head_has_an_end() {
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD));
    assert_eq!(parse(long.as_bytes()), Err(Refused::TooLong));
    assert_eq!(parse(&[b'a'; MAX_HEAD]), Err(Refused::TooLong));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(64));
    assert_eq!(parse(many.as_bytes()), Err(Refused::TooLong));
}
