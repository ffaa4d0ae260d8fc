//! Who asks what, and which part of the server answers (RFC 2131, RFC 951, PXE 2.1).
//!
//! What is answered is in the files beside this one: `full` gives addresses, `bootp` gives them to those who do not know
//! DHCP, `boot_service` only tells what to boot; `reply` writes the bytes.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::boot_file::{BootFile, BootInfo, NoBoot};
use crate::boot::client::{Client, Firmware, Stage};
use crate::wire::MacAddr;
use crate::wire::dhcp::{BOOT_REQUEST, HTYPE_ETHERNET, Message, MessageType};
use crate::wire::dhcp_option::Code;
use crate::wire::pxe::{BootItem, SubOptions, VendorClass};

use super::bootp::BOOTP_LEASE;
use super::destination::destination;
use super::flood::FloodGuard;
use super::identity::Identity;
use super::ladder::{Ladder, Rung, Shape};
use super::lease::{LeaseRecord, LeaseState};
use super::pool::{Pool, PoolError};
use super::reaction::{Ignored, Port, Reaction, Received, Reply, ReplyKind, Verdict};
use super::reply::Draft;
use super::subnet::{Subnet, SubnetConfig};
use super::{Mode, Now, conflict};

/// How long an offered address waits for its REQUEST. PXE ROMs try for 60 seconds (PXE 2.1 §2.2.1).
pub const OFFER_HOLD: Duration = Duration::from_secs(60);
/// The same for firmware that uses the offer without a REQUEST (Raspberry Pi, firmware issue 1699).
pub const OFFER_HOLD_RASPBERRY_PI: Duration = Duration::from_secs(600);
/// Relays a message can have passed (RFC 1542 §4.1.1).
const MAX_HOPS: u8 = 16;
/// Sub-options of option 82: link selection (RFC 3527), server identifier override (RFC 5107).
const LINK_SELECTION: u8 = 5;
const SERVER_ID_OVERRIDE: u8 = 11;

/// What the server tells its clients about the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The part we play at first.
    pub mode: Mode,
    /// Our address: server identifier, next server.
    pub server_ip: Ipv4Addr,
    /// Our Ethernet address; frames from it are our own.
    pub server_mac: MacAddr,
    /// The network on the wire.
    pub local: SubnetConfig,
    /// Networks behind relays.
    pub relayed: Vec<SubnetConfig>,
    /// Addresses within the pools that are not ours to give.
    pub set_aside: Vec<Ipv4Addr>,
    /// Addresses that are kept for one machine each.
    pub reservations: Vec<(MacAddr, Ipv4Addr)>,
    /// Name servers that resolve.
    pub dns: Vec<Ipv4Addr>,
    /// The domain, if there is one.
    pub domain: Option<String>,
    /// How long a lease lasts, in seconds; at least 60.
    pub lease_secs: u32,
    /// Whether clients that ask to confirm an address we know nothing of are refused. Off: a telephone plugged in by
    /// mistake keeps its address.
    pub authoritative: bool,
    /// Whether clients without DHCP get an address (ISC dhcpd's `allow bootp`).
    pub bootp: bool,
    /// Whether somebody is asked before an address is offered ([`Verdict::Check`]).
    pub check_addresses: bool,
}

/// Why a server cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A range cannot be used.
    Pool(PoolError),
    /// An address that is kept for a machine is on none of the networks, or is our own, or a network's.
    Reservation(MacAddr, Ipv4Addr),
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pool(error) => error.fmt(f),
            Self::Reservation(mac, address) => {
                write!(
                    f,
                    "{address}, kept for {mac}, is not an address that can be given on any of the networks"
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<PoolError> for ConfigError {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

/// The server's state: who has which address, and what each machine is offered.
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) config: ServerConfig,
    pub(super) mode: Mode,
    /// The network on the wire first, then those behind relays.
    pub(super) subnets: Vec<Subnet>,
    pub(super) ladder: Ladder,
    flood: FloodGuard,
}

/// What a handler decides.
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    /// What is to be written down first.
    pub(super) commit: Option<LeaseRecord>,
    pub(super) shape: Option<Shape>,
    pub(super) rung: Option<Rung>,
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, commit: None, shape: None, rung: None }
    }
}

