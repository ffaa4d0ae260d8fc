//! The raw socket's thread: asks who serves this wire, plays the part that is left, and keeps watching.
//!
//! It never waits for the disk: what has to be durable before an answer leaves goes to the disk thread together with that
//! answer.

mod answer;
mod hear;
mod part;
mod post;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chronicle::Chronicle;
use super::desk::Desk;
use super::knocks::Knocks;
use super::losses::Losses;
use super::outlet::Outlet;
use super::scribe::Tally;
use super::solicited::Solicited;
use super::sweep::Sweep;
use crate::boot::boot_file::BootInfo;
use crate::dhcp::conflict::Checks;
use crate::dhcp::counters::Counters;
use crate::dhcp::probe::ForeignServer;
use crate::dhcp::reaction::{Port, Reply};
use crate::dhcp::server::Server;
use crate::dhcp::watch::{Watch, Wish};
use crate::dhcp::{Now, destination::Destination};
use crate::event::What;
use crate::net::address::AddressGuard;
use crate::net::clock;
use crate::net::precedence;
use crate::net::raw::{self, RawSocket};
use crate::net::signals::{ReportSignal, Stop};

use crate::wire::MacAddr;
use crate::wire::dhcp::Message;

/// Most machines that are remembered while we ask; they are answered when we know.
const MAX_WAITING: usize = 256;

/// Most messages that wait until it is known whether an address is in use.
const MAX_CHECKING: usize = 4096;

/// Most computers with our own address that are told of, and most relays.
const MAX_RIVALS: usize = 8;
const MAX_RELAYS: usize = 8;

/// Frames that are taken before the clock and the others are looked at again.
const BATCH: usize = 128;

/// The longest wait for a frame; the stop flag ends it earlier.
const IDLE: Duration = Duration::from_secs(1);

/// Room for the frame of a link with a 1,500 byte MTU.
const FRAME_LEN: usize = 2048;

/// What the thread works with.
pub(super) struct DhcpLoop {
    /// The raw socket.
    pub(super) raw: Arc<RawSocket>,
    /// Our Ethernet address.
    pub(super) mac: MacAddr,
    /// Our address.
    pub(super) ip: Ipv4Addr,
    /// The DHCP server's state.
    pub(super) server: Server,
    /// What each client boots.
    pub(super) boot: Box<dyn BootInfo + Send>,
    /// Where answers leave.
    pub(super) outlet: Arc<Outlet>,
    /// Where leases and what was learnt become durable, and the answers wait that need it.
    pub(super) desk: Desk,
    /// What the disk thread counts.
    pub(super) tally: Arc<Tally>,
    /// What was changed on the interface, to be changed again when it comes back.
    pub(super) address: Arc<AddressGuard>,
    /// Sockets that are tied to the interface, and must be tied again when it comes back.
    pub(super) tied: Vec<OwnedFd>,
    /// Who hears of it.
    pub(super) chronicle: Arc<Chronicle>,
    /// Told once, when it is clear that we may answer.
    pub(super) ready: What,
    /// What another server has to be told about us where DHCP is off.
    pub(super) advice: String,
    /// The part that the user wants us to play.
    pub(super) wish: Wish,
    /// How long an offer beside another server's is held back.
    pub(super) reply_delay: Duration,
    /// The port of our HTTP server.
    pub(super) http_port: u16,
    /// Asks for the counters.
    pub(super) report: ReportSignal,
    /// The transaction id of our questions.
    pub(super) xid: u32,
}

/// What is known of the link when the thread starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkAtStart {
    /// Whether there is one.
    pub(super) is_there: bool,
    /// Whether we switched it on.
    pub(super) is_fresh: bool,
}

/// A request kept until it may be answered.
struct Held {
    message: Message,
    src_mac: MacAddr,
    src_ip: Ipv4Addr,
    src_port: u16,
    dst_ip: Ipv4Addr,
    port: Port,
}

/// The loop with what changes while it runs.
struct Running<'a> {
    given: DhcpLoop,
    link: LinkAtStart,
    stop: &'a Stop,
    started: Instant,
    watch: Watch,
    checks: Checks,
    sweep: Sweep,
    solicited: Solicited,
    counters: Counters,
    knocks: Knocks,
    losses: Losses,
    /// Requests that came before it was clear who serves this wire.
    waiting: HashMap<MacAddr, Held>,
    /// Requests that wait until it is known whether the address for them is in use.
    checking: HashMap<Ipv4Addr, Vec<Held>>,
    /// Answers that are held back, with the time at which they go.
    late: VecDeque<(Duration, Reply)>,
    /// Computers that use our own address, and were told of; and cards of ours that speak for it.
    rivals: HashSet<MacAddr>,
    /// Relays that ask for a network without a pool, and were told of.
    relays: HashSet<Ipv4Addr>,
    is_ready_told: bool,
    ip_id: u16,
    frame: Vec<u8>,
}

