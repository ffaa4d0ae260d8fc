//! How many machines that nobody knows are told of: a room that is switched on, not a flood of invented ones.

use std::time::Duration;

/// So many steps of strangers are told at once: a thousand machines with three programs each are a large bench.
const BURST: u32 = 4000;

/// And so many in a second after that.
const PER_SECOND: u32 = 20;

/// How often it is told how many were not.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What may still be told (a token bucket).
#[derive(Debug)]
pub(super) struct Throttle {
    left: u32,
    /// When the last of them was earned.
    earned: Option<Duration>,
    untold: u64,
    /// All that were not told, said or not.
    total: u64,
    told: Option<Duration>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { left: BURST, earned: None, untold: 0, total: 0, told: None }
    }
}

impl Throttle {
    /// Whether one more may be told; counts it if not. `now` is counted from any moment.
    pub(super) fn may_tell(&mut self, now: Duration) -> bool {
        let earned = self.earned.get_or_insert(now);
        let fresh = now.saturating_sub(*earned).as_secs();
        if fresh > 0 {
            let fresh = u32::try_from(fresh).unwrap_or(u32::MAX).saturating_mul(PER_SECOND);
            (self.left, *earned) = (self.left.saturating_add(fresh).min(BURST), now);
        }
        if self.left == 0 {
            self.untold = self.untold.saturating_add(1);
            self.total = self.total.saturating_add(1);
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// How many were not told since the start.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How many were not told so far, if it is time to say so and there is news.
    pub(super) fn untold(&mut self, now: Duration) -> Option<u64> {
        let is_time = self.told.is_none_or(|told| now.saturating_sub(told) >= TELL_EVERY);
        if self.untold == 0 || !is_time {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_is_told_and_a_flood_is_counted() {
        let secs = Duration::from_secs;
        let mut throttle = Throttle::default();
        let told =
            |throttle: &mut Throttle, now, count| (0..count).filter(|_| throttle.may_tell(secs(now))).count();
        assert_eq!(told(&mut throttle, 100, 3000), 3000);
        assert_eq!(told(&mut throttle, 100, 3000), 1000);
        assert_eq!(throttle.untold(secs(100)), Some(2000));
        assert_eq!(told(&mut throttle, 101, 500), 20);
        assert_eq!(throttle.untold(secs(101)), None, "it was told a moment ago");
        assert_eq!(throttle.untold(secs(110)), Some(480));
        assert_eq!(throttle.untold(secs(120)), None, "no news");
        assert_eq!(told(&mut throttle, 100_000, 5000), 4000);
        assert_eq!(throttle.total(), 2000 + 480 + 1000);
    }
}
