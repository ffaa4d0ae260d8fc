//! DISCOVER → OFFER (RFC 2131 §4.3.1).

use std::net::Ipv4Addr;

use crate::dhcp::server::ServerConfig;

use super::clients;
use super::lab::{Lab, SERVER_IP, config, ip, mac};
use super::packet::Packet;

#[test]
fn d15_d16_every_client_is_offered_an_address_with_all_it_needs() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let offer = lab.offer(&recipe(mac(1))).message;
        assert!((100..200).contains(&offer.yiaddr.octets()[3]), "{name}");
        assert_eq!(offer.ciaddr, Ipv4Addr::UNSPECIFIED, "{name}");
        assert_eq!(offer.u32(51), Some(3600), "{name}");
        assert_eq!(offer.ipv4(54), Some(SERVER_IP), "{name}");
        assert_eq!(offer.option(1), Some(&[255, 255, 255, 0][..]), "{name}");
        assert_eq!((offer.u32(58), offer.u32(59)), (Some(1800), Some(3150)), "{name}");
        let place = |code| offer.codes().iter().position(|&other| other == code);
        assert!(place(3).is_none_or(|router| place(1) < Some(router)), "{name}");
    }
}

#[test]
fn d01_d02_d03_d04_d05_d40_the_fixed_part_of_every_reply() {
    for (number, (name, recipe)) in (1..).zip(clients::all()) {
        let mut lab = Lab::new();
        let discover = Packet { secs: 12, ..recipe(mac(number)) }.xid(0xdead_0000 + number);
        let offer = lab.offer(&discover);
        let ack = lab.ack(&discover.selecting(&offer.message));
        let address = ack.message.yiaddr;
        let renewal = lab.ack(&discover.renewing(address));
        let inform = lab.inform_ack(&discover.inform(address));
        let nak = lab.nak(&discover.init_reboot(ip(250)));
        for sent in [offer, ack, renewal, inform, nak] {
            let reply = &sent.message;
            // op, htype, hlen, hops; xid; secs.
            assert_eq!(sent.bytes[..4], [2, 1, 6, 0], "{name}");
            assert_eq!(reply.xid, 0xdead_0000 + number, "{name}");
            assert_eq!(reply.secs, 0, "{name}");
            assert!(reply.flags == discover.flags || reply.flags == 0, "{name}");
            assert_eq!(reply.chaddr, discover.chaddr, "{name}");
            assert_eq!(sent.bytes[236..241], [0x63, 0x82, 0x53, 0x63, 53], "{name}");
            let end = sent.bytes.iter().rposition(|&byte| byte != 0).expect("something");
            assert_eq!(sent.bytes[end], 255, "{name}: END is the last byte that is not padding");
            assert!(sent.bytes.len() >= 300, "{name}");
            assert_eq!(sent.source_port, 67, "{name}");
        }
    }
}

#[test]
fn d17_one_router_or_none_but_never_an_invented_one() {
    let offer = Lab::new().offer(&clients::bios_rom(mac(1))).message;
    assert_eq!(offer.ipv4(3), Some(ip(253)));
    let mut without = Lab::with(without_router());
    for (name, recipe) in clients::all() {
        assert_eq!(without.offer(&recipe(mac(1))).message.option(3), None, "{name}");
    }
}

#[test]
fn d18_renewal_is_at_a_half_and_seven_eighths_of_every_lease() {
    for lease_secs in [60, 61, 63, 3600, 7200, 86_400, 0x7fff_ffff, u32::MAX] {
        let mut lab = Lab::with(ServerConfig { lease_secs, ..config() });
        let discover = clients::udhcpc(mac(1));
        let offer = lab.offer(&discover).message;
        let ack = lab.ack(&discover.selecting(&offer)).message;
        for reply in [offer, ack] {
            let (t1, t2) = (reply.u32(58).expect("T1"), reply.u32(59).expect("T2"));
            assert_eq!(reply.u32(51), Some(lease_secs));
            assert_eq!(t1, lease_secs / 2);
            assert_eq!(u64::from(t2), u64::from(lease_secs) * 7 / 8);
            assert!(0 < t1 && t1 < t2 && t2 < lease_secs, "{t1} {t2} {lease_secs}");
        }
    }
}

