//! DHCP as a conversation: bytes become messages of a few machines, time, ARP and restarts; a model watches what the server
//! grants.
//!
//! Whatever is sent: nobody gets another's address, nothing outside the pools is given, a reply belongs to its request
//! and is well-formed, in mode off nothing is said, and in proxy mode only who has a lease from before gets an address,
//! and nobody a refusal.

// A second reader of messages that shares nothing with the code it judges.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../src/wire/dhcp_decoder.rs"]
mod dhcp_decoder;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use dhcp_decoder::Decoded;
use pxego::boot::boot_file::BootFile;
use pxego::boot::client::{Client, Firmware};
use pxego::dhcp::identity::Identity;
use pxego::dhcp::ladder::Ladder;
use pxego::dhcp::lease::{self, LeaseRecord, LeaseState};
use pxego::dhcp::reaction::{Accepted, Ignored, Port, Reaction, Received, Reply, ReplyKind, Verdict};
use pxego::dhcp::server::{OFFER_HOLD, Server, ServerConfig};
use pxego::dhcp::subnet::SubnetConfig;
use pxego::dhcp::{Mode, Now};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::Message;
use pxego::wire::dhcp_option::Code;

/// Longer conversations find nothing that shorter ones do not.
const MAX_STEPS: u32 = 600;

const SERVER_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const SERVER_MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0xff, 0xff, 1]);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 254);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
const RESERVED: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 50);

/// Vendor classes that lead to different answers.
const CLASSES: [&[u8]; 8] = [
    b"PXEClient:Arch:00000:UNDI:002001",
    b"PXEClient:Arch:00007:UNDI:003016",
    b"HTTPClient:Arch:00016:UNDI:003001",
    b"PXEClient",
    b"AAPLBSDPC/i386",
    b"MSFT 5.0",
    b"udhcp 1.36.1",
    b"U-Boot.armv8",
];

/// A conversation and what is known of it.
struct Session<'a> {
    bytes: std::slice::Iter<'a, u8>,
    config: ServerConfig,
    server: Server,
    now: Now,
    name_len: usize,
    /// Who was granted which address, until when.
    leases: HashMap<Ipv4Addr, (Identity, Duration)>,
    /// Who was offered which address, until when it is surely held.
    offers: HashMap<Ipv4Addr, (Identity, Duration)>,
    /// The latest offers, even where they may have ended since.
    promised: HashMap<Ipv4Addr, (Identity, Duration)>,
    /// What would be on the disk.
    journal: String,
}

/// A message with the addresses of its frame.
struct Packet {
    message: Message,
    src_mac: MacAddr,
    src_ip: Ipv4Addr,
    dst_ip: Ipv4Addr,
    port: Port,
}

/// Plays a conversation.
pub fn dhcp_session(data: &[u8]) {
    let mut bytes = data.iter();
    let config = config(take(&mut bytes));
    let name_len = usize::from(take(&mut bytes));
    let now = Now { monotonic: Duration::from_secs(5), unix_secs: 1_795_348_800 };
    let server = Server::new(config.clone(), &[], Ladder::default(), now).expect("a pool");
    let (leases, offers, promised) = Default::default();
    let mut session =
        Session { bytes, config, server, now, name_len, leases, offers, promised, journal: String::new() };
    for _ in 0..MAX_STEPS {
        if session.bytes.len() == 0 {
            return;
        }
        session.step();
    }
}

/// The next byte; zero when there is none left.
fn take(bytes: &mut std::slice::Iter<'_, u8>) -> u8 {
    bytes.next().copied().unwrap_or_default()
}

fn config(choice: u8) -> ServerConfig {
    let local = |last| Ipv4Addr::new(192, 168, 77, last);
    ServerConfig {
        mode: Mode::Full,
        server_ip: SERVER_IP,
        server_mac: SERVER_MAC,
        local: SubnetConfig {
            prefix_len: 24,
            first: local(100),
            last: local(100 + (choice & 7)),
            router: Some(local(253)),
        },
        relayed: vec![SubnetConfig {
            prefix_len: 24,
            first: Ipv4Addr::new(10, 20, 0, 50),
            last: Ipv4Addr::new(10, 20, 0, 52),
            router: None,
        }],
        set_aside: vec![],
        reservations: vec![(mac(0), RESERVED)],
        dns: vec![local(251), local(252)],
        domain: Some("bench.example".to_owned()),
        lease_secs: 300,
        authoritative: choice & 8 != 0,
        bootp: choice & 16 != 0,
        check_addresses: choice & 32 != 0,
    }
}

