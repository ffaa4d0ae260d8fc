//! Stopping: one flag that every loop can see, and the signals that set it.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{clock, sys};

/// How soon after the first signal another is still the same wish to stop: a closing terminal, a service
/// manager and `sudo` may each send one.
const SAME_WISH: Duration = Duration::from_millis(300);

/// "Stop now", seen by every clone. Once set it stays set.
#[derive(Clone, Debug)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    is_set: AtomicBool,
    /// Gets one byte when the flag is set, and nobody ever reads it: so it stays readable.
    reader: PipeReader,
    writer: PipeWriter,
}

impl Stop {
    /// A flag that is not set.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { shared: Arc::new(Shared { is_set: AtomicBool::new(false), reader, writer }) })
    }

    /// Sets the flag and wakes everyone who waits on [`Stop::fd`] or in [`Stop::wait`].
    pub fn set(&self) {
        if !self.shared.is_set.swap(true, Ordering::AcqRel) {
            // One byte into an empty pipe neither blocks nor fails: we hold both ends.
            let _ = (&self.shared.writer).write(&[1]);
        }
    }

    /// Whether it is time to stop.
    pub fn is_set(&self) -> bool {
        self.shared.is_set.load(Ordering::Acquire)
    }

    /// Readable (`POLLIN`) once the flag is set, for ever after. Never read from it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.reader.as_fd()
    }

    /// Waits until the flag is set, at most `timeout`. Returns whether it is set.
    pub fn wait(&self, timeout: Duration) -> bool {
        // poll(2) fails on a bad descriptor or without memory; then the flag alone answers.
        let _ = sys::wait_readable([self.fd()], timeout);
        self.is_set()
    }
}

/// Sets `stop` on SIGINT, SIGTERM and SIGHUP. A second one (not the echo of the first) runs `last_resort`
/// and ends the process with exit code 130: whoever presses Ctrl-C twice does not want to wait.
///
/// `last_resort` runs on the signal thread, not in a signal handler: it may lock and allocate. It is there
/// to give back the address of the interface.
///
/// # Errors
/// When handlers are already installed, or the thread cannot be started.
pub fn stop_on_signals(stop: &Stop, mut last_resort: impl FnMut() + Send + 'static) -> io::Result<()> {
    let stop = stop.clone();
    let mut first = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(clock::now());
            stop.set();
        }
        Some(at) if clock::now().saturating_duration_since(at) < SAME_WISH => {}
        Some(_) => {
            last_resort();
            std::process::exit(130);
        }
    })
    .map_err(io::Error::other)
}

/// SIGUSR1: somebody wants to know how it goes.
#[derive(Debug)]
pub struct ReportSignal(File);

impl ReportSignal {
    /// Takes the signal over. To be called before other threads are started: one of them would end the process with it.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn catch() -> io::Result<Self> {
        sys::watch_signal(libc::SIGUSR1).map(|descriptor| Self(File::from(descriptor)))
    }

    /// Whether it came since the last call.
    pub fn came(&self) -> bool {
        // One `signalfd_siginfo` of 128 bytes.
        (&self.0).read(&mut [0; 128]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn setting_wakes_the_waiter_and_lasts() {
        let stop = Stop::new().unwrap();
        assert!(!stop.is_set());
        assert!(!stop.wait(Duration::from_millis(1)));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait(Duration::from_secs(20)));
        let start = Instant::now();
        stop.set();
        stop.set();
        assert!(waiter.join().unwrap());
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(stop.wait(Duration::ZERO) && stop.is_set());
    }

    #[test]
    fn waiting_in_vain_takes_the_time_it_was_given() {
        let start = Instant::now();
        assert!(!Stop::new().unwrap().wait(Duration::from_millis(30)));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }
}
