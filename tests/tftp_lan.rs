//! TFTP between network namespaces: real clients, a cable that is not to be trusted, and clients that are not honest.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(unsafe_code, clippy::disallowed_methods)]

#[path = "common/bad_wire.rs"]
mod bad_wire;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/tftp_server.rs"]
mod tftp_server;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bad_wire::{BadWire, Weather};
use netns::{Bench, DEADLINE, Netns, run};
use pnet_datalink::{Channel, DataLinkReceiver};
use pxego::net::tftp::TftpConfig;
use pxego::wire::tftp;
use tftp_server::{Ear, bytes, config, while_serving};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);

/// A server's namespace and a client's with three addresses; the server has two, of which one is served.
fn plug(bench: &Bench) {
    bench.server.ip("addr add 192.168.100.1/24 dev eth0");
    bench.server.ip("addr add 10.9.8.1/24 dev eth0");
    for last in [2, 3, 4] {
        bench.client.ip(&format!("addr add 192.168.100.{last}/24 dev eth0"));
    }
    bench.client.ip("addr add 10.9.8.2/24 dev eth0");
}

fn on_eth0() -> TftpConfig {
    TftpConfig { interface: Some("eth0".to_owned()), ..config(SERVER, 24) }
}

/// Serves in the server's namespace while `work` is done.
fn lan<T>(bench: &Bench, config: &TftpConfig, work: impl FnOnce(&Ear) -> T) -> T {
    while_serving(config, |serve| bench.server.run(serve), |_, ear| work(ear))
}

/// A program that fetches a file by TFTP.
#[derive(Clone, Copy, Debug)]
enum Program {
    TftpHpa,
    Atftp { window: u8 },
    Curl { block_len: u16 },
    Busybox { block_len: u16 },
}

const PROGRAMS: [Program; 8] = [
    Program::TftpHpa,
    Program::Atftp { window: 1 },
    Program::Atftp { window: 4 },
    Program::Atftp { window: 64 },
    Program::Curl { block_len: 512 },
    Program::Curl { block_len: 1468 },
    Program::Busybox { block_len: 512 },
    Program::Busybox { block_len: 1432 },
];

/// What came of a fetch: the bytes, or what the person sees instead.
fn fetch(netns: &Netns, program: Program, name: &str) -> Result<Vec<u8>, String> {
    let path = scratch();
    let local = path.to_str().unwrap();
    let window = |window: u8| format!("windowsize {window}");
    let mut words: Vec<String> = Vec::new();
    let mut say = |text: &str| words.extend(text.split(' ').map(str::to_owned));
    match program {
        Program::TftpHpa => say(&format!("tftp -m binary 192.168.100.1 -c get {name} {local}")),
        Program::Atftp { window: count } => {
            say("atftp --option");
            words.push("blksize 1400".to_owned());
            if count > 1 {
                words.extend(["--option".to_owned(), window(count)]);
            }
            words.extend(format!("-g -r {name} -l {local} 192.168.100.1").split(' ').map(str::to_owned));
        }
        Program::Curl { block_len } => {
            say(&format!(
                "curl -sS --max-time 60 --tftp-blksize {block_len} -o {local} tftp://192.168.100.1/{name}"
            ));
        }
        Program::Busybox { block_len } => {
            say(&format!("busybox tftp -g -b {block_len} -r {name} -l {local} 192.168.100.1"));
        }
    }
    let mut command = netns.command("timeout");
    let output = command.arg("100").args(&words).stdin(Stdio::null()).output().unwrap();
    let got = std::fs::read(&path).unwrap_or_default();
    let _ = std::fs::remove_file(&path);
    // tftp-hpa ends with success whatever happened, and says what did.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let is_complaint =
        ["rror", "imed out", "imeout", "annot", "fail", "illegal"].iter().any(|it| said.contains(it));
    if output.status.success() && !is_complaint { Ok(got) } else { Err(format!("{}: {said}", output.status)) }
}

