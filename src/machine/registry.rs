//! The machines of this run, by MAC address, by address, and by the secret in their kickstart's URL.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::{Assignment, ImageId};
use crate::wire::MacAddr;

/// Most machines that are remembered. A stranger can make up MAC addresses; past this the one that was silent longest
/// and has no address is forgotten.
const MAX_MACHINES: usize = 4096;

/// What is known of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The address of the port it boots from: its key.
    pub mac: MacAddr,
    /// The address it was given.
    pub ip: Option<Ipv4Addr>,
    /// The secret in its kickstart's URL: 32 hexadecimal digits.
    pub token: String,
    /// The program that asked last, as events name it; tells a new stage from a repeated question.
    pub client: String,
    /// Packages fetched since its installer last started.
    pub packages: u64,
    /// Their bytes.
    pub package_bytes: u64,
    /// What it does at its next start.
    pub assignment: Assignment,
    /// The image whose loader it took last.
    pub loader: Option<ImageId>,
    /// The label that somebody chose from its menu, which waits for another loader.
    pub pick: Option<String>,
    /// When it was last heard of, in milliseconds since 1970.
    pub seen_millis: u64,
}

/// Every machine of this run.
pub struct Registry {
    machines: HashMap<MacAddr, Machine>,
    by_ip: HashMap<Ipv4Addr, MacAddr>,
    random: Box<dyn FnMut() -> u128 + Send>,
}

impl Registry {
    /// An empty registry. `random` gives 128 unguessable bits for each machine's secret.
    pub fn new(random: impl FnMut() -> u128 + Send + 'static) -> Self {
        Self { machines: HashMap::new(), by_ip: HashMap::new(), random: Box::new(random) }
    }

    /// The record of `mac`, made when there is none, marked as heard of now.
    pub fn seen(&mut self, mac: MacAddr, now_millis: u64) -> &mut Machine {
        if !self.machines.contains_key(&mac) {
            self.make_room();
        }
        let random = &mut self.random;
        let machine = self.machines.entry(mac).or_insert_with(|| Machine {
            mac,
            ip: None,
            token: format!("{:032x}", random()),
            client: String::new(),
            packages: 0,
            package_bytes: 0,
            assignment: Assignment::default(),
            loader: None,
            pick: None,
            seen_millis: now_millis,
        });
        machine.seen_millis = now_millis;
        machine
    }

    /// Notes that `mac` has the address `ip`; whoever had it before has none.
    pub fn bind(&mut self, mac: MacAddr, ip: Ipv4Addr, now_millis: u64) {
        let before = self.seen(mac, now_millis).ip.replace(ip);
        if let Some(before) = before.filter(|before| *before != ip) {
            self.by_ip.remove(&before);
        }
        if let Some(other) = self.by_ip.insert(ip, mac).filter(|other| *other != mac)
            && let Some(other) = self.machines.get_mut(&other)
        {
            other.ip = None;
        }
    }

    /// The record of `mac`.
    pub fn by_mac(&self, mac: MacAddr) -> Option<&Machine> {
        self.machines.get(&mac)
    }

    /// The machine that has the address `ip`.
    pub fn by_ip(&self, ip: Ipv4Addr) -> Option<&Machine> {
        self.machines.get(self.by_ip.get(&ip)?)
    }

    /// The machine that has the address `ip`, to be changed.
    pub fn by_ip_mut(&mut self, ip: Ipv4Addr) -> Option<&mut Machine> {
        self.machines.get_mut(self.by_ip.get(&ip)?)
    }

    /// The machine whose kickstart has this secret in its URL.
    pub fn by_token(&self, token: &str) -> Option<&Machine> {
        self.machines.values().find(|machine| machine.token == token)
    }

    /// How many machines are remembered.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether no machine was heard of.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    fn make_room(&mut self) {
        if self.machines.len() < MAX_MACHINES {
            return;
        }
        let oldest = self
            .machines
            .values()
            .min_by_key(|machine| (machine.ip.is_some(), machine.seen_millis))
            .map(|machine| (machine.mac, machine.ip));
        if let Some((mac, ip)) = oldest {
            self.machines.remove(&mac);
            if let Some(ip) = ip {
                self.by_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let mut next = 0;
        Registry::new(move || {
            next += 1;
            next
        })
    }

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    #[test]
    fn each_machine_has_a_secret_that_stays() {
        let mut registry = registry();
        let first = registry.seen(mac(1), 0).token.clone();
        assert_eq!(first, format!("{:032x}", 1));
        assert_ne!(registry.seen(mac(2), 1).token, first);
        assert_eq!(registry.seen(mac(1), 2).token, first);
        assert_eq!(registry.by_token(&first).map(|machine| machine.mac), Some(mac(1)));
    }

    #[test]
    fn an_address_belongs_to_one_machine() {
        let mut registry = registry();
        let ip = Ipv4Addr::new(192, 168, 100, 100);
        registry.bind(mac(1), ip, 0);
        registry.bind(mac(2), ip, 1);
        assert_eq!(registry.by_ip(ip).map(|machine| machine.mac), Some(mac(2)));
        assert_eq!(registry.by_mac(mac(1)).and_then(|machine| machine.ip), None);
        registry.bind(mac(2), Ipv4Addr::new(192, 168, 100, 101), 2);
        assert_eq!(registry.by_ip(ip), None);
    }

    #[test]
    fn made_up_machines_do_not_drive_out_one_with_an_address() {
        let mut registry = registry();
        let ip = Ipv4Addr::new(192, 168, 100, 100);
        registry.bind(mac(0), ip, 0);
        for number in 1..10_000 {
            registry.seen(mac(number), u64::from(number));
        }
        assert_eq!(registry.len(), MAX_MACHINES);
        assert_eq!(registry.by_ip(ip).map(|machine| machine.mac), Some(mac(0)));
    }
}
