//! What a run takes of this computer: an interface, an address on it, ports, and the state directory.

use std::io;
use std::net::{SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};

use super::journal::{self, Journal};
use super::{Refusal, machine_file};
use crate::config::{Addressing, Cidr, Config};
use crate::dhcp::ladder::Ladder;
use crate::dhcp::lease::{self, LeaseRecord};
use crate::dhcp::watch::Wish;
use crate::machine::Record;
use crate::net::address::{AddressGuard, Made};
use crate::net::iface::{self, ChooseError, Interface};
use crate::net::invocation::Invocation;
use crate::net::ports::{self, DHCP_SERVER_PORT, HeldPort, PXE_PORT, TFTP_PORT};
use crate::net::privilege::{self, Capability};
use crate::net::raw::RawSocket;
use crate::net::state::{LeaseFile, StateDir};

/// Most lines of a damaged lease file that are told of.
const BAD_LINES_TOLD: usize = 5;

/// Name of the note of what was changed on the interface.
const CHANGED: &str = "changed";

/// The interface to serve on, and the addresses there. Nothing is changed yet.
pub(super) struct Place {
    /// The interface, as it is now.
    pub(super) interface: Interface,
    /// Our address and the pool.
    pub(super) addressing: Addressing,
    /// Networks of this computer's other interfaces.
    pub(super) others: Vec<(String, Cidr)>,
}

impl Place {
    /// Finds the interface that the configuration names, and settles the addresses.
    ///
    /// # Errors
    /// When it cannot serve; the text shows the interfaces there are.
    pub(super) fn choose(config: &Config, invocation: &Invocation) -> Result<Self, Refusal> {
        let candidates = iface::candidates()
            .map_err(|error| Refusal::new(format!("cannot list the interfaces: {error}")))?;
        let interface =
            iface::choose(&candidates, config.iface.as_deref(), invocation).map_err(|error| match error {
                ChooseError::Refused { .. } => Refusal::new(error),
                ChooseError::NotNamed { .. } | ChooseError::NoSuch { .. } => Refusal::wrong_use(error),
            })?;
        let others: Vec<_> = candidates
            .iter()
            .filter(|other| other.iface.name != interface.name)
            .flat_map(|other| networks(&other.iface).map(|network| (other.iface.name.clone(), network)))
            .collect();
        // An address that a computer made up for want of another (RFC 3927) is none to serve from.
        let own: Vec<_> = networks(&interface).filter(|own| !own.address.is_link_local()).collect();
        let addressing =
            Addressing::settle(config.address, config.range, &own, &others).map_err(Refusal::new)?;
        if config.dhcp == Wish::Proxy && config.address.is_none() && addressing.add {
            let name = &interface.name;
            return Err(Refusal::new(format!(
                "{name} has no address, and with --dhcp proxy the other DHCP server gives them. Take one from it with\n\n    \
                 sudo dhclient {name}\n\nthen start pxego again; or name one of that network: --address 192.168.1.9/24"
            )));
        }
        Ok(Self { interface, addressing, others })
    }

    /// Checks that this process may do what serving here takes.
    ///
    /// # Errors
    /// When it may not, with the commands that help.
    pub(super) fn check_privileges(&self, invocation: &Invocation) -> Result<(), Refusal> {
        let changes_nothing = self.interface.up && !self.addressing.add;
        let needed: &[Capability] = if changes_nothing {
            &[Capability::NetRaw, Capability::NetBindService]
        } else {
            &Capability::ALL
        };
        privilege::check(needed, invocation).map_err(Refusal::new)
    }
}

fn networks(interface: &Interface) -> impl Iterator<Item = Cidr> {
    interface.ipv4.iter().map(|(address, prefix)| Cidr { address: *address, prefix: *prefix })
}

/// Everything that was taken. Dropping it gives it back.
pub(super) struct Claim {
    /// Whole frames of the interface.
    pub(super) raw: Arc<RawSocket>,
    /// The TFTP port.
    pub(super) tftp: UdpSocket,
    /// The HTTP port, on our address.
    pub(super) http: TcpListener,
    /// Ports that the raw socket answers for; none where it answers nobody.
    pub(super) held: Vec<HeldPort>,
    /// Where leases become durable.
    pub(super) journal: Journal,
    /// Where it is written down how far machines are.
    pub(super) machine_file: LeaseFile,
    /// What earlier runs wrote down of machines.
    pub(super) records: Vec<Record>,
    /// What earlier runs learnt about choosy firmware.
    pub(super) ladder: Ladder,
    /// The leases of earlier runs.
    pub(super) restored: Vec<LeaseRecord>,
    /// What was changed on the interface.
    pub(super) address: Arc<AddressGuard>,
}

