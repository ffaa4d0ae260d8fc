//! Beside other DHCP servers: dnsmasq, ISC dhcpd, a second pxego. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/netns.rs"]
mod netns;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use dhcp_lab::{
    Lan, Pxego, Scratch, Tcpdump, Udhcpc, address, bare_dnsmasq, dhcpd, dnsmasq, has_port, lease, mac_of,
    of_kind, terminate, text,
};
use dhcp_machine::Machine;
use netns::{DEADLINE, Netns, wait_until};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::MessageType;
use pxego::wire::dhcp_option::Code;

/// Where dnsmasq and dhcpd are, and where pxego is beside them.
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
const OURS: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 2);

/// In what time an offer leaves, and how often that is tried: a busy computer lets somebody wait now and then.
const PROMPT: Duration = Duration::from_millis(50);
const TRIES: u32 = 50;

/// A host beside another server, with an address of that network.
fn beside(lan: &Lan) -> Netns {
    let host = lan.host("s");
    host.ip("addr add 192.168.7.2/24 dev eth0");
    host
}

fn names_dnsmasq(event: &serde_json::Value, server: &Netns) {
    let said = text(event);
    let mac = mac_of(server, "eth0");
    for part in ["192.168.7.1 ", &mac, "which offers 192.168.7."] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn l25_alone_on_the_wire_it_gives_addresses_and_none_to_itself() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l25"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let wire = Tcpdump::start(&client, "udp port 68");
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    let ready = pxego.wait_for("ready");
    assert_eq!(ready["pool_first"], "192.168.100.100");
    assert_eq!(pxego.wait_for("dhcp")["mode"], "full");
    let told = lease(&client, &scratch, &[]);
    assert_eq!(told.server, "192.168.100.1");
    let (events, _) = pxego.stop();
    let own = mac_of(&server, "eth0");
    assert!(events.iter().all(|event| event["mac"] != own.as_str()), "{events:#?}");
    let to_itself = format!("> {own}");
    let seen = wire.stop();
    assert!(seen.iter().any(|line| line.contains("BOOTP/DHCP, Reply")), "{seen:?}");
    assert!(!seen.iter().any(|line| line.contains(&to_itself)), "{seen:?}");
    assert!(
        seen.iter().any(|line| line.contains(&format!("Request from {own}"))),
        "it has not asked: {seen:?}"
    );
}

#[test]
fn l23_beside_dnsmasq_it_is_a_proxy_that_names_it() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l23-dnsmasq"));
    let (other, server) = (lan.host("o"), beside(&lan));
    // With its defaults: it pings an address for three seconds before it offers it.
    let _dnsmasq = dnsmasq(&other, &scratch, &[]);
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy", "{dhcp}");
    names_dnsmasq(&dhcp, &other);
    let (events, _) = pxego.stop();
    assert_eq!(of_kind(&events, "dhcp").len(), 1, "{events:#?}");
    assert!(of_kind(&events, "ready")[0].get("pool_first").is_none());
}

#[test]
fn l23_beside_isc_dhcpd_it_is_a_proxy_that_names_it() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l23-dhcpd"));
    let (other, server) = (lan.host("o"), beside(&lan));
    let _dhcpd = dhcpd(&other, &scratch);
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy");
    names_dnsmasq(&dhcp, &other);
}

#[test]
fn l24_a_server_that_appears_ends_our_giving_addresses() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l24"));
    let (server, other, first, second) = (lan.host("s"), lan.host("o"), lan.host("c"), lan.host("d"));
    server.ip("addr add 192.168.7.2/24 dev eth0");
    let mut pxego = Pxego::start(&server, &scratch, &["--range", "192.168.7.100-192.168.7.199"]);
    let mut tenant = Machine::new(&first, [0x52, 0x54, 0, 0, 0x24, 0]);
    let before = tenant.lease(|_| ()).message.yiaddr;
    assert!(before.octets()[3] >= 100, "{before}");

    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    // Whoever asks next makes the other one speak.
    let mut machine = Machine::new(&second, [0x52, 0x54, 0, 0, 0x24, 1]);
    machine.broadcast(&machine.request(MessageType::Discover));
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy");
    names_dnsmasq(&dhcp, &other);

    machine.xid += 1;
    machine.broadcast(&machine.request(MessageType::Discover));
    let first = machine.answer();
    let heard = machine.collect(dhcp_machine::SILENCE, |_| false);
    assert!([first].iter().chain(&heard).all(|heard| heard.server() == Some(OTHER)), "{heard:?}");

    // The lease that we gave before is ours to renew, and the machine that has it is told of nobody else.
    // Another than the other machine's.
    tenant.xid = 0x7e57_0001;
    let mut renewal = tenant.request(MessageType::Request);
    (renewal.ciaddr, renewal.flags) = (before, 0);
    let to = mac_of(&server, "eth0").parse().unwrap();
    tenant.send(&renewal, (before, 68), (to, OURS, 67));
    let ack = tenant.answer();
    assert_eq!((ack.kind(), ack.server(), ack.message.yiaddr), (Some(MessageType::Ack), Some(OURS), before));
}

