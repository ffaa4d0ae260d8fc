//! From what the protocols did to what a person is told.

mod installs;
mod requests;

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::loops::Loops;
use super::repeats::Repeats;
use super::stuck::Stuck;
use super::throttle::Throttle;
use crate::boot::script::grub;
use crate::content::{Observer, Outcome, Protocol, Role, Transfer};
use crate::event::{Event, Step, What};
use crate::machine::{Record, Registry};
use crate::media::embedded;
use crate::net::clock;
use crate::ui::line::escape;
use crate::wire::MacAddr;
pub(super) use installs::Arrived;
use installs::Told;

/// A line for every package would hide everything else; one for so many is enough to see that it goes on.
const PACKAGES_PER_EVENT: u64 = 25;

/// Most fetched loaders that wait to be learnt from.
const EVENTS_KEPT: usize = 4096;

/// Hears what happens, keeps the machines' records, and passes events on. Never blocks: an event that nobody takes
/// away is dropped and counted.
pub(super) struct Chronicle {
    machines: Arc<Mutex<Registry>>,
    events: SyncSender<Event>,
    dropped: AtomicU64,
    /// Machines that fetched their first program since somebody asked.
    loaded: Mutex<Vec<MacAddr>>,
    told: Mutex<Told>,
    /// Takes what is kept of machines; none where nothing is kept.
    records: Option<SyncSender<Record>>,
    /// What was told of each machine lately.
    repeats: Mutex<Repeats>,
    /// What may be told of machines without an address.
    strangers: Mutex<Throttle>,
    /// Who fetches iPXE again and again.
    loops: Mutex<Loops>,
    /// Whose first program leads nowhere.
    stuck: Mutex<Stuck>,
    /// Names of systems that are installed as a whole: who fetched one has what it installs.
    systems: HashSet<String>,
}

impl Chronicle {
    /// A chronicle of `machines` that passes its events to `events`.
    pub(super) fn new(machines: Arc<Mutex<Registry>>, events: SyncSender<Event>) -> Self {
        Self {
            machines,
            events,
            dropped: AtomicU64::new(0),
            loaded: Mutex::default(),
            told: Mutex::default(),
            records: None,
            repeats: Mutex::default(),
            strangers: Mutex::default(),
            loops: Mutex::default(),
            stuck: Mutex::default(),
            systems: HashSet::new(),
        }
    }

    /// The same, to which files of these names are what a machine installs.
    pub(super) fn with_systems(self, systems: HashSet<String>) -> Self {
        Self { systems, ..self }
    }

    /// The same, which has how far machines are written down by who takes `records`.
    pub(super) fn keeping(mut self, records: SyncSender<Record>) -> Self {
        self.records = Some(records);
        self
    }

    /// Passes on an event of the server itself.
    pub(super) fn tell(&self, what: What) {
        self.send(None, None, what);
    }

    /// Passes on an event of a machine.
    pub(super) fn tell_of(&self, mac: MacAddr, ip: Option<Ipv4Addr>, what: What) {
        self.send(Some(mac), ip, what);
    }

    /// The machines that fetched a loader since the last call.
    pub(super) fn take_loaded(&self) -> Vec<MacAddr> {
        std::mem::take(&mut *self.loaded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it was told of a machine that it is there.
    pub(super) fn has_met(&self, mac: MacAddr) -> bool {
        self.machines().by_mac(mac).is_some_and(|machine| !machine.client.is_empty())
    }

    /// Whether a machine fetches iPXE again and again.
    pub(super) fn is_looping(&self, mac: MacAddr) -> bool {
        self.loops().is_looping(mac, Duration::from_millis(clock::unix_millis()))
    }

    /// Which machines are stuck in their first program.
    pub(super) fn stuck(&self) -> MutexGuard<'_, Stuck> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn loops(&self) -> MutexGuard<'_, Loops> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A card uses an address that another server gave it.
    pub(super) fn lives_at(&self, mac: MacAddr, ip: Ipv4Addr) {
        self.machines().lives_at(mac, ip, clock::unix_millis());
    }

    /// How many answers to machines that were never here before were not told of, as there were too many.
    pub(super) fn untold(&self) -> u64 {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).total()
    }

    /// How many events nobody took.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn fetched(&self, transfer: &Transfer<'_>, role: Role) {
        let name = String::from_utf8_lossy(transfer.name).into_owned();
        let (protocol, bytes) = (transfer.protocol, transfer.sent);
        let step = match role {
            Role::Loader => Step::Loader,
            Role::Menu => {
                self.menu_fetched(transfer.peer);
                if name.starts_with(grub::PICK) {
                    self.has_picked(transfer.peer);
                }
                Step::Menu
            }
            Role::Kernel => Step::Kernel,
            Role::Initrd => {
                self.ramdisk_fetched(transfer.peer);
                Step::Initrd
            }
            Role::Answer => return self.kickstart(transfer, &name),
            Role::Metadata => Step::Metadata,
            Role::Stage2 => {
                if self.systems.contains(&name) {
                    self.system_fetched(transfer.peer);
                }
                Step::Stage2
            }
            Role::Package => return self.package(transfer.peer, bytes),
            Role::Other => return log::debug!("{}: {}, {bytes} bytes", transfer.peer, shown(transfer.name)),
        };
        let mac = {
            let mut machines = self.machines();
            machines.by_ip_mut(transfer.peer).map(|machine| {
                if step == Step::Kernel {
                    (machine.packages, machine.package_bytes) = (0, 0);
                }
                machine.mac
            })
        };
        if let Some(mac) = mac.filter(|_| step == Step::Loader) {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever takes them away does so within a second.
            if loaded.len() < EVENTS_KEPT {
                loaded.push(mac);
            }
        }
        let now = Duration::from_millis(clock::unix_millis());
        match (mac, step) {
            (Some(mac), Step::Loader) => {
                self.stuck().fetched(mac, &name, now);
                if is_built_in(&name) {
                    self.loops().fetched(mac, now);
                }
            }
            (Some(mac), Step::Menu) => {
                self.stuck().moved_on(mac);
                self.loops().moved_on(mac);
            }
            _ => {}
        }
        self.send(mac, Some(transfer.peer), What::Fetched { step, name, bytes, protocol });
    }

