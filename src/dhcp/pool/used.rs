//! Who was seen to use an address, and who was asked about it.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::slot::{Hold, millis};
use super::{Pool, SET_ASIDE};
use crate::dhcp::Now;
use crate::wire::MacAddr;

impl Pool {
    /// Somebody at `mac` answers for an address. Nothing to us if it is the machine that has it; otherwise the address is
    /// set aside for [`SET_ASIDE`], and an offer of it withdrawn. A lease is not: its holder has to decline.
    ///
    /// Whether it is a conflict.
    pub fn seen_in_use(&mut self, address: Ipv4Addr, mac: MacAddr, now: Now) -> bool {
        let at = millis(now.monotonic);
        let Some(index) = self.index_of(address).filter(|&index| !self.is_fixed(index)) else {
            return false;
        };
        let reserved = self.slots.get(index).and_then(|slot| slot.reserved_for.as_ref());
        if reserved.is_some_and(|reserved| reserved.mac() == Some(mac)) {
            return false;
        }
        if let Some(owner) = self.owner(index) {
            if owner.identity.mac() == Some(mac) {
                return false;
            }
            if owner.hold == Hold::Bound && owner.is_live(at) {
                return true;
            }
            self.evict(index);
        }
        self.set_aside_until(index, at.saturating_add(millis(SET_ASIDE)));
        if let Some(slot) = self.slots.get_mut(index) {
            slot.used_by = Some(mac);
        }
        true
    }

    /// Whether the machine at `mac` has `address`, and was never known to have taken it: an offer that has not ended, or
    /// [`Pool::bind_unseen`].
    pub fn is_unseen(&self, address: Ipv4Addr, mac: MacAddr, now: Now) -> bool {
        self.index_of(address).and_then(|index| self.owner(index)).is_some_and(|owner| {
            (owner.hold == Hold::Offered || !owner.is_known)
                && owner.is_live(millis(now.monotonic))
                && owner.identity.mac() == Some(mac)
        })
    }

    /// Whether somebody has to be asked about an address before it is offered: not one that its machine is using, nor one
    /// for which nobody answered a moment ago.
    pub fn needs_check(&self, address: Ipv4Addr, now: Now) -> bool {
        let at = millis(now.monotonic);
        let slot = self.index_of(address).and_then(|index| self.slots.get(index));
        slot.is_some_and(|slot| {
            let is_leased = slot.owner.as_ref().is_some_and(|it| it.hold == Hold::Bound && it.is_live(at));
            !is_leased && slot.clear_until.is_none_or(|until| at >= until)
        })
    }

    /// Nobody answered for an address: believed for `believed`.
    pub fn mark_clear(&mut self, address: Ipv4Addr, believed: Duration, now: Now) {
        let until = millis(now.monotonic).saturating_add(millis(believed));
        if let Some(slot) = self.index_of(address).and_then(|index| self.slots.get_mut(index)) {
            slot.clear_until = Some(until);
        }
    }

    /// Up to `count` addresses that somebody may get next and about which nobody was asked, or not for so long that it
    /// will not count any more in `ahead`. Begins after `from`, an index that the caller keeps; returns the next one.
    pub fn unchecked(&self, from: usize, count: usize, ahead: Duration, now: Now) -> (Vec<Ipv4Addr>, usize) {
        let at = millis(now.monotonic);
        let soon = at.saturating_add(millis(ahead));
        let size = self.slots.len();
        let mut found = Vec::new();
        for step in 0..size {
            let index = from.saturating_add(step).checked_rem(size).unwrap_or(0);
            if found.len() >= count {
                return (found, index);
            }
            let is_wanted = self
                .slots
                .get(index)
                .is_some_and(|slot| slot.is_free(at) && slot.clear_until.is_none_or(|until| soon >= until));
            found.extend(self.address_at(index).filter(|_| is_wanted));
        }
        (found, from)
    }
}
