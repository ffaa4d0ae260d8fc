//! One connection: requests in their order, each answered before the next is looked at. Nothing here waits.

use std::io::{ErrorKind, Read};
use std::mem;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::Patience;
use super::send::{Outgoing, PIECE, Stopped};
use crate::content::{self, Found, Library, Observer, Outcome, Protocol, Transfer};
use crate::http::inbox::Inbox;
use crate::http::request::{MAX_HEAD, Request};
use crate::http::respond::{self, Answer, Payload};
use crate::net::epoll::Wake;
use crate::net::{clock, sys};

/// What a refused client may go on saying, so that it reads why.
const LINGER_BYTES: usize = 64 << 10;

/// Requests answered before another connection has its turn.
const TURN: u32 = 16;

/// What every connection needs, and what a thread has for the one that it is busy with.
pub(super) struct Desk<'a> {
    pub(super) library: &'a dyn Library,
    pub(super) observer: &'a dyn Observer,
    piece: Box<[u8]>,
    /// Whether this thread is there to wait for the disk.
    may_wait: bool,
    /// When the turn began of a thread that never waits: a turn is short, and every look at the clock costs.
    pub(super) turn: Option<Instant>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(library: &'a dyn Library, observer: &'a dyn Observer, may_wait: bool) -> Self {
        Self { library, observer, piece: vec![0; PIECE].into(), may_wait, turn: None }
    }

    fn now(&self) -> Instant {
        self.turn.unwrap_or_else(clock::now)
    }
}

pub(super) struct Connection {
    stream: TcpStream,
    peer: Ipv4Addr,
    inbox: Inbox,
    phase: Phase,
    /// What its epoll waits for.
    pub(super) awaited: Option<Wake>,
    /// When the phase began or, in sending, when the client last took something.
    since: Instant,
}

enum Phase {
    /// Nothing of the next request is there.
    Idle,
    /// A head has begun.
    Head,
    Sending(Box<Sending>),
    /// The last answer went out, and what the client still sends is thrown away: closing with unread bytes would reset the
    /// connection, and the client might never read the answer (RFC 9112 §9.6).
    Lingering {
        left: usize,
    },
}

struct Sending {
    outgoing: Outgoing,
    /// What it answers; `None` for a refusal.
    request: Option<Request>,
    /// Bytes in the socket when that was last looked at.
    queued: u32,
}

/// What a connection waits for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its client.
    Client(Wake),
    /// The disk.
    Disk,
    /// Nothing: it is over.
    Over,
}

const READABLE: Next = Next::Client(Wake::Readable);

