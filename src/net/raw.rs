//! The raw socket: whole Ethernet frames of one interface, DHCP and ARP only.
//!
//! An `AF_PACKET` socket sees DHCP before any address is set, whatever the firewall drops, and can answer a
//! machine that has no address yet. Three things make it quiet: a kernel filter attached *before* the socket is
//! bound (until then it receives nothing, so nothing foreign is ever queued), own outgoing frames ignored, and
//! waiting in poll(2) only.
//!
//! `pnet_datalink` lists the interfaces ([`super::iface`]) but does not carry the frames. It would take our
//! descriptor, but its `next()` returns an error at once, 2.6 million times in 2.5 s, while the link is down,
//! and for ever once the interface has gone (measured with 0.35); and it hides the auxiliary data that says
//! that a checksum is not filled in yet. The same work with recvmsg(2) is a page.
//!
//! The interface may go down, lose its carrier, vanish and return under its name (a USB adapter): the socket
//! says so ([`RawEvent`]) and goes on, or is opened anew. Changes are heard over netlink, not polled for.
//!
//! Sources: packet(7), `linux/filter.h`, `net/packet/af_packet.c` (`packet_notifier`).

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::iface::{Interface, Reason};
use super::netlink::{Link, LinkWatch, Netlink};
use super::signals::Stop;
use super::{packet_filter, sys};
use crate::wire::MacAddr;

/// Receive buffer in bytes: some 5,000 DHCP messages, a room full of machines switched on at once.
const RECEIVE_BUFFER: usize = 4 << 20;
/// 224.0.1.2, where PXE clients look for boot servers (PXE 2.1 §2.2.3), as an Ethernet group (RFC 1112 §6.4).
const PXE_DISCOVERY_GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x01, 0x02];
/// ff02::2, where machines ask for an IPv6 router, as an Ethernet group (RFC 2464 §7).
const ALL_ROUTERS_GROUP: [u8; 6] = [0x33, 0x33, 0x00, 0x00, 0x00, 0x02];
/// `ETH_P_ALL`: taps of one EtherType come after the bridge and bond hooks, these before.
const EVERY_ETHERTYPE: u16 = libc::ETH_P_ALL as u16;
/// `TP_STATUS_CSUMNOTREADY`.
const CHECKSUM_NOT_READY: u32 = 1 << 3;
/// How often, and after what pause, a frame is offered again to a queue that is full.
const SEND_ATTEMPTS: u32 = 10;
const SEND_PAUSE: Duration = Duration::from_millis(2);
/// Pause after an error nobody expects, so that it cannot be returned a million times a second.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

/// A raw socket on one interface. One thread receives; any number send.
#[derive(Debug)]
pub struct RawSocket {
    name: String,
    http_port: u16,
    socket: RwLock<Arc<Socket>>,
    netlink: Netlink,
    watch: LinkWatch,
    state: Mutex<State>,
    drops: AtomicU64,
    truncated: AtomicU64,
}

/// The interface as it was last seen, and what is to be told about it.
#[derive(Debug, Default)]
struct State {
    link: LinkState,
    events: std::collections::VecDeque<RawEvent>,
    /// Looking failed, so look again.
    stale: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum LinkState {
    #[default]
    Gone,
    /// Our interface lives on under this name.
    Renamed(String),
    Present {
        up: bool,
        carrier: bool,
    },
}

/// What [`RawSocket::recv`] came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The time has passed, or it is time to stop.
    Nothing,
    /// A frame is in the buffer.
    Frame(ReceivedFrame),
    /// Something happened to the interface. Go on receiving.
    Event(RawEvent),
}

/// A frame in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// Bytes from the destination address to the end of the payload, without the frame check sequence.
    pub len: usize,
    /// False when the sender left the UDP checksum to hardware that a virtual link does not have: the field
    /// holds a partial sum and must not be verified (`TP_STATUS_CSUMNOTREADY`, packet(7)).
    pub checksum_ready: bool,
}

/// What happened to the interface; shown as the end of "eth0: …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawEvent {
    /// Somebody has switched the interface off; nothing arrives until it is on again.
    Down,
    /// Switched on again.
    Up,
    /// The cable is out, or the other side has no power.
    CarrierLost,
    /// There is a link again. A switch with spanning tree may still hold frames back for 30 s.
    CarrierBack,
    /// The interface does not exist any more (a USB adapter pulled out).
    Gone,
    /// The interface has another name now and is still served.
    Renamed {
        /// Its new name.
        to: String,
    },
    /// An interface of the name exists again, and the socket is open on it.
    Reopened {
        /// Its number.
        index: u32,
        /// Its Ethernet address, which may be another one.
        mac: Option<MacAddr>,
    },
}

