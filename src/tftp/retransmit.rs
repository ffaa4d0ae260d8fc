//! How long to wait for an acknowledgement before the same is sent again (RFC 1123 §4.2.3.2: adaptive, exponential).
//!
//! The round trip is measured as TCP does it (RFC 6298), on what was sent once only (Karn). Where a duplicate is known to
//! do harm, no wait is shorter than a second, however quick the client was until then.

use std::time::Duration;

/// The wait before anything was measured, and the shortest one for [`Patience::Cautious`]. The Raspberry Pi 4 takes an
/// early duplicate for the next block.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The wait doubles up to here.
pub const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// The shortest wait for [`Patience::Adaptive`] at first: a client that draws its progress needs some milliseconds.
const FIRST_FLOOR: Duration = Duration::from_millis(10);

/// The same for a client that was steady for a hundred blocks.
const SHORTEST_WAIT: Duration = Duration::from_millis(4);

/// The same for a whole window: its client says itself when something is missing, but for the end of it.
pub const SHORTEST_WINDOW_WAIT: Duration = Duration::from_millis(100);

/// The least that the wait is longer than the round trip: what a client's timer interrupt may take.
const GRANULARITY: Duration = Duration::from_millis(2);

/// How slowly our haste is forgotten: half of it within some twenty round trips.
const FORGETTING: u32 = 32;

/// How soon something is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As soon as the measured round trip says that it was lost.
    Adaptive,
    /// Not within a second: this client may break on a duplicate.
    Cautious,
    /// As the client wished (RFC 2349), but not within a second.
    Asked(Duration),
}

/// The timer of one transfer. Time is counted from any moment, the same for all calls.
#[derive(Clone, Debug)]
pub struct Timer {
    patience: Patience,
    /// Smoothed round trip and its variation, once measured.
    round_trip: Option<(Duration, Duration)>,
    /// The shortest round trip of all.
    least: Duration,
    /// No wait is shorter than this; and what becomes of it with a steady client.
    floor: Duration,
    last_floor: Duration,
    wait: Duration,
    sent_at: Duration,
    is_resent: bool,
}

impl Timer {
    /// A timer for a transfer that sends its first packet `now`.
    pub fn start(patience: Patience, now: Duration) -> Self {
        let floor = match patience {
            Patience::Adaptive => FIRST_FLOOR,
            Patience::Cautious => FIRST_WAIT,
            Patience::Asked(wish) => wish.max(FIRST_WAIT),
        };
        let wait = floor.max(FIRST_WAIT);
        Self {
            patience,
            round_trip: None,
            least: Duration::MAX,
            floor,
            last_floor: if patience == Patience::Adaptive { SHORTEST_WAIT } else { floor },
            wait,
            sent_at: now,
            is_resent: false,
        }
    }

    /// When it is time to send again.
    pub fn deadline(&self) -> Duration {
        self.sent_at.saturating_add(self.wait)
    }

    /// The measured round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|(smoothed, _)| smoothed)
    }

    /// When something was sent last.
    pub fn sent_at(&self) -> Duration {
        self.sent_at
    }

    /// What was sent last was acknowledged; the next is sent `now`. `at_least` raises the wait for this once.
    pub fn on_progress(&mut self, now: Duration, at_least: Duration) {
        let sample = now.saturating_sub(self.sent_at);
        if self.is_resent {
            // Sooner than any answer ever came: it answers the first sending, so we were too hasty.
            if self.least != Duration::MAX && sample.saturating_mul(2) < self.least {
                self.floor = self.floor.saturating_mul(2).min(FIRST_WAIT.max(self.floor));
            }
        } else {
            self.measure(sample);
            // Else a client that paused some times would wait a second for each packet that is lost.
            self.floor = weighted(self.floor, self.last_floor, FORGETTING);
        }
        self.is_resent = false;
        self.wait = self.estimate().max(at_least);
        self.sent_at = now;
    }

    /// Nothing came in time, and the same is sent again `now`.
    pub fn on_timeout(&mut self, now: Duration) {
        self.wait = self.wait.saturating_mul(2).min(LONGEST_WAIT.max(self.floor));
        self.on_resent(now);
    }

    /// The same is sent again `now` because the client asked for it.
    pub fn on_resent(&mut self, now: Duration) {
        self.is_resent = true;
        self.sent_at = now;
    }

    /// RFC 6298 §2.
    fn measure(&mut self, sample: Duration) {
        self.least = self.least.min(sample);
        self.round_trip = Some(match self.round_trip {
            None => (sample, half(sample)),
            Some((smoothed, variation)) => {
                let error = smoothed.abs_diff(sample);
                (weighted(smoothed, sample, 8), weighted(variation, error, 4))
            }
        });
    }

    fn estimate(&self) -> Duration {
        if let Patience::Asked(_) = self.patience {
            return self.floor;
        }
        let measured = self.round_trip.map_or(FIRST_WAIT, |(smoothed, variation)| {
            // Twice the round trip at least: a client that was steady until now may not be in a moment.
            smoothed.saturating_add(variation.saturating_mul(4).max(smoothed).max(GRANULARITY))
        });
        measured.clamp(self.floor, LONGEST_WAIT.max(self.floor))
    }
}

