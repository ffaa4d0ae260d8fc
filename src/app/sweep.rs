//! Free addresses are asked about ahead of demand, a few at a time.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::dhcp::Now;
use crate::dhcp::pool::Pool;

/// How often, and how many addresses at most: a pool of 1,000 is known after a second, and then it is a probe now and
/// then.
const PERIOD: Duration = Duration::from_millis(100);
const PER_PERIOD: usize = 128;

/// An answer that ends so soon is asked for again.
const AHEAD: Duration = Duration::from_secs(30);

/// A larger pool is asked about on demand only: asking all of it again and again would be noise.
const LARGEST: usize = 4096;

/// Where the asking stands.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    at: usize,
    next: Duration,
}

impl Sweep {
    /// Whether a pool is small enough.
    pub(super) fn is_for(pool: &Pool) -> bool {
        pool.range_len() <= LARGEST
    }

    /// When [`Sweep::due`] has something to do again.
    pub(super) fn next(&self) -> Duration {
        self.next
    }

    /// Addresses to be asked about now.
    pub(super) fn due(&mut self, pool: &Pool, now: Now) -> Vec<Ipv4Addr> {
        if now.monotonic < self.next {
            return Vec::new();
        }
        let (addresses, at) = pool.unchecked(self.at, PER_PERIOD, AHEAD, now);
        self.at = at;
        // All were asked about: a look a second finds those whose answer grows old.
        let pause = if addresses.len() < PER_PERIOD { Duration::from_secs(1) } else { PERIOD };
        self.next = now.monotonic.saturating_add(pause);
        addresses
    }
}