#[test]
fn l24_when_the_other_server_has_gone_for_a_minute_we_give_addresses_again() {
    /// Four questions twenty seconds apart, and as much for a busy computer.
    const PATIENCE: Duration = Duration::from_secs(180);
    let (lan, scratch) = (Lan::new(), Scratch::new("l24-gone"));
    let (server, other, client) = (beside(&lan), lan.host("o"), lan.host("c"));
    let mut dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let mut pxego = Pxego::start(&server, &scratch, &["--range", "192.168.7.100-192.168.7.199"]);
    assert_eq!(of_kind(pxego.events(), "dhcp")[0]["mode"], "proxy");
    terminate(&mut dnsmasq);
    let dhcp = pxego.wait_until("full", PATIENCE, |event| event["event"] == "dhcp");
    assert_eq!(dhcp["mode"], "full", "{dhcp}");
    let told = lease(&client, &scratch, &[]);
    assert_eq!(told.server, "192.168.7.2");
}

#[test]
fn p24_as_a_proxy_by_wish_it_names_the_other_server_and_says_what_to_boot() {
    let (lan, scratch) = (Lan::new(), Scratch::new("proxy-wish"));
    let (other, server, client) = (lan.host("o"), beside(&lan), lan.host("c"));
    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let mut pxego = Pxego::spawn(&server, &scratch, &["--dhcp", "proxy"]);
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy");
    names_dnsmasq(&dhcp, &other);
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x24, 9]);
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    let heard = machine.collect(DEADLINE, |heard| heard.len() == 2);
    let mut offers: Vec<_> = heard.iter().map(|one| (one.server(), one.message.yiaddr.octets()[3])).collect();
    offers.sort();
    assert_eq!(offers[1], (Some(OURS), 0), "boot information and no address");
    assert!(offers[0].0 == Some(OTHER) && (50..=99).contains(&offers[0].1), "an address: {offers:?}");
    let ours = heard.iter().find(|one| one.server() == Some(OURS)).unwrap();
    assert!(!ours.message.file_name().is_empty());
    let (events, _) = pxego.stop();
    assert!(of_kind(&events, "warning").iter().all(|event| !text(event).contains("nobody")), "{events:#?}");
    assert!(of_kind(&events, "leased").is_empty());
}

#[test]
fn l24_a_client_that_takes_another_servers_offer_tells_of_it() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l24-client"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    server.ip("addr add 192.168.7.2/24 dev eth0");
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x24, 2]);
    // The offer itself went to the client by unicast, on a switch: all that we hear is the answer to it.
    let mut request = machine.request(MessageType::Request);
    request.options.push_ipv4(Code::SERVER_ID, OTHER);
    request.options.push_ipv4(Code::REQUESTED_IP, Ipv4Addr::new(192, 168, 7, 77));
    machine.broadcast(&request);
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy");
    assert!(text(&dhcp).contains("192.168.7.1") && text(&dhcp).contains("192.168.7.77"), "{dhcp}");
    machine.broadcast(&machine.request(MessageType::Discover));
    machine.hears_nothing();
}

