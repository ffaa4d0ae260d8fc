//! One run, from the configuration to the end.

use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use time::UtcOffset;

use super::chronicle::Chronicle;
use super::claim::{Claim, LastResort, Place};
use super::custody;
use super::desk;
use super::dhcp_loop::{DhcpLoop, LinkAtStart};
use super::offer::{Offer, Programs};
use super::outlet::Outlet;
use super::prepare::Prepared;
use super::scribe::{Scribe, Tally};
use super::verify::Report;
use super::{Ended, Refusal, machine_file, output};
use crate::config::{Again, Cidr, Config, LogForm};
use crate::content::networks::Networks;
use crate::content::{Library, Observer, Protocol};
use crate::dhcp::ladder::Ladder;
use crate::dhcp::lease::{LeaseRecord, LeaseState};
use crate::dhcp::probe::ForeignServer;
use crate::dhcp::server::{Server, ServerConfig};
use crate::dhcp::subnet::SubnetConfig;
use crate::dhcp::watch::Wish;
use crate::dhcp::{Mode, Now};
use crate::event::{Event, What};
use crate::machine::{Machine, Phase, Policy, Record, Registry};
use crate::net::http::{self, HttpConfig};
use crate::net::iface::Interface;
use crate::net::invocation::Invocation;
use crate::net::signals::{self, ReportSignal, Stop};
use crate::net::state::LeaseFile;
use crate::net::tftp::{self, TftpConfig};
use crate::net::{clock, iface, privilege, random};
use crate::order;
use crate::wire::MacAddr;

/// How long a lease lasts, in seconds: longer than any install, and a machine that stays renews it in time.
const LEASE_SECS: u32 = 12 * 3600;

/// Events that wait to be written; a terminal that was stopped with Ctrl-S holds up no machine.
const EVENT_BACKLOG: usize = 4096;

/// Most machines that are named when there are many.
const NAMES_TOLD: usize = 10;

/// How long the last events may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Nothing but the stop flag ends the waiting; poll(2) wants a number.
const LONG: Duration = Duration::from_secs(3600);

