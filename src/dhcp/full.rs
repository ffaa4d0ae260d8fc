//! The full DHCP server: addresses, and boot information with them (RFC 2131).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::Firmware;
use crate::wire::dhcp_option::Code;

use super::lease::{LeaseRecord, LeaseState};
use super::pool::{NoAddress, SET_ASIDE};
use super::reaction::{Accepted, Ignored, ReplyKind, Verdict};
use super::server::{Asking, Decision, OFFER_HOLD, OFFER_HOLD_RASPBERRY_PI, Server};
use super::subnet::Subnet;

impl Server {
    /// DISCOVER: an address held for the client (RFC 2131 §4.3.1). Its `ciaddr` does not count.
    pub(super) fn discover(&mut self, asking: &Asking<'_>) -> Decision {
        if self.is_stranger(asking) {
            return Ignored::NoBoot(NoBoot::Stranger).into();
        }
        let hold = match asking.client.firmware {
            Firmware::RaspberryPi { .. } => OFFER_HOLD_RASPBERRY_PI,
            _ => OFFER_HOLD,
        };
        let address = match self.hold_address(asking, hold) {
            Ok(address) => address,
            Err(decision) => return decision,
        };
        let (shape, rung) = self.next_shape(asking);
        let verdict = self.reply(asking, ReplyKind::Offer, address, shape);
        Decision { verdict, commit: None, shape: Some(shape), rung }
    }

    /// Whether firmware is left alone: not even an address is for who is not served.
    fn is_stranger(&self, asking: &Asking<'_>) -> bool {
        let boot_file = BootFile::None(NoBoot::Stranger);
        asking.client.is_netboot() && asking.boot_item().is_none() && self.boot_file(asking) == boot_file
    }

    /// An address for the client, or why there is none (yet).
    #[allow(clippy::result_large_err, reason = "a decision is returned as it is, once for each message")]
    pub(super) fn hold_address(&mut self, asking: &Asking<'_>, hold: Duration) -> Result<Ipv4Addr, Decision> {
        let requested = asking.message.options.ipv4(Code::REQUESTED_IP);
        let address = match self.pool_mut(asking).offer(&asking.identity, requested, hold, asking.now) {
            Ok(address) => address,
            Err(NoAddress::Exhausted) => return Err(Ignored::PoolExhausted.into()),
            Err(NoAddress::TooManyOffers) => return Err(Ignored::TooManyOffers.into()),
        };
        // Behind a relay nobody can be asked by ARP.
        let is_local = asking.subnet == 0 && asking.message.giaddr.is_unspecified();
        if self.config.check_addresses && is_local && self.pool().needs_check(address, asking.now) {
            return Err(Verdict::Check(address).into());
        }
        Ok(address)
    }

    /// REQUEST, in one of its four states (RFC 2131 §4.3.2, table 4), or boot server discovery by broadcast.
    pub(super) fn request(&mut self, asking: &Asking<'_>) -> Decision {
        let message = asking.message;
        let requested = message.options.ipv4(Code::REQUESTED_IP);
        let ciaddr = Some(message.ciaddr).filter(|address| !address.is_unspecified());
        if asking.names_other_server() {
            self.pool_mut(asking).withdraw_offer(&asking.identity);
            return Ignored::OtherServer.into();
        }
        if message.options.ipv4(Code::SERVER_ID).is_some() {
            return match requested.or(ciaddr) {
                Some(address) => self.selecting(asking, address),
                None => Ignored::NoAddress.into(),
            };
        }
        match (ciaddr, requested) {
            (Some(_), None) if asking.boot_item().is_some() => self.boot_server(asking),
            (Some(address), _) => self.renewing(asking, address),
            (None, Some(address)) => self.init_reboot(asking, address),
            (None, None) => Ignored::NoAddress.into(),
        }
    }

    /// SELECTING: the client took our offer.
    pub(super) fn selecting(&mut self, asking: &Asking<'_>, address: Ipv4Addr) -> Decision {
        if self.fresh_lease(asking, address).is_some() {
            self.ladder.moved_on(asking.client.mac);
            return self.reply(asking, ReplyKind::Ack, address, self.same_shape(asking)).into();
        }
        let lease = Duration::from_secs(u64::from(self.config.lease_secs));
        match self.grant_on(asking.subnet, &asking.identity, address, lease, asking.now) {
            Some(record) => {
                self.ladder.moved_on(asking.client.mac);
                self.ack(asking, record)
            }
            None => self.nak(asking, "address is not available"),
        }
    }

