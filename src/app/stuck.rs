//! Machines whose first program leads nowhere: they fetch it, ask for no menu, and start again. Such a machine is offered
//! another program: what starts on one card hangs on the next, and both look the same in a request (field guide §7.1).

use std::collections::HashMap;
use std::time::Duration;

use crate::wire::MacAddr;

/// So many fetches that led to no menu are no accident.
const FETCHES: u32 = 2;

/// What lies further apart is another day's work.
const WITHIN: Duration = Duration::from_secs(1800);

/// Most machines that are remembered.
const MAX_MACHINES: usize = 4096;

/// What a machine is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// What all of its kind are.
    Usual,
    /// Another program, since a moment ago or for longer.
    Other {
        /// Whether this is the first time.
        is_news: bool,
    },
}

#[derive(Debug, Default)]
struct Attempts {
    /// Whether the other program is offered.
    is_other: bool,
    /// What was offered last: a name on our server, or a URL that ends with it.
    program: String,
    /// How often that was fetched and led nowhere, and when last.
    fetches: u32,
    last: Duration,
}

/// Who is stuck. Time is counted from any moment, the same for all calls.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    machines: HashMap<MacAddr, Attempts>,
}

impl Stuck {
    /// What to offer a machine that starts. When the other program leads nowhere either, it is the usual one's turn again.
    pub(super) fn choose(&mut self, mac: MacAddr) -> Choice {
        let Some(attempts) = self.machines.get_mut(&mac) else { return Choice::Usual };
        let is_news = attempts.fetches >= FETCHES;
        if is_news {
            (attempts.is_other, attempts.fetches) = (!attempts.is_other, 0);
        }
        if attempts.is_other { Choice::Other { is_news } } else { Choice::Usual }
    }

    /// A machine is offered this.
    pub(super) fn offered(&mut self, mac: MacAddr, program: &str) {
        if self.machines.len() >= MAX_MACHINES {
            self.machines.retain(|_, attempts| attempts.is_other || attempts.fetches > 0);
        }
        if self.machines.len() >= MAX_MACHINES && !self.machines.contains_key(&mac) {
            return;
        }
        let attempts = self.machines.entry(mac).or_default();
        if attempts.program != program {
            (attempts.program, attempts.fetches) = (program.to_owned(), 0);
        }
    }

    /// A machine fetched a program: the first one, or what that one loads.
    pub(super) fn fetched(&mut self, mac: MacAddr, name: &str, now: Duration) {
        let is_first = |attempts: &&mut Attempts| attempts.program.ends_with(name);
        let Some(attempts) = self.machines.get_mut(&mac).filter(is_first) else { return };
        if now.saturating_sub(attempts.last) >= WITHIN {
            attempts.fetches = 0;
        }
        (attempts.fetches, attempts.last) = (attempts.fetches.saturating_add(1), now);
    }

    /// It got on: what it was offered works.
    pub(super) fn moved_on(&mut self, mac: MacAddr) {
        if let Some(attempts) = self.machines.get_mut(&mac) {
            attempts.fetches = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const SHIM: &str = "EFI/BOOT/BOOTX64.EFI";
    const IPXE: &str = "http://192.0.2.1/snponly.efi";

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A start of the machine that ends without a menu: what it was offered.
    fn fails(stuck: &mut Stuck, at: u64) -> Choice {
        let choice = stuck.choose(MAC);
        let program = if choice == Choice::Usual { SHIM } else { IPXE };
        stuck.offered(MAC, program);
        // The acknowledgement says the same as the offer.
        assert_ne!(stuck.choose(MAC), Choice::Other { is_news: true });
        stuck.offered(MAC, program);
        stuck.fetched(MAC, program.trim_start_matches("http://192.0.2.1/"), secs(at));
        stuck.fetched(MAC, "EFI/BOOT/grubx64.efi", secs(at));
        choice
    }

    #[test]
    fn c15_after_two_starts_that_failed_it_is_the_others_turn() {
        let mut stuck = Stuck::default();
        let choices = [0, 60, 120, 180, 240].map(|at| fails(&mut stuck, at));
        let (news, known) = (Choice::Other { is_news: true }, Choice::Other { is_news: false });
        assert_eq!(choices, [Choice::Usual, Choice::Usual, news, known, Choice::Usual]);
    }

    #[test]
    fn what_works_is_kept() {
        let mut stuck = Stuck::default();
        for at in [0, 60, 120] {
            fails(&mut stuck, at);
        }
        for _ in 0..5 {
            stuck.fetched(MAC, "snponly.efi", secs(130));
            stuck.moved_on(MAC);
            assert_eq!(stuck.choose(MAC), Choice::Other { is_news: false });
        }
    }

    #[test]
    fn starts_that_get_on_or_lie_far_apart_are_none() {
        let mut stuck = Stuck::default();
        for at in [0, 2000, 4000, 6000] {
            assert_eq!(fails(&mut stuck, at), Choice::Usual, "one a shift");
        }
        stuck.moved_on(MAC);
        assert_eq!(fails(&mut stuck, 6100), Choice::Usual);
        stuck.moved_on(MAC);
        assert_eq!(fails(&mut stuck, 6200), Choice::Usual);
        assert_eq!(stuck.choose(MacAddr([2; 6])), Choice::Usual, "somebody else");
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut stuck = Stuck::default();
        fails(&mut stuck, 0);
        for number in 0..2 * MAX_MACHINES as u32 {
            let [_, high, middle, low] = number.to_be_bytes();
            stuck.offered(MacAddr([2, 0, 0, high, middle, low]), SHIM);
        }
        assert!(stuck.machines.len() <= MAX_MACHINES && stuck.machines.contains_key(&MAC));
    }
}
