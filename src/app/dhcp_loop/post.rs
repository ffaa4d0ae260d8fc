//! What goes out.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Running;
use crate::dhcp::destination::Destination;
use crate::dhcp::reaction::{Reply, ReplyKind};
use crate::wire::MacAddr;
use crate::wire::frame::{self, Datagram};

/// Where relays listen (RFC 2131 §4.1).
const RELAY_PORT: u16 = 67;

/// Answers that go to relays without a pause, and the pause: the usual socket buffer of 208 KiB takes some 160 of them.
const RELAY_BURST: u32 = 64;
const RELAY_PAUSE: Duration = Duration::from_millis(2);

/// Most answers that are held back at once.
const MAX_LATE: usize = 1024;

impl Running<'_> {
    /// Sends an answer. An offer beside another server's is held back as the user wishes: some firmware takes the first
    /// offer that comes, and needs that to be the one with the address (dnsmasq's `dhcp-reply-delay`).
    pub(super) fn send_reply(&mut self, reply: Reply) {
        if reply.kind == ReplyKind::ProxyOffer && !self.given.reply_delay.is_zero() {
            let due = self.elapsed().saturating_add(self.given.reply_delay);
            if self.late.len() < MAX_LATE {
                self.late.push_back((due, reply));
            }
            return;
        }
        self.send_now(&reply);
    }

    /// Sends the answers whose time has come.
    pub(super) fn send_late(&mut self) {
        let now = self.elapsed();
        while self.late.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, reply)) = self.late.pop_front() {
                self.send_now(&reply);
            }
        }
    }

    fn send_now(&mut self, reply: &Reply) {
        if reply.destination.port == RELAY_PORT {
            self.spare_relay();
        }
        let ip = self.given.ip;
        self.send(ip, reply.source_port, &reply.message, &reply.destination);
    }

    /// A relay takes the answers for all of its machines into one socket: what comes faster than it reads is lost there.
    fn spare_relay(&mut self) {
        let now = self.elapsed();
        let (count, since) = self.to_relays;
        self.to_relays = match count {
            0..RELAY_BURST if now.saturating_sub(since) < RELAY_PAUSE => (count.saturating_add(1), since),
            0..RELAY_BURST => (1, now),
            _ => {
                self.stop.wait(RELAY_PAUSE);
                (1, self.elapsed())
            }
        };
    }

    pub(super) fn send(&mut self, src_ip: Ipv4Addr, src_port: u16, payload: &[u8], to: &Destination) {
        self.ip_id = self.ip_id.wrapping_add(1).max(1);
        let datagram = Datagram {
            src_mac: self.given.mac,
            dst_mac: to.mac,
            src_ip,
            dst_ip: to.ip,
            src_port,
            dst_port: to.port,
            payload,
        };
        let mut frame = std::mem::take(&mut self.frame);
        match frame::emit(&datagram, self.ip_id, &mut frame) {
            Ok(()) => self.send_frame(&frame, to.mac),
            Err(reason) => log::error!("cannot send to {}: {reason}", to.mac),
        }
        self.frame = frame;
    }

    pub(super) fn send_frame(&mut self, frame: &[u8], to: MacAddr) {
        if let Err(error) = self.given.raw.send(frame) {
            self.note("link", "not-sent", || format!("cannot send to {to}: {error}"));
        }
    }
}
