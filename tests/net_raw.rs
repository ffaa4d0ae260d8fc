//! The raw socket on virtual cables. Acceptance statements L01-L09, L18-L20, L31. Needs root.
#![allow(clippy::disallowed_methods)]

#[path = "common/netns.rs"]
mod netns;

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netns::{Bench, DEADLINE, Netns, run, thread_cpu_time, wait_until};
use pnet_datalink::{Channel, DataLinkReceiver, DataLinkSender};
use pxego::net::iface::{self, Interface};
use pxego::net::raw::{OpenError, RawEvent, RawSocket, Received, ReceivedFrame};
use pxego::net::signals::Stop;
use socket2::SockRef;

/// Short enough for a test, long enough to see a loop that spins.
const A_WHILE: Duration = Duration::from_secs(1);

fn interface(name: &str) -> Interface {
    iface::interfaces().unwrap().into_iter().find(|iface| iface.name == name).unwrap()
}

/// A raw socket in the server's namespace, which it keeps on whatever thread it is used.
fn open(bench: &Bench) -> RawSocket {
    let raw = bench.server.run(|| RawSocket::open(&interface("eth0")).unwrap());
    // What was told of the cable that came up is not what the tests are about.
    while next(&raw, Duration::ZERO) != Received::Nothing {}
    raw
}

fn next(raw: &RawSocket, timeout: Duration) -> Received {
    raw.recv(&mut [0; 2048], timeout, &Stop::new().unwrap()).unwrap()
}

/// The last byte and the facts of the next frame. A carrier may be told of late: each end of a cable has its own.
fn next_frame(raw: &RawSocket) -> (u8, ReceivedFrame) {
    let mut buffer = [0; 2048];
    loop {
        match raw.recv(&mut buffer, DEADLINE, &Stop::new().unwrap()).unwrap() {
            Received::Frame(frame) => return (buffer[frame.len - 1], frame),
            Received::Event(RawEvent::CarrierLost | RawEvent::CarrierBack) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn next_events(raw: &RawSocket, expected: &[RawEvent]) {
    for event in expected {
        assert_eq!(next(raw, DEADLINE), Received::Event(event.clone()));
    }
}

/// A stranger's raw socket in `netns`, to send with and to watch.
fn stranger(netns: &Netns) -> (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>) {
    netns.run(|| {
        let eth0 = pnet_datalink::interfaces().into_iter().find(|found| found.name == "eth0").unwrap();
        let config = pnet_datalink::Config { read_timeout: Some(DEADLINE), ..Default::default() };
        match pnet_datalink::channel(&eth0, config).unwrap() {
            Channel::Ethernet(sender, receiver) => (sender, receiver),
            _ => unreachable!(),
        }
    })
}

fn transmit(sender: &mut Box<dyn DataLinkSender>, frame: &[u8]) {
    sender.send_to(frame, None).unwrap().unwrap();
}

/// A broadcast UDP frame to `port` that ends in `mark`, with its tag, if any, in the bytes.
fn udp_frame(port: u16, mark: u8, vlan: Option<u16>) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x52, 0x54, 0, 1, 2, 3]);
    if let Some(tag) = vlan {
        frame.extend([0x81, 0x00]);
        frame.extend(tag.to_be_bytes());
    }
    let payload = [0; 300];
    let (ip_len, udp_len) = (28 + 301u16, 8 + 301u16);
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend(ip_len.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 68]);
    frame.extend(port.to_be_bytes());
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame.push(mark);
    frame
}

/// What the kernel itself sends from `netns` to 255.255.255.255 `port`, ending in `mark`.
fn kernel_broadcast(netns: &Netns, port: u16, mark: u8) {
    netns.run(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.send_to(&[[0; 300].as_slice(), &[mark]].concat(), (Ipv4Addr::BROADCAST, port)).unwrap();
    });
}

