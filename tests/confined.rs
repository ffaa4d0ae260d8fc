//! What pxego may do while it serves, and by which card it can be reached. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/netns.rs"]
mod netns;

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use dhcp_lab::{Lan, Pxego, SERVER, Scratch, lease};
use netns::{Netns, run, wait_until};

/// Capabilities that serving needs, by their numbers in `linux/capability.h`: files of others, low ports, the interface's
/// addresses, raw sockets, to come before other programs.
const NEEDED: u64 = 1 << 1 | 1 << 2 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 23;

/// The value of a line of `/proc/PID/task/TID/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} is not in {status}")).trim()
}

#[test]
fn s14_rights_that_serving_does_not_need_are_given_up_for_good() {
    let (lan, scratch) = (Lan::new(), Scratch::new("s14"));
    let server = lan.host("s");
    let pxego = Pxego::start(&server, &scratch, &[]);
    let mut serving = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", pxego.pid())).unwrap() {
        // One that has ended meanwhile serves nobody.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let name = field(&status, "Name");
        assert_eq!(field(&status, "NoNewPrivs"), "1", "{status}");
        for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            let mask = u64::from_str_radix(field(&status, set), 16).unwrap();
            assert_eq!(mask & !NEEDED, 0, "{set} of {name}: {mask:x}");
        }
        serving.push(name.to_owned());
    }
    for name in ["ctrl-c", "dhcp", "http-0", "http-disk-0"] {
        assert!(serving.iter().any(|it| it == name), "{name} is not in {serving:?}");
    }
    // The address that it lent the interface is taken back with what is left.
    pxego.stop();
    let mut addresses = Command::new("ip");
    let shown = run(addresses.args(["-n", server.name(), "-4", "address", "show", "dev", "eth0"])).stdout;
    assert!(shown.is_empty(), "{}", String::from_utf8_lossy(&shown));
}

/// A laptop may be busy with something else, or with the very virtual machines that boot.
#[test]
fn who_answers_block_by_block_comes_before_other_programs() {
    // Whoever runs the tests may have given them a place, which pxego would keep.
    let thread = fs::read_link("/proc/thread-self").unwrap();
    run(Command::new("renice").args(["-n", "0", "-p"]).arg(thread.file_name().unwrap()));
    let (lan, scratch) = (Lan::new(), Scratch::new("precedence"));
    let server = lan.host("s");
    let pxego = Pxego::start(&server, &scratch, &[]);
    let places = || {
        let mut places = HashMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", pxego.pid())).unwrap() {
            let Ok(stat) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
            let (name, fields) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
            // The 19th field of proc_pid_stat(5), counted from the name, which is the second.
            places.insert(name.to_owned(), fields.split_whitespace().nth(16).unwrap().to_owned());
        }
        places
    };
    wait_until("both have gone ahead", || {
        let places = places();
        ["dhcp", "tftp"].iter().all(|name| places.get(*name).is_some_and(|place| place == "-10"))
    });
    let places = places();
    for name in ["events", "http-0", "http-disk-0"] {
        assert_eq!(places[name], "0", "{name} of {places:?}");
    }
    pxego.stop();
}

/// Whether `.treeinfo` comes by this protocol.
fn is_served(client: &Netns, protocol: &str) -> bool {
    let url = format!("{protocol}://{SERVER}/.treeinfo");
    let mut curl = client.command("curl");
    curl.args(["--disable", "--fail", "--silent", "--max-time", "3", "--output", "/dev/null", &url]);
    curl.status().unwrap().success()
}

#[test]
fn s13_nobody_behind_another_card_is_served() {
    let (bench, office, scratch) = (Lan::new(), Lan::new(), Scratch::new("s13"));
    let (server, machine, stranger) = (bench.host("s"), bench.host("c"), office.host("o"));
    office.plug(&server, "eth1");
    server.ip("address add 10.9.0.1/24 dev eth1");
    stranger.ip("address add 10.9.0.2/24 dev eth0");
    stranger.ip(&format!("route add {SERVER} via 10.9.0.1"));
    let pxego = Pxego::start(&server, &scratch, &[]);
    let told = lease(&machine, &scratch, &[]);
    machine.ip(&format!("address replace {}/24 dev eth0", told.ip));
    // The kernel answers for the address whichever card a question comes by.
    wait_until("the stranger reaches the computer", || {
        stranger.command("busybox").args(["ping", "-c1", "-W1", SERVER]).output().unwrap().status.success()
    });
    for protocol in ["http", "tftp"] {
        assert!(is_served(&machine, protocol), "{protocol}");
        assert!(!is_served(&stranger, protocol), "{protocol}");
    }
    pxego.stop();
}
