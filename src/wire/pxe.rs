//! PXE and iPXE encapsulations: options 43, 60, 77, 93, 94, 97 and 175.

use std::fmt;
use std::net::Ipv4Addr;

use super::cursor::Cursor;

/// Option 60 of a PXE boot server: exactly nine bytes (PXE 2.1 §2.2).
pub const PXE_CLIENT: &[u8] = b"PXEClient";
/// Option 60 of a UEFI HTTP Boot server (UEFI, "HTTP Boot").
pub const HTTP_CLIENT: &[u8] = b"HTTPClient";

/// Option 43 that says "load the boot file named in this packet, no menu, no discovery": discovery control, bit 3
/// (PXE 2.1 table 2-1).
pub const BOOT_THIS_FILE: [u8; 4] = [6, 1, 8, 255];
/// Option 175 that says "do not wait for a proxyDHCP offer": `no-pxedhcp` (iPXE include/ipxe/dhcp.h).
pub const IPXE_NO_PROXY: [u8; 3] = [176, 1, 1];

/// Tag of discovery control in option 43.
pub const TAG_DISCOVERY_CONTROL: u8 = 6;
/// Tag of the list of boot servers in option 43.
pub const TAG_BOOT_SERVERS: u8 = 8;
/// Tag of the menu in option 43.
pub const TAG_BOOT_MENU: u8 = 9;
/// Tag of the menu prompt in option 43.
pub const TAG_MENU_PROMPT: u8 = 10;
/// Tag of the boot item in option 43.
pub const TAG_BOOT_ITEM: u8 = 71;

/// Option 43 for a Raspberry Pi, which looks for the text `Raspberry Pi Boot` in a boot menu.
///
/// `old_rom`: the ROM of the Pi 3 compares with three spaces after it (`netboot-rpi3b`, field reports).
pub fn raspberry_pi_boot(old_rom: bool) -> Vec<u8> {
    let text: &[u8] = if old_rom { b"Raspberry Pi Boot   " } else { b"Raspberry Pi Boot" };
    let described = u8::try_from(text.len()).unwrap_or(0);
    let mut option = vec![TAG_DISCOVERY_CONTROL, 1, 3, TAG_MENU_PROMPT, 4, 0, b'P', b'X', b'E'];
    // One item: type 0, the length of its text, the text.
    option.extend_from_slice(&[TAG_BOOT_MENU, described.saturating_add(3), 0, 0, described]);
    option.extend_from_slice(text);
    option.push(255);
    option
}

/// Boot server type of the one entry in our boot menu: the first that vendors may use (PXE 2.1 table 2-2).
pub const OWN_BOOT_SERVER: u16 = 0x8000;

/// Option 43 with a boot menu, for firmware that goes on only when there is something to choose: one entry that is
/// chosen at once, and the local disk. The client then asks `server` on port 4011 for [`OWN_BOOT_SERVER`].
///
/// The server stands in the list of boot servers: EDK2 takes the first of that list as TFTP server
/// (`UefiPxeBcDxe/PxeBcBoot.c`). N4000 mini PCs want two entries (field report Dnsmasq-PXE 3).
pub fn boot_menu(server: Ipv4Addr) -> Vec<u8> {
    // No broadcast, no multicast discovery: the list says who is asked.
    let mut option = vec![TAG_DISCOVERY_CONTROL, 1, 3];
    option.extend_from_slice(&[TAG_MENU_PROMPT, 4, 0, b'P', b'X', b'E']);
    option.extend_from_slice(&[TAG_BOOT_SERVERS, 7]);
    option.extend_from_slice(&OWN_BOOT_SERVER.to_be_bytes());
    option.push(1);
    option.extend_from_slice(&server.octets());
    let mut menu = Vec::new();
    for (kind, text) in [(OWN_BOOT_SERVER, &b"Install"[..]), (0, b"Local disk")] {
        menu.extend_from_slice(&kind.to_be_bytes());
        menu.push(u8::try_from(text.len()).unwrap_or(0));
        menu.extend_from_slice(text);
    }
    option.extend_from_slice(&[TAG_BOOT_MENU, u8::try_from(menu.len()).unwrap_or(0)]);
    option.extend_from_slice(&menu);
    option.push(255);
    option
}

/// iPXE's priority sub-option (175.1), a signed byte: the offer with the highest wins.
pub fn ipxe_priority(priority: i8) -> [u8; 3] {
    [1, 1, priority.to_be_bytes()[0]]
}

/// The tagged fields inside option 43 or 175: tag, bytes. Ends at 255 or at the first one cut short.
#[derive(Clone, Debug)]
pub struct SubOptions<'a> {
    cursor: Cursor<'a>,
}

