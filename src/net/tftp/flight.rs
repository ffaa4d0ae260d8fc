//! One transfer with its port: carries out what the state machine says.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::TftpConfig;
use super::cache::Cache;
use super::port::{Inlet, Port};
use crate::content::{Content, Role};
use crate::net::datagram::{Batch, Sender};
use crate::net::sys;
use crate::tftp::access;
use crate::tftp::request::Wish;
use crate::tftp::transfer::{Ending, RollOver, Step, Transfer};
use crate::wire::tftp::{self, DATA_HEADER, ErrorCode, Packet};

/// A request repeated sooner than this crossed our answer on the wire (Raspberry Pi firmware issue 1041).
const ECHO: Duration = Duration::from_millis(500);

/// Packets taken from one client before the others have their turn.
const PACKETS_PER_TURN: usize = 8;

/// Longest packet a client sends: an ERROR with its words.
const PACKET_LEN: usize = 1024;

/// How long a full queue is waited for. What is lost then is sent again when its time has come.
const QUEUE_WAIT: Duration = Duration::from_millis(5);

/// A client that has so much, and will get as much again, gets a socket for itself.
const PROVEN: u64 = 128 << 10;

/// What is told of a client that was given up.
pub(super) const GONE: &str = "the machine does not answer any more";

/// How a transfer ended, with the reason where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    Probe,
    Aborted(String),
    Failed(String),
}

/// What all transfers use, one after the other.
#[derive(Default)]
pub(super) struct Tools {
    pub(super) sender: Sender,
    pub(super) cache: Cache,
}

/// A file on its way to a client.
pub(super) struct Flight<'a> {
    port: Port<'a>,
    peer: SocketAddrV4,
    wish: Wish,
    content: Content,
    transfer: Transfer,
    option_ack: Vec<u8>,
    block_len: usize,
    may_connect: bool,
    begun_at: Duration,
    has_begun: bool,
    is_told: bool,
    ended: Option<Ended>,
}

impl<'a> Flight<'a> {
    /// Starts to send `content` to `peer`, whose request had `request_len` bytes.
    pub(super) fn begin(
        port: Port<'a>,
        peer: SocketAddrV4,
        (wish, request_len): (&Wish, usize),
        content: Content,
        roll_over: RollOver,
        now: Duration,
    ) -> (Self, Step) {
        let option_ack = wish.option_ack(content.len());
        let answer_len = option_ack.as_ref().map_or(DATA_HEADER + usize::from(wish.block_len), Vec::len);
        let terms = wish.terms(roll_over, access::first_sendings(request_len, answer_len));
        let (transfer, first) = Transfer::start(content.len(), &terms, now);
        let flight = Self {
            port,
            peer,
            wish: wish.clone(),
            content,
            transfer,
            option_ack: option_ack.unwrap_or_default(),
            block_len: usize::from(wish.block_len),
            may_connect: true,
            begun_at: now,
            has_begun: false,
            is_told: false,
            ended: None,
        };
        (flight, first)
    }

    /// The socket that anybody can send to, when it is its own.
    pub(super) fn own_socket(&self) -> Option<&UdpSocket> {
        self.port.own()
    }

    /// Whether a socket for the client alone would be worth its while. Asked for once.
    pub(super) fn wants_line(&mut self) -> bool {
        let confirmed = self.transfer.confirmed();
        let is_worth = confirmed >= PROVEN && self.content.len() - confirmed >= PROVEN;
        is_worth && self.port.own().is_some() && std::mem::take(&mut self.may_connect)
    }