/// Writable at once, unless the socket is full, so the turn comes again.
const WRITABLE: Next = Next::Client(Wake::Writable);

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: Ipv4Addr) -> Self {
        Self { stream, peer, inbox: Inbox::default(), phase: Phase::Idle, awaited: None, since: clock::now() }
    }

    pub(super) fn peer(&self) -> Ipv4Addr {
        self.peer
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self, desk: &mut Desk<'_>) -> Next {
        let mut turns = 0;
        loop {
            match &mut self.phase {
                Phase::Idle | Phase::Head => {
                    if turns == TURN {
                        return WRITABLE;
                    }
                    turns += 1;
                    if let Err(next) = self.receive(desk) {
                        return next;
                    }
                }
                Phase::Sending(sending) => {
                    let before = sending.outgoing.body();
                    let stopped = sending.outgoing.send(&self.stream, &mut desk.piece, desk.may_wait);
                    if sending.outgoing.body() > before {
                        self.since = desk.now();
                    }
                    match stopped {
                        Stopped::Full | Stopped::Turn => return WRITABLE,
                        Stopped::Disk => return Next::Disk,
                        Stopped::Done => {
                            if let Some(next) = self.sent(desk) {
                                return next;
                            }
                        }
                        Stopped::Closed => {
                            let reason = "the machine closed the connection".to_owned();
                            self.end(desk, Outcome::Aborted(reason));
                            return Next::Over;
                        }
                        Stopped::Source(error) => {
                            if !self.source_failed(desk, &error) {
                                return Next::Over;
                            }
                        }
                    }
                }
                Phase::Lingering { left } => match read(&self.stream, &mut desk.piece) {
                    Received::Some(count) if count < *left => *left -= count,
                    Received::Nothing => return READABLE,
                    Received::Some(_) | Received::End => return Next::Over,
                },
            }
        }
    }

    /// Understands what is there, or reads more. An error says what to wait for instead of going on.
    fn receive(&mut self, desk: &mut Desk<'_>) -> Result<(), Next> {
        // Most requests find nothing that waits.
        if !self.inbox.is_empty() {
            match self.inbox.take() {
                Ok(Some(request)) => {
                    self.begin(desk, request);
                    return Ok(());
                }
                Ok(None) => {}
                Err(refused) => {
                    log::debug!("HTTP: {} refused: {refused}", self.peer);
                    let answer = respond::refuse(refused, self.inbox.is_head(), clock::unix_seconds());
                    self.dismiss(answer, desk.now());
                    return Ok(());
                }
            }
        }
        let room = desk.piece.get_mut(..self.inbox.room().min(MAX_HEAD)).unwrap_or_default();
        match read(&self.stream, room) {
            Received::Some(count) => self.inbox.push(&room[..count]),
            Received::Nothing => return Err(READABLE),
            Received::End => return Err(Next::Over),
        }
        if matches!(self.phase, Phase::Idle) {
            self.enter(Phase::Head, desk.now());
        }
        Ok(())
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    fn begin(&mut self, desk: &Desk<'_>, request: Request) {
        let answer = if request.report_len.is_some() {
            let is_taken = desk.observer.reported(self.peer, &request.target.name, &request.report);
            respond::to_report(&request, is_taken, clock::unix_seconds())
        } else {
            let found = self.find(desk, &request);
            respond::respond(&request, found, clock::unix_seconds())
        };
        let name = &request.target.name;
        if answer.status == 416 {
            let agent = String::from_utf8_lossy(request.agent.as_deref().unwrap_or_default()).into_owned();
            log::info!("HTTP: {} ({agent:?}) asks for a part that there is not", self.peer);
        }
        if let (Payload::Part { .. }, Some(role)) = (&answer.body, answer.role) {
            desk.observer.started(self.peer, Protocol::Http, name, role);
        }
        let sending = Sending { outgoing: Outgoing::new(answer), request: Some(request), queued: 0 };
        self.enter(Phase::Sending(Box::new(sending)), desk.now());
    }

    fn find(&self, desk: &Desk<'_>, request: &Request) -> Found {
        let find = |name: &[u8]| {
            let serial = request.serial.as_deref();
            let (peer, protocol, cards) = (self.peer, Protocol::Http, request.cards.as_slice());
            desk.library.find(&content::Request { name, peer, protocol, serial, cards })
        };
        let mut others = request.target.others.iter().map(|other| find(other));
        match find(&request.target.name) {
            Found::Missing => others.find(|it| !matches!(it, Found::Missing)).unwrap_or(Found::Missing),
            found => found,
        }
    }

    /// Sends a last answer.
    fn dismiss(&mut self, answer: Answer, now: Instant) {
        let sending = Sending { outgoing: Outgoing::new(answer), request: None, queued: 0 };
        self.enter(Phase::Sending(Box::new(sending)), now);
    }

    /// An answer went out. Returns what to wait for, or nothing when there is more to do.
    fn sent(&mut self, desk: &Desk<'_>) -> Option<Next> {
        let Phase::Sending(sending) = &self.phase else { return None };
        let (answer, keep_alive) = (sending.outgoing.answer(), sending.outgoing.answer().keep_alive);
        let is_head = sending.request.as_ref().is_some_and(|request| request.is_head);
        let outcome = match answer.status {
            404 => Outcome::Missing,
            503 => Outcome::Unavailable,
            200 | 206 if !is_head => Outcome::Done,
            _ => Outcome::Probe,
        };
        self.end(desk, outcome);
        if !keep_alive {
            if self.stream.shutdown(Shutdown::Write).is_err() {
                return Some(Next::Over);
            }
            self.enter(Phase::Lingering { left: LINGER_BYTES }, desk.now());
            return None;
        }
        if self.inbox.is_empty() {
            self.enter(Phase::Idle, desk.now());
            return Some(READABLE);
        }
        self.enter(Phase::Head, desk.now());
        None
    }

    /// Tells how an answer ended; a refusal is told to nobody.
    fn end(&mut self, desk: &Desk<'_>, outcome: Outcome) {
        let Phase::Sending(sending) = mem::replace(&mut self.phase, Phase::Idle) else { return };
        let Some(request) = &sending.request else { return };
        desk.observer.ended(&Transfer {
            peer: self.peer,
            protocol: Protocol::Http,
            name: &request.target.name,
            role: sending.outgoing.answer().role,
            sent: sending.outgoing.body(),
            outcome,
        });
    }

    /// The source cannot be read: a client must never take a part for the whole. One that has seen nothing yet is told to
    /// come back; for another the connection is reset. Returns whether there is something to send.
    fn source_failed(&mut self, desk: &Desk<'_>, error: &std::io::Error) -> bool {
        let has_begun = matches!(&self.phase, Phase::Sending(sending) if sending.outgoing.has_begun());
        if let Phase::Sending(sending) = &self.phase {
            sending.outgoing.note_failure();
        }
        self.end(desk, Outcome::Failed(format!("the image cannot be read: {error}")));
        if has_begun {
            self.reset();
            return false;
        }
        let answer = respond::unavailable(503, "the image cannot be read\n", clock::unix_seconds());
        self.dismiss(answer, desk.now());
        true
    }

    /// Makes closing send a reset, and forget what was not sent.
    fn reset(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Does what is due at `now`. Nothing when all is well; else what to wait for, as after [`Connection::advance`].
    pub(super) fn expire(&mut self, desk: &mut Desk<'_>, patience: &Patience, now: Instant) -> Option<Next> {
        let passed = now.saturating_duration_since(self.since);
        match &mut self.phase {
            Phase::Idle => (passed >= patience.idle).then_some(Next::Over),
            Phase::Head if passed >= patience.head => {
                let sentence = "the request took too long\n";
                self.dismiss(respond::unavailable(408, sentence, clock::unix_seconds()), now);
                Some(self.advance(desk))
            }
            Phase::Head => None,
            Phase::Lingering { .. } => (passed >= patience.linger).then_some(Next::Over),
            Phase::Sending(sending) => {
                if passed < patience.vanished.min(patience.stall) / 2 {
                    return None;
                }
                // It may take little at a time: the socket asks for more only when much of its buffer is free.
                let (queued, silence) = sys::unacknowledged(self.stream.as_fd()).unwrap_or_default();
                if queued != mem::replace(&mut sending.queued, queued) {
                    self.since = now;
                    return None;
                }
                let reason = if passed >= patience.stall {
                    "the machine takes nothing any more"
                } else if passed >= patience.vanished && silence >= patience.vanished {
                    "the machine does not answer any more"
                } else {
                    return None;
                };
                self.end(desk, Outcome::Aborted(reason.to_owned()));
                self.reset();
                Some(Next::Over)
            }
        }
    }

    /// How gladly it is cut to make room at `now`, and since when it is like that: those who are late with their request
    /// first, then those who wait for nothing. Nothing while it is served.
    pub(super) fn dispensable(&self, patience: &Patience, now: Instant) -> Option<(u8, Instant)> {
        let is_slow = now.saturating_duration_since(self.since) >= patience.haste;
        let rank = match &self.phase {
            Phase::Lingering { .. } => 0,
            Phase::Head if is_slow => 1,
            Phase::Idle => 2,
            Phase::Sending(_) if is_slow => 3,
            Phase::Head | Phase::Sending(_) => return None,
        };
        Some((rank, self.since))
    }

    /// Ends it for the good of others.
    pub(super) fn cut(mut self, desk: &Desk<'_>, reason: &str) {
        if matches!(self.phase, Phase::Sending(_)) {
            self.end(desk, Outcome::Aborted(reason.to_owned()));
            self.reset();
        }
    }
}

enum Received {
    Some(usize),
    Nothing,
    /// The client has closed, or the connection is broken.
    End,
}

fn read(mut stream: &TcpStream, room: &mut [u8]) -> Received {
    match stream.read(room) {
        Ok(0) => Received::End,
        Ok(count) => Received::Some(count),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Received::Nothing
        }
        Err(_) => Received::End,
    }
}
