//! The server under test with its time, and what every one of its replies must satisfy.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::arch::Arch;
use crate::boot::boot_file::{BootFile, BootInfo};
use crate::boot::client::{Client, Firmware};
use crate::dhcp::destination::Destination;
use crate::dhcp::ladder::Ladder;
use crate::dhcp::lease::LeaseRecord;
use crate::dhcp::reaction::{Accepted, Ignored, Reaction, Received, ReplyKind, Verdict};
use crate::dhcp::server::{Server, ServerConfig};
use crate::dhcp::subnet::SubnetConfig;
use crate::dhcp::{Mode, Now};
use crate::wire::MacAddr;
use crate::wire::dhcp::Message;
use crate::wire::dhcp_decoder::Decoded;

use super::packet::Packet;

pub(crate) const SERVER_IP: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(crate) const SERVER_MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0xff, 0xff, 0x01]);
pub(crate) const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 254);

/// An address of the server's network.
pub(crate) fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// The card of a machine.
pub(crate) fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([0x52, 0x54, a, b, c, d])
}

/// 192.168.77.100 to .199, with everything a network can have.
pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        mode: Mode::Full,
        server_ip: SERVER_IP,
        server_mac: SERVER_MAC,
        local: SubnetConfig { prefix_len: 24, first: ip(100), last: ip(199), router: Some(ip(253)) },
        relayed: vec![],
        set_aside: vec![],
        reservations: vec![],
        dns: vec![ip(251), ip(252)],
        domain: Some("bench.example".to_owned()),
        lease_secs: 3600,
        authoritative: false,
        bootp: true,
        check_addresses: false,
    }
}

/// The same with a pool of one address.
pub(crate) fn config_of_one() -> ServerConfig {
    let local = SubnetConfig { prefix_len: 30, first: ip(2), last: ip(2), router: None };
    ServerConfig { local, ..config() }
}

/// What clients boot, without any state.
pub(crate) type Boot = fn(&Client) -> BootFile;

/// What each kind of client boots here.
pub(crate) fn boot_file(client: &Client) -> BootFile {
    match (client.firmware, client.arch) {
        (Firmware::HttpBoot, _) => BootFile::Url("http://192.168.77.1/boot/shimx64.efi".to_owned()),
        (Firmware::Ipxe { .. }, _) => BootFile::Url("http://192.168.77.1/boot.ipxe".to_owned()),
        (Firmware::RaspberryPi { .. }, _) => BootFile::Name("bootcode.bin".to_owned()),
        (Firmware::UBoot, _) => BootFile::Name("boot.scr.uimg".to_owned()),
        (Firmware::Pxe | Firmware::Other, Some(arch)) if arch != Arch::Bios => {
            BootFile::Name(format!("shim{}.efi", arch.efi_suffix().unwrap_or("x64")))
        }
        (Firmware::Pxe | Firmware::Other, _) => BootFile::Name("undionly.kpxe".to_owned()),
    }
}

/// A server, the time, and what it boots.
pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) now: Now,
    pub(crate) boot: Boot,
}