#[test]
fn l23_full_beside_another_server_is_refused_unless_forced() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l23-full"));
    let (other, server, client) = (lan.host("o"), beside(&lan), lan.host("c"));
    let _dnsmasq = dnsmasq(&other, &scratch, &[]);
    let wire = Tcpdump::start(&client, "udp src port 67 and src host 192.168.7.2");
    let (status, said) = Pxego::spawn(&server, &scratch, &["--dhcp", "full"]).ended();
    assert_eq!(status.code(), Some(3), "{said}");
    for part in ["192.168.7.1", &mac_of(&other, "eth0"), "--dhcp full", "--force"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(wire.stop().is_empty(), "somebody was answered");

    let arguments = ["--dhcp", "full", "--force", "--range", "192.168.7.100-192.168.7.199"];
    let mut pxego = Pxego::spawn(&server, &scratch, &arguments);
    assert_eq!(pxego.wait_for("dhcp")["mode"], "full");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x23, 1]);
    machine.broadcast(&machine.request(MessageType::Discover));
    let heard = machine.collect(DEADLINE, |heard| heard.len() == 2);
    let mut servers: Vec<_> = heard.iter().filter_map(dhcp_machine::Heard::server).collect();
    servers.sort();
    assert_eq!(servers, [OTHER, OURS]);
    wait_until("it is told", || !of_kind(pxego.events(), "warning").is_empty());
    let warnings = of_kind(pxego.events(), "warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        text(warnings[0]).contains("192.168.7.1 (") && text(warnings[0]).contains("--dhcp full"),
        "{warnings:?}"
    );
}

#[test]
fn where_another_servers_machines_could_not_reach_us_it_is_refused() {
    let (lan, scratch) = (Lan::new(), Scratch::new("elsewhere"));
    let (other, server) = (lan.host("o"), lan.host("s"));
    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let (status, said) = Pxego::spawn(&server, &scratch, &[]).ended();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("192.168.7.1") && said.contains("dhclient eth0"), "{said}");
    assert_eq!(address(&server), None, "the interface is as it was");
    let (status, said) = Pxego::spawn(&server, &scratch, &["--dhcp", "proxy"]).ended();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("dhclient eth0"), "{said}");
}

#[test]
fn l24_a_server_of_another_network_that_appears_is_told_of_twice() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l24-elsewhere"));
    let (other, server, client) = (lan.host("o"), lan.host("s"), lan.host("c"));
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x24, 3]);
    machine.broadcast(&machine.request(MessageType::Discover));
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy");
    names_dnsmasq(&dhcp, &other);
    let warning = pxego.wait_for("warning");
    assert!(
        text(&warning).contains("192.168.100.1") && text(&warning).contains("dhclient eth0"),
        "{warning}"
    );
}

#[test]
fn p25_p26_p27_plain_clients_beside_dnsmasq_hear_of_dnsmasq_only() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p25"));
    let (other, server, client) = (lan.host("o"), beside(&lan), lan.host("c"));
    let mut dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let wire = Tcpdump::start(&client, "udp port 68 and src host 192.168.7.2");

    let mut udhcpc = Udhcpc::start(&client, &scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    assert_eq!(bound.server, "192.168.7.1");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("renew").ip, bound.ip);
    udhcpc.release();
    udhcpc.wait_for("deconfig");
    udhcpc.stop();

    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x26, 1]);
    // A stranger that confirms, renews and rebinds an address, also when dnsmasq is gone; and an address of our pool.
    terminate(&mut dnsmasq);
    for address in
        [Ipv4Addr::new(192, 168, 7, 60), Ipv4Addr::new(192, 168, 7, 150), Ipv4Addr::new(10, 0, 0, 9)]
    {
        let mut reboot = machine.pxe_request(MessageType::Request, 0);
        reboot.options.push_ipv4(Code::REQUESTED_IP, address);
        let mut rebind = machine.pxe_request(MessageType::Request, 0);
        rebind.ciaddr = address;
        let mut select = machine.pxe_request(MessageType::Request, 0);
        select.options.push_ipv4(Code::REQUESTED_IP, address);
        select.options.push_ipv4(Code::SERVER_ID, OTHER);
        let mut select_us = select.clone();
        select_us.options.remove(Code::SERVER_ID);
        select_us.options.push_ipv4(Code::SERVER_ID, OURS);
        for request in [&reboot, &rebind, &select, &select_us] {
            machine.broadcast(request);
        }
    }
    machine.hears_nothing();
    let counts = pxego.counters();
    assert!(counts["ignored.not-for-proxy"].as_u64() >= Some(10), "{counts}");
    assert!(counts["ignored.other-server"].as_u64() >= Some(3), "{counts}");
    assert!(counts.get("sent.nak").is_none() && counts.get("sent.ack").is_none(), "{counts}");
    let seen = wire.stop();
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn p23_a_boot_server_that_is_looked_for_by_multicast_is_found() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p23"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let _pxego = Pxego::start(&server, &scratch, &[]);
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0, 0x23]);
    let address = machine.lease(|_| ()).message.yiaddr;
    machine.xid += 1;
    let mut request = machine.pxe_request(MessageType::Request, 0);
    (request.ciaddr, request.flags) = (address, 0);
    // PXE 2.1 §2.2.3, and the Ethernet group of RFC 1112 §6.4.
    let group = (MacAddr([0x01, 0x00, 0x5e, 0x00, 0x01, 0x02]), Ipv4Addr::new(224, 0, 1, 2), 4011);
    machine.send(&request, (address, 4011), group);
    let answer = machine.answer();
    assert_eq!((answer.kind(), answer.src_port), (Some(MessageType::Ack), 4011));
    assert_eq!(answer.message.xid, machine.xid);
    assert!(!answer.message.file_name().is_empty());
}