#[test]
fn l01_own_outgoing_frames_are_ignored() {
    let bench = Bench::new();
    bench.server.ip("addr add 192.168.7.1/24 dev eth0");
    let raw = open(&bench);
    let (mut sender, mut witness) = stranger(&bench.client);
    kernel_broadcast(&bench.server, 67, 1);
    raw.send(&udp_frame(67, 2, None)).unwrap();
    // Both have left: the other end has seen them.
    for mark in [1, 2] {
        while witness.next().unwrap().last() != Some(&mark) {}
    }
    transmit(&mut sender, &udp_frame(67, 3, None));
    assert_eq!(next_frame(&raw).0, 3, "an outgoing frame came back");
    assert_eq!(next(&raw, Duration::ZERO), Received::Nothing);
}

#[test]
fn l02_nothing_foreign_is_queued_before_the_filter() {
    let bench = Bench::new();
    let (mut sender, _) = stranger(&bench.client);
    let (done, sent) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                transmit(&mut sender, &udp_frame(53, 1, None));
                sent.store(true, Ordering::Relaxed);
            }
        });
        // Also when this fails: the scope waits for the flood.
        let _end = SetWhenDropped(&done);
        wait_until("the flood has begun", || sent.load(Ordering::Relaxed));
        for _ in 0..200 {
            let raw = bench.server.run(|| RawSocket::open(&interface("eth0")).unwrap());
            for _ in 0..5 {
                let received = next(&raw, Duration::from_millis(1));
                assert!(!matches!(received, Received::Frame(_)), "{received:?}");
            }
        }
    });
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn l03_tagged_frames_are_not_taken_as_untagged() {
    let bench = Bench::new();
    let raw = open(&bench);
    let (mut sender, _) = stranger(&bench.client);
    let priority_only = 0xa000;
    for (mark, vlan) in
        [(1, Some(10)), (2, Some(4094)), (3, Some(0xa00a)), (4, Some(priority_only)), (5, None)]
    {
        transmit(&mut sender, &udp_frame(67, mark, vlan));
    }
    assert_eq!(next_frame(&raw).0, 4, "IEEE 802.1Q §6.9: number 0 is no VLAN");
    assert_eq!(next_frame(&raw).0, 5);
    assert_eq!(next(&raw, Duration::ZERO), Received::Nothing);
}

#[test]
fn l04_a_checksum_left_to_hardware_is_flagged() {
    let bench = Bench::new();
    bench.client.ip("addr add 192.168.7.2/24 dev eth0");
    let raw = open(&bench);
    kernel_broadcast(&bench.client, 67, 1);
    let (mark, frame) = next_frame(&raw);
    assert_eq!((mark, frame.checksum_ready), (1, false), "veth computes none");
    let (mut sender, _) = stranger(&bench.client);
    transmit(&mut sender, &udp_frame(67, 2, None));
    let (mark, frame) = next_frame(&raw);
    assert_eq!((mark, frame.checksum_ready), (2, true));
    assert_eq!(frame.len, udp_frame(67, 2, None).len());
}

#[test]
fn l07_down_and_up_again_goes_on_without_spinning() {
    let bench = Bench::new();
    let raw = open(&bench);
    let (mut sender, _) = stranger(&bench.client);
    transmit(&mut sender, &udp_frame(67, 1, None));
    assert_eq!(next_frame(&raw).0, 1);
    bench.server.ip("link set eth0 down");
    next_events(&raw, &[RawEvent::Down]);
    assert!(raw.send(&udp_frame(68, 1, None)).is_err());
    let used = cpu_time_of_waiting(&raw);
    assert!(used < Duration::from_millis(50), "{used:?} of CPU in {A_WHILE:?} of link down");
    bench.server.ip("link set eth0 up");
    assert_eq!(next(&raw, DEADLINE), Received::Event(RawEvent::Up));
    bench.client.wait_until_up("eth0");
    transmit(&mut sender, &udp_frame(67, 2, None));
    assert_eq!(next_frame(&raw).0, 2);
}