/// Serves until it is told to stop.
///
/// # Errors
/// Why it does not start; then nothing on this computer is changed.
pub(super) fn run(config: &Config) -> Result<Ended, Refusal> {
    // Only known while there is one thread.
    let offset = UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC);
    let report = ReportSignal::catch().map_err(cannot_start)?;
    output::start_diagnostics(config.verbosity);
    let invocation = Invocation::of_this_process();
    let place = Place::choose(config, &invocation)?;
    let mut prepared = Prepared::read(config, place.addressing.server)?;
    let mut site = prepared.site(place.addressing.server.address, config.http_port)?;
    prepared.write_kickstarts(&site);
    prepared.check_machines(&mut site, config)?;
    place.check_privileges(&invocation)?;
    let mac = ethernet_address(&place.interface)?;

    let stop = Stop::new().map_err(cannot_start)?;
    let last_resort = LastResort::default();
    give_back_on_signals(&stop, last_resort.clone())?;
    let mut claim = Claim::take(&place, config, &last_resort)?;
    // Whoever holds a port is found out before, for which all rights are needed.
    shed_rights();

    let (events, writer) = start_writer(config.log, offset)?;
    let policy = std::mem::take(&mut prepared.policy);
    let mut registry = registry(&claim.restored, policy, std::mem::take(&mut claim.records))?;
    let again = arm_again(&mut registry, &config.again);
    let done = installed(&registry);
    let reservations = reservations(config, &registry)?;
    let machines = Arc::new(Mutex::new(registry));
    let tied = claim.tied().map_err(cannot_start)?;
    let (records, keeper) = start_keeper(claim.machine_file)?;
    let systems = prepared.whole_systems(&site);
    let chronicle = Arc::new(Chronicle::new(machines.clone(), events).keeping(records).with_systems(systems));
    again.iter().for_each(|machine| chronicle.keep(machine));
    let server_ip = place.addressing.server.address;
    let programs = Programs::of(prepared.images(), &prepared.given);
    let has_link = has_link(&place.interface);
    for text in oddities(&place, &prepared, programs.common(), has_link).into_iter().chain(done) {
        chronicle.tell(What::Warning { text });
    }
    for text in mem::take(&mut prepared.advice).into_lines() {
        chronicle.tell(What::Advice { text });
    }
    for what in prepared.reports.iter().filter_map(Report::event) {
        chronicle.tell(what);
    }
    let (wards, unchecked) = (mem::take(&mut prepared.wards), mem::take(&mut prepared.unchecked));
    if site.only_image().is_none() {
        for image in prepared.images() {
            let (id, name, file) =
                (image.id.to_string(), image.media.name.clone(), image.path.display().to_string());
            chronicle.tell(What::Image { id, name, file });
        }
    }
    let ready = What::Ready {
        image: site.title(),
        server: server_ip,
        pool: Some(place.addressing.pool),
        url: site.url(Protocol::Http, ""),
    };
    let catalog = Arc::new(prepared.catalog(site, machines));
    let link = LinkAtStart { is_there: has_link, is_fresh: !place.interface.up };
    let ladder = mem::take(&mut claim.ladder);

    let outlet = Arc::new(Outlet::new(claim.raw.clone(), stop.clone()));
    let (desk, desk_reader) = desk::desk();
    let tally = Arc::new(Tally::default());
    let scribe = Scribe {
        desk: desk_reader,
        journal: claim.journal,
        outlet: outlet.clone(),
        chronicle: chronicle.clone(),
        tally: tally.clone(),
    };
    let dhcp = DhcpLoop {
        raw: claim.raw.clone(),
        outlet,
        desk,
        tally,
        mac,
        ip: server_ip,
        server: dhcp_server(&place, config, reservations, mac, &claim.restored, ladder)?,
        advice: advice(server_ip, programs.common()),
        wish: config.dhcp,
        http_port: config.http_port,
        reply_delay: config.reply_delay,
        report,
        boot: Box::new(Offer::new(catalog.clone(), programs, chronicle.clone())),
        tied,
        address: claim.address.clone(),
        chronicle: chronicle.clone(),
        ready,
        xid: random::bits().map_err(cannot_start)? as u32,
    };
    custody::watch(wards, unchecked, Arc::downgrade(&chronicle), stop.clone()).map_err(cannot_start)?;
    let library: Arc<dyn Library> = catalog;
    let observer: Arc<dyn Observer> = chronicle.clone();
    let tftp_config = tftp_config(&place, config);
    let http_config = HttpConfig::new(networks(&place, config));
    let result = thread::scope(|scope| {
        let tftp = start(scope, "tftp", &stop, || {
            tftp::serve(&claim.tftp, &tftp_config, &library, &observer, &stop)
        });
        let http = start(scope, "http", &stop, || {
            http::serve(&claim.http, &http_config, &library, &observer, &stop)
        });
        let disk = start(scope, "disk", &stop, || {
            scribe.run();
            Ok(())
        });
        let dhcp = start(scope, "dhcp", &stop, || Ok(dhcp.run(link, &stop)));
        while !stop.wait(LONG) {}
        // The disk thread ends after the DHCP thread, with the last of its work.
        let dhcp = ended("dhcp", dhcp);
        let others = [ended("disk", disk), ended("tftp", tftp), ended("http", http)];
        let is_sound = others.iter().all(Option::is_some);
        match dhcp {
            Some(Some(foreign)) => Err(not_alone(&foreign, &place, config.dhcp, &invocation)),
            Some(None) if is_sound => Ok(Ended::Asked),
            _ => Ok(Ended::Broken),
        }
    });
    if result.is_ok() {
        chronicle.tell(What::Stopping);
    }
    if let Err(error) = claim.address.restore() {
        log::error!("{error}");
    }
    if chronicle.dropped() > 0 {
        log::warn!("{} events were not written: the output was not read fast enough", chronicle.dropped());
    }
    drop((library, observer, chronicle));
    // Nobody can send any more.
    let _ = keeper.join();
    // Whoever does not read our output does not keep us from ending.
    let _ = writer.recv_timeout(LAST_WORDS);
    result
}

