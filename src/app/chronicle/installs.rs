//! How far each machine's install is: what it fetches, what its installer reports, and what its firmware is told then.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::PoisonError;

use super::Chronicle;
use crate::boot::client::Client;
use crate::event::What;
use crate::machine::{Boot, Machine, Phase, Record, Report, report};
use crate::net::clock;
use crate::wire::MacAddr;

/// A machine's firmware asks again and again; it is told of once in so many seconds.
const TELL_AGAIN_SECS: u64 = 60;

/// Most machines that are remembered to have been told of. Strangers can make up addresses.
const MAX_TOLD: usize = 4096;

/// What a machine's firmware is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Arrived {
    /// What to boot: the menu says what by itself.
    Expected,
    /// Nothing: it is not one of those that are served.
    Stranger,
}

/// When machines were last told of, in seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Told(HashMap<(MacAddr, &'static str), u64>);

impl Told {
    /// Whether something is to be told of a machine now.
    fn is_due(&mut self, mac: MacAddr, key: &'static str, now: u64) -> bool {
        if self.0.len() >= MAX_TOLD {
            self.0.clear();
        }
        let last = self.0.entry((mac, key)).or_default();
        let is_due = now.saturating_sub(*last) >= TELL_AGAIN_SECS;
        if is_due {
            *last = now;
        }
        is_due
    }
}

impl Chronicle {
    /// A machine's firmware, or its iPXE, asks what to boot.
    pub(in crate::app) fn arrives(&self, client: &Client) -> Arrived {
        let now = clock::unix_millis();
        let (arrival, machine) = {
            let mut machines = self.machines();
            let arrival = machines.arrives(client.mac, client.uuid, now);
            (arrival, machines.by_mac(client.mac).cloned())
        };
        if arrival.is_stranger {
            self.tell_now_and_then(client.mac, None, What::Stranger);
            return Arrived::Stranger;
        }
        let Some(machine) = machine else { return Arrived::Expected };
        if let Some(name) = machine.name.clone().filter(|_| arrival.is_named) {
            self.send(Some(machine.mac), machine.ip, What::Named { name });
        }
        if arrival.is_named || arrival.has_changed {
            self.keep(&machine);
        }
        if arrival.has_changed && machine.progress.phase == Phase::Failed {
            let reason = machine.progress.reason.clone().unwrap_or_default();
            self.send(Some(machine.mac), machine.ip, What::TryFailed { reason });
        }
        match &machine.assignment.boot {
            Boot::Local => {
                let (since, presumed) = (machine.progress.since, machine.progress.reason.clone());
                self.tell_now_and_then(machine.mac, machine.ip, What::Local { since, presumed });
            }
            Boot::Held { reason } => {
                self.tell_now_and_then(machine.mac, machine.ip, What::Held { reason: reason.clone() });
            }
            Boot::Menu | Boot::Install => {}
        }
        Arrived::Expected
    }

    /// What a client's machine is called, in the list or by the order in which machines came.
    pub(in crate::app) fn name_of(&self, client: &Client) -> Option<String> {
        self.machines().name_of(client.mac, client.uuid)
    }

    /// Whether a client is none of those that are served.
    pub(in crate::app) fn is_stranger(&self, client: &Client) -> bool {
        !self.machines().policy().only.contains(client.mac, client.uuid)
    }

    /// A machine fetched its menu.
    pub(super) fn menu_fetched(&self, peer: Ipv4Addr) {
        let held = self.machines().by_ip_mut(peer).and_then(|machine| {
            machine.progress.sees_menu();
            machine.held_because().map(|reason| (machine.mac, reason.to_owned()))
        });
        if let Some((mac, reason)) = held {
            self.tell_now_and_then(mac, Some(peer), What::Held { reason });
        }
    }

    /// Somebody chose something that waits for the machine's next start, as it should over ours.
    pub(super) fn has_picked(&self, peer: Ipv4Addr) {
        let machine = self.machines().by_ip(peer).cloned();
        if let Some(machine) = machine {
            self.keep(&machine);
        }
    }

