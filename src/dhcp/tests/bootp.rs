//! BOOTP (RFC 951, RFC 1497, RFC 1534).

use super::clients;
use super::lab::{Lab, SERVER_IP, Sent, config, mac};
use super::packet::Packet;
use crate::boot::boot_file::{BootFile, BootInfo};
use crate::boot::client::Client;
use crate::dhcp::lease::LeaseState;
use crate::dhcp::reaction::{Ignored, Port, Reaction, Received, ReplyKind, Verdict};
use crate::dhcp::server::ServerConfig;
use crate::dhcp::{Mode, destination::Destination};
use crate::wire::dhcp::Message;
use crate::wire::dhcp_decoder::Decoded;

/// A BOOTREQUEST with a cookie and no options.
fn bootp(number: u32) -> Packet {
    Packet::discover(mac(number)).without(53)
}

fn reply(lab: &mut Lab, packet: &Packet) -> Sent {
    let sent = lab.reply(packet);
    assert_eq!(sent.kind, ReplyKind::Bootp);
    sent
}

#[test]
fn d57_a_bootp_client_gets_an_address_and_300_bytes_of_rfc_1497() {
    let mut lab = Lab::new();
    let (reaction, sent) = lab.send(&bootp(1));
    let sent = sent.expect("a reply");
    assert_eq!(sent.bytes.len(), 300);
    assert!(lab.server.pool().contains(sent.message.yiaddr));
    assert_eq!(sent.message.siaddr, SERVER_IP);
    assert!(sent.message.file.starts_with(b"undionly.kpxe\0"));
    assert_eq!(sent.message.codes(), [1, 3, 6]);
    assert_eq!(sent.to, Destination { mac: mac(1), ip: sent.message.yiaddr, port: 68 });
    // It never renews: for a day the address is nobody else's, from when it is seen to be there.
    let record = reaction.commit.expect("to be written down");
    assert_eq!((record.state, record.until), (LeaseState::Bound, lab.now.unix_secs + 600));
    let seen = lab.server.on_traffic(lab.now, mac(1), sent.message.yiaddr).expect("to be written down");
    assert_eq!((seen.state, seen.until), (LeaseState::Bound, lab.now.unix_secs + 24 * 3600));
    assert_eq!(lab.server.on_traffic(lab.now, mac(1), sent.message.yiaddr), None, "once");
    let again = lab.send(&bootp(1)).0.commit.expect("to be written down");
    assert_eq!(again.until, lab.now.unix_secs + 24 * 3600, "it is known now");
    assert_eq!(reply(&mut lab, &bootp(1)).message.yiaddr, sent.message.yiaddr);
    assert_ne!(reply(&mut lab, &bootp(2)).message.yiaddr, sent.message.yiaddr);
}

#[test]
fn invented_bootp_clients_take_the_strangers_share_and_not_for_long() {
    let mut lab = Lab::new();
    let known = reply(&mut lab, &bootp(1)).message.yiaddr;
    lab.server.on_traffic(lab.now, mac(1), known).expect("to be written down");
    let old = lab.lease(&clients::udhcpc(mac(2))).message.yiaddr;
    let mut given = 0;
    let mut last = None;
    for number in 1000..1000 + 2 * lab.server.pool().range_len() as u32 {
        let (reaction, sent) = lab.send(&bootp(number));
        given += usize::from(sent.is_some());
        last = Some(reaction.verdict);
    }
    assert!(matches!(last, Some(Verdict::Ignored(Ignored::TooManyOffers))), "{last:?}");
    assert!(given < lab.server.pool().range_len(), "{given}");
    assert_eq!(lab.lease(&clients::udhcpc(mac(2))).message.yiaddr, old);
    assert_eq!(reply(&mut lab, &bootp(1)).message.yiaddr, known);
    // A quarter of an hour later nobody remembers them.
    lab.wait(900);
    reply(&mut lab, &bootp(5000));
    lab.lease(&clients::udhcpc(mac(5001)));
}

