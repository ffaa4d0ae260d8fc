//! Leases outlive the process, the power and a full disk. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/fault.rs"]
mod fault;
#[path = "common/netns.rs"]
mod netns;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dhcp_lab::{Lan, Pxego, Scratch, lease, text};
use dhcp_machine::{Heard, Machine};
use fault::Fault;
use netns::{DEADLINE, wait_until};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::MessageType;
use pxego::wire::dhcp_option::Code;
use serde_json::Value;

/// The machines of a bench, and the fewest addresses that could do: with so few the hash of a card's address rarely decides
/// alone, so that a lease that was lost would be noticed.
const MACHINES: u8 = 50;
const RANGE: &str = "100-155";

fn mac(number: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 9, number])
}

/// Sends as the machine of that number.
fn become_machine(machine: &mut Machine, number: u8) {
    machine.mac = mac(number);
    machine.xid = 0x0900_0000;
}

/// Answers of one kind to all machines until there are `enough`, or for a while: who got which address.
fn addresses(
    machine: &mut Machine,
    kind: MessageType,
    enough: usize,
    patience: Duration,
) -> BTreeMap<MacAddr, Ipv4Addr> {
    let heard = machine.collect(patience, |heard| {
        let of_kind = heard.iter().filter(|one| one.kind() == Some(kind));
        of_kind.map(|one| one.message.ethernet_chaddr()).collect::<BTreeSet<_>>().len() >= enough
    });
    let of_kind = heard.iter().filter(|one| one.kind() == Some(kind));
    of_kind.map(|one| (one.message.ethernet_chaddr().unwrap(), one.message.yiaddr)).collect()
}

fn discover_all(machine: &mut Machine, numbers: impl Iterator<Item = u8>) -> BTreeMap<MacAddr, Ipv4Addr> {
    let mut sent = 0;
    for number in numbers {
        become_machine(machine, number);
        machine.broadcast(&machine.request(MessageType::Discover));
        sent += 1;
    }
    addresses(machine, MessageType::Offer, sent, DEADLINE)
}

fn request_all(machine: &mut Machine, offers: &BTreeMap<MacAddr, Ipv4Addr>, server: Ipv4Addr) {
    for (mac, address) in offers {
        become_machine(machine, mac.0[5]);
        let mut request = machine.request(MessageType::Request);
        request.options.push_ipv4(Code::REQUESTED_IP, *address);
        request.options.push_ipv4(Code::SERVER_ID, server);
        machine.broadcast(&request);
    }
}

