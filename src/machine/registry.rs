//! The machines of this run, by MAC address, by address, and by the secret in their kickstart's URL.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Assignment, Boot, ImageId, Key, Listed, NamePattern, Phase, Policy, Progress, Record};
use crate::wire::MacAddr;
use crate::wire::pxe::Uuid;

/// Most machines that are remembered. A stranger can make up MAC addresses; past this the one that was silent longest
/// and has no address is forgotten.
const MAX_MACHINES: usize = 4096;

/// Most cards of others whose address is remembered. A stranger can make up those too: past this all are forgotten.
const MAX_NEIGHBOURS: usize = 4096;

/// What is known of one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The address of the port it boots from: its key.
    pub mac: MacAddr,
    /// What its firmware calls the machine.
    pub uuid: Option<Uuid>,
    /// The address it was given.
    pub ip: Option<Ipv4Addr>,
    /// The secret in its kickstart's URL: 32 hexadecimal digits.
    pub token: String,
    /// By what an earlier run's secret is recognised.
    old_key: Option<Key>,
    /// The program that asked last, as events name it; tells a new stage from a repeated question.
    pub client: String,
    /// Packages fetched since its installer last started.
    pub packages: u64,
    /// Their bytes.
    pub package_bytes: u64,
    /// What it is called.
    pub name: Option<String>,
    /// Its row in the user's list.
    pub listed: Option<Arc<Listed>>,
    /// How far its install is.
    pub progress: Progress,
    /// Why no kickstart can be made for it.
    trouble: Option<String>,
    /// What it does at its next start.
    pub assignment: Assignment,
    /// The image whose loader it took last.
    pub loader: Option<ImageId>,
    /// The label that somebody chose from its menu, which waits for another loader.
    pub pick: Option<String>,
    /// When it was last heard of, in milliseconds since 1970.
    pub seen_millis: u64,
}

impl Machine {
    fn new(mac: MacAddr, token: String, now_millis: u64) -> Self {
        Self {
            mac,
            uuid: None,
            ip: None,
            token,
            old_key: None,
            client: String::new(),
            packages: 0,
            package_bytes: 0,
            name: None,
            listed: None,
            progress: Progress::default(),
            trouble: None,
            assignment: Assignment::default(),
            loader: None,
            pick: None,
            seen_millis: now_millis,
        }
    }

    /// A machine of a list that was not seen yet, to try its kickstart on. What is not known is made up: its address is one
    /// that nobody has (RFC 5737).
    pub fn example(row: Arc<Listed>, names: Option<&NamePattern>) -> Self {
        let mac = row.mac.unwrap_or(MacAddr([2, 0, 0, 0, 0, 1]));
        let mut machine = Self::new(mac, "0".repeat(32), 0);
        machine.ip = Some(row.ip.unwrap_or(Ipv4Addr::new(192, 0, 2, 1)));
        machine.name = row.name.clone().or_else(|| names.map(|pattern| pattern.name(1)));
        machine.listed = Some(row);
        machine
    }

    /// A machine that is not in the user's list, to fill in templates for before there is one.
    pub fn unlisted(mac: MacAddr, names: Option<&NamePattern>) -> Self {
        let mut machine = Self::new(mac, "0".repeat(32), 0);
        machine.ip = Some(Ipv4Addr::new(192, 0, 2, 1));
        machine.name = names.map(|pattern| pattern.name(1));
        machine
    }

    /// Notes how far it is, and what follows from that.
    pub fn change(&mut self, change: impl FnOnce(&mut Progress) -> bool) -> bool {
        let is_news = change(&mut self.progress);
        self.settle();
        is_news
    }

    /// Why no kickstart can be made for it; nothing when one can. Until then it waits.
    pub fn set_trouble(&mut self, trouble: Option<String>) {
        self.trouble = trouble;
        self.settle();
    }

    /// Why it waits.
    pub fn held_because(&self) -> Option<&str> {
        match &self.assignment.boot {
            Boot::Held { reason } => Some(reason),
            _ => None,
        }
    }

