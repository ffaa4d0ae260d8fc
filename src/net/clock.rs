//! What time it is: the one place that asks.
//!
//! Two clocks, because they answer different questions. [`now`] never jumps, and measures timeouts and rates.
//! [`unix_seconds`] is the calendar: leases are written with it, since they outlive the process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Now on the clock that never jumps (`CLOCK_MONOTONIC`; it stands still while the machine is suspended).
pub fn now() -> Instant {
    Instant::now()
}

/// Time since 1970-01-01 00:00 UTC; zero on a clock set before that.
pub fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whole seconds since 1970-01-01 00:00 UTC.
pub fn unix_seconds() -> u64 {
    unix_time().as_secs()
}

/// Whole milliseconds since 1970-01-01 00:00 UTC.
pub fn unix_millis() -> u64 {
    u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_is_past_the_day_this_was_written() {
        assert!(unix_seconds() > 1_763_000_000);
        assert!(unix_millis() / 1000 >= unix_seconds() - 1);
    }
}