impl fmt::Display for RawEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("switched off; waiting until it is on again"),
            Self::Up => f.write_str("switched on"),
            Self::CarrierLost => f.write_str("no link: is the cable in, and the other side powered?"),
            Self::CarrierBack => f.write_str("link is up"),
            Self::Gone => f.write_str("the interface has gone; waiting for one of this name"),
            Self::Renamed { to } => write!(f, "the interface is called {to} now; serving it still"),
            Self::Reopened { .. } => f.write_str("the interface is back; serving it again"),
        }
    }
}

/// Why the socket could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Without CAP_NET_RAW.
    NotPermitted,
    /// Such an interface cannot serve.
    Refused {
        /// Its name.
        interface: String,
        /// Why.
        reason: Reason,
    },
    /// No interface of that name or number.
    NoSuchInterface(String),
    /// The system refused something else.
    System {
        /// What was being done, as the end of "cannot …".
        step: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted => f.write_str("no permission to open a raw socket (CAP_NET_RAW)"),
            Self::Refused { interface, reason } => write!(f, "{interface} cannot serve: {reason}"),
            Self::NoSuchInterface(name) => write!(f, "there is no interface {name} any more"),
            Self::System { step, error } => write!(f, "cannot {step}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl RawSocket {
    /// Opens the socket on `interface`, which may be down or without a link. Needs CAP_NET_RAW.
    ///
    /// # Errors
    /// See [`OpenError`]; members of a bridge or bond, loopbacks and tunnels are refused.
    pub fn open(interface: &Interface) -> Result<Self, OpenError> {
        Self::open_with(interface, 0)
    }

    /// The same; who begins a connection to our `http_port` is seen too, whatever a firewall does with it.
    ///
    /// # Errors
    /// As [`RawSocket::open`].
    pub fn open_with(interface: &Interface, http_port: u16) -> Result<Self, OpenError> {
        if let Some(reason) = interface.reason().filter(Reason::refuses) {
            return Err(OpenError::Refused { interface: interface.name.clone(), reason });
        }
        let watch = LinkWatch::open().map_err(step("listen for link changes"))?;
        let netlink = Netlink::open().map_err(step("ask for the links"))?;
        let socket = open_packet_socket(interface.index, &interface.name, http_port)?;
        let link = LinkState::Present { up: interface.up, carrier: interface.carrier };
        Ok(Self {
            name: interface.name.clone(),
            http_port,
            socket: RwLock::new(Arc::new(socket)),
            netlink,
            watch,
            // The facts may be old: the first thing to do is to look.
            state: Mutex::new(State { link, stale: true, ..State::default() }),
            drops: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
        })
    }

    /// The interface's name, as it was opened.
    pub fn interface_name(&self) -> &str {
        &self.name
    }

    /// Waits for a frame, at most `timeout` or until `stop` is set, and puts it into `buffer`.
    ///
    /// A frame longer than `buffer` is thrown away and counted; 2,048 bytes hold every frame of a 1,500 byte
    /// link. While the interface is down or away, this waits like at any other time.
    ///
    /// # Errors
    /// Something unforeseen that the system says; calling again is allowed, and does not spin.
    pub fn recv(&self, buffer: &mut [u8], timeout: Duration, stop: &Stop) -> io::Result<Received> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.next_event()? {
                return Ok(Received::Event(event));
            }
            if stop.is_set() {
                return Ok(Received::Nothing);
            }
            let socket = self.current();
            match sys::receive_packet(socket.as_fd(), buffer) {
                Ok((len, _)) if len > buffer.len() => {
                    self.truncated.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok((len, status)) => {
                    let checksum_ready = status & CHECKSUM_NOT_READY == 0;
                    return Ok(Received::Frame(ReceivedFrame { len, checksum_ready }));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {}
                // Told once when the interface goes down or away; then silence until it is back.
                Err(error) if is_link_error(&error) => {
                    self.mark_stale();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    stop.wait(ERROR_PAUSE);
                    return Err(error);
                }
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(Received::Nothing);
            }
            let [_, link_changed, _] =
                sys::wait_readable([socket.as_fd(), self.watch.fd(), stop.fd()], left)?;
            if link_changed {
                self.watch.drain();
                self.mark_stale();
            }
        }
    }

    /// Sends one whole frame, from the destination address on, without the frame check sequence.
    ///
    /// A full queue is waited for, at most [`SEND_ATTEMPTS`] × [`SEND_PAUSE`].
    ///
    /// # Errors
    /// `NetworkDown` or `ENXIO` while the interface is down or away; `EMSGSIZE` for a frame that is too long.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        let socket = self.current();
        send_patiently(
            || socket.send_with_flags(frame, libc::MSG_DONTWAIT),
            |error| {
                if error.raw_os_error() == Some(libc::ENOBUFS) {
                    // The interface's queue is full; nothing tells when it is not.
                    std::thread::sleep(SEND_PAUSE);
                } else {
                    let _ = sys::wait_writable(socket.as_fd(), SEND_PAUSE);
                }
            },
        )
    }

    /// What the socket has lost so far.
    pub fn statistics(&self) -> Statistics {
        let fresh = sys::take_packet_drops(self.current().as_fd()).unwrap_or(0);
        let dropped =
            self.drops.fetch_add(u64::from(fresh), Ordering::Relaxed).saturating_add(u64::from(fresh));
        Statistics { dropped, truncated: self.truncated.load(Ordering::Relaxed) }
    }

    fn current(&self) -> Arc<Socket> {
        self.socket.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark_stale(&self) {
        self.state().stale = true;
    }

    /// The next thing to tell, after looking at the interface if it may have changed.
    fn next_event(&self) -> io::Result<Option<RawEvent>> {
        let mut state = self.state();
        if state.stale {
            state.stale = false;
            let links = self.netlink.links()?;
            let bound = sys::bound_interface(self.current().as_fd());
            let link = if let Some(found) = links.iter().find(|link| link.name == self.name) {
                if bound != Some(found.index) && self.reopen(found)? {
                    state.events.push_back(RawEvent::Reopened { index: found.index, mac: found.mac });
                    // Told anew from here: it is another interface.
                    state.link = LinkState::Present { up: true, carrier: true };
                }
                LinkState::Present { up: found.is_up(), carrier: found.has_carrier() }
            } else {
                let renamed = links.into_iter().find(|link| Some(link.index) == bound);
                renamed.map_or(LinkState::Gone, |link| LinkState::Renamed(link.name))
            };
            let events = changes(&state.link, &link);
            state.events.extend(events);
            state.link = link;
        }
        Ok(state.events.pop_front())
    }

    /// Whether it is open on the new interface; not when that one has gone again meanwhile.
    fn reopen(&self, link: &Link) -> io::Result<bool> {
        let socket = match open_packet_socket(link.index, &self.name, self.http_port) {
            Ok(socket) => socket,
            Err(OpenError::NoSuchInterface(_)) => return Ok(false),
            Err(OpenError::System { error, .. }) => return Err(error),
            Err(error) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, error)),
        };
        self.statistics();
        *self.socket.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(socket);
        Ok(true)
    }
}

