//! Replies that adapt to firmware that ignores them.

use std::time::Duration;

use super::clients;
use super::edk2::{self, NextStep};
use super::lab::{Lab, SERVER_IP, config, mac};
use super::packet::Packet;
use crate::boot::client::Client;
use crate::dhcp::ladder::{Ladder, Rung, Shape};
use crate::dhcp::server::ServerConfig;
use crate::dhcp::{Mode, Now};
use crate::wire::dhcp::Message;

fn client(packet: &Packet) -> Client {
    Client::from_message(&Message::parse(&packet.bytes()).expect("a message"), packet.src_mac)
}

/// The shapes offered in a session of firmware that asks at 0, 4, 12 and 28 seconds and takes nothing.
fn session(ladder: &mut Ladder, packet: &Packet, mode: Mode, start: u64, says_secs: bool) -> Vec<Shape> {
    let client = client(packet);
    [0u16, 4, 12, 28]
        .into_iter()
        .map(|secs| {
            let now = Duration::from_secs(start + u64::from(secs));
            ladder.offer(&client, mode, if says_secs { secs } else { 0 }, now).0
        })
        .collect()
}

#[test]
fn p46_who_ignores_two_offers_gets_the_next_shape() {
    use Shape::{BootServer, Direct, Menu, Plain};
    for (mode, first, second) in [
        (Mode::Full, [Direct, Direct, Plain, Menu], [Menu, Menu, Direct, Plain]),
        (Mode::Proxy, [Direct, Direct, BootServer, Menu], [Menu, Menu, Direct, BootServer]),
    ] {
        for says_secs in [true, false] {
            let mut ladder = Ladder::default();
            let packet = clients::ovmf_pxe(mac(1));
            assert_eq!(session(&mut ladder, &packet, mode, 100, says_secs), first);
            // A minute and more after the session began.
            assert_eq!(session(&mut ladder, &packet, mode, 180, says_secs), second);
        }
    }
}

#[test]
fn p46_who_moves_on_keeps_its_shape() {
    let mut lab = Lab::new();
    let rom = clients::bios_rom(mac(1));
    for _ in 0..10 {
        let offer = lab.offer(&rom);
        assert_eq!(offer.message.option(43), Some(&[6, 1, 8, 255][..]));
        lab.ack(&rom.selecting(&offer.message));
        lab.wait(30);
    }
}

/// Firmware beside another server that asks once, takes the address there and gives up; HTTP boot in between.
#[test]
fn p46_beside_another_server_a_start_that_led_to_nothing_counts() {
    let mut ladder = Ladder::default();
    let (pxe, http) = (client(&clients::ovmf_pxe(mac(1))), client(&clients::ovmf_http(mac(1))));
    let mut offer =
        |client: &Client, at: u64| ladder.offer(client, Mode::Proxy, 0, Duration::from_secs(at)).0;
    assert_eq!([offer(&pxe, 0), offer(&http, 5)], [Shape::Direct; 2]);
    assert_eq!([offer(&pxe, 100), offer(&http, 105)], [Shape::Direct; 2]);
    assert_eq!([offer(&pxe, 200), offer(&http, 205)], [Shape::BootServer, Shape::Direct]);
    ladder.offer(&pxe, Mode::Proxy, 0, Duration::from_secs(300));
    assert_eq!(ladder.loaded(pxe.mac), Some(Shape::BootServer));
}

#[test]
fn only_pxe_firmware_is_choosy() {
    for packet in [clients::ipxe_rom(mac(1)), clients::uboot(mac(2)), clients::raspberry_pi_4(mac(3))] {
        let mut ladder = Ladder::default();
        for start in [0, 100, 200] {
            assert_eq!(session(&mut ladder, &packet, Mode::Full, start, true), [Shape::Direct; 4]);
        }
    }
}

#[test]
fn p15_p50_every_shape_leads_edk2_to_the_same_file() {
    let mut lab = Lab::new();
    let mut packet = clients::ovmf_pxe(mac(1));
    let mut seen = Vec::new();
    for secs in [0, 4, 12, 28] {
        packet.secs = secs;
        let (reaction, sent) = lab.send(&packet);
        let sent = sent.expect("an offer");
        let offer = edk2::Offer::read(&sent.bytes).expect("EDK2 reads it");
        let (_, _, next) = edk2::select(&[offer]).expect("EDK2 takes it");
        let shape = reaction.shape.expect("PXE firmware has a shape");
        match shape {
            Shape::Direct | Shape::Plain => {
                assert_eq!(
                    next,
                    NextStep::Load { server: SERVER_IP, file: "shimx64.efi".into() },
                    "{shape:?}"
                );
            }
            Shape::Menu => {
                let NextStep::Menu { timeout: 0, items } = next else { panic!("{next:?}") };
                assert_eq!(items.first().map(|item| item.0), Some(0x8000));
                // It then asks for the first entry on port 4011.
                let ask = packet.boot_server(sent.message.yiaddr).option(43, &[71, 4, 0x80, 0, 0, 0, 255]);
                let ack = lab.boot_ack(&ask);
                assert_eq!(ack.message.siaddr, SERVER_IP);
                assert_eq!(ack.message.option(67), Some(&b"shimx64.efi\0"[..]));
            }
            Shape::BootServer => panic!("not where we give the address too"),
        }
        seen.push(shape);
        lab.wait(4);
    }
    assert_eq!(seen, [Shape::Direct, Shape::Direct, Shape::Plain, Shape::Menu]);
}

