//! Which interface, and what is left of us on it.

use super::lab::Pxego;
use super::netns::{Bench, Netns};
use super::{Folder, REFUSED, WRONG_USE, addresses, is_up, iso, pxego};

/// A computer with every kind of interface that cannot serve, and one that can; and what is at the other ends.
fn computer() -> (Netns, Netns) {
    let (netns, far) = (Netns::new("i"), Netns::new("f"));
    for name in ["eth0", "off0", "slave0", "loose0"] {
        netns.ip(&format!("link add {name} type veth peer name {name} netns {}", far.name()));
        netns.ip(&format!("link set {name} up"));
        far.ip(&format!("link set {name} up"));
    }
    netns.ip("link set off0 down");
    far.ip("link set loose0 down");
    netns.ip("link add br0 type bridge");
    netns.ip("link set slave0 master br0");
    netns.ip("address add 10.1.2.3/24 dev eth0");
    (netns, far)
}

/// The line of an interface in the table, its words one blank apart.
fn line(text: &str, interface: &str) -> String {
    let words = |line: &str| line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = text.lines().map(words);
    lines
        .find(|line| line.split(' ').next() == Some(interface))
        .unwrap_or_else(|| panic!("no {interface}: {text}"))
}

#[test]
fn without_iface_the_candidates_are_listed() {
    let (netns, _far) = computer();
    for (arguments, cause) in [
        (format!("--iso {}", iso()), "which interface are the machines on?"),
        (format!("--iface eht0 --iso {}", iso()), "there is no interface eht0"),
    ] {
        let ended = pxego(&netns, &arguments);
        ended.is(WRONG_USE, &[cause]);
        let table = &ended.text;
        assert!(line(table, "eth0").starts_with("eth0 10000 Mbit/s 10.1.2.3/24 suitable"), "{table}");
        assert_eq!(line(table, "off0"), "off0 off none switched off");
        assert_eq!(line(table, "loose0"), "loose0 none none no link, is the cable in?");
        assert!(line(table, "slave0").ends_with(" none part of br0, use that"), "{table}");
        assert!(line(table, "lo").ends_with(" 127.0.0.1/8 loopback, reaches this machine only"), "{table}");
        let next = format!("{} --iface eth0 --iso {}", env!("CARGO_BIN_EXE_pxego"), iso());
        assert_eq!(ended.next_command(), next);
    }
}

#[test]
fn l10_what_cannot_serve_is_refused_with_what_can() {
    let (netns, _far) = computer();
    let ended = pxego(&netns, &format!("--iface slave0 --iso {}", iso()));
    ended.is(REFUSED, &["slave0 cannot serve: part of br0"]);
    assert!(ended.next_command().contains(" --iface br0 "), "{}", ended.text);
    let ended = pxego(&netns, &format!("--iface lo --iso {}", iso()));
    ended.is(REFUSED, &["lo cannot serve: loopback"]);
    assert!(ended.next_command().contains(" --iface eth0 "), "{}", ended.text);
}

#[test]
fn what_was_changed_on_the_interface_is_taken_back_however_it_ends() {
    for signal in ["INT", "TERM", "HUP"] {
        let (bench, folder) = (Bench::new(), Folder::new("give-back"));
        bench.server.ip("link set eth0 down");
        // Without DHCP: on a link that has just come up it would wait for the switch's spanning tree.
        let arguments = ["--dhcp", "off", "--iso", &iso(), "--state", &folder.path("state")];
        let pxego = Pxego::start(&bench.server, &arguments);
        assert_eq!(addresses(&bench.server), ["192.168.100.1/24"], "{signal}");
        assert!(is_up(&bench.server));
        pxego.stop_with(signal);
        assert!(addresses(&bench.server).is_empty(), "{signal}");
        assert!(!is_up(&bench.server), "{signal}");
    }
}

#[test]
fn what_the_interface_had_stays() {
    let (bench, folder) = (Bench::new(), Folder::new("keep"));
    bench.server.ip("address add 10.1.2.3/24 dev eth0");
    let pxego = Pxego::start(&bench.server, &["--iso", &iso(), "--state", &folder.path("state")]);
    assert_eq!(addresses(&bench.server), ["10.1.2.3/24"]);
    assert_eq!(pxego.events().last().unwrap()["server"], "10.1.2.3");
    pxego.stop_with("INT");
    assert_eq!(addresses(&bench.server), ["10.1.2.3/24"]);
    assert!(is_up(&bench.server));
}
