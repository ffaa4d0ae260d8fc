//! A bench for DHCP: a switch with as many namespaces as a test wants, pxego in one of them, strangers' programs and
//! scripted machines in the others.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config};
use serde_json::Value;

use super::netns::{DEADLINE, Door, Netns, Running, run, wait_until};

/// Where pxego serves when nothing else is said.
pub const SERVER: &str = "192.168.100.1";

/// A network without a router: a bridge with a cable to each host.
pub struct Lan {
    switch: Netns,
    next: AtomicU32,
}

impl Lan {
    pub fn new() -> Self {
        let switch = Netns::new("lan");
        switch.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0");
        switch.ip("link set br0 up");
        Self { switch, next: AtomicU32::new(1) }
    }

    /// A host with its `eth0` plugged in and up, without an address.
    pub fn host(&self, role: &str) -> Netns {
        let host = Netns::new(role);
        self.plug(&host, "eth0");
        host
    }

    /// One more card for a host.
    pub fn plug(&self, host: &Netns, name: &str) -> String {
        let port = format!("port{}", self.next.fetch_add(1, Ordering::Relaxed));
        self.switch.ip(&format!("link add {port} type veth peer name {name} netns {}", host.name()));
        self.switch.ip(&format!("link set {port} master br0"));
        self.switch.ip(&format!("link set {port} up"));
        host.ip(&format!("link set {name} up"));
        port
    }

    /// What the switch itself can do, such as to take a port down.
    pub fn switch(&self) -> &Netns {
        &self.switch
    }
}

/// A folder of the test's own, removed when dropped unless the test failed.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// An executable.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// An image that pxego takes for CentOS: the files by which it is recognised, and nothing in them.
pub fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("image-{}", std::process::id()));
        let tree = folder.join("tree");
        let treeinfo = "[general]\nfamily = CentOS Stream\nversion = 9\narch = x86_64\n";
        for (name, text) in [
            (".treeinfo", treeinfo),
            ("images/pxeboot/vmlinuz", "kernel"),
            ("images/pxeboot/initrd.img", "initrd"),
            ("images/install.img", "hsqs"),
            ("BaseOS/repodata/repomd.xml", "<repomd/>"),
        ] {
            let path = tree.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dhcp-lab.iso");
        let made = folder.join("made.iso");
        run(Command::new("genisoimage").args(["-quiet", "-R", "-V", "LAB", "-o"]).arg(&made).arg(&tree));
        // Another test program may be using the one that is there.
        fs::rename(made, &image).unwrap();
        fs::remove_dir_all(folder).unwrap();
        image.to_str().unwrap().to_owned()
    })
}

/// pxego on `eth0` of a namespace.
pub struct Pxego {
    process: Child,
    output: Receiver<String>,
    diagnostics: Receiver<String>,
    events: Vec<Value>,
    /// Events before this one were waited for already.
    at: usize,
}

impl Pxego {
    /// Starts it and waits until it has settled on a part to play.
    pub fn start(netns: &Netns, scratch: &Scratch, arguments: &[&str]) -> Self {
        let mut pxego = Self::spawn(netns, scratch, arguments);
        pxego.wait_for("dhcp");
        pxego
    }

    /// Starts it.
    pub fn spawn(netns: &Netns, scratch: &Scratch, arguments: &[&str]) -> Self {
        Self::run(netns.command(env!("CARGO_BIN_EXE_pxego")), scratch, arguments)
    }