fn scratch() -> PathBuf {
    use std::sync::atomic::AtomicU32;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("pxego-tftp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(name)
}

#[test]
fn t21_t30_strangers_get_every_byte_and_every_error() {
    let bench = Bench::new();
    plug(&bench);
    for single_port in [false, true] {
        let config = TftpConfig { single_port, ..on_eth0() };
        lan(&bench, &config, |_| {
            for program in PROGRAMS {
                for len in [1, 511, 512, 1400 * 64, 100_000] {
                    let got = fetch(&bench.client, program, &format!("dir/a.{len}"));
                    let got = got.unwrap_or_else(|said| panic!("{program:?}, {len}: {said}"));
                    assert!(got == bytes(len), "{program:?}, {len}: {} other bytes", got.len());
                }
                let said = fetch(&bench.client, program, "nothing").expect_err("there is no such file");
                assert!(!said.is_empty(), "{program:?}");
            }
        });
    }
}

#[test]
fn t23_a_file_of_more_than_65536_blocks_arrives() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let len = 34_000_000;
        for program in [Program::TftpHpa, Program::Curl { block_len: 512 }] {
            let got = fetch(&bench.client, program, &len.to_string());
            assert!(got.as_deref() == Ok(&bytes(len)), "{program:?}: {:?}", got.map(|got| got.len()));
        }
    });
}

/// Fetches over a wire with this weather; what arrives is right, and how often it does not arrive is returned.
fn over_a_bad_wire(weather: Weather, seed: u64, len: usize) -> Vec<(Program, String)> {
    let bench = Bench::new();
    let wire = BadWire::between(&bench, weather, seed);
    plug(&bench);
    let mut failures = Vec::new();
    lan(&bench, &on_eth0(), |_| {
        for program in PROGRAMS {
            match fetch(&bench.client, program, &format!("a.{len}")) {
                Ok(got) => assert!(got == bytes(len), "{program:?}, seed {seed}: other bytes"),
                Err(said) => failures.push((program, said)),
            }
        }
    });
    let carried = wire.tally.carried.load(Ordering::Relaxed) as f64;
    for (chance, count) in [
        (weather.loss, &wire.tally.lost),
        (weather.duplication, &wire.tally.doubled),
        (weather.reordering, &wire.tally.reordered),
        (weather.corruption, &wire.tally.corrupted),
    ] {
        let count = count.load(Ordering::Relaxed) as f64;
        assert!(chance == 0.0 || count > carried * chance / 4.0, "the wire is not as bad as it should be");
    }
    failures
}

#[test]
fn what_is_doubled_and_reordered_arrives_whole() {
    let weather = Weather { duplication: 0.05, reordering: 0.02, ..Weather::default() };
    // atftp takes an OACK that comes twice for an error (`tftp_file.c`), and says so.
    let failures = over_a_bad_wire(weather, 1, 200_000);
    assert!(failures.iter().all(|(_, said)| said.contains("unexpected OACK")), "{failures:?}");
}

#[test]
fn what_is_lost_arrives_whole_or_not_at_all() {
    let weather = Weather { loss: 0.02, ..Weather::default() };
    // Some programs give up soon (busybox), and say so; most do not.
    let failures = over_a_bad_wire(weather, 2, 60_000);
    assert!(failures.len() <= 2, "{failures:?}");
}

#[test]
fn what_is_corrupted_is_never_taken_for_right() {
    let weather =
        Weather { loss: 0.01, duplication: 0.01, reordering: 0.01, corruption: 0.02, ..Weather::default() };
    let failures = over_a_bad_wire(weather, 3, 60_000);
    assert!(failures.len() <= 2, "{failures:?}");
}

/// A client of our own in the client's namespace.
struct Machine {
    socket: UdpSocket,
    port: Option<SocketAddr>,
}