impl From<Ignored> for Decision {
    fn from(reason: Ignored) -> Self {
        Verdict::Ignored(reason).into()
    }
}

/// Everything about one message that the handlers need.
pub(super) struct Asking<'a> {
    pub(super) now: Now,
    pub(super) received: &'a Received<'a>,
    pub(super) message: &'a Message,
    pub(super) client: &'a Client,
    pub(super) identity: Identity,
    pub(super) boot: &'a dyn BootInfo,
    /// Which of the networks it is about.
    pub(super) subnet: usize,
    /// How we call ourselves to it: a relay may have it otherwise (RFC 5107).
    pub(super) server_id: Ipv4Addr,
}

impl Asking<'_> {
    /// The boot server it asks for (option 43, tag 71).
    pub(super) fn boot_item(&self) -> Option<BootItem> {
        BootItem::from_option(self.message.options.get(Code::VENDOR_INFO)?)
    }

    pub(super) fn names_other_server(&self) -> bool {
        self.message.options.ipv4(Code::SERVER_ID).is_some_and(|server| server != self.server_id)
    }

    pub(super) fn vendor_class(&self) -> VendorClass {
        VendorClass::from_option(self.message.options.get(Code::VENDOR_CLASS).unwrap_or_default())
    }
}

impl Server {
    /// A server with the leases of an earlier run, and what was learnt then about choosy firmware.
    ///
    /// # Errors
    /// A pool or a reservation cannot be used.
    pub fn new(
        config: ServerConfig,
        restored: &[LeaseRecord],
        ladder: Ladder,
        now: Now,
    ) -> Result<Self, ConfigError> {
        let mut never = config.set_aside.clone();
        never.push(config.server_ip);
        let mut subnets = vec![Subnet::new(&config.local, config.server_ip, &never)?];
        for relayed in &config.relayed {
            subnets.push(Subnet::new(relayed, relayed.first, &never)?);
        }
        for &(mac, address) in &config.reservations {
            let may = |subnet: &&mut Subnet| subnet.is_host(address) && !never.contains(&address);
            let subnet = subnets.iter_mut().find(may);
            if !subnet.is_some_and(|subnet| subnet.pool.reserve(&Identity::ethernet(mac), address)) {
                return Err(ConfigError::Reservation(mac, address));
            }
        }
        // One of them may be a BOOTP client's.
        let lease = Duration::from_secs(u64::from(config.lease_secs)).max(BOOTP_LEASE);
        for subnet in &mut subnets {
            subnet.pool.restore(restored, lease, now);
        }
        let mode = config.mode;
        Ok(Self { config, mode, subnets, ladder, flood: FloodGuard::new() })
    }

    /// What it was made with.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Who has which address of the network on the wire.
    pub fn pool(&self) -> &Pool {
        self.local().pool()
    }

    /// The part we play.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Plays another part from now on. Leases that were given stay; they are renewed whatever the part.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// What is learnt about choosy firmware.
    pub fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// The network on the wire. There always is one.
    pub(super) fn local(&self) -> &Subnet {
        #[allow(clippy::indexing_slicing)]
        &self.subnets[0]
    }

    pub(super) fn subnet(&self, asking: &Asking<'_>) -> &Subnet {
        self.subnets.get(asking.subnet).unwrap_or_else(|| self.local())
    }

    pub(super) fn pool_mut(&mut self, asking: &Asking<'_>) -> &mut Pool {
        let index = if asking.subnet < self.subnets.len() { asking.subnet } else { 0 };
        #[allow(clippy::indexing_slicing)]
        &mut self.subnets[index].pool
    }