    /// Starts it in a way of the caller's own.
    pub fn run(mut command: Command, scratch: &Scratch, arguments: &[&str]) -> Self {
        command.args(["--iface", "eth0", "--log", "json", "--iso", image()]);
        if !arguments.contains(&"--state") {
            command.args(["--state", &scratch.path("state")]);
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = lines(process.stdout.take().unwrap());
        let diagnostics = lines(process.stderr.take().unwrap());
        Self { process, output, diagnostics, events: Vec::new(), at: 0 }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The next event of this kind after the one that was waited for last.
    pub fn wait_for(&mut self, key: &str) -> Value {
        self.wait_until(key, DEADLINE, |event| event["event"] == key)
    }

    /// The next event of which `is_it` is true.
    pub fn wait_until(&mut self, what: &str, at_most: Duration, is_it: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            while let Some(event) = self.events.get(self.at).cloned() {
                self.at += 1;
                if is_it(&event) {
                    return event;
                }
            }
            match self.output.recv_timeout(at_most.saturating_sub(start.elapsed())) {
                Ok(line) => self.keep(&line),
                Err(error) => panic!(
                    "no event {what}: {error}\nevents: {:#?}\nstderr: {:?}",
                    self.events,
                    self.diagnostics.try_iter().collect::<Vec<_>>()
                ),
            }
        }
    }

    /// All events so far.
    pub fn events(&mut self) -> &[Value] {
        while let Ok(line) = self.output.try_recv() {
            self.keep(&line);
        }
        &self.events
    }

    fn keep(&mut self, line: &str) {
        let event = serde_json::from_str(line);
        self.events.push(event.unwrap_or_else(|error| panic!("not a JSON object: {line}: {error}")));
    }

    /// Waits until it ends by itself; what it said on standard error.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        loop {
            match self.diagnostics.recv_timeout(DEADLINE) {
                Ok(line) => said = said + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on; events: {:#?}", self.events()),
            }
        }
        (self.process.wait().unwrap(), said)
    }

    pub fn signal(&self, name: &str) {
        run(Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]));
    }

    /// The counters, asked for now.
    pub fn counters(&mut self) -> Value {
        self.events();
        self.at = self.events.len();
        self.signal("USR1");
        self.wait_for("counters")["counts"].clone()
    }

    /// Ends it as Ctrl-C would. All its events, and what it said on standard error.
    pub fn stop(mut self) -> (Vec<Value>, Vec<String>) {
        self.signal("TERM");
        let status = self.process.wait().unwrap();
        while let Ok(line) = self.output.recv() {
            self.keep(&line);
        }
        let diagnostics = self.diagnostics.iter().collect();
        assert!(status.success(), "pxego ended with {status}: {diagnostics:?}");
        (std::mem::take(&mut self.events), diagnostics)
    }

    /// The power goes.
    pub fn kill(mut self) -> Vec<Value> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        while let Ok(line) = self.output.recv() {
            // Its last line may be half a one.
            if let Ok(event) = serde_json::from_str(&line) {
                self.events.push(event);
            }
        }
        std::mem::take(&mut self.events)
    }
}

impl Drop for Pxego {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap_or_default()
}

/// Those of one kind.
pub fn of_kind<'a>(events: &'a [Value], key: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == key).collect()
}

/// The lines of a stream, read by a thread until it ends.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Starts a server that goes before all others on a busy computer: pxego waits for it for so long and no longer.
fn start_first(netns: &Netns, program: &str, arguments: &[&str]) -> Running {
    netns.start("nice", &[&["-n", "-15", program], arguments].concat())
}

/// dnsmasq as a DHCP server with `192.168.7.1/24` on `eth0`. Returns when it holds its port.
pub fn dnsmasq(netns: &Netns, scratch: &Scratch, more: &[&str]) -> Running {
    netns.ip("addr add 192.168.7.1/24 dev eth0");
    let range = ["--dhcp-range=192.168.7.50,192.168.7.99,1h"];
    bare_dnsmasq(netns, scratch, &[&range, more].concat())
}

/// dnsmasq with options of the caller's own only.
pub fn bare_dnsmasq(netns: &Netns, scratch: &Scratch, options: &[&str]) -> Running {
    let leases = format!("--dhcp-leasefile={}", scratch.path("dnsmasq.leases"));
    let common =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--log-facility=-"];
    let pid_file = format!("--pid-file={}", scratch.path("dnsmasq.pid"));
    let arguments = [&common[..], &[leases.as_str(), pid_file.as_str()], options].concat();
    let running = start_first(netns, "dnsmasq", &arguments);
    wait_for_port(netns, 67);
    running
}

