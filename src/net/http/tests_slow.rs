//! Clients that are slow, many, or say nothing.

use super::*;

fn quick(config: &mut HttpConfig) {
    let short = Duration::from_millis(50);
    config.patience =
        Patience { head: short, idle: short, stall: short, vanished: short, linger: short, haste: short };
}

/// Everything until the end of the stream; a reset ends it too.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8_lossy(&all).into_owned(),
    }
}

#[test]
fn w30_a_head_that_takes_too_long_is_told_so_and_an_idle_client_is_left_alone_for_a_minute() {
    let usual = Patience::default();
    assert!(usual.idle >= Duration::from_secs(60) && usual.head <= Duration::from_secs(30));
    assert!(usual.stall >= Duration::from_secs(120), "iPXE and EDK2 in a menu");
    let bench = Bench::new("slow", |config| config.patience.head = Duration::from_millis(50));
    let mut idle = bench.connect();
    let mut slow = bench.connect();
    slow.write_all(b"GET /small HTTP/1.1\r\nHost: x\r\nX-a: ").unwrap();
    assert!(rest(&mut slow).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    idle.write_all(get("small").as_bytes()).unwrap();
    assert_eq!(answer(&mut idle).1, b"small thing");
}

#[test]
fn the_time_for_a_head_does_not_begin_anew_with_every_byte() {
    let bench = Bench::new("drip", |config| config.patience.head = Duration::from_millis(200));
    let mut stream = bench.connect();
    let start = clock::now();
    let mut said = [0; 13];
    // A byte whenever there is no answer yet.
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    while stream.write_all(b"a").is_ok() && stream.read_exact(&mut said).is_err() {
        assert!(start.elapsed() < DEADLINE);
    }
    assert_eq!(&said, b"HTTP/1.1 408 ");
}

#[test]
fn who_is_idle_for_too_long_is_closed() {
    let bench = Bench::new("idle", quick);
    assert_eq!(rest(&mut bench.connect()), "");
}

#[test]
fn who_takes_nothing_for_too_long_is_an_abort() {
    let bench = Bench::new("stall", quick);
    let mut stream = bench.connect();
    SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
    // More than all buffers on the way take.
    stream.write_all(get("huge").as_bytes()).unwrap();
    let heard = bench.heard.recv_timeout(DEADLINE).unwrap();
    assert!(heard.starts_with("huge ") && heard.ends_with(" aborted"), "{heard}");
    drop(stream);
}

#[test]
fn s11_slow_readers_make_room_and_quick_ones_are_not_cut() {
    let bench = Bench::new("readers", |config| {
        (config.max_connections, config.patience.haste) = (8, Duration::from_millis(100));
    });
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = bench.connect();
            SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
            stream.write_all(get("huge").as_bytes()).unwrap();
            stream
        })
        .collect();
    let start = clock::now();
    loop {
        // Turned away until the first of them is slow.
        let mut stream = bench.connect();
        let _ = stream.write_all(get("small").as_bytes());
        let said = rest_or_answer(&mut stream);
        assert!(start.elapsed() < DEADLINE, "{said}");
        if said.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 503 "), "{said}");
    }
    drop(slow);
}

fn rest_or_answer(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[test]
fn s11_who_works_is_not_cut_for_a_newcomer() {
    let bench = Bench::new("full", |config| {
        (config.max_per_client, config.patience.haste) = (2, DEADLINE);
    });
    let mut working: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = bench.connect();
            stream.write_all(get("huge").as_bytes()).unwrap();
            stream.read_exact(&mut [0; 1000]).unwrap();
            stream
        })
        .collect();
    let mut third = bench.connect();
    assert!(rest(&mut third).starts_with("HTTP/1.1 503 "), "no room");
    for stream in &mut working {
        stream.read_exact(&mut vec![0; LARGE]).unwrap();
    }
}

#[test]
fn thousands_who_never_end_their_head_hold_up_nobody() {
    let bench = Bench::new("crowd", |config| (config.max_connections, config.max_per_client) = (200, 200));
    let mut crowd = Vec::new();
    for number in 0..400 {
        let mut stream = bench.connect();
        // Those that came first may be cut by now.
        stream.write_all(b"GET /small HTTP/1.1\r\nHost: x\r\nX: ").unwrap();
        crowd.push(stream);
        if number % 50 == 0 {
            let mut honest = bench.connect();
            honest.write_all(get("small").as_bytes()).unwrap();
            // Before the first of them are late there may be no room.
            let said = rest_or_answer(&mut honest);
            assert!(number >= 200 || said.starts_with("HTTP/1.1 200 "), "{number}: {said}");
        }
    }
    let start = clock::now();
    loop {
        let mut honest = bench.connect();
        let _ = honest.write_all(get("small").as_bytes());
        if rest_or_answer(&mut honest).starts_with("HTTP/1.1 200 ") {
            return;
        }
        assert!(start.elapsed() < DEADLINE);
    }
}

#[test]
fn w24_ten_connections_at_once_are_served_again_and_again() {
    let bench = Bench::new("ten", |_| {});
    thread::scope(|scope| {
        for mut stream in (0..10).map(|_| bench.connect()) {
            scope.spawn(move || {
                for name in ["large", "small", "large", "small", "large"] {
                    stream.write_all(get(name).as_bytes()).unwrap();
                    let (status, body) = answer(&mut stream);
                    assert_eq!(status, "HTTP/1.1 200 OK");
                    assert!(name == "small" || body.len() == LARGE);
                }
            });
        }
    });
}
