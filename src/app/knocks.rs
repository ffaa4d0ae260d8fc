//! Is a firewall of this computer in the way? The raw socket sees what it drops: a client that begins the same connection
//! again and again gets no answer.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use crate::content::Protocol;

/// So many times the same: TCP begins anew after 1 and 3 seconds, boot ROMs ask every few.
const PATIENCE: u32 = 3;

/// Later it is another attempt.
const WINDOW: Duration = Duration::from_secs(30);

/// Most clients that are watched at once.
const MAX_WATCHED: usize = 1024;

/// One attempt: whose, from which port, for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Knock {
    /// Whose.
    pub(super) peer: Ipv4Addr,
    /// Its port. A Raspberry Pi asks for all of its files from the same.
    pub(super) port: u16,
    /// What it asks for, as a number.
    pub(super) what: u64,
}

/// Who knocks where, and how often.
#[derive(Debug, Default)]
pub(super) struct Knocks {
    seen: HashMap<(Knock, Protocol), (u32, Duration)>,
    told: HashSet<Protocol>,
}

impl Knocks {
    /// A client begins. Whether that is one too many, for the first time with this protocol.
    pub(super) fn knock(&mut self, knock: Knock, protocol: Protocol, now: Duration) -> bool {
        if self.told.contains(&protocol) {
            return false;
        }
        if self.seen.len() >= MAX_WATCHED {
            self.seen.retain(|_, (_, since)| now.saturating_sub(*since) < WINDOW);
            if self.seen.len() >= MAX_WATCHED {
                return false;
            }
        }
        let (count, since) = self.seen.entry((knock, protocol)).or_insert((0, now));
        if now.saturating_sub(*since) >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count += 1;
        *count >= PATIENCE && self.told.insert(protocol)
    }
}

/// What to tell of it.
pub(super) fn advice(peer: Ipv4Addr, protocol: Protocol, http_port: u16, interface: &str) -> String {
    let (what, rule) = match protocol {
        Protocol::Http => (format!("TCP port {http_port}"), format!("-p tcp --dport {http_port}")),
        // The transfers themselves come from other ports.
        Protocol::Tftp => ("UDP port 69".to_owned(), "-p udp".to_owned()),
    };
    let remedy = if Path::new("/run/firewalld").exists() {
        format!("sudo firewall-cmd --zone=trusted --change-interface={interface}")
    } else if Path::new("/run/ufw.lock").exists() || Path::new("/etc/ufw/ufw.conf").exists() {
        format!("sudo ufw allow in on {interface}")
    } else {
        format!("sudo iptables -I INPUT -i {interface} {rule} -j ACCEPT")
    };
    format!(
        "{peer} tries {what} again and again and gets no answer: a firewall on this computer is in the way. Open it with \
         \"{remedy}\" (\"sudo nft list ruleset\" shows its rules)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

    #[test]
    fn the_third_time_in_vain_is_told_once() {
        let mut knocks = Knocks::default();
        let mut knock = |port, secs| {
            knocks.knock(Knock { peer: PEER, port, what: 0 }, Protocol::Http, Duration::from_secs(secs))
        };
        assert_eq!([knock(1, 0), knock(1, 1), knock(1, 3), knock(1, 7)], [false, false, true, false]);
        assert!(!knock(2, 8) && !knock(2, 8) && !knock(2, 8), "told once");
    }

    #[test]
    fn l21_whoever_begins_a_connection_in_vain_is_told_of_within_ten_seconds() {
        for (stack, seconds) in
            [("Linux, iPXE: RFC 6298", [0, 1, 3, 7]), ("RFC 1122 §4.2.3.1, as older ROMs", [0, 3, 9, 21])]
        {
            let mut knocks = Knocks::default();
            let told = seconds.into_iter().find(|secs| {
                let knock = Knock { peer: PEER, port: 1, what: 0 };
                knocks.knock(knock, Protocol::Http, Duration::from_secs(*secs))
            });
            assert!(told.is_some_and(|secs| secs <= 10), "{stack}: {told:?}");
        }
    }

    #[test]
    fn connections_one_after_the_other_are_none() {
        let mut knocks = Knocks::default();
        for port in 0..5000 {
            let knock = Knock { peer: PEER, port, what: 0 };
            assert!(!knocks.knock(knock, Protocol::Http, Duration::from_millis(u64::from(port))));
        }
        for what in 0..20 {
            let knock = Knock { peer: PEER, port: 9000, what };
            assert!(!knocks.knock(knock, Protocol::Tftp, Duration::from_secs(1)), "one file after the other");
        }
        for secs in [0, 20, 40, 60] {
            let knock = Knock { peer: PEER, port: 9000, what: 0 };
            assert!(!knocks.knock(knock, Protocol::Tftp, Duration::from_secs(secs)));
        }
    }

    #[test]
    fn the_advice_names_what_to_type() {
        for protocol in [Protocol::Http, Protocol::Tftp] {
            let text = advice(PEER, protocol, 8080, "eth0");
            assert!(text.contains("192.0.2.9") && text.contains("sudo ") && text.contains("eth0"), "{text}");
        }
    }
}
