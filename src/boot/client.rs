//! What a DHCP message tells about the program that sent it.

use std::fmt;

use crate::wire::MacAddr;
use crate::wire::dhcp::Message;
use crate::wire::dhcp_option::Code;
use crate::wire::pxe::{self, IpxeFeatures, Uuid, VendorClass};

use super::arch::Arch;

/// The user class our own iPXE announces, so that it is never given an iPXE again.
pub const OWN_USER_CLASS: &str = "pxego";

/// The longest text kept of an option a client fills as it likes.
const MAX_TEXT: usize = 64;

/// Manufacturer prefixes of Raspberry Pi (IEEE registry); their ROMs say architecture 0, "x86 BIOS".
const RASPBERRY_PI_OUIS: [[u8; 3]; 6] = [
    OLD_RASPBERRY_PI_OUI,
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
    [0x28, 0xcd, 0xc1],
    [0xd8, 0x3a, 0xdd],
    [0x2c, 0xcf, 0x67],
];
const OLD_RASPBERRY_PI_OUI: [u8; 3] = [0xb8, 0x27, 0xeb];

/// The UUID every Raspberry Pi 3 sends: sixteen times the same byte.
const RASPBERRY_PI_UUID: Uuid = Uuid([0x44; 16]);

/// What is talking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// PXE firmware of a BIOS or of UEFI.
    Pxe,
    /// UEFI HTTP Boot.
    HttpBoot,
    /// iPXE: in the card's ROM, chainloaded, or ours.
    Ipxe {
        /// What it can do.
        features: IpxeFeatures,
    },
    /// U-Boot.
    UBoot,
    /// The boot ROM or EEPROM of a Raspberry Pi.
    RaspberryPi {
        /// The Pi 3 and older, which compare the boot menu's text with trailing spaces.
        old_rom: bool,
    },
    /// An installer, an operating system, or a loader's own DHCP client (GRUB).
    Other,
}

/// Which program of the boot chain asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The firmware.
    Rom,
    /// An iPXE that is not ours.
    Ipxe,
    /// Our own iPXE, by its user class.
    Own,
    /// A plain DHCP client: a loader's, the installer's, the system's.
    Plain,
}

/// Facts about the asker. Texts are cut and cleaned; nothing in them can harm a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its Ethernet address: `chaddr`, or the frame's source when `chaddr` holds none.
    pub mac: MacAddr,
    /// Option 97.
    pub uuid: Option<Uuid>,
    /// Option 93's first entry, else the digits in option 60.
    pub arch: Option<Arch>,
    /// The same as a number; 0xffff when it said neither.
    pub arch_code: u16,
    /// What is talking.
    pub firmware: Firmware,
    /// Which program of the chain it is.
    pub stage: Stage,
    /// Option 60, cleaned; may be empty.
    pub vendor_class: String,
    /// Option 77, cleaned; may be empty.
    pub user_class: String,
    /// Option 12, cleaned.
    pub host_name: Option<String>,
    /// Whether option 55 asks for a boot file (66, 67, 150 or 17), or there is no option 55 at all, as with GRUB.
    pub asks_for_boot_file: bool,
}

impl Client {
    /// Reads the facts out of a message that came in a frame from `src_mac`.
    pub fn from_message(message: &Message, src_mac: MacAddr) -> Self {
        let options = &message.options;
        let vendor_class = options.get(Code::VENDOR_CLASS).unwrap_or_default();
        let user_class = options.get(Code::USER_CLASS).unwrap_or_default();
        let mac = message.ethernet_chaddr().unwrap_or(src_mac);
        let uuid = options.get(Code::CLIENT_UUID).and_then(Uuid::from_option);
        let code = options
            .get(Code::CLIENT_ARCH)
            .and_then(pxe::first_arch)
            .or_else(|| pxe::arch_in_vendor_class(vendor_class));
        let arch = code.map(Arch::from_code);
        let (firmware, stage) = recognise(options.get(Code::IPXE), vendor_class, user_class, arch, mac, uuid);
        Self {
            mac,
            uuid,
            arch: if matches!(firmware, Firmware::RaspberryPi { .. }) {
                Some(Arch::RaspberryPi)
            } else {
                arch
            },
            arch_code: code.unwrap_or(0xffff),
            firmware,
            stage,
            vendor_class: printable(vendor_class),
            user_class: printable(user_class),
            host_name: options.get(Code::HOST_NAME).and_then(host_name),
            asks_for_boot_file: options.get(Code::PARAMETER_LIST).is_none_or(lists_boot_file),
        }
    }

