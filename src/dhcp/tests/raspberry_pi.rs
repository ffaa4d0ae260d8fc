//! The boot ROM of the Raspberry Pi takes an offer as it is and asks for no more.

use crate::dhcp::reaction::Ignored;

use super::clients;
use super::lab::{Lab, SERVER_IP, config_of_one, mac};

/// The recipes of the field guide's appendix B, for the Pi 4 and for the ROM of the Pi 3.
const PI_4: &[u8] = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";
const PI_3: &[u8] = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x17\x00\x00\x14Raspberry Pi Boot   \xff";

#[test]
fn p40_p42_a_pi_finds_its_menu_its_class_and_its_server() {
    for (recipe, menu) in
        [(clients::raspberry_pi_3 as clients::Recipe, PI_3), (clients::raspberry_pi_4, PI_4)]
    {
        let offer = Lab::new().offer(&recipe(mac(1))).message;
        assert_eq!(offer.option(43), Some(menu));
        assert_eq!(offer.option(60), Some(&b"PXEClient"[..]));
        assert_eq!(offer.option(66), Some(&b"192.168.77.1"[..]));
        assert_eq!(offer.file_name(), "bootcode.bin");
        assert_eq!(offer.option(97), recipe(mac(1)).get(97));
    }
}

#[test]
fn a02_p40_a_pi_is_known_by_its_card_or_by_its_uuid() {
    // A card from elsewhere behind a Pi's ROM: the UUID says it.
    let mut uuid = [0x44; 17];
    uuid[0] = 0;
    let menu = |packet| Lab::new().offer(&packet).message.option(43).map(<[u8]>::to_vec);
    assert_eq!(menu(clients::bios_rom(mac(1)).option(97, &uuid)).as_deref(), Some(PI_4));
    assert_eq!(menu(clients::raspberry_pi_3(mac(1)).without(97)).as_deref(), Some(PI_3));
    // UEFI on a Pi is UEFI.
    let mut uefi = clients::aavmf_pxe(mac(1));
    uefi.chaddr[..3].copy_from_slice(&[0xdc, 0xa6, 0x32]);
    assert_eq!(menu(uefi), Some(vec![6, 1, 8, 255]));
}

#[test]
fn p41_a_pi_may_take_any_of_our_addresses_as_its_tftp_server() {
    let lab = &mut Lab::new();
    let offer = lab.offer(&clients::raspberry_pi_3(mac(1))).message;
    let source = lab.server.config().server_ip;
    assert_eq!((offer.siaddr, offer.ipv4(54)), (source, Some(source)));
    assert_eq!(offer.text(66), Some(source.to_string()));
    assert_eq!(source, SERVER_IP);
}

#[test]
fn d52_an_offer_to_a_pi_holds_for_ten_minutes() {
    let mut lab = Lab::with(config_of_one());
    lab.offer(&clients::raspberry_pi_3(mac(1)));
    lab.wait(599);
    assert_eq!(lab.silence(&clients::udhcpc(mac(2))), Ignored::PoolExhausted);
    lab.wait(1);
    lab.offer(&clients::udhcpc(mac(2)));
}