#[test]
fn d19_a_repeated_discover_gets_the_same_offer() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let first = lab.offer(&recipe(mac(1)));
        // Within the patience of the ladder, and a minute in all.
        for (wait, xid) in [(4, 0x3903_f326), (3, 0x3903_f326), (2, 0x1111), (1, 0x2222)] {
            lab.wait(wait);
            // Others come in between.
            lab.offer(&clients::udhcpc(mac(50 + wait as u32)));
            let again = lab.offer(&recipe(mac(1)).xid(xid));
            assert_eq!(again.message.yiaddr, first.message.yiaddr, "{name}");
            assert_eq!(again.message.options, first.message.options, "{name}");
        }
    }
}

#[test]
fn d56_an_address_in_ciaddr_of_a_discover_does_not_count() {
    let mut lab = Lab::new();
    let plain = lab.offer(&clients::bios_rom(mac(1)).flags(0));
    for ciaddr in [ip(150), SERVER_IP, Ipv4Addr::new(10, 0, 0, 9), Ipv4Addr::BROADCAST] {
        let bogus = lab.offer(&Packet { ciaddr, ..clients::bios_rom(mac(1)).flags(0) });
        assert_eq!(bogus.message.ciaddr, Ipv4Addr::UNSPECIFIED);
        assert_eq!(bogus.message.yiaddr, plain.message.yiaddr);
        assert_eq!(bogus.to, plain.to);
    }
}

#[test]
fn d60_grub_asks_for_nothing_and_gets_everything() {
    let mut lab = Lab::new();
    let discover = clients::grub(mac(1));
    assert_eq!(discover.options, [(53, vec![1])]);
    let offer = lab.offer(&discover).message;
    for code in [1, 3, 6, 15, 51, 54] {
        assert!(offer.option(code).is_some(), "option {code}");
    }
    assert_eq!((offer.file_name().as_str(), offer.siaddr), ("undionly.kpxe", SERVER_IP));
    let request = discover.selecting(&offer).option(55, &clients::GRUB_REQUEST_LIST);
    let ack = lab.ack(&request).message;
    assert_eq!((ack.file_name().as_str(), ack.siaddr), ("undionly.kpxe", SERVER_IP));
    assert_eq!(ack.codes(), offer.codes());
}

#[test]
fn plain_options_follow_the_list_of_the_client() {
    let mut lab = Lab::new();
    let mut codes = |list: &[u8]| lab.offer(&clients::udhcpc(mac(1)).option(55, list)).message.codes();
    assert_eq!(codes(&[1]), [53, 54, 51, 58, 59, 1, 61]);
    assert_eq!(codes(&[3, 6]), [53, 54, 51, 58, 59, 1, 3, 6, 61]);
    assert_eq!(codes(&[28, 15]), [53, 54, 51, 58, 59, 1, 15, 28, 61]);
    // What we do not have is not made up: host name, MTU, NTP, static routes, WPAD, IPv6-only.
    assert_eq!(codes(&[12, 26, 42, 121, 252, 108, 119, 208]), [53, 54, 51, 58, 59, 1, 61]);
    let offer = lab.offer(&clients::udhcpc(mac(1)).option(55, &[6, 15, 28])).message;
    assert_eq!(offer.option(6), Some(&[192, 168, 77, 251, 192, 168, 77, 252][..]));
    assert_eq!(offer.text(15).as_deref(), Some("bench.example"));
    assert_eq!(offer.ipv4(28), Some(ip(255)));
}

fn without_router() -> crate::dhcp::server::ServerConfig {
    let mut config = config();
    config.local.router = None;
    config
}
