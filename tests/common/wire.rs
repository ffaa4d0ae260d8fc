//! What is between the server and a machine: a bridge with a tap for the machine, and if wanted a wire that changes
//! what goes by.
#![allow(dead_code, unreachable_pub)]

use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender};

use super::netns::{Bench, Netns, run};

/// The machine's end of the cable, in the client's namespace.
pub const TAP: &str = "tap0";

/// Joins `eth0` of the client's namespace to a tap. Frames go through the kernel, untouched.
pub fn bridge(bench: &Bench) {
    make_bridge(&bench.client, "eth0");
}

/// Joins them through a wire of our own that takes the options out of DHCP requests by which iPXE is known, 77 (user
/// class, RFC 3004) and 175 (iPXE's own): then it is a PXE ROM like any other.
pub fn bridge_that_hides_ipxe(bench: &Bench) -> Wire {
    bridge_with(
        bench,
        |frame| {
            without_ipxe_options(frame);
            true
        },
        |_| true,
    )
}

/// What a wire does with a frame: it may change it, and says whether to carry it on.
pub type Edit = fn(&mut [u8]) -> bool;

/// Joins them through a wire of our own, which does this with frames from the machine and with those from the server.
pub fn bridge_with(bench: &Bench, from_machine: Edit, from_server: Edit) -> Wire {
    let client = &bench.client;
    client.ip("link add wire0 type veth peer name wire1");
    make_bridge(client, "wire1");
    for (netns, name) in [(&bench.server, "eth0"), (client, "wire0"), (client, "wire1")] {
        netns.ip(&format!("link set {name} up"));
        // A packet socket sees frames before the card would have finished their checksums and cut them to size.
        run(netns.command("ethtool").args(["-K", name, "tx", "off"]));
    }
    client.run(|| Wire::new("wire0", "eth0", from_machine, from_server))
}

fn make_bridge(netns: &Netns, uplink: &str) {
    netns.ip("link add br0 type bridge forward_delay 0");
    netns.ip("link set br0 up");
    netns.ip(&format!("link set {uplink} master br0"));
    netns.ip(&format!("link set {uplink} up"));
    add_tap(netns, TAP);
}

/// Adds a tap to the bridge: for a machine's other card.
pub fn add_tap(netns: &Netns, name: &str) {
    netns.ip(&format!("tuntap add {name} mode tap"));
    netns.ip(&format!("link set {name} master br0"));
    netns.ip(&format!("link set {name} up"));
}

/// A namespace for one more computer on the bridge, with this address on its `eth0`.
pub fn neighbour(bench: &Bench, role: &str, address: &str) -> Netns {
    let netns = Netns::new(role);
    bench.client.ip(&format!("link add {role} type veth peer name eth0 netns {}", netns.name()));
    bench.client.ip(&format!("link set {role} master br0"));
    bench.client.ip(&format!("link set {role} up"));
    netns.ip(&format!("address add {address} dev eth0"));
    netns.ip("link set eth0 up");
    netns
}

/// Two threads that carry frames between two interfaces. Ended when dropped.
pub struct Wire {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Wire {
    /// Carries frames between interfaces of this thread's namespace.
    fn new(machine: &str, server: &str, edit_from_machine: Edit, edit_from_server: Edit) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (to_machine, from_machine) = open(machine);
        let (to_server, from_server) = open(server);
        let threads = vec![
            carry(from_machine, to_server, edit_from_machine, stop.clone()),
            carry(from_server, to_machine, edit_from_server, stop.clone()),
        ];
        Self { stop, threads }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn open(name: &str) -> (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>) {
    let interface = pnet_datalink::interfaces().into_iter().find(|found| found.name == name).unwrap();
    // How long a wire may take to notice that it has to end.
    let config = Config { read_timeout: Some(Duration::from_millis(100)), ..Config::default() };
    match pnet_datalink::channel(&interface, config).unwrap() {
        Channel::Ethernet(sender, receiver) => (sender, receiver),
        _ => panic!("{name} is not Ethernet"),
    }
}

fn carry(
    mut from: Box<dyn DataLinkReceiver>,
    mut to: Box<dyn DataLinkSender>,
    edit: Edit,
    stop: Arc<AtomicBool>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match from.next() {
                Ok(frame) => {
                    let mut frame = frame.to_vec();
                    if edit(&mut frame) {
                        // As on a real wire a frame may get lost.
                        let _ = to.send_to(&frame, None);
                    }
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                // The interface goes away with its namespace.
                Err(_) => return,
            }
        }
    })
}

