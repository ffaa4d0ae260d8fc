//! How a thread waits for clients: awake while a single one asks again and again, as an installer does that fetches package
//! after package. Waking up takes longer than its next request takes to come.
//!
//! And whether it comes before other programs. It does for a single client that asks, and while several take large files: else
//! those on this computer, virtual machines, interrupt it with each packet. Where many ask for small files all do better when
//! they can ask first: then many are answered at once. A single one that takes a large file is slower by a twentieth.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::net::clock;
use crate::net::epoll::{Epoll, Ready};
use crate::net::precedence::Precedence;
use crate::net::vigil::Vigil;

/// So often in a row the same client was ready: there is no other.
const SINGLE: u32 = 16;

/// What a thread has learned of its clients.
pub(super) struct Watch<'a> {
    /// Whether another thread waits awake. Two would take the cores that everybody else needs.
    is_taken: &'a AtomicBool,
    vigil: Vigil,
    precedence: Precedence,
    start: Instant,
    /// Who was served last, and when.
    last: Option<u64>,
    /// How often in a row.
    in_a_row: u32,
    served_at: Duration,
}

impl<'a> Watch<'a> {
    /// For this thread.
    pub(super) fn new(is_taken: &'a AtomicBool) -> Self {
        Self {
            is_taken,
            vigil: Vigil::default(),
            precedence: Precedence::here(),
            start: clock::now(),
            last: None,
            in_a_row: 0,
            served_at: Duration::ZERO,
        }
    }

    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// Until somebody is ready.
    pub(super) fn wait(&mut self, epoll: &Epoll, ready: &mut Ready) -> io::Result<()> {
        self.served_at = self.now();
        ready.clear();
        if !self.is_taken.load(Ordering::Relaxed)
            && let Some(awake) = self.vigil.begin(self.served_at)
            && !self.is_taken.swap(true, Ordering::Relaxed)
        {
            let result = self.look(epoll, ready, self.served_at + awake);
            self.is_taken.store(false, Ordering::Relaxed);
            result?;
        }
        if ready.numbers().len() == 0 {
            epoll.wait(ready, None)?;
        }
        self.learn(ready);
        Ok(())
    }

    fn look(&mut self, epoll: &Epoll, ready: &mut Ready, until: Duration) -> io::Result<()> {
        loop {
            epoll.wait(ready, Some(Duration::ZERO))?;
            let now = self.now();
            if ready.numbers().len() > 0 {
                return Ok(());
            }
            if !self.vigil.on_look(now) || now >= until {
                self.vigil.on_vain(now);
                return Ok(());
            }
        }
    }

    fn learn(&mut self, ready: &Ready) {
        let mut numbers = ready.numbers();
        let only = numbers.next().filter(|_| numbers.len() == 0);
        let is_lone = only.is_some() && only == self.last;
        self.in_a_row = if is_lone { self.in_a_row.saturating_add(1) } else { 0 };
        let is_ahead = if ready.has_readable() { is_lone } else { self.in_a_row < SINGLE };
        self.precedence.set(is_ahead);
        if is_lone {
            self.vigil.on_answer(self.served_at, self.now());
        } else {
            self.vigil.on_vain(self.now());
        }
        self.last = only;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::epoll::Wake;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn a_lone_client_is_waited_for_awake_and_everybody_is_told_of() {
        let is_taken = AtomicBool::new(false);
        let epoll = Epoll::new().unwrap();
        let (mut watch, mut ready) = (Watch::new(&is_taken), Ready::default());
        let [(lone, mut at_lone), (other, mut at_other)] = [(); 2].map(|()| io::pipe().unwrap());
        epoll.add(lone.as_fd(), 7, Wake::Readable).unwrap();
        at_lone.write_all(b"x").unwrap();
        while watch.vigil.begin(watch.now()).is_none() {
            watch.wait(&epoll, &mut ready).unwrap();
            assert_eq!(ready.numbers().collect::<Vec<_>>(), [7]);
        }
        assert!(watch.precedence.is_ahead_where_allowed());
        epoll.add(other.as_fd(), 8, Wake::Readable).unwrap();
        at_other.write_all(b"x").unwrap();
        while watch.vigil.begin(watch.now()).is_some() {
            watch.wait(&epoll, &mut ready).unwrap();
            assert_eq!(ready.numbers().collect::<Vec<_>>(), [7, 8]);
        }
        assert!(!watch.precedence.is_ahead());
        assert!(!is_taken.into_inner());
    }

    #[test]
    fn several_who_take_large_files_come_before_other_programs() {
        let (is_taken, epoll) = (AtomicBool::new(true), Epoll::new().unwrap());
        let (mut watch, mut ready) = (Watch::new(&is_taken), Ready::default());
        let pipes = [(); 2].map(|()| io::pipe().unwrap());
        for (number, (_, writer)) in (0..).zip(&pipes) {
            epoll.add(writer.as_fd(), number, Wake::Writable).unwrap();
        }
        watch.wait(&epoll, &mut ready).unwrap();
        assert_eq!(ready.numbers().len(), 2);
        assert!(watch.precedence.is_ahead_where_allowed());
        let [_one, other] = pipes;
        drop(other);
        for _ in 0..=SINGLE {
            watch.wait(&epoll, &mut ready).unwrap();
        }
        assert!(!watch.precedence.is_ahead(), "one is left");
    }
}
