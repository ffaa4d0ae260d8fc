//! DHCP and BOOTP messages (RFC 2131 §2, RFC 951, RFC 1497, RFC 3396).

use std::fmt;
use std::net::Ipv4Addr;

use super::cursor::Cursor;
use super::dhcp_option::{Code, Options};
use super::{MacAddr, Malformed};

/// `op` of a message from a client.
pub const BOOT_REQUEST: u8 = 1;
/// `op` of a message from a server.
pub const BOOT_REPLY: u8 = 2;
/// `htype` of Ethernet (RFC 1700).
pub const HTYPE_ETHERNET: u8 = 1;
/// The flag of a client that cannot receive unicast yet (RFC 2131 §2, figure 2).
pub const FLAG_BROADCAST: u16 = 0x8000;
/// The shortest message that every client and relay accepts (RFC 1542 §2.1).
pub const MIN_MESSAGE: usize = 300;

const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// What option 53 says (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address, or boot information.
    Offer = 2,
    /// A client takes an offer, or confirms, renews or rebinds a lease.
    Request = 3,
    /// A client found its address in use.
    Decline = 4,
    /// A server grants.
    Ack = 5,
    /// A server refuses.
    Nak = 6,
    /// A client gives its address back.
    Release = 7,
    /// A client that has an address asks for the rest.
    Inform = 8,
}

impl MessageType {
    /// `None` for FORCERENEW (9), LEASEQUERY (10-13) and what is not assigned: none is for us.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            _ => return None,
        })
    }

    /// The value on the wire.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discover => "DISCOVER",
            Self::Offer => "OFFER",
            Self::Request => "REQUEST",
            Self::Decline => "DECLINE",
            Self::Ack => "ACK",
            Self::Nak => "NAK",
            Self::Release => "RELEASE",
            Self::Inform => "INFORM",
        })
    }
}

/// One message. Field names are the RFC's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// [`BOOT_REQUEST`] or [`BOOT_REPLY`].
    pub op: u8,
    /// Hardware type of `chaddr`.
    pub htype: u8,
    /// How many bytes of `chaddr` count, at most 16; 0 over InfiniBand (RFC 4390).
    pub hlen: u8,
    /// Relays passed.
    pub hops: u8,
    /// Transaction id.
    pub xid: u32,
    /// Seconds since the client started.
    pub secs: u16,
    /// [`FLAG_BROADCAST`].
    pub flags: u16,
    /// The client's address, when it can answer ARP for it.
    pub ciaddr: Ipv4Addr,
    /// "Your" address: offered or assigned.
    pub yiaddr: Ipv4Addr,
    /// Next server: where the boot file is.
    pub siaddr: Ipv4Addr,
    /// The relay.
    pub giaddr: Ipv4Addr,
    /// Client hardware address, all 16 bytes as sent.
    pub chaddr: [u8; 16],
    /// Server host name; zeros when it carried options.
    pub sname: [u8; 64],
    /// Boot file name; zeros when it carried options.
    pub file: [u8; 128],
    /// Whether the magic cookie was there. Without it there are no options and this is BOOTP (RFC 951).
    pub has_cookie: bool,
    /// The options, those from an overloaded `file` and `sname` included.
    pub options: Options,
}

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// Longer than the budget, by this many bytes.
    OverBudget(usize),
    /// An option of more than 255 bytes would have to be split, which clients do not understand.
    OptionTooLong(Code),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverBudget(bytes) => write!(f, "message is {bytes} bytes longer than the client accepts"),
            Self::OptionTooLong(code) => write!(f, "option {code} is longer than 255 bytes"),
        }
    }
}

impl std::error::Error for EmitError {}

impl Message {
    /// A message with nothing in it but `op`, Ethernet as hardware type, and the cookie.
    pub fn new(op: u8) -> Self {
        Self {
            op,
            htype: HTYPE_ETHERNET,
            hlen: 6,
            hops: 0,
            xid: 0,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            siaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: [0; 16],
            sname: [0; 64],
            file: [0; 128],
            has_cookie: true,
            options: Options::new(),
        }
    }