/// The card of a machine.
fn mac(number: u8) -> MacAddr {
    MacAddr([0x52, 0x54, 0, 0, 0, number])
}

fn boot_file(client: &Client, name_len: usize) -> BootFile {
    let name = "n".repeat(name_len);
    match client.firmware {
        Firmware::HttpBoot | Firmware::Ipxe { .. } => BootFile::Url(format!("http://{SERVER_IP}/{name}")),
        _ => BootFile::Name(name),
    }
}

impl Session<'_> {
    fn byte(&mut self) -> u8 {
        take(&mut self.bytes)
    }

    fn step(&mut self) {
        match self.byte() % 16 {
            0 => self.wait(Duration::from_secs(u64::from(self.bytes.as_slice().first().map_or(1, |b| *b)))),
            1 => {
                let mode = match self.byte() % 4 {
                    0 => Mode::Proxy,
                    1 => Mode::Off,
                    _ => Mode::Full,
                };
                self.server.set_mode(mode);
            }
            2 => self.arp(),
            3 => {
                let (mac, address) = (mac(self.byte() % 6), self.address());
                if let Some(record) = self.server.on_traffic(self.now, mac, address) {
                    assert_eq!((record.identity.mac(), record.address), (Some(mac), address));
                    self.granted(&record);
                }
            }
            4 => {
                let mac = mac(self.byte() % 6);
                let _ = self.server.on_loader_fetched(mac);
            }
            5 if self.byte().is_multiple_of(4) => self.restart(),
            _ => {
                let packet = self.packet();
                if let Some(packet) = packet {
                    self.send(&packet, true);
                }
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.unix_secs += time.as_secs();
    }

    /// Somebody answers for an address, or nobody.
    fn arp(&mut self) {
        let (who, address) = (self.byte(), self.address());
        if who & 0x80 == 0 {
            self.server.on_address_clear(self.now, address);
            return;
        }
        let is_conflict = self.server.on_address_in_use(self.now, mac(who % 8), address);
        let holder = self.leases.get(&address).filter(|(_, until)| *until > self.now.monotonic);
        if holder.is_some_and(|(identity, _)| identity.mac() == Some(mac(who % 8))) {
            assert!(!is_conflict, "{address} is its own");
        } else if is_conflict {
            self.offers.remove(&address);
        }
    }

    /// As after kill -9: what was written down is all there is.
    fn restart(&mut self) {
        let (records, bad) = lease::parse_lines(self.journal.as_bytes());
        assert_eq!(bad.len(), 0, "what was written cannot be read");
        let mode = self.server.mode();
        let ladder = Ladder::restore(&self.server.ladder().to_lines());
        let latest = lease::latest(&records);
        self.server = Server::new(self.config.clone(), &latest, ladder, self.now).expect("a pool");
        self.server.set_mode(mode);
        self.offers.clear();
    }

    /// An address that somebody may have, or not.
    fn address(&mut self) -> Ipv4Addr {
        match self.byte() {
            0xff => Ipv4Addr::UNSPECIFIED,
            0xfe => SERVER_IP,
            0xfd => OTHER_SERVER,
            0xfc => Ipv4Addr::BROADCAST,
            0xfb => RESERVED,
            0xfa => Ipv4Addr::new(203, 0, 113, 9),
            byte if byte >= 0xc0 => Ipv4Addr::new(10, 20, 0, 49 + byte % 5),
            byte => Ipv4Addr::new(192, 168, 77, 99 + byte % 10),
        }
    }

    /// The address that a machine was offered or granted, most of the time.
    fn own_address(&mut self, identity: Option<&Identity>) -> Ipv4Addr {
        let guess = self.address();
        let mut known: Vec<Ipv4Addr> = [&self.offers, &self.leases]
            .into_iter()
            .flatten()
            .filter(|(_, (other, _))| Some(other) == identity)
            .map(|(address, _)| *address)
            .collect();
        known.sort();
        let choice = self.byte();
        if choice & 0x80 != 0 || known.is_empty() {
            return guess;
        }
        known[usize::from(choice) % known.len()]
    }

    /// A message as it may come over the wire; `None` when it is so broken that nobody reads it.
    fn packet(&mut self) -> Option<Packet> {
        let (kind, number) = (self.byte(), self.byte());
        let (mac, shape) = (mac(number % 6), self.byte());
        let mut bytes = vec![0u8; 240];
        (bytes[0], bytes[1], bytes[2]) = (1, 1, 6);
        bytes[4..8].copy_from_slice(&[kind, number, shape, self.bytes.len() as u8]);
        bytes[28..34].copy_from_slice(&mac.0);
        bytes[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        if number == 0xee {
            // Known by option 61 alone (RFC 4390).
            (bytes[1], bytes[2]) = (32, 0);
            bytes[28..34].fill(0);
        }
        bytes[10] = shape & 0x80;
        let is_relayed = shape & 0x40 != 0;
        if is_relayed {
            let relay = if shape & 1 == 0 { RELAY } else { OTHER_SERVER };
            bytes[24..28].copy_from_slice(&relay.octets());
        }
        let identity = match Message::parse(&bytes) {
            Ok(message) => Identity::from_message(&message),
            Err(_) => None,
        };
        let own = self.own_address(identity.as_ref());
        let mut src_ip = Ipv4Addr::UNSPECIFIED;
        let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
        let (server, requested) = ((54, SERVER_IP.octets().to_vec()), (50, own.octets().to_vec()));
        // 0 is BOOTP: no message type.
        let message_type = match kind % 12 {
            0 => None,
            1..=3 => Some(1),
            4..=8 => Some(3),
            9 => Some(4),
            10 => Some(7),
            _ => Some(8),
        };
        options.extend(message_type.map(|code| (53, vec![code])));
        match kind % 12 {
            1 => options.push(requested),
            // SELECTING, INIT-REBOOT, RENEWING, boot server discovery.
            4 | 5 => options.extend([server, requested]),
            6 => options.push(requested),
            7 | 8 | 11 => {
                bytes[12..16].copy_from_slice(&own.octets());
                src_ip = own;
            }
            9 => options.extend([server, requested]),
            10 => {
                bytes[12..16].copy_from_slice(&own.octets());
                options.push(server);
            }
            _ => {}
        }
        if shape & 0x20 != 0 {
            options.push((60, CLASSES[usize::from(shape & 7)].to_vec()));
        }
        if shape & 0x10 != 0 {
            self.odd_options(&mut options);
        }
        for (code, data) in &options {
            bytes.extend([*code, data.len() as u8]);
            bytes.extend(data);
        }
        bytes.push(255);
        if shape & 0x08 != 0 {
            // Anything, anywhere.
            for _ in 0..self.byte() % 4 {
                let (at, value) = (usize::from(self.byte()) * 2, self.byte());
                let at = at % bytes.len();
                bytes[at] = value;
            }
        }
        let src_mac = if shape == 0xff { SERVER_MAC } else { mac };
        let port = if number & 0xc0 == 0xc0 { Port::BootServer } else { Port::Dhcp };
        let dst_ip = if src_ip.is_unspecified() { Ipv4Addr::BROADCAST } else { SERVER_IP };
        Some(Packet { message: Message::parse(&bytes).ok()?, src_mac, src_ip, dst_ip, port })
    }

    /// Options that change what the server does, and any others.
    fn odd_options(&mut self, options: &mut Vec<(u8, Vec<u8>)>) {
        for _ in 0..=self.byte() % 4 {
            let choice = self.byte();
            let option = match choice % 10 {
                0 => (54, self.address().octets().to_vec()),
                1 => (57, vec![self.byte(), self.byte()]),
                2 => (43, vec![71, 4, self.byte() & 0x81, 0, 0, 0, 255]),
                3 => (82, vec![5, 4, 10, 20, 0, 0, 11, 4, 10, 20, 0, 1]),
                4 => (77, b"iPXE".to_vec()),
                5 => (93, vec![0, self.byte()]),
                6 => (61, vec![255, self.byte()]),
                7 => (97, vec![0; 17]),
                8 => (55, vec![1, 3, 6, 12, 15, 43, 54, 66, 67, self.byte()]),
                _ => {
                    let (code, len) = (self.byte(), self.byte());
                    if code == 0 || code == 255 {
                        continue;
                    }
                    (code, vec![choice; usize::from(len)])
                }
            };
            options.push(option);
        }
    }

    fn send(&mut self, packet: &Packet, may_check: bool) {
        let received = Received {
            message: &packet.message,
            src_mac: packet.src_mac,
            src_ip: packet.src_ip,
            src_port: 68,
            dst_ip: packet.dst_ip,
            port: packet.port,
        };
        let name_len = self.name_len;
        let boot = |client: &Client| boot_file(client, name_len);
        let reaction = self.server.on_message(self.now, &received, &boot);
        self.judge(packet, &reaction);
        if let Verdict::Check(address) = reaction.verdict {
            self.offers
                .retain(|_, (other, _)| Some(&*other) != Identity::from_message(&packet.message).as_ref());
            assert!(may_check, "asked about {address} twice in a moment");
            match self.byte() % 4 {
                0 => {
                    if self.server.on_address_in_use(self.now, mac(7), address) {
                        self.offers.remove(&address);
                    }
                }
                1 => {}
                _ => {
                    self.server.on_address_clear(self.now, address);
                    self.send(packet, false);
                }
            }
        }
    }

    fn judge(&mut self, packet: &Packet, reaction: &Reaction) {
        let mode = self.server.mode();
        let identity = Identity::from_message(&packet.message);
        match &reaction.verdict {
            Verdict::Reply(reply) => {
                assert_ne!(mode, Mode::Off, "{reply:?}");
                well_formed(packet, reply);
                if mode == Mode::Proxy {
                    assert!(!matches!(reply.kind, ReplyKind::Nak | ReplyKind::Offer | ReplyKind::Bootp));
                }
                if !reply.yiaddr.is_unspecified() {
                    let identity = identity.clone().expect("nobody can be given an address");
                    self.given(mode, &identity, reply, reaction.commit.as_ref());
                }
            }
            Verdict::Accepted(accepted) => {
                let (address, state) = match accepted {
                    Accepted::Released(address) => (*address, LeaseState::Released),
                    Accepted::Declined(address) => (*address, LeaseState::Declined),
                };
                let record = reaction.commit.as_ref().expect("it is written down");
                assert_eq!((record.address, record.state), (address, state));
                assert_eq!(Some(&record.identity), identity.as_ref());
                if let Some((holder, until)) = self.leases.remove(&address) {
                    let has_ended = until <= self.now.monotonic;
                    assert!(has_ended || Some(holder) == identity, "{address} was given back by another");
                }
                self.offers.remove(&address);
                self.journal.push_str(&record.to_line());
            }
            Verdict::Check(address) => {
                assert!(mode == Mode::Full && self.config.check_addresses, "{address}");
                assert!(packet.message.giaddr.is_unspecified(), "{address} is behind a relay");
                let identity = identity.clone().expect("somebody asks");
                self.is_nobody_elses(*address, &identity);
                self.begins_anew(&identity, *address);
            }
            // A reply that does not fit grants all the same.
            Verdict::Ignored(reason) => {
                assert!(reaction.commit.is_none() || *reason == Ignored::ReplyTooLong, "{reason}");
                if let Some(record) = &reaction.commit {
                    self.granted(record);
                }
            }
        }
        // Anything but a DISCOVER may end an offer.
        if let Some(identity) = identity
            && !matches!(&reaction.verdict, Verdict::Reply(reply) if reply.kind == ReplyKind::Offer)
        {
            self.offers.retain(|_, (other, _)| *other != identity);
        }
    }

    /// An address goes to a machine, offered or granted.
    fn given(&mut self, mode: Mode, identity: &Identity, reply: &Reply, commit: Option<&LeaseRecord>) {
        let address = reply.yiaddr;
        let is_local = self.config.local.first <= address && address <= self.config.local.last;
        let is_relayed = self.config.relayed.iter().any(|it| it.first <= address && address <= it.last);
        assert!(is_local || is_relayed || address == RESERVED, "{address} is in no pool");
        assert!(address != RESERVED || identity.mac() == Some(mac(0)), "{address} is kept for another");
        self.is_nobody_elses(address, identity);
        if mode == Mode::Proxy {
            // An offer made just before is a promise too.
            let tables = [&self.leases, &self.promised];
            let is_own =
                tables.iter().any(|it| it.get(&address).is_some_and(|(holder, _)| holder == identity));
            assert!(is_own, "{address} beside another server");
        }
        match reply.kind {
            ReplyKind::Offer => {
                self.begins_anew(identity, address);
                self.offers.retain(|_, (other, _)| other != identity);
                self.offers.insert(address, (identity.clone(), self.now.monotonic + OFFER_HOLD));
                self.promised.insert(address, (identity.clone(), self.now.monotonic + OFFER_HOLD));
            }
            ReplyKind::Ack | ReplyKind::Bootp => {
                let Some(record) = commit else {
                    self.confirmed(identity, reply);
                    return;
                };
                assert_eq!((&record.identity, record.address), (identity, address));
                self.granted(record);
            }
            kind => panic!("{kind} with an address"),
        }
    }

    /// Who discovers has no other address of this network any more, whether it is offered one or that is asked about first.
    fn begins_anew(&mut self, identity: &Identity, address: Ipv4Addr) {
        let is_elsewhere = |other: &Ipv4Addr| other.octets()[0] != address.octets()[0];
        self.leases
            .retain(|other, (holder, _)| holder != identity || *other == address || is_elsewhere(other));
    }

    /// What is not written down again must be on the disk, and last as long as the client is told.
    fn confirmed(&self, identity: &Identity, reply: &Reply) {
        let (holder, until) = self.leases.get(&reply.yiaddr).expect("granted and not written down");
        assert_eq!(holder, identity);
        let message = Message::parse(&reply.message).expect("a message");
        let told = message.options.u32(Code::LEASE_TIME).expect("a lease time");
        let left = until.saturating_sub(self.now.monotonic);
        assert!(Duration::from_secs(told.into()) <= left, "told {told} s, {left:?} are left");
    }

    /// Nobody else was granted it or is to decide about an offer of it.
    fn is_nobody_elses(&self, address: Ipv4Addr, identity: &Identity) {
        for (what, table) in [("leased", &self.leases), ("offered", &self.offers)] {
            if let Some((holder, until)) = table.get(&address) {
                let is_free = *until <= self.now.monotonic;
                assert!(is_free || holder == identity, "{address} for {identity} is {what} to {holder}");
            }
        }
    }

    fn granted(&mut self, record: &LeaseRecord) {
        assert_eq!(record.state, LeaseState::Bound);
        self.is_nobody_elses(record.address, &record.identity);
        let lasts = Duration::from_secs(record.until.saturating_sub(self.now.unix_secs));
        // Who takes an address gives up the one before, on another network too: it is plugged in here now.
        self.leases.retain(|_, (holder, _)| *holder != record.identity);
        self.leases.insert(record.address, (record.identity.clone(), self.now.monotonic + lasts));
        self.offers.remove(&record.address);
        self.journal.push_str(&record.to_line());
    }
}

/// What holds for every reply, read by another reader.
fn well_formed(packet: &Packet, reply: &Reply) {
    let request = &packet.message;
    if reply.kind == ReplyKind::Bootp && !request.has_cookie {
        // The vendor area of a client that does not know options is its own (RFC 951 §3).
        let (xid, chaddr) = (&reply.message[4..8], &reply.message[28..44]);
        assert_eq!((xid, chaddr), (&request.xid.to_be_bytes()[..], &request.chaddr[..]));
        assert_eq!(reply.message.len(), 300);
        return;
    }
    let sent = Decoded::read(&reply.message).expect("a well-formed reply");
    let mut faults = sent.faults();
    // BOOTP has no message type (RFC 1534 §2).
    faults.retain(|fault| reply.kind != ReplyKind::Bootp || !fault.starts_with("53 "));
    assert_eq!(faults, [""; 0], "{sent:?}");
    assert_eq!((sent.op, sent.xid, sent.chaddr), (2, request.xid, request.chaddr));
    assert_eq!((sent.htype, sent.hlen, sent.giaddr), (request.htype, request.hlen, request.giaddr));
    assert_eq!(sent.yiaddr, reply.yiaddr);
    assert_eq!(reply.source_port, packet.port.number());
    // Option 57 counts the headers of IP and UDP (RFC 2132 §9.10); everybody takes 576.
    let most = request.options.u16(Code::MAX_SIZE).unwrap_or(0);
    let most = usize::from(most).saturating_sub(28).clamp(548, 1472);
    assert!(sent.len <= most, "{} bytes for one who takes {most}", sent.len);
    if !request.giaddr.is_unspecified() {
        assert_eq!((reply.destination.ip, reply.destination.port), (request.giaddr, 67));
    }
}
