//! Beside another DHCP server: what to boot, never an address.

use std::net::Ipv4Addr;

use super::clients;
use super::edk2::{self, NextStep, OfferType};
use super::ipxe;
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, Sent, config, ip, mac};
use super::packet::Packet;
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::dhcp::Mode;
use crate::dhcp::destination::Destination;
use crate::dhcp::ladder::Shape;
use crate::dhcp::reaction::{Ignored, ReplyKind, Verdict};
use crate::dhcp::server::ServerConfig;

fn lab() -> Lab {
    Lab::with(ServerConfig { mode: Mode::Proxy, ..config() })
}

fn proxy_offer(lab: &mut Lab, packet: &Packet) -> Sent {
    let sent = lab.reply(packet);
    assert_eq!(sent.kind, ReplyKind::ProxyOffer);
    sent
}

/// Those that boot from the network, and what they are told to load.
fn netboot() -> [(&'static str, Packet, &'static str); 5] {
    [
        ("BIOS ROM", clients::bios_rom(mac(1)), "undionly.kpxe"),
        ("OVMF", clients::ovmf_pxe(mac(2)), "shimx64.efi"),
        ("AAVMF", clients::aavmf_pxe(mac(3)), "shimaa64.efi"),
        ("HTTP Boot", clients::ovmf_http(mac(4)), "http://192.168.77.1/boot/shimx64.efi"),
        ("iPXE", clients::ipxe_rom(mac(5)), "http://192.168.77.1/boot.ipxe"),
    ]
}

#[test]
fn p24_a_proxy_offer_has_no_address_and_goes_to_everybody() {
    for (name, packet, file) in netboot() {
        for flags in [0, 0x8000] {
            let sent = proxy_offer(&mut lab(), &packet.clone().flags(flags));
            let offer = &sent.message;
            assert!(offer.yiaddr.is_unspecified(), "{name}");
            for code in [1, 3, 6, 51, 58, 59] {
                assert_eq!(offer.option(code), None, "{name}: {code}");
            }
            assert_eq!(offer.option(53), Some(&[2][..]), "{name}");
            assert_eq!(offer.option(54), Some(&SERVER_IP.octets()[..]), "{name}");
            assert_eq!(offer.siaddr, SERVER_IP, "{name}");
            assert_eq!(sent.to, Destination::BROADCAST, "{name}");
            let named = [file.as_bytes(), b"\0"].concat();
            assert_eq!(offer.option(67), Some(&named[..]), "{name}");
        }
    }
}

#[test]
fn p25_plain_clients_hear_nothing() {
    for packet in [
        clients::udhcpc(mac(1)),
        clients::dhclient(mac(2)),
        clients::network_manager(mac(3)),
        clients::networkd(mac(4)),
        clients::grub(mac(5)),
        clients::windows_pe(mac(6)),
    ] {
        assert_eq!(lab().silence(&packet), Ignored::NotForProxy);
    }
    assert_eq!(lab().silence(&clients::udhcpc(mac(1)).without(53)), Ignored::Bootp);
}

#[test]
fn p26_p27_requests_of_another_servers_clients_are_left_alone() {
    for (name, packet, _) in netboot() {
        let mut lab = lab();
        proxy_offer(&mut lab, &packet);
        let request = packet.clone().kind(3).option(54, &OTHER_SERVER.octets()).option(50, &ip(30).octets());
        assert_eq!(lab.silence(&request), Ignored::OtherServer, "{name}");
        for request in [packet.init_reboot(ip(30)), packet.renewing(ip(30)), packet.rebinding(ip(30))] {
            assert_eq!(lab.silence(&request), Ignored::NotForProxy, "{name}");
        }
        // Even one that takes our offer by name has no address to take.
        let request = packet.clone().kind(3).option(54, &SERVER_IP.octets()).option(50, &ip(130).octets());
        assert_eq!(lab.silence(&request), Ignored::NotForProxy, "{name}");
    }
}

#[test]
fn nothing_to_boot_is_silence_with_a_reason() {
    let boot = |client: &crate::boot::client::Client| BootFile::None(NoBoot::NoLoader(client.arch));
    let mut lab = Lab { boot, ..lab() };
    assert!(matches!(lab.silence(&clients::ovmf_pxe(mac(1))), Ignored::NoBoot(NoBoot::NoLoader(_))));
}

/// The other server's offer, as a router would make it.
fn address_of_another() -> Vec<u8> {
    let mut offer = vec![2, 1, 6, 0];
    offer.resize(16, 0);
    offer.extend(ip(30).octets());
    offer.resize(236, 0);
    offer.extend([99, 130, 83, 99, 53, 1, 2, 54, 4]);
    offer.extend(OTHER_SERVER.octets());
    offer.extend([51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 255]);
    offer.resize(300, 0);
    offer
}