/// What must be given back even when nobody waits for the end. Holds on to nothing: a refusal gives it back by dropping
/// the claim.
pub(super) type LastResort = Arc<OnceLock<Weak<AddressGuard>>>;

impl Claim {
    /// Takes everything, what changes this computer last; `last_resort` is told of that.
    ///
    /// # Errors
    /// When somebody else has a part of it, or the system refuses. What was taken before is given back.
    pub(super) fn take(place: &Place, config: &Config, last_resort: &LastResort) -> Result<Self, Refusal> {
        let name = &place.interface.name;
        let server = place.addressing.server;
        let state = StateDir::open(&config.state)
            .map_err(|error| Refusal::new(format!("{error}. Leases can be kept elsewhere: --state DIR")))?;
        let mut leases = state.lease_file().map_err(Refusal::new)?;
        let restored = restore(&mut leases).map_err(|error| {
            let path = state.path().display();
            Refusal::new(format!(
                "cannot read the leases in {path}: {error}. Keep them elsewhere: --state DIR"
            ))
        })?;
        let mut machine_file = state.machine_file().map_err(Refusal::new)?;
        let records = machine_file::restore(&mut machine_file).map_err(|error| {
            let path = state.path().display();
            Refusal::new(format!(
                "cannot read the machines in {path}: {error}. Keep them elsewhere: --state DIR"
            ))
        })?;
        let ladder = Ladder::restore(&journal::shapes(&state));
        let ports: &[u16] = if config.dhcp == Wish::Off { &[] } else { &[DHCP_SERVER_PORT, PXE_PORT] };
        let held = ports.iter().map(|port| hold(name, *port)).collect::<Result<_, _>>()?;
        let note = state.note(CHANGED);
        let left = Made::left(&note, &place.interface);
        // That an earlier run left it does not make it the interface's own.
        let own = (server.address, server.prefix);
        let wanted = (place.addressing.add || left.address == Some(own)).then_some(own);
        let address = AddressGuard::apply_noted(&place.interface, wanted, left, Some(note));
        let address = address.map_err(Refusal::new)?;
        let address = Arc::new(address);
        let _ = last_resort.set(Arc::downgrade(&address));
        let tftp = SocketAddrV4::new(server.address, TFTP_PORT);
        let tftp = ports::serve_udp(name, tftp).map_err(Refusal::new)?;
        let http = ports::listen_tcp(SocketAddrV4::new(server.address, config.http_port))
            .map_err(|error| Refusal::new(format!("{error}; or take another port: --http-port 8080")))?;
        let raw =
            Arc::new(RawSocket::open_with(&now(&place.interface), config.http_port).map_err(Refusal::new)?);
        let journal = Journal::new(state, leases);
        Ok(Self { raw, tftp, http, held, journal, machine_file, records, ladder, restored, address })
    }

    /// The sockets that are tied to the interface and must follow it when it is pulled and plugged in again.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(super) fn tied(&self) -> io::Result<Vec<OwnedFd>> {
        let held = self.held.iter().map(AsFd::as_fd);
        held.chain([self.tftp.as_fd()]).map(|socket| socket.try_clone_to_owned()).collect()
    }
}

/// The interface after it was changed.
fn now(before: &Interface) -> Interface {
    let all = iface::interfaces().unwrap_or_default();
    all.into_iter().find(|it| it.index == before.index).unwrap_or_else(|| before.clone())
}

fn hold(interface: &str, port: u16) -> Result<HeldPort, Refusal> {
    ports::hold_udp(interface, port).map_err(Refusal::new)
}

/// Reads the leases of earlier runs, and shortens the file when most of it is outdated.
fn restore(leases: &mut LeaseFile) -> io::Result<Vec<LeaseRecord>> {
    let (records, bad) = lease::parse_lines(&leases.read_all()?);
    for line in bad.iter().take(BAD_LINES_TOLD) {
        log::warn!("lease file, {line}; it is left out");
    }
    if bad.len() > BAD_LINES_TOLD {
        log::warn!("lease file: {} more lines that are left out", bad.len().saturating_sub(BAD_LINES_TOLD));
    }
    let latest = lease::latest(&records);
    if records.len() > latest.len().saturating_mul(2) || !bad.is_empty() {
        let lines: Vec<String> = latest.iter().map(LeaseRecord::to_line).collect();
        // A full disk: it stays long for now.
        if let Err(error) = leases.compact(lines.iter().map(|line| line.trim_end())) {
            log::warn!("the lease file cannot be made shorter: {error}");
        }
    }
    Ok(latest)
}
