//! Request in, response out: HTTP/1.1 for firmware, boot loaders and installers (RFC 9110, RFC 9112).
//!
//! [`request`] reads a head strictly, [`respond`] says what to send, [`listing`] shows a directory. No socket, no clock: the
//! time is an argument; `net::http` moves the bytes.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod date;
mod headers;
pub mod inbox;
pub mod listing;
mod number;
pub mod range;
pub mod request;
pub mod respond;
pub mod target;