    /// The secret in the name is for the machine alone: the event names the file only.
    fn kickstart(&self, transfer: &Transfer<'_>, name: &str) {
        let token = name.split('/').nth(1).unwrap_or_default();
        let Some((mac, ip)) = self.machines().by_token(token).map(|machine| (machine.mac, machine.ip)) else {
            return;
        };
        let what = What::Fetched {
            step: Step::Kickstart,
            name: "ks.cfg".into(),
            bytes: transfer.sent,
            protocol: transfer.protocol,
        };
        self.send(Some(mac), ip, what);
    }

    fn package(&self, peer: Ipv4Addr, bytes: u64) {
        let progress = self.machines().by_ip_mut(peer).map(|machine| {
            machine.packages += 1;
            machine.package_bytes += bytes;
            (machine.mac, machine.packages, machine.package_bytes)
        });
        let Some((mac, count, bytes)) = progress else { return };
        if count == 1 {
            self.packages_flow(peer);
        }
        if count == 1 || count % PACKAGES_PER_EVENT == 0 {
            self.send(Some(mac), Some(peer), What::Packages { count, bytes });
        }
    }

    fn system_fetched(&self, peer: Ipv4Addr) {
        if let Some(machine) = self.machines().by_ip_mut(peer) {
            machine.packages = 1;
        }
        self.packages_flow(peer);
    }

    fn send(&self, mac: Option<MacAddr>, ip: Option<Ipv4Addr>, what: What) {
        let event = Event { at_millis: clock::unix_millis(), mac, ip, what };
        if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn machines(&self) -> MutexGuard<'_, Registry> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Chronicle {
    fn started(&self, peer: Ipv4Addr, protocol: Protocol, name: &[u8], role: Role) {
        log::debug!("{peer}: {protocol:?} {role:?} {} begins", shown(name));
    }

    fn ended(&self, transfer: &Transfer<'_>) {
        let name = || String::from_utf8_lossy(transfer.name).into_owned();
        let broken = |reason: &str| {
            let mac = self.machines().by_ip(transfer.peer).map(|machine| machine.mac);
            let (bytes, reason) = (transfer.sent, reason.to_owned());
            self.send(mac, Some(transfer.peer), What::Broken { name: name(), bytes, reason });
        };
        match (&transfer.outcome, transfer.role) {
            (Outcome::Done, Some(role)) => self.fetched(transfer, role),
            (Outcome::Failed(reason), _) => broken(reason),
            (
                Outcome::Aborted(reason),
                Some(Role::Loader | Role::Kernel | Role::Initrd | Role::Stage2 | Role::Answer),
            ) => broken(reason),
            (Outcome::Missing, None) if transfer.name.starts_with(b"ks/") => {
                self.kickstart_refused(transfer.name, transfer.peer);
            }
            // Optional files that are not there, probes, and browsers that go away are what every installer does.
            (outcome, _) => log::debug!("{}: {} {outcome:?}", transfer.peer, shown(transfer.name)),
        }
    }

    fn reported(&self, peer: Ipv4Addr, name: &[u8], body: &[u8]) -> bool {
        let is_expected = self.take_report(name, body);
        log::debug!("{peer}: {} with {} bytes, expected: {is_expected}", shown(name), body.len());
        is_expected
    }
}

/// Whether this is one of our own iPXE programs.
fn is_built_in(name: &str) -> bool {
    embedded::embedded().iter().any(|loader| loader.name == name)
}

/// A name from the wire, as a terminal may show it: without the secret that it may have.
fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let mut parts: Vec<&str> = name.split('/').collect();
    if let [_, secret, ..] = parts.as_mut_slice()
        && ["ks", "hook"].iter().any(|folder| name.starts_with(folder))
    {
        *secret = "...";
    }
    escape(&parts.join("/"))
}

#[cfg(test)]
mod tests;
