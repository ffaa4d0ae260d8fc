//! The addresses we may give, and who has which.
//!
//! An address has at most one owner and a machine at most one address, always: the table is indexed both ways and never
//! grows beyond the range.

mod error;
mod place;
mod slot;
mod used;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::wire::MacAddr;

use super::Now;
use super::identity::Identity;
use super::lease::{LeaseRecord, LeaseState};
pub use error::{NoAddress, PoolError};
use slot::{Hold, Millis, Owner, Slot, millis};

/// The largest range that is kept in memory without a thought.
pub const MAX_POOL: usize = 65_536;

/// How long an address found in use by somebody else is not given (dnsmasq's `DECLINE_BACKOFF`).
pub const SET_ASIDE: Duration = Duration::from_secs(600);

/// What a pool knows of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its address.
    pub address: Ipv4Addr,
    /// Whether it took a lease of ours at any time; if not, the address was only offered.
    pub is_known: bool,
    /// Whether the offer or lease has not ended.
    pub is_live: bool,
}

/// The pool.
#[derive(Clone, Debug)]
pub struct Pool {
    first: u32,
    /// How many of the slots are the range; the others are reserved addresses outside of it.
    range_len: usize,
    /// Addresses of the slots after the range, in their order.
    outside: Vec<Ipv4Addr>,
    slots: Vec<Slot>,
    reserved: HashMap<Identity, usize>,
    by_identity: HashMap<Identity, usize>,
    /// How many slots are owned by machines that never took a lease.
    strangers: usize,
    next_search: Millis,
}

impl Pool {
    /// A pool of `first..=last` on the network of `server_ip`. Never given: the network's first and last address, our
    /// own, those in `never`, and .0 and .255 inside larger networks, which old clients refuse (dnsmasq does the same).
    ///
    /// # Errors
    /// The range cannot be used.
    pub fn new(
        first: Ipv4Addr,
        last: Ipv4Addr,
        server_ip: Ipv4Addr,
        prefix_len: u8,
        never: &[Ipv4Addr],
    ) -> Result<Self, PoolError> {
        if !(8..=30).contains(&prefix_len) {
            return Err(PoolError::PrefixLen(prefix_len));
        }
        let mask = u32::MAX.checked_shl(32u32.saturating_sub(u32::from(prefix_len))).unwrap_or(0);
        let network = u32::from(server_ip) & mask;
        let broadcast = network | !mask;
        if let Some(&outside) = [first, last].iter().find(|&&end| u32::from(end) & mask != network) {
            return Err(PoolError::OffSubnet(outside));
        }
        let (first, last) = (u32::from(first), u32::from(last));
        let size = last.checked_sub(first).ok_or(PoolError::Backwards)? as usize;
        if size >= MAX_POOL {
            return Err(PoolError::TooLarge);
        }
        let is_fixed = |address: u32| {
            [network, broadcast, u32::from(server_ip)].contains(&address)
                || never.contains(&Ipv4Addr::from(address))
                || (prefix_len < 24 && matches!(address & 0xff, 0 | 0xff))
        };
        let slots: Vec<_> =
            (first..=last).map(|address| Slot { is_fixed: is_fixed(address), ..Slot::default() }).collect();
        if slots.iter().all(|slot| slot.is_fixed) {
            return Err(PoolError::Empty);
        }
        Ok(Self {
            first,
            range_len: slots.len(),
            outside: Vec::new(),
            slots,
            reserved: HashMap::new(),
            by_identity: HashMap::new(),
            strangers: 0,
            next_search: 0,
        })
    }

    /// Keeps an address of the network, inside or outside of the range, for one machine alone. Replaces what was reserved
    /// for it or of that address before. Whether it is ours to give.
    pub fn reserve(&mut self, identity: &Identity, address: Ipv4Addr) -> bool {
        let index = match self.index_of(address) {
            Some(index) => index,
            None => {
                self.outside.push(address);
                self.slots.push(Slot::default());
                self.slots.len().saturating_sub(1)
            }
        };
        if self.is_fixed(index) {
            return false;
        }
        if let Some(slot) = self.reserved.get(identity).copied().and_then(|old| self.slots.get_mut(old)) {
            slot.reserved_for = None;
        }
        if let Some(slot) = self.slots.get_mut(index)
            && let Some(other) = slot.reserved_for.replace(identity.clone())
        {
            self.reserved.remove(&other);
        }
        self.reserved.insert(identity.clone(), index);
        true
    }

