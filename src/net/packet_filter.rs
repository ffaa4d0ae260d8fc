//! The kernel filters, in classic BPF: what a socket is woken for, and what it never sees.
//!
//! Every test goes on to the next one, accepts, or drops; so a program is a list that reads from top to bottom.
//!
//! Sources: `linux/bpf_common.h`, `linux/filter.h` (the `SKF_AD_` loads), RFC 791 §3.1.

use socket2::SockFilter;

/// `SKF_AD_OFF`: from here on, loads ask for facts about the frame that are not in its bytes.
const ABOUT: u32 = -0x1000_i32 as u32;
const PACKET_TYPE: u32 = ABOUT + 4;
const VLAN_TAG: u32 = ABOUT + 44;
const VLAN_TAG_PRESENT: u32 = ABOUT + 48;

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
/// A byte at X + k.
const LOAD_BYTE_INDEXED: u16 = 0x50;
/// A half word at X + k.
const LOAD_HALF_INDEXED: u16 = 0x48;
/// X = 4 × the low four bits of byte k: the length of an IPv4 header.
const LOAD_X_HEADER_LEN: u16 = 0xb1;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

#[derive(Clone, Copy)]
enum Then {
    Next,
    /// Passes over this many steps.
    Skip(u8),
    Accept,
    Drop,
}
use Then::{Accept, Drop, Next, Skip};

/// Untagged ARP, questions for an IPv6 router, and untagged whole IPv4 that comes in: UDP to a port of DHCP or PXE, requests
/// to read by TFTP and first packets (SYN) of TCP connections to `http_port`, by which a firewall in the way is noticed.
///
/// Port 68 is there to see other servers answer. A tag with number 0 only carries a priority and counts as
/// untagged (IEEE 802.1Q §6.9); the kernel takes tags off, so without asking they would all look untagged.
pub(super) fn dhcp_and_arp(http_port: u16) -> Vec<SockFilter> {
    const SYN: u32 = 0x02;
    const SYN_ACK: u32 = 0x12;
    const OUTGOING: u32 = libc::PACKET_OUTGOING as u32;
    const TFTP_READ: u32 = 1;
    assemble(&[
        (LOAD_WORD, PACKET_TYPE, Next, Next),
        (IF_EQUAL, OUTGOING, Drop, Next),
        (LOAD_WORD, VLAN_TAG_PRESENT, Next, Next),
        (IF_EQUAL, 0, Skip(3), Next),
        (LOAD_WORD, VLAN_TAG, Next, Next),
        (AND, 0xfff, Next, Next),
        (IF_EQUAL, 0, Next, Drop),
        (LOAD_HALF, 12, Next, Next),
        (IF_EQUAL, libc::ETH_P_ARP as u32, Accept, Next),
        (IF_EQUAL, libc::ETH_P_IP as u32, Skip(5), Next),
        (IF_EQUAL, libc::ETH_P_IPV6 as u32, Next, Drop),
        // ICMPv6 that no router has passed on (RFC 4861 §6.1).
        (LOAD_HALF, 14 + 6, Next, Next),
        (IF_EQUAL, 58 << 8 | 255, Next, Drop),
        (LOAD_BYTE, 14 + 40, Next, Next),
        (IF_EQUAL, 133, Accept, Drop),
        // More fragments follow, or this is not the first: its ports are not there, or its end is not.
        (LOAD_HALF, 14 + 6, Next, Next),
        (IF_ANY_BIT, 0x3fff, Drop, Next),
        (LOAD_X_HEADER_LEN, 14, Next, Next),
        (LOAD_BYTE, 14 + 9, Next, Next),
        (IF_EQUAL, libc::IPPROTO_TCP as u32, Skip(8), Next),
        (IF_EQUAL, libc::IPPROTO_UDP as u32, Next, Drop),
        (LOAD_HALF_INDEXED, 14 + 2, Next, Next),
        (IF_EQUAL, 67, Accept, Next),
        (IF_EQUAL, 68, Accept, Next),
        (IF_EQUAL, 4011, Accept, Next),
        (IF_EQUAL, 69, Next, Drop),
        // With one port for all transfers every acknowledgement comes there, too.
        (LOAD_HALF_INDEXED, 14 + 8, Next, Next),
        (IF_EQUAL, TFTP_READ, Accept, Drop),
        (LOAD_HALF_INDEXED, 14 + 2, Next, Next),
        (IF_EQUAL, u32::from(http_port), Next, Drop),
        (LOAD_BYTE_INDEXED, 14 + 13, Next, Next),
        (AND, SYN_ACK, Next, Next),
        (IF_EQUAL, SYN, Accept, Drop),
    ])
}

