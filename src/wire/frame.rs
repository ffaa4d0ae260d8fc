//! Ethernet II, IPv4 and UDP round a payload (IEEE 802.3, RFC 791, RFC 768).

use std::fmt;
use std::net::Ipv4Addr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv4HeaderSlice, TcpHeaderSlice,
    UdpHeader, UdpSlice,
};

use super::{MacAddr, Malformed};

/// The shortest Ethernet frame without its check sequence (IEEE 802.3 §3.2.8).
pub const MIN_FRAME: usize = 60;

/// The most UDP payload that fits an unfragmented packet on Ethernet (MTU 1500).
pub const MAX_PAYLOAD: usize = 1472;

/// Whether the UDP checksum in a received frame can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It came over a wire: verify it.
    Verify,
    /// The sender is on this computer and left it to a network card that never saw the frame (`TP_STATUS_CSUMNOTREADY`
    /// of packet(7)): do not look at it.
    NotReady,
}

/// One UDP datagram with its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// Ethernet destination.
    pub dst_mac: MacAddr,
    /// IPv4 source.
    pub src_ip: Ipv4Addr,
    /// IPv4 destination.
    pub dst_ip: Ipv4Addr,
    /// UDP source port.
    pub src_port: u16,
    /// UDP destination port.
    pub dst_port: u16,
    /// What the datagram carries.
    pub payload: &'a [u8],
}

/// The beginning of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syn {
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// IPv4 source.
    pub src_ip: Ipv4Addr,
    /// TCP source port.
    pub src_port: u16,
    /// TCP destination port.
    pub dst_port: u16,
}

/// Reads a frame that may be the first packet of a TCP connection; `None` when it is something else.
pub fn parse_syn(bytes: &[u8]) -> Option<Syn> {
    let (ethernet, packet) = Ethernet2Header::from_slice(bytes).ok()?;
    let ip = Ipv4HeaderSlice::from_slice(packet).ok()?;
    if ethernet.ether_type != EtherType::IPV4 || ip.protocol() != IpNumber::TCP || ip.is_fragmenting_payload()
    {
        return None;
    }
    let tcp = TcpHeaderSlice::from_slice(packet.get(ip.slice().len()..)?).ok()?;
    (tcp.syn() && !tcp.ack()).then(|| Syn {
        src_mac: MacAddr(ethernet.source),
        src_ip: ip.source_addr(),
        src_port: tcp.source_port(),
        dst_port: tcp.destination_port(),
    })
}

/// Why a frame is not a datagram for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Carries an 802.1Q or 802.1ad tag: it belongs to another network.
    Vlan,
    /// Not IPv4.
    NotIpv4,
    /// Not UDP.
    NotUdp,
    /// A fragment of a packet; firmware never sends any.
    Fragment,
    /// Lengths or versions that cannot be.
    Malformed(Malformed),
    /// The checksum of the IPv4 header is wrong.
    BadIpChecksum,
    /// The UDP checksum is wrong.
    BadUdpChecksum,
}

impl Dropped {
    /// A short stable word to count by.
    pub fn key(self) -> &'static str {
        match self {
            Self::Vlan => "vlan",
            Self::NotIpv4 => "not-ipv4",
            Self::NotUdp => "not-udp",
            Self::Fragment => "fragment",
            Self::Malformed(_) => "malformed-frame",
            Self::BadIpChecksum => "bad-ip-checksum",
            Self::BadUdpChecksum => "bad-udp-checksum",
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan => f.write_str("carries a VLAN tag"),
            Self::NotIpv4 => f.write_str("not IPv4"),
            Self::NotUdp => f.write_str("not UDP"),
            Self::Fragment => f.write_str("an IP fragment"),
            Self::Malformed(malformed) => write!(f, "malformed frame: {malformed}"),
            Self::BadIpChecksum => f.write_str("wrong IP header checksum"),
            Self::BadUdpChecksum => f.write_str("wrong UDP checksum"),
        }
    }
}

impl std::error::Error for Dropped {}

