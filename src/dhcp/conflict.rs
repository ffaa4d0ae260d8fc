//! Is somebody using this address? Asked by ARP before it is offered (RFC 2131 §2.2, RFC 5227 §2.1.1).
//!
//! The seconds that RFC 5227 takes are too long: firmware asks again after one, and a room full of machines waits. So
//! free addresses are asked about ahead of demand, and on demand two probes within 160 ms have to do. Many
//! addresses are asked about at once.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How many probes are sent for an address.
const PROBES: u8 = 2;

/// How long an answer to each is waited for: a host on the same wire takes a few milliseconds.
const PATIENCE: Duration = Duration::from_millis(80);

/// How long silence is believed.
pub const BELIEVED: Duration = Duration::from_secs(120);

/// The most addresses that are asked about at once.
const MAX_PENDING: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Pending {
    sent: u8,
    /// When the next probe leaves, or after the last one, when silence means that nobody uses the address.
    next: Duration,
}

/// The addresses that are being asked about.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    pending: HashMap<Ipv4Addr, Pending>,
}

/// What is to be done now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Ask who has these.
    pub probe: Vec<Ipv4Addr>,
    /// Nobody answered for these.
    pub clear: Vec<Ipv4Addr>,
}

impl Checks {
    /// Begins to ask about an address, unless that is going on.
    pub fn ask(&mut self, address: Ipv4Addr, now: Duration) {
        if self.pending.len() < MAX_PENDING {
            self.pending.entry(address).or_insert(Pending { sent: 0, next: now });
        }
    }

    /// Somebody answered for an address: no more to ask. Whether it was asked about.
    pub fn answered(&mut self, address: Ipv4Addr) -> bool {
        self.pending.remove(&address).is_some()
    }

    /// What is to be done by now.
    pub fn due(&mut self, now: Duration) -> Due {
        let mut due = Due::default();
        for (&address, pending) in &mut self.pending {
            if now < pending.next {
                continue;
            }
            if pending.sent < PROBES {
                pending.sent = pending.sent.saturating_add(1);
                pending.next = now.saturating_add(PATIENCE);
                due.probe.push(address);
            } else {
                due.clear.push(address);
            }
        }
        for address in &due.clear {
            self.pending.remove(address);
        }
        due
    }

    /// When [`Checks::due`] has something to do again.
    pub fn deadline(&self) -> Option<Duration> {
        self.pending.values().map(|pending| pending.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn d53_two_probes_and_a_decision_within_300_ms() {
        let mut checks = Checks::default();
        checks.ask(ADDRESS, at(1000));
        checks.ask(ADDRESS, at(1010));
        assert_eq!(checks.due(at(1000)), Due { probe: vec![ADDRESS], clear: vec![] });
        assert_eq!(checks.due(at(1079)), Due::default());
        assert_eq!(checks.deadline(), Some(at(1080)));
        assert_eq!(checks.due(at(1080)).probe, [ADDRESS]);
        assert_eq!(checks.due(at(1159)), Due::default());
        assert_eq!(checks.due(at(1160)), Due { probe: vec![], clear: vec![ADDRESS] });
        assert_eq!(checks.deadline(), None);
    }

    #[test]
    fn an_answer_ends_the_asking() {
        let mut checks = Checks::default();
        checks.ask(ADDRESS, at(0));
        checks.due(at(0));
        assert!(checks.answered(ADDRESS));
        assert!(!checks.answered(ADDRESS));
        assert_eq!(checks.due(at(10_000)), Due::default());
    }

    #[test]
    fn a_late_look_still_gives_the_answer_its_time() {
        let mut checks = Checks::default();
        checks.ask(ADDRESS, at(0));
        assert_eq!(checks.due(at(5000)).probe, [ADDRESS]);
        assert_eq!(checks.due(at(5001)), Due::default());
        assert_eq!(checks.deadline(), Some(at(5080)));
    }
}
