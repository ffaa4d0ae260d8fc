//! The HTTP server: one thread for each core serves whoever is ready, and a few more wait for the disk.
//!
//! No thread ever waits for a client: thousands of slow ones cost memory, not threads. What is not in memory is sent by the
//! threads for the disk: a bad sector or a slow stick holds up those who asked for it.

mod connection;
mod seats;
mod send;
mod watch;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::cores::cores;
use super::epoll::{Epoll, Ready, Wake};
use super::signals::Stop;
use super::{clock, sys};
use crate::content::networks::Networks;
use crate::content::{Library, Observer};
use crate::http::respond;
use connection::{Connection, Desk, Next};
use seats::Seats;
use watch::Watch;

/// Stack of a thread, in bytes: heads and pieces of files are on the heap.
const STACK: usize = 256 << 10;

/// How often clients that are late are looked for.
const TICK: Duration = Duration::from_millis(500);

/// Pause when there are no descriptors left: until one is given back.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Descriptors for everything else.
const OTHER_FILES: u64 = 64;

/// Most threads that serve; with one for each of two cores a network card of 10 Gbit/s is full.
const MAX_LOOPS: usize = 4;

/// The stop flag's number in the epoll, which no connection has.
const STOP: u64 = u64::MAX;

/// Whom to serve, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Who is served.
    pub networks: Networks,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one address. Package managers open ten, mirroring clients more; an idle one costs a
    /// kilobyte, and slow ones are cut when it becomes too many.
    pub max_per_client: usize,
    /// How many clients may wait for the disk at once.
    pub disk_threads: usize,
    /// How long clients may take.
    pub patience: Patience,
}

/// How long a client may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a whole head, from its first byte on. Slower ones are attacks.
    pub head: Duration,
    /// Between two requests; apt and librepo come back within a minute.
    pub idle: Duration,
    /// Taking nothing of an answer: iPXE and EDK2 stand still for up to two minutes in a menu.
    pub stall: Duration,
    /// Not even acknowledging: whoever stands in a menu does.
    pub vanished: Duration,
    /// A refused client, to read why.
    pub linger: Duration,
    /// When there is no room for others any more: with a head, or without taking anything.
    pub haste: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(120),
            vanished: Duration::from_secs(60),
            linger: Duration::from_secs(1),
            haste: Duration::from_secs(1),
        }
    }
}

impl HttpConfig {
    /// The usual limits, for the machines of these networks.
    pub fn new(networks: Networks) -> Self {
        Self {
            networks,
            max_connections: 4096,
            max_per_client: 1024,
            disk_threads: 8,
            patience: Patience::default(),
        }
    }
}

/// Serves connections to `listener` until `stop` is set; then all are cut.
///
/// # Errors
/// When there are no descriptors or threads to begin with, or the listener is not one.
pub fn serve(
    listener: &TcpListener,
    config: &HttpConfig,
    library: &Arc<dyn Library>,
    observer: &Arc<dyn Observer>,
    stop: &Stop,
) -> io::Result<()> {
    prepare(listener)?;
    let loops = (0..cores().min(MAX_LOOPS)).map(|_| {
        let epoll = Epoll::new()?;
        epoll.add(stop.fd(), STOP, Wake::Readable).map(|()| epoll)
    });
    let (to_disk, for_disk) = channel();
    let server = Server {
        config,
        loops: loops.collect::<io::Result<_>>()?,
        seats: Seats::new(connection_limit(config), config.max_per_client),
        to_disk,
        library: library.as_ref(),
        observer: observer.as_ref(),
        stop,
        // Alone on a core, it would wait for itself.
        is_watched: AtomicBool::new(cores() == 1),
    };
    let for_disk = Mutex::new(for_disk);
    thread::scope(|scope| {
        let start = |name: String, work: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name).stack_size(STACK);
            // Those that run already end, so that this can.
            thread.spawn_scoped(scope, work).map(drop).inspect_err(|_| server.halt())
        };
        for (number, epoll) in server.loops.iter().enumerate() {
            start(format!("http-{number}"), Box::new(|| server.serve_ready(epoll)))?;
        }
        for number in 0..config.disk_threads.max(1) {
            start(format!("http-disk-{number}"), Box::new(|| server.serve_from_disk(&for_disk)))?;
        }
        server.accept_until_stopped(listener);
        server.halt();
        Ok(())
    })
}

/// What a connection inherits from its listener costs no system call for each.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    // Whoever was unplugged while nothing was under way is found within a minute.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

/// As many connections as there are to be, or as there are descriptors for.
fn connection_limit(config: &HttpConfig) -> usize {
    match sys::raise_file_limit() {
        Ok(files) => usize::try_from(files.saturating_sub(OTHER_FILES).max(1))
            .unwrap_or(usize::MAX)
            .min(config.max_connections),
        Err(error) => {
            log::debug!("the limit of open files stays as it is: {error}");
            config.max_connections
        }
    }
}

struct Server<'a> {
    config: &'a HttpConfig,
    /// One for each thread that serves; a connection belongs to one of them by its number.
    loops: Vec<Epoll>,
    seats: Seats,
    /// Numbers of connections that need the disk; [`STOP`] ends a thread.
    to_disk: Sender<u64>,
    library: &'a dyn Library,
    observer: &'a dyn Observer,
    stop: &'a Stop,
    /// Whether one of the threads waits awake.
    is_watched: AtomicBool,
}