    /// Decides about one message.
    pub fn on_message(&mut self, now: Now, received: &Received<'_>, boot: &dyn BootInfo) -> Reaction {
        let message = received.message;
        let client = Client::from_message(message, received.src_mac);
        let decision = match self.check(now, received, &client) {
            Err(reason) => reason.into(),
            Ok((kind, identity, subnet)) => {
                let server_id = server_id_override(message).unwrap_or(self.config.server_ip);
                let client = &client;
                let asking = Asking { now, received, message, client, identity, boot, subnet, server_id };
                self.decide(kind, &asking)
            }
        };
        let Decision { verdict, commit, shape, rung } = decision;
        Reaction { client, asked: message.message_type(), verdict, commit, shape, rung }
    }

    /// Somebody at `mac` was seen to use `ip` (an ARP packet). Whether that is a conflict with what we give; the address
    /// is set aside then.
    pub fn on_address_in_use(&mut self, now: Now, mac: MacAddr, ip: Ipv4Addr) -> bool {
        let server_mac = self.config.server_mac;
        self.subnets
            .first_mut()
            .is_some_and(|local| mac != server_mac && local.pool.seen_in_use(ip, mac, now))
    }

    /// Nobody answered for an address.
    pub fn on_address_clear(&mut self, now: Now, ip: Ipv4Addr) {
        if let Some(local) = self.subnets.first_mut() {
            local.pool.mark_clear(ip, conflict::BELIEVED, now);
        }
    }

    /// A client was seen to use an address. If it was only offered to that machine, the offer becomes a lease, to be made
    /// durable: some firmware never sends a REQUEST, and a BOOTP client never says that it took it. Neither renews.
    pub fn on_traffic(&mut self, now: Now, mac: MacAddr, ip: Ipv4Addr) -> Option<LeaseRecord> {
        let index = self.subnets.iter().position(|subnet| subnet.pool.is_unseen(ip, mac, now))?;
        let lease = Duration::from_secs(u64::from(self.config.lease_secs)).max(BOOTP_LEASE);
        self.grant_on(index, &Identity::ethernet(mac), ip, lease, now)
    }

    /// A machine fetched its first program. Returns the shape of offer that led to it if that is news: it is to be written
    /// down ([`Ladder::to_lines`]).
    pub fn on_loader_fetched(&mut self, mac: MacAddr) -> Option<Shape> {
        self.ladder.loaded(mac)
    }

    /// Whether an address is of the network on the wire.
    pub fn is_local(&self, ip: Ipv4Addr) -> bool {
        self.local().contains(ip)
    }

    /// Whether an address can be that of a machine on one of the networks: not a network's own or broadcast address, not
    /// ours.
    pub(super) fn is_other_host(&self, ip: Ipv4Addr) -> bool {
        ip != self.config.server_ip && self.subnets.iter().any(|subnet| subnet.is_host(ip))
    }

    /// The machine at an address, if it is ours.
    pub fn mac_at(&self, ip: Ipv4Addr) -> Option<MacAddr> {
        self.subnets.iter().find_map(|subnet| subnet.pool.mac_at(ip))
    }

    /// What can be said about a message before its kind matters; `None` for the kind of BOOTP.
    fn check(
        &mut self,
        now: Now,
        received: &Received<'_>,
        client: &Client,
    ) -> Result<(Option<MessageType>, Identity, usize), Ignored> {
        let message = received.message;
        let is_boot_server = received.port == Port::BootServer;
        if message.op != BOOT_REQUEST {
            return Err(Ignored::NotARequest);
        }
        if received.src_mac == self.config.server_mac {
            return Err(Ignored::OwnFrame);
        }
        // EDK2 can be told to send a UUID as hardware address to port 4011 (`SendGUID`).
        if message.hlen > 16 || (message.htype == HTYPE_ETHERNET && message.hlen != 6 && !is_boot_server) {
            return Err(Ignored::BadHardwareAddress);
        }
        if message.hops > MAX_HOPS {
            return Err(Ignored::TooManyHops);
        }
        if self.mode == Mode::Off {
            return Err(Ignored::Off);
        }
        let subnet = self.subnet_of(received)?;
        if self.flood.is_flooded_by(client.mac, now) {
            return Err(Ignored::Flood);
        }
        let class = message.options.get(Code::VENDOR_CLASS).unwrap_or_default();
        if VendorClass::from_option(class) == VendorClass::AppleBsdp {
            return Err(Ignored::AppleBsdp);
        }
        let kind =
            if message.is_bootp() { None } else { Some(message.message_type().ok_or(Ignored::MessageType)?) };
        let identity = Identity::from_message(message).ok_or(Ignored::BadHardwareAddress)?;
        Ok((kind, identity, subnet))
    }