    /// Takes over what an earlier run wrote down; later records win. Records of addresses outside the pool are left out.
    /// A lease never lasts longer than `lease` from now, whatever the clock said then.
    pub fn restore(&mut self, records: &[LeaseRecord], lease: Duration, now: Now) {
        for record in records {
            let Some(index) = self.index_of(record.address).filter(|&index| !self.is_fixed(index)) else {
                continue;
            };
            self.forget(&record.identity);
            let remaining = record.until.saturating_sub(now.unix_secs);
            let ago = now.unix_secs.saturating_sub(record.until);
            let clamp = |secs: u64, most: Duration| millis(Duration::from_secs(secs).min(most));
            let ago = clamp(ago, Duration::from_secs(u64::from(u32::MAX)));
            let until = millis(now.monotonic).saturating_sub(ago);
            match record.state {
                LeaseState::Declined => {
                    let until = until.saturating_add(clamp(remaining, SET_ASIDE));
                    self.evict(index);
                    self.set_aside_until(index, until);
                }
                LeaseState::Bound => {
                    let until = until.saturating_add(clamp(remaining, lease));
                    self.settle(index, &record.identity, Hold::Bound, until, true);
                }
                LeaseState::Released => self.settle(index, &record.identity, Hold::Released, until, true),
            }
        }
    }

    /// What is known of a machine.
    pub fn binding(&self, identity: &Identity, now: Now) -> Option<Binding> {
        let index = *self.by_identity.get(identity)?;
        let owner = self.owner(index)?;
        let is_live = owner.is_live(millis(now.monotonic));
        Some(Binding { address: self.address_at(index)?, is_known: owner.is_known, is_live })
    }