/// CPU time for [`A_WHILE`] of receiving nothing.
fn cpu_time_of_waiting(raw: &RawSocket) -> Duration {
    let (start, cpu) = (Instant::now(), thread_cpu_time());
    let stop = Stop::new().unwrap();
    let mut calls = 0;
    while let Some(left) = A_WHILE.checked_sub(start.elapsed()) {
        assert_eq!(raw.recv(&mut [0; 2048], left, &stop).unwrap(), Received::Nothing);
        calls += 1;
    }
    assert!(calls <= 3, "{calls} returns with nothing to tell");
    thread_cpu_time() - cpu
}

#[test]
fn l08_three_losses_of_carrier_are_told_and_survived() {
    let bench = Bench::new();
    let raw = open(&bench);
    for mark in 1..=3 {
        bench.client.ip("link set eth0 down");
        next_events(&raw, &[RawEvent::CarrierLost]);
        bench.client.ip("link set eth0 up");
        next_events(&raw, &[RawEvent::CarrierBack]);
        let (mut sender, _) = stranger(&bench.client);
        transmit(&mut sender, &udp_frame(67, mark, None));
        assert_eq!(next_frame(&raw).0, mark);
    }
    bench.client.ip("link set eth0 down");
    next_events(&raw, &[RawEvent::CarrierLost]);
    let used = cpu_time_of_waiting(&raw);
    assert!(used < Duration::from_millis(50), "{used:?} of CPU in {A_WHILE:?} without carrier");
}

/// Everything on a thread of the server's namespace, as in the program: what is opened anew belongs to the namespace of
/// the thread that does it.
#[test]
fn l09_an_adapter_pulled_and_plugged_in_again_is_served_again() {
    let bench = Bench::new();
    bench.server.run(|| {
        let raw = open(&bench);
        let old_index = interface("eth0").index;
        bench.server.ip("link del eth0");
        loop {
            match next(&raw, DEADLINE) {
                Received::Event(RawEvent::Gone) => break,
                Received::Event(RawEvent::Down | RawEvent::CarrierLost) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(raw.send(&udp_frame(68, 1, None)).is_err());
        let used = cpu_time_of_waiting(&raw);
        assert!(used < Duration::from_millis(50), "{used:?} of CPU in {A_WHILE:?} without an interface");
        bench.plug();
        let now = interface("eth0");
        assert_ne!(now.index, old_index);
        assert_eq!(
            next(&raw, DEADLINE),
            Received::Event(RawEvent::Reopened { index: now.index, mac: now.mac })
        );
        let (mut sender, mut witness) = stranger(&bench.client);
        transmit(&mut sender, &udp_frame(67, 7, None));
        assert_eq!(next_frame(&raw).0, 7);
        raw.send(&udp_frame(68, 8, None)).unwrap();
        while witness.next().unwrap().last() != Some(&8) {}
    });
}

#[test]
fn l09_deleted_while_it_was_down_is_noticed_too() {
    let bench = Bench::new();
    bench.server.run(|| {
        let raw = open(&bench);
        bench.server.ip("link set eth0 down");
        next_events(&raw, &[RawEvent::Down]);
        bench.server.ip("link del eth0");
        next_events(&raw, &[RawEvent::Gone]);
        bench.plug();
        assert!(matches!(next(&raw, DEADLINE), Received::Event(RawEvent::Reopened { .. })));
    });
}

#[test]
fn l09_a_renamed_interface_is_told_and_still_served() {
    let bench = Bench::new();
    let raw = open(&bench);
    bench.server.ip("link set eth0 down");
    next_events(&raw, &[RawEvent::Down]);
    bench.server.ip("link set eth0 name lan0");
    next_events(&raw, &[RawEvent::Renamed { to: "lan0".into() }]);
    bench.server.ip("link set lan0 up");
    let (mut sender, _) = stranger(&bench.client);
    for (netns, name) in [(&bench.server, "lan0"), (&bench.client, "eth0")] {
        netns.wait_until_up(name);
    }
    transmit(&mut sender, &udp_frame(67, 1, None));
    assert_eq!(next_frame(&raw).0, 1);
}

#[test]
fn l10_a_member_of_a_bridge_is_refused_with_its_master_named() {
    let bench = Bench::new();
    bench.server.ip("link add br0 type bridge");
    bench.server.ip("link set eth0 master br0");
    bench.server.run(|| {
        let Err(OpenError::Refused { interface: name, reason }) = RawSocket::open(&interface("eth0")) else {
            panic!("opened");
        };
        assert_eq!((name.as_str(), reason.clone()), ("eth0", iface::Reason::SlaveOf("br0".into())));
        assert!(reason.to_string().contains("br0"), "{reason}");
        let invocation = pxego::net::invocation::Invocation { program: "pxego".into(), arguments: vec![] };
        let candidates = iface::candidates().unwrap();
        let text = iface::choose(&candidates, Some("eth0"), &invocation).unwrap_err().to_string();
        assert!(text.ends_with("sudo pxego --iface br0\n"), "{text}");
        RawSocket::open(&interface("br0")).unwrap();
    });
}

#[test]
fn l19_lost_frames_are_counted() {
    let bench = Bench::new();
    let raw = open(&bench);
    assert_eq!(raw.statistics().dropped, 0);
    let (mut sender, _) = stranger(&bench.client);
    for _ in 0..200 {
        for _ in 0..1000 {
            transmit(&mut sender, &udp_frame(67, 1, None));
        }
        if raw.statistics().dropped > 0 {
            break;
        }
    }
    let lost = raw.statistics().dropped;
    assert!(lost > 0);
    assert!(raw.statistics().dropped >= lost, "asking does not forget");
}

#[test]
fn a_frame_longer_than_the_buffer_is_thrown_away_and_counted() {
    let bench = Bench::new();
    let raw = open(&bench);
    let (mut sender, _) = stranger(&bench.client);
    transmit(&mut sender, &udp_frame(67, 1, None));
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06]);
    arp.extend([9; 46]);
    transmit(&mut sender, &arp);
    let mut small = [0; 100];
    let received = raw.recv(&mut small, DEADLINE, &Stop::new().unwrap()).unwrap();
    assert_eq!(received, Received::Frame(ReceivedFrame { len: 60, checksum_ready: true }));
    assert_eq!(raw.statistics().truncated, 1);
}