impl<'a> SubOptions<'a> {
    /// Those in the bytes of one option.
    pub fn new(option: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(option) }
    }

    /// The first field with a tag.
    pub fn find_tag(mut self, wanted: u8) -> Option<&'a [u8]> {
        self.find_map(|(tag, data)| (tag == wanted).then_some(data))
    }
}

impl<'a> Iterator for SubOptions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.cursor.u8().ok()? {
                0 => {}
                255 => {
                    self.cursor = Cursor::new(&[]);
                    return None;
                }
                tag => {
                    let len = self.cursor.u8().ok()?;
                    let data = self.cursor.take(usize::from(len)).ok()?;
                    return Some((tag, data));
                }
            }
        }
    }
}

/// Which boot server a client asks for (option 43, tag 71).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootItem {
    /// Boot server type; 0 is "boot from the local disk".
    pub kind: u16,
    /// Layer; bit 15 asks for credentials.
    pub layer: u16,
}

impl BootItem {
    /// Found in the bytes of option 43.
    pub fn from_option(option_43: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(SubOptions::new(option_43).find_tag(TAG_BOOT_ITEM)?);
        Some(Self { kind: cursor.u16().ok()?, layer: cursor.u16().ok()? })
    }

    /// The field as it stands in option 43.
    pub fn to_bytes(self) -> [u8; 6] {
        let [kind_high, kind_low] = self.kind.to_be_bytes();
        let [layer_high, layer_low] = self.layer.to_be_bytes();
        [TAG_BOOT_ITEM, 4, kind_high, kind_low, layer_high, layer_low]
    }
}

/// What option 60 says a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VendorClass {
    /// `PXEClient…`: PXE firmware, or a loader that speaks for it.
    Pxe,
    /// `HTTPClient…`: UEFI HTTP Boot.
    Http,
    /// `U-Boot…`.
    UBoot,
    /// `AAPLBSDPC…`: Apple's own boot protocol, not ours.
    AppleBsdp,
    /// Anything else.
    Other,
}

impl VendorClass {
    /// Only the beginning is compared, as firmware does (EDK2 UefiPxeBcDxe/PxeBcDhcp4.c).
    pub fn from_option(option_60: &[u8]) -> Self {
        if option_60.starts_with(PXE_CLIENT) {
            Self::Pxe
        } else if option_60.starts_with(HTTP_CLIENT) {
            Self::Http
        } else if option_60.starts_with(b"U-Boot") {
            Self::UBoot
        } else if option_60.starts_with(b"AAPLBSDPC") {
            Self::AppleBsdp
        } else {
            Self::Other
        }
    }
}

/// The number in `PXEClient:Arch:00007:UNDI:003016`.
pub fn arch_in_vendor_class(option_60: &[u8]) -> Option<u16> {
    let mut fields = option_60.split(|&byte| byte == b':');
    fields.find(|field| *field == b"Arch")?;
    let digits = fields.next()?;
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first architecture in option 93; some clients list several.
pub fn first_arch(option_93: &[u8]) -> Option<u16> {
    option_93.first_chunk().copied().map(u16::from_be_bytes)
}

/// The interface version in option 94, `(major, minor)`, if it is UNDI (RFC 4578 §2.2).
pub fn undi_version(option_94: &[u8]) -> Option<(u8, u8)> {
    match *option_94 {
        [1, major, minor] => Some((major, minor)),
        _ => None,
    }
}

/// A machine's UUID as option 97 carries it: the first three fields little-endian, as in SMBIOS.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From option 97: a zero byte, then sixteen bytes (RFC 4578 §2.3). Anything else is `None`.
    pub fn from_option(option_97: &[u8]) -> Option<Self> {
        match option_97 {
            [0, uuid @ ..] => uuid.try_into().ok().map(Self),
            _ => None,
        }
    }
}

