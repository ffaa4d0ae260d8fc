//! The TFTP server's loop: one thread, one epoll(7), a port for each transfer (RFC 1350 §4) or one for all.

mod cache;
mod flight;
mod port;
mod requests;
mod table;

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock;
use super::cores::{cores, leave_core_of};
use super::datagram::Inbox;
use super::epoll::{Epoll, Ready, Wake};
use super::precedence::go_ahead;
use super::signals::Stop;
use super::vigil::Vigil;
use crate::content::networks::Networks;
use crate::content::{Library, Observer, Outcome, Protocol, Transfer};
use crate::tftp::timers::Timers;
use crate::tftp::transfer::RollOver;
use flight::{Ended, Tools};
use port::{Inlet, never_fragment};
use table::Table;

/// Longest request: name, mode and options fit one packet of 512 bytes, but for absurd names.
const REQUEST_LEN: usize = 2048;

/// Packets taken from the request port before the transfers have their turn again.
const REQUESTS_PER_TURN: usize = 32;

/// Nothing happens for so long: the wait wants a number.
const IDLE: Duration = Duration::from_secs(60);

/// Pause after an error nobody expects, so that it cannot come a million times a second.
const ERROR_PAUSE: Duration = Duration::from_millis(200);

/// Looks at a client that is waited for awake before all others are looked at.
const LOOKS: u32 = 8;

/// Transfers that get a second socket; when there are more it would be too many descriptors.
const MAX_LINES: usize = 64;

/// Numbers for epoll: what is no transfer, and where those of transfers begin, of which each has two.
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
    never_fragment(socket.as_fd())?;
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
        vigil: Vigil::default(),
        may_watch: cores() > 1,
        served_at: Duration::ZERO,
    };
    let mut ready = Ready::default();
    go_ahead();
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
    vigil: Vigil,
    /// Whether somebody else can work while this thread waits awake.
    may_watch: bool,
    /// When the last packets of a transfer went out.
    served_at: Duration,
}

impl<'a> Server<'a> {
    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// Waits, and does what there is to do.
    fn turn(&mut self, ready: &mut Ready) -> io::Result<()> {
        self.wait(ready)?;
        // What has come until now is looked at before any time is up: a busy computer is no silent client.
        let now = self.now();
        let mut result = Ok(());
        let (mut speaker, is_alone) = (None, ready.numbers().len() == 1);
        for number in ready.numbers() {
            match number {
                STOP => {}
                REQUESTS => result = self.take_requests(now),
                number => {
                    let (number, inlet) = transfer_of(number);
                    if self.take_packets(number, inlet, now) {
                        self.answered(number, now);
                        speaker = Some(number).filter(|_| is_alone);
                    }
                }
            }
        }
        while let Some(number) = self.timers.due(now) {
            if let Some(flight) = self.table.get_mut(number) {
                flight.on_time(now, &mut self.tools);
                self.settle(number);
            }
        }
        if let Some(number) = speaker {
            self.attend(number, ready)?;
        }
        result
    }

    /// Until something has come, or is due: awake while that pays.
    fn wait(&mut self, ready: &mut Ready) -> io::Result<()> {
        let (start, next) = (self.now(), self.timers.next());
        if let Some(awake) = self.awake(start) {
            let until = (start + awake).min(next.unwrap_or(Duration::MAX));
            loop {
                self.epoll.wait(ready, Some(Duration::ZERO))?;
                if ready.numbers().len() > 0 {
                    return Ok(());
                }
                let now = self.now();
                if !self.vigil.on_look(now) || now >= until {
                    break;
                }
            }
            self.vigil.on_vain(self.now());
        }
        let patience = next.map_or(IDLE, |deadline| deadline.saturating_sub(self.now()).min(IDLE));
        self.epoll.wait(ready, Some(patience))
    }

    /// How long to wait awake.
    fn awake(&mut self, now: Duration) -> Option<Duration> {
        if !self.may_watch || self.table.is_empty() {
            return None;
        }
        self.vigil.begin(now)
    }

    /// Waits awake for the next packet of the only client that speaks, at its own socket, as long as nothing else is there.
    fn attend(&mut self, number: usize, ready: &mut Ready) -> io::Result<()> {
        let Some(awake) = self.awake(self.now()) else { return Ok(()) };
        for look in 1_u32.. {
            let Some(inlet) = self.table.get_mut(number).map(|flight| flight.inlet()) else { break };
            let now = self.now();
            if self.take_packets(number, inlet, now) {
                self.answered(number, now);
            } else if !self.vigil.on_look(now) || now.saturating_sub(self.served_at) >= awake {
                self.vigil.on_vain(now);
                break;
            }
            if self.timers.next().is_some_and(|deadline| deadline <= now) {
                break;
            }
            if look.is_multiple_of(LOOKS) {
                self.epoll.wait(ready, Some(Duration::ZERO))?;
                if ready.numbers().any(|other| other < FIRST || transfer_of(other) != (number, inlet)) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A transfer went on at `now`.
    fn answered(&mut self, number: usize, now: Duration) {
        if self.vigil.on_answer(self.served_at, now)
            && self.table.len() == 1
            && let Some(flight) = self.table.get_mut(number)
        {
            leave_core_of(flight.outlet().as_fd());
        }
        self.served_at = now;
    }

    /// Takes what a client has sent. Returns whether it was answered.
    fn take_packets(&mut self, number: usize, inlet: Inlet, now: Duration) -> bool {
        let Some(flight) = self.table.get_mut(number) else { return false };
        let is_answered = flight.take_packets(inlet, now, &mut self.tools);
        if flight.wants_line() {
            self.connect(number);
        }
        self.settle(number);
        is_answered
    }

    /// Opens a socket for a client alone, if there is one left.
    fn connect(&mut self, number: usize) {
        let has_room = self.table.len() <= MAX_LINES;
        let Some(flight) = self.table.get_mut(number).filter(|_| has_room) else { return };
        let line = flight.connect(self.config).and_then(|line| {
            line.map_or(Ok(()), |line| self.epoll.add(line, number_of(number, Inlet::Line), Wake::Readable))
        });
        if let Err(error) = line {
            log::debug!("{}: no second socket: {error}", flight.peer());
            flight.disconnect();
        }
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
        self.tools.cache.set_transfers(self.table.len());
    }
}

/// The number under which epoll knows a socket of a transfer.
fn number_of(number: usize, inlet: Inlet) -> u64 {
    FIRST + 2 * number as u64 + u64::from(inlet == Inlet::Line)
}

fn transfer_of(number: u64) -> (usize, Inlet) {
    let number = number - FIRST;
    ((number / 2) as usize, if number.is_multiple_of(2) { Inlet::Open } else { Inlet::Line })
}

#[cfg(test)]
#[path = "tftp/tests.rs"]
mod tests;
