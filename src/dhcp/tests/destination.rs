//! Where replies go (RFC 2131 §4.1).

use std::net::Ipv4Addr;

use crate::dhcp::destination::Destination;
use crate::wire::MacAddr;

use super::clients;
use super::lab::{Lab, ip, mac};
use super::packet::Packet;

#[test]
fn d36_a_client_with_an_address_is_answered_there() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let address = lab.lease(&discover).message.yiaddr;
        let expected = Destination { mac: discover.src_mac, ip: address, port: 68 };
        assert_eq!(lab.ack(&discover.renewing(address)).to, expected, "{name}");
        assert_eq!(lab.ack(&discover.rebinding(address)).to, expected, "{name}");
        // The flag asks for broadcasts before there is an address; here there is one.
        assert_eq!(lab.ack(&discover.rebinding(address).flags(0x8000)).to, expected, "{name}");
    }
}

#[test]
fn d36_behind_a_router_the_frame_goes_back_to_where_it_came_from() {
    let mut lab = Lab::new();
    let discover = clients::udhcpc(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    let router = MacAddr([0x52, 0x54, 0, 9, 9, 9]);
    let sent = lab.ack(&Packet { src_mac: router, ..discover.renewing(address) });
    assert_eq!((sent.to.mac, sent.to.ip), (router, address));
}

#[test]
fn d37_d39_with_the_flag_offer_and_ack_are_broadcast_to_everybody() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1)).flags(0x8000);
        let offer = lab.offer(&discover);
        let ack = lab.ack(&discover.selecting(&offer.message));
        for sent in [offer, ack] {
            let everybody =
                Destination { mac: MacAddr([0xff; 6]), ip: Ipv4Addr::new(255, 255, 255, 255), port: 68 };
            assert_eq!(sent.to, everybody, "{name}");
            assert_ne!(sent.to.ip, ip(255), "{name}: never the directed broadcast");
            assert_eq!(sent.message.flags, 0x8000, "{name}");
        }
    }
}

#[test]
fn d38_without_the_flag_they_go_to_the_address_and_card_without_asking() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1)).flags(0);
        let offer = lab.offer(&discover);
        let ack = lab.ack(&discover.selecting(&offer.message));
        let expected = Destination { mac: discover.src_mac, ip: offer.message.yiaddr, port: 68 };
        assert_eq!((offer.to, ack.to), (expected, expected), "{name}");
    }
}

#[test]
fn d37_other_flags_do_not_ask_for_broadcasts() {
    let mut lab = Lab::new();
    let sent = lab.offer(&clients::udhcpc(mac(1)).flags(0x7fff));
    assert_eq!(sent.to.ip, sent.message.yiaddr);
    assert_eq!(sent.message.flags, 0x7fff);
}

#[test]
fn d37_who_cannot_be_addressed_is_answered_by_broadcast() {
    let mut lab = Lab::new();
    let infiniband = Packet { htype: 32, hlen: 0, chaddr: [0; 16], ..clients::networkd(mac(1)) };
    assert_eq!(lab.offer(&infiniband).to, Destination::BROADCAST);
    let token_ring = Packet { htype: 6, ..clients::udhcpc(mac(2)) };
    assert_eq!(lab.offer(&token_ring).to, Destination::BROADCAST);
}
