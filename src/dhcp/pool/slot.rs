//! One address: whether it may be given, and whose it is.

use std::time::Duration;

use crate::dhcp::identity::Identity;
use crate::wire::MacAddr;

/// Milliseconds since the program started; negative before it.
pub(super) type Millis = i64;

pub(super) fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// How an address is owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Offered,
    Bound,
    Released,
}

#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) identity: Identity,
    pub(super) hold: Hold,
    pub(super) until: Millis,
    /// Whether it ever took a lease; others are forgotten when their offer ends.
    pub(super) is_known: bool,
}

impl Owner {
    pub(super) fn is_live(&self, now: Millis) -> bool {
        self.hold != Hold::Released && now < self.until
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// Not ours to give: network, broadcast, our own, the router.
    pub(super) is_fixed: bool,
    /// In use by a stranger, as far as we know, until then.
    pub(super) aside_until: Option<Millis>,
    /// Who was seen to use it then. The leases may be lost, and it is an earlier program of the machine that asks.
    pub(super) used_by: Option<MacAddr>,
    /// Nobody answered for it; believed until then.
    pub(super) clear_until: Option<Millis>,
    /// Whose it is alone.
    pub(super) reserved_for: Option<Identity>,
    pub(super) owner: Option<Owner>,
}

impl Slot {
    pub(super) fn may_be_given(&self, now: Millis) -> bool {
        !self.is_fixed && self.aside_until.is_none_or(|until| now >= until)
    }

    pub(super) fn is_open_to(&self, identity: &Identity) -> bool {
        self.reserved_for.as_ref().is_none_or(|reserved| reserved == identity)
    }

    /// Whether nobody would miss it: no owner, or one whose offer ran out untaken.
    pub(super) fn is_free_for(&self, identity: &Identity, now: Millis) -> bool {
        let is_own = !self.is_fixed && self.used_by.is_some() && self.used_by == identity.mac();
        self.is_open_to(identity) && (is_own || self.may_be_given(now)) && self.is_unowned(now)
    }

    pub(super) fn is_free(&self, now: Millis) -> bool {
        self.may_be_given(now) && self.is_unowned(now)
    }

    pub(super) fn is_unowned(&self, now: Millis) -> bool {
        self.owner.as_ref().is_none_or(|owner| !owner.is_known && !owner.is_live(now))
    }
}
