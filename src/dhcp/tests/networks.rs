//! Networks behind relays, and addresses that are kept for one machine.

use std::net::Ipv4Addr;

use super::clients;
use super::lab::{Lab, SERVER_IP, config, ip, mac};
use super::packet::Packet;
use crate::dhcp::ladder::Ladder;
use crate::dhcp::reaction::Ignored;
use crate::dhcp::server::{Server, ServerConfig};
use crate::dhcp::subnet::SubnetConfig;
use crate::dhcp::{Now, destination::Destination};
use crate::wire::MacAddr;

const RELAY: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
const RELAY_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xee]);

fn far(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, last)
}

fn lab() -> Lab {
    let relayed = vec![SubnetConfig { prefix_len: 24, first: far(50), last: far(99), router: None }];
    Lab::with(ServerConfig { relayed, ..config() })
}

/// As a relay passes it on.
fn through(relay: Ipv4Addr, mut packet: Packet) -> Packet {
    packet.giaddr = relay;
    packet.hops = 1;
    (packet.src_mac, packet.src_ip, packet.src_port) = (RELAY_MAC, relay, 67);
    packet.dst_ip = SERVER_IP;
    packet
}

#[test]
fn d35_d43_a_relayed_client_gets_an_address_of_its_own_network_by_its_relay() {
    let mut lab = lab();
    let packet = through(RELAY, clients::ovmf_pxe(mac(1)));
    let offer = lab.offer(&packet);
    assert!((50..=99).contains(&offer.message.yiaddr.octets()[3]));
    assert_eq!(offer.message.yiaddr.octets()[..3], [10, 20, 0]);
    assert_eq!(offer.to, Destination { mac: RELAY_MAC, ip: RELAY, port: 67 });
    assert_eq!(offer.message.option(1), Some(&[255, 255, 255, 0][..]));
    assert_eq!(offer.message.option(3), Some(&RELAY.octets()[..]), "the relay is the router");
    let ack = lab.ack(&packet.selecting(&offer.message));
    assert_eq!(ack.message.yiaddr, offer.message.yiaddr);

    // It renews by unicast, past the relay; its router's card is in the frame.
    let mut renewing = clients::ovmf_pxe(mac(1)).renewing(ack.message.yiaddr);
    renewing.src_mac = RELAY_MAC;
    let renewed = lab.ack(&renewing);
    assert_eq!(renewed.to, Destination { mac: RELAY_MAC, ip: ack.message.yiaddr, port: 68 });

    // On the wire itself it is another machine's place.
    assert_eq!(lab.offer(&clients::ovmf_pxe(mac(1))).message.yiaddr.octets()[..3], [192, 168, 77]);
}

#[test]
fn d43_link_selection_and_subnet_selection_choose_the_network() {
    let other_side = Ipv4Addr::new(172, 16, 0, 1);
    let by_82 = [&[5, 4][..], &far(0).octets()].concat();
    for (name, packet) in [
        ("82.5", through(other_side, clients::udhcpc(mac(1))).option(82, &by_82)),
        ("118", through(other_side, clients::udhcpc(mac(2))).option(118, &far(0).octets())),
    ] {
        let offer = lab().offer(&packet);
        assert_eq!(offer.message.yiaddr.octets()[..3], [10, 20, 0], "{name}");
        assert_eq!(offer.to.ip, other_side, "{name}");
    }
    assert_eq!(lab().silence(&through(other_side, clients::udhcpc(mac(3)))), Ignored::Relayed);
}

#[test]
fn d43_a_relay_may_stand_in_for_us() {
    let mut lab = lab();
    let stand_in = Ipv4Addr::new(10, 20, 0, 2);
    let info = [&[11, 4][..], &stand_in.octets()].concat();
    let packet = through(RELAY, clients::udhcpc(mac(1))).option(82, &info);
    let offer = lab.offer(&packet).message;
    assert_eq!(offer.option(54), Some(&stand_in.octets()[..]));
    assert_eq!(offer.option(82), Some(&info[..]));
    let request = packet.selecting(&offer);
    assert_eq!(lab.ack(&request).message.yiaddr, offer.yiaddr);
    // Where it does not, that name is another server's.
    assert_eq!(lab.silence(&request.without(82)), Ignored::OtherServer);
}

#[test]
fn d44_a_relayed_client_without_a_network_here_is_met_with_silence() {
    for packet in [clients::ovmf_pxe(mac(1)), clients::udhcpc(mac(2)).without(53)] {
        assert_eq!(Lab::new().silence(&through(RELAY, packet)), Ignored::Relayed);
    }
}

#[test]
fn a_relayed_nak_goes_to_the_relay() {
    let mut lab = lab();
    let packet = through(RELAY, clients::udhcpc(mac(1)));
    lab.lease(&packet);
    let nak = lab.nak(&packet.init_reboot(far(77)));
    assert_eq!((nak.to.ip, nak.message.flags), (RELAY, 0x8000));
}

#[test]
fn a_reserved_address_is_its_machines_alone() {
    let reservations = vec![(mac(1), ip(150)), (mac(2), ip(20))];
    let mut lab = Lab::with(ServerConfig { reservations, ..config() });
    assert_eq!(lab.lease(&clients::udhcpc(mac(1))).message.yiaddr, ip(150), "inside the range");
    let outside = lab.offer(&clients::udhcpc(mac(2)));
    assert_eq!(outside.message.yiaddr, ip(20), "outside of it");
    for number in 3..300 {
        let (_, sent) = lab.send(&clients::udhcpc(mac(number)));
        let address = sent.map(|sent| sent.message.yiaddr);
        assert!(![Some(ip(150)), Some(ip(20))].contains(&address), "{number}");
    }
    assert_eq!(lab.ack(&clients::udhcpc(mac(2)).selecting(&outside.message)).message.yiaddr, ip(20));
    assert_eq!(
        lab.nak(&clients::udhcpc(mac(7)).selecting(&outside.message)).kind,
        crate::dhcp::reaction::ReplyKind::Nak
    );
}

#[test]
fn a_machine_moves_to_the_address_that_is_reserved_for_it() {
    let mut before = Lab::new();
    let client = clients::udhcpc(mac(1));
    let (reaction, sent) = {
        let offer = before.offer(&client);
        before.send(&client.selecting(&offer.message))
    };
    let old = sent.expect("an ACK").message.yiaddr;
    let reserved = if old == ip(150) { ip(151) } else { ip(150) };
    let config = ServerConfig { reservations: vec![(mac(1), reserved), (mac(9), old)], ..config() };
    let mut lab = Lab::restored(config, &[reaction.commit.expect("a lease")]);
    lab.nak(&client.init_reboot(old));
    assert_eq!(lab.lease(&client).message.yiaddr, reserved);
    assert_eq!(lab.lease(&clients::udhcpc(mac(9))).message.yiaddr, old);
}

#[test]
fn addresses_that_cannot_be_reserved_are_named() {
    for (address, why) in [
        (SERVER_IP, "our own"),
        (ip(0), "the network's"),
        (ip(255), "the broadcast address"),
        (Ipv4Addr::new(10, 0, 0, 9), "no network of ours"),
    ] {
        let config = ServerConfig { reservations: vec![(mac(1), address)], ..config() };
        let error = Server::new(config, &[], Ladder::default(), Now::default()).expect_err(why);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