    /// Opens that socket.
    pub(super) fn connect(&mut self, config: &TftpConfig) -> io::Result<Option<BorrowedFd<'_>>> {
        self.port.connect(config, self.peer)
    }

    /// Goes on without it.
    pub(super) fn disconnect(&mut self) {
        self.port.disconnect();
    }

    /// The socket to the client.
    pub(super) fn outlet(&self) -> &UdpSocket {
        self.port.outlet()
    }

    /// Where its next packet comes.
    pub(super) fn inlet(&self) -> Inlet {
        if self.port.has_line() { Inlet::Line } else { Inlet::Open }
    }

    pub(super) fn peer(&self) -> SocketAddrV4 {
        self.peer
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.wish.name
    }

    pub(super) fn role(&self) -> Role {
        self.content.role
    }

    pub(super) fn begun_at(&self) -> Duration {
        self.begun_at
    }

    pub(super) fn deadline(&self) -> Duration {
        self.transfer.deadline()
    }

    /// Whether the client was never heard after its request: anybody may have sent that in its name.
    pub(super) fn is_unproven(&self) -> bool {
        self.transfer.is_unanswered()
    }

    /// Whether the client was silent for so long that it may not be there any more.
    pub(super) fn is_doubtful(&self) -> bool {
        self.transfer.is_doubtful()
    }

    /// Whether only a last word is missing, which many boot programs never say.
    pub(super) fn is_lingering(&self) -> bool {
        self.transfer.is_all_sent()
    }

    /// Bytes that the client has. One that jumped into its program without a last word has them all.
    pub(super) fn confirmed(&self) -> u64 {
        if self.ended == Some(Ended::Done) { self.content.len() } else { self.transfer.confirmed() }
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Once, when the first DATA was sent.
    pub(super) fn begins_now(&mut self) -> bool {
        self.has_begun && !std::mem::replace(&mut self.is_told, true)
    }

    /// Whether `wish` is the request of this transfer, sent again because no answer was seen.
    pub(super) fn is_same_wish(&self, wish: &Wish) -> bool {
        self.transfer.is_unanswered() && self.wish == *wish
    }

    /// Whether `wish` is the request of this transfer, come once more by a longer way.
    pub(super) fn is_late_copy(&self, wish: &Wish, now: Duration) -> bool {
        self.wish == *wish && self.transfer.is_moving(now)
    }

    pub(super) fn on_repeated_request(&mut self, now: Duration, tools: &mut Tools) {
        if now.saturating_sub(self.transfer.sent_at()) >= ECHO {
            let step = self.transfer.on_repeated_request(now);
            self.carry_out(step, tools);
        }
    }

    pub(super) fn on_time(&mut self, now: Duration, tools: &mut Tools) {
        if self.ended.is_none() {
            let step = self.transfer.on_time(now);
            self.carry_out(step, tools);
        }
    }

    /// Takes what has come to its own port. Returns whether that made something go out.
    pub(super) fn take_packets(&mut self, inlet: Inlet, now: Duration, tools: &mut Tools) -> bool {
        let mut buffer = [0; PACKET_LEN];
        for _ in 0..PACKETS_PER_TURN {
            let Some(socket) = self.port.inlet(inlet).filter(|_| self.ended.is_none()) else { return false };
            let received = match inlet {
                Inlet::Open => socket.recv_from(&mut buffer),
                Inlet::Line => socket.recv(&mut buffer).map(|len| (len, self.peer.into())),
            };
            match received {
                Ok((len, SocketAddr::V4(peer))) if peer == self.peer => {
                    // One at a time: nothing more is there, or the next look finds it.
                    if self.on_packet(&buffer[..len.min(PACKET_LEN)], now, tools) {
                        return true;
                    }
                }
                Ok((len, stranger)) => self.send_away(&buffer[..len.min(PACKET_LEN)], stranger),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        false
    }

    /// The client has sent this. Returns whether it made something go out.
    pub(super) fn on_packet(&mut self, bytes: &[u8], now: Duration, tools: &mut Tools) -> bool {
        let step = match Packet::parse(bytes) {
            Ok(Packet::Ack(block)) => self.transfer.on_ack(block, now),
            Ok(Packet::Error { message, .. }) => self.transfer.on_error(message),
            _ => Step::Wait,
        };
        let moves = step != Step::Wait;
        self.carry_out(step, tools);
        moves
    }

    pub(super) fn carry_out(&mut self, step: Step, tools: &mut Tools) {
        match step {
            Step::Wait => {}
            Step::OptionAck => {
                let mut batch = Batch::new(1, self.option_ack.len());
                batch.push(&self.option_ack);
                batch.end_packet();
                self.send(&batch, &mut tools.sender);
            }
            Step::Blocks(blocks) => {
                self.has_begun = true;
                if let Err(error) = self.send_blocks(*blocks.start(), *blocks.end(), tools) {
                    let text = format!("cannot be read: {error}");
                    let packet = tftp::error(ErrorCode::Undefined, &text);
                    let _ = self.port.send_to(&packet, self.peer);
                    self.ended = Some(Ended::Failed(text));
                }
            }
            Step::Ended(ending) => {
                self.ended = Some(match ending {
                    Ending::Done | Ending::Unconfirmed => Ended::Done,
                    Ending::Probe => Ended::Probe,
                    Ending::Refused(words) => Ended::Aborted(format!("the machine says: {words}")),
                    Ending::Silent => Ended::Aborted(GONE.to_owned()),
                });
            }
        }
    }

    fn send_blocks(&self, first: u64, last: u64, tools: &mut Tools) -> io::Result<()> {
        let (start, (last_start, last_len)) = (self.transfer.extent(first).0, self.transfer.extent(last));
        let range = start..last_start + last_len as u64;
        tools.cache.load(&self.content, range.clone())?;
        let mut parts = tools.cache.get(&self.content, range)?;
        let headers: Vec<_> =
            (first..=last).map(|block| tftp::data_header(self.transfer.wire_number(block))).collect();
        let mut batch = Batch::new(headers.len(), DATA_HEADER + self.block_len);
        for header in &headers {
            batch.push(header);
            // The last one is shorter; there is nothing then that could be taken too much.
            parts.push(&mut batch, self.block_len);
            batch.end_packet();
        }
        self.send(&batch, &mut tools.sender);
        self.read_ahead(first, last, &mut tools.cache);
        Ok(())
    }

    /// Reads what a window brings next while the client is busy with this one. Whoever takes a block at a time has most
    /// of them read ahead anyway.
    fn read_ahead(&self, first: u64, last: u64, cache: &mut Cache) {
        let start = self.transfer.extent(last + 1).0;
        let end = (start + (last + 1 - first) * self.block_len as u64).min(self.content.len());
        if last > first && start < end {
            // An error is met again, and told, when these bytes are wanted.
            let _ = cache.load(&self.content, start..end);
        }
    }

    /// What cannot be sent now (a full queue, a link that is down) is sent again when its time has come.
    fn send(&self, batch: &Batch<'_>, sender: &mut Sender) {
        let confirmed = !self.transfer.is_unanswered();
        let mut result = self.port.send(sender, self.peer, batch, confirmed);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            && sys::wait_writable(self.port.outlet().as_fd(), QUEUE_WAIT).unwrap_or(false)
        {
            result = self.port.send(sender, self.peer, batch, confirmed);
        }
        if let Err(error) = result {
            log::trace!("{}: cannot send: {error}", self.peer);
        }
    }

    /// Somebody else sends to the port of this transfer (RFC 1350 §4). An ERROR is never answered.
    fn send_away(&self, bytes: &[u8], stranger: SocketAddr) {
        if !matches!(Packet::parse(bytes), Ok(Packet::Error { .. })) {
            let error = tftp::error(ErrorCode::UnknownTransfer, "this port serves another transfer");
            let _ = self.port.send_to(&error, stranger);
        }
    }
}