    /// Whether an address lies in the range, given or not.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.index_of(address).is_some()
    }

    /// How many addresses the range has, those included that are not ours to give.
    pub fn range_len(&self) -> usize {
        self.range_len
    }

    /// Who has a live offer or lease of an address.
    pub fn live_owner(&self, address: Ipv4Addr, now: Now) -> Option<&Identity> {
        let owner = self.owner(self.index_of(address)?)?;
        owner.is_live(millis(now.monotonic)).then_some(&owner.identity)
    }

    /// The machine that has an address, as far as it is an Ethernet card.
    pub fn mac_at(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.owner(self.index_of(address)?)?.identity.mac()
    }

    /// Chooses an address for a machine and holds it for `hold`. In this order: the one it has, or had; the one its
    /// identity's hash names; the one it asks for; the next free one; the one whose lease ended longest ago.
    ///
    /// # Errors
    /// There is none.
    pub fn offer(
        &mut self,
        identity: &Identity,
        requested: Option<Ipv4Addr>,
        hold: Duration,
        now: Now,
    ) -> Result<Ipv4Addr, NoAddress> {
        let at = millis(now.monotonic);
        let until = at.saturating_add(millis(hold));
        if let Some(index) = self.own_index(identity, at) {
            if let Some(owner) = self.slots.get_mut(index).and_then(|slot| slot.owner.as_mut()) {
                let is_leased = owner.hold == Hold::Bound && owner.is_live(at);
                if is_leased {
                    // What is left of the lease may be shorter than an offer has to hold.
                    owner.until = owner.until.max(until);
                } else {
                    owner.hold = Hold::Offered;
                    owner.until = until;
                }
            }
            return self.address_at(index).ok_or(NoAddress::Exhausted);
        }
        // Its address may have been set aside, or reserved for another; it starts afresh then.
        self.forget(identity);
        let index = self.place(identity, requested, at)?;
        self.settle(index, identity, Hold::Offered, until, false);
        self.address_at(index).ok_or(NoAddress::Exhausted)
    }

    /// Grants or renews: whether the machine may have the address. It may if it holds it, or if it has none and nobody
    /// else has this one.
    pub fn bind(&mut self, identity: &Identity, address: Ipv4Addr, lease: Duration, now: Now) -> bool {
        self.settle_on(identity, address, lease, true, now)
    }

    /// The same for a machine that never says that it took the address (BOOTP): it counts as a stranger until it is seen to
    /// use it, so that a flood of invented ones takes the strangers' share at most, and no longer than `hold`.
    pub fn bind_unseen(&mut self, identity: &Identity, address: Ipv4Addr, hold: Duration, now: Now) -> bool {
        self.settle_on(identity, address, hold, false, now)
    }

    fn settle_on(
        &mut self,
        identity: &Identity,
        address: Ipv4Addr,
        lease: Duration,
        is_known: bool,
        now: Now,
    ) -> bool {
        let at = millis(now.monotonic);
        let Some(index) = self.index_of(address) else { return false };
        let may = match self.own_index(identity, at) {
            Some(own) => own == index,
            None => self.slots.get(index).is_some_and(|slot| slot.is_free_for(identity, at)),
        };
        if may {
            self.forget(identity);
            self.settle(index, identity, Hold::Bound, at.saturating_add(millis(lease)), is_known);
        }
        may
    }

    /// What is left of the lease that a machine has of its own address; `None` when it has none, or is to move.
    pub fn lease_left(&self, identity: &Identity, address: Ipv4Addr, now: Now) -> Option<Duration> {
        let at = millis(now.monotonic);
        let index = self.own_index(identity, at).filter(|&index| self.address_at(index) == Some(address))?;
        let owner = self.owner(index).filter(|owner| owner.hold == Hold::Bound && owner.is_live(at))?;
        u64::try_from(owner.until.saturating_sub(at)).ok().map(Duration::from_millis)
    }

    /// Forgets an offer that the machine did not take. A lease stays.
    pub fn withdraw_offer(&mut self, identity: &Identity) {
        let is_stranger = |index: &&usize| {
            self.owner(**index).is_some_and(|owner| !owner.is_known && owner.hold == Hold::Offered)
        };
        if let Some(&index) = self.by_identity.get(identity).filter(is_stranger) {
            self.evict(index);
        } else if let Some(&index) = self.by_identity.get(identity)
            && let Some(owner) = self.slots.get_mut(index).and_then(|slot| slot.owner.as_mut())
            && owner.hold == Hold::Offered
        {
            owner.hold = Hold::Released;
        }
    }

    /// The machine gives its address back: free for others, but it is the first to get it again.
    pub fn release(&mut self, identity: &Identity, address: Ipv4Addr, now: Now) -> bool {
        let index = self.index_of(address);
        if index.is_none() || self.by_identity.get(identity).copied() != index {
            return false;
        }
        let owner = index.and_then(|index| self.slots.get_mut(index)).and_then(|slot| slot.owner.as_mut());
        // Given back once already: nothing to be written down again.
        let Some(owner) = owner.filter(|owner| owner.hold != Hold::Released) else { return false };
        owner.hold = Hold::Released;
        owner.until = millis(now.monotonic);
        true
    }

    /// The machine found its address in use: nobody gets it for [`SET_ASIDE`]. Whether it was the machine's.
    pub fn decline(&mut self, identity: &Identity, address: Ipv4Addr, now: Now) -> bool {
        let index = self.index_of(address);
        let Some(index) = index.filter(|_| self.by_identity.get(identity).copied() == index) else {
            return false;
        };
        self.evict(index);
        self.set_aside_until(index, millis(now.monotonic.saturating_add(SET_ASIDE)));
        true
    }

    fn settle(&mut self, index: usize, identity: &Identity, hold: Hold, until: Millis, is_known: bool) {
        self.evict(index);
        let Some(slot) = self.slots.get_mut(index) else { return };
        (slot.aside_until, slot.used_by) = (None, None);
        slot.owner = Some(Owner { identity: identity.clone(), hold, until, is_known });
        self.by_identity.insert(identity.clone(), index);
        if !is_known {
            self.strangers = self.strangers.saturating_add(1);
        }
    }

    fn forget(&mut self, identity: &Identity) {
        if let Some(&index) = self.by_identity.get(identity) {
            self.evict(index);
        }
    }

    fn evict(&mut self, index: usize) {
        let Some(owner) = self.slots.get_mut(index).and_then(|slot| slot.owner.take()) else { return };
        self.by_identity.remove(&owner.identity);
        if !owner.is_known {
            self.strangers = self.strangers.saturating_sub(1);
        }
    }

    fn set_aside_until(&mut self, index: usize, until: Millis) {
        if let Some(slot) = self.slots.get_mut(index) {
            (slot.aside_until, slot.used_by) = (Some(until), None);
        }
    }

    fn owner(&self, index: usize) -> Option<&Owner> {
        self.slots.get(index)?.owner.as_ref()
    }

    fn is_fixed(&self, index: usize) -> bool {
        self.slots.get(index).is_none_or(|slot| slot.is_fixed)
    }

    fn index_of(&self, address: Ipv4Addr) -> Option<usize> {
        let in_range = u32::from(address).checked_sub(self.first).map(|index| index as usize);
        in_range.filter(|&index| index < self.range_len).or_else(|| {
            let at = self.outside.iter().position(|&outside| outside == address)?;
            self.range_len.checked_add(at)
        })
    }

    fn address_at(&self, index: usize) -> Option<Ipv4Addr> {
        match index.checked_sub(self.range_len) {
            Some(outside) => self.outside.get(outside).copied(),
            None => self.first.checked_add(u32::try_from(index).ok()?).map(Ipv4Addr::from),
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