    /// Reads a UDP payload, as tolerantly as firmware needs: a missing END, junk after the options and a truncated
    /// option are accepted; options before it count.
    ///
    /// # Errors
    /// Shorter than the fixed part of 236 bytes, or a hardware address longer than its field.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(payload);
        let mut message = Self::new(cursor.u8()?);
        message.htype = cursor.u8()?;
        let hlen_at = cursor.malformed("hardware address longer than 16 bytes");
        message.hlen = cursor.u8()?;
        message.hops = cursor.u8()?;
        message.xid = cursor.u32()?;
        message.secs = cursor.u16()?;
        message.flags = cursor.u16()?;
        message.ciaddr = cursor.ipv4()?;
        message.yiaddr = cursor.ipv4()?;
        message.siaddr = cursor.ipv4()?;
        message.giaddr = cursor.ipv4()?;
        message.chaddr = cursor.array()?;
        message.sname = cursor.array()?;
        message.file = cursor.array()?;
        if message.hlen > 16 {
            return Err(hlen_at);
        }
        message.has_cookie = cursor.array() == Ok(COOKIE);
        if message.has_cookie {
            let overload = read_options(cursor, &mut message.options);
            message.read_overloaded(overload);
        }
        Ok(message)
    }

    /// Options in `file`, then in `sname` (RFC 2131 §4.1, RFC 3396 §5). An overload option inside them does not count.
    fn read_overloaded(&mut self, overload: u8) {
        if overload & 1 != 0 {
            let file = std::mem::replace(&mut self.file, [0; 128]);
            read_options(Cursor::new(&file), &mut self.options);
        }
        if overload & 2 != 0 {
            let sname = std::mem::replace(&mut self.sname, [0; 64]);
            read_options(Cursor::new(&sname), &mut self.options);
        }
    }

    /// What option 53 says; `None` for BOOTP and for types that are not for us.
    pub fn message_type(&self) -> Option<MessageType> {
        MessageType::from_code(self.options.u8(Code::MESSAGE_TYPE)?)
    }

    /// Whether this is BOOTP: no cookie, or no message type (RFC 1534).
    pub fn is_bootp(&self) -> bool {
        !self.options.has(Code::MESSAGE_TYPE)
    }

    /// Whether the client asks for broadcast replies.
    pub fn wants_broadcast(&self) -> bool {
        self.flags & FLAG_BROADCAST != 0
    }

    /// The Ethernet address in `chaddr`, if that is what it holds.
    pub fn ethernet_chaddr(&self) -> Option<MacAddr> {
        let is_ethernet = self.htype == HTYPE_ETHERNET && self.hlen == 6;
        is_ethernet.then(|| self.chaddr.first_chunk().copied().map(MacAddr)).flatten()
    }

    /// The boot file name in `file`, up to its NUL.
    pub fn file_name(&self) -> &[u8] {
        until_nul(&self.file)
    }

    /// The server name in `sname`, up to its NUL.
    pub fn server_name(&self) -> &[u8] {
        until_nul(&self.sname)
    }

    /// Writes the message over what is in `out`: options in their order except 82, which comes last (RFC 3046 §2.2),
    /// END, zeros up to [`MIN_MESSAGE`] bytes.
    ///
    /// A zero byte follows options 60 and 67: GRUB compares 60 as a C string, and some ROMs read past the end of 67.
    ///
    /// # Errors
    /// An option is too long, or all of it is longer than `budget` bytes. `out` is empty then.
    pub fn emit(&self, budget: usize, out: &mut Vec<u8>) -> Result<(), EmitError> {
        out.clear();
        if let Some((code, _)) = self.options.iter().find(|(_, data)| data.len() > 255) {
            return Err(EmitError::OptionTooLong(code));
        }
        out.reserve(MIN_MESSAGE.max(budget.min(1472)));
        out.extend_from_slice(&[self.op, self.htype, self.hlen, self.hops]);
        out.extend_from_slice(&self.xid.to_be_bytes());
        out.extend_from_slice(&self.secs.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            out.extend_from_slice(&address.octets());
        }
        out.extend_from_slice(&self.chaddr);
        out.extend_from_slice(&self.sname);
        out.extend_from_slice(&self.file);
        if self.has_cookie {
            out.extend_from_slice(&COOKIE);
            for (code, data) in self.options.iter().filter(|&(code, _)| code != Code::RELAY_AGENT) {
                write_option(code, data, out);
            }
            if let Some(data) = self.options.get(Code::RELAY_AGENT) {
                write_option(Code::RELAY_AGENT, data, out);
            }
            out.push(Code::END.0);
        }
        let length = out.len();
        if length > budget {
            out.clear();
            return Err(EmitError::OverBudget(length.saturating_sub(budget)));
        }
        if length < MIN_MESSAGE {
            out.resize(MIN_MESSAGE, 0);
        }
        Ok(())
    }
}

fn write_option(code: Code, data: &[u8], out: &mut Vec<u8>) {
    let Ok(len) = u8::try_from(data.len()) else { return };
    out.extend_from_slice(&[code.0, len]);
    out.extend_from_slice(data);
    if matches!(code, Code::VENDOR_CLASS | Code::BOOT_FILE) {
        out.push(Code::PAD.0);
    }
}

/// Reads options until END, the end, or one that is cut short. Returns the overload bits seen (RFC 2132 §9.3).
fn read_options(mut cursor: Cursor<'_>, options: &mut Options) -> u8 {
    let mut overload = 0;
    while let Ok(code) = cursor.u8().map(Code) {
        match code {
            Code::PAD => continue,
            Code::END => break,
            _ => {}
        }
        let Ok(data) = cursor.u8().and_then(|len| cursor.take(usize::from(len))) else { break };
        match (code, data) {
            (Code::OVERLOAD, &[bits]) => overload = bits,
            _ => options.push(code, data),
        }
    }
    overload
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
#[path = "dhcp_tests.rs"]
mod tests;