fn cannot_start(error: io::Error) -> Refusal {
    Refusal::new(format!("cannot start: {error}"))
}

fn ethernet_address(interface: &Interface) -> Result<MacAddr, Refusal> {
    interface.mac.ok_or_else(|| Refusal::new(format!("{} has no Ethernet address", interface.name)))
}

fn give_back_on_signals(stop: &Stop, last_resort: LastResort) -> Result<(), Refusal> {
    let give_back = move || {
        if let Some(address) = last_resort.get().and_then(Weak::upgrade) {
            // Nobody is left to be told.
            let _ = address.restore();
        }
    };
    // Whoever waits for signals has the rights of the thread that starts it: one that has given up what this one still needs.
    let start = move || {
        shed_rights();
        signals::stop_on_signals(stop, give_back)
    };
    let started = thread::scope(|scope| scope.spawn(start).join());
    started.unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))).map_err(cannot_start)
}

fn shed_rights() {
    privilege::shed().unwrap_or_else(|error| log::warn!("rights that are not needed stay: {error}"));
}

/// Starts the thread that writes events. It says when it has ended, which it does when nobody can send any more.
fn start_writer(form: LogForm, offset: UtcOffset) -> Result<(SyncSender<Event>, Receiver<()>), Refusal> {
    let (events, to_write) = mpsc::sync_channel(EVENT_BACKLOG);
    let (done, is_done) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("events".into())
        .spawn(move || {
            output::write_events(&to_write, form, offset);
            let _ = done.send(());
        })
        .map_err(cannot_start)?;
    Ok((events, is_done))
}

/// Starts the thread that writes down how far machines are. It ends when nobody can send any more.
fn start_keeper(file: LeaseFile) -> Result<(SyncSender<Record>, thread::JoinHandle<()>), Refusal> {
    let (records, to_keep) = mpsc::sync_channel(EVENT_BACKLOG);
    let keeper = thread::Builder::new()
        .name("machines".into())
        .spawn(move || machine_file::write_records(&to_keep, file))
        .map_err(cannot_start)?;
    Ok((records, keeper))
}

/// The machines that were written down, and those that have leases from earlier runs: one of them may be about to ask for
/// its menu.
fn registry(restored: &[LeaseRecord], policy: Policy, records: Vec<Record>) -> Result<Registry, Refusal> {
    // Later it cannot fail any more.
    random::bits().map_err(cannot_start)?;
    let registry = Registry::new(|| random::bits().unwrap_or_else(|error| panic!("/dev/urandom: {error}")));
    let mut registry = registry.with(policy, records);
    let now = clock::unix_seconds();
    for record in restored.iter().filter(|it| it.state == LeaseState::Bound && it.until > now) {
        if let Some(mac) = record.identity.mac() {
            registry.bind(mac, record.address, clock::unix_millis());
        }
    }
    Ok(registry)
}

/// Arms machines as `--again` says. Those for which that changes something.
fn arm_again(registry: &mut Registry, again: &[Again]) -> Vec<Machine> {
    let now = clock::unix_seconds();
    let which = again.iter().map(|again| match again {
        Again::All => None,
        Again::Machine(mac) => Some(*mac),
    });
    let armed: Vec<MacAddr> = which.flat_map(|which| registry.arm(which, now)).collect();
    armed.iter().filter_map(|mac| registry.by_mac(*mac).cloned()).collect()
}

/// What a person should know of machines that this run does not install.
fn installed(registry: &Registry) -> Option<String> {
    let is_over = |it: &&Machine| it.progress.phase == Phase::Done || it.progress.is_held();
    let mut all: Vec<String> = registry
        .machines()
        .filter(is_over)
        .map(|it| it.name.clone().unwrap_or_else(|| it.mac.to_string()))
        .collect();
    order::by(&mut all, Ord::cmp);
    let count = all.len();
    let names = all.iter().take(NAMES_TOLD).cloned().collect::<Vec<_>>().join(", ");
    let more = if count > NAMES_TOLD { ", ..." } else { "" };
    (count > 0).then(|| {
        format!(
            "{count} machines of earlier runs are installed or held, and are left alone: {names}{more}. To install them \
             again add --again with a MAC address, or --again all"
        )
    })
}

