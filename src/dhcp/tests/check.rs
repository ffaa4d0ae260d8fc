//! An address is asked about before it is offered.

use std::net::Ipv4Addr;

use super::clients;
use super::lab::{Lab, config, mac};
use super::packet::Packet;
use crate::dhcp::reaction::Verdict;
use crate::dhcp::server::ServerConfig;

fn lab() -> Lab {
    Lab::with(ServerConfig { check_addresses: true, ..config() })
}

/// The address that has to be asked about first.
fn asked(lab: &mut Lab, packet: &Packet) -> Ipv4Addr {
    match lab.send(packet).0.verdict {
        Verdict::Check(address) => address,
        other => panic!("{other:?}"),
    }
}

#[test]
fn d53_nobody_is_offered_an_address_about_which_nobody_was_asked() {
    let mut lab = lab();
    let packet = clients::udhcpc(mac(1));
    let address = asked(&mut lab, &packet);
    assert_eq!(asked(&mut lab, &packet), address, "held for it meanwhile");
    assert_ne!(asked(&mut lab, &clients::udhcpc(mac(2))), address);
    lab.server.on_address_clear(lab.now, address);
    assert_eq!(lab.lease(&packet).message.yiaddr, address);
    // Its holder's own answers mean nothing, and no more questions are needed.
    lab.wait(3000);
    assert_eq!(lab.lease(&packet).message.yiaddr, address);
}

#[test]
fn d53_an_answer_is_believed_for_a_while() {
    let mut lab = lab();
    let packet = clients::udhcpc(mac(1));
    let address = asked(&mut lab, &packet);
    lab.server.on_address_clear(lab.now, address);
    lab.offer(&packet);
    lab.wait(119);
    lab.offer(&packet);
    lab.wait(2);
    assert_eq!(asked(&mut lab, &packet), address);
}

#[test]
fn d54_the_machines_own_answer_is_no_conflict() {
    let mut lab = lab();
    let packet = clients::udhcpc(mac(1));
    let address = asked(&mut lab, &packet);
    assert!(!lab.server.on_address_in_use(lab.now, mac(1), address));
    lab.server.on_address_clear(lab.now, address);
    assert_eq!(lab.offer(&packet).message.yiaddr, address);
}

#[test]
fn d55_somebody_elses_answer_leads_to_another_address() {
    let mut lab = lab();
    let packet = clients::udhcpc(mac(1));
    let taken = asked(&mut lab, &packet);
    assert!(lab.server.on_address_in_use(lab.now, mac(99), taken));
    let other = asked(&mut lab, &packet);
    assert_ne!(other, taken);
    lab.server.on_address_clear(lab.now, other);
    assert_eq!(lab.lease(&packet).message.yiaddr, other);
    lab.wait(599);
    assert!(!lab.server.pool().unchecked(0, 1000, std::time::Duration::ZERO, lab.now).0.contains(&taken));
    lab.wait(2);
    assert!(lab.server.pool().unchecked(0, 1000, std::time::Duration::ZERO, lab.now).0.contains(&taken));
}

#[test]
fn addresses_are_looked_at_ahead_of_demand_a_few_at_a_time() {
    let lab = lab();
    let ahead = std::time::Duration::from_secs(30);
    let (mut at, mut seen) = (0, Vec::new());
    for _ in 0..4 {
        let (addresses, next) = lab.server.pool().unchecked(at, 25, ahead, lab.now);
        assert_eq!(addresses.len(), 25);
        seen.extend(addresses);
        at = next;
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 100);
    let mut lab = lab;
    for address in seen {
        lab.server.on_address_clear(lab.now, address);
    }
    assert_eq!(lab.server.pool().unchecked(0, 25, ahead, lab.now).0, [Ipv4Addr::UNSPECIFIED; 0]);
    lab.wait(91);
    assert_eq!(lab.server.pool().unchecked(0, 25, ahead, lab.now).0.len(), 25);
}
