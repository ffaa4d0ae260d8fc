//! Frames that the kernel threw away because we did not read them in time: a person should know, and not every second.

use std::time::Duration;

/// How often the kernel is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What was told of.
#[derive(Debug, Default)]
pub(super) struct Losses {
    next_look: Duration,
    next_tell: Duration,
    told: u64,
}

impl Losses {
    /// Whether it is time to ask how many there were.
    pub(super) fn is_time(&mut self, now: Duration) -> bool {
        let is_time = now >= self.next_look;
        if is_time {
            self.next_look = now.saturating_add(LOOK_EVERY);
        }
        is_time
    }

    /// How many to tell of, when there were `lost` since the start.
    pub(super) fn news(&mut self, lost: u64, now: Duration) -> Option<u64> {
        let fresh = lost.saturating_sub(self.told);
        if fresh == 0 || now < self.next_tell {
            return None;
        }
        self.told = lost;
        self.next_tell = now.saturating_add(TELL_EVERY);
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l19_losses_are_told_at_once_and_then_once_a_minute() {
        let secs = Duration::from_secs;
        let mut losses = Losses::default();
        assert!(losses.is_time(secs(5)) && !losses.is_time(secs(5)) && losses.is_time(secs(6)));
        assert_eq!(losses.news(0, secs(5)), None);
        assert_eq!(losses.news(7, secs(6)), Some(7));
        assert_eq!(losses.news(7, secs(90)), None);
        assert_eq!(losses.news(9, secs(91)), Some(2));
        assert_eq!([losses.news(12, secs(92)), losses.news(13, secs(151))], [None, Some(4)]);
    }
}
