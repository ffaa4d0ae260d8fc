//! Ethernet addresses.

use std::fmt;
use std::str::FromStr;

/// A 48-bit Ethernet address, shown as `52:54:00:12:34:56`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// `52-54-00-12-34-56`, the form of PXELINUX and GRUB configuration names and of `BOOTIF=`.
    pub fn hyphenated(self) -> String {
        self.joined('-')
    }

    /// Whether this names a group of stations; no client has such an address (IEEE 802.3 §3.2.3).
    pub fn is_multicast(self) -> bool {
        self.0.first().is_some_and(|byte| byte & 1 == 1)
    }

    fn joined(self, separator: char) -> String {
        let mut text = String::with_capacity(17);
        for (position, byte) in self.0.iter().enumerate() {
            if position > 0 {
                text.push(separator);
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined(':'))
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = super::Malformed;

    /// Reads six two-digit hexadecimal groups joined by `:` or `-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = super::Malformed { what: "not a MAC address", offset: 0 };
        let mut bytes = [0; 6];
        let mut groups = text.split([':', '-']);
        for byte in &mut bytes {
            let group = groups
                .next()
                .filter(|group| group.len() == 2 && group.bytes().all(|digit| digit.is_ascii_hexdigit()))
                .ok_or(malformed)?;
            *byte = u8::from_str_radix(group, 16).map_err(|_| malformed)?;
        }
        match groups.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_written() {
        let mac = MacAddr([0x52, 0x54, 0, 0x0a, 0xb0, 0xff]);
        assert_eq!(mac.to_string(), "52:54:00:0a:b0:ff");
        assert_eq!(mac.hyphenated(), "52-54-00-0a-b0-ff");
        assert_eq!("52:54:00:0A:b0:ff".parse(), Ok(mac));
        assert_eq!("52-54-00-0a-b0-ff".parse(), Ok(mac));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "52:54:00:0a:b0",
            "52:54:00:0a:b0:ff:01",
            "5254000ab0ff",
            "52:54:00:0a:b0:fg",
            "+1:02:03:04:05:06",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