/// Nothing at all: for a socket that only holds a port.
pub(super) fn nothing() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, 0)]
}

/// Turns `(operation, value, when true, when false)` into a program that ends in "accept", "drop".
fn assemble(steps: &[(u16, u32, Then, Then)]) -> Vec<SockFilter> {
    let jump = |at: usize, then: Then| -> u8 {
        let to_accept = steps.len() - at - 1;
        match then {
            Next => 0,
            Skip(count) => count,
            // Programs here are far shorter than 255 steps.
            Accept => to_accept as u8,
            Drop => to_accept as u8 + 1,
        }
    };
    let tests = steps.iter().enumerate().map(|(at, (operation, value, when_true, when_false))| {
        SockFilter::new(*operation, jump(at, *when_true), jump(at, *when_false), *value)
    });
    tests.chain([SockFilter::new(RETURN, 0, 0, u32::MAX), SockFilter::new(RETURN, 0, 0, 0)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use std::io::Read;

    /// The kernel filters local datagrams with the same machine: its verdict, without a network.
    fn passes(frame: &[u8]) -> bool {
        let (left, right) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();
        right.attach_filter(&dhcp_and_arp(8080)).unwrap();
        right.set_nonblocking(true).unwrap();
        left.send(frame).unwrap();
        (&right).read(&mut [0; 2048]).is_ok()
    }

    fn udp(port: u16, options: usize) -> Vec<u8> {
        let mut frame = vec![0xff; 12];
        frame.extend([0x08, 0x00, 0x45 + options as u8, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend([0; 8]);
        frame.extend(vec![1; options * 4]);
        frame.extend([0, 68]);
        frame.extend(port.to_be_bytes());
        frame.extend([0; 300]);
        frame
    }

    fn tcp(port: u16, flags: u8) -> Vec<u8> {
        changed(changed(udp(port, 1), 23, 6), 14 + 24 + 13, flags)
    }

    fn ipv6(next_header: u8, hop_limit: u8, kind: u8) -> Vec<u8> {
        let mut frame = vec![0x33; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, next_header, hop_limit]);
        frame.extend([0xfe; 32]);
        frame.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        frame
    }

    fn changed(mut frame: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
        frame[at] = value;
        frame
    }

    #[test]
    fn the_kernel_lets_through_what_is_ours_and_nothing_else() {
        let arp = [vec![0xff; 12], vec![0x08, 0x06], vec![0; 46]].concat();
        for (name, frame, expected) in [
            ("DHCP request", udp(67, 0), true),
            ("DHCP reply of another server", udp(68, 0), true),
            ("TFTP RRQ", changed(changed(udp(69, 2), 50, 0), 51, 1), true),
            ("TFTP ACK", changed(changed(udp(69, 2), 50, 0), 51, 4), false),
            ("PXE", udp(4011, 0), true),
            ("DHCP behind IP options", udp(67, 10), true),
            ("ARP", arp.clone(), true),
            ("do not fragment", changed(udp(67, 0), 20, 0x40), true),
            ("DNS", udp(53, 0), false),
            ("port 4011 as source", changed(udp(53, 0), 34, 15), false),
            ("first fragment", changed(udp(67, 0), 20, 0x20), false),
            ("later fragment", changed(udp(67, 0), 21, 0x08), false),
            ("TCP to port 67", tcp(67, 2), false),
            ("SYN to our HTTP port", tcp(8080, 0x02), true),
            ("SYN to another port", tcp(80, 0x02), false),
            ("SYN and ACK to our HTTP port", tcp(8080, 0x12), false),
            ("data to our HTTP port", tcp(8080, 0x18), false),
            ("UDP to our HTTP port", udp(8080, 0), false),
            ("IPv6", changed(changed(udp(67, 0), 12, 0x86), 13, 0xdd), false),
            ("a question for an IPv6 router", ipv6(58, 255, 133), true),
            ("an IPv6 router", ipv6(58, 255, 134), false),
            ("a question from beyond a router", ipv6(58, 64, 133), false),
            ("IPv6 UDP", ipv6(17, 255, 133), false),
            ("a tag in the bytes", changed(udp(67, 0), 12, 0x81), false),
            ("cut before the ports", udp(67, 0)[..35].to_vec(), false),
            ("one byte", vec![0], false),
        ] {
            assert_eq!(passes(&frame), expected, "{name}");
        }
    }
}
