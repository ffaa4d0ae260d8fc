//! DHCP against dnsmasq, isc-dhcpd and Kea, in turn, over a cable between two network namespaces: handshakes of a room of
//! PXE ROMs, with a raw socket and perfdhcp. Needs root, and what `demo/setup.sh bench` installs.
//!
//! `cargo bench --bench dhcp -- sustained` (or `first`, `burst`, `avalanche`, `memory`) does a part of it. dnsmasq, isc-dhcpd and
//! pxego have a lease on the disk before its ACK leaves; Kea writes it without waiting for the disk.
#![allow(unsafe_code, clippy::disallowed_methods)]

#[path = "dhcp/load.rs"]
mod load;
#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;
#[path = "dhcp/servers.rs"]
mod servers;

use std::collections::HashMap;
use std::time::Duration;

use load::{IMPATIENT, Outcome, ROM, Room};
use netns::{Bench, wait_until};
use report::{Row, median};
use servers::{LARGE, MIDDLE, Ping, Program, Server};

/// How often each measurement is made; the middle one counts.
const RUNS: usize = 3;

/// Machines that come again and again: each less often than pxego takes for a flood, 50 messages a second.
const MACHINES: usize = 4000;
const IN_FLIGHT: usize = 100;
const TIME: Duration = Duration::from_secs(5);
/// Nothing takes longer: a ROM gives up after a minute.
const LONG: Duration = Duration::from_secs(120);

type Figures = HashMap<&'static str, Vec<f64>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|it| *it == part);
    let bench = Bench::new();
    bench.server.ip("address add 10.77.0.1/16 dev eth0");
    bench.client.ip("address add 10.77.0.2/16 dev eth0");
    if wants("sustained") {
        sustained(&bench);
    }
    if wants("first") {
        first(&bench);
    }
    if wants("burst") {
        burst(&bench, "1,000 at once, pool of 4,096", MIDDLE);
        burst(&bench, "1,000 at once, pool of 61,000", LARGE);
    }
    if wants("avalanche") {
        avalanche(&bench);
    }
    if wants("memory") {
        memory(&bench);
    }
}

/// Starts a server and waits until it gives addresses.
fn start(bench: &Bench, program: Program, range: (&str, &str), ping: Ping) -> Server {
    let server = program.start(&bench.server, range, ping);
    bench.client.run(|| {
        let mut room = Room::new(0xff, 1);
        wait_until(program.name(), || {
            room.work(1, 1, LONG, &[Duration::from_millis(500)]).latencies.len() == 1
        });
    });
    server
}

fn note(text: &str) {
    eprintln!("dhcp   {text}");
}

fn note_outcome(program: Program, what: &str, outcome: &Outcome) {
    note(&format!(
        "{:<10} {what}: {} in {:.2} s, {:.0}/s, p50 {:.1} p99 {:.1} ms, {} failed, {} sent again, {} wrong",
        program.name(),
        outcome.latencies.len(),
        outcome.took.as_secs_f64(),
        outcome.rate(),
        outcome.percentile(50),
        outcome.percentile(99),
        outcome.failed,
        outcome.repeated,
        outcome.wrong
    ));
    assert_eq!(outcome.wrong, 0, "{} gave a wrong answer", program.name());
}

