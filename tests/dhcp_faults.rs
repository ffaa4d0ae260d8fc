//! What goes wrong around the DHCP server: garbage on the wire, cables and adapters pulled, firewalls, other programs on
//! its ports. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/fault.rs"]
mod fault;
#[path = "common/netns.rs"]
mod netns;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dhcp_lab::{
    Lan, Pxego, SERVER, Scratch, Tcpdump, Udhcpc, address, bare_dnsmasq, lease, mac_of, of_kind, text,
};
use dhcp_machine::Machine;
use fault::Fault;
use netns::{DEADLINE, Netns, run, wait_until};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::MessageType;
use pxego::wire::dhcp_option::Code;
use pxego::wire::frame::{self, Datagram};

/// Numbers that look random and are the same every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A frame to `port` with a payload.
fn datagram(src_mac: MacAddr, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let datagram = Datagram {
        src_mac,
        dst_mac: MacAddr::BROADCAST,
        src_ip: Ipv4Addr::new(192, 168, 100, 77),
        dst_ip: Ipv4Addr::BROADCAST,
        src_port: 68,
        dst_port: port,
        payload,
    };
    frame::emit(&datagram, 1, &mut out).unwrap();
    out
}

/// One of every kind of garbage in turn.
fn garbage(machine: &Machine, kind: usize, numbers: &mut Numbers) -> Vec<u8> {
    let mac = machine.mac;
    let mut good = Vec::new();
    machine.pxe_request(MessageType::Discover, 0).emit(1472, &mut good).unwrap();
    let len = numbers.below(1200);
    match kind % 16 {
        // Nothing but noise, as IPv4, as ARP.
        0 => [&[0xff; 6][..], &mac.0, &[8, 0], &numbers.bytes(len)].concat(),
        1 => [&[0xff; 6][..], &mac.0, &[8, 6], &numbers.bytes(46)].concat(),
        // Noise on each of the ports.
        2 => datagram(mac, [67, 68, 69, 4011][numbers.below(4)], &numbers.bytes(len)),
        // A request with some bytes of noise, or cut short.
        3 | 4 => {
            for _ in 0..8 {
                let at = numbers.below(good.len());
                good[at] = numbers.next() as u8;
            }
            datagram(mac, 67, &good)
        }
        5 => datagram(mac, 67, &good[..numbers.below(good.len())]),
        // Checksums and lengths that are wrong.
        6 | 7 => {
            let mut frame = datagram(mac, 67, &good);
            let at = 14 + numbers.below(28);
            frame[at] ^= 1 << numbers.below(8);
            frame
        }
        // Options without an end, of length 255, of length 0; a message type nobody knows.
        8 => datagram(mac, 67, &[&good[..240], &[93, 255]].concat()),
        9 => datagram(mac, 67, &[&good[..240], &[0; 900]].concat()),
        10 => {
            good[30..34].copy_from_slice(&numbers.bytes(4));
            datagram(mac, 67, &[&good[..240], &[53, 1, 200 + (kind % 50) as u8, 255]].concat())
        }
        11 => datagram(mac, 67, &[&good[..240], &[43, 0, 60, 0, 61, 0, 82, 0, 53, 0]].concat()),
        // Hardware addresses and hops that cannot be; a reply; a relay that is none.
        12 => {
            good[[0, 2, 3, 24][numbers.below(4)]] = 200;
            datagram(mac, 67, &good)
        }
        // The same machine again and again.
        13 => datagram(mac, 67, &good),
        // Port 4011 without a reason.
        14 => datagram(mac, 4011, &good),
        // Fragments.
        _ => {
            let mut frame = datagram(mac, 67, &good);
            frame[20] = 0x20;
            frame
        }
    }
}

