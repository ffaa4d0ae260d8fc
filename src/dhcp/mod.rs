//! Message and time in, reaction out: the conversation on ports 67 and 4011.
//!
//! [`server::Server`] is a function of its arguments: no socket, no clock, no file. What it decides is a
//! [`reaction::Reaction`], silence included.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

mod boot_service;
mod bootp;
pub mod conflict;
pub mod counters;
pub mod destination;
mod flood;
mod full;
pub mod identity;
pub mod ladder;
pub mod lease;
pub mod pool;
pub mod probe;
pub mod reaction;
mod reply;
pub mod server;
pub mod subnet;
#[cfg(test)]
mod tests;
pub mod watch;

/// The part we play on this wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The DHCP server: addresses and boot information.
    Full,
    /// Somebody else gives the addresses; we tell machines what to boot (PXE 2.1 §2.2.3, "proxyDHCP").
    Proxy,
    /// None: somebody else tells machines about us too.
    Off,
}

/// A moment, as an argument. Deadlines follow the first clock, which never jumps; what is written to a file the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Time since the program started, from a clock that only goes forward.
    pub monotonic: Duration,
    /// Seconds since 1970.
    pub unix_secs: u64,
}
