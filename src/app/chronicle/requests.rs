//! What the DHCP server did, as far as people want to know it.

use std::sync::PoisonError;
use std::time::Duration;

use super::Chronicle;
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::{Client, Firmware};
use crate::dhcp::ladder::Rung;
use crate::dhcp::reaction::{Ignored, Reaction, Reply, ReplyKind, Verdict};
use crate::event::What;
use crate::net::clock;
use crate::wire::MacAddr;

impl Chronicle {
    /// Passes on what the DHCP server did.
    pub(in crate::app) fn reacted(&self, reaction: &Reaction) {
        let client = &reaction.client;
        match &reaction.verdict {
            Verdict::Reply(reply) if !self.is_worth_telling(reaction, reply) => {}
            Verdict::Reply(reply) => {
                self.discovered(reaction);
                if let Some(rung) = reaction.rung {
                    self.climbed(client.mac, rung);
                }
                self.replied(client, reply);
            }
            Verdict::Check(address) => log::debug!("{}: is {address} in use?", client.mac),
            Verdict::Ignored(Ignored::NoBoot(reason @ (NoBoot::NoLoader(_) | NoBoot::GrubWithoutHttp))) => {
                if self.discovered(reaction) {
                    let reason = nothing_to_boot(*reason);
                    self.send(Some(client.mac), None, What::NothingToBoot { reason });
                }
            }
            Verdict::Accepted(accepted) => log::info!("{}: {accepted}", client.mac),
            Verdict::Ignored(reason @ (Ignored::PoolExhausted | Ignored::TooManyOffers)) => {
                let reason = format!("{reason}; give more addresses with --range");
                self.send(Some(client.mac), None, What::Refused { reason });
            }
            Verdict::Ignored(reason) => log::debug!("{}: {client} ignored: {reason}", client.mac),
        }
    }

    /// Whether a reply is told of: the same to one machine once a second; and if it has no address yet, as long as there are
    /// not too many of its kind.
    fn is_worth_telling(&self, reaction: &Reaction, reply: &Reply) -> bool {
        let mac = reaction.client.mac;
        let now = Duration::from_millis(clock::unix_millis());
        let is_known = self.machines().by_mac(mac).is_some_and(|machine| machine.ip.is_some());
        let grants = matches!(reply.kind, ReplyKind::Ack | ReplyKind::Bootp);
        let may_tell = if is_known || matches!(reply.kind, ReplyKind::Ack | ReplyKind::Nak) {
            // Another stage of its boot gets something else, and is told at once.
            let what = (reply.kind, reply.yiaddr, &reply.boot_file);
            let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            repeats.may_tell(mac, what, now)
        } else {
            self.may_tell_of_stranger(now)
        };
        if !may_tell && grants {
            // Its menu has to know it all the same.
            self.machines().bind(mac, reply.yiaddr, clock::unix_millis());
        }
        may_tell
    }

    fn may_tell_of_stranger(&self, now: Duration) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let (may_tell, untold) = (strangers.may_tell(now), strangers.untold(now));
        drop(strangers);
        if let Some(count) = untold {
            let text = format!(
                "{count} more questions of machines that were never here before are answered and not told singly: a flood, or \
                 a very large bench"
            );
            self.tell(What::Warning { text });
        }
        may_tell
    }

    fn climbed(&self, mac: MacAddr, rung: Rung) {
        let what = match rung {
            Rung::Next { ignored, next } => What::Adapting { ignored: ignored.key(), next: next.to_string() },
            Rung::HttpRefused => What::Warning {
                text: "it asks for HTTP boot and takes no offer: allow HTTP (not only HTTPS) in its firmware's network \
                       settings, or let it boot by PXE"
                    .to_owned(),
            },
        };
        self.send(Some(mac), None, what);
    }

    /// Tells of a machine once for each program that asks in its name; whether it did.
    fn discovered(&self, reaction: &Reaction) -> bool {
        let client = &reaction.client;
        let name = client.to_string();
        let (is_new, ip) = {
            let mut machines = self.machines();
            let machine = machines.seen(client.mac, clock::unix_millis());
            let is_new = machine.client != name;
            machine.client.clone_from(&name);
            (is_new, machine.ip)
        };
        if is_new {
            let arch = client.arch.map(|arch| arch.to_string());
            self.send(Some(client.mac), ip, What::Discovered { client: name, arch });
        }
        is_new
    }

    fn replied(&self, client: &Client, reply: &Reply) {
        let mac = client.mac;
        match reply.kind {
            ReplyKind::Offer | ReplyKind::ProxyOffer => {
                let ip = Some(reply.yiaddr).filter(|ip| !ip.is_unspecified());
                let boot_file = match &reply.boot_file {
                    BootFile::Name(name) | BootFile::Url(name) => Some(name.clone()),
                    BootFile::None(NoBoot::NotAsked) => None,
                    // Told already, with the reason.
                    BootFile::None(NoBoot::Stranger) => return,
                    // It asks twice: for a script of its own, then as the EFI machine that it is too (boot/bootmeth_efi.c).
                    BootFile::None(_) if client.firmware == Firmware::UBoot => None,
                    BootFile::None(reason) => {
                        let reason = nothing_to_boot(*reason);
                        self.send(Some(mac), ip, What::NothingToBoot { reason });
                        return;
                    }
                };
                self.send(Some(mac), ip, What::Offered { boot_file });
            }
            ReplyKind::Ack | ReplyKind::Bootp => {
                self.machines().bind(mac, reply.yiaddr, clock::unix_millis());
                self.send(Some(mac), Some(reply.yiaddr), What::Leased);
            }
            ReplyKind::Nak => {
                let reason = "the address it asked for is not for it; it will ask for another".to_owned();
                self.send(Some(mac), None, What::Refused { reason });
            }
            ReplyKind::InformAck | ReplyKind::BootAck => log::debug!("{mac}: {}", reply.kind),
        }
    }
}

fn nothing_to_boot(reason: NoBoot) -> String {
    match reason {
        NoBoot::NoLoader(_) => format!("{reason}, neither on the image nor built in"),
        _ => reason.to_string(),
    }
}