#[test]
fn l19_under_twenty_thousand_garbage_frames_a_second_an_honest_client_is_served() {
    const RATE: u32 = 20_000;
    const SECONDS: u32 = 3;
    let (lan, scratch) = (Lan::new(), Scratch::new("garbage"));
    let (server, vandal, client) = (lan.host("s"), lan.host("v"), lan.host("c"));
    // Said aloud, so that a flood of it would show.
    let mut pxego = Pxego::start(&server, &scratch, &["-v"]);
    let mut machine = Machine::new(&vandal, [0x52, 0x54, 0, 0xba, 0xd0, 1]);
    let told = std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let (start, mut numbers) = (Instant::now(), Numbers(0x1234_5678_9abc_def1));
            for number in 0..RATE * SECONDS {
                // Not faster than that, and as fast as the machine can if that is slower.
                while start.elapsed() < Duration::from_secs(1) * number / RATE {
                    std::thread::yield_now();
                }
                let frame = garbage(&machine, number as usize, &mut numbers);
                machine.transmit(&frame);
            }
            println!("{} frames in {:?}", RATE * SECONDS, start.elapsed());
        });
        let told = lease(&client, &scratch, &[]);
        flood.join().unwrap();
        told
    });
    assert_eq!(told.server, SERVER);
    let counts = pxego.counters();
    println!("{counts:#}");
    for cause in ["dropped.malformed-dhcp", "ignored.message-type", "ignored.flood", "ignored.not-a-request"]
    {
        assert!(counts[cause].as_u64() > Some(100), "{cause}: {counts:#}");
    }
    // After it the lease is renewed, and everything is as before.
    assert_eq!(lease(&client, &scratch, &[]).ip, told.ip);
    let (events, diagnostics) = pxego.stop();
    assert!(diagnostics.len() < 500, "{} lines", diagnostics.len());
    assert!(events.len() < 1000, "{} events: {:#?}", events.len(), &events[..50]);
    let last = of_kind(&events, "counters").last().unwrap()["counts"].clone();
    assert!(last["sent.ack"].as_u64() >= Some(2), "at the end they are told: {last}");
    let modes: Vec<_> = of_kind(&events, "dhcp").iter().map(|event| event["mode"].clone()).collect();
    assert_eq!(modes, ["full"]);
}

#[test]
fn l19_frames_that_were_lost_are_told_of() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l19-lost"));
    let (server, vandal, client) = (lan.host("s"), lan.host("v"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut machine = Machine::new(&vandal, [0x52, 0x54, 0, 0xba, 0xd0, 2]);
    let noise = datagram(machine.mac, 67, &[0; 1000]);
    // Held up, as by a computer that swaps, for longer than its buffer lasts.
    pxego.signal("STOP");
    for _ in 0..30_000 {
        machine.transmit(&noise);
    }
    pxego.signal("CONT");
    let is_it = |event: &serde_json::Value| text(event).contains("frames were lost");
    let warning = pxego.wait_until("of lost frames", DEADLINE, is_it);
    assert!(text(&warning).contains("tcpdump -ni eth0"), "{warning}");
    lease(&client, &scratch, &[]);
    let (events, _) = pxego.stop();
    let last = of_kind(&events, "counters").last().unwrap()["counts"].clone();
    assert!(last["lost.buffer-full"].as_u64() > Some(0), "{last}");
}

#[test]
fn l07_l09_service_goes_on_when_the_interface_went_down_or_away() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l07"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let expected = lease(&client, &scratch, &[]).ip;
    server.ip("link set eth0 down");
    pxego.wait_until("it is down", DEADLINE, |event| text(event).contains("eth0"));
    server.ip("link set eth0 up");
    assert_eq!(lease(&client, &scratch, &[]).ip, expected);

    // The adapter is pulled, and another one of that name plugged in.
    server.ip("link del eth0");
    pxego.wait_until("it is gone", DEADLINE, |event| text(event).contains("eth0"));
    lan.plug(&server, "eth0");
    assert_eq!(lease(&client, &scratch, &[]).ip, expected);
    assert_eq!(address(&server).as_deref(), Some(SERVER));
    for protocol in ["tftp", "http"] {
        let url = format!("{protocol}://{SERVER}/images/pxeboot/vmlinuz");
        let mut curl = client.command("curl");
        let got = curl.args(["--silent", "--show-error", "--max-time", "60", &url]).output().unwrap();
        assert_eq!(got.stdout, b"kernel", "{url}: {got:?}");
    }
    let (events, _) = pxego.stop();
    assert_eq!(of_kind(&events, "dhcp").len(), 1, "{events:#?}");
    assert_eq!(address(&server), None, "what was changed is taken back on the new one too");
}