    /// What is left of the client's lease in seconds, if most of it is: ROM, iPXE, GRUB, dracut and the installer ask one
    /// after the other. They are told what is left, and nothing is written down again (as ISC dhcpd does it, with
    /// `dhcp-cache-threshold`).
    pub(super) fn fresh_lease(&self, asking: &Asking<'_>, address: Ipv4Addr) -> Option<u32> {
        let whole = self.config.lease_secs;
        // The file's last word on a machine is what a restart believes.
        let known = |subnet: &&Subnet| subnet.pool().binding(&asking.identity, asking.now).is_some();
        if self.subnets.iter().filter(known).count() > 1 {
            return None;
        }
        let left = self.subnet(asking).pool().lease_left(&asking.identity, address, asking.now)?;
        let left = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).min(whole);
        (left >= whole.saturating_sub(whole / 8)).then_some(left)
    }

    /// INIT-REBOOT: the client has an address from before. A stranger may have it from another network's server, which we
    /// know nothing of: silence (field guide §1.11).
    fn init_reboot(&mut self, asking: &Asking<'_>, address: Ipv4Addr) -> Decision {
        let binding = self.subnet(asking).pool().binding(&asking.identity, asking.now);
        match binding.filter(|binding| binding.is_known) {
            Some(binding) if binding.address == address => self.selecting(asking, address),
            Some(_) => self.nak(asking, "wrong address"),
            None if self.config.authoritative => self.nak(asking, "unknown client"),
            None => Ignored::Stranger.into(),
        }
    }

    /// RENEWING and REBINDING: the client lives at `address`.
    fn renewing(&mut self, asking: &Asking<'_>, address: Ipv4Addr) -> Decision {
        let own = self.subnet(asking).pool().binding(&asking.identity, asking.now);
        if own.is_some_and(|binding| binding.address == address) {
            return self.selecting(asking, address);
        }
        if self.subnet(asking).pool().live_owner(address, asking.now).is_some() {
            return self.nak(asking, "address belongs to another machine");
        }
        Ignored::Stranger.into()
    }

    /// INFORM: everything but an address (RFC 2131 §4.3.5).
    pub(super) fn inform(&mut self, asking: &Asking<'_>) -> Decision {
        let addresses = [asking.message.ciaddr, asking.received.src_ip];
        let address = addresses.into_iter().find(|address| !address.is_unspecified());
        if !address.is_some_and(|address| self.is_other_host(address)) {
            return Ignored::NoAddress.into();
        }
        let shape = self.same_shape(asking);
        self.reply(asking, ReplyKind::InformAck, Ipv4Addr::UNSPECIFIED, shape).into()
    }

    pub(super) fn release(&mut self, asking: &Asking<'_>) -> Decision {
        if asking.names_other_server() {
            return Ignored::OtherServer.into();
        }
        let address = asking.message.ciaddr;
        if !self.pool_mut(asking).release(&asking.identity, address, asking.now) {
            return Ignored::NotHolder.into();
        }
        let commit = record(asking, address, LeaseState::Released, asking.now.unix_secs);
        Decision { commit: Some(commit), ..Verdict::Accepted(Accepted::Released(address)).into() }
    }

    pub(super) fn decline(&mut self, asking: &Asking<'_>) -> Decision {
        if asking.names_other_server() {
            return Ignored::OtherServer.into();
        }
        let Some(address) = asking.message.options.ipv4(Code::REQUESTED_IP) else {
            return Ignored::NoAddress.into();
        };
        if !self.pool_mut(asking).decline(&asking.identity, address, asking.now) {
            return Ignored::NotHolder.into();
        }
        let until = asking.now.unix_secs.saturating_add(SET_ASIDE.as_secs());
        let commit = record(asking, address, LeaseState::Declined, until);
        Decision { commit: Some(commit), ..Verdict::Accepted(Accepted::Declined(address)).into() }
    }

    fn ack(&self, asking: &Asking<'_>, record: LeaseRecord) -> Decision {
        let verdict = self.reply(asking, ReplyKind::Ack, record.address, self.same_shape(asking));
        // Written down even where the reply does not fit: it is not written again when the client asks for less.
        Decision { commit: Some(record), ..verdict.into() }
    }
}

fn record(asking: &Asking<'_>, address: Ipv4Addr, state: LeaseState, until: u64) -> LeaseRecord {
    LeaseRecord { identity: asking.identity.clone(), address, state, until }
}
