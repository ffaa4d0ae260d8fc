//! What a client asks for, settled.

use std::time::Duration;

use super::transfer::{Patience, RollOver, Terms};
use crate::content::name::{BadName, from_boot_rom, normalise, with_backslashes};
use crate::wire::tftp::{self, ErrorCode};

/// Block length without the option (RFC 1350 §2).
const DEFAULT_BLOCK: u16 = 512;

/// Shortest block that can be asked for (RFC 2348); the longest fits no Ethernet.
const MIN_BLOCK: u16 = 8;

/// IP, UDP and TFTP headers: 20 + 8 + 4 bytes. Boot ROMs cannot put fragments together.
const HEADERS: u16 = 32;

/// What every Ethernet card takes (RFC 894).
const ETHERNET_MTU: u16 = 1500;

/// The most blocks in flight: a card's queue is no longer, and what is lost in it is sent again.
pub const MAX_WINDOW: u16 = 64;

/// How bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As they are.
    Octet,
    /// As text ([`super::netascii`]).
    Netascii,
}

/// An option we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Granted {
    /// The file's length is wanted.
    Size,
    Block(u16),
    Timeout(u8),
    Window(u16),
}

/// A request that can be served, if there is such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The name, normalised.
    pub name: Vec<u8>,
    /// The name to be tried before, where it has backslashes: files may have them in their names.
    pub with_backslashes: Option<Vec<u8>>,
    /// How to send.
    pub mode: Mode,
    /// Bytes in each block but the last.
    pub block_len: u16,
    /// Blocks sent before an acknowledgement is waited for.
    pub window: u16,
    /// How long to wait for one, if the client says.
    pub timeout: Option<Duration>,
    granted: Vec<Granted>,
}

/// Block lengths that the Raspberry Pi's boot ROMs ask for, after `tsize` and with nothing else. GRUB's 1024 comes before
/// its `tsize`, other ROMs ask for other lengths.
const RASPBERRY_PI_BLOCKS: [u16; 2] = [1024, 1468];

/// Why a request is not served, as it is told to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The name cannot mean anything.
    Name(BadName),
    /// Neither `octet` nor `netascii`.
    Mode,
}

impl Rejected {
    /// The number and the words of the ERROR packet.
    pub fn to_error(self) -> (ErrorCode, String) {
        match self {
            Self::Name(reason) => (ErrorCode::AccessViolation, reason.to_string()),
            Self::Mode => (ErrorCode::IllegalOperation, "ask in mode octet".to_owned()),
        }
    }
}

impl Wish {
    /// Settles a request for a link of `mtu` bytes. Options that are unknown or make no sense are ignored (RFC 2347 §2).
    ///
    /// # Errors
    /// When it cannot be served whatever files there are.
    pub fn from_request(request: &tftp::Request<'_>, mtu: u32) -> Result<Self, Rejected> {
        let mode = match request.mode {
            mode if mode.eq_ignore_ascii_case(b"octet") || mode.eq_ignore_ascii_case(b"binary") => {
                Mode::Octet
            }
            mode if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
            _ => return Err(Rejected::Mode),
        };
        let meant = from_boot_rom(request.name);
        let mut wish = Self {
            name: normalise(meant).map_err(Rejected::Name)?,
            with_backslashes: with_backslashes(meant),
            mode,
            block_len: DEFAULT_BLOCK,
            window: 1,
            timeout: None,
            granted: Vec::new(),
        };
        // A link that carries more does not say that the machine's boot ROM takes more.
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX).min(ETHERNET_MTU);
        let longest = mtu.saturating_sub(HEADERS).max(DEFAULT_BLOCK);
        for (option, value) in request.options.iter() {
            if let Some(granted) = grant(option, value, longest) {
                wish.apply(granted);
            }
        }
        Ok(wish)
    }

    /// The first of each option counts; a second one would be answered twice.
    fn apply(&mut self, granted: Granted) {
        if self
            .granted
            .iter()
            .any(|before| std::mem::discriminant(before) == std::mem::discriminant(&granted))
        {
            return;
        }
        match granted {
            Granted::Size if self.mode == Mode::Netascii => return,
            Granted::Size => {}
            Granted::Block(len) => self.block_len = len,
            Granted::Timeout(seconds) => self.timeout = Some(Duration::from_secs(u64::from(seconds))),
            Granted::Window(window) => self.window = window,
        }
        self.granted.push(granted);
    }

    /// Whether this may be one of the ROMs that break on a packet that comes twice: the Raspberry Pi's of all generations,
    /// and whatever knows no block length (RFC 1350 alone, telephones, switches).
    fn is_fragile(&self) -> bool {
        match self.granted.as_slice() {
            [Granted::Size, Granted::Block(len)] => RASPBERRY_PI_BLOCKS.contains(len),
            granted => !granted.iter().any(|it| matches!(it, Granted::Block(_) | Granted::Window(_))),
        }
    }

    /// How soon something is sent again to this client.
    pub fn patience(&self) -> Patience {
        match self.timeout {
            Some(wish) => Patience::Asked(wish),
            None if self.mode == Mode::Netascii || self.is_fragile() => Patience::Cautious,
            None => Patience::Adaptive,
        }
    }

    /// How its file is to be sent. `first_sendings` limits what goes to a client that was never heard.
    pub fn terms(&self, roll_over: RollOver, first_sendings: u32) -> Terms {
        Terms {
            block_len: self.block_len,
            window: self.window,
            has_options: !self.granted.is_empty(),
            patience: self.patience(),
            roll_over,
            first_sendings,
        }
    }

    /// The OACK for a file of `size` bytes: what was asked for and granted, in the order of the request. `None` when nothing
    /// was asked for.
    ///
    /// EDK2 aborts on more than it asked for (`Mtftp4Rrq.c`), PXELINUX on anything but `tsize` and `blksize`.
    pub fn option_ack(&self, size: u64) -> Option<Vec<u8>> {
        let options = self.granted.iter().map(|granted| match granted {
            Granted::Size => ("tsize", size),
            Granted::Block(len) => ("blksize", u64::from(*len)),
            Granted::Timeout(seconds) => ("timeout", u64::from(*seconds)),
            Granted::Window(window) => ("windowsize", u64::from(*window)),
        });
        (!self.granted.is_empty()).then(|| tftp::option_ack(options))
    }
}