#[test]
fn l30_what_a_killed_run_left_on_the_interface_is_taken_back_by_the_next() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l30-killed"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    server.ip("link set eth0 down");
    let is_up = || {
        let flags = server.command("cat").arg("/sys/class/net/eth0/flags").output().unwrap();
        u32::from_str_radix(String::from_utf8_lossy(&flags.stdout).trim().trim_start_matches("0x"), 16)
            .unwrap()
            & 1
            == 1
    };
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    pxego.wait_for("asking");
    pxego.kill();
    assert_eq!(address(&server).as_deref(), Some(SERVER), "nobody was left to take it back");
    assert!(is_up());
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    pxego.wait_for("dhcp");
    lease(&client, &scratch, &[]);
    pxego.stop();
    assert_eq!(address(&server), None);
    assert!(!is_up());

    // Another address this time: the old one goes at once.
    server.ip("link set eth0 up");
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    pxego.wait_for("asking");
    pxego.kill();
    let mut pxego = Pxego::spawn(&server, &scratch, &["--address", "192.168.9.1/24"]);
    pxego.wait_for("asking");
    assert_eq!(address(&server).as_deref(), Some("192.168.9.1"));
    pxego.stop();
    assert_eq!(address(&server), None);

    // One that was there before is nobody's to remove.
    server.ip("addr add 192.168.100.1/24 dev eth0");
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    pxego.wait_for("asking");
    pxego.kill();
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    pxego.wait_for("asking");
    pxego.stop();
    assert_eq!(address(&server).as_deref(), Some(SERVER));
}

#[test]
fn l30_a_panic_ends_the_run_and_takes_back_what_was_changed() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l30-panic"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let pxego = Pxego::start(&server, &scratch, &[]);
    assert_eq!(address(&server).as_deref(), Some(SERVER));
    // Without random numbers there is no secret for a new machine's kickstart, and no way to go on.
    let fault = Fault::inject(pxego.pid(), "dhcp", "open,openat", "error=EIO");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x30, 0]);
    machine.broadcast(&machine.request(MessageType::Discover));
    let (status, said) = pxego.ended();
    drop(fault);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("/dev/urandom") && said.contains("the dhcp server stopped"), "{said}");
    assert_eq!(address(&server), None);
}

#[test]
fn l08_a_cable_that_is_pulled_three_times_keeps_the_leases() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l08"));
    let (server, client) = (Netns::new("s"), lan.host("c"));
    let port = lan.plug(&server, "eth0");
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    for _ in 0..3 {
        for state in ["down", "up"] {
            lan.switch().ip(&format!("link set {port} {state}"));
            wait_until(state, || {
                let carrier = server.command("cat").arg("/sys/class/net/eth0/carrier").output().unwrap();
                (carrier.stdout == b"1\n") == (state == "up")
            });
        }
        // A renewal that is lost is not sent again before half of the time that is left.
        wait_until("the switch passes frames on", || {
            let path = format!("/sys/class/net/{port}/brport/state");
            lan.switch().command("cat").arg(path).output().unwrap().stdout == b"3\n"
        });
        udhcpc.renew();
        assert_eq!(udhcpc.wait_for("renew").ip, bound.ip);
    }
    udhcpc.stop();
    for _ in 0..4 {
        pxego.wait_for("leased");
    }
}

#[test]
fn l20_a_firewall_that_drops_everything_does_not_stop_dhcp() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l20"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    for command in
        ["add table inet wall", "add chain inet wall in { type filter hook input priority 0; policy drop; }"]
    {
        run(server.command("nft").arg(command));
    }
    let _pxego = Pxego::start(&server, &scratch, &[]);
    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("renew").ip, bound.ip);
    udhcpc.stop();
    // The boot service too.
    let mut machine = Machine::new(&client, mac_of(&client, "eth0").parse::<MacAddr>().unwrap().0);
    let mut request = machine.pxe_request(MessageType::Request, 0);
    request.ciaddr = bound.ip.parse().unwrap();
    let to = (mac_of(&server, "eth0").parse().unwrap(), SERVER.parse().unwrap(), 4011);
    machine.send(&request, (bound.ip.parse().unwrap(), 4011), to);
    assert_eq!(machine.answer().src_port, 4011);
}

#[test]
fn l21_a_firewall_that_drops_http_and_tftp_is_named_with_the_way_out() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l21"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    for command in
        ["add table inet wall", "add chain inet wall in { type filter hook input priority 0; policy drop; }"]
    {
        run(server.command("nft").arg(command));
    }
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    client.ip("addr add 192.168.100.9/24 dev eth0");
    for (url, what) in [("http://192.168.100.1/", "TCP port 80"), ("tftp://192.168.100.1/x", "UDP port 69")] {
        let _curl = client.start("curl", &["--silent", "--max-time", "60", url]);
        let is_it = |event: &serde_json::Value| {
            let text = event["text"].as_str().unwrap_or_default();
            event["event"] == "warning"
                && text.contains(what)
                && text.contains("firewall")
                && text.contains("sudo ")
        };
        pxego.wait_until(what, DEADLINE, is_it);
    }
}

