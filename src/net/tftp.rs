//! The TFTP server's loop: one thread, one epoll(7), a port for each transfer (RFC 1350 §4) or one for all.

mod cache;
mod flight;
mod table;

use std::io;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::datagram::Inbox;
use super::epoll::{Epoll, Ready, Wake};
use super::signals::Stop;
use super::{clock, sys};
use crate::content::networks::Networks;
use crate::content::{Content, Found, Library, Observer, Outcome, Protocol, Request, Role, Transfer};
use crate::tftp::netascii;
use crate::tftp::request::{Mode, Wish};
use crate::tftp::timers::Timers;
use crate::tftp::transfer::RollOver;
use crate::wire::tftp::{self, ErrorCode, Packet};
use flight::{Ended, Flight, Port, Tools};
use table::Table;

/// Longest file sent as text: the configurations that telephones and switches fetch.
const MAX_TEXT: u64 = 1 << 20;

/// Longest request: name, mode and options fit one packet of 512 bytes, but for absurd names.
const REQUEST_LEN: usize = 2048;

/// Packets taken from the request port before the transfers have their turn again.
const REQUESTS_PER_TURN: usize = 32;

/// Nothing happens for so long: the wait wants a number.
const IDLE: Duration = Duration::from_secs(60);

/// Pause after an error nobody expects, so that it cannot come a million times a second.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

/// Numbers for epoll: what is no transfer, and what is added to a transfer's.
const STOP: u64 = 0;
const REQUESTS: u64 = 1;
const FIRST: u64 = 2;

/// Where and whom to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TftpConfig {
    /// Who is answered, and our own address.
    pub networks: Networks,
    /// The interface that transfers are tied to.
    pub interface: Option<String>,
    /// Its largest payload of a frame, in bytes.
    pub mtu: u32,
    /// Whether all transfers go from the request port, for firewalls that let through no other.
    pub single_port: bool,
    /// What follows block 65535.
    pub roll_over: RollOver,
}

/// Serves what arrives on `socket`, a UDP port of ours, until `stop` is set.
///
/// # Errors
/// When the system has nothing left to wait with, from the beginning.
pub fn serve(
    socket: &UdpSocket,
    config: &TftpConfig,
    library: &Arc<dyn Library>,
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    never_fragment(socket)?;
    let epoll = Epoll::new()?;
    epoll.add(stop.fd(), STOP, Wake::Readable)?;
    epoll.add(socket.as_fd(), REQUESTS, Wake::Readable)?;
    let mut server = Server {
        config,
        library,
        observer,
        socket,
        epoll,
        inbox: Inbox::new(REQUESTS_PER_TURN, REQUEST_LEN),
        table: Table::default(),
        timers: Timers::default(),
        tools: Tools::default(),
        start: clock::now(),
    };
    let mut ready = Ready::default();
    while !stop.is_set() {
        if let Err(error) = server.turn(&mut ready) {
            log::warn!("TFTP: {error}");
            stop.wait(ERROR_PAUSE);
        }
    }
    Ok(())
}

struct Server<'a> {
    config: &'a TftpConfig,
    library: &'a Arc<dyn Library>,
    observer: &'a Arc<dyn Observer>,
    socket: &'a UdpSocket,
    epoll: Epoll,
    inbox: Inbox,
    table: Table<'a>,
    timers: Timers,
    tools: Tools,
    start: Instant,
}

impl<'a> Server<'a> {
    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// Waits, and does what there is to do.
    fn turn(&mut self, ready: &mut Ready) -> io::Result<()> {
        let patience = self.patience();
        let numbers = self.epoll.wait_at_most(ready, patience)?;
        // What has come until now is looked at before any time is up: a busy computer is no silent client.
        let now = self.now();
        let mut result = Ok(());
        for number in numbers {
            match number {
                STOP => {}
                REQUESTS => result = self.take_requests(now),
                number => self.take_packets((number - FIRST) as usize, now),
            }
        }
        while let Some(number) = self.timers.due(now) {
            if let Some(flight) = self.table.get_mut(number) {
                flight.on_time(now, &mut self.tools);
                self.settle(number);
            }
        }
        result
    }

    /// How long nothing needs to be done.
    fn patience(&self) -> Duration {
        let next = self.timers.next();
        next.map_or(IDLE, |deadline| deadline.saturating_sub(self.now()).min(IDLE))
    }