/// Addresses that belong to one machine each: as typed, and as listed.
fn reservations(config: &Config, registry: &Registry) -> Result<Vec<(MacAddr, Ipv4Addr)>, Refusal> {
    let mut reservations = config.reservations.clone();
    for row in registry.policy().list.rows() {
        let Some((mac, ip)) = row.mac.zip(row.ip) else { continue };
        match reservations.iter().find(|(other, address)| *other == mac || *address == ip) {
            Some((other, address)) if (*other, *address) != (mac, ip) => {
                return Err(Refusal::wrong_use(format!(
                    "--reserve {other}={address}: line {} of the list says {mac} has {ip}. Take one of them away",
                    row.line
                )));
            }
            Some(_) => {}
            None => reservations.push((mac, ip)),
        }
    }
    Ok(reservations)
}

/// Whether there is a link now. Asked after the raw socket was opened: that tells of every change from then on.
fn has_link(interface: &Interface) -> bool {
    let now = iface::interfaces().unwrap_or_default();
    now.iter().find(|it| it.name == interface.name).is_none_or(|it| it.carrier)
}

/// What a person should know before the first machine is switched on.
fn oddities(
    place: &Place,
    prepared: &Prepared,
    programs: &crate::boot::select::FirstPrograms,
    has_link: bool,
) -> Vec<String> {
    let mut warnings = prepared.warnings.clone();
    let name = &place.interface.name;
    if !has_link {
        warnings
            .push(format!("{name} has no link. Plug in the cable and switch the other side on; pxego waits"));
    }
    if place.interface.wireless {
        warnings
            .push(format!("{name} is Wi-Fi: machines cannot boot over it, unless it is bridged to a cable"));
    }
    warnings.extend(overlap(place.addressing.server, name, &place.others));
    for arch in [crate::boot::arch::Arch::Bios, crate::boot::arch::Arch::X64Uefi] {
        if !programs.has(arch) {
            warnings.push(format!(
                "no loader for {arch} machines: the image has none, and none is built in (see \"pxego --version\"); \
                 give one with --loader"
            ));
        }
    }
    let x64 = crate::boot::arch::Arch::X64Uefi;
    let has_grub = programs.image.contains_key(&x64)
        || (programs.given.contains_key(&x64) && !programs.given_ipxe.contains(&x64));
    let old = prepared.images().filter(|image| image.media.lacks_efi_stub && !has_grub);
    warnings.extend(old.map(|image| {
        format!(
            "{} does not start on UEFI machines: its kernel is no EFI program. Set them to BIOS (legacy, CSM) in their setup, \
             or give a GRUB 2 as Debian and Ubuntu have it, with --loader x64=grubnetx64.efi.signed",
            image.media.name
        )
    }));
    warnings
}

/// An interface with the same network takes the answers to machines away, and a strict reverse path filter (`rp_filter` of
/// Linux `ip-sysctl.rst`) throws what comes from them away.
fn overlap(server: Cidr, name: &str, others: &[(String, Cidr)]) -> Option<String> {
    let (other, network) = others.iter().find(|(_, other)| other.overlaps(server))?;
    Some(format!(
        "{other} has the network {network} too, which overlaps {server} of {name}: what machines are sent may leave there. \
         Switch it off with \"sudo ip link set {other} down\" while pxego runs, or take another network with --address"
    ))
}

fn dhcp_server(
    place: &Place,
    config: &Config,
    reservations: Vec<(MacAddr, Ipv4Addr)>,
    mac: MacAddr,
    restored: &[LeaseRecord],
    ladder: Ladder,
) -> Result<Server, Refusal> {
    let addressing = &place.addressing;
    let server_config = ServerConfig {
        // Nobody is answered before that is settled.
        mode: Mode::Full,
        server_ip: addressing.server.address,
        server_mac: mac,
        local: SubnetConfig {
            prefix_len: addressing.server.prefix,
            first: addressing.pool.0,
            last: addressing.pool.1,
            // On a bench there is none, and one that does not exist makes installers wait for it.
            router: None,
        },
        relayed: config.relayed.clone(),
        set_aside: place.interface.ipv4.iter().map(|(address, _)| *address).collect(),
        reservations,
        dns: Vec::new(),
        domain: None,
        lease_secs: LEASE_SECS,
        authoritative: false,
        bootp: true,
        check_addresses: true,
    };
    let now = Now { monotonic: Duration::ZERO, unix_secs: clock::unix_seconds() };
    Server::new(server_config, restored, ladder, now).map_err(|error| {
        Refusal::new(format!("{error}. Choose others with --address, --range and --reserve"))
    })
}

