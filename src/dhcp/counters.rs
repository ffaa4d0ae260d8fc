//! How often each outcome was: every silence has a name and a number.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often one cause may be spoken of.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    number: u64,
    told: Option<Duration>,
}

/// Numbers by the short stable word of their cause.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    counts: BTreeMap<(&'static str, &'static str), Count>,
}

impl Counters {
    /// Counts one more of `cause` in `group` (`frame`, `ignored`, `sent`, …). Whether it may be spoken of: once a second
    /// for each cause, so that a flood on the wire is none in the log.
    pub fn count(&mut self, group: &'static str, cause: &'static str, now: Duration) -> bool {
        let count = self.counts.entry((group, cause)).or_default();
        count.number = count.number.saturating_add(1);
        let may_tell = count.told.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY);
        if may_tell {
            count.told = Some(now);
        }
        may_tell
    }

    /// All numbers, as `group.cause`.
    pub fn list(&self) -> Vec<(String, u64)> {
        self.counts.iter().map(|((group, cause), count)| (format!("{group}.{cause}"), count.number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_counts_and_one_a_second_is_told() {
        let mut counters = Counters::default();
        let mut told = 0;
        for millis in 0..2500 {
            told += u32::from(counters.count("frame", "bad-ip-checksum", Duration::from_millis(millis)));
        }
        assert_eq!(told, 3);
        assert!(counters.count("ignored", "flood", Duration::ZERO), "another cause has its own second");
        let expected = [("frame.bad-ip-checksum".to_owned(), 2500), ("ignored.flood".to_owned(), 1)];
        assert_eq!(counters.list(), expected);
    }
}
