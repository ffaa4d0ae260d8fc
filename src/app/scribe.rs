//! The disk thread: makes lines durable, and lets the answers go that waited for them.
//!
//! While one batch is on its way to the disk the next one gathers at the desk: fdatasync(2) is paid once for all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::chronicle::Chronicle;
use super::desk::{Batch, DeskReader, Letter};
use super::journal::Journal;
use super::outlet::Outlet;
use crate::event::What;
use crate::net::clock;

/// How often each outcome was; read by whoever tells the counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    writes: AtomicU64,
    failed: AtomicU64,
    not_sent: AtomicU64,
}

impl Tally {
    /// Names and numbers.
    pub(super) fn list(&self) -> [(String, u64); 3] {
        let one = |name: &str, number: &AtomicU64| (format!("disk.{name}"), number.load(Ordering::Relaxed));
        [one("writes", &self.writes), one("failed", &self.failed), one("not-sent", &self.not_sent)]
    }
}

/// What the disk thread works with.
pub(super) struct Scribe {
    /// What is to be done.
    pub(super) desk: DeskReader,
    /// Where lines become durable.
    pub(super) journal: Journal,
    /// Where answers leave.
    pub(super) outlet: Arc<Outlet>,
    /// Who hears of a disk that fails.
    pub(super) chronicle: Arc<Chronicle>,
    /// What is counted.
    pub(super) tally: Arc<Tally>,
}

impl Scribe {
    /// Works until the other side of the desk is gone and everything is done.
    pub(super) fn run(mut self) {
        let started = clock::now();
        loop {
            let now = clock::now().saturating_duration_since(started);
            let batch = self.desk.take(self.journal.try_again_in(now));
            let is_last = batch.is_last;
            self.work(batch, clock::now().saturating_duration_since(started));
            if is_last {
                return;
            }
        }
    }

    fn work(&mut self, batch: Batch, now: Duration) {
        let machines: Vec<_> = batch.jobs.iter().map(|job| job.mac).collect();
        let mut letters = Vec::new();
        for job in batch.jobs {
            if let Some(line) = job.line {
                self.journal.add(line);
            }
            letters.extend(job.letter);
        }
        let written = if batch.is_last { self.journal.write_at_last() } else { self.journal.write(now) };
        match written {
            Ok(0) => {}
            Ok(_) => add(&self.tally.writes),
            Err(error) => self.complain(&error),
        }
        for letter in letters {
            self.send(&letter);
        }
        self.desk.done(machines.into_iter());
        if let Some(Err(error)) = batch.shapes.map(|lines| self.journal.keep_shapes(&lines)) {
            add(&self.tally.failed);
            log::warn!("what was learnt about choosy firmware is not kept: {error}");
        }
    }

    /// Machines get their addresses all the same: a bench that waits for somebody to find room on the laptop's disk would
    /// be worse than one on which a power cut forgets leases.
    fn complain(&self, error: &io::Error) {
        add(&self.tally.failed);
        let text = format!("leases cannot be written: {error}. They are kept in memory until there is room");
        self.chronicle.tell(What::Warning { text });
    }

    fn send(&self, letter: &Letter) {
        if let Err(error) = self.outlet.send(&letter.frame, &letter.to) {
            add(&self.tally.not_sent);
            log::debug!("cannot send to {}: {error}", letter.to.mac);
        }
    }
}

fn add(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}
