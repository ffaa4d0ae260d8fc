//! DECLINE, RELEASE, INFORM, and what is seen of addresses besides DHCP.

use std::net::Ipv4Addr;

use crate::dhcp::identity::Identity;
use crate::dhcp::lease::LeaseState;
use crate::dhcp::reaction::{Accepted, Ignored};

use super::clients;
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, SERVER_MAC, config_of_one, ip, mac};
use super::packet::Packet;

#[test]
fn d30_a_declined_address_is_left_alone_for_ten_minutes() {
    let mut lab = Lab::with(config_of_one());
    let discover = clients::ovmf_pxe(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    let (reaction, sent) = lab.send(&discover.decline(address));
    assert!(sent.is_none());
    let record = reaction.commit.expect("to be written down");
    assert_eq!((record.state, record.until), (LeaseState::Declined, lab.now.unix_secs + 600));
    lab.wait(599);
    assert_eq!(lab.silence(&discover), Ignored::PoolExhausted);
    lab.wait(1);
    assert_eq!(lab.offer(&discover).message.yiaddr, address);
}

#[test]
fn d30_who_declined_gets_another_address() {
    let mut lab = Lab::new();
    let discover = clients::dhclient(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    assert_eq!(lab.accepted(&discover.decline(address)), Accepted::Declined(address));
    let next = lab.lease(&discover.clone().option(50, &address.octets())).message.yiaddr;
    assert_ne!(next, address);
}

#[test]
fn d31_declining_what_one_does_not_have_changes_nothing() {
    let mut lab = Lab::new();
    let address = lab.lease(&clients::udhcpc(mac(1))).message.yiaddr;
    let other = clients::udhcpc(mac(2));
    lab.lease(&other);
    for wrong in [address, ip(150), SERVER_IP, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST] {
        assert_eq!(lab.silence(&other.decline(wrong)), Ignored::NotHolder);
    }
    let holder = clients::udhcpc(mac(1));
    let elsewhere = holder.decline(address).option(54, &OTHER_SERVER.octets());
    assert_eq!(lab.silence(&elsewhere), Ignored::OtherServer);
    assert_eq!(lab.silence(&holder.decline(address).without(50)), Ignored::NoAddress);
    assert_eq!(lab.ack(&holder.renewing(address)).message.yiaddr, address);
}

#[test]
fn d32_a_released_address_is_free_and_its_machine_gets_it_back_first() {
    let mut lab = Lab::with(config_of_one());
    let discover = clients::ipxe_rom(mac(1));
    let address = lab.lease(&discover).message.yiaddr;
    let (reaction, sent) = lab.send(&discover.release(address));
    assert!(sent.is_none());
    assert_eq!(reaction.commit.map(|record| record.state), Some(LeaseState::Released));
    assert_eq!(lab.lease(&discover).message.yiaddr, address);
    assert_eq!(lab.accepted(&discover.release(address)), Accepted::Released(address));
    assert_eq!(lab.lease(&clients::udhcpc(mac(2))).message.yiaddr, address);

    let mut lab = Lab::new();
    let address = lab.lease(&discover).message.yiaddr;
    lab.accepted(&discover.release(address));
    for number in 2..90 {
        let asks_for_it = clients::udhcpc(mac(number)).option(50, &address.octets());
        assert_ne!(lab.lease(&asks_for_it).message.yiaddr, address);
    }
    assert_eq!(lab.offer(&discover).message.yiaddr, address);
}

#[test]
fn d33_releasing_what_one_does_not_have_changes_nothing() {
    let mut lab = Lab::new();
    let address = lab.lease(&clients::udhcpc(mac(1))).message.yiaddr;
    let other = clients::udhcpc(mac(2));
    assert_eq!(lab.silence(&other.release(address)), Ignored::NotHolder);
    lab.lease(&other);
    assert_eq!(lab.silence(&other.release(address)), Ignored::NotHolder);
    let elsewhere = clients::udhcpc(mac(1)).release(address).option(54, &OTHER_SERVER.octets());
    assert_eq!(lab.silence(&elsewhere), Ignored::OtherServer);
    assert_eq!(lab.server.pool().live_owner(address, lab.now), Some(&Identity::ethernet(mac(1))));
}

#[test]
fn d34_inform_is_answered_with_everything_but_an_address() {
    let mut lab = Lab::new();
    let client = clients::windows_pe(mac(1));
    let sent = lab.inform_ack(&client.inform(ip(30)));
    let ack = &sent.message;
    assert_eq!((ack.yiaddr, ack.ciaddr), (Ipv4Addr::UNSPECIFIED, ip(30)));
    assert!([51, 58, 59].iter().all(|&code| ack.option(code).is_none()), "{:?}", ack.codes());
    assert!([1, 3, 6, 15].iter().all(|&code| ack.option(code).is_some()), "{:?}", ack.codes());
    assert_eq!((sent.to.ip, sent.to.port, sent.to.mac), (ip(30), 68, mac(1)));
    // Without ciaddr its IP source says where it is.
    let sent = lab.inform_ack(&Packet { ciaddr: Ipv4Addr::UNSPECIFIED, ..client.inform(ip(31)) });
    assert_eq!((sent.to.ip, sent.to.port, sent.to.mac), (ip(31), 68, mac(1)));
    // It holds no address by that.
    assert_eq!(lab.server.pool().binding(&Identity::ethernet(mac(1)), lab.now), None);
    let nobody = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 0, 0, 5), ip(255), ip(0), SERVER_IP];
    for address in nobody {
        assert_eq!(lab.silence(&client.inform(address)), Ignored::NoAddress);
    }
}