impl DhcpLoop {
    /// Serves until `stop` is set. Returns the other DHCP server, if we are not to be beside it: then nobody was answered
    /// by us.
    pub(super) fn run(self, link: LinkAtStart, stop: &Stop) -> Option<ForeignServer> {
        let running = Running {
            watch: Watch::new(self.wish, link.is_there, link.is_fresh, Duration::ZERO),
            given: self,
            link,
            stop,
            started: clock::now(),
            checks: Checks::default(),
            sweep: Sweep::default(),
            solicited: Solicited::default(),
            counters: Counters::default(),
            knocks: Knocks::default(),
            losses: Losses::default(),
            waiting: HashMap::new(),
            checking: HashMap::new(),
            late: VecDeque::new(),
            rivals: HashSet::new(),
            relays: HashSet::new(),
            is_ready_told: false,
            ip_id: 0,
            frame: Vec::with_capacity(FRAME_LEN),
        };
        running.run()
    }
}

impl Running<'_> {
    fn run(mut self) -> Option<ForeignServer> {
        if self.given.wish != Wish::Off {
            self.tell_that_we_ask();
        }
        let mut buffer = vec![0; FRAME_LEN];
        precedence::go_ahead();
        while !self.stop.is_set() {
            if let Some(foreign) = self.do_what_is_due() {
                return Some(foreign);
            }
            let mut timeout = self.idle_time();
            for _ in 0..BATCH {
                match self.given.raw.recv(&mut buffer, timeout, self.stop) {
                    Ok(raw::Received::Nothing) => break,
                    Ok(raw::Received::Event(event)) => self.link_changed(&event),
                    Ok(raw::Received::Frame(frame)) => {
                        if let Some(foreign) = self.received(&buffer, frame) {
                            return Some(foreign);
                        }
                    }
                    Err(error) => {
                        self.note("link", "error", || format!("raw socket: {error}"));
                        break;
                    }
                }
                timeout = Duration::ZERO;
            }
        }
        self.tell_counters();
        None
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }

    fn now(&self) -> Now {
        Now { monotonic: self.elapsed(), unix_secs: clock::unix_seconds() }
    }

    fn idle_time(&self) -> Duration {
        let elapsed = self.elapsed();
        let sweep = self.is_sweeping().then_some(self.sweep.next());
        let late = self.late.front().map(|(due, _)| *due);
        let next = [self.watch.deadline(), self.checks.deadline(), sweep, late].into_iter().flatten().min();
        next.map_or(IDLE, |at| at.saturating_sub(elapsed).min(IDLE))
    }

    /// Questions to the wire, probes of addresses, and what others asked us to do.
    fn do_what_is_due(&mut self) -> Option<ForeignServer> {
        let actions = self.watch.due(self.elapsed());
        let refused = self.act(actions);
        self.check_addresses();
        self.send_late();
        for mac in self.given.chronicle.take_loaded() {
            if let Some(shape) = self.given.server.on_loader_fetched(mac) {
                self.given.desk.keep_shapes(self.given.server.ladder().to_lines());
                self.given.chronicle.tell_of(mac, None, What::Adapted { shape: shape.key() });
            }
        }
        if self.given.report.came() {
            self.tell_counters();
        }
        self.tell_of_losses();
        refused
    }

    fn tell_of_losses(&mut self) {
        let now = self.elapsed();
        if !self.losses.is_time(now) {
            return;
        }
        let lost = self.given.raw.statistics().dropped;
        if let Some(fresh) = self.losses.news(lost, now) {
            self.warn(format!(
                "{fresh} frames were lost before they could be read: a flood on this wire, or this computer was held up. \
                 Machines ask again; if it goes on, see what floods with \"sudo tcpdump -ni {} port 67 or arp\"",
                self.given.raw.interface_name()
            ));
        }
    }

    /// Counts something, and says it where diagnostics are wanted: once a second for each cause.
    fn note(&mut self, group: &'static str, cause: &'static str, text: impl FnOnce() -> String) {
        let now = self.elapsed();
        if self.counters.count(group, cause, now) {
            log::debug!("{}", text());
        }
    }

    fn warn(&self, text: String) {
        self.given.chronicle.tell(What::Warning { text });
    }

    fn tell_counters(&mut self) {
        let lost = self.given.raw.statistics();
        let mut counts = self.counters.list();
        counts.extend([
            ("lost.buffer-full".to_owned(), lost.dropped),
            ("lost.too-long".to_owned(), lost.truncated),
        ]);
        counts.extend(self.given.tally.list());
        counts.push(("events.untold".to_owned(), self.given.chronicle.untold()));
        self.given.chronicle.tell(What::Counters { counts });
    }
}

/// To every DHCP server on this wire.
const TO_SERVERS: Destination = Destination { mac: MacAddr::BROADCAST, ip: Ipv4Addr::BROADCAST, port: 67 };