impl Machine {
    fn at(netns: &Netns, address: [u8; 4]) -> Self {
        let socket = netns.run(|| UdpSocket::bind((Ipv4Addr::from(address), 0)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, port: None }
    }

    fn ask(&self, name: &str, options: &[(&str, &str)]) {
        self.ask_at(SERVER, name, options);
    }

    fn ask_at(&self, server: Ipv4Addr, name: &str, options: &[(&str, &str)]) {
        let request = tftp::read_request(name.as_bytes(), "octet", options);
        self.socket.send_to(&request, SocketAddrV4::new(server, 69)).unwrap();
    }

    /// The opcode and the number of the next packet.
    fn hear(&mut self) -> (u8, u16) {
        let mut buffer = [0; 2048];
        let (_, from) = self.socket.recv_from(&mut buffer).unwrap();
        self.port = Some(from);
        (buffer[1], u16::from_be_bytes([buffer[2], buffer[3]]))
    }

    /// The same, once the options were acknowledged: on a busy computer they may have come again.
    fn hear_data(&mut self) -> (u8, u16) {
        loop {
            match self.hear() {
                (6, _) => {}
                other => return other,
            }
        }
    }

    fn ack(&self, block: u16) {
        self.socket.send_to(&tftp::ack(block), self.port.unwrap()).unwrap();
    }

    /// Whether nothing comes for so long.
    fn is_silence(&self, time: Duration) -> bool {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let heard = self.socket.recv(&mut [0; 2048]);
        self.socket.set_read_timeout(Some(DEADLINE)).unwrap();
        heard.is_err()
    }

    /// How long a small file takes.
    fn fetch(&mut self) -> Duration {
        let start = Instant::now();
        self.ask("1000", &[("blksize", "1400")]);
        assert_eq!(self.hear().0, 6);
        self.ack(0);
        assert_eq!(self.hear_data(), (3, 1));
        self.ack(1);
        start.elapsed()
    }
}

#[test]
fn t20_a_slow_client_gets_nothing_twice_within_a_second() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        // Quick at first, and then busy: where a duplicate kills, a second is waited for whatever was measured.
        for options in [&[][..], &[("tsize", "0")], &[("tsize", "0"), ("blksize", "1024")]] {
            let mut machine = Machine::at(&bench.client, [192, 168, 100, 2]);
            machine.ask("1000000", options);
            if !options.is_empty() {
                assert_eq!(machine.hear().0, 6);
                machine.ack(0);
            }
            for block in 1..100 {
                assert_eq!(machine.hear(), (3, block));
                machine.ack(block);
            }
            assert_eq!(machine.hear(), (3, 100));
            let start = Instant::now();
            assert_eq!(machine.hear(), (3, 100), "the same again");
            assert!(start.elapsed() > Duration::from_millis(900), "{options:?}: {:?}", start.elapsed());
        }
    });
}

#[test]
fn t30_missing_files_are_refused_at_once_however_many() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let mut machine = Machine::at(&bench.client, [192, 168, 100, 2]);
        let mut times: Vec<_> = (0..50)
            .map(|_| {
                let start = Instant::now();
                machine.ask("missing", &[("tsize", "0"), ("blksize", "1024")]);
                assert_eq!(machine.hear(), (5, 1));
                start.elapsed()
            })
            .collect();
        times.sort();
        // The middle one: this computer may have other things to do now and then.
        assert!(times[25] < Duration::from_millis(20), "{times:?}");
    });
}

#[test]
fn t42_a_request_without_a_checksum_is_served() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let mut machine = Machine::at(&bench.client, [192, 168, 100, 2]);
        let one: libc::c_int = 1;
        // SAFETY: the kernel reads one C int.
        let result = unsafe {
            let value = std::ptr::from_ref(&one).cast();
            libc::setsockopt(machine.socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, value, 4)
        };
        assert_eq!(result, 0);
        let mut frames = frames_in(&bench.server);
        machine.ask("1000", &[]);
        assert_eq!(machine.hear(), (3, 1));
        machine.ack(1);
        assert_eq!(machine.hear(), (3, 2));
        machine.ack(2);
        let request = next_frame(&mut frames, |frame| frame.get(36..38) == Some(&[0, 69]));
        assert_eq!(request[40..42], [0, 0], "the request has no checksum");
    });
}

fn frames_in(netns: &Netns) -> Box<dyn DataLinkReceiver> {
    netns.run(|| {
        let eth0 = pnet_datalink::interfaces().into_iter().find(|found| found.name == "eth0").unwrap();
        let config = pnet_datalink::Config { read_timeout: Some(DEADLINE), ..Default::default() };
        match pnet_datalink::channel(&eth0, config).unwrap() {
            Channel::Ethernet(_, receiver) => receiver,
            _ => unreachable!(),
        }
    })
}

fn next_frame(frames: &mut Box<dyn DataLinkReceiver>, is_it: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    loop {
        let frame = frames.next().unwrap();
        if is_it(frame) {
            return frame.to_vec();
        }
    }
}

