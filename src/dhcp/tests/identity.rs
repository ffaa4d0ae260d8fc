//! One machine, one address, through all its programs; two machines, two.

use std::net::Ipv4Addr;

use crate::dhcp::reaction::Ignored;

use super::clients::{self, Recipe};
use super::lab::{Lab, config, config_of_one, mac};
use super::packet::Packet;

/// What asks on one card in the course of an installation, first to last.
const STAGES: [(&str, Recipe); 11] = [
    ("BIOS ROM", clients::bios_rom),
    ("UEFI HTTP Boot", clients::ovmf_http),
    ("UEFI PXE", clients::ovmf_pxe),
    ("iPXE", clients::ipxe_efi),
    ("GRUB", clients::grub),
    ("dracut", clients::dhclient),
    ("NetworkManager", clients::network_manager),
    ("networkd", clients::networkd),
    ("udhcpc", clients::udhcpc),
    ("Windows PE", clients::windows_pe),
    ("ROM again", clients::bios_rom),
];

#[test]
fn d45_h19_every_program_of_a_machine_gets_the_same_address() {
    let mut lab = Lab::new();
    let first = lab.lease(&clients::bios_rom(mac(1))).message.yiaddr;
    for (number, (name, recipe)) in (0..).zip(STAGES) {
        lab.wait(30);
        // Other machines come and go all the time.
        lab.lease(&clients::bios_rom(mac(100 + number)));
        let discover = recipe(mac(1)).xid(number);
        assert_eq!(lab.offer(&discover).message.yiaddr, first, "{name}");
        assert_eq!(lab.lease(&discover).message.yiaddr, first, "{name}");
    }
}

#[test]
fn d45_without_and_with_either_form_of_option_61() {
    let mut lab = Lab::new();
    let plain = clients::grub(mac(1));
    let mut address = |packet: Packet| lab.lease(&packet).message.yiaddr;
    let first = address(plain.clone());
    assert_eq!(address(plain.clone().option(61, &[1, 0x52, 0x54, 0, 0, 0, 1])), first);
    assert_eq!(address(plain.option(61, b"\xff\x12\x34\x56\x78\x00\x02\x00\x00\xab\x11")), first);
}

#[test]
fn d46_cloned_machines_with_one_option_61_get_two_addresses() {
    let mut lab = Lab::new();
    // networkd's recipe sends the same identifier from every card, as clones do.
    let (one, other) = (clients::networkd(mac(1)), clients::networkd(mac(2)));
    assert_eq!(one.get(61), other.get(61));
    let first = lab.lease(&one).message.yiaddr;
    let second = lab.lease(&other).message.yiaddr;
    assert_ne!(first, second);
    assert_eq!(lab.ack(&one.renewing(first)).message.yiaddr, first);
    lab.nak(&one.renewing(second));
}

#[test]
fn d47_without_a_hardware_address_option_61_tells_machines_apart_then_97() {
    let mut lab = Lab::new();
    let bare = Packet { htype: 32, hlen: 0, chaddr: [0; 16], ..clients::grub(mac(1)) };
    assert_eq!(lab.silence(&bare), Ignored::BadHardwareAddress);
    let mut address = |id: &[u8], uuid: u8| {
        let packet = if id.is_empty() { bare.clone() } else { bare.clone().option(61, id) };
        lab.offer(&packet.option(97, &[&[0][..], &[uuid; 16]].concat())).message.yiaddr
    };
    let first = address(b"\xff\x01", 1);
    assert_eq!(address(b"\xff\x01", 2), first);
    assert_ne!(address(b"\xff\x02", 1), first);
    let by_uuid = address(b"", 1);
    assert_ne!(by_uuid, first);
    assert_eq!(address(b"", 1), by_uuid);
    assert_ne!(address(b"", 2), by_uuid);
}

#[test]
fn d48_a_lost_lease_file_changes_no_address() {
    let mut before = Lab::new();
    let addresses: Vec<Ipv4Addr> =
        (0..10).map(|number| before.lease(&clients::bios_rom(mac(number))).message.yiaddr).collect();
    let mut after = Lab::new();
    let mut changed = 0;
    for number in (0..10).rev() {
        let address = after.lease(&clients::ovmf_pxe(mac(number))).message.yiaddr;
        changed += usize::from(addresses[number as usize] != address);
    }
    // Two whose hashes name one address swap when they come in another order.
    assert!(changed <= 2, "{changed} of 10");
    // One machine alone never changes.
    for number in 0..50 {
        let address = Lab::new().lease(&clients::bios_rom(mac(number))).message.yiaddr;
        assert_eq!(Lab::new().lease(&clients::udhcpc(mac(number))).message.yiaddr, address);
    }
}

#[test]
fn d48_a_kept_lease_file_goes_before_the_hash() {
    let mut before = Lab::new();
    let records: Vec<_> = (0..60)
        .map(|number| {
            let discover = clients::udhcpc(mac(number));
            let offer = before.offer(&discover).message;
            before.send(&discover.selecting(&offer)).0.commit.expect("a record")
        })
        .collect();
    let mut after = Lab::restored(config(), &records);
    for (number, record) in (0..60).zip(&records).rev() {
        assert_eq!(after.offer(&clients::bios_rom(mac(number))).message.yiaddr, record.address);
    }
}

#[test]
fn d51_a_cable_with_one_address_carries_a_machine_through_all_its_stages() {
    let mut lab = Lab::with(config_of_one());
    let mut refused = 0;
    for (name, recipe) in STAGES {
        lab.wait(40);
        let ack = lab.lease(&recipe(mac(1)));
        assert_eq!(ack.message.yiaddr, lab.server.config().local.first, "{name}");
        // UEFI tries the second card of the machine too.
        assert_eq!(lab.silence(&recipe(mac(2))), Ignored::PoolExhausted, "{name}");
        refused += 1;
    }
    assert_eq!(refused, STAGES.len());
    lab.wait(3600);
    assert_eq!(lab.lease(&clients::ovmf_pxe(mac(2))).message.yiaddr, lab.server.config().local.first);
    assert_eq!(lab.silence(&clients::bios_rom(mac(1))), Ignored::PoolExhausted);
}