    fn take_packets(&mut self, number: usize, now: Duration) {
        if let Some(flight) = self.table.get_mut(number) {
            flight.take_packets(now, &mut self.tools);
            self.settle(number);
        }
    }

    fn take_requests(&mut self, now: Duration) -> io::Result<()> {
        // Taken out, so that the packets in it can be read while transfers change.
        let mut inbox = std::mem::replace(&mut self.inbox, Inbox::new(0, REQUEST_LEN));
        let received = inbox.receive(self.socket.as_fd());
        if received.is_ok() {
            for number in 0..inbox.len() {
                let (bytes, peer) = inbox.get(number);
                match self.config.networks.admit(peer) {
                    Ok(()) => self.on_packet(bytes, peer, now),
                    Err(reason) => log::debug!("TFTP packet from {peer} ignored: {reason:?}"),
                }
            }
        }
        self.inbox = inbox;
        match received {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Something came to the request port.
    fn on_packet(&mut self, bytes: &[u8], peer: SocketAddrV4, now: Duration) {
        match Packet::parse(bytes) {
            Ok(Packet::Read(request)) => match Wish::from_request(&request, self.config.mtu) {
                Ok(wish) => self.on_read(&wish, bytes.len(), peer, now),
                Err(rejected) => {
                    let (code, text) = rejected.to_error();
                    self.refuse(peer, request.name, code, &text, Outcome::Failed(text.clone()));
                }
            },
            Ok(Packet::Write) => {
                let text = "nothing can be written here";
                self.refuse(peer, b"", ErrorCode::AccessViolation, text, Outcome::Failed(text.to_owned()));
            }
            // An ERROR is never answered; acknowledgements here are of transfers long over.
            Ok(other) => {
                let number = self.table.of_peer(peer);
                match number.and_then(|number| self.table.get_mut(number)).zip(number) {
                    Some((flight, number)) if flight.own_socket().is_none() => {
                        flight.on_packet(bytes, now, &mut self.tools);
                        self.settle(number);
                    }
                    _ => log::debug!("{peer}: {other:?} to the request port"),
                }
            }
            Err(reason) => log::debug!("{peer}: not a TFTP packet: {reason}"),
        }
    }

    fn on_read(&mut self, wish: &Wish, request_len: usize, peer: SocketAddrV4, now: Duration) {
        if let Some(number) = self.table.of_peer(peer) {
            // Its last word about the file before may have come to the other port a moment ago.
            self.take_packets(number, now);
        }
        if let Some(number) = self.table.of_peer(peer)
            && let Some(flight) = self.table.get_mut(number)
        {
            if flight.is_same_wish(wish) {
                flight.on_repeated_request(now, &mut self.tools);
                return self.settle(number);
            }
            // The client has started again from the same port.
            let outcome = match flight.is_lingering() {
                true => Outcome::Done,
                false => Outcome::Aborted("the client asked anew".to_owned()),
            };
            self.end(number, outcome);
        }
        match self.table.has_room(*peer.ip()) {
            Ok(()) => {}
            // Whoever sent that request was never heard again: it came to nothing, like a probe.
            Err(Some(number)) => self.end(number, Outcome::Probe),
            Err(None) => {
                let text = "too many transfers at once; try again";
                let outcome = Outcome::Failed(text.to_owned());
                return self.refuse(peer, &wish.name, ErrorCode::Undefined, text, outcome);
            }
        }
        let request = Request { name: &wish.name, peer: *peer.ip(), protocol: Protocol::Tftp, serial: None };
        match self.library.find(&request) {
            Found::Content(content) if content.absence().is_some() => {
                let text = content.absence().map(|absence| absence.to_string()).unwrap_or_default();
                self.refuse(peer, &wish.name, ErrorCode::Undefined, &text, Outcome::Unavailable);
            }
            Found::Content(content) => self.begin((wish, request_len), content, peer, now),
            Found::Directory(_) | Found::Missing => {
                let text = format!("{} is not here", String::from_utf8_lossy(&wish.name));
                self.refuse(peer, &wish.name, ErrorCode::NotFound, &text, Outcome::Missing);
            }
        }
    }

    fn begin(
        &mut self,
        (wish, request_len): (&Wish, usize),
        content: Content,
        peer: SocketAddrV4,
        now: Duration,
    ) {
        let role = content.role;
        let roll_over = self.config.roll_over;
        let begun = as_sent(content, wish.mode).and_then(|content| {
            let port = self.port();
            let (flight, first) = Flight::begin(port, peer, (wish, request_len), content, roll_over, now);
            let number = self.table.insert(flight);
            let flight = self.table.get_mut(number).ok_or(io::ErrorKind::NotFound)?;
            if let Some(socket) = flight.own_socket()
                && let Err(error) = self.epoll.add(socket.as_fd(), FIRST + number as u64, Wake::Readable)
            {
                self.table.remove(number);
                return Err(error);
            }
            flight.carry_out(first, &mut self.tools);
            Ok(number)
        });
        match begun {
            Ok(number) => self.settle(number),
            Err(error) => {
                let text = format!("cannot be sent: {error}");
                let outcome = Outcome::Failed(text.clone());
                self.refuse_role(peer, &wish.name, ErrorCode::Undefined, &text, outcome, Some(role));
            }
        }
    }

    /// Where a new transfer leaves. The request port has to do when there is no other, as without descriptors.
    fn port(&self) -> Port<'a> {
        if self.config.single_port {
            return Port::Shared(self.socket);
        }
        self.open_port().map_or_else(
            |error| {
                log::warn!("TFTP: cannot open a port: {error}");
                Port::Shared(self.socket)
            },
            Port::Own,
        )
    }

    /// A port of its own on our address, tied to the interface.
    fn open_port(&self) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        if let Some(interface) = &self.config.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddrV4::new(self.config.networks.server, 0).into())?;
        let socket = socket.into();
        never_fragment(&socket)?;
        Ok(socket)
    }

    /// Tells what became of a transfer, and forgets it when it is over.
    fn settle(&mut self, number: usize) {
        let Some(flight) = self.table.get_mut(number) else { return };
        if flight.begins_now() {
            self.observer.started(*flight.peer().ip(), Protocol::Tftp, flight.name(), flight.role());
        }
        let outcome = match flight.ended() {
            None => return self.timers.set(number, flight.deadline()),
            Some(Ended::Done) => Outcome::Done,
            Some(Ended::Probe) => Outcome::Probe,
            Some(Ended::Aborted(reason)) => Outcome::Aborted(reason.clone()),
            Some(Ended::Failed(reason)) => Outcome::Failed(reason.clone()),
        };
        self.end(number, outcome);
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.timers.forget(number);
        let Some(flight) = self.table.remove(number) else { return };
        self.observer.ended(&Transfer {
            peer: *flight.peer().ip(),
            protocol: Protocol::Tftp,
            name: flight.name(),
            role: Some(flight.role()),
            sent: flight.confirmed(),
            outcome,
        });
        if self.table.is_empty() {
            self.tools.cache.clear();
        }
    }

    fn refuse(&self, peer: SocketAddrV4, name: &[u8], code: ErrorCode, text: &str, outcome: Outcome) {
        self.refuse_role(peer, name, code, text, outcome, None);
    }

    /// Sends an ERROR, from a port of its own like every first answer, and tells of it.
    fn refuse_role(
        &self,
        peer: SocketAddrV4,
        name: &[u8],
        code: ErrorCode,
        text: &str,
        outcome: Outcome,
        role: Option<Role>,
    ) {
        let packet = tftp::error(code, text);
        let sent = match self.port() {
            Port::Own(port) => port.send_to(&packet, peer),
            Port::Shared(port) => port.send_to(&packet, peer),
        };
        if let Err(error) = sent {
            log::debug!("{peer}: cannot send an ERROR: {error}");
        }
        let transfer = Transfer { peer: *peer.ip(), protocol: Protocol::Tftp, name, role, sent: 0, outcome };
        self.observer.ended(&transfer);
    }
}

/// Boot ROMs cannot put fragments together, and need not: packets are made to fit the link. What the kernel believes of
/// the path is not asked, since anybody can make it believe something.
fn never_fragment(socket: &UdpSocket) -> io::Result<()> {
    sys::set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
}

/// The bytes of `content` as they go over the wire.
fn as_sent(content: Content, mode: Mode) -> io::Result<Content> {
    if mode == Mode::Octet {
        return Ok(content);
    }
    let len = content.len();
    if len > MAX_TEXT {
        return Err(io::Error::other("too long for netascii; ask in mode octet"));
    }
    let mut text = vec![0; usize::try_from(len).unwrap_or(0)];
    if content.read_at(&mut text, 0)? < text.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Content::from_bytes(netascii::encode(&text), content.role, content.modified))
}

#[cfg(test)]
#[path = "tftp/tests.rs"]
mod tests;