fn grant(option: &[u8], value: &[u8], longest: u16) -> Option<Granted> {
    let is = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
    // Rust would read a sign, too. A timeout is echoed as it stands, so it may not have another form.
    let has_other_form =
        value.iter().any(|byte| !byte.is_ascii_digit()) || is("timeout") && value.starts_with(b"0");
    if has_other_form {
        return None;
    }
    let value: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    let within =
        |range: std::ops::RangeInclusive<u16>| u16::try_from(value).ok().filter(|it| range.contains(it));
    if is("tsize") {
        Some(Granted::Size)
    } else if is("blksize") {
        within(MIN_BLOCK..=65464).map(|len| Granted::Block(len.min(longest)))
    } else if is("timeout") {
        u8::try_from(value).ok().filter(|seconds| *seconds > 0).map(Granted::Timeout)
    } else if is("windowsize") {
        within(1..=u16::MAX).map(|window| Granted::Window(window.min(MAX_WINDOW)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tftp::{Packet, read_request};

    fn wish(mode: &str, options: &[(&str, &str)]) -> Result<Wish, Rejected> {
        let bytes = read_request(b"a", mode, options);
        let Ok(Packet::Read(request)) = Packet::parse(&bytes) else { panic!("a request") };
        Wish::from_request(&request, 1500)
    }

    /// The OACK for a file of 1,000 bytes, as `name=value`.
    fn answered(mode: &str, options: &[(&str, &str)]) -> String {
        let Some(bytes) = wish(mode, options).expect("served").option_ack(1000) else { return "none".into() };
        let Ok(Packet::OptionAck(options)) = Packet::parse(&bytes) else { panic!("an OACK") };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        options
            .iter()
            .map(|(name, value)| format!("{}={}", text(name), text(value)))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn t01_without_options_there_is_no_oack() {
        let wish = wish("octet", &[]).expect("served");
        assert_eq!((wish.block_len, wish.window, wish.option_ack(1000)), (512, 1, None));
    }

    #[test]
    fn t02_only_what_was_asked_for_is_answered_in_its_order() {
        assert_eq!(answered("octet", &[("tsize", "0"), ("blksize", "1408")]), "tsize=1000 blksize=1408");
        let windows = [("tsize", "0"), ("blksize", "1456"), ("windowsize", "4"), ("msftwindow", "31416")];
        assert_eq!(answered("octet", &windows), "tsize=1000 blksize=1456 windowsize=4");
    }

    #[test]
    fn t03_a_block_is_never_longer_than_asked_for() {
        for asked in [8_u16, 9, 511, 512, 1024, 1408, 1432, 1456, 1467, 1468, 1469, 8192, 65464] {
            let wish = wish("octet", &[("blksize", &asked.to_string())]).expect("served");
            assert_eq!(wish.block_len, asked.min(1468));
        }
        let bytes = read_request(b"a", "octet", &[("blksize", "1468")]);
        let Ok(Packet::Read(request)) = Packet::parse(&bytes) else { panic!("a request") };
        for (mtu, block_len) in [(1500, 1468), (1492, 1460), (1400, 1368), (9000, 1468), (576, 544)] {
            assert_eq!(Wish::from_request(&request, mtu).expect("served").block_len, block_len, "MTU {mtu}");
        }
    }

    #[test]
    fn t19_fragile_firmware_is_known_by_what_it_asks_for() {
        let patience = |mode, options: &[(&str, &str)]| wish(mode, options).expect("served").patience();
        for (who, options) in [
            ("RFC 1350", &[][..]),
            ("Raspberry Pi 3, bootcode.bin", &[("tsize", "0")]),
            ("Raspberry Pi 4", &[("tsize", "0"), ("blksize", "1024")]),
            ("Raspberry Pi 5", &[("tsize", "0"), ("blksize", "1468")]),
        ] {
            assert_eq!(patience("octet", options), Patience::Cautious, "{who}");
        }
        for (who, options) in [
            ("GRUB", &[("blksize", "1024"), ("tsize", "0")][..]),
            ("PXELINUX", &[("tsize", "0"), ("blksize", "1408")]),
            ("iPXE", &[("blksize", "1432"), ("tsize", "0")]),
            ("EDK2", &[("blksize", "1468"), ("windowsize", "4")]),
        ] {
            assert_eq!(patience("octet", options), Patience::Adaptive, "{who}");
        }
        assert_eq!(patience("netascii", &[("blksize", "512")]), Patience::Cautious);
        let five = Patience::Asked(Duration::from_secs(5));
        assert_eq!(patience("octet", &[("timeout", "5"), ("blksize", "1468")]), five);
    }

    #[test]
    fn t04_a_block_fits_the_link() {
        assert_eq!(answered("octet", &[("blksize", "65464")]), "blksize=1468");
        assert_eq!(answered("octet", &[("blksize", "8")]), "blksize=8");
        assert_eq!(answered("octet", &[("blksize", "7")]), "none");
        assert_eq!(answered("octet", &[("blksize", "65465")]), "none");
    }

    #[test]
    fn l27_l28_a_block_fits_the_link_and_every_boot_rom() {
        let bytes = read_request(b"a", "octet", &[("blksize", "65464")]);
        let Ok(Packet::Read(request)) = Packet::parse(&bytes) else { panic!("a request") };
        for (mtu, expected) in [(1500, 1468), (9000, 1468), (1400, 1368), (576, 544), (68, 512)] {
            assert_eq!(Wish::from_request(&request, mtu).expect("served").block_len, expected, "{mtu}");
        }
    }

    #[test]
    fn t05_a_timeout_is_echoed_or_ignored() {
        assert_eq!(answered("octet", &[("timeout", "5")]), "timeout=5");
        for value in ["0", "256", "-1", "x", "", "5.5", "+5", "05", " 5"] {
            assert_eq!(answered("octet", &[("timeout", value)]), "none", "{value}");
        }
    }

    #[test]
    fn t06_the_size_is_not_known_in_netascii() {
        assert_eq!(answered("netascii", &[("tsize", "0"), ("blksize", "512")]), "blksize=512");
    }

    #[test]
    fn t07_a_window_is_limited() {
        assert_eq!(answered("octet", &[("windowsize", "65535")]), "windowsize=64");
        assert_eq!(answered("octet", &[("windowsize", "4")]), "windowsize=4");
        assert_eq!(answered("octet", &[("windowsize", "0")]), "none");
        assert_eq!(answered("octet", &[("windowsize", "65536")]), "none");
    }

    #[test]
    fn t08_unknown_options_are_ignored() {
        assert_eq!(answered("octet", &[("multicast", ""), ("utimeout", "1"), ("msftwindow", "1")]), "none");
    }

    #[test]
    fn t09_names_and_modes_are_read_in_any_case() {
        assert_eq!(answered("OcTeT", &[("BLKSIZE", "1024"), ("TSize", "0")]), "blksize=1024 tsize=1000");
        assert_eq!(answered("octet", &[("blksize", "1024"), ("BLKSIZE", "512")]), "blksize=1024");
    }

    #[test]
    fn t36_other_modes_are_refused() {
        let (code, _) = wish("mail", &[]).expect_err("refused").to_error();
        assert_eq!(code, ErrorCode::IllegalOperation);
        assert!(wish("binary", &[]).is_ok());
    }
}
