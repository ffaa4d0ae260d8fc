use super::table::MAX_PER_CLIENT;
use super::*;
use crate::content::networks::Networks;
use crate::content::{Body, Content, Found, Request, Role};
use crate::image::{Extent, FileData, ImageFile};
use crate::tftp::request::Wish;
use crate::wire::tftp::{self, ErrorCode, Packet};
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

const DEADLINE: Duration = Duration::from_secs(60);

/// Where the machine is: not where the server is, which answers nobody in its own name.
const MACHINE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Serves one file of 1,000 bytes, a directory, and what is added.
#[derive(Default)]
struct Shelf(Option<Content>);

impl Library for Shelf {
    fn find(&self, request: &Request<'_>) -> Found {
        match request.name {
            b"file" => Found::Content(Content::from_bytes(vec![7_u8; 1000], Role::Kernel, 0)),
            b"added" => self.0.clone().map_or(Found::Missing, Found::Content),
            b"directory" => Found::Directory(Vec::new()),
            _ => Found::Missing,
        }
    }
}

struct Ear(Mutex<Sender<String>>);

impl Observer for Ear {
    fn started(&self, _: Ipv4Addr, _: Protocol, name: &[u8], role: Role) {
        let text = format!("{} {role:?} begins", String::from_utf8_lossy(name));
        let _ = self.0.lock().unwrap().send(text);
    }

    fn ended(&self, transfer: &Transfer<'_>) {
        let name = String::from_utf8_lossy(transfer.name);
        let text = format!("{name} {:?} {} {:?}", transfer.role, transfer.sent, transfer.outcome);
        let _ = self.0.lock().unwrap().send(text);
    }
}

