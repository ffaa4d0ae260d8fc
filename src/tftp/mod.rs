//! Packet and time in, step out: the file transfers on port 69.
//!
//! [`access`] says who is answered, [`request`] settles what a client asks for, [`transfer::Transfer`] is one transfer as
//! a state machine without socket or clock; `net::tftp` moves the bytes.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod access;
pub mod netascii;
pub mod request;
pub mod retransmit;
pub mod timers;
pub mod transfer;
