//! A room of machines on a raw socket: each asks, takes the offer and checks the grant, as the PXE ROM of a card does.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use pxego::wire::MacAddr;
use pxego::wire::frame::{self, Datagram};
use socket2::{Domain, Protocol, Socket, Type};

/// PXE 2.1 §2.2.1: a ROM waits 4, 8, 16 and 32 seconds for an answer, then gives up.
pub(crate) const ROM: &[Duration] =
    &[Duration::from_secs(4), Duration::from_secs(8), Duration::from_secs(16), Duration::from_secs(32)];
/// As iPXE: soon, and more often.
pub(crate) const IMPATIENT: &[Duration] = &[Duration::from_secs(1); 10];

/// A message begins here: behind Ethernet, IPv4 and UDP.
const MESSAGE: usize = 42;

/// What one stretch of work came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the first DISCOVER to the ACK, each.
    pub(crate) latencies: Vec<Duration>,
    /// From the first DISCOVER to the last ACK.
    pub(crate) took: Duration,
    /// Machines that gave up or were refused.
    pub(crate) failed: usize,
    /// Messages that were sent again.
    pub(crate) repeated: usize,
    /// Answers with another machine's hardware address, or an address that another machine has.
    pub(crate) wrong: usize,
}

impl Outcome {
    /// Handshakes in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency that so many percent of the machines did not exceed, in ms. One that failed counts as endless.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        let at = ((sorted.len() + self.failed) * percent).div_ceil(100).saturating_sub(1);
        sorted.get(at).map_or(f64::INFINITY, |it| it.as_secs_f64() * 1000.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Discover,
    Request,
}

/// A handshake that goes on.
struct Handshake {
    machine: usize,
    stage: Stage,
    began: Instant,
    sent: Instant,
    tries: usize,
    offer: (Ipv4Addr, [u8; 4]),
}

/// The machines of a room, and the cable they are on.
pub(crate) struct Room {
    socket: Socket,
    group: u8,
    machines: usize,
    round: u16,
    going: HashMap<u32, Handshake>,
    granted: HashMap<Ipv4Addr, usize>,
    frame: Vec<u8>,
}

impl Room {
    /// Machines on `eth0` of this thread's namespace. Rooms of other groups have other machines.
    pub(crate) fn new(group: u8, machines: usize) -> Self {
        assert!(machines <= 1 << 16);
        let protocol = Protocol::from(i32::from((libc::ETH_P_IP as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        socket.set_recv_buffer_size(64 << 20).unwrap();
        force_buffer(&socket);
        bind_to(&socket, c"eth0");
        socket.set_nonblocking(true).unwrap();
        let (going, granted) = (HashMap::new(), HashMap::new());
        Self { socket, group, machines, round: 0, going, granted, frame: Vec::new() }
    }

    /// How many addresses were granted.
    pub(crate) fn granted(&self) -> usize {
        self.granted.len()
    }

    /// Handshakes of the machines in turn, `in_flight` of them at any time, for `time` or until `total` are through.
    pub(crate) fn work(
        &mut self,
        in_flight: usize,
        total: usize,
        time: Duration,
        waits: &[Duration],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        self.round = self.round.wrapping_add(1);
        let start = Instant::now();
        let mut begun = 0;
        let mut buffer = [0u8; 2048];
        loop {
            while self.going.len() < in_flight && begun < total && start.elapsed() < time {
                self.begin(begun % self.machines, begun / self.machines);
                begun += 1;
                if begun % 16 == 0 {
                    self.receive(&mut buffer, &mut outcome);
                }
            }
            if self.going.is_empty() {
                break;
            }
            if !self.receive(&mut buffer, &mut outcome) {
                self.repeat(waits, &mut outcome);
                wait_readable(&self.socket, Duration::from_millis(10));
            }
        }
        outcome.took = start.elapsed();
        outcome
    }

    fn mac(&self, machine: usize) -> MacAddr {
        let [high, low] = (machine as u16).to_be_bytes();
        MacAddr([0x52, 0x54, self.group, 0, high, low])
    }

    fn begin(&mut self, machine: usize, lap: usize) {
        let round = (self.round << 10) | (lap as u16 & 0x3ff);
        let xid = u32::from(round) << 16 | machine as u32;
        let now = Instant::now();
        let offer = (Ipv4Addr::UNSPECIFIED, [0; 4]);
        let handshake = Handshake { machine, stage: Stage::Discover, began: now, sent: now, tries: 0, offer };
        self.send(xid, &handshake);
        self.going.insert(xid, handshake);
    }

    fn send(&mut self, xid: u32, handshake: &Handshake) {
        let mac = self.mac(handshake.machine);
        let payload = message(xid, mac, handshake);
        let datagram = Datagram {
            src_mac: mac,
            dst_mac: MacAddr::BROADCAST,
            src_ip: Ipv4Addr::UNSPECIFIED,
            dst_ip: Ipv4Addr::BROADCAST,
            src_port: 68,
            dst_port: 67,
            payload: &payload,
        };
        frame::emit(&datagram, xid as u16 | 1, &mut self.frame).unwrap();
        // A full queue loses it, as a switch would.
        let _ = self.socket.send(&self.frame);
    }

    /// Takes what has come; whether anything had.
    fn receive(&mut self, buffer: &mut [u8], outcome: &mut Outcome) -> bool {
        let mut any = false;
        loop {
            match (&self.socket).read(buffer) {
                Ok(len) => {
                    any = true;
                    self.received(&buffer[..len], outcome);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return any,
                Err(error) => panic!("the machines' socket: {error}"),
            }
        }
    }

    fn received(&mut self, frame: &[u8], outcome: &mut Outcome) {
        let is_answer = frame.len() > MESSAGE + 240
            && frame[23] == 17
            && frame[36..38] == 68u16.to_be_bytes()
            && frame[MESSAGE] == 2;
        if !is_answer {
            return;
        }
        let message = &frame[MESSAGE..];
        let xid = u32::from_be_bytes(message[4..8].try_into().unwrap());
        let yiaddr = Ipv4Addr::new(message[16], message[17], message[18], message[19]);
        let Some(handshake) = self.going.get(&xid) else { return };
        let (machine, stage) = (handshake.machine, handshake.stage);
        if message[28..34] != self.mac(machine).0 {
            outcome.wrong += 1;
            return;
        }
        match (stage, option(message, 53)) {
            (Stage::Discover, Some([2])) => {
                let server = option(message, 54).and_then(|it| it.try_into().ok()).unwrap();
                let mut handshake = self.going.remove(&xid).unwrap();
                (handshake.stage, handshake.offer) = (Stage::Request, (yiaddr, server));
                (handshake.sent, handshake.tries) = (Instant::now(), 0);
                self.send(xid, &handshake);
                self.going.insert(xid, handshake);
            }
            (Stage::Request, Some([5])) => {
                let handshake = self.going.remove(&xid).unwrap();
                let other = self.granted.insert(yiaddr, machine);
                if yiaddr != handshake.offer.0 || other.is_some_and(|other| other != machine) {
                    outcome.wrong += 1;
                }
                outcome.latencies.push(handshake.began.elapsed());
            }
            (Stage::Request, Some([6])) => {
                self.going.remove(&xid);
                outcome.failed += 1;
            }
            _ => {}
        }
    }

    fn repeat(&mut self, waits: &[Duration], outcome: &mut Outcome) {
        let now = Instant::now();
        let late = |it: &Handshake| waits.get(it.tries).is_none_or(|wait| now - it.sent >= *wait);
        let late: Vec<u32> = self.going.iter().filter(|(_, it)| late(it)).map(|(xid, _)| *xid).collect();
        for xid in late {
            let mut handshake = self.going.remove(&xid).unwrap();
            handshake.tries += 1;
            if handshake.tries >= waits.len() {
                outcome.failed += 1;
                continue;
            }
            outcome.repeated += 1;
            handshake.sent = now;
            self.send(xid, &handshake);
            self.going.insert(xid, handshake);
        }
    }
}

/// What a PXE ROM for BIOS sends (PXE 2.1 §2.2.1), asking for a broadcast answer.
fn message(xid: u32, mac: MacAddr, handshake: &Handshake) -> Vec<u8> {
    let mut bytes = vec![0u8; 240];
    (bytes[0], bytes[1], bytes[2], bytes[10]) = (1, 1, 6, 0x80);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes[28..34].copy_from_slice(&mac.0);
    bytes[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    let mut put = |code: u8, data: &[u8]| {
        bytes.extend([code, data.len() as u8]);
        bytes.extend(data);
    };
    match handshake.stage {
        Stage::Discover => put(53, &[1]),
        Stage::Request => {
            put(53, &[3]);
            put(50, &handshake.offer.0.octets());
            put(54, &handshake.offer.1);
        }
    }
    put(57, &1260u16.to_be_bytes());
    put(
        55,
        &[1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67],
    );
    put(93, &[0, 0]);
    put(94, &[1, 2, 1]);
    put(60, b"PXEClient:Arch:00000:UNDI:002001");
    let mut uuid = [0u8; 17];
    uuid[11..].copy_from_slice(&mac.0);
    put(97, &uuid);
    bytes.push(255);
    bytes
}

fn option(message: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = message.get(240..)?;
    loop {
        match *rest {
            [0, ref more @ ..] => rest = more,
            [code, len, ref more @ ..] if code != 255 => {
                let data = more.get(..usize::from(len))?;
                if code == wanted {
                    return Some(data);
                }
                rest = &more[usize::from(len)..];
            }
            _ => return None,
        }
    }
}

fn bind_to(socket: &Socket, name: &std::ffi::CStr) {
    // SAFETY: a string that ends with a NUL.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(index, 0, "no {name:?}");
    // SAFETY: all zero is a `sockaddr_ll`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    address.sll_ifindex = index as i32;
    let len = size_of_val(&address) as libc::socklen_t;
    // SAFETY: `address` is a whole `sockaddr_ll` of that length.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Beyond `net.core.rmem_max`, as root may: what is lost must be lost by the server.
fn force_buffer(socket: &Socket) {
    let size: libc::c_int = 64 << 20;
    let len = size_of_val(&size) as libc::socklen_t;
    // SAFETY: `size` is a whole `int`.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const size).cast(),
            len,
        )
    };
}

fn wait_readable(socket: &Socket, time: Duration) {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one whole `pollfd`.
    unsafe { libc::poll(&raw mut poll, 1, time.as_millis() as i32) };
}
