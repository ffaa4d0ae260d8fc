//! Network namespaces for tests: made with ip(8), entered by a thread of their own, removed when dropped.
#![allow(dead_code, unreachable_pub, unsafe_code, clippy::disallowed_methods)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long enough for any effect on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A network namespace of its own. Needs root.
pub struct Netns {
    name: String,
}

impl Netns {
    /// An empty namespace with its loopback up.
    pub fn new(role: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pxego-{role}-{}-{number}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]));
        let netns = Self { name };
        netns.ip("link set lo up");
        netns
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip ARGUMENTS` on this namespace.
    pub fn ip(&self, arguments: &str) {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')));
    }

    /// Waits until an interface carries frames. A carrier alone is not enough: the kernel opens the queues a moment later,
    /// in a worker of its own (`linkwatch_do_dev` in its net/core/link_watch.c), and until then what is sent is lost.
    pub fn wait_until_up(&self, interface: &str) {
        wait_until("the link is up", || {
            let mut command = Command::new("ip");
            let output = run(command.args(["-n", &self.name, "-o", "link", "show", "dev", interface]));
            String::from_utf8_lossy(&output.stdout).contains(" state UP ")
        });
    }

    /// A command that will run inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Starts `program` inside. It becomes the program itself: its pid is the child's.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// The way in, for a thread of its own.
    pub fn door(&self) -> Door {
        Door(File::open(format!("/run/netns/{}", self.name)).unwrap())
    }

    /// Keeps the kernel from speaking IPv6 on its own here: seconds after a cable comes up it asks for routers,
    /// which is a frame the server listens to (RFC 4861 §6.3.7).
    pub fn hush(&self) {
        self.run(|| {
            for which in ["all", "default"] {
                std::fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1").unwrap();
            }
        });
    }

    /// Runs `work` on a thread that is inside.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.door().enter();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// The way into a namespace.
pub struct Door(File);

impl Door {
    /// Takes this thread there, for good.
    pub fn enter(&self) {
        // SAFETY: setns(2) takes a descriptor and moves only this thread.
        let result = unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

/// A child process, ended when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server and a client namespace, joined by a cable from `eth0` to `eth0`, both ends up.
pub struct Bench {
    pub server: Netns,
    pub client: Netns,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Self { server: Netns::new("s"), client: Netns::new("c") };
        bench.plug();
        bench
    }

    /// Makes the cable, anew after `eth0` was deleted.
    pub fn plug(&self) {
        for netns in [&self.server, &self.client] {
            netns.hush();
        }
        self.server.ip(&format!("link add eth0 type veth peer name eth0 netns {}", self.client.name()));
        self.client.ip("link set eth0 up");
        self.server.ip("link set eth0 up");
        for netns in [&self.server, &self.client] {
            netns.wait_until_up("eth0");
        }
    }
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Asks until the answer is yes, for at most [`DEADLINE`].
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// CPU time this thread has used.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a whole `timespec` that the call fills.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Leaves this thread with the capabilities of the mask, for good.
pub fn keep_capabilities(mask: u32) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    // `_LINUX_CAPABILITY_VERSION_3`: two of effective, permitted, inheritable.
    let header = Header { version: 0x2008_0522, pid: 0 };
    let data = [[mask, mask, 0], [0, 0, 0]];
    // SAFETY: version 3 reads one header and two data structures of three words; pid 0 is this thread.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, data.as_ptr()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
