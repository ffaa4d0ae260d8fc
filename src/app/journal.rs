//! What must be on the disk before an answer leaves: leases, and what was learnt about choosy firmware.
//!
//! Used by the disk thread alone.

use std::io;
use std::time::Duration;

use crate::dhcp::lease::{self, LeaseRecord};
use crate::net::state::{LeaseFile, StateDir};

/// Name of the file of what was learnt.
const SHAPES: &str = "shapes";

/// The file is made short again when so many lines were added; most of them are outdated then.
const LINES_BEFORE_COMPACTING: usize = 50_000;

/// How often a disk that does not take lines is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Most lines that wait for a disk that is full.
const MAX_UNWRITTEN: usize = 100_000;

/// The lease file and its lines that are not on the disk yet.
pub(super) struct Journal {
    state: StateDir,
    leases: LeaseFile,
    unwritten: Vec<String>,
    written: usize,
    /// When a disk that failed is tried again.
    paused_until: Option<Duration>,
}

impl Journal {
    /// The journal in `state`.
    pub(super) fn new(state: StateDir, leases: LeaseFile) -> Self {
        Self { state, leases, unwritten: Vec::new(), written: 0, paused_until: None }
    }

    /// Takes a line to be written down ([`LeaseRecord::to_line`]).
    pub(super) fn add(&mut self, line: String) {
        if self.unwritten.len() < MAX_UNWRITTEN {
            self.unwritten.push(line);
        }
    }

    /// How long it is until a disk that failed is tried again.
    pub(super) fn try_again_in(&self, now: Duration) -> Option<Duration> {
        let until = self.paused_until.filter(|_| !self.unwritten.is_empty());
        until.map(|until| until.saturating_sub(now))
    }

    /// Writes what was added, once for all of it: how many lines. Does nothing when there is nothing, or when the disk failed
    /// a moment ago.
    ///
    /// # Errors
    /// What the disk says; the lines are kept.
    pub(super) fn write(&mut self, now: Duration) -> io::Result<usize> {
        if self.unwritten.is_empty() || self.paused_until.is_some_and(|until| now < until) {
            return Ok(0);
        }
        match self.leases.append_all(self.unwritten.iter().map(|line| line.trim_end())) {
            Ok(()) => {
                let count = self.unwritten.len();
                self.written = self.written.saturating_add(count);
                self.unwritten.clear();
                self.paused_until = None;
                if self.written >= LINES_BEFORE_COMPACTING {
                    self.compact()?;
                }
                Ok(count)
            }
            Err(error) => {
                self.paused_until = Some(now.saturating_add(TRY_AGAIN));
                Err(error)
            }
        }
    }

    /// The same at the end: a disk that failed a moment ago gets its last chance.
    ///
    /// # Errors
    /// As [`Journal::write`]; the lines are lost.
    pub(super) fn write_at_last(&mut self) -> io::Result<usize> {
        self.paused_until = None;
        self.write(Duration::ZERO)
    }

    /// Keeps what was learnt about choosy firmware.
    ///
    /// # Errors
    /// What the disk says; what was kept before stays.
    pub(super) fn keep_shapes(&self, lines: &str) -> io::Result<()> {
        self.state.keep(SHAPES, lines)
    }

    fn compact(&mut self) -> io::Result<()> {
        self.written = 0;
        let (records, _) = lease::parse_lines(&self.leases.read_all()?);
        let lines: Vec<String> = lease::latest(&records).iter().map(LeaseRecord::to_line).collect();
        self.leases.compact(lines.iter().map(|line| line.trim_end()))
    }
}

/// What an earlier run learnt about choosy firmware.
pub(super) fn shapes(state: &StateDir) -> String {
    state.read(SHAPES)
}