/// A reply, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message: Decoded,
    pub(crate) bytes: Vec<u8>,
    pub(crate) to: Destination,
    pub(crate) source_port: u16,
    pub(crate) kind: ReplyKind,
    pub(crate) boot_file: BootFile,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: ServerConfig) -> Self {
        Self::restored(config, &[])
    }

    pub(crate) fn restored(config: ServerConfig, records: &[LeaseRecord]) -> Self {
        let now = Now { monotonic: Duration::from_secs(10), unix_secs: 1_795_348_800 };
        let server = Server::new(config, records, Ladder::default(), now).expect("a pool");
        Self { server, now, boot: boot_file }
    }

    pub(crate) fn wait(&mut self, secs: u64) {
        self.now.monotonic += Duration::from_secs(secs);
        self.now.unix_secs += secs;
    }

    /// Sends a message as it came off the wire. The reply, if there is one, is checked for what holds for all replies.
    pub(crate) fn send(&mut self, packet: &Packet) -> (Reaction, Option<Sent>) {
        let boot = self.boot;
        self.send_with(packet, &boot)
    }

    /// The same where clients boot something else, or have names.
    pub(crate) fn send_with(&mut self, packet: &Packet, boot: &dyn BootInfo) -> (Reaction, Option<Sent>) {
        let message = Message::parse(&packet.bytes()).expect("a message");
        let received = Received {
            message: &message,
            src_mac: packet.src_mac,
            src_ip: packet.src_ip,
            src_port: packet.src_port,
            dst_ip: packet.dst_ip,
            port: packet.port,
        };
        let reaction = self.server.on_message(self.now, &received, boot);
        let sent = match &reaction.verdict {
            Verdict::Reply(reply) => Some(Sent {
                message: Decoded::read(&reply.message).expect("a well-formed reply"),
                bytes: reply.message.clone(),
                to: reply.destination,
                source_port: reply.source_port,
                kind: reply.kind,
                boot_file: reply.boot_file.clone(),
            }),
            Verdict::Check(_) | Verdict::Accepted(_) | Verdict::Ignored(_) => None,
        };
        if let Some(sent) = &sent {
            self.check(packet, sent);
        }
        (reaction, sent)
    }

    /// D01 to D06, D08, D09, D16, D39, D40, P39: in every reply of every test.
    fn check(&self, packet: &Packet, sent: &Sent) {
        let reply = &sent.message;
        let mut faults = reply.faults();
        // BOOTP has no message type (RFC 1534 §2).
        faults.retain(|fault| sent.kind != ReplyKind::Bootp || !fault.starts_with("53 "));
        assert_eq!(faults, [""; 0], "{reply:?}");
        assert_eq!((reply.xid, reply.chaddr), (packet.xid, packet.chaddr));
        assert_eq!((reply.htype, reply.hlen), (packet.htype, packet.hlen));
        assert_eq!(reply.giaddr, packet.giaddr);
        let is_relayed_nak = sent.kind == ReplyKind::Nak && !packet.giaddr.is_unspecified();
        assert_eq!(reply.flags, if is_relayed_nak { 0x8000 } else { packet.flags });
        assert!(reply.len <= budget(packet), "{} bytes for {}", reply.len, budget(packet));
        assert_eq!(sent.source_port, packet.port.number());
        assert_ne!(sent.to.ip, self.server.local().broadcast(), "the directed broadcast");
        assert!(reply.yiaddr.is_unspecified() || reply.option(1).is_some(), "an address without a mask");
        assert!(
            reply.yiaddr.is_unspecified()
                || self.server.subnets.iter().any(|it| it.pool.contains(reply.yiaddr))
        );
    }

    /// Sends what must be answered.
    pub(crate) fn reply(&mut self, packet: &Packet) -> Sent {
        let (reaction, sent) = self.send(packet);
        sent.unwrap_or_else(|| panic!("{:?} for {packet:?}", reaction.verdict))
    }

    /// Sends what must be answered by a kind of reply.
    fn reply_of_kind(&mut self, packet: &Packet, kind: ReplyKind) -> Sent {
        let sent = self.reply(packet);
        assert_eq!(sent.kind, kind, "for {packet:?}");
        if kind != ReplyKind::Bootp {
            assert_eq!(sent.message.option(53), Some(&[kind.message_type().code()][..]));
        }
        sent
    }

    pub(crate) fn offer(&mut self, packet: &Packet) -> Sent {
        self.reply_of_kind(packet, ReplyKind::Offer)
    }

    pub(crate) fn ack(&mut self, packet: &Packet) -> Sent {
        self.reply_of_kind(packet, ReplyKind::Ack)
    }

    pub(crate) fn nak(&mut self, packet: &Packet) -> Sent {
        self.reply_of_kind(packet, ReplyKind::Nak)
    }

    pub(crate) fn inform_ack(&mut self, packet: &Packet) -> Sent {
        self.reply_of_kind(packet, ReplyKind::InformAck)
    }

    pub(crate) fn boot_ack(&mut self, packet: &Packet) -> Sent {
        self.reply_of_kind(packet, ReplyKind::BootAck)
    }

    /// DISCOVER, OFFER, REQUEST, ACK: the ACK.
    pub(crate) fn lease(&mut self, discover: &Packet) -> Sent {
        let offer = self.offer(discover);
        self.ack(&discover.selecting(&offer.message))
    }

    /// Sends what must not be answered: why it was not.
    pub(crate) fn silence(&mut self, packet: &Packet) -> Ignored {
        let (reaction, _) = self.send(packet);
        assert_eq!(reaction.commit, None);
        match reaction.verdict {
            Verdict::Ignored(reason) => reason,
            other => panic!("{other:?} for {packet:?}"),
        }
    }

    /// Sends what changes something without an answer.
    pub(crate) fn accepted(&mut self, packet: &Packet) -> Accepted {
        let (reaction, _) = self.send(packet);
        match reaction.verdict {
            Verdict::Accepted(accepted) => accepted,
            other => panic!("{other:?} for {packet:?}"),
        }
    }
}

/// How long a reply's payload may be by option 57, headers taken off (RFC 2132 §9.10).
pub(crate) fn budget(packet: &Packet) -> usize {
    match packet.get(57) {
        Some(&[high, low]) => {
            usize::from(u16::from_be_bytes([high, low])).saturating_sub(28).clamp(548, 1472)
        }
        _ => 548,
    }
}
