//! Which machines are told that there is no IPv6 router: those whose iPXE waits for one (see `wire::ndp`).

use std::collections::HashMap;
use std::time::Duration;

use crate::wire::MacAddr;

/// Most machines that are remembered.
const MAX_MACHINES: usize = 4096;

/// iPXE asks for a router while it asks for its address, and for 15 s after; then the installer runs, which may want a real
/// answer.
const WHILE: Duration = Duration::from_secs(30);

/// When each machine's iPXE was last answered by DHCP.
#[derive(Debug, Default)]
pub(super) struct Solicited {
    answered: HashMap<MacAddr, Duration>,
}

impl Solicited {
    /// The iPXE of this machine got an answer from us.
    pub(super) fn ipxe_answered(&mut self, mac: MacAddr, now: Duration) {
        if self.answered.len() >= MAX_MACHINES {
            self.answered.retain(|_, at| now.saturating_sub(*at) < WHILE);
        }
        if self.answered.len() < MAX_MACHINES || self.answered.contains_key(&mac) {
            self.answered.insert(mac, now);
        }
    }

    /// Whether this machine's iPXE is the one that asks for a router now.
    pub(super) fn is_waiting(&self, mac: MacAddr, now: Duration) -> bool {
        self.answered.get(&mac).is_some_and(|at| now.saturating_sub(*at) < WHILE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ipxe_that_we_answered_is_told_and_only_for_a_while() {
        let mac = |last| MacAddr([0x52, 0x54, 0, 0, 0, last]);
        let secs = Duration::from_secs;
        let mut solicited = Solicited::default();
        assert!(!solicited.is_waiting(mac(1), secs(0)));
        solicited.ipxe_answered(mac(1), secs(5));
        assert!(solicited.is_waiting(mac(1), secs(34)));
        assert!(!solicited.is_waiting(mac(1), secs(35)) && !solicited.is_waiting(mac(2), secs(5)));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let mut solicited = Solicited::default();
        for number in 0..2 * MAX_MACHINES as u32 {
            let [_, _, high, low] = number.to_be_bytes();
            solicited.ipxe_answered(MacAddr([0x52, 0x54, 0, 0, high, low]), Duration::ZERO);
        }
        assert_eq!(solicited.answered.len(), MAX_MACHINES);
    }
}