fn half(time: Duration) -> Duration {
    time.checked_div(2).unwrap_or_default()
}

/// `(old * (weight - 1) + new) / weight`
fn weighted(old: Duration, new: Duration, weight: u32) -> Duration {
    let sum = old.saturating_mul(weight.saturating_sub(1)).saturating_add(new);
    sum.checked_div(weight).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A timer after `count` round trips of `round_trip`, and the time.
    fn after(patience: Patience, count: u32, round_trip: Duration) -> (Timer, Duration) {
        let mut now = ms(0);
        let mut timer = Timer::start(patience, now);
        for _ in 0..count {
            now += round_trip;
            timer.on_progress(now, ms(0));
        }
        (timer, now)
    }

    #[test]
    fn t19_nothing_measured_is_a_second_and_waits_double() {
        for patience in [Patience::Adaptive, Patience::Cautious] {
            let mut timer = Timer::start(patience, ms(0));
            let mut waits = Vec::new();
            for _ in 0..5 {
                let now = timer.deadline();
                waits.push((now - timer.sent_at()).as_secs());
                timer.on_timeout(now);
            }
            assert_eq!(waits, [1, 2, 4, 8, 8], "{patience:?}");
        }
    }

    #[test]
    fn t19_the_wait_follows_the_round_trip() {
        let (timer, now) = after(Patience::Adaptive, 20, ms(2));
        assert!(timer.deadline() - now <= ms(10), "{:?}", timer.deadline() - now);
        let (timer, now) = after(Patience::Adaptive, 200, ms(30));
        assert!((ms(30)..=ms(60)).contains(&(timer.deadline() - now)), "{:?}", timer.deadline() - now);
    }

    #[test]
    fn t19_t20_no_wait_is_short_where_a_duplicate_kills() {
        let (timer, now) = after(Patience::Cautious, 1000, Duration::from_micros(100));
        assert_eq!(timer.deadline() - now, FIRST_WAIT);
        let (timer, now) = after(Patience::Asked(ms(5000)), 1000, ms(1));
        assert_eq!(timer.deadline() - now, ms(5000));
    }

    #[test]
    fn t20_a_slow_client_is_waited_for() {
        for patience in [Patience::Adaptive, Patience::Cautious] {
            for round_trip in [ms(300), ms(700), ms(950)] {
                let mut now = ms(0);
                let mut timer = Timer::start(patience, now);
                for _ in 0..100 {
                    now += round_trip;
                    assert!(now < timer.deadline(), "{patience:?}, {round_trip:?}");
                    timer.on_progress(now, ms(0));
                }
            }
        }
    }

    #[test]
    fn what_was_sent_twice_is_not_measured() {
        let (mut timer, mut now) = after(Patience::Adaptive, 20, ms(20));
        let before = timer.round_trip();
        now = timer.deadline().max(now);
        timer.on_timeout(now);
        timer.on_progress(now + ms(15), ms(0));
        assert_eq!(timer.round_trip(), before);
    }

    #[test]
    fn haste_is_noticed() {
        let (mut timer, _) = after(Patience::Adaptive, 20, ms(20));
        // A pause of the client: the answer to the first sending comes at once after the second.
        for _ in 0..10 {
            let now = timer.deadline();
            timer.on_timeout(now);
            timer.on_progress(now + ms(1), ms(0));
        }
        assert!(timer.deadline() - timer.sent_at() >= FIRST_WAIT);
        // It pauses no more, and then a packet is lost.
        let mut now = timer.sent_at();
        for _ in 0..300 {
            now += ms(20);
            timer.on_progress(now, ms(0));
        }
        assert!(timer.deadline() - now <= ms(50), "{:?}", timer.deadline() - now);
    }

    /// A wire of 2 ms that loses 4 % of the round trips: what is lost costs little more than it must.
    #[test]
    fn a_bad_wire_is_not_taken_for_a_slow_client() {
        let (mut timer, mut now) = after(Patience::Adaptive, 100, ms(2));
        for number in 0..1000 {
            if number % 25 == 0 {
                let deadline = timer.deadline();
                assert!(deadline - now <= ms(5), "{number}: {:?}", deadline - now);
                now = deadline;
                timer.on_timeout(now);
            }
            now += ms(2);
            timer.on_progress(now, ms(0));
        }
    }
}
