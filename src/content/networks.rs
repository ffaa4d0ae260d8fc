//! Who is answered: machines on our wire, and behind relays that we know.

use std::net::{Ipv4Addr, SocketAddrV4};

/// The networks that are served. Nobody else is: files are for the machines of this job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks {
    /// Our address.
    pub server: Ipv4Addr,
    /// Length of the prefix of our own network.
    pub prefix: u8,
    /// The networks behind relays: an address of each, and the length of its prefix.
    pub relayed: Vec<(Ipv4Addr, u8)>,
}

/// Why a packet is not even looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It is of another network.
    OffSubnet,
    /// No computer has such an address.
    NoAddress,
    /// It is in our own name.
    Ourselves,
}

impl Networks {
    /// That of `server` alone.
    pub fn local(server: Ipv4Addr, prefix: u8) -> Self {
        Self { server, prefix, relayed: Vec::new() }
    }

    /// Whether an address is of one of the networks.
    pub fn contain(&self, address: Ipv4Addr) -> bool {
        self.network_of(address).is_some()
    }

    /// Whether who sends a datagram from `peer` is answered.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, peer: SocketAddrV4) -> Result<(), Stranger> {
        let ip = *peer.ip();
        let is_nobody = ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || peer.port() == 0;
        if is_nobody {
            return Err(Stranger::NoAddress);
        }
        let prefix = self.network_of(ip).ok_or(Stranger::OffSubnet)?;
        if ip == self.server {
            return Err(Stranger::Ourselves);
        }
        // Networks of one and two have neither a name nor a broadcast address (RFC 3021).
        let host = u32::from(ip) & !mask(prefix);
        if prefix < 31 && (host == 0 || host == !mask(prefix)) {
            return Err(Stranger::NoAddress);
        }
        Ok(())
    }

    /// The prefix length of the network that an address is of.
    fn network_of(&self, address: Ipv4Addr) -> Option<u8> {
        let is_of =
            |base: Ipv4Addr, prefix: u8| u32::from(address) & mask(prefix) == u32::from(base) & mask(prefix);
        let all = [(self.server, self.prefix)].into_iter().chain(self.relayed.iter().copied());
        all.into_iter().find(|(base, prefix)| is_of(*base, *prefix)).map(|(_, prefix)| prefix)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(prefix: u8, peer: [u8; 4]) -> Result<(), Stranger> {
        let network = Networks::local(Ipv4Addr::new(192, 168, 100, 1), prefix);
        network.admit(SocketAddrV4::new(peer.into(), 2070))
    }

    #[test]
    fn s04_who_is_of_another_network_is_not_answered() {
        assert_eq!(admitted(24, [192, 168, 100, 7]), Ok(()));
        for peer in [[192, 168, 101, 7], [10, 0, 0, 1], [127, 0, 0, 1], [8, 8, 8, 8]] {
            assert_eq!(admitted(24, peer), Err(Stranger::OffSubnet), "{peer:?}");
        }
        assert_eq!(admitted(16, [192, 168, 101, 7]), Ok(()));
        assert_eq!(admitted(0, [8, 8, 8, 8]), Ok(()));
    }

    #[test]
    fn s06_addresses_that_nobody_has_are_dropped() {
        for peer in
            [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1], [192, 168, 100, 0], [192, 168, 100, 255]]
        {
            assert_eq!(admitted(24, peer), Err(Stranger::NoAddress), "{peer:?}");
        }
        assert_eq!(admitted(24, [192, 168, 100, 1]), Err(Stranger::Ourselves));
        assert_eq!(admitted(31, [192, 168, 100, 0]), Ok(()));
        let network = Networks::local(Ipv4Addr::new(10, 0, 0, 1), 8);
        assert_eq!(network.admit(SocketAddrV4::new([10, 0, 0, 2].into(), 0)), Err(Stranger::NoAddress));
    }

    #[test]
    fn machines_behind_relays_are_served() {
        let mut networks = Networks::local(Ipv4Addr::new(192, 168, 100, 1), 24);
        networks.relayed.push((Ipv4Addr::new(10, 20, 0, 50), 24));
        assert_eq!(networks.admit(SocketAddrV4::new([10, 20, 0, 77].into(), 2070)), Ok(()));
        assert_eq!(
            networks.admit(SocketAddrV4::new([10, 20, 0, 255].into(), 2070)),
            Err(Stranger::NoAddress)
        );
        assert_eq!(networks.admit(SocketAddrV4::new([10, 20, 1, 77].into(), 2070)), Err(Stranger::OffSubnet));
        assert!(networks.contain([192, 168, 100, 1].into()) && !networks.contain([10, 21, 0, 1].into()));
    }
}