    /// Whether it came for a boot program, not just for an address.
    pub fn is_netboot(&self) -> bool {
        self.stage != Stage::Plain
    }

    /// Whether a URL can be its boot file.
    pub fn takes_url(&self) -> bool {
        matches!(self.firmware, Firmware::HttpBoot | Firmware::Ipxe { .. })
    }

    /// Whether the program it loads next may be an iPXE: never our own again.
    pub fn may_chainload_ipxe(&self) -> bool {
        self.stage != Stage::Own
    }
}

impl fmt::Display for Client {
    /// `x86-64 UEFI PXE`, `iPXE (x86 BIOS)`: for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.firmware, self.arch) {
            (Firmware::Pxe, Some(arch)) => write!(f, "{arch} PXE"),
            (Firmware::Pxe, None) => f.write_str("PXE"),
            (Firmware::HttpBoot, Some(arch)) => write!(f, "{arch} HTTP Boot"),
            (Firmware::HttpBoot, None) => f.write_str("HTTP Boot"),
            (Firmware::Ipxe { .. }, Some(arch)) => write!(f, "iPXE ({arch})"),
            (Firmware::Ipxe { .. }, None) => f.write_str("iPXE"),
            (Firmware::UBoot, _) => f.write_str("U-Boot"),
            (Firmware::RaspberryPi { .. }, _) => f.write_str("Raspberry Pi"),
            (Firmware::Other, _) => f.write_str("DHCP client"),
        }
    }
}

fn recognise(
    option_175: Option<&[u8]>,
    vendor_class: &[u8],
    user_class: &[u8],
    arch: Option<Arch>,
    mac: MacAddr,
    uuid: Option<Uuid>,
) -> (Firmware, Stage) {
    let features = IpxeFeatures::from_option(option_175.unwrap_or_default());
    if pxe::has_user_class(user_class, OWN_USER_CLASS.as_bytes()) {
        return (Firmware::Ipxe { features }, Stage::Own);
    }
    if option_175.is_some() || pxe::has_user_class(user_class, b"iPXE") {
        return (Firmware::Ipxe { features }, Stage::Ipxe);
    }
    let is_uboot = arch.is_some_and(Arch::is_uboot);
    match VendorClass::from_option(vendor_class) {
        VendorClass::Http => (Firmware::HttpBoot, Stage::Rom),
        VendorClass::UBoot => (Firmware::UBoot, Stage::Rom),
        VendorClass::Pxe if is_uboot => (Firmware::UBoot, Stage::Rom),
        VendorClass::Pxe => match raspberry_pi(arch, mac, uuid) {
            Some(old_rom) => (Firmware::RaspberryPi { old_rom }, Stage::Rom),
            None => (Firmware::Pxe, Stage::Rom),
        },
        VendorClass::AppleBsdp | VendorClass::Other if is_uboot => (Firmware::UBoot, Stage::Rom),
        VendorClass::AppleBsdp | VendorClass::Other => (Firmware::Other, Stage::Plain),
    }
}

/// Whether a PXE client is a Raspberry Pi's ROM, and an old one. UEFI on a Pi says an ARM architecture and is not.
fn raspberry_pi(arch: Option<Arch>, mac: MacAddr, uuid: Option<Uuid>) -> Option<bool> {
    let oui = mac.0.first_chunk::<3>()?;
    let says_bios = matches!(arch, None | Some(Arch::Bios | Arch::RaspberryPi));
    let is_pi = says_bios && (RASPBERRY_PI_OUIS.contains(oui) || uuid == Some(RASPBERRY_PI_UUID));
    (is_pi || arch == Some(Arch::RaspberryPi)).then_some(*oui == OLD_RASPBERRY_PI_OUI)
}

fn lists_boot_file(option_55: &[u8]) -> bool {
    let wanted = [Code::TFTP_SERVER, Code::BOOT_FILE, Code::TFTP_SERVER_ADDRESS, Code::ROOT_PATH];
    option_55.iter().any(|&code| wanted.contains(&Code(code)))
}

/// Printable ASCII, at most [`MAX_TEXT`] characters; every other byte becomes `?`.
fn printable(bytes: &[u8]) -> String {
    let keep = |&byte: &u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '?' };
    bytes.iter().take(MAX_TEXT).map(keep).collect()
}

/// Letters, digits, `-`, `_` and `.` of a host name, without NULs at its end; `None` when nothing is left.
fn host_name(option_12: &[u8]) -> Option<String> {
    let keep = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let name: String = option_12.iter().filter(keep).take(MAX_TEXT).map(|&byte| char::from(byte)).collect();
    (!name.is_empty()).then_some(name)
}
