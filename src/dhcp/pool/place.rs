//! Where a machine goes: its own address while that may be given, else one that nobody would miss.

use std::net::Ipv4Addr;

use super::slot::Millis;
use super::{NoAddress, Pool};
use crate::dhcp::identity::Identity;

/// How often a free address is looked for when strangers hold their share and none was found.
const SEARCH_EVERY_MS: i64 = 1000;

impl Pool {
    /// Whether an address it has is still the one it should have: its reserved one, if that can be given.
    fn is_right_for(&self, index: usize, identity: &Identity, at: Millis) -> bool {
        match self.reserved.get(identity).filter(|&&reserved| self.is_vacant_for(reserved, identity, at)) {
            Some(&reserved) => reserved == index,
            None => self.slots.get(index).is_some_and(|slot| slot.is_open_to(identity)),
        }
    }

    /// Whether a reserved address can be given to its machine: who had it before the reservation keeps it until its lease
    /// ends.
    fn is_vacant_for(&self, reserved: usize, identity: &Identity, at: Millis) -> bool {
        self.slots.get(reserved).is_some_and(|slot| {
            let is_free = slot.owner.as_ref().is_none_or(|it| !it.is_live(at) || it.identity == *identity);
            slot.may_be_given(at) && is_free
        })
    }

    /// Where a machine without an address goes: any free one, and if there is none, that of a machine that was here
    /// before, as long as strangers hold less than their share.
    pub(super) fn place(
        &mut self,
        identity: &Identity,
        requested: Option<Ipv4Addr>,
        at: Millis,
    ) -> Result<usize, NoAddress> {
        let is_crowded = self.strangers >= self.share_of_strangers() && !self.reserved.contains_key(identity);
        if is_crowded && at < self.next_search {
            return Err(NoAddress::TooManyOffers);
        }
        if let Some(index) = self.choose(identity, requested, at) {
            return Ok(index);
        }
        if is_crowded {
            self.next_search = at.saturating_add(SEARCH_EVERY_MS);
            return Err(NoAddress::TooManyOffers);
        }
        self.oldest_ended(identity, at).ok_or(NoAddress::Exhausted)
    }

    fn choose(&self, identity: &Identity, requested: Option<Ipv4Addr>, at: Millis) -> Option<usize> {
        if let Some(&index) = self.reserved.get(identity)
            && self.is_vacant_for(index, identity, at)
        {
            return Some(index);
        }
        let size = self.range_len;
        let is_free =
            |&index: &usize| self.slots.get(index).is_some_and(|slot| slot.is_free_for(identity, at));
        let hashed = usize::try_from(identity.hash().checked_rem(size as u64)?).ok()?;
        let requested = requested.and_then(|address| self.index_of(address));
        [Some(hashed), requested].into_iter().flatten().chain(hashed..size).chain(0..hashed).find(is_free)
    }

    fn oldest_ended(&self, identity: &Identity, at: Millis) -> Option<usize> {
        let ended = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let owner = slot.owner.as_ref()?;
            let may = slot.is_open_to(identity) && slot.may_be_given(at);
            (may && !owner.is_live(at)).then_some((owner.until, index))
        });
        ended.min().map(|(_, index)| index)
    }

    /// Three quarters: a flood of invented machines never takes the addresses of the rest, known already.
    fn share_of_strangers(&self) -> usize {
        (self.slots.len() / 4).saturating_mul(3).max(8)
    }

    /// Where a machine's own address is, if it may still be given.
    pub(super) fn own_index(&self, identity: &Identity, at: Millis) -> Option<usize> {
        let index = *self.by_identity.get(identity)?;
        let may = self.slots.get(index)?.may_be_given(at) && self.is_right_for(index, identity, at);
        may.then_some(index)
    }
}