#[test]
fn an_ack_looks_like_the_offer_it_answers() {
    let mut lab = Lab::new();
    let mut packet = clients::ovmf_pxe(mac(1));
    for secs in [0, 4, 12] {
        packet.secs = secs;
        lab.offer(&packet);
    }
    packet.secs = 28;
    let offer = lab.offer(&packet).message;
    let ack = lab.ack(&packet.selecting(&offer)).message;
    for code in [43, 60, 66, 67, 97] {
        assert_eq!(ack.option(code), offer.option(code), "{code}");
    }
}

#[test]
fn p47_what_led_to_a_loader_is_remembered_for_the_machine_and_its_kind() {
    let mut ladder = Ladder::default();
    let packet = clients::ovmf_pxe(mac(1));
    session(&mut ladder, &packet, Mode::Proxy, 0, true);
    assert_eq!(ladder.loaded(mac(1)), Some(Shape::Menu), "news");
    assert_eq!(ladder.loaded(mac(1)), None, "no news");

    let lines = ladder.to_lines();
    assert_eq!(lines, "52:54:00/arch7 proxy menu\n52:54:00:00:00:01 proxy menu\n");
    let mut later = Ladder::restore(&lines);
    let secs = Duration::from_secs;
    assert_eq!(later.offer(&client(&packet), Mode::Proxy, 0, secs(0)).0, Shape::Menu, "the machine");
    let sister = client(&clients::ovmf_pxe(mac(2)));
    assert_eq!(later.offer(&sister, Mode::Proxy, 0, secs(0)).0, Shape::Menu, "its kind");
    assert_eq!(later.offer(&sister, Mode::Full, 0, secs(0)).0, Shape::Direct, "but not in another part");
    let other = client(&clients::bios_rom(mac(3)));
    assert_eq!(later.offer(&other, Mode::Proxy, 0, secs(0)).0, Shape::Direct, "nor for another architecture");
}

#[test]
fn the_first_shape_need_not_be_remembered() {
    let mut ladder = Ladder::default();
    let client = client(&clients::ovmf_pxe(mac(1)));
    ladder.offer(&client, Mode::Full, 0, Duration::ZERO);
    assert_eq!(ladder.loaded(mac(1)), None);
    assert_eq!(ladder.to_lines(), "");
    assert_eq!(ladder.loaded(mac(9)), None, "never offered anything");
}

#[test]
fn damaged_memory_is_learnt_again() {
    let text = "52:54:00:00:00:01 proxy menu\nx\n52:54:00:00:00:02 proxy\n52:54:00/archx full plain\n\
                52:54:00/arch7 full plain extra\nzz proxy menu\n52:54:00:00:00:03 proxy wrong\n";
    assert_eq!(Ladder::restore(text).to_lines(), "52:54:00/arch7 full plain\n52:54:00:00:00:01 proxy menu\n");
}

#[test]
fn h20_firmware_that_takes_no_http_offer_is_told_of() {
    let mut ladder = Ladder::default();
    let client = client(&clients::ovmf_http(mac(1)));
    let rungs: Vec<_> = (0..5)
        .map(|count| {
            ladder.offer(&client, Mode::Full, count * 4, Duration::from_secs(u64::from(count) * 4)).1
        })
        .collect();
    assert_eq!(rungs, [None, None, None, Some(Rung::HttpRefused), None]);
}

#[test]
fn a_flood_of_cards_does_not_grow_it() {
    let mut ladder = Ladder::default();
    for number in 0..20_000 {
        let client = client(&clients::ovmf_pxe(mac(number)));
        ladder.offer(&client, Mode::Full, 0, Duration::from_millis(u64::from(number)));
    }
    assert_eq!(ladder.current(mac(0)), None);
    assert_eq!(ladder.current(mac(19_999)), Some(Shape::Direct));
}

#[test]
fn the_server_starts_with_what_was_learnt() {
    let ladder = Ladder::restore("52:54:00:00:00:01 full plain\n");
    let server = crate::dhcp::server::Server::new(config(), &[], ladder, Now::default());
    let mut lab = Lab { server: server.expect("a pool"), ..Lab::with(ServerConfig { ..config() }) };
    let offer = lab.offer(&clients::ovmf_pxe(mac(1))).message;
    assert_eq!((offer.option(60), offer.option(43)), (None, None));
    assert_eq!(offer.option(67), Some(&b"shimx64.efi\0"[..]));
}
