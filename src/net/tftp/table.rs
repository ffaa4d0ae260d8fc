//! The transfers under way, by number and by client, and who gives way when there are too many.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::flight::Flight;

/// Transfers at once; a room of machines needs one each.
const MAX_TRANSFERS: usize = 512;

/// Transfers at once for one address. A ROM has one, a few have two or three of the same file (Raspberry Pi).
pub(super) const MAX_PER_CLIENT: usize = 8;

/// All transfers.
#[derive(Default)]
pub(super) struct Table<'a> {
    places: Vec<Option<Flight<'a>>>,
    free: Vec<usize>,
    by_peer: HashMap<SocketAddrV4, usize>,
    by_ip: HashMap<Ipv4Addr, usize>,
}

impl<'a> Table<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// The number of the transfer to `peer`.
    pub(super) fn of_peer(&self, peer: SocketAddrV4) -> Option<usize> {
        self.by_peer.get(&peer).copied()
    }

    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Flight<'a>> {
        self.places.get_mut(number)?.as_mut()
    }

    /// Keeps a transfer, and gives it a number.
    pub(super) fn insert(&mut self, flight: Flight<'a>) -> usize {
        let peer = flight.peer();
        let number = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[number] = Some(flight);
        self.by_peer.insert(peer, number);
        *self.by_ip.entry(*peer.ip()).or_default() += 1;
        number
    }

    pub(super) fn remove(&mut self, number: usize) -> Option<Flight<'a>> {
        let flight = self.places.get_mut(number)?.take()?;
        self.free.push(number);
        let peer = flight.peer();
        self.by_peer.remove(&peer);
        if let Some(count) = self.by_ip.get_mut(peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_ip.remove(peer.ip());
            }
        }
        Some(flight)
    }

    /// Whether there is room for another transfer to `ip`.
    ///
    /// # Errors
    /// The number of the transfer that has to give way: the oldest of a client that may not be there any more, else of one
    /// that was never heard, else one that only waits for a last word. `None` when nobody gives way.
    pub(super) fn has_room(&self, ip: Ipv4Addr) -> Result<(), Option<usize>> {
        if self.by_ip.get(&ip).is_some_and(|count| *count >= MAX_PER_CLIENT) {
            return Err(self.dispensable(|flight| *flight.peer().ip() == ip));
        }
        if self.by_peer.len() >= MAX_TRANSFERS {
            return Err(self.dispensable(|_| true));
        }
        Ok(())
    }

    fn dispensable(&self, is_asked: impl Fn(&Flight<'_>) -> bool) -> Option<usize> {
        let flights = self.places.iter().enumerate().filter_map(|(at, place)| Some((at, place.as_ref()?)));
        flights
            .filter(|(_, flight)| is_asked(flight))
            .filter_map(|(at, flight)| Some((rank(flight)?, flight.begun_at(), at)))
            .min()
            .map(|(_, _, at)| at)
    }
}

/// How soon a transfer gives way; `None` where the client is known to be there and wants more.
fn rank(flight: &Flight<'_>) -> Option<u8> {
    match flight {
        _ if flight.is_doubtful() => Some(0),
        _ if flight.is_unproven() => Some(1),
        _ if flight.is_lingering() => Some(2),
        _ => None,
    }
}
