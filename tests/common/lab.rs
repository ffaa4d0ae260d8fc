//! The boot lab: install images, machines with real firmware, and pxego between them. What they are made of is in
//! `demo/`.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::netns::{Netns, run, wait_for_end};
use super::wire::TAP;

/// In the configurations that an image has for who boots from the medium itself; see `demo/image.sh`.
pub const MARKER: &str = "LAB=image-configuration";

/// From power-on to the end of the install. Half a minute is usual; a busy machine with two cores takes minutes.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(600);

/// How the installer on an image begins every line that it writes to the serial console.
const PREFIX: &str = "pxego-lab: ";

/// A script of `demo/`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").join(name)
}

/// A scratch directory, empty.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// The install image of a layout (`el7`, `el8`, `el9`); made unless it is there.
pub fn image(layout: &str) -> PathBuf {
    let output = run(Command::new(script("image.sh")).arg(layout));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Whether packages of another vendor are there, which the layout `ubuntu-signed` is made of.
pub fn has_other_vendor() -> bool {
    let script = format!(". {} && test -e \"$vendor_dir/complete\"", script("common.sh").display());
    Command::new("bash").args(["-c", &script]).status().unwrap().success()
}

/// The first of these files that is there, among the packages of a newer release that `demo/setup.sh` unpacks, or here.
pub fn packaged(names: &[&str]) -> PathBuf {
    let script = format!(". {} && unpacked=$unpacked_signed file_of \"$@\"", script("common.sh").display());
    let output = run(Command::new("bash").args(["-c", &script, "file_of"]).args(names));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// QEMU without KVM takes a whole core: as many machines at a time on this computer as it has cores, whichever test wants
/// them. Held while the file is open.
pub fn power() -> File {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let socket = |number: usize| {
        let name = format!("power-{number}.lock");
        File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap()
    };
    if let Some(free) = (0..count).map(socket).find(|socket| socket.try_lock().is_ok()) {
        return free;
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = socket(NEXT.fetch_add(1, Ordering::Relaxed) % count);
    next.lock().unwrap();
    next
}

/// What is in a machine before a loader comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, with iPXE in the network card's ROM.
    Bios,
    /// OVMF.
    Uefi,
    /// OVMF with Microsoft's keys, Secure Boot on.
    UefiSecureBoot,
    /// OVMF that boots by HTTP only.
    UefiHttp,
    /// The same with Secure Boot on.
    UefiHttpSecureBoot,
    /// AAVMF, OVMF's sister for 64-bit Arm.
    Arm64,
    /// AAVMF that boots by HTTP only.
    Arm64Http,
    /// U-Boot for 64-bit Arm.
    UBoot,
}

impl Firmware {
    /// What `demo/machine.sh` calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
            Self::UefiSecureBoot => "uefi-sb",
            Self::UefiHttp => "uefi-http",
            Self::UefiHttpSecureBoot => "uefi-http-sb",
            Self::Arm64 => "arm64",
            Self::Arm64Http => "arm64-http",
            Self::UBoot => "uboot",
        }
    }
}

/// What a machine has beside its cards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Raw disk images, in its boot order behind the network.
    pub disks: &'a [&'a Path],
    /// Where QEMU takes commands: a socket that it makes.
    pub monitor: Option<&'a Path>,
    /// The raw image of a USB stick.
    pub stick: Option<&'a Path>,
}

/// A virtual machine. Its power goes when it is dropped.
pub struct Machine {
    process: Child,
    /// The serial console: lines without their ends, the installer's and the firmware's.
    console: Receiver<String>,
}

impl Machine {
    /// Switches it on.
    pub fn power_on(netns: &Netns, firmware: Firmware, mac: &str) -> Self {
        Self::power_on_with_cards(netns, firmware, &[(TAP, mac)])
    }

    /// Switches on a machine with several cards, each at the end of a tap; it boots from the last.
    pub fn power_on_with_cards(netns: &Netns, firmware: Firmware, cards: &[(&str, &str)]) -> Self {
        Self::power_on_with(netns, firmware, cards, &Extras::default())
    }

    /// The same with more than cards.
    pub fn power_on_with(
        netns: &Netns,
        firmware: Firmware,
        cards: &[(&str, &str)],
        extras: &Extras<'_>,
    ) -> Self {
        let mut command = netns.command(script("machine.sh").to_str().unwrap());
        command.arg(firmware.name());
        for (tap, mac) in cards {
            command.args([tap, mac]);
        }
        let disks: Vec<&str> = extras.disks.iter().map(|disk| disk.to_str().unwrap()).collect();
        command.env("PXEGO_LAB_DISKS", disks.join(":"));
        command.envs(extras.monitor.map(|socket| ("PXEGO_LAB_MONITOR", socket)));
        command.envs(extras.stick.map(|stick| ("PXEGO_LAB_STICK", stick)));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let console = lines(process.stdout.take().unwrap());
        Self { process, console }
    }

