//! What came in, and what is done about it.

use std::fmt;
use std::net::Ipv4Addr;

use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::Client;
use crate::wire::MacAddr;
use crate::wire::dhcp::{Message, MessageType};

use super::destination::Destination;
use super::ladder::{Rung, Shape};
use super::lease::LeaseRecord;

/// Which of our ports a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// 67, the DHCP server.
    Dhcp,
    /// 4011, the PXE boot server (PXE 2.1 §2.2.3).
    BootServer,
}

impl Port {
    /// From the UDP destination port.
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            67 => Some(Self::Dhcp),
            4011 => Some(Self::BootServer),
            _ => None,
        }
    }

    /// The UDP port.
    pub fn number(self) -> u16 {
        match self {
            Self::Dhcp => 67,
            Self::BootServer => 4011,
        }
    }
}

/// A message with the addresses of its frame.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The message.
    pub message: &'a Message,
    /// Ethernet source.
    pub src_mac: MacAddr,
    /// IPv4 source.
    pub src_ip: Ipv4Addr,
    /// UDP source port.
    pub src_port: u16,
    /// IPv4 destination; tells RENEWING from REBINDING.
    pub dst_ip: Ipv4Addr,
    /// Which of our ports it came to.
    pub port: Port,
}

/// What the server made of one message.
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Who asked.
    pub client: Client,
    /// What it asked; `None` for BOOTP and types that are not for us.
    pub asked: Option<MessageType>,
    /// What is done.
    pub verdict: Verdict,
    /// To be made durable before the reply leaves.
    pub commit: Option<LeaseRecord>,
    /// The shape of the boot information, where firmware is choosy.
    pub shape: Option<Shape>,
    /// What is to be told about the machine's way to an offer that it takes.
    pub rung: Option<Rung>,
}

/// What is done about a message.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// This goes out.
    Reply(Reply),
    /// Nothing goes out; something changed.
    Accepted(Accepted),
    /// Nothing goes out yet: whether somebody uses this address has to be asked first (ARP). The message is to be given
    /// to the server again when that is known.
    Check(Ipv4Addr),
    /// Nothing goes out, for this reason.
    Ignored(Ignored),
}

/// A change that needs no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The client gave the address back.
    Released(Ipv4Addr),
    /// The client found the address in use; it is set aside for a while. Right after an ACK of ours to UEFI firmware this
    /// usually means that the firmware did not like the ACK.
    Declined(Ipv4Addr),
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released(address) => write!(f, "released {address}"),
            Self::Declined(address) => write!(f, "declined {address}"),
        }
    }
}

/// What kind of reply it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// An address offered.
    Offer,
    /// Boot information offered beside another server's address.
    ProxyOffer,
    /// BOOTP: an address and a boot file, for good (RFC 951).
    Bootp,
    /// A lease granted, renewed or confirmed.
    Ack,
    /// A request refused.
    Nak,
    /// The answer to INFORM: no address.
    InformAck,
    /// The answer of the boot server on port 4011, or to boot server discovery.
    BootAck,
}

impl ReplyKind {
    /// A short stable word to count by.
    pub fn key(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::ProxyOffer => "proxy-offer",
            Self::Bootp => "bootp",
            Self::Ack => "ack",
            Self::Nak => "nak",
            Self::InformAck => "inform-ack",
            Self::BootAck => "boot-ack",
        }
    }

    /// The message type it has on the wire; BOOTP has none.
    pub fn message_type(self) -> MessageType {
        match self {
            Self::Offer | Self::ProxyOffer | Self::Bootp => MessageType::Offer,
            Self::Nak => MessageType::Nak,
            Self::Ack | Self::InformAck | Self::BootAck => MessageType::Ack,
        }
    }
}

impl fmt::Display for ReplyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "OFFER",
            Self::ProxyOffer => "proxy OFFER",
            Self::Bootp => "BOOTP reply",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::InformAck => "ACK to INFORM",
            Self::BootAck => "boot server ACK",
        })
    }
}

