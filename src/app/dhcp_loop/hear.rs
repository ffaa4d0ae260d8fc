//! What comes in: requests, other servers, and who uses which address.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Held, MAX_RIVALS, MAX_WAITING, Running};
use crate::app::knocks::{self, Knock};
use crate::content::Protocol;
use crate::dhcp::Mode;
use crate::dhcp::probe::{self, ForeignServer};
use crate::dhcp::reaction::Port;
use crate::dhcp::watch::Action;
use crate::event::What;
use crate::net::iface;
use crate::net::ports::TFTP_PORT;
use crate::net::raw::ReceivedFrame;
use crate::wire::MacAddr;
use crate::wire::arp::Arp;
use crate::wire::dhcp::{BOOT_REPLY, Message, MessageType};
use crate::wire::dhcp_option::Code;
use crate::wire::frame::{self, Checksum, Datagram, Dropped};
use crate::wire::ndp::{self, RouterSolicitation};

impl Running<'_> {
    /// Looks at a frame; returns the other DHCP server if we are not to be beside it.
    pub(super) fn received(&mut self, buffer: &[u8], frame: ReceivedFrame) -> Option<ForeignServer> {
        let checksum = if frame.checksum_ready { Checksum::Verify } else { Checksum::NotReady };
        let bytes = buffer.get(..frame.len)?;
        let datagram = match frame::parse(bytes, checksum) {
            Ok(datagram) => datagram,
            Err(Dropped::NotIpv4) => {
                return match RouterSolicitation::parse(bytes) {
                    Some(asked) => {
                        self.solicited(&asked);
                        None
                    }
                    None => self.arp(bytes),
                };
            }
            Err(Dropped::NotUdp) => {
                if let Some(syn) = frame::parse_syn(bytes) {
                    let knock = Knock { peer: syn.src_ip, port: syn.src_port, what: 0 };
                    self.knocked(knock, Protocol::Http);
                }
                return None;
            }
            Err(reason) => {
                self.note("dropped", reason.key(), || format!("frame dropped: {reason}"));
                return None;
            }
        };
        if datagram.src_mac == self.given.mac {
            self.note("dropped", "own-frame", || "our own frame came back".to_owned());
            return None;
        }
        self.watch.on_frame(self.elapsed());
        if datagram.dst_port == 68 {
            return self.overheard(&datagram);
        }
        if datagram.dst_port == TFTP_PORT && datagram.dst_ip == self.given.ip {
            let mut hasher = DefaultHasher::new();
            datagram.payload.hash(&mut hasher);
            let knock = Knock { peer: datagram.src_ip, port: datagram.src_port, what: hasher.finish() };
            self.knocked(knock, Protocol::Tftp);
        }
        let port = Port::from_number(datagram.dst_port)?;
        match Message::parse(datagram.payload) {
            Ok(message) => self.asked(message, &datagram, port),
            Err(reason) => {
                let from = datagram.src_mac;
                self.note("dropped", "malformed-dhcp", || {
                    format!("{from}: malformed DHCP message: {reason}")
                });
                None
            }
        }
    }

    pub(super) fn knocked(&mut self, knock: Knock, protocol: Protocol) {
        if self.knocks.knock(knock, protocol, self.elapsed()) {
            let name = self.given.raw.interface_name();
            self.warn(knocks::advice(knock.peer, protocol, self.given.http_port, name));
        }
    }

    pub(super) fn asked(
        &mut self,
        message: Message,
        datagram: &Datagram<'_>,
        port: Port,
    ) -> Option<ForeignServer> {
        let actions = self.other_server_chosen(&message);
        let refused = self.act(actions);
        let Datagram { src_mac, src_ip, src_port, dst_ip, .. } = *datagram;
        if probe::is_question(&message) {
            self.watch.on_rival(src_mac < self.given.mac, self.elapsed());
        }
        if message.message_type() == Some(MessageType::Discover) {
            self.watch.on_client(self.elapsed());
        }
        let held = Held { message, src_mac, src_ip, src_port, dst_ip, port };
        if self.watch.mode().is_some() {
            self.answer(held);
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.insert(src_mac, held);
        }
        refused
    }

    /// A client that takes another server's offer tells everybody whose.
    pub(super) fn other_server_chosen(&mut self, message: &Message) -> Vec<Action> {
        let server = message.options.ipv4(Code::SERVER_ID).filter(|server| *server != self.given.ip);
        let is_request = message.message_type() == Some(MessageType::Request);
        match server.filter(|_| is_request && message.giaddr.is_unspecified()) {
            Some(server) => {
                let took = message.options.ipv4(Code::REQUESTED_IP);
                self.watch.on_other_server_chosen(server, took, self.elapsed())
            }
            None => Vec::new(),
        }
    }

    /// A server's message to a client, or to us.
    pub(super) fn overheard(&mut self, datagram: &Datagram<'_>) -> Option<ForeignServer> {
        let message = Message::parse(datagram.payload).ok()?;
        let is_servers = message.op == BOOT_REPLY
            && matches!(message.message_type(), Some(MessageType::Offer | MessageType::Ack));
        if !is_servers {
            return None;
        }
        let foreign = ForeignServer::from_message(&message, datagram.src_mac, datagram.src_ip);
        if foreign.ip == self.given.ip {
            // A relay's other leg may bring back what we sent ourselves.
            let is_ours = !message.giaddr.is_unspecified();
            return if is_ours { None } else { self.rival(datagram.src_mac) };
        }
        let actions = self.watch.on_foreign(foreign);
        self.act(actions)
    }

    /// Another computer uses our own address: returned as a server that we are not to be beside, if nobody was answered by
    /// us yet.
    pub(super) fn rival(&mut self, mac: MacAddr) -> Option<ForeignServer> {
        if !self.rivals.contains(&mac) && self.rivals.len() < MAX_RIVALS {
            self.rivals.insert(mac);
            // The kernel answers for an address on every card (arp_ignore 0 in its ip-sysctl.rst).
            let cards = iface::interfaces().unwrap_or_default();
            if cards.iter().any(|card| card.mac == Some(mac)) {
                return None;
            }
            let ip = self.given.ip;
            if !self.is_ready_told {
                return Some(ForeignServer { ip, mac: Some(mac), offered: None, has_boot_info: false });
            }
            self.warn(format!(
                "{mac} uses our address {ip}: machines may reach it instead of us. Switch it off, or start pxego with \
                 another --address"
            ));
        }
        None
    }

    /// Who uses which address: conflicts with what we give, answers to our probes, and beside another server the only way
    /// to know a machine's address.
    pub(super) fn arp(&mut self, bytes: &[u8]) -> Option<ForeignServer> {
        let arp = match Arp::parse(bytes) {
            Ok(arp) => arp,
            Err(reason) => {
                self.note("dropped", reason.key(), || format!("frame dropped: {reason}"));
                return None;
            }
        };
        if arp.sender_mac == self.given.mac {
            return None;
        }
        self.watch.on_frame(self.elapsed());
        let (mac, ip) = (arp.sender_mac, arp.sender_ip);
        if ip.is_unspecified() {
            return None;
        }
        if ip == self.given.ip {
            return self.rival(mac);
        }
        let now = self.now();
        let may_give = matches!(self.watch.mode(), None | Some(Mode::Full));
        if may_give && self.given.server.on_address_in_use(now, mac, ip) {
            if self.counters.count("arp", "conflict", now.monotonic) {
                self.given.chronicle.tell_of(mac, Some(ip), What::Conflict { address: ip });
            }
            self.checks.answered(ip);
            self.checked(ip);
        } else if self.checks.answered(ip) {
            // The machine that is to get it has it still (field guide §1.7).
            self.given.server.on_address_clear(now, ip);
            self.checked(ip);
        } else if let Some(record) = self.given.server.on_traffic(now, mac, ip) {
            self.send_when_durable(mac, Some(&record), None);
            self.given.chronicle.lives_at(mac, ip);
        }
        if self.watch.mode() != Some(Mode::Full) && self.given.server.is_local(ip) {
            self.given.chronicle.lives_at(mac, ip);
        }
        None
    }

    /// iPXE waits for an IPv6 router before it boots; nobody else is told anything.
    pub(super) fn solicited(&mut self, asked: &RouterSolicitation) {
        let now = self.elapsed();
        if self.solicited.is_waiting(asked.mac, now) {
            self.counters.count("sent", "no-ipv6-router", now);
            let mut frame = std::mem::take(&mut self.frame);
            ndp::emit_no_router(self.given.mac, asked, &mut frame);
            self.send_frame(&frame, asked.mac);
            self.frame = frame;
        }
    }
}
