//! The PXE boot server: port 4011, and discovery by broadcast (PXE 2.1 §2.2).

use std::net::Ipv4Addr;

use crate::boot::boot_file::{BootFile, NoBoot};
use crate::dhcp::destination::Destination;
use crate::dhcp::reaction::{Ignored, Port};
use crate::wire::MacAddr;

use super::clients::{self, IPXES, PXE_ROMS};
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, ip, mac};
use super::packet::Packet;

/// Option 43 of a client that chose a boot server: type, layer.
fn boot_item(kind: u16, layer: u16) -> Vec<u8> {
    let [a, b] = kind.to_be_bytes();
    let [c, d] = layer.to_be_bytes();
    vec![71, 4, a, b, c, d, 255]
}

#[test]
fn p17_p18_p20_a_request_to_4011_is_answered_to_where_it_came_from() {
    for (name, recipe) in PXE_ROMS.into_iter().chain(IPXES) {
        let mut lab = Lab::new();
        // EDK2 asks from 4011 and without option 54, iPXE from 68 and with it.
        let edk2 = recipe(mac(1)).boot_server(ip(30));
        let ipxe = Packet { src_port: 68, ..edk2.clone() }.option(54, &SERVER_IP.octets());
        assert_eq!(edk2.get(54), None);
        for request in [edk2, ipxe] {
            let sent = lab.boot_ack(&request);
            let ack = &sent.message;
            assert_eq!(sent.to, Destination { mac: mac(1), ip: ip(30), port: request.src_port }, "{name}");
            assert_eq!(sent.source_port, 4011, "{name}");
            assert_eq!((ack.yiaddr, ack.ciaddr), (Ipv4Addr::UNSPECIFIED, ip(30)), "{name}");
            assert_eq!((ack.option(53), ack.ipv4(54)), (Some(&[5][..]), Some(SERVER_IP)), "{name}");
            assert_eq!(ack.siaddr, SERVER_IP, "{name}");
            assert_eq!(ack.option(60), Some(&b"PXEClient"[..]), "{name}");
            assert_eq!(ack.option(97), request.get(97), "{name}");
            assert!(!ack.file_name().is_empty(), "{name}");
            assert_eq!(ack.text(67), Some(format!("{}\0", ack.file_name())), "{name}");
            assert!([1, 3, 51, 58, 59].iter().all(|&code| ack.option(code).is_none()), "{name}");
            assert!(ack.len <= 1472, "{name}");
        }
    }
}

#[test]
fn p17_the_boot_server_says_what_the_offer_said() {
    for (name, recipe) in PXE_ROMS {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let lease = lab.lease(&discover).message;
        let ack = lab.boot_ack(&discover.boot_server(lease.yiaddr)).message;
        assert_eq!((ack.siaddr, ack.file), (lease.siaddr, lease.file), "{name}");
        for code in [43, 60, 66, 67, 97] {
            assert_eq!(ack.option(code), lease.option(code), "{name}: option {code}");
        }
    }
}

#[test]
fn p19_a_uuid_as_hardware_address_is_echoed_and_the_card_taken_from_the_frame() {
    let mut lab = Lab::new();
    let request = clients::ovmf_pxe(mac(1)).boot_server(ip(30));
    let request = Packet { hlen: 16, chaddr: [0x9a; 16], ..request };
    let (reaction, sent) = lab.send(&request);
    let sent = sent.expect("an ACK");
    assert_eq!((sent.message.hlen, sent.message.chaddr), (16, [0x9a; 16]));
    assert_eq!((sent.to.mac, reaction.client.mac), (mac(1), mac(1)));
    assert_eq!(sent.message.file_name(), "shimx64.efi");
    // On port 67 no Ethernet card has such an address.
    let discover = Packet { hlen: 16, chaddr: [0x9a; 16], ..clients::ovmf_pxe(mac(1)) };
    assert_eq!(lab.silence(&discover), Ignored::BadHardwareAddress);
}

