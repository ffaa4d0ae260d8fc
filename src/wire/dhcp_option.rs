//! DHCP options (RFC 2132 and the ones PXE, iPXE and relays add): codes, names for logs, and a list of them.

use std::fmt;
use std::net::Ipv4Addr;

/// Most bytes one option may have after its repetitions are joined (RFC 3396); more is left out.
pub const MAX_OPTION: usize = 1024;

/// The code of an option.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

/// Makes the constants and their names from one table, so that they cannot disagree.
macro_rules! codes {
    ($($constant:ident = $code:literal, $name:literal, $source:literal;)*) => {
        impl Code {
            $(
                #[doc = concat!($name, " (", $source, ").")]
                pub const $constant: Self = Self($code);
            )*

            /// The option's name in logs; `None` for one we have no use for.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    PAD = 0, "pad", "RFC 2132 §3.1";
    SUBNET_MASK = 1, "subnet mask", "RFC 2132 §3.3";
    ROUTER = 3, "router", "RFC 2132 §3.5";
    DNS = 6, "domain name server", "RFC 2132 §3.8";
    HOST_NAME = 12, "host name", "RFC 2132 §3.14";
    DOMAIN = 15, "domain name", "RFC 2132 §3.17";
    ROOT_PATH = 17, "root path", "RFC 2132 §3.19";
    MTU = 26, "interface MTU", "RFC 2132 §5.1";
    BROADCAST = 28, "broadcast address", "RFC 2132 §5.3";
    NTP = 42, "NTP server", "RFC 2132 §8.3";
    VENDOR_INFO = 43, "vendor information", "RFC 2132 §8.4";
    REQUESTED_IP = 50, "requested address", "RFC 2132 §9.1";
    LEASE_TIME = 51, "lease time", "RFC 2132 §9.2";
    OVERLOAD = 52, "option overload", "RFC 2132 §9.3";
    MESSAGE_TYPE = 53, "message type", "RFC 2132 §9.6";
    SERVER_ID = 54, "server identifier", "RFC 2132 §9.7";
    PARAMETER_LIST = 55, "parameter request list", "RFC 2132 §9.8";
    MESSAGE = 56, "message", "RFC 2132 §9.9";
    MAX_SIZE = 57, "maximum message size", "RFC 2132 §9.10";
    T1 = 58, "renewal time", "RFC 2132 §9.11";
    T2 = 59, "rebinding time", "RFC 2132 §9.12";
    VENDOR_CLASS = 60, "vendor class", "RFC 2132 §9.13";
    CLIENT_ID = 61, "client identifier", "RFC 2132 §9.14";
    TFTP_SERVER = 66, "TFTP server name", "RFC 2132 §9.4";
    BOOT_FILE = 67, "boot file name", "RFC 2132 §9.5";
    USER_CLASS = 77, "user class", "RFC 3004";
    RELAY_AGENT = 82, "relay agent information", "RFC 3046";
    CLIENT_ARCH = 93, "client system architecture", "RFC 4578 §2.1";
    CLIENT_UNDI = 94, "client network interface", "RFC 4578 §2.2";
    CLIENT_UUID = 97, "client machine identifier", "RFC 4578 §2.3";
    SUBNET_SELECTION = 118, "subnet selection", "RFC 3011";
    DOMAIN_SEARCH = 119, "domain search", "RFC 3397";
    TFTP_SERVER_ADDRESS = 150, "TFTP server address", "RFC 5859";
    IPXE = 175, "iPXE options", "iPXE include/ipxe/dhcp.h";
    PXELINUX_CONFIG = 209, "configuration file", "RFC 5071 §4";
    PXELINUX_PREFIX = 210, "path prefix", "RFC 5071 §5";
    END = 255, "end", "RFC 2132 §3.2";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where one option's bytes are in [`Options::bytes`].
#[derive(Clone, Copy)]
struct Slot {
    code: Code,
    start: usize,
    len: usize,
}

/// Options in their order, each code at most once. Two allocations, however many there are.
#[derive(Clone, Default)]
pub struct Options {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Options {
    /// None, with room for what a reply usually has.
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(192), slots: Vec::with_capacity(24) }
    }

    /// Adds an option at the end, or joins `data` to what the option of that code has already (RFC 3396), up to
    /// [`MAX_OPTION`]. PAD, END and the overload option are not options in this list: they are ignored.
    pub fn push(&mut self, code: Code, data: &[u8]) {
        if matches!(code, Code::PAD | Code::END | Code::OVERLOAD) {
            return;
        }
        let start = self.bytes.len();
        match self.slots.iter_mut().find(|slot| slot.code == code) {
            None => {
                let data = data.get(..MAX_OPTION).unwrap_or(data);
                self.bytes.extend_from_slice(data);
                self.slots.push(Slot { code, start, len: data.len() });
            }
            Some(slot) => {
                let end = slot.start.saturating_add(slot.len);
                let room = MAX_OPTION.saturating_sub(slot.len);
                let data = data.get(..room).unwrap_or(data);
                if end != start {
                    self.bytes.extend_from_within(slot.start..end);
                    slot.start = start;
                }
                self.bytes.extend_from_slice(data);
                slot.len = slot.len.saturating_add(data.len());
            }
        }
    }

    /// Adds an address.
    pub fn push_ipv4(&mut self, code: Code, address: Ipv4Addr) {
        self.push(code, &address.octets());
    }

    /// Adds a 32-bit number.
    pub fn push_u32(&mut self, code: Code, number: u32) {
        self.push(code, &number.to_be_bytes());
    }

    /// Takes an option out; whether it was there.
    pub fn remove(&mut self, code: Code) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| slot.code != code);
        self.slots.len() != before
    }

    /// The bytes of an option.
    pub fn get(&self, code: Code) -> Option<&[u8]> {
        self.slots.iter().find(|slot| slot.code == code).and_then(|slot| self.data(slot))
    }

    /// Whether the option is there.
    pub fn has(&self, code: Code) -> bool {
        self.get(code).is_some()
    }

    /// An option of one byte; `None` when it has another length.
    pub fn u8(&self, code: Code) -> Option<u8> {
        self.fixed(code).map(u8::from_be_bytes)
    }

    /// An option of two bytes; `None` when it has another length.
    pub fn u16(&self, code: Code) -> Option<u16> {
        self.fixed(code).map(u16::from_be_bytes)
    }

    /// An option of four bytes; `None` when it has another length.
    pub fn u32(&self, code: Code) -> Option<u32> {
        self.fixed(code).map(u32::from_be_bytes)
    }

    /// An option holding one address; `None` when it has another length.
    pub fn ipv4(&self, code: Code) -> Option<Ipv4Addr> {
        self.fixed::<4>(code).map(Ipv4Addr::from)
    }

    /// Each option with its bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Code, &[u8])> {
        self.slots.iter().filter_map(|slot| Some((slot.code, self.data(slot)?)))
    }

    /// How many options there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn fixed<const N: usize>(&self, code: Code) -> Option<[u8; N]> {
        self.get(code)?.try_into().ok()
    }

    fn data(&self, slot: &Slot) -> Option<&[u8]> {
        self.bytes.get(slot.start..slot.start.checked_add(slot.len)?)
    }
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Options {}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_and_repetitions_are_joined() {
        let mut options = Options::new();
        options.push(Code::USER_CLASS, b"iP");
        options.push(Code::CLIENT_ID, b"\x01");
        options.push(Code::USER_CLASS, b"XE");
        options.push(Code::PAD, b"");
        options.push(Code::END, b"");
        options.push(Code::OVERLOAD, b"\x01");
        let listed: Vec<_> = options.iter().collect();
        assert_eq!(listed, [(Code::USER_CLASS, &b"iPXE"[..]), (Code::CLIENT_ID, &b"\x01"[..])]);
        assert!(options.remove(Code::USER_CLASS));
        assert!(!options.remove(Code::USER_CLASS));
        assert_eq!(options.get(Code::CLIENT_ID), Some(&b"\x01"[..]));
    }

    #[test]
    fn d11_a_repeated_option_is_joined_up_to_a_cap() {
        let mut options = Options::new();
        for _ in 0..40 {
            options.push(Code::VENDOR_INFO, &[7; 255]);
            options.push(Code::DOMAIN, b"x");
        }
        assert_eq!(options.get(Code::VENDOR_INFO).map(<[u8]>::len), Some(MAX_OPTION));
        assert_eq!(options.get(Code::DOMAIN).map(<[u8]>::len), Some(40));
    }

    #[test]
    fn typed_reads_check_the_length() {
        let mut options = Options::new();
        options.push(Code::REQUESTED_IP, &[192, 168, 1]);
        options.push(Code::MAX_SIZE, &[5, 0xc0]);
        options.push(Code::HOST_NAME, b"");
        assert_eq!(options.ipv4(Code::REQUESTED_IP), None);
        assert_eq!(options.u16(Code::MAX_SIZE), Some(1472));
        assert_eq!(options.u32(Code::MAX_SIZE), None);
        assert_eq!(options.u8(Code::HOST_NAME), None);
        assert!(options.has(Code::HOST_NAME));
        assert!(!options.has(Code::DOMAIN));
    }

    #[test]
    fn codes_have_names() {
        assert_eq!(Code(60).to_string(), "60 (vendor class)");
        assert_eq!(Code(224).to_string(), "224");
    }
}
