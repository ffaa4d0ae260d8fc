//! A conversation with the DHCP server: whatever is sent, every reply is one to its request, and no two machines hold an address.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pxego::boot::boot_file::{BootFile, NoBoot};
use pxego::boot::client::Client;
use pxego::dhcp::identity::Identity;
use pxego::dhcp::ladder::Ladder;
use pxego::dhcp::lease::{LeaseRecord, LeaseState, parse_lines};
use pxego::dhcp::reaction::{Port, Reaction, Received, Reply, ReplyKind, Verdict};
use pxego::dhcp::server::{Server, ServerConfig};
use pxego::dhcp::subnet::SubnetConfig;
use pxego::dhcp::{Mode, Now};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::{BOOT_REPLY, BOOT_REQUEST, Message};
use pxego::wire::dhcp_option::Code;
use pxego::wire::frame::MAX_PAYLOAD;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
const SERVER_MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
/// On the wire and behind a relay. Few addresses, so that they run out.
const POOLS: [SubnetConfig; 2] = [
    SubnetConfig {
        prefix_len: 24,
        first: Ipv4Addr::new(192, 168, 100, 100),
        last: Ipv4Addr::new(192, 168, 100, 103),
        router: Some(SERVER),
    },
    SubnetConfig {
        prefix_len: 28,
        first: Ipv4Addr::new(10, 0, 0, 1),
        last: Ipv4Addr::new(10, 0, 0, 3),
        router: None,
    },
];

/// 2026-11-22T12:00:00Z; leases last a day.
const START: u64 = 1_795_348_800;
const LEASE: u32 = 86_400;

/// Longest conversation, at a message each second.
const MESSAGES: u64 = 64;

/// Reads `data` as settings of the server and messages, each after two bytes: how it came, and a number that is added to its sender's address. Its
/// length stands before it in two more.
pub fn dhcp_server(data: &[u8]) {
    let [settings, rest @ ..] = data else { return };
    let is = |bit: u8| settings >> bit & 1 == 1;
    let config = ServerConfig {
        mode: if is(1) { Mode::Proxy } else { Mode::Full },
        server_ip: SERVER,
        server_mac: SERVER_MAC,
        local: POOLS[0].clone(),
        relayed: vec![POOLS[1].clone()],
        set_aside: vec![],
        reservations: vec![],
        dns: vec![SERVER],
        domain: Some("bench".to_owned()),
        lease_secs: LEASE,
        authoritative: is(0),
        bootp: is(2),
        check_addresses: is(3),
    };
    let mut server = Server::new(config, &[], Ladder::default(), now(0)).expect("a sound configuration");
    let mut holders = Holders::default();
    let mut rest = rest;
    for second in 0..MESSAGES {
        let [how, who, high, low, after @ ..] = rest else { return };
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (bytes, after) = after.split_at(len);
        rest = after;
        let Ok(mut message) = Message::parse(bytes) else { continue };
        message.chaddr[5] = message.chaddr[5].wrapping_add(*who);
        let received = received(&message, *how);
        let mut reaction = server.on_message(now(second), &received, &boot_file);
        if let Verdict::Check(address) = reaction.verdict {
            assert!(is(3) && pool_of(address).is_some() && reaction.commit.is_none());
            server.on_address_clear(now(second), address);
            reaction = server.on_message(now(second), &received, &boot_file);
        }
        judge(&reaction, &received);
        if let Some(record) = &reaction.commit {
            holders.write_down(record);
        }
        if let Verdict::Reply(Reply { kind: ReplyKind::Ack, yiaddr, .. }) = &reaction.verdict {
            let holder = Identity::from_message(&message).expect("it has a name");
            assert_eq!(holders.0.get(yiaddr), Some(&holder), "granted, but not written down");
        }
    }
}

/// Which pool an address is from.
fn pool_of(address: Ipv4Addr) -> Option<usize> {
    POOLS.iter().position(|pool| (pool.first..=pool.last).contains(&address))
}

