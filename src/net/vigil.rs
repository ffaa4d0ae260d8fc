//! Whether an answer is waited for awake.
//!
//! A core that sleeps takes longer to wake up than an answer of a machine on the same switch takes to come, and a client that
//! takes a block at a time waits for both. While answers come at once they are waited for awake. Where that was in vain some
//! times the server sleeps like any other, and where others want the core it leaves it to them. A client on the same
//! computer may be woken up on our very core, and cannot answer as long as we look for its answer there.

use std::time::Duration;

/// How long an answer is waited for awake: a block and its acknowledgement on a cable of 1 Gbit/s, and a quick boot ROM.
const AWAKE: Duration = Duration::from_micros(200);

/// An answer that woke us as soon as this would have come while awake; waking takes the rest.
const SOON: Duration = Duration::from_micros(300);

/// Quick answers in a row before it is worth to stay awake, and the most that count.
const WORTH: u8 = 8;
const MOST: u8 = 16;

/// What waiting in vain costs, in quick answers: most waits must be rewarded.
const PRICE: u8 = 4;

/// Looking for a packet takes a microsecond or two. Where it took so long somebody else wants this core: who works takes a
/// tick of it, 1 to 10 ms. The kernel's own chores are done in 100 to 400 us, twenty times a second on an idle computer.
const ROBBED: Duration = Duration::from_millis(1);

/// How long the core is left to others then, and when it was waited for too often in vain: on a computer with other work it
/// is the client who has no core. Longer each time, up to a second.
const FIRST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What was learned of the last answers. Time is counted from any moment, the same for all calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vigil {
    quick: u8,
    rest: Duration,
    rested_at: Duration,
    looked_at: Option<Duration>,
    /// Since when the answer is waited for asleep that was waited for awake in vain.
    asleep_at: Option<Duration>,
}

impl Vigil {
    /// How long to wait awake at `now` for the next answer; `None` to sleep.
    pub(super) fn begin(&mut self, now: Duration) -> Option<Duration> {
        let is_worth = self.quick >= WORTH && now >= self.rested_at && self.asleep_at.is_none();
        self.looked_at = is_worth.then_some(now);
        is_worth.then_some(AWAKE)
    }

    /// Nothing had come at `now`. Returns whether to go on.
    pub(super) fn on_look(&mut self, now: Duration) -> bool {
        let took = self.looked_at.replace(now).map_or(Duration::ZERO, |before| now.saturating_sub(before));
        if took >= ROBBED {
            self.rest(now);
        }
        took < ROBBED
    }

    fn rest(&mut self, now: Duration) {
        self.rest = self.rest.saturating_mul(2).clamp(FIRST_REST, LONGEST_REST);
        self.rested_at = now.saturating_add(self.rest);
    }

    /// At `now` an answer came to what went out at `since`. Returns whether it was made as soon as this thread slept: whoever
    /// made it needs this core.
    pub(super) fn on_answer(&mut self, since: Duration, now: Duration) -> bool {
        let asleep_at = self.asleep_at.take();
        if self.looked_at.is_some() && !self.on_look(now) {
            return false;
        }
        if now.saturating_sub(since) <= SOON {
            self.quick = self.quick.saturating_add(1).min(MOST);
            // So long after the last rest nobody else was there.
            if now.saturating_sub(self.rested_at) >= self.rest {
                self.rest = Duration::ZERO;
            }
        } else if asleep_at.is_none() {
            self.on_vain(now);
        }
        asleep_at.is_some_and(|at| now.saturating_sub(at) <= SOON)
    }

    /// None came in time, and it is `now`.
    pub(super) fn on_vain(&mut self, now: Duration) {
        let was_worth = self.quick >= WORTH;
        self.quick = self.quick.saturating_sub(PRICE);
        // Who sleeps from now on is not robbed.
        if self.looked_at.take().is_some() {
            self.asleep_at = Some(now);
            if was_worth && self.quick < WORTH {
                self.rest(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    const QUICK: Duration = Duration::from_micros(40);
    const SLOW: Duration = Duration::from_millis(2);

    /// A vigil after so many answers, and the time.
    fn after(count: u32, answer: Duration) -> (Vigil, Duration) {
        let (mut vigil, mut now) = (Vigil::default(), Duration::from_secs(1));
        for _ in 0..count {
            vigil.on_answer(now, now + answer);
            now += answer;
        }
        (vigil, now)
    }

    #[test]
    fn quick_answers_keep_awake_and_slow_ones_do_not() {
        assert_eq!(Vigil::default().begin(SLOW), None);
        let (mut vigil, mut now) = after(8, QUICK);
        assert_eq!(vigil.begin(now), Some(AWAKE));
        // A client that draws its progress now and then is still a quick one.
        for _ in 0..10 {
            for _ in 0..9 {
                vigil.on_answer(now, now + QUICK);
                now += QUICK;
            }
            assert_eq!(vigil.begin(now), Some(AWAKE));
            vigil.on_vain(now + AWAKE);
            assert_eq!(vigil.begin(now + AWAKE), None, "one silence is waited for awake once");
            vigil.on_answer(now, now + SLOW);
            now += SLOW;
            assert_eq!(vigil.begin(now), Some(AWAKE));
        }
        for _ in 0..3 {
            vigil.on_answer(now, now + SLOW);
        }
        assert_eq!(vigil.begin(now), None);
    }

    #[test]
    fn who_answers_as_soon_as_we_sleep_needs_this_core() {
        for (answer, expected) in [(AWAKE + QUICK, true), (AWAKE + SLOW, false)] {
            let (mut vigil, now) = after(20, QUICK);
            assert_eq!(vigil.begin(now), Some(AWAKE));
            vigil.on_vain(now + AWAKE);
            assert_eq!(vigil.on_answer(now, now + answer), expected, "{answer:?}");
            assert_eq!(vigil.begin(now + answer), Some(AWAKE), "the sleep was no robbery");
            assert!(!vigil.on_answer(now + answer, now + answer + QUICK));
        }
    }

    #[test]
    fn a_slow_client_costs_no_time_awake() {
        let (mut vigil, now) = after(100, SLOW);
        assert_eq!(vigil.begin(now), None);
    }

    #[test]
    fn the_core_is_left_to_others_longer_each_time() {
        let (mut vigil, mut now) = after(20, QUICK);
        let mut rests = Vec::new();
        for _ in 0..8 {
            assert!(vigil.begin(now).is_some());
            assert!(vigil.on_look(now + Duration::from_micros(1)));
            now += SLOW;
            assert!(!vigil.on_look(now), "somebody else was there");
            let start = now;
            // An answer that was waited for asleep tells nothing of others.
            while vigil.begin(now).is_none() {
                now += Duration::from_millis(1);
                vigil.on_answer(now, now);
            }
            rests.push((now - start).as_millis());
        }
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 320, 640]);
        // Nobody for two seconds: the next one is no habit. It is noticed by an answer, too.
        vigil.looked_at = None;
        now += Duration::from_secs(2);
        vigil.on_answer(now, now);
        assert!(vigil.begin(now).is_some());
        now += SLOW;
        vigil.on_answer(now, now);
        assert_eq!(vigil.begin(now), None);
        assert!(vigil.begin(now + FIRST_REST).is_some());
    }
}
