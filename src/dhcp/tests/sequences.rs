//! Any sequence of messages: what must hold whatever is sent.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::dhcp::lease::LeaseState;
use crate::dhcp::reaction::{Port, ReplyKind};
use crate::dhcp::server::ServerConfig;
use crate::wire::test_random::Random;

use super::clients;
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, config, ip, mac};
use super::packet::Packet;

/// A message of a machine, sensible or not.
fn any_packet(random: &mut Random, number: u32, held: Option<Ipv4Addr>) -> Packet {
    let recipes = clients::all();
    let (_, recipe) = recipes[random.below(recipes.len() as u64) as usize];
    let discover = recipe(mac(number)).xid(random.next() as u32);
    let guess = ip(98 + random.below(16) as u8);
    let address = held.filter(|_| random.below(4) > 0).unwrap_or(guess);
    let mut packet = match random.below(12) {
        0..=3 => discover.option(50, &address.octets()),
        4..=6 => discover.kind(3).option(54, &SERVER_IP.octets()).option(50, &address.octets()),
        7 => discover.init_reboot(address),
        8 => discover.rebinding(address),
        9 => discover.release(address),
        10 => discover.decline(address),
        _ => discover.boot_server(address),
    };
    match random.below(12) {
        0 => packet = packet.option(54, &OTHER_SERVER.octets()),
        1 => packet = packet.flags(0x8000),
        2 => packet.ciaddr = guess,
        3 => {
            let code = 1 + random.below(254) as u8;
            let count = random.below(40);
            packet = packet.option(code, &random.bytes(count));
        }
        4 => packet.port = Port::BootServer,
        _ => {}
    }
    packet
}

#[test]
fn d19_d46_s15_no_sequence_of_messages_gives_an_address_to_two_machines() {
    for seed in 1..=40 {
        let mut random = Random(seed * 7919);
        let mut pool = ServerConfig { lease_secs: 300, ..config() };
        pool.local.last = ip(100 + random.below(12) as u8);
        let (first, last) = (pool.local.first, pool.local.last);
        let mut lab = Lab::with(pool);
        // What each card was granted, and until when.
        let mut granted: HashMap<[u8; 6], (Ipv4Addr, u64)> = HashMap::new();
        let mut held: HashMap<u32, Ipv4Addr> = HashMap::new();
        let mut answered = 0;
        for _ in 0..1500 {
            lab.wait(random.below(20) * random.below(2));
            let now = lab.now.monotonic.as_secs();
            let number = random.below(20) as u32;
            let packet = any_packet(&mut random, number, held.get(&number).copied());
            let card: [u8; 6] = packet.chaddr[..6].try_into().expect("six bytes");
            // `send` checks the reply itself: its build, and that it answers this request and no other.
            let (reaction, sent) = lab.send(&packet);
            if reaction.commit.as_ref().is_some_and(|record| record.state != LeaseState::Bound) {
                granted.remove(&card);
            }
            let Some(sent) = sent else { continue };
            answered += 1;
            let address = sent.message.yiaddr;
            let gives_address = matches!(sent.kind, ReplyKind::Offer | ReplyKind::Ack);
            assert_eq!(!address.is_unspecified(), gives_address, "{:?}", sent.kind);
            // What is confirmed and not written down again is on the disk already.
            let is_confirmed =
                granted.get(&card).is_some_and(|(theirs, until)| *theirs == address && *until > now);
            assert!(reaction.commit.is_some() || sent.kind != ReplyKind::Ack || is_confirmed);
            assert!(reaction.commit.is_none() || sent.kind == ReplyKind::Ack);
            if !gives_address {
                continue;
            }
            assert!((first..=last).contains(&address), "{address}");
            for (other, (theirs, until)) in &granted {
                assert!(
                    *other == card || *theirs != address || *until <= now,
                    "{address} for {card:02x?} at {now} is {other:02x?}'s until {until}; seed {seed}"
                );
            }
            held.insert(number, address);
            if reaction.commit.is_some() {
                granted.insert(card, (address, now + 300));
            }
        }
        assert!(answered > 200, "only {answered} of 1500 messages were answered");
    }
}
