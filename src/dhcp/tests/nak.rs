//! Refusals (RFC 2131 table 3).

use std::net::Ipv4Addr;

use crate::dhcp::destination::Destination;

use super::clients;
use super::lab::{Lab, SERVER_IP, ip, mac};
use super::packet::Packet;

#[test]
fn d29_a_nak_says_no_and_nothing_else() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let offer = lab.offer(&discover).message;
        let wrong = discover.selecting(&offer).option(50, &ip(250).octets()).option(82, b"\x01\x02ab");
        let sent = lab.nak(&wrong);
        let nak = &sent.message;
        let none = Ipv4Addr::UNSPECIFIED;
        assert_eq!((nak.yiaddr, nak.ciaddr, nak.siaddr), (none, none, none), "{name}");
        assert_eq!((nak.file, nak.sname), ([0; 128], [0; 64]), "{name}");
        assert!(
            nak.codes().iter().all(|code| [53, 54, 56, 61, 82].contains(code)),
            "{name}: {:?}",
            nak.codes()
        );
        assert_eq!((nak.option(53), nak.ipv4(54)), (Some(&[6][..]), Some(SERVER_IP)), "{name}");
        assert!(nak.text(56).is_some_and(|why| why.is_ascii() && !why.is_empty()), "{name}");
        assert_eq!(sent.to, Destination::BROADCAST, "{name}");
    }
}

#[test]
fn d29_a_nak_to_a_renewing_client_is_broadcast_and_has_no_ciaddr() {
    let mut lab = Lab::new();
    let address = lab.lease(&clients::udhcpc(mac(1))).message.yiaddr;
    let sent = lab.nak(&clients::udhcpc(mac(2)).renewing(address));
    assert_eq!(sent.message.ciaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(sent.to, Destination::BROADCAST);
}

#[test]
fn d41_option_61_comes_back_as_it_was_sent() {
    let ids: [&[u8]; 5] =
        [&[1, 0x52, 0x54, 0, 0, 0, 1], &[0], b"\xff\x12\x34\x56\x78\x00\x02\x00", &[0; 17], &[7; 255]];
    for id in ids {
        let mut lab = Lab::new();
        let discover = clients::udhcpc(mac(1)).option(57, &[5, 0xc0]).option(61, id);
        let offer = lab.offer(&discover).message;
        let ack = lab.ack(&discover.selecting(&offer)).message;
        let nak = lab.nak(&discover.init_reboot(ip(20))).message;
        let inform = lab.inform_ack(&discover.inform(ack.yiaddr)).message;
        for reply in [offer, ack, nak, inform] {
            assert_eq!(reply.option(61), Some(id));
        }
    }
    let grub: Packet = clients::grub(mac(1));
    assert_eq!(Lab::new().offer(&grub).message.option(61), None);
}
