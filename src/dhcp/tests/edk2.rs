//! What EDK2 makes of offers: its parser, its classes, its order of preference and what it does next
//! (NetworkPkg/UefiPxeBcDxe/PxeBcDhcp4.c and PxeBcBoot.c, Dhcp4Dxe/Dhcp4Option.c).

use std::net::Ipv4Addr;

/// `PXEBC_OFFER_TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfferType {
    DhcpOnly,
    DhcpPxe10,
    DhcpWfm11a,
    DhcpBinl,
    ProxyPxe10,
    ProxyWfm11a,
    ProxyBinl,
    Bootp,
}

/// One cached offer, as far as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) kind: OfferType,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) server_id: Ipv4Addr,
    /// Option 67, else the `file` field.
    pub(crate) boot_file: Option<String>,
    /// Tag and bytes of option 43's fields.
    pub(crate) vendor: Vec<(u8, Vec<u8>)>,
}

/// What the firmware does after its DHCP is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Fetches a file by TFTP.
    Load { server: Ipv4Addr, file: String },
    /// Asks the boot server on port 4011, and fails when nobody answers.
    AskBootServer(Ipv4Addr),
    /// Shows a menu with these boot server types and texts, or takes the first at once when the prompt's time is 0.
    Menu { timeout: u8, items: Vec<(u16, String)> },
    /// Boots nothing.
    Fail,
}

impl Offer {
    /// Reads a packet that came as an answer to a DISCOVER; `None` when the firmware drops it without a word.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        if packet.len() > 1472 || packet.len() < 240 || packet[236..240] != [0x63, 0x82, 0x53, 0x63] {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let options = walk(&packet[240..], true)?;
        let find = |code| options.iter().find(|option| option.0 == code).map(|option| &option.1[..]);
        let (yiaddr, siaddr) = (address(16), address(20));
        let server_id = find(54).and_then(|data| <[u8; 4]>::try_from(data).ok()).map(Ipv4Addr::from);
        let vendor = find(43).and_then(|data| walk(data, false)).unwrap_or_default();
        let boot_file = find(67).map(text).or_else(|| Some(text(&packet[108..236])));
        let boot_file = boot_file.filter(|name| !name.is_empty());
        let is_proxy = yiaddr.is_unspecified();
        let kind = match find(53) {
            None | Some([0]) => {
                boot_file.as_ref()?;
                OfferType::Bootp
            }
            Some([2]) => {
                // Dhcp4Io.c, `DhcpHandleSelect`: without a server identifier it is no offer.
                server_id.filter(|server| !server.is_unspecified())?;
                let is_pxe = find(60).is_some_and(|class| class.starts_with(b"PXEClient"));
                let has =
                    |tags: std::ops::RangeInclusive<u8>| vendor.iter().any(|field| tags.contains(&field.0));
                match (is_pxe, has(6..=10), (1..=5).all(|tag| has(tag..=tag)), is_proxy) {
                    (false, ..) => OfferType::DhcpOnly,
                    (true, true, _, false) => OfferType::DhcpPxe10,
                    (true, true, _, true) => OfferType::ProxyPxe10,
                    (true, false, true, false) => OfferType::DhcpWfm11a,
                    (true, false, true, true) => OfferType::ProxyWfm11a,
                    (true, false, false, false) => OfferType::DhcpBinl,
                    (true, false, false, true) => OfferType::ProxyBinl,
                }
            }
            Some(_) => return None,
        };
        Some(Self { kind, yiaddr, siaddr, server_id: server_id.unwrap_or(siaddr), boot_file, vendor })
    }

    /// A field of option 43.
    pub(crate) fn vendor(&self, tag: u8) -> Option<&[u8]> {
        self.vendor.iter().find(|field| field.0 == tag).map(|field| &field.1[..])
    }

    /// `PxeBcDhcp4BootInfo`: bit 3 makes the first boot server of the list the TFTP server.
    fn load(&self) -> NextStep {
        let uses_list =
            self.vendor(6).is_some_and(|control| control.first().is_some_and(|bits| bits & 8 != 0));
        let listed = self.vendor(8).filter(|_| uses_list).and_then(|list| list.get(3..7));
        let listed = listed.and_then(|octets| <[u8; 4]>::try_from(octets).ok()).map(Ipv4Addr::from);
        let next = if self.siaddr.is_unspecified() { self.server_id } else { self.siaddr };
        match &self.boot_file {
            Some(file) => NextStep::Load { server: listed.unwrap_or(next), file: file.clone() },
            None => NextStep::Fail,
        }
    }

    /// `PxeBcSelectBootPrompt` and `PxeBcSelectBootMenu`.
    fn pxe10(&self) -> NextStep {
        let bits = self.vendor(6).and_then(|control| control.first().copied()).unwrap_or(0);
        if bits & 8 != 0 && self.boot_file.is_some() {
            return self.load();
        }
        let mut rest = self.vendor(9).unwrap_or_default();
        let mut items = Vec::new();
        while let [high, low, len, tail @ ..] = rest {
            let Some((described, tail)) = tail.split_at_checked(usize::from(*len)) else { break };
            items.push((u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(described).into_owned()));
            rest = tail;
        }
        let timeout = self.vendor(10).and_then(|prompt| prompt.first().copied()).unwrap_or(0);
        if items.is_empty() { self.load() } else { NextStep::Menu { timeout, items } }
    }

    fn boot_server(&self) -> NextStep {
        NextStep::AskBootServer(if self.siaddr.is_unspecified() { self.server_id } else { self.siaddr })
    }
}

/// `PxeBcSelectDhcp4Offer`: which of the offers are used, the one with the address first, and what comes of it.
pub(crate) fn select(offers: &[Offer]) -> Option<(usize, Option<usize>, NextStep)> {
    let first = |kind| offers.iter().position(|offer| offer.kind == kind);
    let named = |kind| offers.iter().position(|offer| offer.kind == kind && offer.boot_file.is_some());
    let address =
        offers.iter().position(|offer| offer.kind == OfferType::DhcpOnly && !offer.yiaddr.is_unspecified());
    if let Some(one) = first(OfferType::DhcpPxe10) {
        return Some((one, None, offers[one].pxe10()));
    }
    if let Some(one) = first(OfferType::DhcpWfm11a) {
        return Some((one, None, offers[one].load()));
    }
    if let (Some(one), Some(proxy)) = (address, first(OfferType::ProxyPxe10)) {
        return Some((one, Some(proxy), offers[proxy].pxe10()));
    }
    if let (Some(one), Some(proxy)) = (address, first(OfferType::ProxyWfm11a)) {
        return Some((one, Some(proxy), offers[proxy].load()));
    }
    if let Some(one) = first(OfferType::DhcpBinl) {
        return Some((one, None, offers[one].boot_server()));
    }
    if let (Some(one), Some(proxy)) = (address, first(OfferType::ProxyBinl)) {
        return Some((one, Some(proxy), offers[proxy].boot_server()));
    }
    let last = named(OfferType::DhcpOnly).or_else(|| named(OfferType::Bootp))?;
    Some((last, None, offers[last].load()))
}

/// Options or the fields of one; `None` when one is cut short, or when END is missing and must be there.
fn walk(mut area: &[u8], needs_end: bool) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        match area {
            [] => return (!needs_end).then_some(found),
            [255, ..] => return Some(found),
            [0, rest @ ..] => area = rest,
            [tag, len, rest @ ..] => {
                let (data, rest) = rest.split_at_checked(usize::from(*len))?;
                found.push((*tag, data.to_vec()));
                area = rest;
            }
            [_] => return None,
        }
    }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}
