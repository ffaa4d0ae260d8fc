//! A cable that loses, doubles, reorders, corrupts and delays UDP packets: the same ones for the same seed and traffic.
//!
//! A program between two interfaces, since not every kernel has netem. Needs root.
#![allow(dead_code, unreachable_pub, unsafe_code, clippy::disallowed_methods)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::netns::{Bench, Netns, run};

/// Until when the wire has noticed that it has to end.
const ATTENTION: Duration = Duration::from_millis(100);

/// How long this thread may take to wake up.
const WAKING: Duration = Duration::from_micros(150);

/// What a reordered frame waits longer than the others.
const LAG: Duration = Duration::from_millis(3);

/// What happens to UDP packets, each with this probability. Other frames are delayed only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub loss: f64,
    pub duplication: f64,
    pub reordering: f64,
    pub corruption: f64,
    /// Each way.
    pub delay: Duration,
}

/// How often each thing happened.
#[derive(Debug, Default)]
pub struct Tally {
    pub carried: AtomicU64,
    pub lost: AtomicU64,
    pub doubled: AtomicU64,
    pub reordered: AtomicU64,
    pub corrupted: AtomicU64,
    /// Frames that went on, and by how many nanoseconds too late in all.
    pub sent: AtomicU64,
    pub late: AtomicU64,
}

/// The wire. It ends when dropped.
pub struct BadWire {
    pub tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _netns: Netns,
}

impl BadWire {
    /// Puts a wire in the place of the bench's cable; both ends are up, and have no addresses.
    pub fn between(bench: &Bench, weather: Weather, seed: u64) -> Self {
        let netns = Netns::new("w");
        bench.server.ip("link del eth0");
        for (end, name) in [(&bench.server, "w0"), (&bench.client, "w1")] {
            end.ip(&format!("link add eth0 type veth peer name {name} netns {}", netns.name()));
            for (place, name) in [(end, "eth0"), (&netns, name)] {
                place.ip(&format!("link set {name} up"));
                // A packet socket sees frames before the card would have finished their checksums and cut them to size.
                let off = ["-K", name, "tx", "off", "gro", "off", "gso", "off", "tso", "off"];
                run(place.command("ethtool").args(off));
            }
        }
        let ends = netns.run(|| [packet_socket("w0"), packet_socket("w1")]);
        let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
        let mut carrier = Carrier {
            ends,
            weather,
            chance: Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            tally: tally.clone(),
            waiting: BinaryHeap::new(),
            count: 0,
        };
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            // Else the kernel adds up to 50 us to each wait, four times for a block and its acknowledgement.
            // SAFETY: no pointers.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
            while !stopped.load(Ordering::Relaxed) {
                carrier.turn();
            }
        });
        Self { tally, stop, thread: Some(thread), _netns: netns }
    }
}

impl Drop for BadWire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// xorshift64*.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn happens(&mut self, probability: f64) -> bool {
        (self.next() % 1_000_000) as f64 <= probability * 1e6 && probability > 0.0
    }
}

/// When a frame is due, in which order it came, from which end, and the frame.
type Held = (Instant, u64, usize, Vec<u8>);

struct Carrier {
    ends: [OwnedFd; 2],
    weather: Weather,
    chance: Chance,
    tally: Arc<Tally>,
    waiting: BinaryHeap<Reverse<Held>>,
    count: u64,
}

impl Carrier {
    fn turn(&mut self) {
        let now = Instant::now();
        let next =
            self.waiting.peek().map_or(ATTENTION, |Reverse((due, ..))| due.saturating_duration_since(now));
        let mut polled =
            [0, 1].map(|at| libc::pollfd { fd: self.ends[at].as_raw_fd(), events: libc::POLLIN, revents: 0 });
        // Awake at the end, or each frame would come as much later as a computer takes to wake up.
        let timeout = next.saturating_sub(WAKING).min(ATTENTION);
        let time = libc::timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        // SAFETY: two initialised entries and a time that outlive the call.
        unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &time, std::ptr::null()) };
        for (end, entry) in polled.iter().enumerate() {
            if entry.revents != 0 {
                self.take(end);
            }
        }
        let now = Instant::now();
        while self.waiting.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((due, _, end, frame))) = self.waiting.pop() {
                self.tally.sent.fetch_add(1, Ordering::Relaxed);
                self.tally.late.fetch_add((now - due).as_nanos() as u64, Ordering::Relaxed);
                // As on a real wire a frame may get lost.
                // SAFETY: the kernel reads the frame only.
                unsafe { libc::send(self.ends[1 - end].as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
            }
        }
    }

    fn take(&mut self, end: usize) {
        let mut buffer = [0; 2048];
        for _ in 0..64 {
            // SAFETY: the kernel writes at most as many bytes as there are.
            let len = unsafe {
                let flags = libc::MSG_DONTWAIT;
                libc::recv(self.ends[end].as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), flags)
            };
            let Ok(len) = usize::try_from(len) else { return };
            self.carry(end, buffer[..len].to_vec());
        }
    }

    fn carry(&mut self, end: usize, mut frame: Vec<u8>) {
        let due = Instant::now() + self.weather.delay;
        let (weather, tally) = (self.weather, self.tally.clone());
        let is_udp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&17);
        if !is_udp {
            return self.hold(due, end, frame);
        }
        if self.chance.happens(weather.loss) {
            tally.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        tally.carried.fetch_add(1, Ordering::Relaxed);
        if self.chance.happens(weather.corruption) {
            tally.corrupted.fetch_add(1, Ordering::Relaxed);
            // Behind the headers of Ethernet and IP: what the checksum of UDP is for.
            let at = 34 + self.chance.next() as usize % (frame.len() - 34);
            frame[at] ^= 1 << (self.chance.next() % 8);
        }
        if self.chance.happens(weather.duplication) {
            tally.doubled.fetch_add(1, Ordering::Relaxed);
            self.hold(due, end, frame.clone());
        }
        if self.chance.happens(weather.reordering) {
            tally.reordered.fetch_add(1, Ordering::Relaxed);
            return self.hold(due + LAG, end, frame);
        }
        self.hold(due, end, frame);
    }

    fn hold(&mut self, due: Instant, end: usize, frame: Vec<u8>) {
        self.count += 1;
        self.waiting.push(Reverse((due, self.count, end, frame)));
    }
}

/// Every frame that arrives on an interface of this thread's namespace, and none that leaves.
fn packet_socket(name: &str) -> OwnedFd {
    const PACKET_IGNORE_OUTGOING: i32 = 23;
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: plain calls with values that outlive them; the descriptor is new and ours.
    unsafe {
        let protocol = (libc::ETH_P_ALL as u16).to_be();
        let descriptor =
            libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(protocol));
        assert!(descriptor >= 0, "{}", io::Error::last_os_error());
        let (one, size): (i32, i32) = (1, 4 << 20);
        for (level, option, value) in [
            (libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, &one),
            (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &size),
        ] {
            let result = libc::setsockopt(descriptor, level, option, std::ptr::from_ref(value).cast(), 4);
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol;
        address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
        let len = size_of::<libc::sockaddr_ll>() as u32;
        let result = libc::bind(descriptor, (&raw const address).cast(), len);
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(descriptor)
    }
}