#[test]
fn t44_no_packet_is_a_fragment_and_none_may_become_one() {
    let bench = Bench::new();
    plug(&bench);
    for name in ["tx", "gso"] {
        // Frames are seen as they would be on a wire.
        run(bench.server.command("ethtool").args(["-K", "eth0", name, "off"]));
    }
    lan(&bench, &on_eth0(), |_| {
        let mut frames = frames_in(&bench.client);
        let mut machine = Machine::at(&bench.client, [192, 168, 100, 2]);
        machine.ask("200000", &[("blksize", "65464"), ("windowsize", "64")]);
        assert_eq!(machine.hear().0, 6);
        machine.ack(0);
        for _ in 0..64 {
            let from_us = |frame: &[u8]| frame.get(26..30) == Some(&SERVER.octets()) && frame.len() > 500;
            let frame = next_frame(&mut frames, from_us);
            assert_eq!(frame.len(), 1514);
            // Flags and fragment offset (RFC 791): "don't fragment", and nothing else.
            assert_eq!(frame[20..22], [0x40, 0]);
        }
    });
}

#[test]
fn t45_a_client_that_answers_no_arp_in_the_middle_of_a_file_is_served() {
    let bench = Bench::new();
    plug(&bench);
    // What takes half a minute of a kernel takes a second here: an address that nobody confirms is asked for again.
    let settings =
        ["net.ipv4.neigh.eth0.delay_first_probe_time=1", "net.ipv4.neigh.eth0.base_reachable_time_ms=500"];
    run(bench.server.command("sysctl").arg("-qw").args(settings));
    lan(&bench, &on_eth0(), |_| {
        let mut machine = Machine::at(&bench.client, [192, 168, 100, 2]);
        let arp = arp_socket(&bench.client);
        machine.ask("10000000", &[("tsize", "0"), ("blksize", "1024")]);
        assert_eq!(machine.hear().0, 6);
        machine.ack(0);
        // From now on the machine answers no ARP.
        run(bench.client.command("ip").args(["link", "set", "eth0", "arp", "off"]));
        let neighbours =
            ["neigh", "replace", "192.168.100.1", "lladdr", &mac_of(&bench.server), "dev", "eth0"];
        run(bench.client.command("ip").args(neighbours));
        let start = Instant::now();
        let mut block = 1;
        while start.elapsed() < Duration::from_secs(4) {
            // On a busy computer one may have come again.
            while machine.hear() != (3, block) {}
            // It takes its time.
            machine.is_silence(Duration::from_millis(20));
            machine.ack(block);
            block += 1;
        }
        // Where the machine is was asked once at the start, if it did not ask first; in the middle nothing is.
        let (mut frame, mut requests) = ([0; 60], 0);
        // SAFETY: the kernel writes at most as many bytes as there are.
        while unsafe {
            libc::recv(arp.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), libc::MSG_DONTWAIT) > 0
        } {
            requests += usize::from(frame[20..22] == [0, 1] && frame[28..32] == SERVER.octets());
        }
        assert!(requests <= 1, "{requests} requests");
    });
}

/// Gets what comes to a namespace by ARP.
fn arp_socket(netns: &Netns) -> OwnedFd {
    netns.run(|| {
        let protocol = i32::from((libc::ETH_P_ARP as u16).to_be());
        // SAFETY: the descriptor is new and ours.
        unsafe {
            let descriptor = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
            assert!(descriptor >= 0, "{}", std::io::Error::last_os_error());
            OwnedFd::from_raw_fd(descriptor)
        }
    })
}

fn mac_of(netns: &Netns) -> String {
    let output = run(netns.command("cat").arg("/sys/class/net/eth0/address"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn t47_s04_s06_broadcasts_and_strangers_get_no_answer() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let machine = Machine::at(&bench.client, [192, 168, 100, 2]);
        machine.socket.set_broadcast(true).unwrap();
        machine.ask_at(Ipv4Addr::new(192, 168, 100, 255), "1000", &[]);
        machine.ask_at(Ipv4Addr::BROADCAST, "1000", &[]);
        // Of another network, to the address that is served: the kernel takes it, we do not.
        bench.client.ip("route add 192.168.100.1/32 dev eth0");
        let stranger = Machine::at(&bench.client, [10, 9, 8, 2]);
        stranger.ask("1000", &[]);
        // They were looked at: what came later is answered.
        let mut other = Machine::at(&bench.client, [192, 168, 100, 3]);
        other.fetch();
        assert!(machine.is_silence(Duration::from_secs(2)) && stranger.is_silence(Duration::from_millis(10)));
    });
}

