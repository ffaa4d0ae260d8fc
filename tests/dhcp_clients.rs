//! Strangers' DHCP clients on a bench where we give the addresses: udhcpc, dhclient, dhcpcd, systemd-networkd, bootpc.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/netns.rs"]
mod netns;

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Stdio;

use dhcp_lab::{
    Lan, Pxego, SERVER, Scratch, Tcpdump, Udhcpc, address, kill_all, lease, mac_of, of_kind, output_of,
    terminate_all, text,
};
use dhcp_machine::Machine;
use netns::{DEADLINE, Netns, Running, run, wait_until};
use pxego::wire::MacAddr;
use pxego::wire::arp::Arp;
use pxego::wire::dhcp::{BOOT_REQUEST, FLAG_BROADCAST, Message, MessageType};
use pxego::wire::dhcp_option::Code;
use pxego::wire::tftp;

const SERVER_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);

fn wait_for_address(netns: &Netns) -> String {
    wait_until("an address", || address(netns).is_some());
    address(netns).unwrap()
}

fn flush(netns: &Netns) {
    netns.ip("-4 addr flush dev eth0");
}

/// A program in a namespace whose `/run` and other folders are its own.
fn start_private(netns: &Netns, scratch: &Scratch, name: &str, script: &str) -> Running {
    let script = scratch.script(name, &format!("#!/bin/sh -e\nmount -t tmpfs tmpfs /run\n{script}"));
    let mut command = netns.command(&script);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// dhcpcd, with a client id made from a DUID (RFC 4361), or from the card's address.
///
/// It does not always end when it is asked to, and says nothing on the wire then: it is killed.
/// Without its scripts: they would write this computer's own `/etc/resolv.conf`, which no network namespace keeps apart.
fn dhcpcd(netns: &Netns, scratch: &Scratch, identity: &str) -> Running {
    let config = scratch.write("dhcpcd.conf", &format!("{identity}\noption subnet_mask, routers\nnoarp\n"));
    let folder = scratch.path("dhcpcd");
    fs::create_dir_all(&folder).unwrap();
    let script =
        format!("mount --bind {folder} /var/lib/dhcpcd\nexec dhcpcd -4 -B -c /bin/true -f {config} eth0\n");
    start_private(netns, scratch, "dhcpcd.sh", &script)
}

/// systemd-networkd, which manages `eth0` and nothing else. With `/sys` read only it does not wait for udev, as in a
/// container.
fn networkd(netns: &Netns, scratch: &Scratch, identity: &str) -> Running {
    let script = format!(
        "mkdir -p /run/systemd/netif /run/systemd/network\nchown systemd-network /run/systemd/netif\n\
         mount -o remount,ro /sys\n\
         cat >/run/systemd/network/10-eth0.network <<END\n[Match]\nName=eth0\n[Network]\nDHCP=ipv4\n\
         LinkLocalAddressing=no\n[DHCPv4]\nClientIdentifier={identity}\nSendRelease=yes\nEND\n\
         exec /lib/systemd/systemd-networkd\n"
    );
    start_private(netns, scratch, "networkd.sh", &script)
}

const DHCLIENT_SCRIPT: &str = r#"#!/bin/sh
case $reason in
BOUND|REBOOT|RENEW|REBIND)
    ip -4 address flush dev "$interface"
    ip address add "$new_ip_address/$new_subnet_mask" dev "$interface"
    ;;
RELEASE|EXPIRE|FAIL|STOP) ip -4 address flush dev "$interface" ;;
esac
echo "$reason $new_ip_address" >>"$0.log"
"#;

/// ISC dhclient: one run until it has an address and is in the background, or has given it back (`-r`).
fn dhclient(netns: &Netns, scratch: &Scratch, config: &str, more: &[&str]) -> String {
    let script = scratch.path("dhclient.sh");
    if !Path::new(&script).exists() {
        scratch.script("dhclient.sh", DHCLIENT_SCRIPT);
    }
    let config = scratch.write("dhclient.conf", config);
    let (pid, leases) = (scratch.path("dhclient.pid"), scratch.path("dhclient.leases"));
    let mut command = netns.command("dhclient");
    command.args(["-4", "-1", "-q", "-sf", &script, "-cf", &config, "-pf", &pid, "-lf", &leases]);
    run(command.args(more).arg("eth0").stdout(Stdio::null()));
    let log = fs::read_to_string(format!("{script}.log")).unwrap_or_default();
    log.lines().last().unwrap_or_default().to_owned()
}

