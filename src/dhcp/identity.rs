//! By what a client is known: its hardware address.
//!
//! Not option 61: firmware, iPXE, GRUB, dracut and the installed system all send different ones from the same port, and
//! cloned machines send the same one (field guide §1.6).

use std::fmt;

use crate::wire::MacAddr;
use crate::wire::dhcp::{HTYPE_ETHERNET, Message};
use crate::wire::dhcp_option::Code;

/// The key of a lease.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Identity {
    /// `htype` and the bytes of `chaddr` that count.
    Hardware {
        /// Hardware type; 1 is Ethernet.
        htype: u8,
        /// How many bytes count, 1 to 16.
        len: u8,
        /// The address; zeros after `len`.
        chaddr: [u8; 16],
    },
    /// Option 61, for clients without a hardware address (IP over InfiniBand, RFC 4390).
    ClientId(Box<[u8]>),
    /// Option 97, for those without an option 61 either.
    MachineId(Box<[u8]>),
}

impl Identity {
    /// That of an Ethernet card.
    pub fn ethernet(mac: MacAddr) -> Self {
        Self::from_chaddr(HTYPE_ETHERNET, &mac.0)
    }

    /// Who sent a message; `None` when it says nothing to know it by.
    pub fn from_message(message: &Message) -> Option<Self> {
        let counted = message.chaddr.get(..usize::from(message.hlen))?;
        if !counted.is_empty() {
            return Some(Self::from_chaddr(message.htype, counted));
        }
        let option = |code| message.options.get(code).filter(|data| !data.is_empty() && data.len() <= 255);
        let client_id = option(Code::CLIENT_ID).map(|data| Self::ClientId(data.into()));
        client_id.or_else(|| option(Code::CLIENT_UUID).map(|data| Self::MachineId(data.into())))
    }

    /// The Ethernet address, if it is one.
    pub fn mac(&self) -> Option<MacAddr> {
        match self {
            Self::Hardware { htype: HTYPE_ETHERNET, len: 6, chaddr } => {
                chaddr.first_chunk().copied().map(MacAddr)
            }
            _ => None,
        }
    }

    /// A number that is the same in every run and every version: it chooses the address a machine gets, so that a
    /// lost lease file changes nothing (FNV-1a, 64 bits).
    pub fn hash(&self) -> u64 {
        let (kind, bytes) = self.parts();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for &byte in [kind].iter().chain(bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash
    }

    fn from_chaddr(htype: u8, counted: &[u8]) -> Self {
        let mut chaddr = [0; 16];
        let mut len = 0u8;
        for (to, &from) in chaddr.iter_mut().zip(counted) {
            *to = from;
            len = len.saturating_add(1);
        }
        Self::Hardware { htype, len, chaddr }
    }

    fn parts(&self) -> (u8, &[u8]) {
        match self {
            Self::Hardware { htype, len, chaddr } => {
                (*htype, chaddr.get(..usize::from(*len)).unwrap_or_default())
            }
            Self::ClientId(bytes) => (0, bytes),
            Self::MachineId(bytes) => (0, bytes),
        }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn from_text(text: &str) -> Option<Self> {
        if let Ok(mac) = text.parse() {
            return Some(Self::ethernet(mac));
        }
        let (kind, digits) = text.split_once('=')?;
        let bytes = from_hex(digits).filter(|bytes| !bytes.is_empty() && bytes.len() <= 255)?;
        match kind.strip_prefix("hw") {
            Some(htype) if bytes.len() <= 16 => Some(Self::from_chaddr(htype.parse().ok()?, &bytes)),
            Some(_) => None,
            None if kind == "id" => Some(Self::ClientId(bytes.into())),
            None if kind == "uuid" => Some(Self::MachineId(bytes.into())),
            None => None,
        }
    }
}

impl fmt::Display for Identity {
    /// `52:54:00:12:34:56`, or `hw32=…`, `id=…`, `uuid=…` with hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mac) = self.mac() {
            return mac.fmt(f);
        }
        match self {
            Self::Hardware { htype, .. } => write!(f, "hw{htype}=")?,
            Self::ClientId(_) => f.write_str("id=")?,
            Self::MachineId(_) => f.write_str("uuid=")?,
        }
        self.parts().1.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
            let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(text, 16).ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d47_without_a_hardware_address_option_61_then_97_is_the_key() {
        let mut message = Message::new(1);
        message.htype = 32;
        message.hlen = 0;
        assert_eq!(Identity::from_message(&message), None);
        message.options.push(Code::CLIENT_UUID, &[0, 1, 2]);
        assert_eq!(Identity::from_message(&message), Some(Identity::MachineId([0, 1, 2].into())));
        message.options.push(Code::CLIENT_ID, &[255, 9]);
        assert_eq!(Identity::from_message(&message), Some(Identity::ClientId([255, 9].into())));
        message.hlen = 16;
        message.chaddr = [7; 16];
        let hardware = Identity::Hardware { htype: 32, len: 16, chaddr: [7; 16] };
        assert_eq!(Identity::from_message(&message), Some(hardware));
    }

    #[test]
    fn the_text_form_makes_the_round_trip() {
        let identities = [
            (Identity::ethernet(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56])), "52:54:00:12:34:56"),
            (Identity::from_chaddr(32, &[0xab; 3]), "hw32=ababab"),
            (Identity::ClientId([255, 0].into()), "id=ff00"),
            (Identity::MachineId([0, 1].into()), "uuid=0001"),
        ];
        for (identity, text) in identities {
            assert_eq!(identity.to_string(), text);
            assert_eq!(Identity::from_text(text), Some(identity));
        }
        for text in ["", "id=", "id=f", "id=+f", "hw=00", "hw1=", "hw256=00", "x=00", "id=é1"] {
            assert_eq!(Identity::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn d48_the_hash_is_fnv_1a_and_never_changes() {
        // FNV-1a of the bytes 01 52 54 00 12 34 56, computed with another program.
        let identity = Identity::ethernet(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert_eq!(identity.hash(), 0x5295_f37b_b876_30f2);
    }
}