#[test]
fn s05_who_never_acknowledges_gets_five_times_what_it_sent_at_most() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let asks = [
            (&[("tsize", "0")][..], 5),
            (&[("blksize", "1468"), ("windowsize", "64")], 5),
            (&[("tsize", "0"), ("blksize", "8"), ("timeout", "1")], 5),
        ];
        let machines: Vec<_> = asks
            .iter()
            .map(|(options, _)| {
                let machine = Machine::at(&bench.client, [192, 168, 100, 2]);
                machine.ask("1000000", options);
                (machine, tftp::read_request(b"1000000", "octet", options).len() + 28)
            })
            .collect();
        // Without options the first block is the only answer there is, and it is given once.
        let plain = Machine::at(&bench.client, [192, 168, 100, 3]);
        plain.ask("1000000", &[]);
        assert!(!plain.is_silence(DEADLINE));
        for (machine, asked) in &machines {
            machine.socket.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
            let (mut got, mut buffer) = (0, [0; 2048]);
            while let Ok(len) = machine.socket.recv(&mut buffer) {
                got += len + 28;
            }
            assert!(got > 0 && got <= 5 * asked, "{got} bytes for {asked}");
        }
        assert!(plain.is_silence(Duration::from_millis(10)), "a second block for nothing");
    });
}

/// 120 requests of one host are held open; another machine is not kept waiting.
#[test]
fn s11_who_holds_requests_keeps_nobody_waiting() {
    let bench = Bench::new();
    plug(&bench);
    lan(&bench, &on_eth0(), |_| {
        let holders: Vec<_> = (0..120).map(|_| Machine::at(&bench.client, [192, 168, 100, 2])).collect();
        for holder in &holders {
            holder.ask("1000000", &[("tsize", "0"), ("blksize", "1468")]);
        }
        let mut times: Vec<_> =
            (0..20).map(|_| Machine::at(&bench.client, [192, 168, 100, 3]).fetch()).collect();
        times.sort();
        assert!(times[10] < Duration::from_millis(100), "{times:?}");
        // They acknowledge, and hold again: eight are under way, and that is all.
        let mut under_way = 0;
        for mut holder in holders {
            if holder.hear().0 == 6 {
                holder.ack(0);
                holder.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
                under_way += usize::from(matches!(holder.socket.recv(&mut [0; 2048]), Ok(1472)));
            }
        }
        assert!(under_way <= 8, "{under_way}");
        assert!(Machine::at(&bench.client, [192, 168, 100, 3]).fetch() < DEADLINE);
    });
}

/// Every request of a room of machines at once.
#[test]
fn s11_more_transfers_than_there_is_room_for_end_in_errors() {
    let bench = Bench::new();
    plug(&bench);
    for last in 10..90 {
        bench.client.ip(&format!("addr add 192.168.100.{last}/24 dev eth0"));
    }
    lan(&bench, &on_eth0(), |_| {
        let (mut busy, mut served) = (0, 0);
        let (mut machines, start) = (Vec::new(), Instant::now());
        for last in 10..90 {
            for _ in 0..8 {
                let mut machine = Machine::at(&bench.client, [192, 168, 100, last]);
                machine.ask("1000000", &[("blksize", "1468")]);
                match machine.hear() {
                    (6, _) => {
                        machine.ack(0);
                        assert_eq!(machine.hear_data(), (3, 1));
                        served += 1;
                    }
                    (5, 0) => busy += 1,
                    other => panic!("{other:?}"),
                }
                machines.push(machine);
            }
        }
        // On a slow computer the first were silent for so long that they gave way.
        let is_slow = start.elapsed() >= Duration::from_secs(30);
        assert!((served, busy) == (512, 128) || is_slow && served > 512, "{served} served, {busy} refused");
        // One that was served goes on, if it was not among those.
        if !is_slow {
            machines[0].ack(1);
            // The first block may have come again in the meantime.
            while machines[0].hear() != (3, 2) {}
        }
    });
}