#[test]
fn d49_no_address_is_lost_or_given_twice_when_it_is_killed() {
    let (lan, scratch) = (Lan::new(), Scratch::new("killed"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let server_ip = Ipv4Addr::new(192, 168, 100, 1);
    let mut machine = Machine::new(&client, mac(0).0);
    let mut granted: BTreeMap<MacAddr, Ipv4Addr> = BTreeMap::new();
    // Killed right after the requests went out, and again with some of them granted already.
    for round in 0..3 {
        let pxego = Pxego::start(&server, &scratch, &["--range", RANGE]);
        let offers = discover_all(&mut machine, (0..MACHINES).rev());
        assert_eq!(offers.len(), usize::from(MACHINES), "round {round}");
        for (mac, address) in &granted {
            assert_eq!(offers[mac], *address, "round {round}: {mac} had it");
        }
        request_all(&mut machine, &offers, server_ip);
        if round > 0 {
            let some = usize::from(MACHINES) / 2;
            granted.extend(addresses(&mut machine, MessageType::Ack, some, DEADLINE));
        }
        pxego.kill();
        granted.extend(addresses(&mut machine, MessageType::Ack, usize::MAX, Duration::from_millis(200)));
        println!("round {round}: {} granted", granted.len());
    }
    assert!(granted.len() >= usize::from(MACHINES) / 2);
    let pxego = Pxego::start(&server, &scratch, &["--range", RANGE]);
    let offers = discover_all(&mut machine, 0..MACHINES);
    for (mac, address) in &granted {
        assert_eq!(offers[mac], *address, "{mac} had it");
    }
    let different: BTreeSet<_> = offers.values().collect();
    assert_eq!(different.len(), usize::from(MACHINES), "two machines with one address: {offers:?}");
    pxego.stop();
}

#[test]
fn d48_d49_lost_torn_and_spoilt_lease_files() {
    let (lan, scratch) = (Lan::new(), Scratch::new("spoilt"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let pxego = Pxego::start(&server, &scratch, &[]);
    let expected = lease(&client, &scratch, &[]).ip;
    pxego.stop();
    let path = scratch.path("state/leases");
    let good = fs::read(&path).unwrap();
    assert!(String::from_utf8_lossy(&good).contains(&expected), "a person can read it");

    let torn = [&good[..], &good[..good.len() / 2]].concat();
    let spoilt: Vec<u8> =
        (0..100_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let zeros = [&good[..], &[0; 4096]].concat();
    for (what, bytes) in
        [("torn", Some(torn)), ("zeros", Some(zeros)), ("spoilt", Some(spoilt)), ("lost", None)]
    {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let pxego = Pxego::start(&server, &scratch, &[]);
        assert_eq!(lease(&client, &scratch, &[]).ip, expected, "{what}");
        let (_, diagnostics) = pxego.stop();
        assert!(diagnostics.len() < 20, "{what}: {diagnostics:#?}");
        assert!(fs::read_to_string(&path).unwrap().contains(&expected), "{what}");
    }
}

#[test]
fn on_a_full_disk_machines_get_addresses_and_it_is_told() {
    let (lan, scratch) = (Lan::new(), Scratch::new("full"));
    let (server, one, two) = (lan.host("s"), lan.host("c"), lan.host("d"));
    // A disk of its own for the state, with no room left.
    let state = scratch.path("disk");
    fs::create_dir(&state).unwrap();
    let script = scratch.script(
        "on-a-small-disk.sh",
        &format!(
            "#!/bin/sh -e\nmount -t tmpfs -o size=64k tmpfs {state}\n\
             dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null || true\nexec \"$@\"\n"
        ),
    );
    let mut command = server.command(&script);
    command.arg(env!("CARGO_BIN_EXE_pxego"));
    let start = Instant::now();
    let mut pxego = Pxego::run(command, &scratch, &["--state", &state]);
    pxego.wait_for("dhcp");
    let first = lease(&one, &scratch, &[]).ip;
    let second = lease(&two, &scratch, &[]).ip;
    assert_ne!(first, second);
    let warning =
        pxego.wait_until("of the disk", DEADLINE, |event| text(event).contains("leases cannot be written"));
    assert_eq!(warning["event"], "warning");

    let inside = format!("/proc/{}/root{state}", pxego.pid());
    let leases = || fs::read_to_string(format!("{inside}/leases")).unwrap();
    assert!(!leases().contains(&first));
    fs::remove_file(format!("{inside}/filler")).unwrap();
    wait_until("the leases are written", || leases().contains(&first) && leases().contains(&second));
    let (events, _) = pxego.stop();
    let warnings = events.iter().filter(|event| text(event).contains("leases cannot be written")).count();
    // It is tried every five seconds.
    let at_most = start.elapsed().as_secs() / 5 + 1;
    assert!((1..=at_most).contains(&(warnings as u64)), "{warnings} warnings, {at_most} at most");
}

#[test]
fn d49_a_disk_that_hangs_holds_up_its_own_grants_in_their_order_and_nobody_else() {
    let (lan, scratch) = (Lan::new(), Scratch::new("slow-disk"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let pxego = Pxego::start(&server, &scratch, &[]);
    let mut machine = Machine::new(&client, mac(1).0);
    let offers = discover_all(&mut machine, 1..=1);
    // Longer than the test can take: in microseconds, before the call.
    let fault = Fault::inject(pxego.pid(), "disk", "fdatasync", "delay_enter=600000000");
    request_all(&mut machine, &offers, Ipv4Addr::new(192, 168, 100, 1));
    become_machine(&mut machine, 1);
    machine.broadcast(&machine.request(MessageType::Discover));
    let of = |heard: &[Heard], number: u8| -> Vec<_> {
        let own = heard.iter().filter(|one| one.message.ethernet_chaddr() == Some(mac(number)));
        own.filter_map(Heard::kind).collect()
    };
    for number in 2..10 {
        become_machine(&mut machine, number);
        machine.broadcast(&machine.request(MessageType::Discover));
        let heard = machine.collect(DEADLINE, |heard| !of(heard, number).is_empty());
        assert_eq!(of(&heard, number), [MessageType::Offer], "its answer waits for somebody else's disk");
        assert_eq!(of(&heard, 1), [], "granted before it is on the disk");
    }
    let leases = || fs::read_to_string(scratch.path("state/leases")).unwrap();
    wait_until("it is on its way to the disk", || leases().contains(&mac(1).to_string()));
    drop(fault);
    let heard = machine.collect(DEADLINE, |heard| of(heard, 1).len() == 2);
    assert_eq!(of(&heard, 1), [MessageType::Ack, MessageType::Offer]);
    pxego.stop();
}

#[test]
fn a_disk_that_fails_is_told_of_and_machines_get_addresses() {
    let (lan, scratch) = (Lan::new(), Scratch::new("bad-disk"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let fault = Fault::inject(pxego.pid(), "disk", "fdatasync", "error=EIO");
    let told = lease(&client, &scratch, &[]);
    let is_it = |event: &Value| text(event).contains("leases cannot be written");
    let warning = pxego.wait_until("of the disk", DEADLINE, is_it);
    assert!(text(&warning).contains("Input/output error"), "{warning}");
    assert_eq!(lease(&client, &scratch, &[]).ip, told.ip);
    let counts = pxego.counters();
    assert!(counts["disk.failed"].as_u64() >= Some(1), "{counts}");
    let leases = || fs::read_to_string(scratch.path("state/leases")).unwrap();
    // It may be trying again just now.
    wait_until("half a batch is taken back", || !leases().contains(&told.ip));
    drop(fault);
    // What could not be written gets its last chance at the end, if not before.
    pxego.stop();
    assert!(leases().contains(&told.ip));
}

#[test]
fn two_runs_do_not_share_a_state_directory() {
    let (lan, scratch) = (Lan::new(), Scratch::new("shared"));
    let (server, other) = (lan.host("s"), lan.host("t"));
    let pxego = Pxego::start(&server, &scratch, &[]);
    let (status, said) = Pxego::spawn(&other, &scratch, &[]).ended();
    assert_eq!(status.code(), Some(3));
    assert!(said.contains(&format!("sudo kill {}", pxego.pid())), "{said}");
}