    /// Which network a message is about (RFC 2131 §4.3.1, RFC 3527, RFC 3011).
    fn subnet_of(&self, received: &Received<'_>) -> Result<usize, Ignored> {
        let message = received.message;
        let find = |address: Ipv4Addr| self.subnets.iter().position(|subnet| subnet.contains(address));
        let named = relay_sub_option(message, LINK_SELECTION).and_then(|bytes| bytes.try_into().ok());
        let named = named.map(|bytes: [u8; 4]| Ipv4Addr::from(bytes));
        let named = named.or_else(|| message.options.ipv4(Code::SUBNET_SELECTION));
        if message.giaddr.is_unspecified() {
            // Unicast from behind a relay: the client has an address already.
            let is_discover = message.message_type() == Some(MessageType::Discover);
            let ciaddr = Some(message.ciaddr).filter(|_| !is_discover);
            return Ok([named, ciaddr, Some(received.src_ip)]
                .into_iter()
                .flatten()
                .find_map(find)
                .unwrap_or(0));
        }
        match find(named.unwrap_or(message.giaddr)) {
            Some(index) => Ok(index),
            // Boot information alone needs no pool.
            None if self.mode == Mode::Proxy => Ok(0),
            None => Err(Ignored::Relayed),
        }
    }

    fn decide(&mut self, kind: Option<MessageType>, asking: &Asking<'_>) -> Decision {
        let Some(kind) = kind else { return self.bootp(asking) };
        if asking.received.port == Port::BootServer {
            return match kind {
                MessageType::Request | MessageType::Inform | MessageType::Discover => {
                    self.boot_server(asking)
                }
                _ => Ignored::MessageType.into(),
            };
        }
        let is_full = self.mode == Mode::Full;
        match kind {
            MessageType::Discover if is_full => self.discover(asking),
            MessageType::Discover => self.proxy_discover(asking),
            MessageType::Request if is_full => self.request(asking),
            MessageType::Request => self.proxy_request(asking),
            MessageType::Inform if is_full => self.inform(asking),
            MessageType::Inform => self.proxy_inform(asking),
            MessageType::Release => self.release(asking),
            MessageType::Decline => self.decline(asking),
            MessageType::Offer | MessageType::Ack | MessageType::Nak => Ignored::MessageType.into(),
        }
    }

    /// The shape of an offer to this client, which counts as made, and what is to be told about it.
    pub(super) fn next_shape(&mut self, asking: &Asking<'_>) -> (Shape, Option<Rung>) {
        if asking.client.stage == Stage::Plain {
            return (Shape::Direct, None);
        }
        self.ladder.offer(asking.client, self.mode, asking.message.secs, asking.now.monotonic)
    }

    /// The shape that the machine was offered: later answers have to look the same.
    pub(super) fn same_shape(&self, asking: &Asking<'_>) -> Shape {
        let shape =
            self.ladder.current(asking.client.mac).filter(|_| asking.client.firmware == Firmware::Pxe);
        shape.unwrap_or(Shape::Direct)
    }