/// What another DHCP server has to tell machines where ours is off.
fn advice(server: Ipv4Addr, programs: &crate::boot::select::FirstPrograms) -> String {
    let all = programs.built_in.iter().chain(&programs.image);
    let files = order::map(all);
    let files: Vec<String> = files.iter().map(|(arch, name)| format!("{name} for {arch}")).collect();
    format!("tell your server: next-server {server}; boot file {}", files.join(", "))
}

/// Starts a part of the server. When it ends, however it does, everything ends.
fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    stop: &'scope Stop,
    work: impl FnOnce() -> io::Result<T> + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, io::Result<T>>> {
    let started = thread::Builder::new().name(name.into()).spawn_scoped(scope, move || {
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        stop.set();
        result.unwrap_or_else(|_| Err(io::Error::other("it ended by a fault of its own, a bug")))
    });
    if started.is_err() {
        stop.set();
    }
    started
}

/// What a part of the server came to; `None` when it broke, which is said.
fn ended<T>(name: &str, part: io::Result<ScopedJoinHandle<'_, io::Result<T>>>) -> Option<T> {
    let result = part.and_then(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a bug"))));
    result.inspect_err(|error| log::error!("the {name} server stopped: {error}")).ok()
}

fn not_alone(foreign: &ForeignServer, place: &Place, wish: Wish, invocation: &Invocation) -> Refusal {
    let name = &place.interface.name;
    let server = place.addressing.server;
    if let (true, Some(mac)) = (foreign.ip == server.address, foreign.mac) {
        return Refusal::new(format!(
            "{mac} on {name} uses {} already, perhaps another pxego. Switch it off, or take another address, such as \
             --address 192.168.101.1/24",
            server.address
        ));
    }
    let found = format!("another DHCP server answers on {name}: {foreign}");
    if matches!(wish, Wish::Full { .. }) {
        return Refusal::new(format!(
            "{found}. Two of them on one wire give machines wrong answers. Leave --dhcp full out, and pxego tells machines \
             what to boot beside it; or unplug it; or, if you know better, type:\n\n    sudo {invocation} --force\n"
        ));
    }
    Refusal::new(format!(
        "{found}. Its machines could not reach {server}, which is another network. Take an address from it with\n\n    \
         sudo dhclient {name}\n\nor put the machines and this computer on a switch of their own; then type:\n\n    \
         sudo {invocation}\n"
    ))
}

/// Whose machines are served.
fn networks(place: &Place, config: &Config) -> Networks {
    let server = place.addressing.server;
    let relayed = config.relayed.iter().map(SubnetConfig::network).collect();
    Networks { server: server.address, prefix: server.prefix, relayed }
}

fn tftp_config(place: &Place, config: &Config) -> TftpConfig {
    TftpConfig {
        networks: networks(place, config),
        interface: Some(place.interface.name.clone()),
        mtu: place.interface.mtu,
        single_port: config.tftp_single_port,
        roll_over: config.tftp_rollover,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l22_another_interface_with_the_same_network_is_named() {
        let cidr = |text: &str| text.parse::<Cidr>().expect("an address");
        let others = [("wlan0".to_owned(), cidr("192.168.1.7/24")), ("usb0".to_owned(), cidr("10.0.0.1/8"))];
        let text = overlap(cidr("192.168.1.9/25"), "eth0", &others).expect("it overlaps");
        assert!(text.contains("sudo ip link set wlan0 down"), "{text}");
        assert_eq!(overlap(cidr("192.168.100.1/24"), "eth0", &others), None);
    }
}
