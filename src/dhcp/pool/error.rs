//! Why there is no pool, or no address.

use std::fmt;
use std::net::Ipv4Addr;

use super::MAX_POOL;

/// Why a range cannot be a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// The prefix is not between 8 and 30: there must be room for us and a client.
    PrefixLen(u8),
    /// The last address comes before the first.
    Backwards,
    /// The range leaves the network.
    OffSubnet(Ipv4Addr),
    /// More addresses than [`MAX_POOL`].
    TooLarge,
    /// Nothing is left without the network, broadcast, our own and the set-aside addresses.
    Empty,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrefixLen(len) => {
                write!(f, "a network of prefix length {len} has no room for clients (8 to 30)")
            }
            Self::Backwards => f.write_str("the range ends before it begins"),
            Self::OffSubnet(address) => write!(f, "{address} is not on the interface's network"),
            Self::TooLarge => write!(f, "the range has more than {MAX_POOL} addresses"),
            Self::Empty => f.write_str("no address of the range can be given to a client"),
        }
    }
}

impl std::error::Error for PoolError {}

/// Why there is no address for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// Every address is taken.
    Exhausted,
    /// Strangers hold their share in offers, and what is left belongs to machines known already.
    TooManyOffers,
}