    /// What is kept of it.
    pub fn record(&self) -> Record {
        // A kickstart of an earlier run is known until it gets one of this run.
        let key = self.old_key.unwrap_or_else(|| Key::of(&self.token));
        Record {
            mac: self.mac,
            progress: self.progress.clone(),
            name: self.name.clone(),
            key: Some(key),
            pick: self.pick.clone(),
        }
    }

    /// Its installer was started by us: it has a kickstart of this run.
    pub fn forget_old_key(&mut self) {
        self.old_key = None;
    }

    fn settle(&mut self) {
        let image = self.listed.as_ref().and_then(|row| row.image.as_deref()).map(ImageId::new);
        let boot = match (&self.trouble, self.progress.boot()) {
            (Some(reason), Boot::Menu | Boot::Install) => Boot::Held { reason: reason.clone() },
            (_, boot) => boot,
        };
        self.assignment = Assignment { image, boot };
    }
}

/// What is learnt when a machine's firmware asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// It is none of those that are served.
    pub is_stranger: bool,
    /// It was given a name just now.
    pub is_named: bool,
    /// It is at another point of its install than it was thought to be.
    pub has_changed: bool,
}

/// Every machine of this run.
pub struct Registry {
    machines: HashMap<MacAddr, Machine>,
    by_ip: HashMap<Ipv4Addr, MacAddr>,
    /// Cards that are none that a machine boots from, at the addresses that another server gave them.
    neighbours: HashMap<Ipv4Addr, MacAddr>,
    policy: Policy,
    random: Box<dyn FnMut() -> u128 + Send>,
}

impl Registry {
    /// An empty registry. `random` gives 128 unguessable bits for each machine's secret.
    pub fn new(random: impl FnMut() -> u128 + Send + 'static) -> Self {
        Self {
            machines: HashMap::new(),
            by_ip: HashMap::new(),
            neighbours: HashMap::new(),
            policy: Policy::default(),
            random: Box::new(random),
        }
    }

    /// The same, with what the user says about machines and what earlier runs wrote down of them.
    pub fn with(mut self, policy: Policy, records: Vec<Record>) -> Self {
        self.policy = policy;
        for record in records {
            let machine = self.seen(record.mac, record.progress.since.saturating_mul(1000));
            machine.name = machine.name.take().or(record.name);
            machine.old_key = record.key;
            machine.pick = record.pick;
            machine.change(|progress| {
                *progress = record.progress;
                false
            });
        }
        self
    }

