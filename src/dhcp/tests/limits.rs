//! What is too much, too odd or not for us.

use std::net::Ipv4Addr;

use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::Client;
use crate::dhcp::identity::Identity;
use crate::dhcp::reaction::Ignored;
use crate::dhcp::server::ServerConfig;

use super::clients;
use super::lab::{Lab, SERVER_MAC, budget, config, ip, mac};
use super::packet::Packet;

#[test]
fn d06_no_reply_is_longer_than_its_client_accepts() {
    let sizes: [(Option<u16>, usize); 9] = [
        (None, 548),
        (Some(0), 548),
        (Some(548), 548),
        (Some(576), 548),
        (Some(577), 549),
        (Some(1260), 1232),
        (Some(1472), 1444),
        (Some(1500), 1472),
        (Some(65_535), 1472),
    ];
    for (size, expected) in sizes {
        for (name, recipe) in clients::all() {
            let packet = recipe(mac(1)).without(57).option(61, &[7; 255]).option(82, &[1; 255]);
            let packet = match size {
                Some(size) => packet.option(57, &size.to_be_bytes()),
                None => packet,
            };
            assert_eq!(budget(&packet), expected);
            let mut lab = Lab::with(ServerConfig { domain: Some("d".repeat(255)), ..config() });
            let offer = lab.offer(&packet);
            assert!(offer.bytes.len() <= expected, "{name}: {} for {size:?}", offer.bytes.len());
            let ack = lab.ack(&packet.selecting(&offer.message));
            assert!(ack.bytes.len() <= expected, "{name}");
        }
    }
    // An option 57 of another length says nothing.
    assert_eq!(budget(&clients::udhcpc(mac(1)).option(57, &[5])), 548);
    assert!(Lab::new().offer(&clients::udhcpc(mac(1)).option(57, &[5])).bytes.len() <= 548);
}

#[test]
fn d07_what_goes_first_when_there_is_no_room_is_what_nobody_boots_by() {
    let order = [15, 6, 28, 175, 59, 58, 3, 61];
    let boots_by = [53, 54, 51, 1, 60, 43, 66, 67, 97, 82];
    let asks_for_all = |id: usize| {
        let list = [1, 3, 6, 15, 28, 43, 60, 66, 67];
        let packet = clients::ipxe_rom(mac(1)).without(57).option(55, &list).option(82, b"\x01\x02ab");
        packet.option(61, &vec![7; id])
    };
    let mut dropped_at_most = 0;
    for id in 1..=255 {
        let mut lab = Lab::with(ServerConfig { domain: Some("bench.example".to_owned()), ..config() });
        let codes = lab.offer(&asks_for_all(id)).message.codes();
        for code in boots_by {
            assert!(codes.contains(&code), "option {code} is gone with {id} bytes of 61");
        }
        // What is missing is the beginning of the order.
        let missing = order.iter().filter(|code| !codes.contains(code)).count();
        let expected: Vec<_> = order[..missing].to_vec();
        let gone: Vec<_> = order.iter().copied().filter(|code| !codes.contains(code)).collect();
        assert_eq!(gone, expected, "with {id} bytes of 61");
        dropped_at_most = dropped_at_most.max(missing);
    }
    assert_eq!(dropped_at_most, order.len(), "the longest identifier leaves no room for any of them");
}

#[test]
fn d07_the_relay_information_goes_before_half_of_it_would() {
    let packet = clients::bios_rom(mac(1)).without(57).option(82, &[1; 255]);
    let mut lab = Lab::new();
    let offer = lab.offer(&packet).message;
    assert_eq!((offer.option(82), offer.option(67).is_some()), (None, true));
    // With room for both it is there, whole and last.
    let offer = lab.offer(&packet.option(57, &1472u16.to_be_bytes())).message;
    assert_eq!(offer.option(82), Some(&[1; 255][..]));
    assert_eq!(offer.codes().last(), Some(&82));
}

