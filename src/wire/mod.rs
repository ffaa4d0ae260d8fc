//! Bytes to values and back. No policy, no I/O, and no panic on any input.
//!
//! Everything here reads bytes from strangers, so slicing, unchecked arithmetic and `unwrap` are denied.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod arp;
pub mod cursor;
pub mod dhcp;
#[cfg(test)]
pub(crate) mod dhcp_decoder;
pub mod dhcp_option;
pub mod frame;
mod mac;
pub mod ndp;
pub mod pxe;
#[cfg(test)]
pub(crate) mod test_random;
pub mod tftp;

pub use mac::MacAddr;

/// Why bytes could not be read: what was expected, and where (bytes from the start of the input).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What stood there instead of what should, as the end of "malformed packet: …".
    pub what: &'static str,
    /// Offset of the first offending byte.
    pub offset: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}", self.what, self.offset)
    }
}

impl std::error::Error for Malformed {}