/// A server on the loopback, and a client's socket. Stopped when dropped.
struct Bench {
    port: SocketAddr,
    client: UdpSocket,
    heard: Receiver<String>,
    stop: Stop,
    thread: Option<thread::JoinHandle<()>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(false, Shelf::default())
    }

    fn with(single_port: bool, shelf: Shelf) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap();
        let client = machine(MACHINE);
        let stop = Stop::new().unwrap();
        let (tell, heard) = channel();
        let config = TftpConfig {
            networks: Networks::local(Ipv4Addr::LOCALHOST, 8),
            interface: None,
            mtu: 1500,
            single_port,
            roll_over: RollOver::ToZero,
        };
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let library: Arc<dyn Library> = Arc::new(shelf);
            let observer: Arc<dyn Observer> = Arc::new(Ear(Mutex::new(tell)));
            serve(&socket, &config, &library, &observer, &stopped).unwrap();
        });
        Self { port, client, heard, stop, thread: Some(thread) }
    }

    fn ask(&self, name: &[u8], mode: &str, options: &[(&str, &str)]) {
        self.client.send_to(&tftp::read_request(name, mode, options), self.port).unwrap();
    }

    fn received(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2048];
        let (len, from) = self.client.recv_from(&mut buffer).unwrap();
        (buffer[..len].to_vec(), from)
    }

    fn error_code(&self) -> u16 {
        match Packet::parse(&self.received().0) {
            Ok(Packet::Error { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    fn hears(&self, expected: &str) {
        assert_eq!(self.heard.recv_timeout(DEADLINE).unwrap(), expected);
    }
}

fn machine(address: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.set();
        let _ = self.thread.take().unwrap().join();
    }
}

#[test]
fn t26_a_file_comes_from_one_port_that_is_its_own() {
    let bench = Bench::new();
    bench.ask(b"/file", "octet", &[]);
    let (first, port) = bench.received();
    assert_eq!(first.len(), 4 + 512);
    assert_ne!(port, bench.port);
    bench.client.send_to(&tftp::ack(1), port).unwrap();
    let (second, again) = bench.received();
    assert_eq!((second.len(), again), (4 + 488, port));
    bench.client.send_to(&tftp::ack(2), port).unwrap();
    bench.hears("file Kernel begins");
    bench.hears("file Some(Kernel) 1000 Done");
}

#[test]
fn t27_a_stranger_is_sent_away_and_the_transfer_goes_on() {
    let bench = Bench::new();
    bench.ask(b"file", "octet", &[]);
    let (_, port) = bench.received();
    let stranger = machine(MACHINE);
    stranger.send_to(&tftp::ack(1), port).unwrap();
    let mut buffer = [0; 100];
    let (len, _) = stranger.recv_from(&mut buffer).unwrap();
    assert!(matches!(Packet::parse(&buffer[..len]), Ok(Packet::Error { code: 5, .. })));
    bench.client.send_to(&tftp::ack(1), port).unwrap();
    assert_eq!(bench.received().0[..4], [0, 3, 0, 2]);
}

#[test]
fn t13_a_request_that_is_repeated_at_once_opens_no_second_transfer() {
    let bench = Bench::new();
    bench.ask(b"file", "octet", &[("tsize", "0")]);
    bench.ask(b"file", "octet", &[("tsize", "0")]);
    let (first, port) = bench.received();
    assert_eq!(first, b"\0\x06tsize\x001000\0");
    bench.client.send_to(&tftp::ack(0), port).unwrap();
    // A second OACK would come before this.
    assert_eq!(bench.received().0[..4], [0, 3, 0, 1]);
}

/// A wire may deliver a copy of the request when the client has long had its first blocks (seen with busybox, which gives up
/// when its port is closed under it).
#[test]
fn t13_a_late_copy_of_the_request_does_not_end_the_transfer() {
    let bench = Bench::with(false, shelf(100_000));
    let goes_on = || {
        let client = machine(MACHINE);
        let ask = || client.send_to(&tftp::read_request(b"added", "octet", &[]), bench.port).unwrap();
        let hear = || client.recv_from(&mut [0; 2048]).unwrap().1;
        ask();
        let port = hear();
        for block in 1..20_u16 {
            client.send_to(&tftp::ack(block), port).unwrap();
            if hear() != port {
                return false;
            }
            if block == 10 {
                ask();
            }
        }
        client.send_to(&tftp::error(ErrorCode::Undefined, "enough"), port).unwrap();
        true
    };
    // Half a second in which this thread or the server's had no turn is taken for a machine that begins again.
    assert!((0..5).any(|_| goes_on()));
}

#[test]
fn t12_a_probe_and_then_the_file_from_the_same_client() {
    let bench = Bench::new();
    bench.ask(b"file", "octet", &[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")]);
    let (_, port) = bench.received();
    bench.client.send_to(b"\0\x05\0\x08User aborted the transfer\0", port).unwrap();
    bench.hears("file Some(Kernel) 0 Probe");
    bench.ask(b"file", "octet", &[("blksize", "1468"), ("windowsize", "4")]);
    let (oack, port) = bench.received();
    assert_eq!(oack, b"\0\x06blksize\x001468\0windowsize\x004\0");
    bench.client.send_to(&tftp::ack(0), port).unwrap();
    // On a busy computer the options may come again.
    let first = std::iter::repeat_with(|| bench.received().0).find(|packet| packet[1] != 6);
    assert_eq!(first.map(|packet| packet.len()), Some(4 + 1000));
}

#[test]
fn t29_t30_t34_t36_what_cannot_be_served_is_refused_at_once() {
    let bench = Bench::new();
    for (request, code) in [
        (tftp::read_request(b"nothing", "octet", &[]), 1),
        (tftp::read_request(b"directory", "octet", &[]), 1),
        (tftp::read_request(b"../etc/passwd", "octet", &[]), 2),
        (tftp::read_request(br"a\..\..\b", "octet", &[]), 2),
        (tftp::read_request(b"file", "mail", &[]), 4),
        (b"\0\x02file\0octet\0".to_vec(), 2),
    ] {
        bench.client.send_to(&request, bench.port).unwrap();
        assert_eq!(bench.error_code(), code, "{request:?}");
    }
    for _ in 0..50 {
        bench.ask(b"nothing", "octet", &[]);
        assert_eq!(bench.error_code(), 1);
    }
}

#[test]
fn t28_an_error_is_never_answered() {
    let bench = Bench::new();
    bench.client.send_to(b"\0\x05\0\0x\0", bench.port).unwrap();
    bench.ask(b"nothing", "octet", &[]);
    // The answer to the second packet is the first that comes.
    assert_eq!(bench.error_code(), 1);
    bench.hears("nothing None 0 Missing");
}

/// Asks for `file` and acknowledges its options, if `is_honest`. Returns the opcode of the answer.
fn ask_from(client: &UdpSocket, bench: &Bench, is_honest: bool) -> u8 {
    let request = tftp::read_request(b"file", "octet", &[("blksize", "1468")]);
    client.send_to(&request, bench.port).unwrap();
    let mut buffer = [0; 600];
    let (_, port) = client.recv_from(&mut buffer).unwrap();
    let opcode = buffer[1];
    if is_honest && opcode == 6 {
        client.send_to(&tftp::ack(0), port).unwrap();
        client.recv(&mut buffer).unwrap();
    }
    opcode
}

#[test]
fn t46_s11_one_client_too_many_transfers_is_told_so() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..=MAX_PER_CLIENT).map(|_| machine(MACHINE)).collect();
    let opcodes: Vec<u8> = clients.iter().map(|client| ask_from(client, &bench, true)).collect();
    // Each has its second and last block out, which is no reason to keep others waiting.
    assert!(opcodes.iter().all(|opcode| *opcode == 6), "{opcodes:?}");

    let content = Content::from_bytes(vec![1_u8; 100_000], Role::Kernel, 0);
    let bench = Bench::with(false, Shelf(Some(content)));
    for (number, client) in clients.iter().enumerate() {
        client.send_to(&tftp::read_request(b"added", "octet", &[]), bench.port).unwrap();
        let mut buffer = [0; 600];
        let (_, port) = client.recv_from(&mut buffer).unwrap();
        if number < MAX_PER_CLIENT {
            client.send_to(&tftp::ack(1), port).unwrap();
            client.recv(&mut buffer).unwrap();
        } else {
            assert_eq!(buffer[..4], [0, 5, 0, 0], "busy");
        }
    }
    // Somebody else is not concerned.
    assert_eq!(ask_from(&machine(Ipv4Addr::new(127, 0, 0, 3)), &bench, true), 6);
}

#[test]
fn s11_who_is_never_heard_gives_way_the_oldest_first() {
    let bench = Bench::new();
    let clients: Vec<_> = (0..120).map(|_| machine(MACHINE)).collect();
    for client in &clients {
        assert_eq!(ask_from(client, &bench, false), 6);
    }
    for _ in 0..120 - MAX_PER_CLIENT {
        bench.hears("file Some(Kernel) 0 Probe");
    }
    // The last ones are still there: their acknowledgement brings the first block.
    let last = &clients[119];
    last.send_to(&tftp::read_request(b"file", "octet", &[("tsize", "0")]), bench.port).unwrap();
    assert_eq!(ask_from(&machine(Ipv4Addr::new(127, 0, 0, 3)), &bench, true), 6);
}

/// A transfer of 50,000 bytes that its client has begun to take at the time 0.
fn begun<'a>(port: &'a UdpSocket, client: &UdpSocket, tools: &mut Tools) -> flight::Flight<'a> {
    let bytes = tftp::read_request(b"added", "octet", &[]);
    let Ok(Packet::Read(request)) = Packet::parse(&bytes) else { panic!("no request") };
    let wish = Wish::from_request(&request, 1500).unwrap();
    let content = Content::from_bytes(vec![1_u8; 50_000], Role::Kernel, 0);
    let SocketAddr::V4(peer) = client.local_addr().unwrap() else { panic!("not IPv4") };
    let asked = (&wish, bytes.len());
    let (mut flight, first) = flight::Flight::begin(
        port::Port::Shared(port),
        peer,
        asked,
        content,
        RollOver::ToZero,
        Duration::ZERO,
    );
    flight.carry_out(first, tools);
    assert!(flight.on_packet(&tftp::ack(1), Duration::ZERO, tools));
    flight
}

