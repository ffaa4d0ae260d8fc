//! ARP packets: what is read is what stands there, what is written reads back as it was.

use std::net::Ipv4Addr;

use pxego::wire::MacAddr;
use pxego::wire::arp::{Arp, Operation};
use pxego::wire::frame::MIN_FRAME;

const OURS: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// Reads `data` as a frame.
pub fn arp(data: &[u8]) {
    let arp = match Arp::parse(data) {
        Ok(arp) => arp,
        Err(dropped) => {
            assert!(!dropped.key().contains(' ') && !dropped.to_string().is_empty());
            return;
        }
    };
    assert!(data.len() >= 42 && data[12..20] == [8, 6, 0, 1, 8, 0, 6, 4], "RFC 826");
    assert!(data[22..28] == arp.sender_mac.0 && data[28..32] == arp.sender_ip.octets());
    assert!(data[32..38] == arp.target_mac.0 && data[38..42] == arp.target_ip.octets());
    assert!(!arp.sender_mac.is_multicast(), "nobody is a group");
    assert!(
        !arp.is_probe() || (arp.operation == Operation::Request && arp.sender_ip == Ipv4Addr::UNSPECIFIED)
    );
    // No part of it is one.
    assert!([0, 13, 14, 41].iter().all(|len| Arp::parse(&data[..*len]).is_err()));
    for written in [arp, Arp::reply(OURS, &arp), Arp::probe(OURS, arp.target_ip)] {
        let mut frame = vec![0xa5; 3];
        written.emit(&mut frame);
        assert_eq!((frame.len(), Arp::parse(&frame)), (MIN_FRAME, Ok(written)));
    }
}