    pub(super) fn boot_file(&self, asking: &Asking<'_>) -> BootFile {
        let client = asking.client;
        if asking.boot_item().is_some_and(|item| item.kind == 0) {
            BootFile::None(NoBoot::LocalDisk)
        } else if client.is_netboot() || client.asks_for_boot_file {
            match self.mode {
                Mode::Full => asking.boot.boot_file(client),
                Mode::Proxy | Mode::Off => asking.boot.proxy_boot_file(client),
            }
        } else {
            BootFile::None(NoBoot::NotAsked)
        }
    }

    pub(super) fn reply(
        &self,
        asking: &Asking<'_>,
        kind: ReplyKind,
        yiaddr: Ipv4Addr,
        shape: Shape,
    ) -> Verdict {
        let boot_file = self.boot_file(asking);
        self.reply_with(asking, kind, yiaddr, shape, boot_file)
    }

    pub(super) fn reply_with(
        &self,
        asking: &Asking<'_>,
        kind: ReplyKind,
        yiaddr: Ipv4Addr,
        shape: Shape,
        boot_file: BootFile,
    ) -> Verdict {
        match self.draft(asking, kind, yiaddr, shape).write(boot_file) {
            Ok((message, boot_file)) => {
                Verdict::Reply(self.addressed(asking, kind, yiaddr, boot_file, message))
            }
            Err(_) => Verdict::Ignored(Ignored::ReplyTooLong),
        }
    }

    pub(super) fn nak(&self, asking: &Asking<'_>, why: &str) -> Decision {
        let none = Ipv4Addr::UNSPECIFIED;
        match self.draft(asking, ReplyKind::Nak, none, Shape::Direct).write_nak(why) {
            Ok(message) => {
                let boot_file = BootFile::None(NoBoot::NotAsked);
                Verdict::Reply(self.addressed(asking, ReplyKind::Nak, none, boot_file, message)).into()
            }
            Err(_) => Ignored::ReplyTooLong.into(),
        }
    }

    fn draft<'a>(
        &'a self,
        asking: &'a Asking<'_>,
        kind: ReplyKind,
        yiaddr: Ipv4Addr,
        shape: Shape,
    ) -> Draft<'a> {
        Draft {
            config: &self.config,
            subnet: self.subnet(asking),
            server_id: asking.server_id,
            request: asking.message,
            client: asking.client,
            kind,
            yiaddr,
            lease_secs: self.fresh_lease(asking, yiaddr).unwrap_or(self.config.lease_secs),
            boot_item: asking.boot_item().filter(|_| kind == ReplyKind::BootAck),
            host_name: asking.boot.host_name(asking.client),
            shape,
        }
    }

    fn addressed(
        &self,
        asking: &Asking<'_>,
        kind: ReplyKind,
        yiaddr: Ipv4Addr,
        boot_file: BootFile,
        message: Vec<u8>,
    ) -> Reply {
        let destination = destination(kind, asking.received, yiaddr);
        let source_port = asking.received.port.number();
        Reply { kind, yiaddr, boot_file, message, destination, source_port }
    }

    /// Binds an address for `lease` and says what to write down.
    pub(super) fn grant_on(
        &mut self,
        subnet: usize,
        identity: &Identity,
        address: Ipv4Addr,
        lease: Duration,
        now: Now,
    ) -> Option<LeaseRecord> {
        let is_granted = self.subnets.get_mut(subnet)?.pool.bind(identity, address, lease, now);
        is_granted.then(|| bound(identity, address, lease, now))
    }
}

/// What to write down of an address that is granted.
pub(super) fn bound(identity: &Identity, address: Ipv4Addr, lease: Duration, now: Now) -> LeaseRecord {
    let until = now.unix_secs.saturating_add(lease.as_secs());
    LeaseRecord { identity: identity.clone(), address, state: LeaseState::Bound, until }
}

fn relay_sub_option(message: &Message, tag: u8) -> Option<&[u8]> {
    SubOptions::new(message.options.get(Code::RELAY_AGENT)?).find_tag(tag)
}

fn server_id_override(message: &Message) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = relay_sub_option(message, SERVER_ID_OVERRIDE)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes)).filter(|address| !address.is_unspecified())
}