/// ISC dhcpd with `192.168.7.1/24` on `eth0`.
pub fn dhcpd(netns: &Netns, scratch: &Scratch) -> Running {
    netns.ip("addr add 192.168.7.1/24 dev eth0");
    let config = scratch.write(
        "dhcpd.conf",
        "subnet 192.168.7.0 netmask 255.255.255.0 { range 192.168.7.50 192.168.7.99; }\n\
         default-lease-time 3600; authoritative;\n",
    );
    let leases = scratch.write("dhcpd.leases", "");
    let pid = scratch.path("dhcpd.pid");
    let arguments = [
        "-4", "-f", "-q", "-user", "root", "-group", "root", "-cf", &config, "-lf", &leases, "-pf", &pid,
        "eth0",
    ];
    let running = start_first(netns, "dhcpd", &arguments);
    wait_until("dhcpd is there", || sockets(netns, "-uap").contains("dhcpd") || Path::new(&pid).exists());
    running
}

/// What ss(8) says of the sockets in a namespace.
pub fn sockets(netns: &Netns, kind: &str) -> String {
    let output = run(netns.command("ss").args(["-H", "-n", kind]));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until somebody has a UDP port.
pub fn wait_for_port(netns: &Netns, port: u16) {
    wait_until("the port is taken", || has_port(netns, port));
}

/// Whether somebody has a UDP port there.
pub fn has_port(netns: &Netns, port: u16) -> bool {
    sockets(netns, "-uap")
        .lines()
        .any(|line| line.split_whitespace().nth(3).is_some_and(|at| at.ends_with(&format!(":{port}"))))
}

/// A program that ended well within the deadline: what it printed.
pub fn output_of(command: &mut Command) -> String {
    let output = run(command);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ends a program as a person would and waits for it.
pub fn terminate(running: &mut Running) {
    signal(running, "TERM");
    running.0.wait().unwrap();
}

/// Ends a program and its helpers, all that runs in a namespace: as a person would, and if that is not enough by force.
pub fn terminate_all(netns: &Netns, running: &mut Running) {
    signal(running, "TERM");
    // It may have something to say on the wire before.
    let end = Instant::now() + DEADLINE;
    while running.0.try_wait().unwrap().is_none() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pids = output_of(Command::new("ip").args(["netns", "pids", netns.name()]));
    for pid in pids.split_whitespace() {
        // It may have ended by itself.
        let _ = Command::new("kill").args(["-KILL", pid]).stderr(Stdio::null()).status();
    }
    running.0.wait().unwrap();
}

pub fn signal(running: &Running, name: &str) {
    run(Command::new("kill").args([&format!("-{name}"), &running.0.id().to_string()]));
}

/// What busybox's udhcpc calls: it configures the interface and writes down what it was told.
const UDHCPC_SCRIPT: &str = r#"#!/bin/sh
case $1 in
deconfig) ip -4 address flush dev "$interface" ;;
bound|renew)
    ip -4 address flush dev "$interface"
    ip address add "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route replace default via "$router"
    ;;
esac
echo "$1 ip=$ip server=$serverid router=$router lease=$lease siaddr=$siaddr boot=$boot_file" >>"$LEASE_LOG"
"#;

/// One line of what udhcpc was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub kind: String,
    pub ip: String,
    pub server: String,
    pub router: String,
}

/// busybox's udhcpc on an interface.
pub struct Udhcpc {
    running: Running,
    log: String,
    at: usize,
}

impl Udhcpc {
    /// Starts it. It asks every second; with `-q` among the options it ends with its lease.
    pub fn start(netns: &Netns, scratch: &Scratch, more: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let log = scratch.path(&format!("udhcpc-{number}.log"));
        fs::write(&log, "").unwrap();
        let script = scratch.script(&format!("udhcpc-{number}.sh"), UDHCPC_SCRIPT);
        let mut command = netns.command("busybox");
        command
            .args(["udhcpc", "-f", "-t", "10", "-T", "1", "-A", "1", "-i", "eth0", "-s", &script])
            .args(more);
        command.env("LEASE_LOG", &log).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { running: Running(command.spawn().unwrap()), log, at: 0 }
    }

    pub fn told(&self) -> Vec<Told> {
        let text = fs::read_to_string(&self.log).unwrap();
        let one = |line: &str| {
            let of = |name: &str| {
                let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
                found.unwrap_or_default().to_owned()
            };
            let kind = line.split(' ').next().unwrap().to_owned();
            Told { kind, ip: of("ip"), server: of("server"), router: of("router") }
        };
        text.lines().map(one).collect()
    }

