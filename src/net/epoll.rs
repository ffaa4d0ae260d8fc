//! Many descriptors, and which of them are ready (epoll(7)).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Bytes to read, or the end of them.
    Readable,
    /// Room to write, which may be there at once.
    Writable,
}

impl Wake {
    fn events(self) -> u32 {
        // An error or a hang-up is told in any case.
        let events = match self {
            Self::Readable => libc::EPOLLIN,
            Self::Writable => libc::EPOLLOUT,
        };
        events as u32
    }
}

/// How many ready descriptors are told of at once.
const BATCH: usize = 64;

/// What epoll_wait(2) takes for no time-out.
const FOREVER: i32 = -1;

/// Numbers of ready descriptors.
pub(super) struct Ready {
    events: [libc::epoll_event; BATCH],
    count: usize,
}

impl Default for Ready {
    fn default() -> Self {
        Self { events: [libc::epoll_event { events: 0, u64: 0 }; BATCH], count: 0 }
    }
}

impl Ready {
    /// Nobody is ready.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether there is something to read from one of them.
    pub(super) fn has_readable(&self) -> bool {
        self.events[..self.count].iter().any(|event| event.events & Wake::Readable.events() != 0)
    }

    /// The numbers, each once.
    pub(super) fn numbers(&self) -> impl ExactSizeIterator<Item = u64> {
        self.events[..self.count].iter().map(|event| event.u64)
    }
}

/// Descriptors under the numbers they were added with. One that is closed is gone from it.
#[derive(Debug)]
pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    pub(super) fn add(&self, descriptor: BorrowedFd<'_>, number: u64, wake: Wake) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, descriptor, number, wake)
    }

    /// From now on waits for something else.
    pub(super) fn change(&self, descriptor: BorrowedFd<'_>, number: u64, wake: Wake) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, descriptor, number, wake)
    }

    /// Does not wait for it any more.
    pub(super) fn remove(&self, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, descriptor, 0, Wake::Readable)
    }

    fn control(&self, operation: i32, descriptor: BorrowedFd<'_>, number: u64, wake: Wake) -> io::Result<()> {
        let mut event = libc::epoll_event { events: wake.events(), u64: number };
        // SAFETY: both descriptors are open for the call; the kernel reads one initialised `epoll_event`.
        let result =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, descriptor.as_raw_fd(), &mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until some are ready, for `timeout` at most where there is one. None are when that has passed, or a signal came.
    pub(super) fn wait(&self, ready: &mut Ready, timeout: Option<Duration>) -> io::Result<()> {
        // Rounded up, or the last millisecond would be spent asking again and again.
        let milliseconds =
            timeout.map_or(FOREVER, |it| it.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32);
        ready.count = 0;
        // SAFETY: room for as many events as are asked for.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), ready.events.as_mut_ptr(), BATCH as i32, milliseconds)
        };
        match usize::try_from(count) {
            Ok(count) => ready.count = count,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_readable_is_told_by_its_number_until_it_is_closed() {
        let epoll = Epoll::new().unwrap();
        let mut ready = Ready::default();
        let (reader, mut writer) = io::pipe().unwrap();
        epoll.add(reader.as_fd(), 7, Wake::Readable).unwrap();
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.numbers().len(), 0);
        writer.write_all(b"x").unwrap();
        epoll.wait(&mut ready, None).unwrap();
        assert_eq!(ready.numbers().collect::<Vec<_>>(), [7]);
        drop(reader);
        epoll.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        assert_eq!(ready.numbers().len(), 0);
    }
}