#[test]
fn a_bootp_client_behind_a_relay_is_never_seen_and_keeps_its_address() {
    let mut lab = Lab::new();
    let mut packet = bootp(1);
    packet.giaddr = super::lab::ip(2);
    let record = lab.send(&packet).0.commit.expect("to be written down");
    assert_eq!(record.until, lab.now.unix_secs + 24 * 3600);
}

#[test]
fn d57_a_client_that_speaks_dhcp_later_keeps_its_address() {
    let mut lab = Lab::new();
    let address = reply(&mut lab, &bootp(1)).message.yiaddr;
    assert_eq!(lab.lease(&clients::udhcpc(mac(1))).message.yiaddr, address);
}

#[test]
fn d57_silence_where_it_is_switched_off_or_not_ours_to_give() {
    let mut off = Lab::with(ServerConfig { bootp: false, ..config() });
    assert_eq!(off.silence(&bootp(1)), Ignored::Bootp);
    let mut proxy = Lab::with(ServerConfig { mode: Mode::Proxy, ..config() });
    assert_eq!(proxy.silence(&bootp(1)), Ignored::Bootp);
}

/// Files that a client may name itself.
struct Shelf;

impl BootInfo for Shelf {
    fn boot_file(&self, client: &Client) -> BootFile {
        super::lab::boot_file(client)
    }

    fn has_file(&self, name: &str) -> bool {
        name == "diskless/kernel"
    }
}

/// What is made of a request whose fixed fields name a server and a file, without options at all if `has_cookie` is not.
fn named(server: &str, file: &str, has_cookie: bool) -> (Reaction, Option<Decoded>) {
    let mut lab = Lab::new();
    let packet = bootp(1);
    let mut bytes = packet.bytes();
    bytes[44..44 + server.len()].copy_from_slice(server.as_bytes());
    bytes[108..108 + file.len()].copy_from_slice(file.as_bytes());
    if !has_cookie {
        bytes[236..].fill(0);
    }
    let message = Message::parse(&bytes).expect("a message");
    let received = Received {
        message: &message,
        src_mac: packet.src_mac,
        src_ip: packet.src_ip,
        src_port: 68,
        dst_ip: packet.dst_ip,
        port: Port::Dhcp,
    };
    let reaction = lab.server.on_message(lab.now, &received, &Shelf);
    let decoded = match &reaction.verdict {
        Verdict::Reply(reply) if has_cookie => Some(Decoded::read(&reply.message).expect("a reply")),
        _ => None,
    };
    (reaction, decoded)
}

#[test]
fn d58_a_request_for_another_server_is_not_for_us() {
    let ours = SERVER_IP.to_string();
    assert!(named(&ours, "", true).1.is_some());
    for other in ["other", "192.168.77.2", "192.168.77.11"] {
        assert!(matches!(named(other, "", true).0.verdict, Verdict::Ignored(Ignored::Bootp)), "{other}");
    }
}

#[test]
fn a_file_that_there_is_may_be_named() {
    let file = |name: &str| {
        let reply = named("", name, true).1.expect("a reply");
        let end = reply.file.iter().position(|byte| *byte == 0).expect("an end");
        String::from_utf8(reply.file[..end].to_vec()).expect("text")
    };
    assert_eq!(file("diskless/kernel"), "diskless/kernel");
    assert_eq!(file("no/such/file"), "undionly.kpxe");
    assert_eq!(file("../../etc/passwd"), "undionly.kpxe");
}

#[test]
fn without_a_cookie_there_are_no_options() {
    let (reaction, _) = named("", "", false);
    let Verdict::Reply(reply) = reaction.verdict else { panic!("{:?}", reaction.verdict) };
    assert_eq!(reply.message.len(), 300);
    assert_eq!(reply.message[236..], [0; 64]);
    assert!(reply.message[108..].starts_with(b"undionly.kpxe\0"));
}

#[test]
fn a_broadcast_is_answered_by_one_and_the_pool_is_the_limit() {
    let mut lab = Lab::new();
    assert_eq!(reply(&mut lab, &bootp(1).flags(0x8000)).to, Destination::BROADCAST);
    let served = (2..200).filter(|number| lab.send(&bootp(*number)).1.is_some()).count();
    assert_eq!(served, 99, "what is left of the pool");
}
