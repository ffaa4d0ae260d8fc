//! From what the protocols did to what a person is told.

mod installs;

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
use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::{Client, Firmware};
use crate::boot::script::grub;
use crate::content::{Observer, Outcome, Protocol, Role, Transfer};
use crate::dhcp::ladder::Rung;
use crate::dhcp::reaction::{Ignored, Reaction, Reply, ReplyKind, Verdict};
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

    /// Passes on what the DHCP server did.
    pub(super) fn reacted(&self, reaction: &Reaction) {
        let client = &reaction.client;
        match &reaction.verdict {
            Verdict::Reply(reply) if !self.is_worth_telling(reaction, reply) => {}
            Verdict::Reply(reply) => {
                self.discovered(reaction);
                if let Some(rung) = reaction.rung {
                    self.climbed(client.mac, rung);
                }
                self.replied(client, reply);
            }
            Verdict::Check(address) => log::debug!("{}: is {address} in use?", client.mac),
            Verdict::Ignored(Ignored::NoBoot(reason @ (NoBoot::NoLoader(_) | NoBoot::GrubWithoutHttp))) => {
                if self.discovered(reaction) {
                    let reason = nothing_to_boot(*reason);
                    self.send(Some(client.mac), None, What::NothingToBoot { reason });
                }
            }
            Verdict::Accepted(accepted) => log::info!("{}: {accepted}", client.mac),
            Verdict::Ignored(reason @ (Ignored::PoolExhausted | Ignored::TooManyOffers)) => {
                let reason = format!("{reason}; give more addresses with --range");
                self.send(Some(client.mac), None, What::Refused { reason });
            }
            Verdict::Ignored(reason) => log::debug!("{}: {client} ignored: {reason}", client.mac),
        }
    }

    /// Whether a reply is told of: the same to one machine once a second; and if it has no address yet, as long as there are
    /// not too many of its kind.
    fn is_worth_telling(&self, reaction: &Reaction, reply: &Reply) -> bool {
        let mac = reaction.client.mac;
        let now = Duration::from_millis(clock::unix_millis());
        let is_known = self.machines().by_mac(mac).is_some_and(|machine| machine.ip.is_some());
        let grants = matches!(reply.kind, ReplyKind::Ack | ReplyKind::Bootp);
        let may_tell = if is_known || matches!(reply.kind, ReplyKind::Ack | ReplyKind::Nak) {
            // Another stage of its boot gets something else, and is told at once.
            let what = (reply.kind, reply.yiaddr, &reply.boot_file);
            let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
            repeats.may_tell(mac, what, now)
        } else {
            self.may_tell_of_stranger(now)
        };
        if !may_tell && grants {
            // Its menu has to know it all the same.
            self.machines().bind(mac, reply.yiaddr, clock::unix_millis());
        }
        may_tell
    }

    fn may_tell_of_stranger(&self, now: Duration) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let (may_tell, untold) = (strangers.may_tell(now), strangers.untold(now));
        drop(strangers);
        if let Some(count) = untold {
            let text = format!(
                "{count} more questions of machines that were never here before are answered and not told singly: a flood, or \
                 a very large bench"
            );
            self.tell(What::Warning { text });
        }
        may_tell
    }

    fn climbed(&self, mac: MacAddr, rung: Rung) {
        let what = match rung {
            Rung::Next { ignored, next } => What::Adapting { ignored: ignored.key(), next: next.to_string() },
            Rung::HttpRefused => What::Warning {
                text: "it asks for HTTP boot and takes no offer: allow HTTP (not only HTTPS) in its firmware's network \
                       settings, or let it boot by PXE"
                    .to_owned(),
            },
        };
        self.send(Some(mac), None, what);
    }

    /// Tells of a machine once for each program that asks in its name; whether it did.
    fn discovered(&self, reaction: &Reaction) -> bool {
        let client = &reaction.client;
        let name = client.to_string();
        let (is_new, ip) = {
            let mut machines = self.machines();
            let machine = machines.seen(client.mac, clock::unix_millis());
            let is_new = machine.client != name;
            machine.client.clone_from(&name);
            (is_new, machine.ip)
        };
        if is_new {
            let arch = client.arch.map(|arch| arch.to_string());
            self.send(Some(client.mac), ip, What::Discovered { client: name, arch });
        }
        is_new
    }

    fn replied(&self, client: &Client, reply: &Reply) {
        let mac = client.mac;
        match reply.kind {
            ReplyKind::Offer | ReplyKind::ProxyOffer => {
                let ip = Some(reply.yiaddr).filter(|ip| !ip.is_unspecified());
                let boot_file = match &reply.boot_file {
                    BootFile::Name(name) | BootFile::Url(name) => Some(name.clone()),
                    BootFile::None(NoBoot::NotAsked) => None,
                    // Told already, with the reason.
                    BootFile::None(NoBoot::Stranger) => return,
                    // It asks twice: for a script of its own, then as the EFI machine that it is too (boot/bootmeth_efi.c).
                    BootFile::None(_) if client.firmware == Firmware::UBoot => None,
                    BootFile::None(reason) => {
                        let reason = nothing_to_boot(*reason);
                        self.send(Some(mac), ip, What::NothingToBoot { reason });
                        return;
                    }
                };
                self.send(Some(mac), ip, What::Offered { boot_file });
            }
            ReplyKind::Ack | ReplyKind::Bootp => {
                self.machines().bind(mac, reply.yiaddr, clock::unix_millis());
                self.send(Some(mac), Some(reply.yiaddr), What::Leased);
            }
            ReplyKind::Nak => {
                let reason = "the address it asked for is not for it; it will ask for another".to_owned();
                self.send(Some(mac), None, What::Refused { reason });
            }
            ReplyKind::InformAck | ReplyKind::BootAck => log::debug!("{mac}: {}", reply.kind),
        }
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

fn nothing_to_boot(reason: NoBoot) -> String {
    match reason {
        NoBoot::NoLoader(_) => format!("{reason}, neither on the image nor built in"),
        _ => reason.to_string(),
    }
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
mod tests {
    use super::*;
    use crate::dhcp::destination::Destination;
    use crate::machine::Phase;
    use crate::wire::dhcp::{BOOT_REQUEST, Message};
    use std::sync::mpsc::{Receiver, sync_channel};

    pub(super) const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    pub(super) const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 100);
    pub(super) const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 7);
    pub(super) const TOKEN: &str = "00000000000000000000000000000abc";

    pub(super) fn chronicle() -> (Chronicle, Receiver<Event>) {
        let mut machines = Registry::new(|| 0xabc);
        machines.bind(MAC, MACHINE, 0);
        let (events, received) = sync_channel(64);
        (Chronicle::new(Arc::new(Mutex::new(machines)), events), received)
    }

    pub(super) fn ends(
        chronicle: &Chronicle,
        peer: Ipv4Addr,
        name: &str,
        role: Option<Role>,
        outcome: Outcome,
    ) {
        let transfer =
            Transfer { peer, protocol: Protocol::Http, name: name.as_bytes(), role, sent: 1000, outcome };
        chronicle.ended(&transfer);
    }

    /// What was told so far: whose it is, its key, and its facts.
    pub(super) fn told(received: &Receiver<Event>) -> Vec<String> {
        let one = |event: Event| {
            let mac = event.mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string());
            format!("{mac} {} {}", event.what.key(), event.what.sentence())
        };
        received.try_iter().map(one).collect()
    }

    #[test]
    fn the_secret_of_a_kickstart_is_not_told() {
        let (chronicle, received) = chronicle();
        let name = format!("ks/{TOKEN}/ks.cfg");
        ends(&chronicle, MACHINE, &name, Some(Role::Answer), Outcome::Done);
        assert_eq!(told(&received), ["52:54:00:00:00:01 kickstart ks.cfg (1.0 kB, HTTP)"]);
        ends(&chronicle, STRANGER, &name, None, Outcome::Missing);
        ends(&chronicle, STRANGER, "ks/ffffffffffffffffffffffffffffffff/ks.cfg", None, Outcome::Missing);
        assert_eq!(shown(name.as_bytes()), "ks/.../ks.cfg");
        let told = told(&received);
        assert!(
            told.len() == 1 && told[0].contains("intruder") && told[0].contains("192.168.100.7"),
            "{told:?}"
        );
        assert!(told.iter().all(|text| !text.contains(TOKEN)), "{told:?}");
    }

    #[test]
    fn packages_are_counted_from_the_kernel_on() {
        let (chronicle, received) = chronicle();
        for _ in 0..PACKAGES_PER_EVENT {
            ends(&chronicle, MACHINE, "Packages/a.rpm", Some(Role::Package), Outcome::Done);
        }
        ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), Outcome::Done);
        ends(&chronicle, MACHINE, "Packages/a.rpm", Some(Role::Package), Outcome::Done);
        assert_eq!(
            told(&received),
            [
                "52:54:00:00:00:01 packages 1 fetched (1.0 kB)",
                "52:54:00:00:00:01 packages 25 fetched (25.0 kB)",
                "52:54:00:00:00:01 kernel vmlinuz (1.0 kB, HTTP)",
                "52:54:00:00:00:01 packages 1 fetched (1.0 kB)",
            ]
        );
    }

    #[test]
    fn what_breaks_a_boot_is_told_and_what_every_installer_does_is_not() {
        let (chronicle, received) = chronicle();
        let aborted = || Outcome::Aborted("no answer".into());
        ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), aborted());
        ends(
            &chronicle,
            STRANGER,
            "a.rpm",
            Some(Role::Package),
            Outcome::Failed("input/output error".into()),
        );
        assert_eq!(
            told(&received),
            [
                "52:54:00:00:00:01 broken vmlinuz after 1.0 kB: no answer",
                "- broken a.rpm after 1.0 kB: input/output error",
            ]
        );
        ends(&chronicle, MACHINE, "updates.img", None, Outcome::Missing);
        ends(&chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), Outcome::Probe);
        ends(&chronicle, MACHINE, "a.rpm", Some(Role::Package), aborted());
        assert!(told(&received).is_empty());
    }

    /// An offer to a machine.
    fn offered(mac: MacAddr) -> Reaction {
        let mut message = Message::new(BOOT_REQUEST);
        message.chaddr[..6].copy_from_slice(&mac.0);
        let client = Client::from_message(&message, mac);
        let reply = Reply {
            kind: ReplyKind::Offer,
            yiaddr: MACHINE,
            boot_file: BootFile::None(NoBoot::NotAsked),
            message: Vec::new(),
            destination: Destination::BROADCAST,
            source_port: 67,
        };
        Reaction {
            client,
            asked: None,
            verdict: Verdict::Reply(reply),
            commit: None,
            shape: None,
            rung: None,
        }
    }

    #[test]
    fn a_flood_of_invented_machines_is_counted_and_one_that_is_known_is_told_of() {
        const INVENTED: u32 = 8000;
        let mut machines = Registry::new(|| 0xabc);
        machines.bind(MAC, MACHINE, 0);
        let (events, received) = sync_channel(4 * INVENTED as usize);
        let chronicle = Chronicle::new(Arc::new(Mutex::new(machines)), events);
        for number in 0..INVENTED {
            let [_, _, high, low] = number.to_be_bytes();
            chronicle.reacted(&offered(MacAddr([2, 0, 0, 0, high, low])));
        }
        chronicle.reacted(&offered(MAC));
        let told = told(&received);
        let offers = told.iter().filter(|line| line.contains(" offered ")).count() as u64;
        assert!((4000..7000).contains(&offers), "{offers}");
        assert_eq!(offers - 1 + chronicle.untold(), u64::from(INVENTED));
        assert!(told.iter().any(|line| line.contains("are answered and not told singly")), "{told:?}");
        assert!(told.last().is_some_and(|line| line.starts_with(&format!("{MAC} offered"))), "{told:?}");
    }

    #[test]
    fn events_that_nobody_takes_are_dropped_and_counted() {
        let (events, _received) = sync_channel(1);
        let chronicle = Chronicle::new(Arc::new(Mutex::new(Registry::new(|| 1))), events);
        (0..3).for_each(|_| chronicle.tell(What::Stopping));
        assert_eq!(chronicle.dropped(), 2);
    }

    #[test]
    fn a_system_that_was_fetched_whole_is_installed_when_its_machine_comes_back() {
        for (name, phase) in [("t/coreos/rootfs.img", Phase::Done), ("t/el9/install.img", Phase::Failed)] {
            let (chronicle, _events) = chronicle();
            let chronicle = chronicle.with_systems(HashSet::from(["t/coreos/rootfs.img".to_owned()]));
            for (fetched, role) in
                [("boot.ipxe", Role::Menu), ("k", Role::Kernel), ("i", Role::Initrd), (name, Role::Stage2)]
            {
                ends(&chronicle, MACHINE, fetched, Some(role), Outcome::Done);
            }
            chronicle.machines().arrives(MAC, None, 1);
            let machine = chronicle.machines().by_mac(MAC).cloned().expect("a machine");
            assert_eq!(machine.progress.phase, phase, "{name}: {:?}", machine.progress);
        }
    }
}
