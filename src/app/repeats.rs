//! How often the same is told of the same machine: a program that asks ten times a second makes one line a second.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::wire::MacAddr;

/// So many at once: the programs of a boot follow each other quickly.
const BURST: u32 = 4;

/// Then one in each of these.
const PERIOD: Duration = Duration::from_secs(1);

/// Most machines and things that are remembered.
const MAX: usize = 8192;

/// What was told of whom lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: HashMap<(MacAddr, u64), (u32, Duration)>,
}

impl Repeats {
    /// Whether `what` of a machine may be told again. `now` is counted from any moment.
    pub(super) fn may_tell(&mut self, mac: MacAddr, what: impl Hash, now: Duration) -> bool {
        if self.told.len() >= MAX {
            self.told.retain(|_, (_, since)| now.saturating_sub(*since) < PERIOD);
        }
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let key = (mac, hasher.finish());
        if self.told.len() >= MAX && !self.told.contains_key(&key) {
            // So many different ones in a second are told of by their number.
            return false;
        }
        let (count, since) = self.told.entry(key).or_insert((0, now));
        let periods = now.saturating_sub(*since).as_secs();
        if periods > 0 {
            (*count, *since) = (count.saturating_sub(u32::try_from(periods).unwrap_or(u32::MAX)), now);
        }
        let may = *count < BURST;
        if may {
            *count = count.saturating_add(1);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_of_a_machine_is_told_a_few_times_and_then_once_a_second() {
        let (one, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
        let mut repeats = Repeats::default();
        let mut told = |mac, what: &str, millis| repeats.may_tell(mac, what, Duration::from_millis(millis));
        let in_a_second = (0..50).filter(|number| told(one, "offered", 1000 + number * 20)).count();
        assert_eq!(in_a_second, 4);
        assert!(told(one, "leased", 1999) && told(other, "offered", 1999));
        let in_ten_more = (0..500).filter(|number| told(one, "offered", 2000 + number * 20)).count();
        assert_eq!(in_ten_more, 10);
        assert!((0..4).all(|_| told(one, "offered", 60_000)), "after a pause");
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut repeats = Repeats::default();
        for number in 0..2 * MAX as u32 {
            let [_, _, high, low] = number.to_be_bytes();
            repeats.may_tell(MacAddr([2, 0, 0, 0, high, low]), (), Duration::ZERO);
        }
        assert_eq!(repeats.told.len(), MAX);
        assert!(repeats.may_tell(MacAddr([2, 0, 0, 1, 0, 0]), (), Duration::from_secs(2)));
    }
}