#[test]
fn p21_the_chosen_boot_server_is_echoed_and_type_0_is_the_local_disk() {
    let mut lab = Lab::new();
    let request = clients::bios_rom(mac(1)).boot_server(ip(30));
    let ack = lab.boot_ack(&request.clone().option(43, &boot_item(0x8001, 2))).message;
    assert_eq!(ack.option(43), Some(&[71, 4, 0x80, 1, 0, 2, 6, 1, 8, 255][..]));
    assert_eq!(ack.file_name(), "undionly.kpxe");
    let sent = lab.boot_ack(&request.clone().option(43, &boot_item(0, 0)));
    assert_eq!(sent.message.option(43), Some(&[71, 4, 0, 0, 0, 0, 255][..]));
    assert_eq!((sent.message.file_name().as_str(), sent.message.option(67)), ("", None));
    assert_eq!(sent.boot_file, BootFile::None(NoBoot::LocalDisk));
    // A field that is too short is no choice.
    let ack = lab.boot_ack(&request.option(43, &[71, 2, 0x80, 1, 255])).message;
    assert_eq!(ack.option(43), Some(&[6, 1, 8, 255][..]));
}

#[test]
fn p22_discovery_by_broadcast_is_answered_with_our_address() {
    let mut lab = Lab::new();
    let broadcast = Packet { dst_ip: Ipv4Addr::BROADCAST, ..clients::ovmf_pxe(mac(1)).boot_server(ip(30)) };
    let chosen = broadcast.option(43, &boot_item(0x8000, 0));
    // To 4011: from there, back to the address and port it came from.
    let sent = lab.boot_ack(&chosen);
    assert_eq!((sent.message.siaddr, sent.source_port), (SERVER_IP, 4011));
    assert_eq!(sent.to, Destination { mac: mac(1), ip: ip(30), port: 4011 });
    // To 67, as EDK2 does (`PxeBcDhcp4Discover`): flag set, and a broadcast answer.
    let to_67 = Packet { port: Port::Dhcp, src_port: 68, ..chosen.flags(0x8000) };
    let sent = lab.boot_ack(&to_67);
    assert_eq!((sent.message.siaddr, sent.source_port), (SERVER_IP, 67));
    assert_eq!(sent.to, Destination { mac: MacAddr([0xff; 6]), ip: Ipv4Addr::BROADCAST, port: 68 });
    assert_eq!((sent.message.yiaddr, sent.message.option(51)), (Ipv4Addr::UNSPECIFIED, None));
    assert_eq!(sent.message.option(43), Some(&[71, 4, 0x80, 0, 0, 0, 6, 1, 8, 255][..]));
    // Without the choice of a boot server it would have been a renewal.
    assert_eq!(lab.silence(&to_67.without(43)), Ignored::Stranger);
}

#[test]
fn inform_and_discover_to_4011_are_answered_like_requests() {
    let mut lab = Lab::new();
    for kind in [1, 3, 8] {
        lab.boot_ack(&clients::bios_rom(mac(1)).boot_server(ip(30)).kind(kind));
    }
    for kind in [2, 4, 5, 6, 7, 9, 13, 0, 255] {
        let request = clients::bios_rom(mac(1)).boot_server(ip(30)).kind(kind);
        assert_eq!(lab.silence(&request), Ignored::MessageType);
    }
}

#[test]
fn s06_nothing_is_sent_to_an_address_that_is_nobodys() {
    let mut lab = Lab::new();
    let request = clients::ovmf_pxe(mac(1)).boot_server(ip(30));
    let nobody = [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 1, 2),
        Ipv4Addr::LOCALHOST,
        SERVER_IP,
        Ipv4Addr::new(8, 8, 8, 8),
        ip(255),
        ip(0),
    ];
    for src_ip in nobody {
        let spoofed = Packet { src_ip, ..request.clone() };
        assert_eq!(lab.silence(&spoofed), Ignored::BadSource, "{src_ip}");
    }
}

#[test]
fn p20_who_does_not_boot_from_us_gets_no_answer_at_4011() {
    let mut lab = Lab::new();
    let request = clients::ovmf_pxe(mac(1)).boot_server(ip(30));
    for class in [&b"HTTPClient:Arch:00016:UNDI:003016"[..], b"MSFT 5.0", b"PXEClien"] {
        assert_eq!(lab.silence(&request.clone().option(60, class)), Ignored::NotNetboot);
    }
    assert_eq!(lab.silence(&request.clone().without(60)), Ignored::NotNetboot);
    let elsewhere = request.clone().option(54, &OTHER_SERVER.octets());
    assert_eq!(lab.silence(&elsewhere), Ignored::OtherServer);
    lab.boot = |client| BootFile::None(NoBoot::NoLoader(client.arch));
    assert!(matches!(lab.silence(&request), Ignored::NoBoot(NoBoot::NoLoader(_))));
}
