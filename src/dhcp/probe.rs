//! Looking for other DHCP servers before we are one (field guide §1.11).

use std::fmt;
use std::net::Ipv4Addr;

use crate::wire::MacAddr;
use crate::wire::dhcp::{BOOT_REPLY, BOOT_REQUEST, FLAG_BROADCAST, MIN_MESSAGE, Message, MessageType};
use crate::wire::dhcp_option::Code;
use crate::wire::frame::Datagram;
use crate::wire::pxe::{SubOptions, VendorClass};

/// What is asked for: enough to see whether the other server also boots machines.
const PARAMETER_LIST: [u8; 8] = [1, 3, 6, 54, 60, 43, 66, 67];

/// The DISCOVER that other servers answer: from our own card, answered by broadcast, so that it is seen whoever we are.
pub fn discover(server_mac: MacAddr, xid: u32) -> Vec<u8> {
    let mut message = Message::new(BOOT_REQUEST);
    message.xid = xid;
    message.flags = FLAG_BROADCAST;
    for (to, from) in message.chaddr.iter_mut().zip(server_mac.0) {
        *to = from;
    }
    message.options.push(Code::MESSAGE_TYPE, &[MessageType::Discover.code()]);
    message.options.push(Code::PARAMETER_LIST, &PARAMETER_LIST);
    let mut bytes = Vec::new();
    // Its length is known and within bounds: emitting cannot fail.
    let _ = message.emit(MIN_MESSAGE, &mut bytes);
    bytes
}

/// Whether a message is such a question: somebody else is about to become a DHCP server here.
pub fn is_question(message: &Message) -> bool {
    message.message_type() == Some(MessageType::Discover)
        && message.options.get(Code::PARAMETER_LIST) == Some(&PARAMETER_LIST)
        && message.options.len() == 2
}

/// A DHCP server that is not us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignServer {
    /// Its identifier (option 54), or else its IP source.
    pub ip: Ipv4Addr,
    /// Its Ethernet address, or its relay's; `None` when only a client spoke of it.
    pub mac: Option<MacAddr>,
    /// The address it offers; `None` from a proxyDHCP server, which offers none.
    pub offered: Option<Ipv4Addr>,
    /// Whether it tells machines what to boot.
    pub has_boot_info: bool,
}

impl fmt::Display for ForeignServer {
    /// `192.168.1.1 (52:54:00:00:00:01), which offers 192.168.1.77 and tells machines what to boot`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if let Some(mac) = self.mac {
            write!(f, " ({mac})")?;
        }
        match (self.offered, self.has_boot_info) {
            (Some(offered), false) => write!(f, ", which offers {offered}"),
            (Some(offered), true) => write!(f, ", which offers {offered} and tells machines what to boot"),
            (None, true) => f.write_str(", which gives no addresses but tells machines what to boot"),
            (None, false) => Ok(()),
        }
    }
}

impl ForeignServer {
    /// Reads an OFFER that answers the probe of `xid`, in a datagram to port 68.
    pub fn from_offer(datagram: &Datagram<'_>, server_mac: MacAddr, xid: u32) -> Option<Self> {
        let message = Message::parse(datagram.payload).ok()?;
        let answers_us = datagram.dst_port == 68
            && datagram.src_mac != server_mac
            && message.op == BOOT_REPLY
            && message.xid == xid
            && message.ethernet_chaddr() == Some(server_mac)
            && message.message_type() == Some(MessageType::Offer);
        answers_us.then(|| Self::from_message(&message, datagram.src_mac, datagram.src_ip))
    }

    /// Reads what any server's message says about the server; for those that turn up later.
    pub fn from_message(message: &Message, src_mac: MacAddr, src_ip: Ipv4Addr) -> Self {
        let options = &message.options;
        let is_pxe = options.get(Code::VENDOR_CLASS).is_some_and(|class| {
            matches!(VendorClass::from_option(class), VendorClass::Pxe | VendorClass::Http)
        });
        let has_control = options
            .get(Code::VENDOR_INFO)
            .is_some_and(|info| is_pxe && SubOptions::new(info).next().is_some());
        let has_file = options.has(Code::BOOT_FILE) || !message.file_name().is_empty();
        Self {
            ip: options.ipv4(Code::SERVER_ID).filter(|ip| !ip.is_unspecified()).unwrap_or(src_ip),
            mac: Some(src_mac),
            offered: (!message.yiaddr.is_unspecified()).then_some(message.yiaddr),
            has_boot_info: has_file || is_pxe || has_control,
        }
    }
}