/// Where the UDP header of an IPv4 packet in an Ethernet frame is (RFC 791: the header's length is in 32-bit words).
pub fn udp_offset(frame: &[u8]) -> Option<usize> {
    let is_udp = frame.get(12..14)? == [8, 0] && *frame.get(23)? == 17;
    is_udp.then_some(14 + usize::from(frame[14] & 15) * 4)
}

/// Takes options 77 and 175 out of a DHCP request; the frame keeps its length.
pub fn without_ipxe_options(frame: &mut [u8]) {
    const MAGIC: [u8; 4] = [99, 130, 83, 99];
    let Some(udp) = udp_offset(frame) else { return };
    // UDP has 8 bytes, BOOTP 236 before the magic cookie (RFC 2131 §2).
    let (ports, magic) = (udp + 2..udp + 4, udp + 8 + 236);
    let is_dhcp = matches!(frame.get(ports), Some([0, 67] | [0x0f, 0xab]));
    if !is_dhcp || frame.get(magic..magic + 4) != Some(&MAGIC) {
        return;
    }
    let mut kept = Vec::new();
    let mut rest = &frame[magic + 4..];
    while let [code, length, after @ ..] = rest
        && *code != 255
    {
        if *code == 0 {
            rest = &rest[1..];
            continue;
        }
        let Some(value) = after.get(..usize::from(*length)) else { break };
        if !matches!(code, 77 | 175) {
            kept.extend([*code, *length]);
            kept.extend(value);
        }
        rest = &after[value.len()..];
    }
    kept.push(255);
    kept.resize(frame.len() - magic - 4, 0);
    frame[magic + 4..].copy_from_slice(&kept);
    // No checksum is a right one (RFC 768).
    frame[udp + 6..udp + 8].fill(0);
}

/// Loses offers that say "load the file named here" (option 43 = 06 01 08 ff).
pub fn loses_direct_offers(frame: &mut [u8]) -> bool {
    let Some(udp) = udp_offset(frame) else { return true };
    let to_client = frame.get(udp + 2..udp + 4) == Some(&[0, 68]);
    !(to_client && frame.windows(6).any(|window| window == [43, 4, 6, 1, 8, 255]))
}

/// Everything that went over the cable, in a file as tcpdump writes it.
pub struct Capture {
    path: std::path::PathBuf,
    process: std::process::Child,
}

impl Capture {
    /// Begins; returns when frames are seen.
    pub fn start(bench: &Bench, path: &std::path::Path) -> Self {
        use std::io::{BufRead, BufReader};
        let mut command = bench.server.command("tcpdump");
        command
            .args([
                "-i",
                "eth0",
                "-n",
                "-s",
                "0",
                "-B",
                "16384",
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-w",
            ])
            .arg(path);
        command.stderr(std::process::Stdio::piped());
        let mut process = command.spawn().expect("tcpdump runs (demo/setup.sh test)");
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let is_ready = lines.map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(is_ready, "tcpdump ended");
        Self { path: path.to_owned(), process }
    }

    /// What tcpdump says of the packets so far that this filter lets through: a line each. `how` are its options.
    pub fn packets(&self, how: &[&str], filter: &str) -> Vec<String> {
        let mut command = Command::new("tcpdump");
        command.args(["-n", "-tt", "-r"]).arg(&self.path).args(how).arg(filter);
        let output = command.output().unwrap();
        // The last packet may be half a one: the capture goes on.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("truncated dump file"), "{command:?}: {said}");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Whether `text` was in a packet so far.
    pub fn has(&self, text: &str) -> bool {
        let found = Command::new("grep").args(["-c", "-a", "-F", text]).arg(&self.path).output().unwrap();
        // 1 is "no such line"; 2 would be a file that cannot be read.
        assert_ne!(found.status.code(), Some(2), "{}", String::from_utf8_lossy(&found.stderr));
        found.status.success()
    }

    /// Ends, and tells whether `text` was in a packet.
    pub fn finish_and_search(mut self, text: &str) -> bool {
        terminate(&mut self.process);
        self.has(text)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks a process to end, as Ctrl-C or a service manager would, and waits for it.
pub fn terminate(process: &mut std::process::Child) -> std::process::ExitStatus {
    run(Command::new("kill").args(["-TERM", &process.id().to_string()]));
    process.wait().unwrap()
}