#[test]
fn t46_s11_a_client_that_has_been_silent_for_long_gives_way_first() {
    let port = machine(Ipv4Addr::LOCALHOST);
    let clients: Vec<_> = (0..MAX_PER_CLIENT).map(|_| machine(MACHINE)).collect();
    let (mut table, mut tools) = (Table::default(), Tools::default());
    let numbers: Vec<_> =
        clients.iter().map(|client| table.insert(begun(&port, client, &mut tools))).collect();
    assert_eq!(table.has_room(MACHINE), Err(None), "all of them are there, and want more");
    let silent = numbers[3];
    let flight = table.get_mut(silent).unwrap();
    while flight.deadline() < Duration::from_secs(60) {
        let now = flight.deadline();
        flight.on_time(now, &mut tools);
    }
    assert!(flight.is_doubtful() && flight.ended().is_none());
    assert_eq!(table.has_room(MACHINE), Err(Some(silent)));
    // It is heard again: nobody gives way any more.
    let flight = table.get_mut(silent).unwrap();
    assert!(flight.on_packet(&tftp::ack(2), Duration::from_secs(61), &mut tools));
    assert_eq!(table.has_room(MACHINE), Err(None));
}

#[test]
fn t26_one_port_for_all_serves_many_at_once() {
    let bench = Bench::with(true, Shelf::default());
    let clients: Vec<_> = (0..5).map(|_| machine(MACHINE)).collect();
    for client in &clients {
        client.send_to(&tftp::read_request(b"file", "octet", &[("blksize", "600")]), bench.port).unwrap();
    }
    let mut buffer = [0; 2048];
    for (block, len) in [(0, 0), (1, 600), (2, 400)] {
        for client in &clients {
            let (mut got, mut from) = client.recv_from(&mut buffer).unwrap();
            // On a busy computer the one before may come again.
            while block > 0 && (buffer[1] == 6 || buffer[3] < block) {
                (got, from) = client.recv_from(&mut buffer).unwrap();
            }
            assert_eq!(from, bench.port);
            if block > 0 {
                assert_eq!((&buffer[..4], got), (&[0, 3, 0, block][..], 4 + len));
            }
            client.send_to(&tftp::ack(u16::from(block)), bench.port).unwrap();
        }
    }
    for _ in &clients {
        bench.hears("file Kernel begins");
    }
    for _ in &clients {
        bench.hears("file Some(Kernel) 1000 Done");
    }
    bench.ask(b"nothing", "octet", &[]);
    assert_eq!(bench.received().1, bench.port);
}

