//! ARP for IPv4 over Ethernet (RFC 826), and the probes of address conflict detection (RFC 5227).

use std::fmt;
use std::net::Ipv4Addr;

use super::cursor::Cursor;
use super::frame::MIN_FRAME;
use super::{MacAddr, Malformed};

const ETHERTYPE_ARP: u16 = 0x0806;
/// Tags of 802.1Q, 802.1ad, and of the switches that came before it.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Hardware type, protocol type and the lengths of their addresses: Ethernet and IPv4 (RFC 826).
const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// What an ARP packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Operation {
    /// Who has the target address?
    Request = 1,
    /// The sender has the sender address.
    Reply = 2,
}

/// One ARP packet. Field names are those of RFC 5227.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arp {
    /// Question or answer; a packet of either kind says that the sender uses its address.
    pub operation: Operation,
    /// Who sends it.
    pub sender_mac: MacAddr,
    /// The address the sender uses; unspecified in a probe.
    pub sender_ip: Ipv4Addr,
    /// Who is meant; zeros in a request.
    pub target_mac: MacAddr,
    /// The address asked for.
    pub target_ip: Ipv4Addr,
}

/// Why a frame is not an ARP packet for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Carries an 802.1Q or 802.1ad tag: it belongs to another network.
    Vlan,
    /// Not ARP.
    NotArp,
    /// ARP for other hardware or another protocol than Ethernet and IPv4.
    NotEthernetIpv4,
    /// Neither request nor reply.
    Operation(u16),
    /// Sent by a group of stations, which nobody is (RFC 1812 §3.3.2).
    GroupSender,
    /// Cut short.
    Malformed(Malformed),
}

impl Dropped {
    /// A short stable word to count by.
    pub fn key(self) -> &'static str {
        match self {
            Self::Vlan => "vlan",
            Self::NotArp => "not-arp",
            Self::NotEthernetIpv4 => "arp-not-ethernet-ipv4",
            Self::Operation(_) => "arp-operation",
            Self::GroupSender => "arp-group-sender",
            Self::Malformed(_) => "malformed-arp",
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan => f.write_str("carries a VLAN tag"),
            Self::NotArp => f.write_str("not ARP"),
            Self::NotEthernetIpv4 => f.write_str("ARP for something else than IPv4 over Ethernet"),
            Self::Operation(code) => write!(f, "ARP operation {code}"),
            Self::GroupSender => f.write_str("ARP sent by a multicast address"),
            Self::Malformed(malformed) => write!(f, "malformed ARP: {malformed}"),
        }
    }
}

impl std::error::Error for Dropped {}

impl From<Malformed> for Dropped {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Arp {
    /// Asks whether anybody uses `ip`, without claiming an address ourselves (RFC 5227 §2.1.1).
    pub fn probe(our_mac: MacAddr, ip: Ipv4Addr) -> Self {
        Self::request(our_mac, Ipv4Addr::UNSPECIFIED, ip)
    }

    /// Asks who has `ip`.
    pub fn request(our_mac: MacAddr, our_ip: Ipv4Addr, ip: Ipv4Addr) -> Self {
        Self {
            operation: Operation::Request,
            sender_mac: our_mac,
            sender_ip: our_ip,
            target_mac: MacAddr([0; 6]),
            target_ip: ip,
        }
    }

    /// Answers `request`: the address it asks for is ours, at `our_mac`.
    pub fn reply(our_mac: MacAddr, request: &Self) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: our_mac,
            sender_ip: request.target_ip,
            target_mac: request.sender_mac,
            target_ip: request.sender_ip,
        }
    }

    /// Whether this asks about an address that the sender does not use yet (RFC 5227 §1.1).
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }

    /// Reads a frame as it came from a packet socket; padding after the packet does not count.
    ///
    /// # Errors
    /// Why it is dropped.
    pub fn parse(frame: &[u8]) -> Result<Self, Dropped> {
        let mut cursor = Cursor::new(frame);
        cursor.take(12)?;
        match cursor.u16()? {
            ETHERTYPE_ARP => {}
            tag if ETHERTYPES_VLAN.contains(&tag) => return Err(Dropped::Vlan),
            _ => return Err(Dropped::NotArp),
        }
        if cursor.array()? != ETHERNET_IPV4 {
            return Err(Dropped::NotEthernetIpv4);
        }
        let operation = match cursor.u16()? {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => return Err(Dropped::Operation(other)),
        };
        let arp = Self {
            operation,
            sender_mac: MacAddr(cursor.array()?),
            sender_ip: cursor.ipv4()?,
            target_mac: MacAddr(cursor.array()?),
            target_ip: cursor.ipv4()?,
        };
        if arp.sender_mac.is_multicast() { Err(Dropped::GroupSender) } else { Ok(arp) }
    }

    /// Writes the whole frame over what is in `out`, padded to [`MIN_FRAME`]: requests to everybody, a reply to who
    /// asked.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.clear();
        let destination = match self.operation {
            Operation::Request => MacAddr::BROADCAST,
            Operation::Reply => self.target_mac,
        };
        out.extend_from_slice(&destination.0);
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&ETHERTYPE_ARP.to_be_bytes());
        out.extend_from_slice(&ETHERNET_IPV4);
        out.extend_from_slice(&(self.operation as u16).to_be_bytes());
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&self.sender_ip.octets());
        out.extend_from_slice(&self.target_mac.0);
        out.extend_from_slice(&self.target_ip.octets());
        out.resize(MIN_FRAME, 0);
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects)]
mod tests {
    use super::*;