/// Reads a frame as it came from a packet socket, padding after the IPv4 packet included.
///
/// # Errors
/// Why it is dropped.
pub fn parse(bytes: &[u8], checksum: Checksum) -> Result<Datagram<'_>, Dropped> {
    let cut_short = |offset| Dropped::Malformed(Malformed { what: "frame cut short", offset });
    let (ethernet, packet) = Ethernet2Header::from_slice(bytes).map_err(|_| cut_short(0))?;
    match ethernet.ether_type {
        EtherType::IPV4 => {}
        EtherType::VLAN_TAGGED_FRAME | EtherType::PROVIDER_BRIDGING | EtherType::VLAN_DOUBLE_TAGGED_FRAME => {
            return Err(Dropped::Vlan);
        }
        _ => return Err(Dropped::NotIpv4),
    }

    let malformed = |what| Dropped::Malformed(Malformed { what, offset: Ethernet2Header::LEN });
    let ip = Ipv4HeaderSlice::from_slice(packet).map_err(|_| malformed("not an IPv4 header"))?;
    let total_len = usize::from(ip.total_len());
    let header_len = ip.slice().len();
    // Frames are padded to 60 bytes, so more may follow than the packet says, but never less.
    let body = packet.get(header_len..total_len).ok_or(malformed("IPv4 length that lies"))?;
    // Over the bytes as they came: a header taken apart has lost the reserved flag.
    if Sum16BitWords::new().add_slice(ip.slice()).ones_complement() != 0 {
        return Err(Dropped::BadIpChecksum);
    }
    if ip.is_fragmenting_payload() {
        return Err(Dropped::Fragment);
    }
    if ip.protocol() != IpNumber::UDP {
        return Err(Dropped::NotUdp);
    }

    let udp_at = Ethernet2Header::LEN.saturating_add(header_len);
    let lies = Dropped::Malformed(Malformed { what: "UDP length that lies", offset: udp_at });
    let udp = UdpSlice::from_slice(body).map_err(|_| lies)?;
    // A length of 0 means "to the end" in jumbograms only (RFC 2675).
    if udp.length() == 0 {
        return Err(lies);
    }
    if checksum == Checksum::Verify && udp.checksum() != 0 {
        let expected = udp.to_header().calc_checksum_ipv4(&ip.to_header(), udp.payload());
        if expected != Ok(udp.checksum()) {
            return Err(Dropped::BadUdpChecksum);
        }
    }
    Ok(Datagram {
        src_mac: MacAddr(ethernet.source),
        dst_mac: MacAddr(ethernet.destination),
        src_ip: ip.source_addr(),
        dst_ip: ip.destination_addr(),
        src_port: udp.source_port(),
        dst_port: udp.destination_port(),
        payload: udp.payload(),
    })
}

/// Writes a frame over what is in `out`: TTL 64, no DF (it confuses PXE ROMs, dnsmasq CHANGELOG), full UDP checksum,
/// zero padding up to [`MIN_FRAME`].
///
/// `ip_id` is the IPv4 identification; pass a number that goes up and is not 0. 0 becomes 1.
///
/// # Errors
/// The payload is longer than one frame can carry ([`MAX_PAYLOAD`]); `out` is empty then.
pub fn emit(datagram: &Datagram<'_>, ip_id: u16, out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.clear();
    let too_long = Malformed { what: "payload longer than a frame", offset: MAX_PAYLOAD };
    if datagram.payload.len() > MAX_PAYLOAD {
        return Err(too_long);
    }
    let udp_len = datagram.payload.len().saturating_add(UdpHeader::LEN);
    let udp_len = u16::try_from(udp_len).map_err(|_| too_long)?;
    let mut ip =
        Ipv4Header::new(udp_len, 64, IpNumber::UDP, datagram.src_ip.octets(), datagram.dst_ip.octets())
            .map_err(|_| too_long)?;
    ip.identification = ip_id.max(1);
    ip.dont_fragment = false;
    ip.fragment_offset = IpFragOffset::ZERO;
    ip.header_checksum = ip.calc_header_checksum();
    let udp = UdpHeader::with_ipv4_checksum(datagram.src_port, datagram.dst_port, &ip, datagram.payload)
        .map_err(|_| too_long)?;
    let ethernet = Ethernet2Header {
        source: datagram.src_mac.0,
        destination: datagram.dst_mac.0,
        ether_type: EtherType::IPV4,
    };

    out.reserve(MIN_FRAME.max(datagram.payload.len().saturating_add(42)));
    out.extend_from_slice(&ethernet.to_bytes());
    out.extend_from_slice(&ip.to_bytes());
    out.extend_from_slice(&udp.to_bytes());
    out.extend_from_slice(datagram.payload);
    if out.len() < MIN_FRAME {
        out.resize(MIN_FRAME, 0);
    }
    Ok(())
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
