//! Which of the programs on this computer has a core first.
//!
//! A machine that boots block by block waits for an answer each time. On a laptop that is busy with something else, or on a
//! host whose own virtual machines are installed, each answer would wait for its turn.
#![allow(unsafe_code)]

use std::io;

/// The nice value of who serves (sched(7)): ahead of programs, behind what keeps the computer itself going.
const AHEAD: libc::c_int = -10;

/// `getpriority` of the kernel gives 20 less the nice value, so that it is never negative (getpriority(2)).
const USUAL: libc::c_long = 20;

/// The place of the thread that makes it.
#[derive(Debug)]
pub(super) struct Precedence {
    /// Whoever started us with a nice value of their own, or without the right, has decided.
    is_ours: bool,
    is_ahead: bool,
}

impl Precedence {
    /// Where the thread is now.
    pub(super) fn here() -> Self {
        // SAFETY: the call takes nothing but numbers.
        let place = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
        Self { is_ours: place == USUAL, is_ahead: false }
    }

    /// Goes ahead of other programs, or back to its place among them.
    pub(super) fn set(&mut self, is_ahead: bool) {
        if !self.is_ours || self.is_ahead == is_ahead {
            return;
        }
        // SAFETY: as above. To Linux a process of that number is this thread alone (setpriority(2)).
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, if is_ahead { AHEAD } else { 0 }) };
        if result == 0 {
            self.is_ahead = is_ahead;
        } else {
            log::debug!("no precedence over other programs: {}", io::Error::last_os_error());
            self.is_ours = false;
        }
    }

    #[cfg(test)]
    pub(super) fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    /// Without root nobody is.
    #[cfg(test)]
    pub(super) fn is_ahead_where_allowed(&self) -> bool {
        self.is_ahead || !self.is_ours
    }
}

/// Lets this thread go ahead of other programs from now on, where that is allowed.
pub fn go_ahead() {
    Precedence::here().set(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> libc::c_long {
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) }
    }

    fn be_nice(value: libc::c_int) {
        // SAFETY: as above.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) };
    }

    /// Places are a thread's own.
    #[test]
    fn a_thread_goes_ahead_and_back() {
        let before = place();
        let mut precedence = Precedence::here();
        precedence.set(true);
        // Without root, or where the tests were given a place, it stays.
        assert_eq!(place(), if precedence.is_ours { 30 } else { before });
        precedence.set(false);
        assert_eq!(place(), before);
    }

    #[test]
    fn who_was_given_a_place_stays_there() {
        be_nice(19);
        go_ahead();
        assert_eq!(place(), 1);
    }
}
