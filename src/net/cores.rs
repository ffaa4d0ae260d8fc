//! The cores of this computer: how many there are for us, and leaving one to somebody else.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

/// How many processors this process may run on; one when that cannot be told. The standard library's answer heeds quotas of
/// containers, too, and is 9 KB.
pub(crate) fn cores() -> usize {
    allowed().map_or(1, |set| count(&set).max(1))
}

/// Moves this thread to another core, if it may run there, when what came last on `socket` came on this one: whoever sends
/// lives here too, or its interrupts do (socket(7) `SO_INCOMING_CPU`; of UDP only connected sockets know). It may come back.
pub(super) fn leave_core_of(socket: BorrowedFd<'_>) {
    let Some(all) = allowed().filter(|set| count(set) > 1) else { return };
    let (Some(here), true) = (current(), incoming(socket) == current()) else { return };
    let mut others = all;
    // SAFETY: the number is within the set, as `current` says.
    unsafe { libc::CPU_CLR(here, &mut others) };
    allow(&others);
    allow(&all);
}

/// The core that this thread runs on, if a set has room for its number.
fn current() -> Option<usize> {
    // SAFETY: it has no arguments.
    let core = unsafe { libc::sched_getcpu() };
    usize::try_from(core).ok().filter(|core| *core < 8 * size_of::<libc::cpu_set_t>())
}

/// The core on which the kernel took the last packet that came on `socket`.
fn incoming(socket: BorrowedFd<'_>) -> Option<usize> {
    let (mut core, mut len) = (-1, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the kernel writes one C int at most.
    unsafe {
        let value = (&raw mut core).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_INCOMING_CPU, value, &mut len);
    }
    usize::try_from(core).ok()
}

fn allowed() -> Option<libc::cpu_set_t> {
    // SAFETY: `cpu_set_t` is integers, for which all zeros is a value; the kernel fills at most its length.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (libc::sched_getaffinity(0, size_of_val(&set), &mut set) == 0).then_some(set)
    }
}

/// Where it is not allowed everything stays as it is.
fn allow(set: &libc::cpu_set_t) {
    // SAFETY: the kernel reads the set.
    unsafe { libc::sched_setaffinity(0, size_of_val(set), set) };
}

fn count(set: &libc::cpu_set_t) -> usize {
    // SAFETY: it counts the bits of the set.
    usize::try_from(unsafe { libc::CPU_COUNT(set) }).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::os::fd::AsFd;

    fn only(core: usize) -> libc::cpu_set_t {
        // SAFETY: as in `allowed`.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: a number that `current` gave is within the set.
        unsafe { libc::CPU_SET(core, &mut set) };
        set
    }

    /// Cores are a thread's own, so that each test may have its way.
    #[test]
    fn the_core_where_a_packet_came_is_left_and_may_be_taken_again() {
        let all = allowed().unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        let (here, mut ways) = (current().unwrap(), 0);
        // The kernel may move this thread at any time, but not a hundred times in the moment between.
        for _ in 0..100 {
            allow(&only(here));
            socket.send(b"x").unwrap();
            socket.recv(&mut [0]).unwrap();
            assert_eq!((current(), incoming(socket.as_fd())), (Some(here), Some(here)));
            // It may go nowhere.
            leave_core_of(socket.as_fd());
            assert_eq!((current(), count(&allowed().unwrap())), (Some(here), 1));
            allow(&all);
            leave_core_of(socket.as_fd());
            ways += usize::from(current() != Some(here));
            assert_eq!(count(&allowed().unwrap()), count(&all));
        }
        assert!(cores() == 1 || ways > 0, "it stays");
    }

    #[test]
    fn a_core_is_not_left_for_packets_that_came_on_another() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(incoming(socket.as_fd()), None, "nothing came");
        let before = allowed().unwrap();
        leave_core_of(socket.as_fd());
        assert_eq!(count(&allowed().unwrap()), count(&before));
    }
}