/// Full handshakes of machines that come again, as many as each server can do. No server pings for them.
fn sustained(bench: &Bench) {
    let (mut rates, mut latencies, mut fresh) = (Figures::new(), Figures::new(), Figures::new());
    for _ in 0..RUNS {
        for program in Program::ALL {
            let server = start(bench, program, LARGE, Ping::Off);
            bench.client.run(|| {
                let mut room = Room::new(1, MACHINES);
                let outcome = room.work(IN_FLIGHT, MACHINES, LONG, IMPATIENT);
                note_outcome(program, "unknown machines", &outcome);
                fresh.entry(program.name()).or_default().push(outcome.rate());
                let outcome = room.work(IN_FLIGHT, usize::MAX, TIME, IMPATIENT);
                note_outcome(program, "known machines", &outcome);
                rates.entry(program.name()).or_default().push(outcome.rate());
                latencies.entry(program.name()).or_default().push(outcome.percentile(99));
            });
            server.stop();
        }
    }
    let best = best_rival(&rates, true);
    let row = Row {
        bench: "dhcp",
        case: "4,000 known machines, 100 in flight",
        unit: "handshakes/s",
        more_is_better: true,
        ours: &rates["pxego"],
        rival: (best, &rates[best]),
        target: Some(3.0),
    };
    row.print();
    for rival in rivals().filter(|it| *it != best) {
        Row { rival: (rival, &rates[rival]), target: None, ..row }.print();
    }
    let row = Row {
        case: "the same, 99th percentile",
        unit: "ms",
        more_is_better: false,
        ours: &latencies["pxego"],
        rival: ("", &[]),
        target: Some(10.0),
        ..row
    };
    row.print();
    for rival in rivals().filter(|it| latencies.contains_key(it)) {
        Row { rival: (rival, &latencies[rival]), target: None, ..row }.print();
    }
    for rival in rivals() {
        let case = "4,000 unknown machines, the others unchecked";
        let (unit, ours) = ("handshakes/s", &fresh["pxego"]);
        Row { case, unit, ours, more_is_better: true, rival: (rival, &fresh[rival]), target: None, ..row }
            .print();
    }
}

/// Full handshakes of machines that nobody knows: every one is a new lease. pxego has asked about its addresses before; the
/// others do not ask.
fn first(bench: &Bench) {
    let (mut rates, mut latencies) = (Figures::new(), Figures::new());
    for _ in 0..RUNS {
        for program in Program::ALL {
            let server = start(bench, program, MIDDLE, Ping::Off);
            std::thread::sleep(Duration::from_secs(2));
            bench.client.run(|| {
                let outcome = Room::new(4, 2000).work(IN_FLIGHT, 2000, LONG, IMPATIENT);
                note_outcome(program, "first leases", &outcome);
                rates.entry(program.name()).or_default().push(outcome.rate());
                latencies.entry(program.name()).or_default().push(outcome.percentile(99));
            });
            server.stop();
        }
    }
    let row = Row {
        bench: "dhcp",
        case: "2,000 new leases, 100 in flight",
        unit: "handshakes/s",
        more_is_better: true,
        ours: &rates["pxego"],
        rival: ("", &[]),
        target: Some(3.0),
    };
    for rival in rivals() {
        // Kea does not wait for the disk.
        let target = (rival != "kea").then_some(3.0);
        Row { rival: (rival, &rates[rival]), target, ..row }.print();
    }
    let row = Row {
        case: "the same, 99th percentile",
        unit: "ms",
        more_is_better: false,
        ours: &latencies["pxego"],
        target: Some(10.0),
        ..row
    };
    row.print();
    for rival in rivals() {
        Row { rival: (rival, &latencies[rival]), target: None, ..row }.print();
    }
}

/// 1,000 machines switched on at once, nobody known; each server checks addresses as it does by default.
fn burst(bench: &Bench, case: &str, range: (&str, &str)) {
    let (mut latencies, mut failed) = (Figures::new(), Figures::new());
    for run in 0..RUNS {
        for program in Program::ALL {
            if program != Program::Pxego && (run > 0 || range == LARGE) {
                // They take a minute; one run says it.
                continue;
            }
            let server = start(bench, program, range, Ping::Default);
            if program == Program::Pxego {
                // It asks about its addresses meanwhile, as it does between its start and the first machine's.
                std::thread::sleep(Duration::from_secs(2));
            }
            bench.client.run(|| {
                let outcome = Room::new(2, 1000).work(1000, 1000, LONG, ROM);
                note_outcome(program, case, &outcome);
                latencies.entry(program.name()).or_default().push(outcome.percentile(99));
                failed.entry(program.name()).or_default().push(outcome.failed as f64);
            });
            server.stop();
        }
    }
    let row = Row {
        bench: "dhcp",
        case: &format!("{case}, 99th percentile"),
        unit: "ms",
        more_is_better: false,
        ours: &latencies["pxego"],
        rival: ("", &[]),
        target: Some(250.0),
    };
    row.print();
    for rival in rivals().filter(|it| latencies.contains_key(it)) {
        Row { rival: (rival, &latencies[rival]), target: None, ..row }.print();
    }
    let row = Row {
        case: &format!("{case}, failed"),
        unit: "machines",
        ours: &failed["pxego"],
        target: Some(0.0),
        ..row
    };
    row.print();
    for rival in rivals().filter(|it| failed.contains_key(it)) {
        Row { rival: (rival, &failed[rival]), target: None, ..row }.print();
    }
}