/// Ends the dhclient in the background, which keeps its lease.
fn end_dhclient(netns: &Netns, scratch: &Scratch) {
    let file = scratch.path("dhclient.pid");
    // The one in the background writes it when the other has ended.
    wait_until("its number", || fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')));
    let pid = fs::read_to_string(&file).unwrap();
    run(netns.command("kill").args(["-KILL", pid.trim()]));
    wait_until("dhclient ends", || !Path::new(&format!("/proc/{}", pid.trim())).exists());
}

#[test]
fn d26_d32_d38_udhcpc_renews_gives_back_and_gets_the_same_again() {
    let (lan, scratch) = (Lan::new(), Scratch::new("udhcpc"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let wire = Tcpdump::start(&client, "udp port 67 or arp");
    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    assert_eq!((bound.server.as_str(), bound.router.as_str()), (SERVER, ""));
    let leased = pxego.wait_for("leased");
    assert_eq!(leased["ip"], bound.ip.as_str());
    assert_eq!(leased["mac"], mac_of(&client, "eth0").as_str());
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("renew"), dhcp_lab::Told { kind: "renew".into(), ..bound.clone() });
    udhcpc.release();
    udhcpc.wait_for("deconfig");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("bound").ip, bound.ip);
    udhcpc.stop();

    let seen = wire.stop();
    let unicast = |from: &str, to: &str| seen.iter().any(|line| line.contains(&format!("{from} > {to}")));
    assert!(unicast(&format!("{}.68", bound.ip), &format!("{SERVER}.67")), "a renewal: {seen:#?}");
    assert!(unicast(&format!("{SERVER}.67"), &format!("{}.68", bound.ip)), "its answer: {seen:#?}");
    let asked = format!("who-has {} tell {SERVER}", bound.ip);
    let offer = seen.iter().position(|line| line.contains("Reply")).unwrap();
    let before_renewal = seen.iter().position(|line| line.contains(&format!("{}.68 >", bound.ip))).unwrap();
    assert!(!seen[offer..before_renewal].iter().any(|line| line.contains(&asked)), "{seen:#?}");
}

/// What is sent to the server alone is lost, as with a server that has moved to another port of the switch, or a firewall:
/// the client asks all servers then (RFC 2131 §4.4.5, REBINDING), and keeps its address.
#[test]
fn d36_udhcpc_rebinds_by_broadcast_and_keeps_its_address() {
    let (lan, scratch) = (Lan::new(), Scratch::new("rebind"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    pxego.wait_for("leased");
    for command in [
        "add table bridge wall",
        "add chain bridge wall through { type filter hook forward priority 0; }",
        &format!("add rule bridge wall through ip daddr {SERVER} drop"),
    ] {
        run(lan.switch().command("nft").arg(command));
    }
    let wire = Tcpdump::verbose(&client, "udp port 67");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("renew"), dhcp_lab::Told { kind: "renew".into(), ..bound.clone() });
    assert_eq!(pxego.wait_for("leased")["ip"], bound.ip.as_str());
    udhcpc.stop();

    let seen = wire.stop();
    let first = |what: &str| {
        seen.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {seen:#?}"))
    };
    let (alone, all) = (first(&format!("> {SERVER}.67:")), first("> 255.255.255.255.67:"));
    let answer = first(&format!("{SERVER}.67 > {}.68:", bound.ip));
    assert!(alone < all && all < answer, "{seen:#?}");
    // It says which address it has, and names no server (RFC 2131 §4.3.2).
    let question = seen[all..answer].join(" ");
    assert!(question.contains(&format!("Client-IP {}", bound.ip)), "{question}");
    assert!(!question.contains("Server-ID") && !question.contains("Requested-IP"), "{question}");
}

#[test]
fn d45_every_program_of_one_machine_gets_the_same_address() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d45"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut rom = Machine::new(&client, mac_of(&client, "eth0").parse::<pxego::wire::MacAddr>().unwrap().0);
    let expected =
        rom.lease(|message| message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00000")).message.yiaddr;
    let expected = expected.to_string();

    for more in [&["-C"][..], &[], &["-x", "0x3d:ff112233440002000001"], &["-x", "0x3d:00"], &["-B"]] {
        assert_eq!(lease(&client, &scratch, more).ip, expected, "udhcpc {more:?}");
        flush(&client);
    }
    for config in
        ["", "send dhcp-client-identifier = hardware;\n", "send dhcp-client-identifier \"a name\";\n"]
    {
        dhclient(&client, &scratch, config, &[]);
        assert_eq!(wait_for_address(&client), expected, "dhclient {config:?}");
        end_dhclient(&client, &scratch);
        let _ = fs::remove_file(scratch.path("dhclient.leases"));
        flush(&client);
    }
    for identity in ["clientid", "duid"] {
        let mut dhcpcd = dhcpcd(&client, &scratch, identity);
        assert_eq!(wait_for_address(&client), expected, "dhcpcd {identity}");
        kill_all(&client, &mut dhcpcd);
        flush(&client);
    }
    for identity in ["mac", "duid"] {
        let mut networkd = networkd(&client, &scratch, identity);
        assert_eq!(wait_for_address(&client), expected, "networkd {identity}");
        terminate_all(&client, &mut networkd);
        flush(&client);
    }
    let addresses: HashSet<_> =
        of_kind(pxego.events(), "leased").iter().map(|event| event["ip"].to_string()).collect();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
}

#[test]
fn d46_two_machines_with_one_client_id_get_an_address_each() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d46"));
    let (server, one, two) = (lan.host("s"), lan.host("c"), lan.host("d"));
    let _pxego = Pxego::start(&server, &scratch, &[]);
    // Cloned disks: the machine-id is the same, and so is the DUID made of it.
    let id = ["-x", "0x3d:ff0000000100020000ab11deadbeefdeadbeef"];
    let (first, second) = (lease(&one, &scratch, &id), lease(&two, &scratch, &id));
    assert_ne!(first.ip, second.ip);
    assert_eq!(lease(&one, &scratch, &id).ip, first.ip);
    assert_eq!(lease(&two, &scratch, &id).ip, second.ip);
}

#[test]
fn d23_d32_dhclient_comes_back_after_a_restart_and_after_a_release() {
    let (lan, scratch) = (Lan::new(), Scratch::new("dhclient"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let first = dhclient(&client, &scratch, "", &[]);
    let expected = address(&client).unwrap();
    assert_eq!(first, format!("BOUND {expected}"));
    // With its lease file it asks for the same address first (INIT-REBOOT).
    end_dhclient(&client, &scratch);
    flush(&client);
    assert_eq!(dhclient(&client, &scratch, "", &[]), format!("REBOOT {expected}"));
    assert!(dhclient(&client, &scratch, "", &["-r"]).starts_with("RELEASE"));
    wait_until("the release is heard", || pxego.counters()["accepted.release-or-decline"] == 1);
    assert_eq!(address(&client), None);
    assert_eq!(dhclient(&client, &scratch, "", &[]), format!("BOUND {expected}"));
    end_dhclient(&client, &scratch);
}

#[test]
fn d23_dhcpcd_comes_back_and_networkd_gives_back() {
    let (lan, scratch) = (Lan::new(), Scratch::new("dhcpcd"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut dhcpcd = self::dhcpcd(&client, &scratch, "duid");
    let expected = wait_for_address(&client);
    pxego.wait_for("leased");
    // With its lease file it asks for the same address first (INIT-REBOOT).
    kill_all(&client, &mut dhcpcd);
    flush(&client);
    let mut dhcpcd = self::dhcpcd(&client, &scratch, "duid");
    let again = pxego.wait_for("leased");
    assert_eq!(again["ip"], expected.as_str());
    kill_all(&client, &mut dhcpcd);
    flush(&client);

    let mut networkd = networkd(&client, &scratch, "duid");
    assert_eq!(wait_for_address(&client), expected);
    terminate_all(&client, &mut networkd);
    wait_until("networkd's release", || pxego.counters()["accepted.release-or-decline"] == 1);
}

/// The address that a machine gets of a server that knows nothing: it is made from the card's.
fn hashed_address(server: &Netns, client: &Netns, scratch: &Scratch) -> String {
    let state = scratch.path("first-state");
    let pxego = Pxego::start(server, scratch, &["--state", &state]);
    let address = lease(client, scratch, &[]).ip;
    pxego.stop();
    flush(client);
    address
}

#[test]
fn d53_d55_an_address_that_somebody_uses_is_not_offered() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d53"));
    let (server, client, squatter) = (lan.host("s"), lan.host("c"), lan.host("q"));
    let taken = hashed_address(&server, &client, &scratch);
    squatter.ip(&format!("addr add {taken}/24 dev eth0"));

    let wire = Tcpdump::start(&client, "arp or udp port 68");
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    let told = lease(&client, &scratch, &[]);
    assert_ne!(told.ip, taken);
    let conflict = pxego.wait_until("conflict", DEADLINE, |event| event["event"] == "conflict");
    assert_eq!(conflict["address"], taken.as_str());
    assert_eq!(conflict["mac"], mac_of(&squatter, "eth0").as_str());
    // For a while it is set aside, also for who asks for it by name.
    assert_ne!(lease(&client, &scratch, &["-r", &taken]).ip, taken);
    let mac = mac_of(&client, "eth0");
    let seen = wire.stop();
    let first = |what: &str| {
        seen.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {seen:#?}"))
    };
    assert!(first(&format!("who-has {} tell 0.0.0.0", told.ip)) < first(&format!("> {mac}, ethertype IPv4")));
    let (events, _) = pxego.stop();
    assert_eq!(of_kind(&events, "conflict").len(), 1, "{events:#?}");
}

#[test]
fn l16_who_asks_for_our_address_is_answered_once() {
    const TIMES: usize = 5;
    let (lan, scratch) = (Lan::new(), Scratch::new("l16"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let _pxego = Pxego::start(&server, &scratch, &[]);
    let wire = Tcpdump::start(&client, "arp");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x16, 1]);
    let mut frame = Vec::new();
    for _ in 0..TIMES {
        Arp::request(machine.mac, Ipv4Addr::new(192, 168, 100, 77), SERVER_IP).emit(&mut frame);
        machine.transmit(&frame);
    }
    // What comes after them is answered after them.
    machine.lease(|_| ());
    let answers: Vec<_> =
        wire.stop().into_iter().filter(|line| line.contains(&format!("Reply {SERVER} is-at"))).collect();
    assert_eq!(answers.len(), TIMES, "{answers:#?}");
    assert!(answers.iter().all(|line| line.contains(&format!("is-at {}", mac_of(&server, "eth0")))));
}

#[test]
fn d48_d54_a_machine_keeps_the_address_it_uses_when_the_leases_are_lost() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d54"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let expected = hashed_address(&server, &client, &scratch);
    // An earlier stage of the same machine has it still, and answers for it.
    client.ip(&format!("addr add {expected}/24 dev eth0"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mac = mac_of(&client, "eth0").parse::<pxego::wire::MacAddr>().unwrap().0;
    let mut machine = Machine::new(&client, mac);
    assert_eq!(machine.lease(|_| ()).message.yiaddr.to_string(), expected);
    assert!(of_kind(pxego.events(), "conflict").len() <= 1, "{:#?}", pxego.events());
}

#[test]
fn d30_an_address_that_udhcpc_declines_is_not_offered_again() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d30"));
    let (server, client, squatter) = (lan.host("s"), lan.host("c"), lan.host("q"));
    let taken = hashed_address(&server, &client, &scratch);
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    // After we have asked, and without a word.
    squatter.ip(&format!("addr add {taken}/24 dev eth0"));
    let told = lease(&client, &scratch, &["-a"]);
    assert_ne!(told.ip, taken);
    assert_eq!(pxego.counters()["accepted.release-or-decline"], 1);
    let mut other = Machine::new(&client, [0x52, 0x54, 0, 0, 0x30, 1]);
    let ack = other.lease(|message| message.options.push_ipv4(Code::REQUESTED_IP, taken.parse().unwrap()));
    assert_ne!(ack.message.yiaddr.to_string(), taken);
}

/// A request as it was in 1985: no cookie, no options.
fn bootp_request(machine: &Machine, has_cookie: bool) -> Message {
    let mut message = Message::new(BOOT_REQUEST);
    message.xid = machine.xid;
    message.flags = FLAG_BROADCAST;
    message.chaddr[..6].copy_from_slice(&machine.mac.0);
    message.has_cookie = has_cookie;
    message
}

#[test]
fn d57_bootp_clients_get_an_address_and_300_bytes() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d57"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    for (last, has_cookie) in [(1, false), (2, true)] {
        let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x57, last]);
        machine.broadcast(&bootp_request(&machine, has_cookie));
        let reply = machine.answer();
        assert_eq!(reply.payload.len(), 300);
        assert!(reply.message.yiaddr.to_string().starts_with("192.168.100."), "{reply:?}");
        assert_eq!(reply.message.siaddr, SERVER_IP);
        for absent in [Code::MESSAGE_TYPE, Code::LEASE_TIME, Code::SERVER_ID] {
            assert!(!reply.message.options.has(absent), "{absent}");
        }
        assert_eq!(pxego.wait_for("leased")["ip"], reply.message.yiaddr.to_string().as_str());
    }
    client.ip("route add default dev eth0");
    // Another's: bootpc, as it was used for diskless machines.
    let mut bootpc = client.command("bootpc");
    let said =
        output_of(bootpc.args(["--dev", "eth0", "--timeoutwait", "20", "--returniffail", "--serverbcast"]));
    assert!(said.contains("SERVER='192.168.100.1'"), "{said}");
    let ip = said
        .lines()
        .find_map(|line| line.strip_prefix("IPADDR='"))
        .unwrap()
        .trim_end_matches('\'')
        .to_owned();
    assert_eq!(pxego.wait_for("leased")["ip"], ip.as_str());
}

#[test]
fn a_reserved_address_is_for_its_machine_alone() {
    let (lan, scratch) = (Lan::new(), Scratch::new("reserve"));
    let (server, client, other) = (lan.host("s"), lan.host("c"), lan.host("d"));
    let outside = format!("{}=192.168.100.20", mac_of(&client, "eth0"));
    let inside = "52:54:00:00:00:77=192.168.100.100";
    let arguments = ["--reserve", &outside, "--reserve", inside, "--range", "100-101"];
    let mut pxego = Pxego::start(&server, &scratch, &arguments);
    assert_eq!(lease(&client, &scratch, &[]).ip, "192.168.100.20");
    // Of the pool of two one is kept: who asks for it gets the other.
    assert_eq!(lease(&other, &scratch, &["-r", "192.168.100.100"]).ip, "192.168.100.101");
    let mut third = Machine::new(&other, [0x52, 0x54, 0, 0, 0, 0x78]);
    third.broadcast(&third.request(MessageType::Discover));
    third.hears_nothing();
    let refused = pxego.wait_for("refused");
    assert!(refused["reason"].as_str().unwrap().contains("--range"), "{refused}");
    let mut kept = Machine::new(&other, [0x52, 0x54, 0, 0, 0, 0x77]);
    assert_eq!(kept.lease(|_| ()).message.yiaddr, Ipv4Addr::new(192, 168, 100, 100));
}

#[test]
fn d51_a_pool_of_one_carries_one_machine_through_all_its_programs() {
    let (lan, scratch) = (Lan::new(), Scratch::new("d51"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &["--address", "10.9.8.1/30"]);
    let only = Ipv4Addr::new(10, 9, 8, 2);
    let mut machine =
        Machine::new(&client, mac_of(&client, "eth0").parse::<pxego::wire::MacAddr>().unwrap().0);
    let mac = machine.mac.0;
    let rom = machine
        .lease(|message| message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016"));
    machine.xid += 1;
    let ipxe = machine.lease(|message| {
        message.options.push(Code::USER_CLASS, b"iPXE");
        message.options.push(Code::CLIENT_ID, &[&[1], &mac[..]].concat());
    });
    assert_eq!((rom.message.yiaddr, ipxe.message.yiaddr), (only, only));
    assert_eq!(lease(&client, &scratch, &[]).ip, "10.9.8.2");
    let mut second = Machine::new(&client, [0x52, 0x54, 0, 0, 0x51, 2]);
    second.broadcast(&second.request(MessageType::Discover));
    second.hears_nothing();
    let refused = pxego.wait_for("refused");
    assert_eq!(refused["mac"], "52:54:00:00:51:02");
    assert!(refused["reason"].as_str().unwrap().contains("no address is free"), "{refused}");
    assert!(pxego.counters()["ignored.pool-exhausted"].as_u64() >= Some(1));
    assert!(of_kind(pxego.events(), "warning").iter().all(|event| !text(event).contains("10.9.8.2")));
}

/// What an Intel Boot Agent sends (PXE 2.1 table 2-1; it leaves its UUID out, pixiecore issue 21), up to the program that it
/// asks for: the length first, from port 2070, then the file, from the next port.
#[test]
fn c02_an_intel_rom_comes_as_far_as_its_boot_program() {
    let (lan, scratch) = (Lan::new(), Scratch::new("c02"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mac: MacAddr = mac_of(&client, "eth0").parse().unwrap();
    let ack = Machine::new(&client, mac.0).lease(|message| {
        let list: Vec<u8> = [1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67].into();
        message.options.push(Code::PARAMETER_LIST, &[list, (128..=135).collect()].concat());
        message.options.push(Code(57), &1260_u16.to_be_bytes());
        message.options.push(Code(93), &[0, 0]);
        message.options.push(Code(94), &[1, 2, 1]);
        message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
    });
    let name = ack.message.file.split(|byte| *byte == 0).next().unwrap().to_vec();
    assert_eq!((&name[..], ack.message.siaddr), (&b"undionly.kpxe"[..], SERVER_IP));

    client.ip(&format!("address add {}/24 dev eth0", ack.message.yiaddr));
    let ask = |port: u16, option: (&str, &str)| {
        let socket = client.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.send_to(&tftp::read_request(&name, "octet", &[option]), (SERVER_IP, 69)).unwrap();
        let mut buffer = [0; 2048];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        (socket, from, buffer[..len].to_vec())
    };
    let (probe, from, answer) = ask(2070, ("tsize", "0"));
    let text = String::from_utf8(answer).unwrap();
    let len: usize =
        text.strip_prefix("\0\x06tsize\0").and_then(|it| it.strip_suffix('\0')).unwrap().parse().unwrap();
    probe.send_to(b"\0\x05\0\0TFTP Aborted\0", from).unwrap();

    let (transfer, from, answer) = ask(2071, ("blksize", "1456"));
    assert_eq!(answer, b"\0\x06blksize\x001456\0");
    let (mut block, mut program): (u16, Vec<u8>) = (0, Vec::new());
    let mut buffer = [0; 2048];
    while program.len() == usize::from(block) * 1456 {
        transfer.send_to(&tftp::ack(block), from).unwrap();
        let (count, _) = transfer.recv_from(&mut buffer).unwrap();
        // A block may come again on a busy computer.
        let [high, low] = (block + 1).to_be_bytes();
        if buffer[..4] == [0, 3, high, low] {
            program.extend(&buffer[4..count]);
            block += 1;
        }
    }
    transfer.send_to(&tftp::ack(block), from).unwrap();
    assert_eq!(program.len(), len);
    assert_eq!(pxego.wait_for("loader")["name"], "undionly.kpxe");
}