#[test]
fn d08_d09_an_url_that_fills_the_option_is_neither_split_nor_overloaded() {
    let boot = |_: &Client| BootFile::Url(format!("http://192.168.77.1/{}", "x".repeat(234)));
    let mut lab = Lab { boot, ..Lab::new() };
    let long = clients::ipxe_efi(mac(1));
    let sent = lab.offer(&long);
    assert_eq!(sent.message.option(67).map(<[u8]>::len), Some(255));
    assert_eq!((sent.message.file, sent.message.sname), ([0; 128], [0; 64]));
    // For a client that takes 576 bytes there is no way: an address and no word of booting.
    let sent = lab.offer(&long.option(57, &576u16.to_be_bytes()));
    assert_eq!(sent.boot_file, BootFile::None(NoBoot::NameTooLong));
    assert!(sent.message.siaddr.is_unspecified() && !sent.message.yiaddr.is_unspecified());
    assert!([43, 60, 66, 67].iter().all(|&code| sent.message.option(code).is_none()));
}

#[test]
fn d14_what_is_no_request_of_an_ethernet_client_is_dropped_by_name() {
    let mut lab = Lab::new();
    let discover = clients::udhcpc(mac(1));
    for op in [0, 2, 3, 255] {
        assert_eq!(lab.silence(&Packet { op, ..discover.clone() }), Ignored::NotARequest);
    }
    for hlen in (0..=16).filter(|&hlen| hlen != 6) {
        assert_eq!(lab.silence(&Packet { hlen, ..discover.clone() }), Ignored::BadHardwareAddress, "{hlen}");
    }
    assert_eq!(lab.silence(&Packet { src_mac: SERVER_MAC, ..discover.clone() }), Ignored::OwnFrame);
    assert_eq!(lab.silence(&Packet { hops: 17, ..discover.clone() }), Ignored::TooManyHops);
    lab.offer(&Packet { hops: 16, ..discover });
}

#[test]
fn d62_other_message_types_are_met_with_silence() {
    let mut lab = Lab::new();
    for kind in [0, 2, 5, 6, 9, 10, 11, 12, 13, 14, 18, 255] {
        assert_eq!(lab.silence(&clients::ovmf_pxe(mac(1)).kind(kind)), Ignored::MessageType, "{kind}");
    }
    assert_eq!(lab.silence(&clients::ovmf_pxe(mac(1)).option(53, &[1, 1])), Ignored::MessageType);
    assert_eq!(lab.server.pool().binding(&Identity::ethernet(mac(1)), lab.now), None);
}

#[test]
fn p43_apples_own_protocol_is_not_ours() {
    let mut lab = Lab::new();
    let bsdp = clients::apple_bsdp(mac(1));
    assert_eq!(lab.silence(&Packet { ciaddr: ip(30), src_ip: ip(30), ..bsdp.clone() }), Ignored::AppleBsdp);
    assert_eq!(lab.silence(&bsdp.kind(1)), Ignored::AppleBsdp);
}

#[test]
fn s02_empty_options_harm_nobody() {
    let mut lab = Lab::new();
    for code in 1..255 {
        if code == 53 {
            continue;
        }
        lab.wait(1);
        let sent = lab.offer(&clients::ipxe_efi(mac(1)).option(code, b""));
        // Nor are they sent back.
        assert!(!sent.message.yiaddr.is_unspecified(), "{code}");
        assert!(sent.message.options.iter().all(|option| !option.data.is_empty()), "{code}");
    }
    let zeros = clients::ovmf_pxe(mac(1)).boot_server(ip(30)).option(43, &[71, 0, 71, 0, 0, 0, 9, 0]);
    assert_eq!(lab.boot_ack(&zeros).message.option(43), Some(&[6, 1, 8, 255][..]));
}