#[test]
fn l20_a_firewall_that_drops_everything_does_not_stop_it() {
    let bench = Bench::new();
    let rules = "add table ip f; add chain ip f i { type filter hook input priority 0; policy drop; }; \
                 add chain ip f o { type filter hook output priority 0; policy drop; }";
    run(bench.server.command("nft").arg(rules));
    let raw = open(&bench);
    let (mut sender, mut witness) = stranger(&bench.client);
    transmit(&mut sender, &udp_frame(67, 1, None));
    assert_eq!(next_frame(&raw).0, 1);
    raw.send(&udp_frame(68, 2, None)).unwrap();
    while witness.next().unwrap().last() != Some(&2) {}
}

#[test]
fn l31_the_raw_socket_works_with_cap_net_raw_alone() {
    let bench = Bench::new();
    let (mut sender, mut witness) = stranger(&bench.client);
    bench.server.run(|| {
        netns::keep_capabilities(1 << 13);
        let raw = RawSocket::open(&interface("eth0")).unwrap();
        transmit(&mut sender, &udp_frame(67, 1, None));
        assert_eq!(next_frame(&raw).0, 1);
        raw.send(&udp_frame(68, 2, None)).unwrap();
        while witness.next().unwrap().last() != Some(&2) {}
        netns::keep_capabilities(0);
        assert!(matches!(RawSocket::open(&interface("eth0")), Err(OpenError::NotPermitted)));
    });
}

#[test]
fn setting_stop_ends_the_wait() {
    let bench = Bench::new();
    let raw = open(&bench);
    let stop = Stop::new().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| raw.recv(&mut [0; 2048], DEADLINE, &stop).unwrap());
        stop.set();
        assert_eq!(waiting.join().unwrap(), Received::Nothing);
    });
}