#[test]
fn p29_an_offer_beside_another_servers_is_held_back_as_wished() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p29"));
    let (other, server, client) = (lan.host("o"), beside(&lan), lan.host("c"));
    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let _pxego = Pxego::start(&server, &scratch, &["--reply-delay", "1000"]);
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0, 0x29]);
    let start = Instant::now();
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    let heard = machine.collect(DEADLINE, |heard| heard.iter().any(|one| one.server() == Some(OURS)));
    let delay = start.elapsed();
    assert!(delay >= Duration::from_secs(1), "{delay:?}");
    assert_ne!(heard.first().map(|one| one.server()), Some(Some(OURS)), "the address came first");
}

#[test]
fn p24_p28_l12_a_pxe_machine_beside_dnsmasq_gets_boot_information_from_us() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p24"));
    let (other, server, client) = (lan.host("o"), beside(&lan), lan.host("c"));
    let _dnsmasq = dnsmasq(&other, &scratch, &["--no-ping"]);
    let mut pxego = Pxego::start(&server, &scratch, &[]);
    let icmp = Tcpdump::start(&client, "icmp and src host 192.168.7.2");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x28, 0]);
    let mut discover = || {
        // Another machine each time: one that asks again and again is offered something else.
        machine.mac.0[5] += 1;
        machine.xid += 1;
        let mut discover = machine.pxe_request(MessageType::Discover, 0);
        discover.flags = 0;
        let start = Instant::now();
        machine.broadcast(&discover);
        let heard = machine.collect(DEADLINE, |heard| heard.iter().any(|one| one.server() == Some(OURS)));
        (heard, start.elapsed())
    };
    let mut tries = (0..TRIES).map(|_| discover());
    let (heard, _) = tries.find(|(_, delay)| *delay < PROMPT).expect("an offer in time");
    let ours: Vec<_> = heard.iter().filter(|one| one.server() == Some(OURS)).collect();
    assert_eq!(ours.len(), 1);
    let (ours, offer) = (ours[0], &ours[0].message);
    assert_eq!((ours.kind(), offer.yiaddr), (Some(MessageType::Offer), Ipv4Addr::UNSPECIFIED));
    assert_eq!((ours.dst_mac, ours.dst_ip, ours.dst_port), (MacAddr::BROADCAST, Ipv4Addr::BROADCAST, 68));
    assert_eq!((ours.src_ip, ours.src_port), (OURS, 67));
    for absent in [Code::LEASE_TIME, Code::T1, Code::T2, Code::SUBNET_MASK, Code::ROUTER] {
        assert!(!offer.options.has(absent), "{absent}");
    }
    assert_eq!(offer.options.get(Code::VENDOR_CLASS), Some(b"PXEClient".as_slice()));
    assert_eq!(offer.options.get(Code::CLIENT_UUID).map(<[u8]>::len), Some(17));
    assert!(!offer.file_name().is_empty() && offer.siaddr == OURS);

    // With dnsmasq's address it asks port 4011, and our menu must know whose address that is.
    let address = Ipv4Addr::new(192, 168, 7, 60);
    client.ip("addr add 192.168.7.60/24 dev eth0");
    machine.xid += 1;
    let mut request = machine.pxe_request(MessageType::Request, 0);
    request.ciaddr = address;
    let to = mac_of(&server, "eth0").parse().unwrap();
    machine.send(&request, (address, 4011), (to, OURS, 4011));
    let ack = machine.answer();
    assert_eq!((ack.kind(), ack.message.yiaddr), (Some(MessageType::Ack), Ipv4Addr::UNSPECIFIED));
    assert_eq!((ack.src_ip, ack.src_port, ack.dst_ip, ack.dst_port), (OURS, 4011, address, 4011));
    assert_eq!(ack.message.file_name(), offer.file_name());
    let mac = machine.mac.to_string();
    let is_it = |event: &serde_json::Value| event["event"] == "discovered" && event["mac"] == mac.as_str();
    pxego.wait_until("discovered", DEADLINE, is_it);
    let seen = icmp.stop();
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn p17_port_4011_answers_where_the_request_came_from() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p17"));
    let (server, client) = (lan.host("s"), lan.host("c"));
    let _pxego = Pxego::start(&server, &scratch, &[]);
    let address = Ipv4Addr::new(192, 168, 100, 60);
    client.ip("addr add 192.168.100.60/24 dev eth0");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x17, 1]);
    let to = mac_of(&server, "eth0").parse().unwrap();
    for port in [68, 4011] {
        let mut request = machine.pxe_request(MessageType::Request, 7);
        request.ciaddr = address;
        machine.xid += 1;
        request.xid = machine.xid;
        machine.send(&request, (address, port), (to, "192.168.100.1".parse().unwrap(), 4011));
        let ack = machine.answer();
        assert_eq!((ack.src_port, ack.dst_ip, ack.dst_port), (4011, address, port));
        assert_eq!(ack.message.yiaddr, Ipv4Addr::UNSPECIFIED);
        assert_eq!(ack.message.ethernet_chaddr(), Some(machine.mac));
        assert_eq!((ack.message.hlen, ack.message.xid), (6, machine.xid));
    }
}