#[test]
fn s16_nothing_of_a_request_comes_back_but_what_must() {
    const MARK: &[u8] = b"copied?!";
    for (name, recipe) in clients::all() {
        let mut packet = recipe(mac(1)).flags(0);
        for code in 1..=254 {
            let is_needed = matches!(code, 50 | 52..=55 | 57 | 60 | 61 | 77 | 82 | 93 | 97 | 175);
            if !is_needed {
                packet = packet.option(code, MARK);
            }
        }
        packet = packet.option(61, b"the client's own").option(82, b"\x01\x05relay");
        let mut lab = Lab::new();
        let offer = lab.offer(&packet);
        let ack = lab.ack(&packet.selecting(&offer.message));
        let inform = lab.inform_ack(&packet.inform(ip(30)));
        for sent in [offer, ack, inform] {
            assert!(!sent.bytes.windows(MARK.len()).any(|window| window == MARK), "{name}");
            assert_eq!(sent.message.option(61), Some(&b"the client's own"[..]), "{name}");
            assert_eq!(sent.message.option(82), Some(&b"\x01\x05relay"[..]), "{name}");
        }
    }
    let chosen = [&[1, 8][..], MARK, &[71, 4, 0x80, 0, 0, 0, 255]].concat();
    let request = clients::bios_rom(mac(1)).boot_server(ip(30)).option(43, &chosen);
    let sent = Lab::new().boot_ack(&request);
    assert_eq!(sent.message.option(43), Some(&[71, 4, 0x80, 0, 0, 0, 6, 1, 8, 255][..]));
    assert!(!sent.bytes.windows(MARK.len()).any(|window| window == MARK));
}

#[test]
fn s17_an_echo_longer_than_an_option_is_left_out() {
    for code in [61, 82, 97] {
        let twice = clients::ovmf_pxe(mac(1)).without(code).again(code, &[0; 200]).again(code, &[0; 56]);
        let reply = Lab::new().offer(&twice).message;
        assert_eq!(reply.option(code), None, "option {code} of 256 bytes");
        assert!(reply.option(67).is_some());
    }
    for code in [61, 82] {
        let twice = clients::ovmf_pxe(mac(1)).without(code).again(code, &[0; 200]).again(code, &[0; 55]);
        assert_eq!(Lab::new().offer(&twice).message.option(code).map(<[u8]>::len), Some(255));
    }
}

#[test]
fn s18_a_flood_from_one_card_is_cut_and_nobody_else_suffers() {
    let mut lab = Lab::new();
    let (noisy, quiet) = (clients::udhcpc(mac(1)), clients::ovmf_pxe(mac(2)));
    let mut answered = 0;
    for _ in 0..1000 {
        answered += usize::from(lab.send(&noisy).1.is_some());
    }
    assert_eq!(answered, 50);
    assert_eq!(lab.silence(&noisy), Ignored::Flood);
    lab.lease(&quiet);
    lab.wait(1);
    lab.offer(&noisy);
}

#[test]
fn s18_a_card_that_shares_a_place_in_the_table_with_a_noisy_one_is_answered() {
    let mut lab = Lab::new();
    let (noisy, quiet) = (mac(0x011f), mac(0x0200));
    let place =
        |card: crate::wire::MacAddr| card.0.iter().fold(0u64, |sum, &byte| sum * 31 + u64::from(byte)) % 1024;
    assert_eq!(place(noisy), place(quiet), "otherwise this shows nothing");
    for _ in 0..1000 {
        lab.send(&clients::udhcpc(noisy));
    }
    lab.lease(&clients::udhcpc(quiet));
}

#[test]
fn s03_a_hundred_thousand_invented_cards_leave_known_machines_served() {
    let mut lab = Lab::new();
    let known: Vec<Ipv4Addr> =
        (0..20).map(|number| lab.lease(&clients::bios_rom(mac(number))).message.yiaddr).collect();
    lab.wait(7200);
    let invented = clients::grub(mac(0));
    for number in 0..100_000u32 {
        let card = mac(0x1000_0000 + number);
        let mut discover = Packet { src_mac: card, ..invented.clone() };
        discover.chaddr[..6].copy_from_slice(&card.0);
        lab.send(&discover);
        if number % 500 == 0 {
            lab.wait(1);
        }
        if number % 25_000 == 0 {
            for (number, &address) in (0..).zip(&known) {
                assert_eq!(lab.lease(&clients::bios_rom(mac(number))).message.yiaddr, address);
            }
        }
    }
    for (number, &address) in (0..).zip(&known) {
        assert_eq!(lab.lease(&clients::ovmf_pxe(mac(number))).message.yiaddr, address);
    }
}
