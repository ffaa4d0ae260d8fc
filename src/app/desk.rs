//! What the DHCP thread hands to the disk thread: lines to be made durable, and the answers that must not leave before.
//!
//! The DHCP thread never waits for the disk. An answer waits at the desk when it goes with a line, or to a machine of which
//! a line or an answer is here already: so each machine hears everything in its order, and no grant before it would
//! outlive a power cut (RFC 2131 §3.1, step 4). All others go at once.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::dhcp::destination::Destination;
use crate::wire::MacAddr;

/// Most answers that wait for the disk. A disk that takes longer than these is one that hangs: a client asks again.
const MAX_LETTERS: usize = 4096;

/// Most lines that wait for it.
const MAX_LINES: usize = 100_000;

/// An answer, ready to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    /// The whole frame.
    pub(super) frame: Vec<u8>,
    /// Where it goes.
    pub(super) to: Destination,
}

/// One thing for the disk thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The machine it is about.
    pub(super) mac: MacAddr,
    /// To be made durable first.
    pub(super) line: Option<String>,
    /// To leave then.
    pub(super) letter: Option<Letter>,
}

/// All that was handed over since the last time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In their order.
    pub(super) jobs: Vec<Job>,
    /// What is to be kept of what was learnt about choosy firmware; the latest.
    pub(super) shapes: Option<String>,
    /// Nothing will follow.
    pub(super) is_last: bool,
}

#[derive(Default)]
struct Tray {
    batch: Batch,
    /// Lines and letters in it.
    lines: usize,
    letters: usize,
    /// How many jobs of a machine are not done.
    open: HashMap<MacAddr, u32>,
}

#[derive(Default)]
struct Shared {
    tray: Mutex<Tray>,
    filled: Condvar,
}

impl Shared {
    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The DHCP thread's side. The disk thread ends when it is dropped, and everything that was handed over is done.
pub(super) struct Desk(Arc<Shared>);

/// The disk thread's side.
pub(super) struct DeskReader(Arc<Shared>);

/// The two sides.
pub(super) fn desk() -> (Desk, DeskReader) {
    let shared = Arc::new(Shared::default());
    (Desk(shared.clone()), DeskReader(shared))
}

impl Desk {
    /// Whether an answer to this machine has to wait for what is here already.
    pub(super) fn is_busy_with(&self, mac: MacAddr) -> bool {
        self.0.tray().open.contains_key(&mac)
    }

    /// Hands over. Whether there was room: an answer for which there is none is dropped, a line too when there are far too
    /// many.
    pub(super) fn hand_over(&self, mut job: Job) -> bool {
        let mut tray = self.0.tray();
        let has_room = (job.letter.is_none() || tray.letters < MAX_LETTERS)
            && (job.line.is_none() || tray.lines < MAX_LINES);
        if tray.letters >= MAX_LETTERS {
            job.letter = None;
        }
        if tray.lines >= MAX_LINES {
            job.line = None;
        }
        if job.line.is_some() || job.letter.is_some() {
            tray.lines = tray.lines.saturating_add(usize::from(job.line.is_some()));
            tray.letters = tray.letters.saturating_add(usize::from(job.letter.is_some()));
            let open = tray.open.entry(job.mac).or_default();
            *open = open.saturating_add(1);
            tray.batch.jobs.push(job);
            drop(tray);
            self.0.filled.notify_one();
        }
        has_room
    }

