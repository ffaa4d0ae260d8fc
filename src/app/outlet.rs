//! Where DHCP frames leave: straight from the DHCP thread, and from the disk thread those that had to be durable first.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::dhcp::destination::Destination;
use crate::net::clock;
use crate::net::raw::RawSocket;
use crate::net::signals::Stop;

/// Where relays listen (RFC 2131 §4.1).
const RELAY_PORT: u16 = 67;

/// Answers that go to relays without a pause, and the pause: the usual socket buffer of 208 KiB takes some 160 of them.
const RELAY_BURST: u32 = 64;
const RELAY_PAUSE: Duration = Duration::from_millis(2);

/// The way out, shared by all that answer.
pub(super) struct Outlet {
    raw: Arc<RawSocket>,
    stop: Stop,
    /// How many answers went to relays since when, without a pause.
    to_relays: Mutex<(u32, Instant)>,
}

impl Outlet {
    /// Out of `raw`; `stop` ends a pause.
    pub(super) fn new(raw: Arc<RawSocket>, stop: Stop) -> Self {
        Self { raw, stop, to_relays: Mutex::new((0, clock::now())) }
    }

    /// Sends a whole frame that goes `to` there.
    ///
    /// # Errors
    /// What the link says.
    pub(super) fn send(&self, frame: &[u8], to: &Destination) -> io::Result<()> {
        if to.port == RELAY_PORT {
            self.spare_relay();
        }
        self.raw.send(frame)
    }

    /// A relay takes the answers for all of its machines into one socket: what comes faster than it reads is lost there.
    /// Whoever comes meanwhile waits with us, as the pause is for both.
    fn spare_relay(&self) {
        let mut to_relays = self.to_relays.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let (count, since) = *to_relays;
        *to_relays = match count {
            0..RELAY_BURST if now.saturating_duration_since(since) < RELAY_PAUSE => {
                (count.saturating_add(1), since)
            }
            0..RELAY_BURST => (1, now),
            _ => {
                self.stop.wait(RELAY_PAUSE);
                (1, clock::now())
            }
        };
    }
}