#[test]
fn p49_another_boot_server_is_told_of() {
    let (lan, scratch) = (Lan::new(), Scratch::new("p49"));
    let (other, server, client) = (lan.host("o"), lan.host("s"), lan.host("c"));
    server.ip("addr add 192.168.7.2/24 dev eth0");
    other.ip("addr add 192.168.7.1/24 dev eth0");
    // A proxyDHCP server: it gives no addresses, so that we do.
    let options = ["--dhcp-range=192.168.7.0,proxy", "--pxe-service=x86PC,Theirs,theirs"];
    let _dnsmasq = bare_dnsmasq(&other, &scratch, &options);
    let mut pxego = Pxego::spawn(&server, &scratch, &[]);
    assert_eq!(pxego.wait_for("dhcp")["mode"], "full");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x49, 1]);
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    let warning = pxego.wait_until("about the other", DEADLINE, |event| text(event).contains("192.168.7.1"));
    assert_eq!(warning["event"], "warning");
    assert!(text(&warning).contains(&mac_of(&other, "eth0")), "{warning}");
    assert!(text(&warning).contains("boot"), "{warning}");
    // Once, however often it speaks.
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    machine.collect(dhcp_machine::SILENCE, |heard| heard.len() >= 4);
    let told = pxego.events().iter().filter(|event| text(event).contains("192.168.7.1")).count();
    assert_eq!(told, 1);
}

#[test]
fn as_a_proxy_alone_it_says_that_nobody_gives_addresses() {
    let (lan, scratch) = (Lan::new(), Scratch::new("proxy-alone"));
    let (server, client) = (beside(&lan), lan.host("c"));
    let mut pxego = Pxego::spawn(&server, &scratch, &["--dhcp", "proxy"]);
    assert_eq!(pxego.wait_for("dhcp")["mode"], "proxy");
    let warning = pxego.wait_for("warning");
    assert!(text(&warning).contains("nobody gives addresses"), "{warning}");
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x25, 1]);
    machine.broadcast(&machine.request(MessageType::Discover));
    machine.hears_nothing();
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 7));
    assert_eq!(machine.answer().message.yiaddr, Ipv4Addr::UNSPECIFIED);
}