    /// Has what was learnt about choosy firmware kept.
    pub(super) fn keep_shapes(&self, lines: String) {
        self.0.tray().batch.shapes = Some(lines);
        self.0.filled.notify_one();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.0.tray().batch.is_last = true;
        self.0.filled.notify_one();
    }
}

impl DeskReader {
    /// Waits until something was handed over, at most `patience` where there is one, and takes it.
    pub(super) fn take(&self, patience: Option<Duration>) -> Batch {
        let is_idle = |tray: &mut Tray| {
            tray.batch.jobs.is_empty() && tray.batch.shapes.is_none() && !tray.batch.is_last
        };
        let tray = self.0.tray();
        let mut tray = match patience {
            None => self.0.filled.wait_while(tray, is_idle).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.0.filled.wait_timeout_while(tray, patience, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        (tray.lines, tray.letters) = (0, 0);
        let is_last = tray.batch.is_last;
        std::mem::replace(&mut tray.batch, Batch { is_last, ..Batch::default() })
    }

    /// These are done: what follows for their machines need not wait any more.
    pub(super) fn done(&self, machines: impl Iterator<Item = MacAddr>) {
        let mut tray = self.0.tray();
        for mac in machines {
            if let Some(open) = tray.open.get_mut(&mac) {
                *open = open.saturating_sub(1);
                if *open == 0 {
                    tray.open.remove(&mac);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(last: u8) -> MacAddr {
        MacAddr([0x52, 0x54, 0, 0, 0, last])
    }

    fn job(last: u8, line: Option<&str>, letter: Option<u8>) -> Job {
        let to = Destination { mac: mac(last), ip: [255; 4].into(), port: 68 };
        let letter = letter.map(|byte| Letter { frame: vec![byte], to });
        Job { mac: mac(last), line: line.map(str::to_owned), letter }
    }

    #[test]
    fn a_machine_waits_until_all_of_its_own_is_done_and_nobody_else_does() {
        let (desk, reader) = desk();
        let jobs = [job(1, Some("a\n"), Some(1)), job(1, None, Some(2)), job(2, Some("b\n"), None)];
        assert!(jobs.iter().all(|job| desk.hand_over(job.clone())));
        assert_eq!([1, 2, 3].map(|last| desk.is_busy_with(mac(last))), [true, true, false]);
        let batch = reader.take(None);
        assert_eq!(batch.jobs, jobs);
        // Handed over while the first are being written.
        assert!(desk.hand_over(job(1, None, Some(3))));
        reader.done(batch.jobs.iter().map(|job| job.mac));
        assert_eq!([1, 2].map(|last| desk.is_busy_with(mac(last))), [true, false]);
        reader.done(reader.take(None).jobs.iter().map(|job| job.mac));
        assert!(!desk.is_busy_with(mac(1)));
    }

    #[test]
    fn it_holds_so_much_and_lines_longer_than_letters() {
        let (desk, reader) = desk();
        for _ in 0..MAX_LETTERS {
            assert!(desk.hand_over(job(1, Some("a\n"), Some(1))));
        }
        assert!(!desk.hand_over(job(1, Some("a\n"), Some(1))), "the answer is dropped");
        for _ in MAX_LETTERS + 1..MAX_LINES {
            assert!(desk.hand_over(job(1, Some("a\n"), None)));
        }
        assert!(!desk.hand_over(job(1, Some("a\n"), None)));
        assert!(!desk.hand_over(job(1, None, Some(1))));
        let jobs = reader.take(None).jobs;
        assert_eq!(jobs.len(), MAX_LINES);
        assert_eq!(jobs.iter().filter(|job| job.letter.is_some()).count(), MAX_LETTERS);
        assert!(desk.hand_over(job(1, Some("a\n"), Some(1))), "there is room again");
    }

    #[test]
    fn the_last_batch_says_so_and_waiting_ends() {
        let (desk, reader) = desk();
        let empty = reader.take(Some(Duration::from_millis(1)));
        assert!(empty.jobs.is_empty() && !empty.is_last);
        desk.keep_shapes("old\n".into());
        desk.keep_shapes("new\n".into());
        assert!(desk.hand_over(job(1, Some("a\n"), None)));
        let reading = std::thread::spawn(move || {
            let first = reader.take(None);
            (first, reader.take(None))
        });
        drop(desk);
        let (first, last) = reading.join().unwrap();
        assert_eq!((first.jobs.len(), first.shapes.as_deref()), (1, Some("new\n")));
        assert!(last.is_last && last.jobs.is_empty() && last.shapes.is_none());
    }
}
