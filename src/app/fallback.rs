//! Which program a machine is given whose firmware fetched one twice and came back without ever having asked for a menu: the
//! other one, where there are two.
//!
//! Some firmware hangs in the PXELINUX of its image, some in iPXE; which does is told by no list, and by trying alone.

use std::collections::HashMap;

use super::chronicle::Chronicle;
use crate::boot::client::{Client, Firmware, Stage};
use crate::event::What;
use crate::wire::MacAddr;

/// Starts that come to nothing before another program is tried: one may have been cut short by hand.
const TRIES: u32 = 2;

/// Most machines that are remembered.
const MAX_MACHINES: usize = 1024;

/// How a machine's starts went.
#[derive(Clone, Copy, Debug, Default)]
struct Starts {
    /// Whether it fetched a program since its firmware asked.
    has_loaded: bool,
    /// Starts with the same program that led to no menu.
    failed: u32,
    takes_other: bool,
}

/// Whose starts lead nowhere.
#[derive(Debug, Default)]
pub(super) struct Fallbacks {
    machines: HashMap<MacAddr, Starts>,
}

impl Fallbacks {
    /// A machine fetched a program.
    pub(super) fn loaded(&mut self, mac: MacAddr) {
        if self.machines.len() < MAX_MACHINES || self.machines.contains_key(&mac) {
            self.machines.entry(mac).or_default().has_loaded = true;
        }
    }

    /// It got as far as a menu: the program does, and stays.
    pub(super) fn moved_on(&mut self, mac: MacAddr) {
        let Some(starts) = self.machines.get_mut(&mac) else { return };
        (starts.has_loaded, starts.failed) = (false, 0);
        if !starts.takes_other {
            self.machines.remove(&mac);
        }
    }

    /// Its firmware asks. Whether it is to take the other program, and whether that is so from now on.
    fn asks(&mut self, mac: MacAddr) -> (bool, bool) {
        let Some(starts) = self.machines.get_mut(&mac) else { return (false, false) };
        starts.failed = starts.failed.saturating_add(u32::from(std::mem::take(&mut starts.has_loaded)));
        let changes = starts.failed >= TRIES;
        if changes {
            (starts.failed, starts.takes_other) = (0, !starts.takes_other);
        }
        (starts.takes_other, changes)
    }
}

impl Chronicle {
    /// Whether a machine's firmware, which asks, is to be given another program than the first there is. `has_other` tells
    /// whether there is one.
    pub(super) fn takes_other(&self, client: &Client, has_other: bool) -> bool {
        let is_rom =
            client.stage == Stage::Rom && matches!(client.firmware, Firmware::Pxe | Firmware::HttpBoot);
        if !is_rom || !has_other {
            return false;
        }
        let (takes_other, changes) = self.fallbacks().asks(client.mac);
        if changes {
            let text = "it fetched its first program twice and asked for no menu: it gets the other one from now on, of \
                        that of the image and the built-in one. A machine with Secure Boot on starts the image's only"
                .to_owned();
            self.tell_of(client.mac, None, What::Warning { text });
        }
        takes_other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

    /// Loads a program and comes back.
    fn fails(fallbacks: &mut Fallbacks) -> (bool, bool) {
        fallbacks.loaded(MAC);
        fallbacks.loaded(MAC);
        let answer = fallbacks.asks(MAC);
        assert_eq!(fallbacks.asks(MAC), (answer.0, false), "firmware asks again and again");
        answer
    }

    #[test]
    fn c15_the_second_failed_boot_of_a_machine_gets_another_program() {
        let mut fallbacks = Fallbacks::default();
        assert_eq!(fallbacks.asks(MAC), (false, false));
        assert_eq!(fails(&mut fallbacks), (false, false));
        assert_eq!(fails(&mut fallbacks), (true, true));
        assert_eq!(fallbacks.asks(MacAddr([0x52, 0x54, 0, 0, 0, 2])), (false, false));
        // That one does: it stays.
        fallbacks.loaded(MAC);
        fallbacks.moved_on(MAC);
        assert_eq!(fallbacks.asks(MAC), (true, false));
        assert_eq!(fails(&mut fallbacks), (true, false));
        // Neither does: back to the first.
        assert_eq!(fails(&mut fallbacks), (false, true));
    }

    #[test]
    fn a_menu_between_them_makes_failures_none() {
        let mut fallbacks = Fallbacks::default();
        for _ in 0..5 {
            assert_eq!(fails(&mut fallbacks), (false, false));
            fallbacks.loaded(MAC);
            fallbacks.moved_on(MAC);
        }
        assert!(fallbacks.machines.is_empty());
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut fallbacks = Fallbacks::default();
        for number in 0..2 * MAX_MACHINES as u32 {
            let [_, _, high, low] = number.to_be_bytes();
            fallbacks.loaded(MacAddr([0x52, 0x54, 0, 0, high, low]));
        }
        assert_eq!(fallbacks.machines.len(), MAX_MACHINES);
    }
}