/// Frames lost since the socket was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// The receive buffer was full (`tp_drops`).
    pub dropped: u64,
    /// Longer than the buffer given to [`RawSocket::recv`].
    pub truncated: u64,
}

fn open_packet_socket(index: u32, name: &str, http_port: u16) -> Result<Socket, OpenError> {
    // Protocol 0: receives nothing until it is bound.
    let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(step("open a raw socket"))?;
    socket
        .attach_filter(&packet_filter::dhcp_and_arp(http_port))
        .map_err(step("attach the packet filter"))?;
    let fd = socket.as_fd();
    // The filter refuses outgoing frames too; this saves running it for every byte served (Linux 4.20).
    let _ = sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1);
    sys::set_option(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA, 1)
        .map_err(step("ask for checksum states"))?;
    // With CAP_NET_ADMIN beyond the system's limit, else up to it.
    if sys::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BUFFER as i32).is_err() {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    sys::bind_packet(fd, index, EVERY_ETHERTYPE).map_err(|error| match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => OpenError::NoSuchInterface(name.to_owned()),
        _ => OpenError::System { step: "bind the raw socket", error },
    })?;
    // Discovery by multicast is rare; an adapter that cannot filter groups hears them all anyway.
    let _ = sys::join_ethernet_group(fd, index, PXE_DISCOVERY_GROUP);
    let _ = sys::join_ethernet_group(fd, index, ALL_ROUTERS_GROUP);
    Ok(socket)
}