    /// Pulls its plug.
    pub fn power_off(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The lines on its console since the last look.
    pub fn console(&self) -> Vec<String> {
        self.console.try_iter().collect()
    }

    /// Waits until a line with `text` comes on its console, perhaps after much that has to be fetched. That line.
    ///
    /// # Panics
    /// When it does not come within three times the time in which a machine boots.
    pub fn says(&self, text: &str) -> String {
        let start = Instant::now();
        let mut console = Vec::new();
        while let Ok(line) = self.console.recv_timeout((3 * BOOT_DEADLINE).saturating_sub(start.elapsed())) {
            if line.contains(text) {
                return line;
            }
            console.push(line);
        }
        panic!("the machine does not say {text:?}; the console:\n{}", console.join("\n"))
    }

    /// What its installer says until it is through: the lines without their prefix.
    ///
    /// # Panics
    /// When it fails or takes too long.
    pub fn install(&mut self) -> Vec<String> {
        let start = Instant::now();
        let (mut said, mut console) = (Vec::new(), Vec::new());
        loop {
            match self.console.recv_timeout(BOOT_DEADLINE.saturating_sub(start.elapsed())) {
                Ok(line) => {
                    if let Some((_, text)) = line.split_once(PREFIX) {
                        eprintln!("{:>6.1} s  {text}", start.elapsed().as_secs_f32());
                        said.push(text.to_owned());
                    }
                    console.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("not installed after {BOOT_DEADLINE:?}; the console:\n{}", console.join("\n"))
                }
            }
        }
        let last = said.last().map(String::as_str);
        assert_eq!(last, Some("install ok"), "the console:\n{}", console.join("\n"));
        assert!(self.process.wait().unwrap().success(), "QEMU failed");
        said
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the machine's console:\n{}", self.console().join("\n"));
        }
        self.power_off();
    }
}

/// pxego, serving on `eth0` of a namespace.
pub struct Pxego {
    process: Child,
    output: Receiver<String>,
    events: Vec<Value>,
    start: Instant,
}

impl Pxego {
    /// Starts it; `arguments` come after `--iface eth0 --log json`. Returns when it says that it is ready.
    pub fn start(netns: &Netns, arguments: &[&str]) -> Self {
        let mut command = netns.command(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--log", "json"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = lines(process.stdout.take().unwrap());
        let mut pxego = Self { process, output, events: Vec::new(), start: Instant::now() };
        pxego.wait_for("ready", super::netns::DEADLINE);
        pxego
    }

    /// Waits for a machine's step: its first event from now on with this key.
    ///
    /// # Panics
    /// When the step does not come within the time in which a machine boots.
    pub fn wait_for_step(&mut self, step: &str) -> &Value {
        self.wait_for(step, BOOT_DEADLINE)
    }

    /// Waits for an event.
    ///
    /// # Panics
    /// When it does not come within `deadline`.
    pub fn wait_for(&mut self, event: &str, deadline: Duration) -> &Value {
        let start = Instant::now();
        loop {
            let line = self.output.recv_timeout(deadline.saturating_sub(start.elapsed()));
            let line =
                line.unwrap_or_else(|error| panic!("pxego: no event {event:?}: {error}: {:#?}", self.events));
            self.keep(&line);
            if self.events.last().is_some_and(|last| last["event"] == event) {
                break;
            }
        }
        self.events.last().unwrap()
    }

    /// Waits for the next event with this key, and does something every so often until it comes.
    ///
    /// # Panics
    /// When it does not come within the time in which a machine boots.
    pub fn wait_for_step_while(&mut self, step: &str, mut act: impl FnMut()) -> &Value {
        let start = Instant::now();
        loop {
            match self.output.recv_timeout(Duration::from_secs(1)) {
                Ok(line) => {
                    self.keep(&line);
                    if self.events.last().is_some_and(|last| last["event"] == step) {
                        return self.events.last().unwrap();
                    }
                }
                Err(RecvTimeoutError::Timeout) if start.elapsed() < BOOT_DEADLINE => act(),
                Err(error) => panic!("pxego: no event {step:?}: {error}: {:#?}", self.events),
            }
        }
    }

    /// All events so far.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    fn keep(&mut self, line: &str) {
        let event = serde_json::from_str(line);
        let event: Value = event.unwrap_or_else(|error| panic!("not a JSON object: {line}: {error}"));
        eprintln!("{:>6.1} s  {line}", self.start.elapsed().as_secs_f32());
        self.events.push(event);
    }

    /// Ends it as a service manager does. All its events, in their order.
    ///
    /// # Panics
    /// When it does not end with success.
    pub fn stop(self) -> Vec<Value> {
        self.stop_with("TERM")
    }

    /// The same by another signal: `INT` is Ctrl-C, `HUP` a terminal that was closed.
    pub fn stop_with(mut self, signal: &str) -> Vec<Value> {
        run(Command::new("kill").args(["-s", signal, &self.process.id().to_string()]));
        let status = wait_for_end(&mut self.process);
        while let Ok(line) = self.output.recv() {
            self.keep(&line);
        }
        assert!(status.success(), "pxego ended with {status}");
        std::mem::take(&mut self.events)
    }
}

impl Drop for Pxego {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines of a stream, read by a thread until it ends. What is not UTF-8 in them is replaced.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
