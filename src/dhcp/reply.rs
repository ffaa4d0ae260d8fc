//! The reply's bytes: which options, in which order, and which go when there is no room.

use std::net::Ipv4Addr;

use crate::boot::arch::Arch;
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::{Client, Firmware};
use crate::wire::dhcp::{BOOT_REPLY, EmitError, FLAG_BROADCAST, MIN_MESSAGE, Message};
use crate::wire::dhcp_option::{Code, Options};
use crate::wire::pxe::{self, BootItem, VendorClass};

use super::ladder::Shape;
use super::reaction::ReplyKind;
use super::server::ServerConfig;
use super::subnet::Subnet;

/// The message every client must accept, without IP and UDP headers: 576 - 28 (RFC 2132 §9.10).
const LEAST_BUDGET: usize = 548;
/// What fits one Ethernet frame; EDK2 skips longer ones (UefiPxeBcDxe/PxeBcDhcp4.h).
const MOST_BUDGET: usize = 1472;
/// IP and UDP headers, which option 57 counts.
const HEADERS: u16 = 28;

/// What goes first when there is no room. The last three go only when nothing else is left: RFC 3046 §2.2 prefers no
/// option 82 to half of it, and `file` still names the boot file when 67 is gone.
const DROPPED_FIRST: [Code; 13] = [
    Code::DOMAIN,
    Code::HOST_NAME,
    Code::DNS,
    Code::BROADCAST,
    Code::IPXE,
    Code::T2,
    Code::T1,
    Code::ROUTER,
    Code::PXELINUX_PREFIX,
    Code::PXELINUX_CONFIG,
    Code::CLIENT_ID,
    Code::RELAY_AGENT,
    Code::BOOT_FILE,
];

/// One reply to be written.
pub(super) struct Draft<'a> {
    pub(super) config: &'a ServerConfig,
    pub(super) subnet: &'a Subnet,
    /// How we call ourselves (option 54).
    pub(super) server_id: Ipv4Addr,
    pub(super) request: &'a Message,
    pub(super) client: &'a Client,
    pub(super) kind: ReplyKind,
    pub(super) yiaddr: Ipv4Addr,
    /// How long the client may keep it.
    pub(super) lease_secs: u32,
    /// Echoed to clients that choose a boot server.
    pub(super) boot_item: Option<BootItem>,
    /// What the machine is called.
    pub(super) host_name: Option<String>,
    /// How the boot information looks to PXE firmware.
    pub(super) shape: Shape,
}