impl Server<'_> {
    fn halt(&self) {
        self.stop.set();
        for _ in 0..self.config.disk_threads.max(1) {
            let _ = self.to_disk.send(STOP);
        }
    }

    fn desk(&self, may_wait: bool) -> Desk<'_> {
        Desk::new(self.library, self.observer, may_wait)
    }

    /// Serves whoever is ready, one after the other.
    fn serve_ready(&self, epoll: &Epoll) {
        let mut desk = self.desk(false);
        let mut ready = Ready::default();
        let mut watch = Watch::new(&self.is_watched);
        while !self.stop.is_set() {
            match watch.wait(epoll, &mut ready) {
                Ok(()) => {
                    desk.turn = Some(clock::now());
                    for number in ready.numbers().filter(|number| *number != STOP) {
                        // One that is passed over is told of again.
                        self.seats
                            .with_waiting(number, |it| self.go_on(it, number, |it| it.advance(&mut desk)));
                    }
                }
                Err(error) => {
                    log::warn!("HTTP: epoll: {error}");
                    thread::sleep(EXHAUSTED_PAUSE);
                }
            }
        }
    }

    /// Serves those who need the disk, each for one turn.
    fn serve_from_disk(&self, numbers: &Mutex<Receiver<u64>>) {
        let mut desk = self.desk(true);
        loop {
            let next = numbers.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match next {
                Ok(number) if number != STOP && !self.stop.is_set() => {
                    self.seats.with(number, |it| self.go_on(it, number, |it| it.advance(&mut desk)));
                }
                _ => return,
            }
        }
    }

    /// Lets a connection do something, and sees to it that it goes on when it can. Returns whether it stays.
    fn go_on(
        &self,
        connection: &mut Connection,
        number: u64,
        work: impl FnOnce(&mut Connection) -> Next,
    ) -> bool {
        // One broken answer must not end every machine's boot.
        let next = panic::catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| {
            log::error!("HTTP: {}: a bug ended the connection", connection.peer());
            Next::Over
        });
        let wake = match next {
            Next::Client(wake) => Some(wake),
            Next::Disk => None,
            Next::Over => return false,
        };
        if let Err(error) = self.wait_for(connection, number, wake) {
            log::warn!("HTTP: {} is cut: epoll: {error}", connection.peer());
            return false;
        }
        next != Next::Disk || self.to_disk.send(number).is_ok()
    }

    fn wait_for(&self, connection: &mut Connection, number: u64, wake: Option<Wake>) -> io::Result<()> {
        let epoll = &self.loops[number as u32 as usize % self.loops.len()];
        let descriptor = connection.stream().as_fd();
        match (connection.awaited, wake) {
            (before, after) if before == after => {}
            (None, Some(wake)) => epoll.add(descriptor, number, wake)?,
            (Some(_), Some(wake)) => epoll.change(descriptor, number, wake)?,
            (_, None) => epoll.remove(descriptor)?,
        }
        connection.awaited = wake;
        Ok(())
    }

    fn accept_until_stopped(&self, listener: &TcpListener) {
        let mut desk = self.desk(false);
        let mut next_tick = clock::now() + TICK;
        while !self.stop.is_set() {
            let now = clock::now();
            if now >= next_tick {
                self.end_those_who_are_late(&mut desk, now);
                next_tick = now + TICK;
            }
            match sys::accept(listener.as_fd()) {
                Ok(Some((stream, peer))) if self.config.networks.contain(*peer.ip()) => {
                    self.welcome(stream, *peer.ip(), &desk, now);
                }
                Ok(_) => log::debug!("HTTP: somebody who is not on our network was turned away"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let wait = next_tick.saturating_duration_since(now);
                    if let Err(error) = sys::wait_readable([listener.as_fd(), self.stop.fd()], wait) {
                        log::warn!("HTTP: poll: {error}");
                        thread::sleep(EXHAUSTED_PAUSE);
                    }
                }
                Err(error) if is_exhausted(&error) => {
                    log::warn!("HTTP: {error}: no new connections until others end");
                    if self.seats.make_room(None, &desk, &self.config.patience, now) == 0 {
                        self.stop.wait(EXHAUSTED_PAUSE);
                    }
                }
                // The client was gone before it was accepted (accept(2) lists these).
                Err(error) => log::debug!("HTTP: accept: {error}"),
            }
        }
    }

    /// Gives the connection a seat, or says that there is none.
    fn welcome(&self, stream: TcpStream, peer: Ipv4Addr, desk: &Desk<'_>, now: Instant) {
        let enter = |connection| {
            self.seats.enter(connection, |connection, number| {
                self.wait_for(connection, number, Some(Wake::Readable))
            })
        };
        let Err(connection) = enter(Box::new(Connection::new(stream, peer))) else { return };
        let client = self.seats.is_greedy(peer).then_some(peer);
        self.seats.make_room(client, desk, &self.config.patience, now);
        if let Err(connection) = enter(connection) {
            turn_away(connection.stream());
        }
    }

    fn end_those_who_are_late(&self, desk: &mut Desk<'_>, now: Instant) {
        self.seats.with_each_waiting(|connection, number| {
            match connection.expire(desk, &self.config.patience, now) {
                None => true,
                Some(next) => self.go_on(connection, number, |_| next),
            }
        });
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// One packet, without waiting: whoever is turned away must cost nothing.
fn turn_away(stream: &TcpStream) {
    use std::io::Write;
    let answer = respond::unavailable(503, "", clock::unix_seconds());
    let mut stream = stream;
    let _ = stream.write(answer.head.as_bytes());
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