#[test]
fn switched_off_it_answers_nobody_and_dnsmasq_beside_it_sends_machines_here() {
    let (lan, scratch) = (Lan::new(), Scratch::new("off"));
    let (server, client) = (beside(&lan), lan.host("c"));
    let mut pxego = Pxego::spawn(&server, &scratch, &["--dhcp", "off"]);
    let dhcp = pxego.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "off");
    assert!(text(&dhcp).contains("next-server 192.168.7.2; boot file "), "{dhcp}");
    let file = text(&dhcp).split("boot file ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    for port in [67, 4011] {
        assert!(!has_port(&server, port), "{port} is taken");
    }
    let mut machine = Machine::new(&client, [0x52, 0x54, 0, 0, 0x0f, 0xff]);
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    machine.hears_nothing();
    let counts = pxego.counters();
    assert_eq!(counts["ignored.off"], 1, "{counts}");

    let range = "--dhcp-range=192.168.7.50,192.168.7.99,1h";
    let boot = format!("--dhcp-boot={file},,192.168.7.2");
    let _dnsmasq = bare_dnsmasq(&server, &scratch, &[range, "--no-ping", &boot]);
    machine.xid += 1;
    machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
    let offer = machine.answer();
    assert_eq!((offer.message.siaddr, offer.server()), (OURS, Some(OURS)));
    let name = offer.message.options.get(Code::BOOT_FILE).map_or(offer.message.file_name(), |name| name);
    assert_eq!(String::from_utf8_lossy(name).trim_end_matches('\0'), file);
    // And what it names is here.
    lease(&client, &scratch, &[]);
    let mut curl = client.command("curl");
    let url = format!("tftp://192.168.7.2/{file}");
    let got = curl.args(["--silent", "--show-error", "--max-time", "60", &url]).output().unwrap();
    assert!(got.status.success() && got.stdout.len() > 1000, "{got:?}");
}

#[test]
fn l32_a_second_pxego_on_the_wire_is_a_proxy() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l32"));
    let (first, second, client) = (lan.host("s"), lan.host("t"), lan.host("c"));
    first.ip("addr add 192.168.7.1/24 dev eth0");
    second.ip("addr add 192.168.7.2/24 dev eth0");
    let mut one = Pxego::spawn(&first, &scratch, &["--state", &scratch.path("one")]);
    assert_eq!(one.wait_for("dhcp")["mode"], "full");
    let mut two = Pxego::spawn(&second, &scratch, &["--state", &scratch.path("two")]);
    let dhcp = two.wait_for("dhcp");
    assert_eq!(dhcp["mode"], "proxy", "{dhcp}");
    names_dnsmasq(&dhcp, &first);
    assert_eq!(lease(&client, &scratch, &[]).server, "192.168.7.1");
    let modes: Vec<_> = of_kind(one.events(), "dhcp").iter().map(|event| event["mode"].clone()).collect();
    assert_eq!(modes, ["full"], "the first goes on");
}

#[test]
fn l32_a_second_pxego_with_the_same_address_is_refused() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l32-same"));
    let (first, second) = (lan.host("s"), lan.host("t"));
    let mut one = Pxego::spawn(&first, &scratch, &["--state", &scratch.path("one")]);
    assert_eq!(one.wait_for("dhcp")["mode"], "full");
    // Both are without an address of their own, and so take the same.
    let (status, said) = Pxego::spawn(&second, &scratch, &["--state", &scratch.path("two")]).ended();
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains("192.168.100.1") && said.contains(&mac_of(&first, "eth0")), "{said}");
    assert!(said.contains("--address"), "{said}");
    assert_eq!(address(&second), None);
}

#[test]
fn l32_of_two_that_start_together_one_gives_addresses() {
    let (lan, scratch) = (Lan::new(), Scratch::new("l32-both"));
    let (first, second, client) = (lan.host("s"), lan.host("t"), lan.host("c"));
    first.ip("addr add 192.168.7.1/24 dev eth0");
    second.ip("addr add 192.168.7.2/24 dev eth0");
    let mut one = Pxego::spawn(&first, &scratch, &["--state", &scratch.path("one")]);
    let mut two = Pxego::spawn(&second, &scratch, &["--state", &scratch.path("two")]);
    let modes = [one.wait_for("dhcp")["mode"].clone(), two.wait_for("dhcp")["mode"].clone()];
    assert!(modes.contains(&"full".into()) && modes.contains(&"proxy".into()), "{modes:?}");
    lease(&client, &scratch, &[]);
    for mut pxego in [one, two] {
        assert_eq!(of_kind(pxego.events(), "dhcp").len(), 1, "{:#?}", pxego.events());
    }
}