    /// A machine fetched the installer's ramdisk: the installer starts now.
    pub(super) fn ramdisk_fetched(&self, peer: Ipv4Addr) {
        let now = clock::unix_seconds();
        let machine = self.machines().by_ip_mut(peer).and_then(|machine| {
            let before = machine.progress.tries;
            machine.change(|progress| progress.boots(now));
            (machine.progress.tries != before).then(|| {
                machine.forget_old_key();
                machine.clone()
            })
        });
        if let Some(machine) = machine {
            self.keep(&machine);
        }
    }

    /// A machine's installer fetches packages.
    pub(super) fn packages_flow(&self, peer: Ipv4Addr) {
        let now = clock::unix_seconds();
        let machine = self.machines().by_ip_mut(peer).and_then(|machine| {
            machine.change(|progress| progress.takes_packages(now)).then(|| machine.clone())
        });
        if let Some(machine) = machine {
            self.keep(&machine);
        }
    }

    /// An installer reports to `hook/<token>/<word>`. Its address may be another than it was given: the kickstart may have
    /// set it. Whether that was expected.
    pub(super) fn take_report(&self, name: &[u8], body: &[u8]) -> bool {
        let mut parts = std::str::from_utf8(name).unwrap_or_default().split('/').skip(1);
        let (Some(token), Some(word), None) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let Some(what) = Report::from_key(word) else { return false };
        let now = clock::unix_seconds();
        let mut machines = self.machines();
        let Some(mac) = machines.by_token(token).map(|machine| machine.mac) else { return false };
        let Some(machine) = machines.by_mac_mut(mac) else { return false };
        let lines = report::lines(body, &[token, &machine.token]);
        let reason = (what == Report::Failed).then(|| report::reason(&lines)).flatten();
        // The same report, sent again because our answer was lost, is not told twice.
        let is_news = machine.change(|progress| progress.reports(what, reason.clone(), now));
        let machine = machine.clone();
        drop(machines);
        let is_end = matches!(what, Report::Finished | Report::Failed);
        if is_news || !is_end {
            self.tell_report(&machine, what, reason, lines);
        }
        if is_news {
            self.keep(&machine);
        }
        true
    }

    fn tell_report(&self, machine: &Machine, report: Report, reason: Option<String>, lines: Vec<String>) {
        let (text, log) = match report {
            Report::Failed => (reason.unwrap_or_default(), lines),
            _ => (lines.join("; "), Vec::new()),
        };
        self.send(Some(machine.mac), machine.ip, What::Reported { report, text, log });
        if let Some(reason) = machine.held_because().filter(|_| report == Report::Failed) {
            self.tell_now_and_then(machine.mac, machine.ip, What::Held { reason: reason.to_owned() });
        }
    }

    /// A kickstart that was asked for by its secret was not given out: it is somebody else's, or cannot be made.
    pub(super) fn kickstart_refused(&self, name: &[u8], peer: Ipv4Addr) {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let token = name.strip_prefix("ks/").and_then(|rest| rest.strip_suffix("/ks.cfg"));
        let machine = token.and_then(|token| {
            let machines = self.machines();
            let machine = machines.by_token(token)?.clone();
            let is_its_own = machines.by_ip(peer).is_some_and(|asking| asking.mac == machine.mac);
            Some((machine, is_its_own))
        });
        let Some((machine, is_its_own)) = machine else { return };
        if !is_its_own {
            self.send(Some(machine.mac), machine.ip, What::Intruder { peer });
        } else if let Some(reason) = machine.held_because() {
            self.send(Some(machine.mac), machine.ip, What::Held { reason: reason.to_owned() });
        }
    }

    fn tell_now_and_then(&self, mac: MacAddr, ip: Option<Ipv4Addr>, what: What) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_due(mac, what.key(), clock::unix_seconds()) {
            self.send(Some(mac), ip, what);
        }
    }

    /// Has it written down how far a machine is.
    pub(in crate::app) fn keep(&self, machine: &Machine) {
        self.keep_record(machine.record());
    }

    fn keep_record(&self, record: Record) {
        if let Some(records) = &self.records
            && records.try_send(record).is_err()
        {
            log::warn!("the disk is too slow: how far a machine is was not written down");
        }
    }
}

#[cfg(test)]
#[path = "installs_tests.rs"]
mod tests;
