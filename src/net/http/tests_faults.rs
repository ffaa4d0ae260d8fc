//! What goes wrong with the source, the client or the code.

use super::*;

fn drop_cache(bench: &Bench) {
    // dd asks the kernel to forget the file's pages; a file system that keeps them makes this test an easier one.
    let mut dd = std::process::Command::new("dd");
    dd.arg(format!("if={}", bench.file.display())).args(["iflag=nocache", "count=0", "status=none"]);
    let synced = std::fs::File::open(&bench.file).and_then(|file| file.sync_all());
    assert!(synced.is_ok() && dd.status().unwrap().success());
}

fn truncate(bench: &Bench, len: u64) {
    std::fs::OpenOptions::new().write(true).open(&bench.file).unwrap().set_len(len).unwrap();
}

#[test]
fn s19_a_source_that_gets_shorter_while_it_is_sent_resets_the_connection() {
    let bench = Bench::new("shrink", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("huge").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    truncate(&bench, 0);
    let mut all = Vec::new();
    let error = stream.read_to_end(&mut all).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(all.len() < HUGE);
    let heard = bench.heard.recv_timeout(DEADLINE).unwrap();
    assert!(heard.starts_with("huge ") && heard.ends_with(" failed"), "{heard}");
    // The next one asks when it is known: it can come back.
    let mut stream = bench.connect();
    stream.write_all(get("large").as_bytes()).unwrap();
    assert_eq!(answer(&mut stream).0, "HTTP/1.1 503 Service Unavailable");
    bench.hears("large 0 failed");
    // What needs no image is served all the same.
    let mut stream = bench.connect();
    stream.write_all(get("small").as_bytes()).unwrap();
    assert_eq!(answer(&mut stream).1, b"small thing");
}

#[test]
fn s19_an_image_that_lost_its_end_serves_what_is_left_of_it() {
    let bench = Bench::new("tail", |_| {});
    truncate(&bench, (LARGE / 2) as u64);
    let mut stream = bench.connect();
    // Its first extent is the second half of the image.
    stream
        .write_all(
            format!("GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes={}-\r\n\r\n", LARGE / 2).as_bytes(),
        )
        .unwrap();
    let (status, body) = answer(&mut stream);
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 206 Partial Content", LARGE / 2));
}

#[test]
fn what_is_not_in_memory_is_read_from_the_disk() {
    let bench = Bench::new("cold", |_| {});
    for _ in 0..3 {
        drop_cache(&bench);
        let mut stream = bench.connect();
        stream.write_all((get("large") + &get("small") + &get("large")).as_bytes()).unwrap();
        for name in ["large", "small", "large"] {
            let (status, body) = answer(&mut stream);
            assert_eq!(status, "HTTP/1.1 200 OK");
            let half = LARGE / 2;
            assert!(
                name == "small"
                    || body.iter().enumerate().all(|(at, byte)| *byte == content((at + half) % LARGE))
            );
        }
    }
}

#[test]
fn an_image_without_a_file_behind_it_is_copied() {
    let bench = Bench::new("copied", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("memory").as_bytes()).unwrap();
    let (status, body) = answer(&mut stream);
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", 300_000));
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == content(at)));
}

#[test]
fn an_empty_file_is_an_answer_too() {
    let bench = Bench::new("empty", |_| {});
    let mut stream = bench.connect();
    stream.write_all((get("empty") + &get("small")).as_bytes()).unwrap();
    assert_eq!(answer(&mut stream), ("HTTP/1.1 200 OK".to_owned(), Vec::new()));
    assert_eq!(answer(&mut stream).1, b"small thing");
    bench.hears("empty 0 done");
}

#[test]
fn w15_a_reset_after_the_whole_body_is_no_error() {
    let bench = Bench::new("rst", |_| {});
    let mut stream = bench.connect();
    stream.write_all(get("small").as_bytes()).unwrap();
    answer(&mut stream);
    bench.hears("small 11 done");
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    let mut next = bench.connect();
    next.write_all(get("nothing").as_bytes()).unwrap();
    answer(&mut next);
    bench.hears("nothing 30 missing");
}

#[test]
fn a_bug_ends_one_connection_and_nothing_else() {
    let bench = Bench::new("bug", |_| {});
    for _ in 0..20 {
        let mut stream = bench.connect();
        stream.write_all(get("bug").as_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
    let mut stream = bench.connect();
    stream.write_all(get("small").as_bytes()).unwrap();
    assert_eq!(answer(&mut stream).1, b"small thing");
}

#[test]
fn h15_w05_head_and_get_share_a_connection() {
    let bench = Bench::new("head", |_| {});
    let mut stream = bench.connect();
    for _ in 0..3 {
        stream.write_all(get("large").replace("GET", "HEAD").as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(String::from_utf8(head).unwrap().contains(&format!("Content-Length: {LARGE}\r\n")));
        bench.hears("large 0 probe");
        stream.write_all(get("large").as_bytes()).unwrap();
        assert_eq!(answer(&mut stream).1.len(), LARGE);
        bench.hears("large 5000000 done");
    }
}

#[test]
fn strangers_from_other_networks_are_turned_away() {
    let bench =
        Bench::new("foreign", |config| config.networks = Networks::local(Ipv4Addr::new(10, 0, 0, 1), 24));
    let mut stream = bench.connect();
    let _ = stream.write_all(get("small").as_bytes());
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}