#[test]
fn p16_every_shape_leads_edk2_to_us_beside_a_router() {
    let mut lab = lab();
    let mut packet = clients::ovmf_pxe(mac(1));
    let mut shapes = Vec::new();
    for secs in [0, 4, 12, 28] {
        packet.secs = secs;
        let (reaction, sent) = lab.send(&packet);
        let sent = sent.expect("an offer");
        let ours = edk2::Offer::read(&sent.bytes).expect("EDK2 reads it");
        let router = edk2::Offer::read(&address_of_another()).expect("EDK2 reads it");
        let kind = ours.kind;
        let (_, _, next) = edk2::select(&[router, ours]).expect("EDK2 takes both");
        let shape = reaction.shape.expect("a shape");
        match shape {
            Shape::Direct => {
                assert_eq!(kind, OfferType::ProxyPxe10);
                assert_eq!(next, NextStep::Load { server: SERVER_IP, file: "shimx64.efi".into() });
            }
            Shape::BootServer => {
                assert_eq!(kind, OfferType::ProxyBinl);
                assert_eq!(next, NextStep::AskBootServer(SERVER_IP));
                let mut asked = Lab { server: lab.server.clone(), ..Lab::new() };
                let ack = asked.boot_ack(&packet.boot_server(ip(30))).message;
                assert_eq!((ack.yiaddr, ack.siaddr), (Ipv4Addr::UNSPECIFIED, SERVER_IP));
                assert_eq!(ack.option(67), Some(&b"shimx64.efi\0"[..]));
            }
            Shape::Menu => assert!(matches!(next, NextStep::Menu { timeout: 0, .. }), "{next:?}"),
            Shape::Plain => panic!("an offer without class and address says nothing"),
        }
        shapes.push(shape);
        lab.wait(4);
    }
    assert_eq!(shapes, [Shape::Direct, Shape::Direct, Shape::BootServer, Shape::Menu]);
}

#[test]
fn p36_ipxe_takes_the_script_from_us_without_asking_again() {
    let mut lab = lab();
    let sent = proxy_offer(&mut lab, &clients::ipxe_rom(mac(1)));
    let mut client = ipxe::Discovery::default();
    assert!(!client.hear(&address_of_another(), 67, 10), "it waits for a proxy");
    assert!(client.hear(&sent.bytes, 67, 20), "and not any longer");
    assert_eq!(client.chosen(), Some((ip(30), OTHER_SERVER)));
}

#[test]
fn h06_http_boot_gets_its_url_beside_another_server() {
    let offer = proxy_offer(&mut lab(), &clients::ovmf_http(mac(1))).message;
    assert_eq!(offer.option(60), Some(&b"HTTPClient"[..]));
    assert_eq!(offer.option(43), None);
    assert!(offer.option(67).is_some_and(|url| url.starts_with(b"http://192.168.77.1/")));
}

#[test]
fn a_proxy_offer_through_a_relay_goes_back_to_it() {
    let relay = Ipv4Addr::new(10, 20, 0, 1);
    let mut packet = clients::ovmf_pxe(mac(1));
    packet.giaddr = relay;
    let sent = proxy_offer(&mut lab(), &packet);
    assert_eq!((sent.to.ip, sent.to.port), (relay, 67));
}

#[test]
fn l24_leases_from_before_are_renewed_and_nothing_new_is_given() {
    let mut lab = Lab::new();
    let old = clients::udhcpc(mac(1));
    let address = lab.lease(&old).message.yiaddr;
    let offered = clients::udhcpc(mac(2));
    let offer = lab.offer(&offered).message;
    lab.server.set_mode(Mode::Proxy);
    lab.wait(60 * 20);
    assert_eq!(lab.ack(&old.renewing(address)).message.yiaddr, address);
    assert_eq!(lab.silence(&clients::udhcpc(mac(3))), Ignored::NotForProxy);
    assert_eq!(lab.silence(&old.renewing(ip(101))), Ignored::NotForProxy, "no NAK");
    // An offer from before has ended.
    assert_eq!(lab.silence(&offered.selecting(&offer)), Ignored::NotForProxy);
    let released = lab.accepted(&old.release(address));
    assert_eq!(format!("{released}"), format!("released {address}"));
}

#[test]
fn an_offer_just_made_is_still_kept_when_another_server_turns_up() {
    let mut lab = Lab::new();
    let client = clients::udhcpc(mac(2));
    let offer = lab.offer(&client).message;
    lab.server.set_mode(Mode::Proxy);
    assert_eq!(lab.ack(&client.selecting(&offer)).message.yiaddr, offer.yiaddr);
}

#[test]
fn off_is_silence() {
    let mut lab = Lab::with(ServerConfig { mode: Mode::Off, ..config() });
    for (_, packet, _) in netboot() {
        assert_eq!(lab.silence(&packet), Ignored::Off);
        assert_eq!(lab.silence(&packet.boot_server(ip(30))), Ignored::Off);
    }
    assert_eq!(lab.silence(&clients::udhcpc(mac(1))), Ignored::Off);
}

#[test]
fn p27_a_proxy_never_refuses_anybody() {
    let mut lab = lab();
    let mut random = crate::wire::test_random::Random(7);
    for _ in 0..5000 {
        let mut packet = clients::all()[random.below(clients::all().len() as u64) as usize].1(mac(random
            .below(20)
            as u32));
        packet = packet.kind(random.below(9) as u8);
        if random.below(2) == 0 {
            packet = packet.option(50, &ip(random.below(255) as u8).octets());
        }
        if random.below(2) == 0 {
            packet = packet.option(54, &[SERVER_IP, OTHER_SERVER][random.below(2) as usize].octets());
        }
        if random.below(2) == 0 {
            packet.ciaddr = ip(random.below(255) as u8);
        }
        let (reaction, sent) = lab.send(&packet);
        assert!(reaction.commit.is_none(), "{packet:?}");
        if let Some(sent) = sent {
            assert!(sent.message.yiaddr.is_unspecified(), "{packet:?}");
            assert!(matches!(sent.kind, ReplyKind::ProxyOffer | ReplyKind::BootAck), "{:?}", sent.kind);
        } else {
            assert!(matches!(reaction.verdict, Verdict::Ignored(_)), "{packet:?}");
        }
    }
}