#[test]
fn l11_l12_nothing_is_called_unreachable() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l11"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let _pxego = Pxego::start(&server, &scratch, &[]);
    let icmp = Tcpdump::start(&client, "icmp and src host 192.168.100.1");
    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    let ip: Ipv4Addr = bound.ip.parse().unwrap();
    for _ in 0..3 {
        udhcpc.renew();
        udhcpc.wait_for("renew");
    }
    let mut machine = Machine::new(&client, mac_of(&client, "eth0").parse::<MacAddr>().unwrap().0);
    let to = (mac_of(&server, "eth0").parse().unwrap(), SERVER.parse::<Ipv4Addr>().unwrap());
    for port in [67, 4011] {
        let mut request = machine.pxe_request(MessageType::Request, 7);
        machine.xid += 1;
        request.xid = machine.xid;
        request.ciaddr = ip;
        machine.send(&request, (ip, 4011), (to.0, to.1, port));
        // Noise there is nobody's business either.
        machine.send_payload(b"noise", (ip, 4011), (to.0, to.1, port));
    }
    assert_eq!(machine.answer().src_port, 4011);
    let mut curl = client.command("curl");
    let url = format!("tftp://{SERVER}/images/pxeboot/vmlinuz");
    let got = curl.args(["--silent", "--show-error", "--max-time", "60", &url]).output().unwrap();
    assert_eq!(got.stdout, b"kernel", "{got:?}");
    machine.send_payload(&[0, 4, 0, 9], (ip, 2000), (to.0, to.1, 69));
    udhcpc.renew();
    udhcpc.wait_for("renew");
    udhcpc.stop();
    let seen = icmp.stop();
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn l13_whoever_has_the_port_is_named_with_the_command_that_stops_it() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l13"));
    let server = lan.host("s");
    server.ip("addr add 192.168.7.2/24 dev eth0");
    let dnsmasq = bare_dnsmasq(&server, &scratch, &["--dhcp-range=192.168.7.50,192.168.7.99,1h"]);
    let (status, said) = Pxego::spawn(&server, &scratch, &[]).ended();
    assert_eq!(status.code(), Some(3), "{said}");
    for part in ["67", "dnsmasq", &format!("sudo kill {}", dnsmasq.0.id())] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(address(&server).as_deref(), Some("192.168.7.2"));
}

#[test]
fn a_flood_of_invented_machines_leaves_the_others_their_addresses() {
    let (lan, scratch) = (Lan::new(), Scratch::new("invented"));
    let (server, vandal, client) = (lan.host("s"), lan.host("v"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let known = lease(&client, &scratch, &[]);
    let mut machine = Machine::new(&vandal, [0x52, 0x54, 0, 1, 0, 0]);
    for number in 0..2000u16 {
        machine.mac.0[4..].copy_from_slice(&number.to_be_bytes());
        machine.broadcast(&machine.request(MessageType::Discover));
    }
    wait_until("it is too much", || pxego.counters()["ignored.too-many-offers"].as_u64() > Some(100));
    assert_eq!(lease(&client, &scratch, &["-r", "192.168.100.199"]).ip, known.ip);
    // Declines and releases in the name of a machine do not take its address away.
    machine.mac = MacAddr([0x52, 0x54, 0, 1, 0xff, 0xff]);
    let mut decline = machine.request(MessageType::Decline);
    decline.options.push_ipv4(Code::REQUESTED_IP, known.ip.parse().unwrap());
    machine.broadcast(&decline);
    let mut release = machine.request(MessageType::Release);
    release.ciaddr = known.ip.parse().unwrap();
    machine.broadcast(&release);
    wait_until("they are ignored", || pxego.counters()["ignored.not-holder"] == 2);
    assert_eq!(lease(&client, &scratch, &[]).ip, known.ip);
    let (events, _) = pxego.stop();
    let told = of_kind(&events, "refused").len();
    assert!((1..100).contains(&told), "{told} times refused");
}
