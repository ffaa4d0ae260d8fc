//! Which transfer's time comes next. A deadline that moves away costs nothing until it is reached.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Deadlines of things known by number.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Duration, usize)>>,
    /// For each number the entry of the heap that counts; others are left-overs.
    scheduled: Vec<Option<Duration>>,
}

impl Timers {
    /// `number` is to be looked at when `deadline` has come, or before.
    pub fn set(&mut self, number: usize, deadline: Duration) {
        if self.scheduled.len() <= number {
            self.scheduled.resize(number.saturating_add(1), None);
        }
        let Some(scheduled) = self.scheduled.get_mut(number) else { return };
        if scheduled.is_none_or(|before| deadline < before) {
            *scheduled = Some(deadline);
            self.heap.push(Reverse((deadline, number)));
        }
    }

    /// `number` is over.
    pub fn forget(&mut self, number: usize) {
        if let Some(scheduled) = self.scheduled.get_mut(number) {
            *scheduled = None;
        }
    }

    /// When to look next.
    pub fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((deadline, _))| *deadline)
    }

    /// A number whose time has come. It is to be [set](Timers::set) again: perhaps its deadline has moved away.
    pub fn due(&mut self, now: Duration) -> Option<usize> {
        while let Some(Reverse((deadline, number))) = self.heap.peek().copied() {
            if deadline > now {
                return None;
            }
            self.heap.pop();
            if let Some(scheduled) = self.scheduled.get_mut(number)
                && *scheduled == Some(deadline)
            {
                *scheduled = None;
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_first_deadline_comes_first_and_each_once() {
        let mut timers = Timers::default();
        timers.set(0, ms(30));
        timers.set(1, ms(10));
        timers.set(2, ms(20));
        // Later is looked at when the first has come; sooner counts at once.
        timers.set(1, ms(50));
        timers.set(0, ms(5));
        timers.forget(2);
        assert_eq!(timers.next(), Some(ms(5)));
        assert_eq!((timers.due(ms(4)), timers.due(ms(5)), timers.due(ms(9))), (None, Some(0), None));
        assert_eq!((timers.due(ms(40)), timers.due(ms(40))), (Some(1), None));
        timers.set(1, ms(50));
        assert_eq!((timers.due(ms(50)), timers.next()), (Some(1), None));
    }
}