#[test]
fn s20_a_source_that_shrinks_ends_in_an_error_and_no_byte_is_made_up() {
    let path = std::env::temp_dir().join(format!("pxego-shrinks-{}", std::process::id()));
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let file = FileData::new(
        Arc::new(ImageFile::open(&path).unwrap()),
        [Extent { offset: 0, len: bytes.len() as u64 }],
    );
    let content = Content { body: Body::Image(file), role: Role::Initrd, modified: 0 };
    let bench = Bench::with(false, Shelf(Some(content)));
    bench.ask(b"added", "octet", &[("blksize", "1000")]);
    let (_, port) = bench.received();
    for block in 0_u16.. {
        bench.client.send_to(&tftp::ack(block), port).unwrap();
        if block == 99 {
            std::fs::File::options().write(true).open(&path).unwrap().set_len(150_000).unwrap();
        }
        let mut packet = bench.received().0;
        // On a busy computer the one before may come again.
        while matches!(Packet::parse(&packet), Ok(Packet::Data { block: old, .. }) if old <= block) {
            packet = bench.received().0;
        }
        match Packet::parse(&packet) {
            Ok(Packet::Data { payload, .. }) => {
                let at = usize::from(block) * 1000;
                assert!(payload == &bytes[at..at + 1000], "block {}", block + 1);
            }
            Ok(Packet::Error { code, message }) => {
                assert_eq!(code, 0);
                assert!(block >= 149, "too early, at {block}");
                let text = String::from_utf8_lossy(message);
                assert!(text.contains("the image has become shorter"), "{text}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    std::fs::remove_file(&path).unwrap();
    bench.hears("added Initrd begins");
    let text = bench.heard.recv_timeout(DEADLINE).unwrap();
    assert!(text.contains("Failed"), "{text}");
}

/// Not a byte, every opcode with every length, and requests that are cut at every place: the server goes on.
#[test]
fn packets_of_every_length_and_opcode_are_borne() {
    let bench = Bench::new();
    let whole =
        tftp::read_request(b"file", "octet", &[("tsize", "0"), ("blksize", "1408"), ("windowsize", "4")]);
    let mut packets: Vec<Vec<u8>> = (0..whole.len()).map(|len| whole[..len].to_vec()).collect();
    for opcode in (0..=20).chain([255, 256, 0x0100, 0x0500, 0xffff]) {
        for len in (0..=40).chain([511, 512, 513, 1468, 1472]) {
            let opcode: u16 = opcode;
            for fill in [0, b'a', 0xff] {
                packets.push([&opcode.to_be_bytes()[..], &vec![fill; len]].concat());
            }
        }
    }
    let strangers: Vec<_> = (0..16).map(|_| machine(Ipv4Addr::new(127, 0, 0, 9))).collect();
    for (number, packet) in packets.iter().enumerate() {
        strangers[number % strangers.len()].send_to(packet, bench.port).unwrap();
        // The queue of a socket is not endless; now and then somebody is waited for.
        if number % 50 == 0 {
            assert_eq!(ask_from(&machine(MACHINE), &bench, true), 6, "after packet {number}");
        }
    }
    assert_eq!(ask_from(&machine(MACHINE), &bench, true), 6);
    // The same to the port of a transfer, from its own client: it stays what it is.
    bench.ask(b"file", "octet", &[("tsize", "0")]);
    let (_, port) = bench.received();
    for packet in packets.iter().filter(|packet| !matches!(packet.get(..2), Some([0, 4 | 5]))) {
        bench.client.send_to(packet, port).unwrap();
        let other = machine(Ipv4Addr::new(127, 0, 0, 3));
        assert_eq!(ask_from(&other, &bench, true), 6);
    }
    bench.client.send_to(&tftp::ack(0), port).unwrap();
    // That took its time: the options may have come again.
    let first = std::iter::repeat_with(|| bench.received().0).find(|packet| packet[1] != 6);
    assert_eq!(first.unwrap()[..4], [0, 3, 0, 1]);
}

/// A file of so many bytes for the one that is added.
fn shelf(len: usize) -> Shelf {
    let bytes: Vec<u8> = (0..len as u32).map(|number| (number % 251) as u8).collect();
    Shelf(Some(Content::from_bytes(bytes, Role::Kernel, 0)))
}

/// A client that has proven itself gets a socket of its own at the same port: what it and others see stays the same.
#[test]
fn t26_t27_strangers_are_sent_away_however_far_a_transfer_has_come() {
    let bench = Bench::with(false, shelf(1_000_000));
    bench.ask(b"added", "octet", &[("blksize", "1000")]);
    let (_, port) = bench.received();
    let stranger = machine(MACHINE);
    let mut buffer = [0; 100];
    for block in 0..=1000_u16 {
        if block % 100 == 50 {
            stranger.send_to(&tftp::ack(block + 1), port).unwrap();
            let (len, from) = stranger.recv_from(&mut buffer).unwrap();
            assert!(matches!(Packet::parse(&buffer[..len]), Ok(Packet::Error { code: 5, .. })), "{block}");
            assert_eq!(from, port);
        }
        bench.client.send_to(&tftp::ack(block), port).unwrap();
        let (mut packet, mut from) = bench.received();
        // On a busy computer the one before may have come again.
        while packet[..2] == [0, 6] || packet[2..4] == block.to_be_bytes() {
            (packet, from) = bench.received();
        }
        assert_eq!((&packet[..2], from), (&[0, 3][..], port));
        assert_eq!(packet[2..4], (block + 1).to_be_bytes());
        let at = usize::from(block) * 1000;
        assert!(packet[4..].iter().enumerate().all(|(number, byte)| *byte == ((at + number) % 251) as u8));
    }
    bench.client.send_to(&tftp::ack(1001), port).unwrap();
    bench.hears("added Kernel begins");
    bench.hears("added Some(Kernel) 1000000 Done");
}

/// The kernel tells a connected socket that the client's port is closed. It may be open again in a moment, and anybody can
/// send such an ICMP message: no reason to end a transfer, nor to leave out a packet.
#[test]
fn a_port_that_is_closed_for_a_moment_ends_nothing() {
    let bench = Bench::with(false, shelf(1_000_000));
    let other = machine(MACHINE);
    other.send_to(&tftp::read_request(b"added", "octet", &[("blksize", "1000")]), bench.port).unwrap();
    let mut buffer = [0; 2048];
    let (_, port) = other.recv_from(&mut buffer).unwrap();
    for block in 0..300_u16 {
        other.send_to(&tftp::ack(block), port).unwrap();
        other.recv(&mut buffer).unwrap();
    }
    let address = other.local_addr().unwrap();
    other.send_to(&tftp::ack(300), port).unwrap();
    drop(other);
    // It says something, and is gone before the answer comes.
    for block in 301..320_u16 {
        UdpSocket::bind(address).unwrap().send_to(&tftp::ack(block), port).unwrap();
        // The server has done something for somebody else in between.
        assert_eq!(ask_from(&machine(MACHINE), &bench, true), 6);
    }
    let other = UdpSocket::bind(address).unwrap();
    other.set_read_timeout(Some(DEADLINE)).unwrap();
    other.send_to(&tftp::ack(320), port).unwrap();
    // What was sent before it was back is lost, and is sent again.
    while !matches!(other.recv(&mut buffer), Ok(1004)) || buffer[2..4] != 321_u16.to_be_bytes() {}
}

#[test]
fn t35_text_is_cut_into_blocks_after_its_line_ends_were_made() {
    // The 512th byte is a CR whose LF comes in the next block; the 1024th one whose NUL does.
    let text =
        ["a".repeat(511), "\n".to_owned(), "b".repeat(510), "\r".to_owned(), "end\n".to_owned()].concat();
    let expected = text.replace('\r', "\r\0").replace('\n', "\r\n");
    assert_eq!((&expected[511..513], &expected[1023..1025]), ("\r\n", "\r\0"));
    let content = Content::from_bytes(text.into_bytes(), Role::Other, 0);
    let bench = Bench::with(false, Shelf(Some(content)));
    bench.ask(b"added", "netascii", &[]);
    let mut got = Vec::new();
    for block in 1_u16.. {
        let (packet, port) = bench.received();
        // Nothing comes twice within a second: this may be a ROM that breaks on it.
        assert_eq!(packet[..4], [&[0, 3][..], &block.to_be_bytes()].concat());
        got.extend(&packet[4..]);
        bench.client.send_to(&tftp::ack(block), port).unwrap();
        if packet.len() < 516 {
            break;
        }
    }
    assert_eq!(String::from_utf8(got).unwrap(), expected);
    bench.hears("added Other begins");
    bench.hears(&format!("added Some(Other) {} Done", expected.len()));
}