fn now(second: u64) -> Now {
    Now { monotonic: Duration::from_secs(second), unix_secs: START + second }
}

/// How a message came: bits of `how` say to which port, from which address, to which.
fn received(message: &Message, how: u8) -> Received<'_> {
    let mac = message.ethernet_chaddr().unwrap_or(MacAddr([2, 0, 0, 0, 0, 9]));
    let address = Ipv4Addr::new(192, 168, 100, 100 + (how >> 4 & 3));
    Received {
        message,
        src_mac: mac,
        src_ip: if how & 1 == 0 { Ipv4Addr::UNSPECIFIED } else { address },
        src_port: if how & 2 == 0 { 68 } else { 4011 },
        dst_ip: if how & 4 == 0 { Ipv4Addr::BROADCAST } else { SERVER },
        port: if how & 8 == 0 { Port::Dhcp } else { Port::BootServer },
    }
}

fn boot_file(client: &Client) -> BootFile {
    if !client.is_netboot() {
        BootFile::None(NoBoot::NotAsked)
    } else if client.takes_url() {
        BootFile::Url("http://192.168.100.1/boot.ipxe".to_owned())
    } else {
        BootFile::Name("pxelinux.0".to_owned())
    }
}

/// Whether the reply, if there is one, is a reply to this request.
fn judge(reaction: &Reaction, received: &Received<'_>) {
    let reply = match &reaction.verdict {
        Verdict::Reply(reply) => reply,
        Verdict::Check(address) => panic!("{address} was asked for a moment ago"),
        Verdict::Accepted(accepted) => return assert!(!accepted.to_string().is_empty()),
        Verdict::Ignored(ignored) => return assert!(!ignored.key().is_empty() && reaction.commit.is_none()),
    };
    let request = received.message;
    let message = Message::parse(&reply.message).expect("a message");
    assert!(reply.message.len() <= MAX_PAYLOAD);
    assert_eq!((request.op, message.op), (BOOT_REQUEST, BOOT_REPLY));
    assert_eq!((message.xid, message.chaddr, message.htype), (request.xid, request.chaddr, request.htype));
    let is_bootp = reply.kind == ReplyKind::Bootp;
    assert_eq!(message.message_type(), (!is_bootp).then(|| reply.kind.message_type()));
    if !is_bootp && !request.options.has(Code::RELAY_AGENT) {
        assert_eq!(message.options.ipv4(Code::SERVER_ID), Some(SERVER));
    }
    assert_eq!(message.yiaddr, reply.yiaddr);
    let is_lease = matches!(reply.kind, ReplyKind::Offer | ReplyKind::Ack);
    assert_eq!(is_lease || is_bootp, pool_of(reply.yiaddr).is_some(), "{:?}", reply.kind);
    assert_eq!(is_lease, message.options.has(Code::LEASE_TIME));
    assert_ne!(received.src_mac, SERVER_MAC, "it answers itself");
    assert!(!reply.destination.ip.is_unspecified() && reply.destination.port != 0);
    assert!([67, 4011].contains(&reply.source_port));
}

/// Who holds which address, by what the server has written down.
#[derive(Default)]
struct Holders(HashMap<Ipv4Addr, Identity>);

impl Holders {
    fn write_down(&mut self, record: &LeaseRecord) {
        assert_eq!(parse_lines(record.to_line().as_bytes()), (vec![record.clone()], vec![]));
        let pool = pool_of(record.address).expect("an address of ours");
        let holder = self.0.get(&record.address);
        match record.state {
            LeaseState::Bound => {
                assert!(holder.is_none_or(|it| *it == record.identity), "{} is given to two", record.address);
                assert!(record.until >= START + 60);
                self.0.retain(|address, other| *other != record.identity || pool_of(*address) != Some(pool));
                self.0.insert(record.address, record.identity.clone());
            }
            LeaseState::Released | LeaseState::Declined => {
                assert_eq!(holder, Some(&record.identity), "who does not hold it gives it back");
                self.0.remove(&record.address);
            }
        }
    }
}
