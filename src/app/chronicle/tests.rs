use super::*;
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::Client;
use crate::dhcp::destination::Destination;
use crate::dhcp::reaction::{Reaction, Reply, ReplyKind, Verdict};
use crate::machine::Phase;
use crate::wire::dhcp::{BOOT_REQUEST, Message};
use std::sync::mpsc::{Receiver, sync_channel};

pub(super) const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
pub(super) const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 100);
pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 7);
pub(super) const TOKEN: &str = "00000000000000000000000000000abc";

pub(super) fn chronicle() -> (Chronicle, Receiver<Event>) {
    let mut machines = Registry::new(|| 0xabc);
    machines.bind(MAC, MACHINE, 0);
    let (events, received) = sync_channel(64);
    (Chronicle::new(Arc::new(Mutex::new(machines)), events), received)
}

pub(super) fn ends(chronicle: &Chronicle, peer: Ipv4Addr, name: &str, role: Option<Role>, outcome: Outcome) {
    let transfer =
        Transfer { peer, protocol: Protocol::Http, name: name.as_bytes(), role, sent: 1000, outcome };
    chronicle.ended(&transfer);
}

/// What was told so far: whose it is, its key, and its facts.
pub(super) fn told(received: &Receiver<Event>) -> Vec<String> {
    let one = |event: Event| {
        let mac = event.mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string());
        format!("{mac} {} {}", event.what.key(), event.what.sentence())
    };
    received.try_iter().map(one).collect()
}

#[test]
fn the_secret_of_a_kickstart_is_not_told() {
    let (chronicle, received) = chronicle();
    let name = format!("ks/{TOKEN}/ks.cfg");
    ends(&chronicle, MACHINE, &name, Some(Role::Answer), Outcome::Done);
    assert_eq!(told(&received), ["52:54:00:00:00:01 kickstart ks.cfg (1.0 kB, HTTP)"]);
    ends(&chronicle, STRANGER, &name, None, Outcome::Missing);
    ends(&chronicle, STRANGER, "ks/ffffffffffffffffffffffffffffffff/ks.cfg", None, Outcome::Missing);
    assert_eq!(shown(name.as_bytes()), "ks/.../ks.cfg");
    let told = told(&received);
    assert!(told.len() == 1 && told[0].contains("intruder") && told[0].contains("192.168.100.7"), "{told:?}");
    assert!(told.iter().all(|text| !text.contains(TOKEN)), "{told:?}");
}

#[test]
fn packages_are_counted_from_the_kernel_on() {
    let (chronicle, received) = chronicle();
    for _ in 0..PACKAGES_PER_EVENT {
        ends(&chronicle, MACHINE, "Packages/a.rpm", Some(Role::Package), Outcome::Done);
    }
    ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), Outcome::Done);
    ends(&chronicle, MACHINE, "Packages/a.rpm", Some(Role::Package), Outcome::Done);
    assert_eq!(
        told(&received),
        [
            "52:54:00:00:00:01 packages 1 fetched (1.0 kB)",
            "52:54:00:00:00:01 packages 25 fetched (25.0 kB)",
            "52:54:00:00:00:01 kernel vmlinuz (1.0 kB, HTTP)",
            "52:54:00:00:00:01 packages 1 fetched (1.0 kB)",
        ]
    );
}

#[test]
fn what_breaks_a_boot_is_told_and_what_every_installer_does_is_not() {
    let (chronicle, received) = chronicle();
    let aborted = || Outcome::Aborted("no answer".into());
    ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), aborted());
    ends(&chronicle, STRANGER, "a.rpm", Some(Role::Package), Outcome::Failed("input/output error".into()));
    assert_eq!(
        told(&received),
        [
            "52:54:00:00:00:01 broken vmlinuz after 1.0 kB: no answer",
            "- broken a.rpm after 1.0 kB: input/output error",
        ]
    );
    ends(&chronicle, MACHINE, "updates.img", None, Outcome::Missing);
    ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), Outcome::Probe);
    ends(&chronicle, MACHINE, "a.rpm", Some(Role::Package), aborted());
    assert!(told(&received).is_empty());
}

/// An offer to a machine.
fn offered(mac: MacAddr) -> Reaction {
    let mut message = Message::new(BOOT_REQUEST);
    message.chaddr[..6].copy_from_slice(&mac.0);
    let client = Client::from_message(&message, mac);
    let reply = Reply {
        kind: ReplyKind::Offer,
        yiaddr: MACHINE,
        boot_file: BootFile::None(NoBoot::NotAsked),
        message: Vec::new(),
        destination: Destination::BROADCAST,
        source_port: 67,
    };
    Reaction { client, asked: None, verdict: Verdict::Reply(reply), commit: None, shape: None, rung: None }
}

#[test]
fn a_flood_of_invented_machines_is_counted_and_one_that_is_known_is_told_of() {
    const INVENTED: u32 = 8000;
    let mut machines = Registry::new(|| 0xabc);
    machines.bind(MAC, MACHINE, 0);
    let (events, received) = sync_channel(4 * INVENTED as usize);
    let chronicle = Chronicle::new(Arc::new(Mutex::new(machines)), events);
    for number in 0..INVENTED {
        let [_, _, high, low] = number.to_be_bytes();
        chronicle.reacted(&offered(MacAddr([2, 0, 0, 0, high, low])));
    }
    chronicle.reacted(&offered(MAC));
    let told = told(&received);
    let offers = told.iter().filter(|line| line.contains(" offered ")).count() as u64;
    assert!((4000..7000).contains(&offers), "{offers}");
    assert_eq!(offers - 1 + chronicle.untold(), u64::from(INVENTED));
    assert!(told.iter().any(|line| line.contains("are answered and not told singly")), "{told:?}");
    assert!(told.last().is_some_and(|line| line.starts_with(&format!("{MAC} offered"))), "{told:?}");
}

#[test]
fn events_that_nobody_takes_are_dropped_and_counted() {
    let (events, _received) = sync_channel(1);
    let chronicle = Chronicle::new(Arc::new(Mutex::new(Registry::new(|| 1))), events);
    (0..3).for_each(|_| chronicle.tell(What::Stopping));
    assert_eq!(chronicle.dropped(), 2);
}

#[test]
fn a_system_that_was_fetched_whole_is_installed_when_its_machine_comes_back() {
    for (name, phase) in [("t/coreos/rootfs.img", Phase::Done), ("t/el9/install.img", Phase::Failed)] {
        let (chronicle, _events) = chronicle();
        let chronicle = chronicle.with_systems(HashSet::from(["t/coreos/rootfs.img".to_owned()]));
        for (fetched, role) in
            [("boot.ipxe", Role::Menu), ("k", Role::Kernel), ("i", Role::Initrd), (name, Role::Stage2)]
        {
            ends(&chronicle, MACHINE, fetched, Some(role), Outcome::Done);
        }
        chronicle.machines().arrives(MAC, None, 1);
        let machine = chronicle.machines().by_mac(MAC).cloned().expect("a machine");
        assert_eq!(machine.progress.phase, phase, "{name}: {:?}", machine.progress);
    }
}