impl Draft<'_> {
    /// The message's bytes, and the boot file it really names.
    pub(super) fn write(&self, boot_file: BootFile) -> Result<(Vec<u8>, BootFile), EmitError> {
        if self.kind == ReplyKind::Bootp {
            return self.write_bootp(boot_file);
        }
        let mut message = self.header();
        let boot_file = fitting(boot_file, self.client);
        self.add_addressing(&mut message.options);
        self.add_boot_information(&mut message, &boot_file);
        self.add_echoes(&mut message.options);

        let budget = budget(self.request);
        let mut bytes = Vec::new();
        let mut result = message.emit(budget, &mut bytes);
        for code in DROPPED_FIRST {
            if !matches!(result, Err(EmitError::OverBudget(_))) {
                break;
            }
            if message.options.remove(code) {
                if code == Code::BOOT_FILE && message.file_name().is_empty() {
                    // "Load the file named here" without a file would keep other servers' offers from being taken.
                    return self.write(BootFile::None(NoBoot::NameTooLong));
                }
                result = message.emit(budget, &mut bytes);
            }
        }
        result.map(|()| (bytes, boot_file))
    }

    /// A BOOTP reply: the fixed part, and of the options those of RFC 1497, if the client knows options at all. Always
    /// [`MIN_MESSAGE`] bytes, the 64 byte vendor area of RFC 951.
    fn write_bootp(&self, boot_file: BootFile) -> Result<(Vec<u8>, BootFile), EmitError> {
        let mut message = self.header();
        message.options = Options::new();
        message.has_cookie = self.request.has_cookie;
        message.siaddr = self.config.server_ip;
        let boot_file = match boot_file {
            BootFile::Name(name) if !name.is_empty() && name.len() < message.file.len() => {
                copy(&mut message.file, name.as_bytes());
                BootFile::Name(name)
            }
            BootFile::Name(_) => BootFile::None(NoBoot::NameTooLong),
            BootFile::Url(_) => BootFile::None(NoBoot::WrongTransport),
            none => none,
        };
        message.options.push_ipv4(Code::SUBNET_MASK, self.subnet.mask());
        if let Some(router) = self.router() {
            message.options.push_ipv4(Code::ROUTER, router);
        }
        for &server in self.config.dns.iter().take(3) {
            message.options.push_ipv4(Code::DNS, server);
        }
        self.add_echo(Code::RELAY_AGENT, &mut message.options);
        let mut bytes = Vec::new();
        if message.emit(MIN_MESSAGE, &mut bytes).is_err() {
            message.options.remove(Code::DNS);
            message.emit(LEAST_BUDGET, &mut bytes)?;
        }
        Ok((bytes, boot_file))
    }

    /// The router that the client is told: behind a relay that is configured without one, the relay.
    fn router(&self) -> Option<Ipv4Addr> {
        let relay = Some(self.request.giaddr).filter(|relay| self.subnet.contains(*relay));
        self.subnet.router().or(relay.filter(|relay| !relay.is_unspecified()))
    }

    /// A refusal: only 53, 54, 56, 61 and 82 (RFC 2131 table 3).
    pub(super) fn write_nak(&self, why: &str) -> Result<Vec<u8>, EmitError> {
        let mut message = self.header();
        message.ciaddr = Ipv4Addr::UNSPECIFIED;
        if !message.giaddr.is_unspecified() {
            message.flags |= FLAG_BROADCAST;
        }
        message.options.push(Code::MESSAGE, why.as_bytes());
        self.add_echo(Code::CLIENT_ID, &mut message.options);
        self.add_echo(Code::RELAY_AGENT, &mut message.options);
        let mut bytes = Vec::new();
        message.emit(budget(self.request), &mut bytes).map(|()| bytes)
    }

    /// The fixed part, and options 53 and 54.
    fn header(&self) -> Message {
        let request = self.request;
        let mut message = Message::new(BOOT_REPLY);
        message.htype = request.htype;
        message.hlen = request.hlen;
        message.xid = request.xid;
        message.flags = request.flags;
        message.giaddr = request.giaddr;
        message.chaddr = request.chaddr;
        message.yiaddr = self.yiaddr;
        if !matches!(self.kind, ReplyKind::Offer | ReplyKind::ProxyOffer) {
            message.ciaddr = request.ciaddr;
        }
        message.options.push(Code::MESSAGE_TYPE, &[self.kind.message_type().code()]);
        message.options.push_ipv4(Code::SERVER_ID, self.server_id);
        message
    }

    /// Address, lease and network. The mask always, and before the router (RFC 2132 §3.5); the rest if it is asked for
    /// or nothing in particular is.
    fn add_addressing(&self, options: &mut Options) {
        if matches!(self.kind, ReplyKind::BootAck | ReplyKind::ProxyOffer) {
            return;
        }
        let config = self.config;
        if self.kind != ReplyKind::InformAck {
            let (t1, t2) = renewal_times(self.lease_secs);
            options.push_u32(Code::LEASE_TIME, self.lease_secs);
            options.push_u32(Code::T1, t1);
            options.push_u32(Code::T2, t2);
        }
        let list = self.request.options.get(Code::PARAMETER_LIST);
        let is_wanted = |code: Code| list.is_none_or(|list| list.contains(&code.0));
        options.push_ipv4(Code::SUBNET_MASK, self.subnet.mask());
        // Exactly one router: PXELINUX takes no other length.
        if let Some(router) = self.router().filter(|_| is_wanted(Code::ROUTER)) {
            options.push_ipv4(Code::ROUTER, router);
        }
        if is_wanted(Code::DNS) {
            for &server in config.dns.iter().take(3) {
                options.push_ipv4(Code::DNS, server);
            }
        }
        if let Some(domain) = config.domain.as_deref().filter(|_| is_wanted(Code::DOMAIN)) {
            options.push(Code::DOMAIN, domain.as_bytes().get(..255).unwrap_or(domain.as_bytes()));
        }
        // With its domain, if it has one, as RFC 2132 §3.14 allows: installers take all of it for the machine's name. Only
        // who asks gets it, as from dnsmasq (`rfc2131.c`) and ISC dhcpd (`use-host-decl-names`).
        if let Some(name) = self.host_name.as_deref().filter(|_| is_wanted(Code::HOST_NAME)) {
            options.push(Code::HOST_NAME, name.as_bytes().get(..255).unwrap_or(name.as_bytes()));
        }
        if list.is_some_and(|list| list.contains(&Code::BROADCAST.0)) {
            options.push_ipv4(Code::BROADCAST, self.subnet.broadcast());
        }
    }

    /// Every copy of the boot information, because each client reads another one (field guide §0.1).
    fn add_boot_information(&self, message: &mut Message, boot_file: &BootFile) {
        let name = match boot_file {
            BootFile::Name(name) | BootFile::Url(name) => name.as_bytes(),
            BootFile::None(_) if self.boot_item.is_none() => return,
            BootFile::None(_) => b"",
        };
        let server_ip = self.config.server_ip;
        message.siaddr = server_ip;
        // The field holds 127 bytes and a NUL; a longer name stands in option 67 only.
        if name.len() < message.file.len() {
            copy(&mut message.file, name);
        }
        let options = &mut message.options;
        // Without a NUL: the Raspberry Pi reads it as part of the address.
        options.push(Code::TFTP_SERVER, server_ip.to_string().as_bytes());
        if !name.is_empty() {
            // With a NUL: some ROMs read on past the end.
            options.push(Code::BOOT_FILE, name);
            options.push(Code::BOOT_FILE, b"\0");
        }
        let class = self.request.options.get(Code::VENDOR_CLASS).unwrap_or_default();
        match VendorClass::from_option(class) {
            // Neither class nor menu: what is left is a plain DHCP offer with a file.
            VendorClass::Pxe if self.shape == Shape::Plain => {}
            VendorClass::Pxe => {
                options.push(Code::VENDOR_CLASS, pxe::PXE_CLIENT);
                self.add_pxe_options(options, !name.is_empty());
            }
            VendorClass::Http => options.push(Code::VENDOR_CLASS, pxe::HTTP_CLIENT),
            VendorClass::UBoot | VendorClass::AppleBsdp | VendorClass::Other => {}
        }
        if matches!(self.client.firmware, Firmware::Ipxe { .. }) {
            options.push(Code::IPXE, &pxe::IPXE_NO_PROXY);
        }
        self.add_configuration_file(options);
    }

    /// Where U-Boot and petitboot find a menu, if they ask (RFC 5071): they read PXELINUX's language.
    fn add_configuration_file(&self, options: &mut Options) {
        let list = self.request.options.get(Code::PARAMETER_LIST).unwrap_or_default();
        let reads_menus =
            self.client.firmware == Firmware::UBoot || self.client.arch == Some(Arch::PowerOpal);
        if !reads_menus {
            return;
        }
        if list.contains(&Code::PXELINUX_CONFIG.0) {
            let name = format!("pxelinux.cfg/01-{}", self.client.mac.hyphenated());
            options.push(Code::PXELINUX_CONFIG, name.as_bytes());
        }
        if list.contains(&Code::PXELINUX_PREFIX.0) {
            options.push(Code::PXELINUX_PREFIX, b"/");
        }
    }

    fn add_pxe_options(&self, options: &mut Options, has_file: bool) {
        match (self.client.firmware, self.boot_item) {
            (Firmware::RaspberryPi { old_rom }, _) => {
                options.push(Code::VENDOR_INFO, &pxe::raspberry_pi_boot(old_rom));
            }
            (_, None) => match self.shape {
                Shape::Direct | Shape::Plain => options.push(Code::VENDOR_INFO, &pxe::BOOT_THIS_FILE),
                Shape::BootServer => {}
                Shape::Menu => options.push(Code::VENDOR_INFO, &pxe::boot_menu(self.config.server_ip)),
            },
            (_, Some(item)) => {
                options.push(Code::VENDOR_INFO, &item.to_bytes());
                let control: &[u8] = if has_file { &pxe::BOOT_THIS_FILE } else { &[255] };
                options.push(Code::VENDOR_INFO, control);
            }
        }
        if self.client.uuid.is_some() {
            self.add_echo(Code::CLIENT_UUID, options);
        }
    }

    fn add_echoes(&self, options: &mut Options) {
        self.add_echo(Code::CLIENT_ID, options);
        self.add_echo(Code::RELAY_AGENT, options);
    }

    /// Copies an option of the request unchanged, unless it is empty or longer than one option can be.
    fn add_echo(&self, code: Code, options: &mut Options) {
        let fits = |data: &&[u8]| !data.is_empty() && data.len() <= 255;
        if let Some(data) = self.request.options.get(code).filter(fits) {
            options.push(code, data);
        }
    }
}