fn step(step: &'static str) -> impl Fn(io::Error) -> OpenError {
    move |error| match error.kind() {
        io::ErrorKind::PermissionDenied => OpenError::NotPermitted,
        _ => OpenError::System { step, error },
    }
}

fn is_link_error(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV))
}

/// What to tell when the interface looks like `new` and looked like `old`.
fn changes(old: &LinkState, new: &LinkState) -> Vec<RawEvent> {
    use LinkState::{Gone, Present, Renamed};
    match (old, new) {
        _ if old == new => vec![],
        (_, Gone) => vec![RawEvent::Gone],
        (_, Renamed(to)) => vec![RawEvent::Renamed { to: to.clone() }],
        (Present { up: true, .. }, Present { up: false, .. }) => vec![RawEvent::Down],
        // The carrier says nothing while the interface is off.
        (Present { up: false, .. }, Present { up: false, .. }) => vec![],
        (Present { up: false, .. }, Present { up: true, carrier }) => {
            let lost = (!carrier).then_some(RawEvent::CarrierLost);
            [RawEvent::Up].into_iter().chain(lost).collect()
        }
        (Present { .. }, Present { carrier: true, .. }) => vec![RawEvent::CarrierBack],
        (Present { .. }, Present { carrier: false, .. }) => vec![RawEvent::CarrierLost],
        // Named back again, the socket never having been closed.
        (Gone | Renamed(_), Present { up, .. }) => vec![if *up { RawEvent::Up } else { RawEvent::Down }],
    }
}

/// Tries again while the queue is full, with `pause` between.
fn send_patiently(
    mut attempt: impl FnMut() -> io::Result<usize>,
    mut pause: impl FnMut(&io::Error),
) -> io::Result<()> {
    let mut left = SEND_ATTEMPTS;
    loop {
        left = left.saturating_sub(1);
        match attempt() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if left > 0 && is_full(&error) => pause(&error),
            Err(error) => return Err(error),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l18_a_full_queue_is_tried_again_and_then_reported() {
        let full = |errno| move || Err(io::Error::from_raw_os_error(errno));
        for errno in [libc::ENOBUFS, libc::EAGAIN] {
            let mut pauses = 0;
            let error = send_patiently(full(errno), |_| pauses += 1).unwrap_err();
            assert_eq!((error.raw_os_error(), pauses), (Some(errno), SEND_ATTEMPTS - 1));
        }
        let mut answers = [full(libc::ENOBUFS)(), full(libc::EAGAIN)(), Ok(60)].into_iter();
        send_patiently(|| answers.next().unwrap(), |_| ()).unwrap();
        let mut pauses = 0;
        assert!(send_patiently(full(libc::ENETDOWN), |_| pauses += 1).is_err());
        assert_eq!(pauses, 0, "waiting does not switch an interface on");
    }

    #[test]
    fn each_change_is_told_once() {
        use LinkState::{Gone, Present, Renamed};
        let on = Present { up: true, carrier: true };
        let unplugged = Present { up: true, carrier: false };
        let off = Present { up: false, carrier: false };
        let renamed = Renamed("lan0".into());
        for (old, new, told) in [
            (&on, &on, &[][..]),
            (&on, &off, &[RawEvent::Down]),
            (&off, &on, &[RawEvent::Up]),
            (&off, &unplugged, &[RawEvent::Up, RawEvent::CarrierLost]),
            (&on, &unplugged, &[RawEvent::CarrierLost]),
            (&unplugged, &on, &[RawEvent::CarrierBack]),
            (&on, &Gone, &[RawEvent::Gone]),
            (&off, &Gone, &[RawEvent::Gone]),
            (&on, &renamed, &[RawEvent::Renamed { to: "lan0".into() }]),
            (&renamed, &Gone, &[RawEvent::Gone]),
            (&renamed, &on, &[RawEvent::Up]),
        ] {
            assert_eq!(changes(old, new), told, "{old:?} -> {new:?}");
        }
    }
}
