//! Where a reply goes (RFC 2131 §4.1).

use std::net::Ipv4Addr;

use crate::wire::MacAddr;

use super::reaction::{Port, Received, ReplyKind};

const CLIENT_PORT: u16 = 68;
const SERVER_PORT: u16 = 67;

/// The addresses of an outgoing frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Ethernet destination.
    pub mac: MacAddr,
    /// IPv4 destination.
    pub ip: Ipv4Addr,
    /// UDP destination port.
    pub port: u16,
}

impl Destination {
    /// To everybody on this network. Never the directed broadcast, which UEFI does not accept (PyPXE issue 190).
    pub const BROADCAST: Self = Self { mac: MacAddr::BROADCAST, ip: Ipv4Addr::BROADCAST, port: CLIENT_PORT };
}

/// Where the reply to `received` goes. `yiaddr` is the address it offers or grants, unspecified if none.
///
/// No ARP is needed for any of them: a client without an address cannot answer it, and the others are known by their
/// frame.
pub fn destination(kind: ReplyKind, received: &Received<'_>, yiaddr: Ipv4Addr) -> Destination {
    let request = received.message;
    let back = |ip, port| Destination { mac: received.src_mac, ip, port };
    if !request.giaddr.is_unspecified() {
        return back(request.giaddr, SERVER_PORT);
    }
    // Beside another server a client has no address yet, and may not take unicast to none (PXE 2.1 §2.2.3).
    if matches!(kind, ReplyKind::Nak | ReplyKind::ProxyOffer) {
        return Destination::BROADCAST;
    }
    if kind == ReplyKind::BootAck {
        // Boot server discovery may be broadcast to port 67, and asks for a broadcast answer then.
        return match received.port {
            Port::Dhcp if request.wants_broadcast() => {
                Destination { port: received.src_port, ..Destination::BROADCAST }
            }
            _ => back(received.src_ip, received.src_port),
        };
    }
    // The `ciaddr` of a DISCOVER is not to be trusted; that of the others is where the client lives.
    if kind != ReplyKind::Offer && !request.ciaddr.is_unspecified() {
        return back(request.ciaddr, CLIENT_PORT);
    }
    if kind == ReplyKind::InformAck && !received.src_ip.is_unspecified() {
        return back(received.src_ip, CLIENT_PORT);
    }
    match request.ethernet_chaddr() {
        Some(chaddr) if !request.wants_broadcast() && !yiaddr.is_unspecified() => {
            Destination { mac: chaddr, ip: yiaddr, port: CLIENT_PORT }
        }
        _ => Destination::BROADCAST,
    }
}
