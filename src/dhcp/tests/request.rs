//! REQUEST in its four states (RFC 2131 §4.3.2, table 4).

use std::net::Ipv4Addr;

use crate::dhcp::identity::Identity;
use crate::dhcp::lease::{LeaseRecord, LeaseState};
use crate::dhcp::reaction::Ignored;
use crate::dhcp::server::ServerConfig;

use super::clients;
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, Sent, config, config_of_one, ip, mac};
use super::packet::Packet;

#[test]
fn d20_the_ack_says_what_the_offer_said() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let offer = lab.offer(&discover).message;
        let ack = lab.ack(&discover.selecting(&offer)).message;
        assert_eq!(ack.option(53), Some(&[5][..]), "{name}");
        assert_eq!((ack.yiaddr, ack.siaddr), (offer.yiaddr, offer.siaddr), "{name}");
        assert_eq!((ack.file, ack.sname), (offer.file, offer.sname), "{name}");
        assert_eq!(ack.options[1..], offer.options[1..], "{name}");
    }
}

#[test]
fn d20_a_lease_is_to_be_written_down_before_the_ack_leaves() {
    let mut lab = Lab::new();
    let discover = clients::ovmf_pxe(mac(1));
    let (offered, sent) = lab.send(&discover);
    assert_eq!(offered.commit, None, "an offer is not worth a line");
    let (granted, ack) = lab.send(&discover.selecting(&sent.expect("an offer").message));
    let expected = LeaseRecord {
        identity: Identity::ethernet(mac(1)),
        address: ack.expect("an ACK").message.yiaddr,
        state: LeaseState::Bound,
        until: lab.now.unix_secs + 3600,
    };
    assert_eq!(granted.commit, Some(expected));
}

#[test]
fn d21_a_client_that_takes_another_offer_frees_ours() {
    let mut lab = Lab::with(config_of_one());
    let discover = clients::ovmf_pxe(mac(1));
    let offer = lab.offer(&discover).message;
    assert_eq!(lab.silence(&clients::udhcpc(mac(2))), Ignored::PoolExhausted);
    let elsewhere =
        discover.selecting(&offer).option(54, &OTHER_SERVER.octets()).option(50, &[192, 168, 77, 30]);
    assert_eq!(lab.silence(&elsewhere), Ignored::OtherServer);
    assert_eq!(lab.offer(&clients::udhcpc(mac(2))).message.yiaddr, offer.yiaddr);
}

#[test]
fn d22_a_request_for_what_we_cannot_give_is_refused() {
    let mut lab = Lab::new();
    let holder = lab.lease(&clients::udhcpc(mac(9))).message.yiaddr;
    let discover = clients::ovmf_pxe(mac(1));
    let offer = lab.offer(&discover).message;
    // Somebody else's, ours, the router's, outside the pool, of another network.
    for address in [holder, SERVER_IP, ip(253), ip(20), Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::UNSPECIFIED] {
        lab.nak(&discover.selecting(&offer).option(50, &address.octets()));
    }
    // It has not lost its offer by that.
    assert_eq!(lab.ack(&discover.selecting(&offer)).message.yiaddr, offer.yiaddr);
}

#[test]
fn d22_an_offer_that_ran_out_and_went_to_another_is_refused() {
    let mut lab = Lab::with(config_of_one());
    let (late, quick) = (clients::bios_rom(mac(1)), clients::bios_rom(mac(2)));
    let offer = lab.offer(&late).message;
    lab.wait(61);
    lab.lease(&quick);
    lab.nak(&late.selecting(&offer));
    // One that ran out and is still there is granted.
    let mut lab = Lab::with(config_of_one());
    let offer = lab.offer(&late).message;
    lab.wait(3000);
    lab.ack(&late.selecting(&offer));
}

#[test]
fn d23_a_machine_we_know_gets_its_address_confirmed() {
    for (name, recipe) in clients::all() {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let address = lab.lease(&discover).message.yiaddr;
        lab.wait(1000);
        let ack = lab.ack(&discover.init_reboot(address)).message;
        assert_eq!((ack.yiaddr, ack.u32(51)), (address, Some(3600)), "{name}");
    }
}