/// Writes a text over the zeros of a longer field.
fn copy(field: &mut [u8], text: &[u8]) {
    for (to, &from) in field.iter_mut().zip(text) {
        *to = from;
    }
}

/// T1 and T2: half and seven eighths of the lease (RFC 2131 §4.4.5).
fn renewal_times(lease_secs: u32) -> (u32, u32) {
    (lease_secs / 2, lease_secs.saturating_sub(lease_secs.div_ceil(8)))
}

/// How long the message may be, by option 57.
fn budget(request: &Message) -> usize {
    let size = request.options.u16(Code::MAX_SIZE).unwrap_or(0);
    usize::from(size.saturating_sub(HEADERS)).clamp(LEAST_BUDGET, MOST_BUDGET)
}

/// The boot file as this client can take it: of the right kind, and short enough for where it looks.
fn fitting(boot_file: BootFile, client: &Client) -> BootFile {
    let takes_url = client.takes_url();
    let (name, is_wrong_kind) = match &boot_file {
        BootFile::Name(name) => (name, client.firmware == Firmware::HttpBoot),
        BootFile::Url(url) => (url, !takes_url),
        BootFile::None(_) => return boot_file,
    };
    // `file` holds 127 bytes, option 67 holds 254, both with their NUL.
    let most = if takes_url { 254 } else { 127 };
    if is_wrong_kind {
        BootFile::None(NoBoot::WrongTransport)
    } else if name.is_empty() || name.len() > most || name.contains('\0') {
        BootFile::None(NoBoot::NameTooLong)
    } else {
        boot_file
    }
}
