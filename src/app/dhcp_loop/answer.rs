//! Requests are decided on; what they are granted goes to the disk with its answer, other answers go at once.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Held, MAX_CHECKING, MAX_RELAYS, Running};
use crate::app::sweep::Sweep;
use crate::boot::client::Firmware;
use crate::dhcp::Mode;
use crate::dhcp::reaction::{Ignored, Port, Reaction, Received, Verdict};
use crate::wire::MacAddr;
use crate::wire::arp::Arp;

impl Running<'_> {
    pub(super) fn answer(&mut self, held: Held) {
        let received = Received {
            message: &held.message,
            src_mac: held.src_mac,
            src_ip: held.src_ip,
            src_port: held.src_port,
            dst_ip: held.dst_ip,
            port: held.port,
        };
        let now = self.now();
        let reaction = self.given.server.on_message(now, &received, &*self.given.boot);
        let may_tell = self.count(&reaction, now.monotonic);
        if matches!(reaction.verdict, Verdict::Ignored(Ignored::Relayed)) {
            self.tell_of_relay(held.message.giaddr);
        }
        // The registry must know the address before the machine can ask for its menu.
        if may_tell || !matches!(reaction.verdict, Verdict::Ignored(_)) {
            self.given.chronicle.reacted(&reaction);
        }
        if held.port == Port::BootServer && self.given.server.is_local(held.src_ip) && is_answered(&reaction)
        {
            // Beside another server this tells a machine's address.
            self.given.chronicle.lives_at(reaction.client.mac, held.src_ip);
        }
        if matches!(reaction.client.firmware, Firmware::Ipxe { .. }) && is_answered(&reaction) {
            self.solicited.ipxe_answered(reaction.client.mac, now.monotonic);
        }
        let mac = reaction.client.mac;
        match (reaction.verdict, reaction.commit) {
            (Verdict::Reply(reply), None) => self.send_reply(mac, reply),
            (Verdict::Reply(reply), record) => self.send_when_durable(mac, record.as_ref(), Some(&reply)),
            (Verdict::Check(address), _) => {
                self.checks.ask(address, now.monotonic);
                let waiting: usize = self.checking.values().map(Vec::len).sum();
                if waiting < MAX_CHECKING {
                    self.checking.entry(address).or_default().push(held);
                }
            }
            (Verdict::Accepted(_) | Verdict::Ignored(_), record) => {
                self.send_when_durable(mac, record.as_ref(), None)
            }
        }
    }

    /// A relay that asks for a network without a pool: told once for each.
    pub(super) fn tell_of_relay(&mut self, relay: Ipv4Addr) {
        if self.relays.len() < MAX_RELAYS && self.relays.insert(relay) {
            let [a, b, c, _] = relay.octets();
            self.warn(format!(
                "the relay {relay} asks for machines of its network, and there are no addresses for them: start pxego with \
                 --relayed {a}.{b}.{c}.0/24={a}.{b}.{c}.100-{a}.{b}.{c}.200, or take us out of the relay's list"
            ));
        }
    }

    /// Counts it. Whether it may be told if it is a silence: once a second for each reason.
    pub(super) fn count(&mut self, reaction: &Reaction, now: Duration) -> bool {
        let (group, cause) = match &reaction.verdict {
            Verdict::Reply(reply) => ("sent", reply.kind.key()),
            Verdict::Check(_) => ("arp", "check"),
            Verdict::Accepted(_) => ("accepted", "release-or-decline"),
            Verdict::Ignored(reason) => ("ignored", reason.key()),
        };
        self.counters.count(group, cause, now)
    }

    /// Probes that are due; requests whose address turned out to be free are answered.
    pub(super) fn check_addresses(&mut self) {
        let now = self.now();
        if self.is_sweeping() {
            for address in self.sweep.due(self.given.server.pool(), now) {
                self.checks.ask(address, now.monotonic);
            }
        }
        let due = self.checks.due(now.monotonic);
        for address in due.probe {
            self.probe(address);
        }
        for address in due.clear {
            self.given.server.on_address_clear(now, address);
            self.checked(address);
        }
    }

    /// Asks who uses an address.
    pub(super) fn probe(&mut self, address: Ipv4Addr) {
        let mut frame = std::mem::take(&mut self.frame);
        Arp::probe(self.given.mac, address).emit(&mut frame);
        self.send_frame(&frame, MacAddr::BROADCAST);
        self.frame = frame;
    }

    /// Whether free addresses are asked about ahead of demand: while we give them or may be about to.
    pub(super) fn is_sweeping(&self) -> bool {
        self.given.server.config().check_addresses
            && matches!(self.watch.mode(), None | Some(Mode::Full))
            && Sweep::is_for(self.given.server.pool())
    }

    pub(super) fn checked(&mut self, address: Ipv4Addr) {
        for held in self.checking.remove(&address).unwrap_or_default() {
            self.answer(held);
        }
    }
}

fn is_answered(reaction: &Reaction) -> bool {
    matches!(reaction.verdict, Verdict::Reply(_))
}