impl fmt::Display for Uuid {
    /// `4c4c4544-0042-4810-8056-b4c04f4b4d32`, as `dmidecode` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f0, g, h, rest @ ..] = self.0;
        write!(f, "{d:02x}{c:02x}{b:02x}{a:02x}-{f0:02x}{e:02x}-{h:02x}{g:02x}-")?;
        for (position, byte) in rest.iter().enumerate() {
            if position == 2 {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether option 77 holds `wanted`: raw as iPXE sends it, or as one of RFC 3004's counted strings, in any case.
pub fn has_user_class(option_77: &[u8], wanted: &[u8]) -> bool {
    if option_77.eq_ignore_ascii_case(wanted) {
        return true;
    }
    let mut cursor = Cursor::new(option_77);
    while let Ok(class) = cursor.u8().and_then(|len| cursor.take(usize::from(len))) {
        if class.eq_ignore_ascii_case(wanted) {
            return true;
        }
    }
    false
}

/// What an iPXE can do, from option 175 (iPXE include/ipxe/features.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpxeFeatures(u64);

impl IpxeFeatures {
    const HTTP: u8 = 19;
    const BZIMAGE: u8 = 24;
    const EFI: u8 = 36;

    /// The features listed in option 175; an unlisted one is absent.
    pub fn from_option(option_175: &[u8]) -> Self {
        let present = |&(tag, data): &(u8, &[u8])| tag < 64 && data.first().is_some_and(|&value| value != 0);
        let bits = SubOptions::new(option_175).filter(present);
        Self(bits.fold(0, |bits, (tag, _)| bits | 1u64.checked_shl(u32::from(tag)).unwrap_or(0)))
    }

    /// Whether the feature with a number is there.
    pub fn has(self, feature: u8) -> bool {
        1u64.checked_shl(u32::from(feature)).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether it can take a script over HTTP and start a Linux kernel: HTTP, and bzImage or EFI. VirtualBox's cannot.
    pub fn can_boot_linux_over_http(self) -> bool {
        self.has(Self::HTTP) && (self.has(Self::BZIMAGE) || self.has(Self::EFI))
    }
}

/// The boot servers of option 43 tag 8: type and the first address of each.
pub fn boot_servers(option_43: &[u8]) -> Vec<(u16, Ipv4Addr)> {
    let mut servers = Vec::new();
    let mut cursor = Cursor::new(SubOptions::new(option_43).find_tag(TAG_BOOT_SERVERS).unwrap_or_default());
    while let (Ok(kind), Ok(count)) = (cursor.u16(), cursor.u8()) {
        let Ok(addresses) = cursor.take(usize::from(count).saturating_mul(4)) else { break };
        if let Ok(first) = Cursor::new(addresses).ipv4() {
            servers.push((kind, first));
        }
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p01_classes_are_told_by_their_first_bytes() {
        let cases: [(&[u8], VendorClass); 8] = [
            (b"PXEClient:Arch:00007:UNDI:003016", VendorClass::Pxe),
            (b"PXEClient", VendorClass::Pxe),
            (b"PXEClien", VendorClass::Other),
            (b"HTTPClient:Arch:00016:UNDI:003016", VendorClass::Http),
            (b"HTTPClien", VendorClass::Other),
            (b"U-Boot.armv8", VendorClass::UBoot),
            (b"AAPLBSDPC/i386/iMac", VendorClass::AppleBsdp),
            (b"", VendorClass::Other),
        ];
        for (option, expected) in cases {
            assert_eq!(VendorClass::from_option(option), expected, "{}", option.escape_ascii());
        }
    }

    #[test]
    fn p02_digits_in_the_vendor_class_are_the_architecture() {
        let cases: [(&[u8], Option<u16>); 7] = [
            (b"PXEClient:Arch:00007:UNDI:003016", Some(7)),
            (b"HTTPClient:Arch:00016:UNDI:003016", Some(16)),
            (b"PXEClient", None),
            (b"PXEClient:Arch:", None),
            (b"PXEClient:Arch:0x07", None),
            (b"PXEClient:Arch:99999", None),
            (b"PXEClient:Arch:\xff\xff", None),
        ];
        for (option, expected) in cases {
            assert_eq!(arch_in_vendor_class(option), expected, "{}", option.escape_ascii());
        }
    }

    #[test]
    fn p03_several_or_odd_architectures_are_read_without_panic() {
        assert_eq!(first_arch(&[0, 7]), Some(7));
        assert_eq!(first_arch(&[0, 9, 0, 7]), Some(9));
        assert_eq!(first_arch(&[0, 7, 0]), Some(7));
        assert_eq!(first_arch(&[7]), None);
        assert_eq!(first_arch(&[]), None);
    }

    #[test]
    fn p34_the_priority_is_a_signed_byte() {
        assert_eq!(ipxe_priority(127), [1, 1, 0x7f]);
        assert_eq!(ipxe_priority(-1), [1, 1, 0xff]);
    }

    #[test]
    fn p40_the_raspberry_pi_menu_has_the_lengths_of_the_recipe() {
        // Appendix B of the field guide: outer 0x20, item 0x14; with three spaces 0x23, 0x17, 0x14.
        let plain = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x14\x00\x00\x11Raspberry Pi Boot\xff";
        assert_eq!(raspberry_pi_boot(false), plain);
        assert_eq!(plain.len(), 0x20);
        let spaced = b"\x06\x01\x03\x0a\x04\x00PXE\x09\x17\x00\x00\x14Raspberry Pi Boot   \xff";
        assert_eq!(raspberry_pi_boot(true), spaced);
        assert_eq!(spaced.len(), 0x23);
    }

    #[test]
    fn p13_p50_the_boot_menu_lists_us_first_and_two_entries() {
        let menu = boot_menu(Ipv4Addr::new(192, 0, 2, 1));
        let expected = b"\x06\x01\x03\x0a\x04\x00PXE\x08\x07\x80\x00\x01\xc0\x00\x02\x01\
                         \x09\x17\x80\x00\x07Install\x00\x00\x0aLocal disk\xff";
        assert_eq!(menu, expected);
        assert_eq!(boot_servers(&menu), [(OWN_BOOT_SERVER, Ipv4Addr::new(192, 0, 2, 1))]);
        assert_eq!(SubOptions::new(&menu).map(|(tag, _)| tag).collect::<Vec<_>>(), [6, 10, 8, 9]);
    }

    #[test]
    fn s02_sub_options_end_whatever_their_lengths_say() {
        assert_eq!(SubOptions::new(&[6, 0, 6, 0, 255, 1]).count(), 2);
        assert_eq!(SubOptions::new(&[0; 300]).count(), 0);
        assert_eq!(SubOptions::new(&[9, 255, 1]).count(), 0);
        assert_eq!(SubOptions::new(&[9]).count(), 0);
        assert_eq!(SubOptions::new(&BOOT_THIS_FILE).find_tag(TAG_DISCOVERY_CONTROL), Some(&[8][..]));
        assert_eq!(boot_servers(&[8, 7, 0x80, 0, 1, 192, 0, 2, 1]), [(0x8000, Ipv4Addr::new(192, 0, 2, 1))]);
        assert_eq!(boot_servers(&[8, 3, 0x80, 0, 0]), []);
        assert_eq!(boot_servers(&[8, 3, 0x80, 0, 200]), []);
    }

    #[test]
    fn p30_ipxe_is_known_raw_counted_and_in_any_case() {
        assert!(has_user_class(b"iPXE", b"iPXE"));
        assert!(has_user_class(b"ipxe", b"iPXE"));
        assert!(has_user_class(b"\x04iPXE", b"iPXE"));
        assert!(has_user_class(b"\x03abc\x04iPXE", b"iPXE"));
        assert!(!has_user_class(b"\x05iPXE", b"iPXE"));
        assert!(!has_user_class(b"", b"iPXE"));
        assert!(!has_user_class(b"\x00\x00", b"iPXE"));
    }

    #[test]
    fn p32_features_decide_whether_a_built_in_ipxe_is_good_enough() {
        // From an iPXE ROM under QEMU: pxeext 3, HTTP, bzImage, EFI absent, version.
        let capable = [16, 1, 3, 19, 1, 1, 24, 1, 1, 235, 3, 1, 21, 1];
        assert!(IpxeFeatures::from_option(&capable).can_boot_linux_over_http());
        assert!(!IpxeFeatures::from_option(&[16, 1, 3, 19, 1, 1]).can_boot_linux_over_http());
        assert!(!IpxeFeatures::from_option(&[24, 1, 1]).can_boot_linux_over_http());
        assert!(!IpxeFeatures::from_option(&[19, 1, 0, 24, 1, 1]).can_boot_linux_over_http());
        assert!(IpxeFeatures::from_option(&[19, 1, 1, 36, 1, 1]).can_boot_linux_over_http());
        assert!(!IpxeFeatures::default().has(200));
    }

    #[test]
    fn p04_only_seventeen_bytes_of_type_zero_are_a_uuid() {
        let mut option = vec![0];
        option.extend(1..=16u8);
        let uuid = Uuid::from_option(&option);
        assert_eq!(
            uuid.map(|uuid| uuid.to_string()).as_deref(),
            Some("04030201-0605-0807-090a-0b0c0d0e0f10")
        );
        assert_eq!(Uuid::from_option(&option[..16]), None);
        option.push(1);
        assert_eq!(Uuid::from_option(&option), None);
        assert_eq!(Uuid::from_option(&[1; 17]), None);
        assert_eq!(Uuid::from_option(&[]), None);
    }

    #[test]
    fn p21_a_boot_item_is_read_and_written() {
        let item = BootItem { kind: 0x8001, layer: 2 };
        assert_eq!(item.to_bytes(), [71, 4, 0x80, 1, 0, 2]);
        assert_eq!(BootItem::from_option(&[71, 4, 0x80, 1, 0, 2, 255]), Some(item));
        assert_eq!(BootItem::from_option(&[71, 2, 0x80, 1]), None);
        assert_eq!(BootItem::from_option(&[]), None);
    }

    #[test]
    fn the_undi_version_needs_three_bytes() {
        assert_eq!(undi_version(&[1, 2, 1]), Some((2, 1)));
        assert_eq!(undi_version(&[1, 3]), None);
        assert_eq!(undi_version(&[2, 3, 1]), None);
    }
}
