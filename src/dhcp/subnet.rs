//! The networks we give addresses on: the one on the wire, and those behind relays.

use std::net::Ipv4Addr;

use super::pool::{Pool, PoolError};

/// A network to give addresses on, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetConfig {
    /// Length of the network's prefix, 8 to 30.
    pub prefix_len: u8,
    /// First address to give.
    pub first: Ipv4Addr,
    /// Last address to give.
    pub last: Ipv4Addr,
    /// The router, if there is one. A router that does not exist makes clients wait for it. Behind a relay it is the
    /// relay where this is `None`.
    pub router: Option<Ipv4Addr>,
}

impl SubnetConfig {
    /// The network's own address, and the length of its prefix.
    pub fn network(&self) -> (Ipv4Addr, u8) {
        let host_bits = 32u32.saturating_sub(u32::from(self.prefix_len));
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        ((u32::from(self.first) & mask).into(), self.prefix_len)
    }
}

/// A network with what is given on it.
#[derive(Clone, Debug)]
pub struct Subnet {
    prefix_len: u8,
    base: Ipv4Addr,
    router: Option<Ipv4Addr>,
    pub(super) pool: Pool,
}

impl Subnet {
    /// A network around `base`, any address of it. Addresses in `never` are not given.
    ///
    /// # Errors
    /// The range cannot be used.
    pub(super) fn new(config: &SubnetConfig, base: Ipv4Addr, never: &[Ipv4Addr]) -> Result<Self, PoolError> {
        let never: Vec<_> = never.iter().copied().chain(config.router).collect();
        let pool = Pool::new(config.first, config.last, base, config.prefix_len, &never)?;
        Ok(Self { prefix_len: config.prefix_len, base, router: config.router, pool })
    }

    /// The network's mask.
    pub fn mask(&self) -> Ipv4Addr {
        let host_bits = 32u32.saturating_sub(u32::from(self.prefix_len));
        Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }

    /// The network's broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) | !u32::from(self.mask()))
    }

    /// Whether an address is of this network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let mask = u32::from(self.mask());
        u32::from(address) & mask == u32::from(self.base) & mask
    }

    /// Whether an address of this network can be a machine's: not the network's own two.
    pub(super) fn is_host(&self, address: Ipv4Addr) -> bool {
        self.contains(address)
            && u32::from(address) & !u32::from(self.mask()) != 0
            && address != self.broadcast()
    }

    /// The router that clients are told, if any.
    pub fn router(&self) -> Option<Ipv4Addr> {
        self.router
    }

    /// What is given on it.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}