    const OURS: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const THEIRS: MacAddr = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    const OUR_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
    const THEIR_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 100);

    /// The recipe of a probe, byte by byte (RFC 826, RFC 5227 §2.1.1).
    fn probe_frame() -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend_from_slice(&[0x52, 0x54, 0, 0, 0, 1, 0x08, 0x06]);
        frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend_from_slice(&[0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0]);
        frame.extend_from_slice(&[0, 0, 0, 0, 0, 0, 192, 168, 77, 100]);
        frame.resize(60, 0);
        frame
    }

    fn emitted(arp: &Arp) -> Vec<u8> {
        // What stood there before must not show through.
        let mut frame = vec![0xa5; 200];
        arp.emit(&mut frame);
        frame
    }

    #[test]
    fn a_probe_is_the_recipe_and_claims_no_address() {
        let probe = Arp::probe(OURS, THEIR_IP);
        assert!(probe.is_probe());
        assert_eq!(emitted(&probe), probe_frame());
        assert_eq!(Arp::parse(&probe_frame()), Ok(probe));
    }

    #[test]
    fn a_reply_goes_to_who_asked_with_the_address_it_asked_for() {
        let request = Arp::request(THEIRS, THEIR_IP, OUR_IP);
        assert!(!request.is_probe());
        let reply = Arp::reply(OURS, &request);
        let frame = emitted(&reply);
        assert_eq!(&frame[..6], THEIRS.0);
        assert_eq!(&frame[6..12], OURS.0);
        assert_eq!(&frame[20..22], [0, 2]);
        assert_eq!(&frame[22..28], OURS.0);
        assert_eq!(&frame[28..32], OUR_IP.octets());
        assert_eq!(&frame[32..38], THEIRS.0);
        assert_eq!(&frame[38..42], THEIR_IP.octets());
        assert_eq!(Arp::parse(&frame), Ok(reply));
        assert!(!reply.is_probe());
        assert_eq!(emitted(&request)[..6], MacAddr::BROADCAST.0);
    }

    #[test]
    fn a_probe_is_answered_to_nobodys_address() {
        let reply = Arp::reply(OURS, &Arp::probe(THEIRS, OUR_IP));
        assert_eq!((reply.target_mac, reply.target_ip), (THEIRS, Ipv4Addr::UNSPECIFIED));
        assert_eq!(reply.sender_ip, OUR_IP);
    }

    #[test]
    fn padding_does_not_count_whatever_it_holds() {
        let arp = Arp::probe(OURS, THEIR_IP);
        let mut frame = emitted(&arp);
        frame[42..].fill(0xee);
        assert_eq!(Arp::parse(&frame), Ok(arp));
        // As a packet socket sees frames of a virtual card, which pads nothing.
        assert_eq!(Arp::parse(&frame[..42]), Ok(arp));
        frame.resize(1514, 0xee);
        assert_eq!(Arp::parse(&frame), Ok(arp));
    }

    #[test]
    fn what_is_not_arp_for_ipv4_over_ethernet_is_dropped_by_name() {
        let cases: [(&str, usize, &[u8], Dropped); 14] = [
            ("802.1Q", 12, &[0x81, 0], Dropped::Vlan),
            ("802.1ad", 12, &[0x88, 0xa8], Dropped::Vlan),
            ("QinQ", 12, &[0x91, 0], Dropped::Vlan),
            ("IPv4", 12, &[8, 0], Dropped::NotArp),
            ("RARP", 12, &[0x80, 0x35], Dropped::NotArp),
            ("hardware type InfiniBand", 14, &[0, 32], Dropped::NotEthernetIpv4),
            ("protocol type IPv6", 16, &[0x86, 0xdd], Dropped::NotEthernetIpv4),
            ("hlen 8", 18, &[8], Dropped::NotEthernetIpv4),
            ("hlen 0", 18, &[0], Dropped::NotEthernetIpv4),
            ("plen 16", 19, &[16], Dropped::NotEthernetIpv4),
            ("operation 0", 20, &[0, 0], Dropped::Operation(0)),
            ("InARP request", 20, &[0, 8], Dropped::Operation(8)),
            ("multicast sender", 22, &[1], Dropped::GroupSender),
            ("broadcast sender", 22, &[0xff; 6], Dropped::GroupSender),
        ];
        for (name, at, bytes, expected) in cases {
            let mut frame = probe_frame();
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Arp::parse(&frame), Err(expected), "{name}");
        }
    }

    #[test]
    fn no_prefix_and_no_changed_byte_panics_and_every_cut_is_named() {
        let frame = probe_frame();
        for length in 0..42 {
            assert!(matches!(Arp::parse(&frame[..length]), Err(Dropped::Malformed(_))), "{length}");
        }
        for position in 0..frame.len() {
            for value in 0..=255 {
                let mut changed = frame.clone();
                changed[position] = value;
                let Ok(arp) = Arp::parse(&changed) else { continue };
                assert_eq!(Arp::parse(&emitted(&arp)), Ok(arp));
            }
        }
    }
}
