//! What goes out.

use std::io;
use std::net::Ipv4Addr;

use super::Running;
use crate::app::desk::{Job, Letter};
use crate::dhcp::destination::Destination;
use crate::dhcp::lease::LeaseRecord;
use crate::dhcp::reaction::{Reply, ReplyKind};
use crate::wire::MacAddr;
use crate::wire::frame::{self, Datagram};

/// Most answers that are held back at once.
const MAX_LATE: usize = 1024;

impl Running<'_> {
    /// Sends an answer. An offer beside another server's is held back as the user wishes: some firmware takes the first
    /// offer that comes, and needs that to be the one with the address (dnsmasq's `dhcp-reply-delay`).
    ///
    /// What is said to a machine of which something is being written down waits for that.
    pub(super) fn send_reply(&mut self, mac: MacAddr, reply: Reply) {
        if reply.kind == ReplyKind::ProxyOffer && !self.given.reply_delay.is_zero() {
            let due = self.elapsed().saturating_add(self.given.reply_delay);
            if self.late.len() < MAX_LATE {
                self.late.push_back((due, reply));
            }
            return;
        }
        if self.given.desk.is_busy_with(mac) {
            self.send_when_durable(mac, None, Some(&reply));
        } else {
            self.send_now(&reply);
        }
    }

    /// Has a lease written down, and then an answer sent.
    pub(super) fn send_when_durable(
        &mut self,
        mac: MacAddr,
        record: Option<&LeaseRecord>,
        reply: Option<&Reply>,
    ) {
        let letter = reply.and_then(|reply| {
            let mut frame = Vec::new();
            let ip = self.given.ip;
            self.emit(ip, reply.source_port, &reply.message, &reply.destination, &mut frame)
                .then_some(Letter { frame, to: reply.destination })
        });
        let line = record.map(LeaseRecord::to_line);
        if (line.is_some() || letter.is_some()) && !self.given.desk.hand_over(Job { mac, line, letter }) {
            self.note("disk", "behind", || format!("the disk is too slow; {mac} will ask again"));
        }
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
        let ip = self.given.ip;
        self.send(ip, reply.source_port, &reply.message, &reply.destination);
    }

    pub(super) fn send(&mut self, src_ip: Ipv4Addr, src_port: u16, payload: &[u8], to: &Destination) {
        let mut frame = std::mem::take(&mut self.frame);
        if self.emit(src_ip, src_port, payload, to, &mut frame) {
            let sent = self.given.outlet.send(&frame, to);
            self.note_unsent(sent, to.mac);
        }
        self.frame = frame;
    }

    /// Puts a message into a frame; whether it could be.
    fn emit(
        &mut self,
        src_ip: Ipv4Addr,
        src_port: u16,
        payload: &[u8],
        to: &Destination,
        frame: &mut Vec<u8>,
    ) -> bool {
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
        let emitted = frame::emit(&datagram, self.ip_id, frame);
        emitted.inspect_err(|reason| log::error!("cannot send to {}: {reason}", to.mac)).is_ok()
    }

    pub(super) fn send_frame(&mut self, frame: &[u8], to: MacAddr) {
        let sent = self.given.raw.send(frame);
        self.note_unsent(sent, to);
    }

    fn note_unsent(&mut self, sent: io::Result<()>, to: MacAddr) {
        if let Err(error) = sent {
            self.note("link", "not-sent", || format!("cannot send to {to}: {error}"));
        }
    }
}