/// A message ready to go into a frame from our addresses.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What kind it is.
    pub kind: ReplyKind,
    /// The address offered or granted; unspecified in the other kinds.
    pub yiaddr: Ipv4Addr,
    /// What the client is told to load.
    pub boot_file: BootFile,
    /// The UDP payload.
    pub message: Vec<u8>,
    /// Where it goes.
    pub destination: Destination,
    /// 67 or 4011.
    pub source_port: u16,
}

/// Why nothing goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// `op` is not BOOTREQUEST.
    NotARequest,
    /// It came from our own interface.
    OwnFrame,
    /// A hardware type and length that do not go together.
    BadHardwareAddress,
    /// More relays than can be (RFC 1542 §4.1.1).
    TooManyHops,
    /// It came through a relay: from another network, for which we have no pool.
    Relayed,
    /// BOOTP for another server: by name, or because we give no addresses.
    Bootp,
    /// We answer nobody.
    Off,
    /// We only tell what to boot, and it did not ask for that.
    NotForProxy,
    /// LEASEQUERY, FORCERENEW, a server's message, or an unknown type.
    MessageType,
    /// Apple's boot protocol.
    AppleBsdp,
    /// More messages from one client than any client sends.
    Flood,
    /// It names another server.
    OtherServer,
    /// It asks to confirm or renew an address, and is not a client of ours.
    Stranger,
    /// It names no address, or one that is not on our network.
    NoAddress,
    /// It speaks of an address that it does not hold.
    NotHolder,
    /// No address is free.
    PoolExhausted,
    /// Strangers hold so many offers that the rest is kept for machines known already.
    TooManyOffers,
    /// It came to the boot server and does not boot from the network.
    NotNetboot,
    /// It came to the boot server and there is nothing for it.
    NoBoot(NoBoot),
    /// Its source address cannot be answered.
    BadSource,
    /// The reply does not fit what the client accepts.
    ReplyTooLong,
}

impl Ignored {
    /// A short stable word to count by.
    pub fn key(self) -> &'static str {
        match self {
            Self::NotARequest => "not-a-request",
            Self::OwnFrame => "own-frame",
            Self::BadHardwareAddress => "bad-hardware-address",
            Self::TooManyHops => "too-many-hops",
            Self::Relayed => "relayed",
            Self::Bootp => "bootp",
            Self::Off => "off",
            Self::NotForProxy => "not-for-proxy",
            Self::MessageType => "message-type",
            Self::AppleBsdp => "apple-bsdp",
            Self::Flood => "flood",
            Self::OtherServer => "other-server",
            Self::Stranger => "stranger",
            Self::NoAddress => "no-address",
            Self::NotHolder => "not-holder",
            Self::PoolExhausted => "pool-exhausted",
            Self::TooManyOffers => "too-many-offers",
            Self::NotNetboot => "not-netboot",
            Self::NoBoot(_) => "no-boot",
            Self::BadSource => "bad-source",
            Self::ReplyTooLong => "reply-too-long",
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotARequest => "not a request",
            Self::OwnFrame => "our own frame",
            Self::BadHardwareAddress => "hardware type and address length do not go together",
            Self::TooManyHops => "passed too many relays",
            Self::Relayed => "relayed from another network",
            Self::Bootp => "BOOTP for another server",
            Self::Off => "DHCP is switched off",
            Self::NotForProxy => "asks for an address, which another server gives",
            Self::MessageType => "message type is not for a server",
            Self::AppleBsdp => "Apple BSDP is not answered",
            Self::Flood => "too many messages from this client",
            Self::OtherServer => "names another DHCP server",
            Self::Stranger => "not a client of ours",
            Self::NoAddress => "names no address of ours",
            Self::NotHolder => "does not hold the address it names",
            Self::PoolExhausted => "no address is free",
            Self::TooManyOffers => "too many offers wait for unknown clients",
            Self::NotNetboot => "does not boot from the network",
            Self::NoBoot(reason) => return write!(f, "nothing to boot: {reason}"),
            Self::BadSource => "its source address cannot be answered",
            Self::ReplyTooLong => "the reply does not fit what it accepts",
        })
    }
}
