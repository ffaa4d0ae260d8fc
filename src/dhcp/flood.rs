//! A limit on messages per client and second, in a table that does not grow.

use crate::wire::MacAddr;

use super::Now;

/// The most messages of one client that are answered in a second. Firmware sends at most a handful.
pub(super) const MAX_PER_SECOND: u32 = 50;

const BUCKETS: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Bucket {
    mac: MacAddr,
    second: u64,
    count: u32,
}

/// Counts messages. Two clients that fall into the same bucket take it from each other; neither suffers from that.
#[derive(Clone, Debug)]
pub(super) struct FloodGuard {
    buckets: Vec<Bucket>,
}

impl FloodGuard {
    pub(super) fn new() -> Self {
        Self { buckets: vec![Bucket { mac: MacAddr::BROADCAST, second: 0, count: 0 }; BUCKETS] }
    }

    /// Counts a message of a client; whether it is one too many.
    pub(super) fn is_flooded_by(&mut self, mac: MacAddr, now: Now) -> bool {
        let number =
            mac.0.iter().fold(0usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let Some(bucket) = self.buckets.get_mut(number % BUCKETS) else { return false };
        let second = now.monotonic.as_secs();
        if bucket.mac != mac || bucket.second != second {
            *bucket = Bucket { mac, second, count: 0 };
        }
        bucket.count = bucket.count.saturating_add(1);
        bucket.count > MAX_PER_SECOND
    }
}