    /// The next thing of this kind that it is told.
    pub fn wait_for(&mut self, kind: &str) -> Told {
        let mut found = None;
        wait_until(&format!("udhcpc is told {kind}; {}", self.log), || {
            let told = self.told();
            found = told.iter().enumerate().skip(self.at).find(|(_, told)| told.kind == kind).map(
                |(at, told)| {
                    self.at = at + 1;
                    told.clone()
                },
            );
            found.is_some()
        });
        found.unwrap()
    }

    pub fn renew(&self) {
        signal(&self.running, "USR1");
    }

    pub fn release(&self) {
        signal(&self.running, "USR2");
    }

    pub fn stop(mut self) {
        terminate(&mut self.running);
    }
}

/// A lease for `eth0`, with udhcpc, which then ends and leaves the interface configured.
pub fn lease(netns: &Netns, scratch: &Scratch, more: &[&str]) -> Told {
    let mut udhcpc = Udhcpc::start(netns, scratch, &[&["-q"], more].concat());
    let told = udhcpc.wait_for("bound");
    let _ = udhcpc.running.0.wait();
    told
}

/// The address on `eth0`, when there is one.
pub fn address(netns: &Netns) -> Option<String> {
    let output = run(netns.command("ip").args(["-4", "-o", "address", "show", "dev", "eth0"]));
    let text = String::from_utf8(output.stdout).unwrap();
    let cidr = text.split_whitespace().skip_while(|word| *word != "inet").nth(1)?;
    Some(cidr.split('/').next().unwrap().to_owned())
}

/// The Ethernet address of an interface.
pub fn mac_of(netns: &Netns, name: &str) -> String {
    let output = run(netns.command("cat").arg(format!("/sys/class/net/{name}/address")));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What tcpdump sees on `eth0` of a namespace, a line a packet.
pub struct Tcpdump {
    running: Running,
    seen: Receiver<String>,
    door: Door,
}

/// The type of the frame that says where we end: one of the two that IEEE 802 leaves for experiments.
const MARK: u16 = 0x88b5;

impl Tcpdump {
    /// Begins; returns when frames are seen.
    pub fn start(netns: &Netns, filter: &str) -> Self {
        Self::run(netns, &["-n", "-e", filter])
    }

    /// With what is in the packets, on many lines.
    pub fn verbose(netns: &Netns, filter: &str) -> Self {
        Self::run(netns, &["-n", "-v", filter])
    }

    fn run(netns: &Netns, arguments: &[&str]) -> Self {
        let mut command = netns.command("tcpdump");
        // In this mode its buffer has a place of the full length for each frame: short ones, for a burst of many.
        command.args(["-i", "eth0", "-l", "--immediate-mode", "-s", "2048", "-B", "16384", "-Z", "root"]);
        let (filter, options) = arguments.split_last().unwrap();
        command.args(options).arg(format!("({filter}) or ether proto {MARK:#06x}"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stderr.take().unwrap()).lines();
        assert!(said.map_while(Result::ok).any(|line| line.contains("listening on")), "tcpdump ended");
        let seen = lines(process.stdout.take().unwrap());
        Self { running: Running(process), seen, door: netns.door() }
    }

    /// Everything that was seen until now. tcpdump may be behind: a frame of ours, after all others, shows when it is not.
    pub fn stop(mut self) -> Vec<String> {
        let door = &self.door;
        std::thread::scope(|scope| scope.spawn(|| send_mark(door)).join()).unwrap();
        let mut seen = Vec::new();
        loop {
            let line = self.seen.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("{error}: {seen:#?}"));
            if line.contains(&format!("{MARK:#06x}")) {
                break;
            }
            seen.push(line);
        }
        terminate(&mut self.running);
        seen
    }
}

fn send_mark(door: &Door) {
    door.enter();
    let eth0 = pnet_datalink::interfaces().into_iter().find(|found| found.name == "eth0").unwrap();
    let Ok(Channel::Ethernet(mut sender, _)) = pnet_datalink::channel(&eth0, Config::default()) else {
        panic!("eth0 is not Ethernet");
    };
    let mut frame = [0; 60];
    // From nobody to nobody.
    (frame[0], frame[6]) = (2, 2);
    frame[12..14].copy_from_slice(&MARK.to_be_bytes());
    sender.send_to(&frame, None).unwrap().unwrap();
}
