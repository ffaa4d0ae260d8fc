//! What comes to the request port: new transfers, and what is said of them there.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::time::Duration;

use super::flight::{Flight, GONE};
use super::port::{Inlet, Port};
use super::{REQUEST_LEN, Server, number_of};
use crate::content::{Content, Found, Outcome, Protocol, Request, Role, Transfer};
use crate::net::datagram::Inbox;
use crate::net::epoll::Wake;
use crate::tftp::netascii;
use crate::tftp::request::{Mode, Wish};
use crate::wire::tftp::{self, ErrorCode, Packet};

/// Longest file sent as text: the configurations that telephones and switches fetch.
const MAX_TEXT: u64 = 1 << 20;

impl<'a> Server<'a> {
    pub(super) fn take_requests(&mut self, now: Duration) -> io::Result<()> {
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
                        if flight.on_packet(bytes, now, &mut self.tools) {
                            self.answered(number, now);
                        }
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
            self.take_packets(number, Inlet::Line, now);
            self.take_packets(number, Inlet::Open, now);
        }
        if let Some(number) = self.table.of_peer(peer)
            && let Some(flight) = self.table.get_mut(number)
        {
            if flight.is_same_wish(wish) {
                flight.on_repeated_request(now, &mut self.tools);
                return self.settle(number);
            }
            if flight.is_late_copy(wish, now) {
                return log::debug!("{peer}: the request came twice");
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
            Err(Some(number)) => {
                let is_gone = self.table.get_mut(number).is_some_and(|flight| flight.is_doubtful());
                // Else whoever sent that request was never heard again: it came to nothing, like a probe.
                let outcome = if is_gone { Outcome::Aborted(GONE.to_owned()) } else { Outcome::Probe };
                self.end(number, outcome);
            }
            Err(None) => {
                let text = "too many transfers at once; try again";
                let outcome = Outcome::Failed(text.to_owned());
                return self.refuse(peer, &wish.name, ErrorCode::Undefined, text, outcome);
            }
        }
        let find = |name: &Vec<u8>| {
            let (peer, protocol) = (*peer.ip(), Protocol::Tftp);
            self.library.find(&Request { name, peer, protocol, serial: None, cards: &[] })
        };
        let literal = wish.with_backslashes.as_ref().map(find);
        match literal.filter(|it| matches!(it, Found::Content(_))).unwrap_or_else(|| find(&wish.name)) {
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
            self.tools.cache.set_transfers(self.table.len());
            let flight = self.table.get_mut(number).ok_or(io::ErrorKind::NotFound)?;
            if let Some(socket) = flight.own_socket()
                && let Err(error) =
                    self.epoll.add(socket.as_fd(), number_of(number, Inlet::Open), Wake::Readable)
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
        Port::open(self.config).unwrap_or_else(|error| {
            log::warn!("TFTP: cannot open a port: {error}");
            Port::Shared(self.socket)
        })
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
        if let Err(error) = self.port().send_to(&packet, peer) {
            log::debug!("{peer}: cannot send an ERROR: {error}");
        }
        let transfer = Transfer { peer: *peer.ip(), protocol: Protocol::Tftp, name, role, sent: 0, outcome };
        self.observer.ended(&transfer);
    }
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
