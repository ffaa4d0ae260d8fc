//! IPv6 router discovery, as far as iPXE needs it (RFC 4861 §4.1, §4.2).
//!
//! iPXE configures IPv4 and IPv6 side by side and begins to boot when both are through (`net/ndp.c`,
//! `net/netdev_settings.c`). On a wire without a router it asks for one until it gives up, 15 s after it has its IPv4 address.
//! An advertisement that says "no router here, no addresses" ends that at once.

use std::net::Ipv6Addr;

use super::cursor::Cursor;
use super::frame::MIN_FRAME;
use super::{MacAddr, Malformed};

const ETHERTYPE_IPV6: u16 = 0x86dd;
const ICMPV6: u8 = 58;
/// Whoever sends less may be beyond a router (RFC 4861 §6.1).
const HOP_LIMIT: u8 = 255;
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const SOURCE_LINK_LAYER: u8 = 1;

/// "Is there a router?", asked by a station that has a link-local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterSolicitation {
    /// Who asks.
    pub mac: MacAddr,
    /// Its link-local address.
    pub ip: Ipv6Addr,
}

impl RouterSolicitation {
    /// Reads a frame as it came from a packet socket; `None` for everything else. The checksum is not looked at: all that
    /// can come of a damaged one is an answer that nobody takes.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        Self::read(frame).ok().flatten()
    }

    fn read(frame: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut cursor = Cursor::new(frame);
        cursor.take(6)?;
        let mac = MacAddr(cursor.array()?);
        if cursor.u16()? != ETHERTYPE_IPV6 || cursor.u8()? >> 4 != 6 {
            return Ok(None);
        }
        cursor.take(5)?;
        let is_icmp = cursor.array()? == [ICMPV6, HOP_LIMIT];
        let ip = Ipv6Addr::from(cursor.array::<16>()?);
        cursor.take(16)?;
        let is_solicitation = is_icmp && cursor.array()? == [SOLICITATION, 0];
        let is_host = ip.is_unicast_link_local() && !mac.is_multicast();
        Ok((is_solicitation && is_host).then_some(Self { mac, ip }))
    }
}

/// Writes the answer to `asked` over what is in `out`, to nobody but who asked: the sender is no router (lifetime 0), gives
/// no addresses, and knows of nobody who does.
pub fn emit_no_router(our_mac: MacAddr, asked: &RouterSolicitation, out: &mut Vec<u8>) {
    let mut message = vec![ADVERTISEMENT, 0, 0, 0];
    // Hop limit, flags, lifetime, reachable time, retransmission timer: all unspecified.
    message.extend_from_slice(&[0; 12]);
    message.extend_from_slice(&[SOURCE_LINK_LAYER, 1]);
    message.extend_from_slice(&our_mac.0);
    let source = link_local(our_mac);
    let sum = checksum(source, asked.ip, &message);
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }

    out.clear();
    out.extend_from_slice(&asked.mac.0);
    out.extend_from_slice(&our_mac.0);
    out.extend_from_slice(&ETHERTYPE_IPV6.to_be_bytes());
    out.extend_from_slice(&[0x60, 0, 0, 0]);
    out.extend_from_slice(&u16::try_from(message.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&[ICMPV6, HOP_LIMIT]);
    out.extend_from_slice(&source.octets());
    out.extend_from_slice(&asked.ip.octets());
    out.extend_from_slice(&message);
    if out.len() < MIN_FRAME {
        out.resize(MIN_FRAME, 0);
    }
}

/// The link-local address that goes with an Ethernet address (RFC 4291 appendix A).
fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// The checksum of an ICMPv6 message with its pseudo header (RFC 4443 §2.3, RFC 8200 §8.1).
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or(0).to_be_bytes();
    let parts: [&[u8]; 5] = [&source.octets(), &destination.octets(), &length, &[0, 0, 0, ICMPV6], message];
    // Every part but the last has an even length.
    let pairs = parts.iter().flat_map(|part| part.chunks(2));
    let words = pairs.map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum = words.fold(0_u32, u32::wrapping_add);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff).wrapping_add(sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetHeaders, PacketHeaders, TransportHeader};

    const OURS: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const THEIRS: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

    /// As iPXE sends it.
    fn solicitation() -> Vec<u8> {
        let mut frame = vec![0x33, 0x33, 0, 0, 0, 2];
        frame.extend(THEIRS.0);
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255]);
        frame.extend(link_local(THEIRS).octets());
        frame.extend("ff02::2".parse::<Ipv6Addr>().unwrap().octets());
        frame.extend([133, 0, 0x12, 0x34, 0, 0, 0, 0, 1, 1]);
        frame.extend(THEIRS.0);
        frame
    }

    #[test]
    fn who_asks_for_a_router_is_known() {
        let asked = RouterSolicitation::parse(&solicitation()).unwrap();
        assert_eq!(asked, RouterSolicitation { mac: THEIRS, ip: "fe80::5054:ff:fe12:3456".parse().unwrap() });
        for (at, value) in [(12, 0x08), (14, 0x45), (20, 17), (21, 64), (22, 0x20), (54, 134), (55, 1)] {
            let mut frame = solicitation();
            frame[at] = value;
            assert_eq!(RouterSolicitation::parse(&frame), None, "byte {at}");
        }
        for len in 0..56 {
            assert_eq!(RouterSolicitation::parse(&solicitation()[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn the_answer_promises_nothing() {
        let asked = RouterSolicitation::parse(&solicitation()).unwrap();
        let mut frame = vec![0xa5; 200];
        emit_no_router(OURS, &asked, &mut frame);
        let packet = PacketHeaders::from_ethernet_slice(&frame).unwrap();
        assert_eq!(frame[..12], [THEIRS.0, OURS.0].concat());
        let Some(NetHeaders::Ipv6(ip, _)) = packet.net else { panic!("IPv6") };
        assert_eq!((ip.hop_limit, ip.destination_addr()), (255, asked.ip));
        let Some(TransportHeader::Icmpv6(icmp)) = packet.transport else { panic!("ICMPv6") };
        let payload = packet.payload.slice();
        let expected = icmp.icmp_type.calc_checksum(ip.source, ip.destination, payload).unwrap();
        assert_eq!(icmp.checksum, expected);
        assert_eq!(frame[54..56], [134, 0]);
        assert_eq!(frame[58..70], [0; 12], "no lifetime, no flags");
        assert_eq!(frame[70..72], [1, 1], "one option: who sends it");
        assert_eq!(frame.len(), 78);
    }
}