/// perfdhcp's avalanche of 500: all at once, each asks again until it has its lease.
fn avalanche(bench: &Bench) {
    let mut figures = Figures::new();
    for run in 0..RUNS {
        for program in Program::ALL {
            if program != Program::Pxego && run > 0 {
                continue;
            }
            let server = start(bench, program, LARGE, Ping::Default);
            let mut command = bench.client.command("timeout");
            command.args([
                "180",
                "perfdhcp",
                "-4",
                "-l",
                "eth0",
                "-R",
                "500",
                "--scenario",
                "avalanche",
                "-u",
            ]);
            let output = command.arg("10.77.0.1").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let took =
                text.split_once("It took ").and_then(|(_, rest)| milliseconds(rest)).unwrap_or(f64::INFINITY);
            let resent = number_after(&text, "Requests resent: ").unwrap_or(0.0);
            let duplicates: f64 = text
                .lines()
                .filter(|line| line.contains("non unique addresses"))
                .filter_map(|line| number_after(line, "addresses: "))
                .sum();
            note(&format!(
                "{:<10} avalanche of 500: {took} ms, {resent} sent again, {duplicates} repeated addresses",
                program.name()
            ));
            if took.is_infinite() {
                note(&format!("perfdhcp said: {text}{}", String::from_utf8_lossy(&output.stderr)));
            }
            figures.entry(program.name()).or_default().push(took);
            server.stop();
        }
    }
    let row = Row {
        bench: "dhcp",
        case: "perfdhcp's avalanche of 500",
        unit: "ms",
        more_is_better: false,
        ours: &figures["pxego"],
        rival: ("", &[]),
        target: Some(1500.0),
    };
    row.print();
    for rival in rivals() {
        Row { rival: (rival, &figures[rival]), target: None, ..row }.print();
    }
}

/// Resident memory with 1,000 leases.
fn memory(bench: &Bench) {
    let mut figures: HashMap<&str, (f64, f64)> = HashMap::new();
    for program in Program::ALL {
        let server = start(bench, program, MIDDLE, Ping::Off);
        bench.client.run(|| {
            let mut room = Room::new(3, 1000);
            let outcome = room.work(IN_FLIGHT, 1000, LONG, IMPATIENT);
            note_outcome(program, "1,000 leases", &outcome);
            assert!(program != Program::Pxego || room.granted() == 1000);
        });
        figures.insert(program.name(), (server.memory("VmRSS"), server.memory("VmHWM")));
        server.stop();
    }
    let (ours, peak) = figures["pxego"];
    let row = Row {
        bench: "dhcp",
        case: "resident memory with 1,000 leases",
        unit: "MB",
        more_is_better: false,
        ours: &[ours],
        rival: ("", &[]),
        target: Some(16.0),
    };
    row.print();
    Row { case: "the same, peak", ours: &[peak], ..row }.print();
    for rival in rivals() {
        Row { rival: (rival, &[figures[rival].0]), target: None, ..row }.print();
    }
}

fn rivals() -> impl Iterator<Item = &'static str> {
    Program::ALL.into_iter().filter(|it| *it != Program::Pxego).map(Program::name)
}

fn best_rival(figures: &Figures, more_is_better: bool) -> &'static str {
    let figure =
        |name: &&'static str| if more_is_better { median(&figures[name]) } else { -median(&figures[name]) };
    rivals().max_by(|one, other| figure(one).total_cmp(&figure(other))).unwrap()
}

/// `00:00:01.810241 to provision…`
fn milliseconds(text: &str) -> Option<f64> {
    let mut parts = text.split(' ').next()?.split(':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some((hours * 3600.0 + minutes * 60.0 + seconds) * 1000.0)
}

fn number_after(text: &str, what: &str) -> Option<f64> {
    let rest = text.split_once(what)?.1;
    let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(rest.len());
    rest[..end].parse().ok()
}