#[test]
fn d52_an_untaken_offer_ends_after_a_minute_unless_its_address_is_used() {
    let mut lab = Lab::with(config_of_one());
    let offered = lab.offer(&clients::bios_rom(mac(1))).message.yiaddr;
    lab.wait(59);
    assert_eq!(lab.silence(&clients::udhcpc(mac(2))), Ignored::PoolExhausted);
    lab.wait(1);
    assert_eq!(lab.offer(&clients::udhcpc(mac(2))).message.yiaddr, offered);

    let mut lab = Lab::with(config_of_one());
    let offered = lab.offer(&clients::bios_rom(mac(1))).message.yiaddr;
    assert_eq!(lab.server.on_traffic(lab.now, mac(2), offered), None, "another card");
    assert_eq!(lab.server.on_traffic(lab.now, mac(1), ip(99)), None, "another address");
    let record = lab.server.on_traffic(lab.now, mac(1), offered).expect("to be written down");
    assert_eq!(
        (record.address, record.state, record.until),
        (offered, LeaseState::Bound, lab.now.unix_secs + 24 * 3600)
    );
    assert_eq!(lab.server.on_traffic(lab.now, mac(1), offered), None, "once is enough");
    // Whoever lives without a REQUEST does not renew either.
    lab.wait(24 * 3600 - 1);
    assert_eq!(lab.silence(&clients::udhcpc(mac(2))), Ignored::PoolExhausted);
}

#[test]
fn d54_d55_who_answers_arp_decides_whether_an_address_can_be_given() {
    let mut lab = Lab::with(config_of_one());
    let discover = clients::ipxe_rom(mac(1));
    let address = lab.offer(&discover).message.yiaddr;
    assert!(!lab.server.on_address_in_use(lab.now, mac(1), address), "an earlier stage of the same machine");
    assert!(!lab.server.on_address_in_use(lab.now, SERVER_MAC, address), "we ourselves");
    assert_eq!(lab.offer(&discover).message.yiaddr, address);
    assert!(lab.server.on_address_in_use(lab.now, mac(2), address));
    lab.wait(599);
    assert_eq!(lab.silence(&discover), Ignored::PoolExhausted);
    lab.wait(1);
    assert_eq!(lab.offer(&discover).message.yiaddr, address);
}

#[test]
fn d55_an_address_in_use_is_skipped_for_another() {
    let mut lab = Lab::new();
    let discover = clients::ovmf_pxe(mac(1));
    let offer = lab.offer(&discover).message;
    assert!(lab.server.on_address_in_use(lab.now, mac(2), offer.yiaddr));
    lab.nak(&discover.selecting(&offer));
    let next = lab.lease(&discover).message.yiaddr;
    assert_ne!(next, offer.yiaddr);
}