    /// What the user says about machines.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// All machines, in no order.
    pub fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values()
    }

    /// The record of `mac`, made when there is none, marked as heard of now.
    pub fn seen(&mut self, mac: MacAddr, now_millis: u64) -> &mut Machine {
        if !self.machines.contains_key(&mac) {
            self.make_room();
        }
        let (random, policy) = (&mut self.random, &self.policy);
        let machine = self.machines.entry(mac).or_insert_with(|| {
            let mut machine = Machine::new(mac, format!("{:032x}", random()), now_millis);
            machine.listed = policy.listed(mac, None, None);
            machine.name = machine.listed.as_ref().and_then(|row| row.name.clone());
            machine.settle();
            machine
        });
        machine.seen_millis = now_millis;
        machine
    }

    /// A machine's firmware, or its iPXE, asks what to boot.
    pub fn arrives(&mut self, mac: MacAddr, uuid: Option<Uuid>, now_millis: u64) -> Arrival {
        if !self.policy.only.contains(mac, uuid) {
            return Arrival { is_stranger: true, ..Arrival::default() };
        }
        let machine = self.seen(mac, now_millis);
        machine.uuid = uuid.or(machine.uuid);
        let packages = machine.packages;
        let has_changed = machine.change(|progress| progress.comes_back(packages, now_millis / 1000));
        let is_known = machine.listed.is_some();
        if !is_known && let Some(row) = self.policy.listed(mac, uuid, None) {
            self.list(mac, row);
        }
        Arrival { is_stranger: false, is_named: self.give_name(mac), has_changed }
    }

    /// The installer says the machine's serial number, which may be what the list knows it by.
    pub fn has_serial(&mut self, mac: MacAddr, serial: &str) {
        let row = self.machines.get(&mac).filter(|machine| machine.listed.is_none());
        if let Some(row) = row.and_then(|machine| self.policy.listed(mac, machine.uuid, Some(serial))) {
            self.list(mac, row);
        }
    }

    fn list(&mut self, mac: MacAddr, row: Arc<Listed>) {
        if let Some(machine) = self.machines.get_mut(&mac) {
            machine.name = row.name.clone().or(machine.name.take());
            machine.listed = Some(row);
            machine.settle();
        }
    }

    /// Names a machine that has no name, where names are given. Whether it was.
    fn give_name(&mut self, mac: MacAddr) -> bool {
        let is_nameless = self.machines.get(&mac).is_some_and(|machine| machine.name.is_none());
        let Some(pattern) = self.policy.names.as_ref().filter(|_| is_nameless) else { return false };
        let is_taken = |name: &str| {
            self.policy.names(name) || self.machines.values().any(|it| it.name.as_deref() == Some(name))
        };
        let name = pattern.next(is_taken);
        self.machines.get_mut(&mac).map(|machine| machine.name = Some(name)).is_some()
    }

    /// Arms machines again: that one, or all. Those for which that changes something.
    pub fn arm(&mut self, which: Option<MacAddr>, now: u64) -> Vec<MacAddr> {
        let chosen = self.machines.values_mut().filter(|machine| which.is_none_or(|mac| mac == machine.mac));
        chosen.filter_map(|it| it.change(|progress| progress.arm(now)).then_some(it.mac)).collect()
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
            other.ip.take_if(|its| *its == ip);
        }
    }

    /// Notes that what comes from `ip`, the address of another of its cards, comes from the machine that boots from `mac`.
    /// It ends when somebody is given that address.
    pub fn is_also_at(&mut self, mac: MacAddr, ip: Ipv4Addr) {
        if self.machines.contains_key(&mac) {
            self.by_ip.insert(ip, mac);
        }
    }

    /// Notes that the card `mac` of our wire uses an address that another server gave it. If it is none that a machine boots
    /// from, it may be the second one of a machine that asks from there. Whoever else was thought to be there is not.
    pub fn lives_at(&mut self, mac: MacAddr, ip: Ipv4Addr, now_millis: u64) {
        if let Some(machine) = self.machines.get(&mac) {
            self.neighbours.remove(&ip);
            if machine.ip != Some(ip) {
                self.bind(mac, ip, now_millis);
            }
            return;
        }
        if self.neighbours.get(&ip) == Some(&mac) {
            return;
        }
        if self.neighbours.len() >= MAX_NEIGHBOURS {
            self.neighbours.clear();
        }
        self.neighbours.insert(ip, mac);
        self.by_ip.retain(|its, other| {
            let is_own = self.machines.get(other).is_some_and(|machine| machine.ip == Some(*its));
            *its != ip || is_own
        });
    }

    /// The card that is at `ip`, as far as that is known: the one that a machine boots from, or another.
    pub fn card_at(&self, ip: Ipv4Addr) -> Option<MacAddr> {
        self.by_ip.get(&ip).or_else(|| self.neighbours.get(&ip)).copied()
    }

    /// The record of `mac`.
    pub fn by_mac(&self, mac: MacAddr) -> Option<&Machine> {
        self.machines.get(&mac)
    }

    /// What the machine with this card is called; the list knows that before it comes.
    pub fn name_of(&self, mac: MacAddr, uuid: Option<Uuid>) -> Option<String> {
        let given = self.by_mac(mac).and_then(|machine| machine.name.clone());
        given.or_else(|| self.policy.listed(mac, uuid, None).and_then(|row| row.name.clone()))
    }

    /// The machine that has the address `ip`.
    pub fn by_ip(&self, ip: Ipv4Addr) -> Option<&Machine> {
        self.machines.get(self.by_ip.get(&ip)?)
    }

    /// The machine that has the address `ip`, to be changed.
    pub fn by_ip_mut(&mut self, ip: Ipv4Addr) -> Option<&mut Machine> {
        self.machines.get_mut(self.by_ip.get(&ip)?)
    }

    /// The record of `mac`, to be changed.
    pub fn by_mac_mut(&mut self, mac: MacAddr) -> Option<&mut Machine> {
        self.machines.get_mut(&mac)
    }

    /// The machine whose kickstart has this secret in its URL, in this run or in the one before.
    pub fn by_token(&self, token: &str) -> Option<&Machine> {
        let of_this_run = self.machines.values().find(|machine| machine.token == token);
        of_this_run.or_else(|| {
            let key = Key::of(token);
            self.machines.values().find(|machine| machine.old_key == Some(key))
        })
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
            .min_by_key(|it| (it.progress.phase != Phase::Armed, it.ip.is_some(), it.seen_millis))
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
    fn a_machine_may_have_another_card_until_its_address_is_given_away() {
        let mut registry = registry();
        let [own, other] = [[192, 168, 100, 100], [192, 168, 100, 101]].map(Ipv4Addr::from);
        registry.bind(mac(1), own, 0);
        registry.bind(mac(2), other, 0);
        registry.is_also_at(mac(1), other);
        assert_eq!(registry.by_ip(other).map(|machine| machine.mac), Some(mac(1)));
        assert_eq!(registry.by_ip(own).map(|machine| machine.mac), Some(mac(1)));
        // The card renews its lease.
        registry.bind(mac(2), other, 1);
        assert_eq!(registry.by_ip(other).map(|machine| machine.mac), Some(mac(2)));
        assert_eq!(registry.by_mac(mac(1)).and_then(|machine| machine.ip), Some(own));
        registry.is_also_at(mac(9), other);
        assert_eq!(registry.by_ip(other).map(|machine| machine.mac), Some(mac(2)), "nobody has that card");
    }

    #[test]
    fn beside_another_server_a_card_that_boots_nothing_is_known_where_it_is() {
        let mut registry = registry();
        let [own, other] = [[10, 0, 0, 100], [10, 0, 0, 101]].map(Ipv4Addr::from);
        registry.seen(mac(1), 0);
        registry.lives_at(mac(1), own, 0);
        registry.lives_at(mac(2), other, 0);
        assert_eq!((registry.card_at(own), registry.card_at(other)), (Some(mac(1)), Some(mac(2))));
        assert_eq!((registry.len(), registry.by_ip(other)), (1, None));
        registry.is_also_at(mac(1), other);
        registry.lives_at(mac(2), other, 1);
        assert_eq!(registry.by_ip(other).map(|machine| machine.mac), Some(mac(1)));
        // The other server gives the address to somebody else; nobody takes a machine's own from it so.
        registry.lives_at(mac(3), other, 2);
        registry.lives_at(mac(3), own, 2);
        assert_eq!((registry.card_at(other), registry.by_ip(other)), (Some(mac(3)), None));
        assert_eq!(registry.by_ip(own).map(|machine| machine.mac), Some(mac(1)));
        for number in 0..10_000 {
            registry.lives_at(mac(number + 10), Ipv4Addr::from(number), 3);
        }
        assert!(registry.neighbours.len() <= MAX_NEIGHBOURS);
    }

    #[test]
    fn the_list_knows_a_name_before_its_machine_comes() {
        let list =
            crate::machine::MachineList::parse(b"mac,name\n02:00:00:00:00:01,node01\n").expect("a list");
        let mut registry = registry().with(Policy { list, ..Policy::default() }, Vec::new());
        let [first, second] = [1, 2].map(mac);
        assert_eq!(registry.name_of(first, None).as_deref(), Some("node01"));
        assert_eq!(registry.name_of(second, None), None);
        registry.seen(second, 0).name = Some("other".into());
        assert_eq!(registry.name_of(second, None).as_deref(), Some("other"));
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
