//! Who is connected: so many at once, so many from one address, and who waits makes room.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Instant;

use super::Patience;
use super::connection::{Connection, Desk};

/// All connections. Each has a lock of its own: whoever holds it serves that connection.
pub(super) struct Seats {
    seats: Box<[Mutex<Seat>]>,
    room: Mutex<Room>,
    max_per_client: usize,
}

#[derive(Default)]
pub(super) struct Seat {
    /// Counts those who sat here, so that news of an earlier one is not taken for this one's.
    turn: u32,
    pub(super) connection: Option<Box<Connection>>,
}

#[derive(Default)]
struct Room {
    free: Vec<u32>,
    by_client: HashMap<Ipv4Addr, usize>,
}

impl Seats {
    pub(super) fn new(max: usize, max_per_client: usize) -> Self {
        let max = u32::try_from(max).unwrap_or(u32::MAX);
        let room = Room { free: (0..max).rev().collect(), by_client: HashMap::new() };
        Self { seats: (0..max).map(|_| Mutex::default()).collect(), room: Mutex::new(room), max_per_client }
    }

    /// Takes a seat, and calls `start` with its number before anybody else sees the connection. Gives it back when there is
    /// no seat, or when `start` fails.
    pub(super) fn enter(
        &self,
        mut connection: Box<Connection>,
        start: impl FnOnce(&mut Connection, u64) -> std::io::Result<()>,
    ) -> Result<(), Box<Connection>> {
        let peer = connection.peer();
        let number = {
            let mut room = lock(&self.room);
            if room.by_client.get(&peer).is_some_and(|count| *count >= self.max_per_client) {
                return Err(connection);
            }
            let Some(number) = room.free.pop() else { return Err(connection) };
            *room.by_client.entry(peer).or_default() += 1;
            number
        };
        let mut seat = lock(&self.seats[number as usize]);
        seat.turn = seat.turn.wrapping_add(1);
        if start(&mut connection, u64::from(seat.turn) << 32 | u64::from(number)).is_err() {
            drop(seat);
            self.vacate(number, peer);
            return Err(connection);
        }
        seat.connection = Some(connection);
        Ok(())
    }

    /// Whether it is that address which has too many.
    pub(super) fn is_greedy(&self, peer: Ipv4Addr) -> bool {
        lock(&self.room).by_client.get(&peer).is_some_and(|count| *count >= self.max_per_client)
    }

    /// Lets `work` be done with the connection of a number, if it is still there; `work` says whether it stays.
    pub(super) fn with(&self, number: u64, work: impl FnOnce(&mut Connection) -> bool) {
        if let Some(seat) = self.seats.get(number as u32 as usize) {
            self.work_if(number, lock(seat), work);
        }
    }

    /// The same, unless somebody else is busy with that connection.
    pub(super) fn with_waiting(&self, number: u64, work: impl FnOnce(&mut Connection) -> bool) {
        if let Some(seat) = self.seats.get(number as u32 as usize).and_then(try_lock) {
            self.work_if(number, seat, work);
        }
    }

    fn work_if(&self, number: u64, seat: MutexGuard<'_, Seat>, work: impl FnOnce(&mut Connection) -> bool) {
        if seat.turn == (number >> 32) as u32 {
            self.work(number as u32, seat, work);
        }
    }

    fn work(&self, at: u32, mut seat: MutexGuard<'_, Seat>, work: impl FnOnce(&mut Connection) -> bool) {
        let Some(connection) = &mut seat.connection else { return };
        let peer = connection.peer();
        if !work(connection) {
            drop(seat.connection.take());
            drop(seat);
            self.vacate(at, peer);
        }
    }

    /// Lets `work` be done with every connection that nobody is busy with; it gets its number, and says whether it stays.
    pub(super) fn with_each_waiting(&self, mut work: impl FnMut(&mut Connection, u64) -> bool) {
        for (at, seat) in self.seats.iter().enumerate() {
            let Some(seat) = try_lock(seat) else { continue };
            let number = u64::from(seat.turn) << 32 | at as u64;
            self.work(at as u32, seat, |connection| work(connection, number));
        }
    }

    /// Cuts those who are least missed: several at once, since looking at all takes its time. Only those of `client` where
    /// that is given. Returns how many.
    pub(super) fn make_room(
        &self,
        client: Option<Ipv4Addr>,
        desk: &Desk<'_>,
        patience: &Patience,
        now: Instant,
    ) -> usize {
        let mut waiting = Vec::new();
        self.with_each_waiting(|connection, number| {
            let is_meant = client.is_none_or(|client| connection.peer() == client);
            if let Some((rank, since)) = connection.dispensable(patience, now).filter(|_| is_meant) {
                waiting.push((rank, since, number));
            }
            true
        });
        let total = if client.is_some() { self.max_per_client } else { self.seats.len() };
        let many = (total / 32).max(1);
        if waiting.len() > many {
            waiting.select_nth_unstable(many);
            waiting.truncate(many);
        }
        let mut count = 0;
        for (rank, since, number) in waiting {
            self.remove(number, |connection| connection.dispensable(patience, now) == Some((rank, since)))
                .into_iter()
                .for_each(|connection| {
                    connection.cut(desk, "others needed the room");
                    count += 1;
                });
        }
        count
    }

    fn remove(&self, number: u64, is_meant: impl FnOnce(&Connection) -> bool) -> Option<Box<Connection>> {
        let at = number as u32;
        let mut seat = lock(self.seats.get(at as usize)?);
        if seat.turn != (number >> 32) as u32 || !seat.connection.as_deref().is_some_and(is_meant) {
            return None;
        }
        let connection = seat.connection.take()?;
        drop(seat);
        self.vacate(at, connection.peer());
        Some(connection)
    }

    fn vacate(&self, number: u32, peer: Ipv4Addr) {
        let mut room = lock(&self.room);
        room.free.push(number);
        if let Some(count) = room.by_client.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                room.by_client.remove(&peer);
            }
        }
    }
}

/// A panic while a connection was served ends that connection, nothing else.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
