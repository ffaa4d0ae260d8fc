//! iPXE that gets iPXE again and again: seen by what it fetches, so that it ends with a message and not with the mains plug.
//!
//! An old iPXE is given ours. Where ours is not known as such, because something on the way takes its options out, it looks
//! like the old one and would be given itself.

use std::collections::HashMap;
use std::time::Duration;

use crate::wire::MacAddr;

/// So often within so short a time is no start of a machine.
const FETCHES: u32 = 2;
const WITHIN: Duration = Duration::from_secs(30);

/// Most machines that are remembered.
const MAX_MACHINES: usize = 1024;

/// Who fetched an iPXE how often since when.
#[derive(Debug, Default)]
pub(super) struct Loops {
    fetches: HashMap<MacAddr, (u32, Duration)>,
}

impl Loops {
    /// A machine fetched an iPXE. `now` is counted from any moment.
    pub(super) fn fetched(&mut self, mac: MacAddr, now: Duration) {
        if self.fetches.len() >= MAX_MACHINES {
            self.fetches.retain(|_, (_, since)| now.saturating_sub(*since) < WITHIN);
        }
        if self.fetches.len() >= MAX_MACHINES && !self.fetches.contains_key(&mac) {
            return;
        }
        let (count, since) = self.fetches.entry(mac).or_insert((0, now));
        if now.saturating_sub(*since) >= WITHIN {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
    }

    /// It got on.
    pub(super) fn moved_on(&mut self, mac: MacAddr) {
        self.fetches.remove(&mac);
    }

    /// Whether it would only go round.
    pub(super) fn is_looping(&self, mac: MacAddr, now: Duration) -> bool {
        self.fetches
            .get(&mac)
            .is_some_and(|(count, since)| *count >= FETCHES && now.saturating_sub(*since) < WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c16_an_ipxe_fetched_twice_in_half_a_minute_is_a_loop() {
        let (mac, other) = (MacAddr([0x52, 0x54, 0, 0, 0, 1]), MacAddr([0x52, 0x54, 0, 0, 0, 2]));
        let secs = Duration::from_secs;
        let mut loops = Loops::default();
        loops.fetched(mac, secs(100));
        assert!(!loops.is_looping(mac, secs(101)));
        loops.fetched(mac, secs(110));
        assert!(loops.is_looping(mac, secs(111)) && !loops.is_looping(other, secs(111)));
        assert!(!loops.is_looping(mac, secs(130)), "it may try again");
        loops.fetched(mac, secs(131));
        assert!(!loops.is_looping(mac, secs(132)), "a start a minute is none");
        loops.fetched(mac, secs(133));
        loops.moved_on(mac);
        assert!(!loops.is_looping(mac, secs(133)));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut loops = Loops::default();
        for number in 0..2 * MAX_MACHINES as u32 {
            let [_, _, high, low] = number.to_be_bytes();
            loops.fetched(MacAddr([0x52, 0x54, 0, 0, high, low]), Duration::ZERO);
        }
        assert_eq!(loops.fetches.len(), MAX_MACHINES);
    }
}
