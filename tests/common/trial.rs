//! One machine with real firmware, switched on in front of pxego, watched as far as a statement needs.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::lab::{Firmware, Machine, Pxego, image, power, scratch};
use super::netns::{Bench, Netns, Running, run, wait_until};
use super::wire::{Capture, Edit, TAP, Wire, add_tap, bridge, bridge_with, neighbour};

/// The machine's card.
pub const MAC: &str = "52:54:00:12:34:56";

/// The end of its other card's cable.
const FIRST_TAP: &str = "tap1";

/// Another DHCP server on the wire; it gives the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherServer {
    Dnsmasq,
    IscDhcpd,
}

/// What the machine is switched on in front of.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub firmware: Firmware,
    pub layout: &'a str,
    /// Another image than the layout's.
    pub image: Option<&'a Path>,
    /// What the wire does with frames from the machine, and with those from the server.
    pub wire: Option<(Edit, Edit)>,
    pub other: Option<OtherServer>,
    /// What pxego remembers of choosy firmware.
    pub shapes: &'a str,
    /// The answer file that machines get; none when it is empty.
    pub answer: &'a str,
    /// A card before the one that the machine boots from, on the same wire.
    pub first_card: Option<&'a str>,
    /// What else pxego is told on its command line.
    pub arguments: &'a [&'a str],
}

impl Setup<'_> {
    pub fn new(firmware: Firmware, layout: &str) -> Setup<'_> {
        Setup {
            firmware,
            layout,
            image: None,
            wire: None,
            other: None,
            shapes: "",
            answer: "",
            first_card: None,
            arguments: &[],
        }
    }

    /// Starts everything and switches the machine on.
    pub fn start(&self, name: &str) -> Trial {
        let image = self.image.map_or_else(|| image(self.layout), Path::to_owned);
        let power = power();
        let scratch = scratch(name);
        let bench = Bench::new();
        let wire = match self.wire {
            Some((from_machine, from_server)) => Some(bridge_with(&bench, from_machine, from_server)),
            None => {
                bridge(&bench);
                None
            }
        };
        let other = self.other.map(|other| other.start(&bench, &scratch));
        let state = scratch.join("state");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("shapes"), self.shapes).unwrap();
        let capture = Capture::start(&bench, &scratch.join("cable.pcap"));
        let (image, state) = (image.to_str().unwrap(), state.to_str().unwrap());
        let mut arguments = vec!["--iso", image, "--state", state];
        let answer = scratch.join("answer");
        if !self.answer.is_empty() {
            fs::write(&answer, self.answer).unwrap();
            arguments.extend(["--ks", answer.to_str().unwrap()]);
        }
        if self.other.is_some() {
            arguments.extend(["--address", "192.168.100.1/24"]);
        }
        arguments.extend(self.arguments);
        let pxego = Pxego::start(&bench.server, &arguments);
        let mut cards = vec![(TAP, MAC)];
        if let Some(mac) = self.first_card {
            add_tap(&bench.client, FIRST_TAP);
            cards.insert(0, (FIRST_TAP, mac));
        }
        let machine = Machine::power_on_with_cards(&bench.client, self.firmware, &cards);
        Trial { machine, pxego, capture, other, wire, bench, scratch, power }
    }
}

/// A machine on its way. What is here is ended in this order.
pub struct Trial {
    pub machine: Machine,
    pub pxego: Pxego,
    pub capture: Capture,
    other: Option<(Running, Netns)>,
    wire: Option<Wire>,
    pub bench: Bench,
    pub scratch: PathBuf,
    power: File,
}

impl Trial {
    /// Waits until the machine has fetched its kernel: what our part of the way there is. Its events.
    pub fn until_kernel(&mut self) -> Vec<Value> {
        self.until("kernel")
    }

    /// Waits for a step of the machine. Its events until then.
    pub fn until(&mut self, step: &str) -> Vec<Value> {
        self.until_within(step, super::lab::BOOT_DEADLINE)
    }

    /// The same with a deadline of the caller's own.
    pub fn until_within(&mut self, step: &str, deadline: Duration) -> Vec<Value> {
        self.pxego.wait_for(step, deadline);
        self.pxego.events().iter().filter(|event| event["mac"] == MAC).cloned().collect()
    }

    /// Switches the machine off and on again.
    pub fn power_cycle(&mut self, firmware: Firmware) {
        self.machine.power_off();
        self.machine = Machine::power_on(&self.bench.client, firmware, MAC);
    }

    /// Ends pxego as Ctrl-C would, and removes everything.
    pub fn end(self) {
        let Self { machine, pxego, capture, other, wire, bench, scratch, power } = self;
        drop(machine);
        pxego.stop();
        drop((capture, other, wire, bench));
        fs::remove_dir_all(scratch).unwrap();
        drop(power);
    }
}

/// The events with this key.
pub fn of<'a>(events: &'a [Value], key: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == key).collect()
}

/// The names of the files fetched as `step`, and how, as `http EFI/BOOT/BOOTX64.EFI`.
pub fn fetched(events: &[Value], step: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of(events, step)
        .into_iter()
        .map(|event| [text(&event["protocol"]), text(&event["name"])].join(" "))
        .collect()
}

impl OtherServer {
    /// Starts it at 192.168.100.254, on the machine's side of the wire.
    fn start(self, bench: &Bench, scratch: &std::path::Path) -> (Running, Netns) {
        let netns = neighbour(bench, "other", "192.168.100.254/24");
        let file = |name: &str, text: &str| {
            let path = scratch.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let leases = file("leases", "");
        let program = match self {
            Self::Dnsmasq => "dnsmasq",
            Self::IscDhcpd => "dhcpd",
        };
        let running = match self {
            Self::Dnsmasq => {
                let leases = format!("--dhcp-leasefile={leases}");
                let pid = format!("--pid-file={}", scratch.join("pid").display());
                let arguments = [
                    "--keep-in-foreground",
                    "--conf-file=/dev/null",
                    "--user=root",
                    "--port=0",
                    "--interface=eth0",
                    "--no-ping",
                    "--dhcp-authoritative",
                    "--dhcp-range=192.168.100.50,192.168.100.60,1h",
                    &leases,
                    &pid,
                ];
                netns.start("dnsmasq", &arguments)
            }
            Self::IscDhcpd => {
                let configuration = file(
                    "dhcpd.conf",
                    "authoritative;\nping-check off;\ndefault-lease-time 3600;\n\
                     subnet 192.168.100.0 netmask 255.255.255.0 {\n  \
                     range 192.168.100.50 192.168.100.60;\n  option routers 192.168.100.254;\n}\n",
                );
                let pid = scratch.join("pid");
                let arguments = [
                    "-4",
                    "-f",
                    "-q",
                    "-cf",
                    &configuration,
                    "-lf",
                    &leases,
                    "-pf",
                    pid.to_str().unwrap(),
                    "eth0",
                ];
                netns.start("dhcpd", &arguments)
            }
        };
        // It answers the first question that pxego asks, or pxego would take the wire for its own.
        wait_until("the other server is there", || {
            let sockets = run(netns.command("ss").args(["-H", "-n", "-u", "-a", "-p"])).stdout;
            let sockets = String::from_utf8_lossy(&sockets).into_owned();
            sockets.lines().any(|line| line.contains(":67 ") && line.contains(program))
        });
        (running, netns)
    }
}