#[test]
fn d23_also_when_the_lease_ended_and_nobody_has_it() {
    let mut lab = Lab::new();
    let discover = clients::udhcpc(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    lab.wait(100_000);
    assert_eq!(lab.ack(&discover.init_reboot(address)).message.yiaddr, address);
}

#[test]
fn d24_a_strangers_old_address_is_not_our_business() {
    let mut lab = Lab::new();
    let telephone = clients::network_manager(mac(1));
    for address in [ip(150), ip(20), Ipv4Addr::new(10, 0, 0, 5)] {
        assert_eq!(lab.silence(&telephone.init_reboot(address)), Ignored::Stranger);
    }
    let mut lab = Lab::with(ServerConfig { authoritative: true, ..config() });
    lab.nak(&telephone.init_reboot(Ipv4Addr::new(10, 0, 0, 5)));
}

#[test]
fn d25_a_machine_we_know_is_told_that_its_address_is_wrong() {
    let mut lab = Lab::new();
    let discover = clients::udhcpc(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    lab.nak(&discover.init_reboot(ip(20)));
    lab.nak(&discover.init_reboot(Ipv4Addr::new(10, 0, 0, 5)));
    assert_eq!(lab.ack(&discover.init_reboot(address)).message.yiaddr, address);
}

#[test]
fn d26_a_renewal_extends_the_lease() {
    let mut lab = Lab::new();
    let discover = clients::ovmf_pxe(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    lab.wait(1800);
    let (reaction, sent) = lab.send(&discover.renewing(address));
    let ack = sent.expect("an ACK");
    assert_eq!((ack.message.yiaddr, ack.message.ciaddr), (address, address));
    assert_eq!((ack.to.ip, ack.to.port, ack.to.mac), (address, 68, mac(1)));
    assert_eq!(reaction.commit.map(|record| record.until), Some(lab.now.unix_secs + 3600));
    // Without it the lease would have ended here.
    lab.wait(3500);
    let identity = lab.server.pool().live_owner(address, lab.now).cloned();
    assert_eq!(identity, Some(Identity::ethernet(mac(1))));
    assert_eq!(lab.ack(&discover.rebinding(address)).message.yiaddr, address);
}

#[test]
fn d27_renewals_of_other_servers_clients_are_left_alone() {
    let mut lab = Lab::new();
    let discover = clients::windows_pe(mac(1));
    for address in [ip(20), ip(150), Ipv4Addr::new(10, 0, 0, 5)] {
        assert_eq!(lab.silence(&discover.rebinding(address)), Ignored::Stranger);
        assert_eq!(lab.silence(&discover.renewing(address)), Ignored::Stranger);
    }
}

#[test]
fn d28_a_renewal_of_what_another_machine_has_is_refused() {
    let mut lab = Lab::new();
    let address = lab.lease(&clients::udhcpc(mac(1))).message.yiaddr;
    let other = clients::udhcpc(mac(2));
    lab.nak(&other.renewing(address));
    lab.nak(&other.rebinding(address));
    // Once it is nobody's, it is none of our business.
    lab.wait(3600);
    assert_eq!(lab.silence(&other.renewing(address)), Ignored::Stranger);
}

#[test]
fn d59_a_request_with_another_xid_than_its_discover_is_served() {
    let mut lab = Lab::new();
    let discover = clients::bios_rom(mac(1));
    let offer = lab.offer(&discover).message;
    let request = discover.selecting(&offer).xid(0x0bad_cafe);
    assert_eq!(lab.ack(&request).message.yiaddr, offer.yiaddr);
    // And repeated, because the ACK was lost.
    assert_eq!(lab.ack(&request).message.yiaddr, offer.yiaddr);
}

#[test]
fn a_request_that_names_no_address_is_not_guessed_at() {
    let mut lab = Lab::new();
    let request = clients::udhcpc(mac(1)).kind(3);
    assert_eq!(lab.silence(&request), Ignored::NoAddress);
    assert_eq!(lab.silence(&request.clone().option(54, &SERVER_IP.octets())), Ignored::NoAddress);
    assert_eq!(lab.silence(&request.option(50, &[192, 168, 77])), Ignored::NoAddress);
}

#[test]
fn a_request_with_our_identifier_and_ciaddr_is_granted_too() {
    let mut lab = Lab::new();
    let discover = clients::udhcpc(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    let odd = discover.renewing(address).option(54, &SERVER_IP.octets());
    assert_eq!(lab.ack(&Packet { dst_ip: SERVER_IP, ..odd }).message.yiaddr, address);
}

#[test]
fn d20_who_asks_again_soon_is_told_what_is_left_and_nothing_is_written() {
    let mut lab = Lab::new();
    let discover = clients::ovmf_pxe(mac(1));
    let lease_time = |sent: &Sent| sent.message.option(51).map(<[u8]>::to_vec);
    assert_eq!(lease_time(&lab.lease(&discover)), Some(3600u32.to_be_bytes().to_vec()));
    lab.wait(100);
    let offer = lab.offer(&discover);
    assert_eq!(lease_time(&offer), Some(3500u32.to_be_bytes().to_vec()));
    let (reaction, ack) = lab.send(&discover.selecting(&offer.message));
    assert_eq!(lease_time(&ack.expect("an ACK")), Some(3500u32.to_be_bytes().to_vec()));
    assert_eq!(reaction.commit, None);
    // An eighth has gone: a new lease.
    lab.wait(351);
    let (reaction, ack) = lab.send(&discover.selecting(&offer.message));
    assert_eq!(lease_time(&ack.expect("an ACK")), Some(3600u32.to_be_bytes().to_vec()));
    assert_eq!(reaction.commit.map(|record| record.until), Some(lab.now.unix_secs + 3600));
}
