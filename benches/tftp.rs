//! TFTP against tftpd-hpa, dnsmasq and atftpd, in turn, over a cable between two network namespaces: pxego from the image,
//! the others from the same files unpacked. Needs root, and what `demo/setup.sh bench` installs.
//!
//! `cargo bench --bench tftp -- one` (or `windows`, `many`, `crowd`, `loss`, `honest`) does a part of it. `BEFORE=PROGRAM` in the
//! environment is another pxego that is shown beside this one.
#![allow(unsafe_code, clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/bad_wire.rs"]
mod bad_wire;
#[path = "tftp/bare.rs"]
mod bare;
#[path = "common/crowd.rs"]
mod crowd;
#[path = "tftp/load.rs"]
mod load;
#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "tftp/post.rs"]
mod post;
#[path = "common/report.rs"]
mod report;
#[path = "tftp/servers.rs"]
mod servers;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bad_wire::{BadWire, Weather};
use load::{Outcome, Work};
use netns::{Bench, run, wait_until};
use report::{Row, median};
use servers::{BEFORE, Files, LARGE, MIDDLE, SMALL, Server, TEN, note};

/// How often each measurement is made, unless `RUNS` in the environment says otherwise; the middle one counts.
const RUNS: usize = 5;

/// tftpd-hpa, dnsmasq and atftpd.
const RIVALS: usize = 3;

const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|it| it == part);
    let files = Files::make();
    if ["one", "windows", "many", "honest", "crowd"].into_iter().any(wants) {
        let lab = Lab::new(&files);
        if wants("one") {
            lab.lockstep();
        }
        if wants("one") || wants("windows") {
            lab.windows();
        }
        if wants("many") {
            lab.many();
        }
        if wants("honest") {
            lab.honest();
        }
        if wants("crowd") {
            lab.crowd();
        }
    }
    if wants("loss") {
        loss(&files);
    }
}

/// What a single client fetches: on a busy computer many short runs say more than a few long ones (`SHORT=1`).
fn one() -> &'static str {
    if std::env::var_os("SHORT").is_some() { MIDDLE.0 } else { LARGE.0 }
}

/// Addresses of clients: a machine has one.
fn addresses(count: usize) -> Vec<Ipv4Addr> {
    (0..count).map(|number| Ipv4Addr::new(192, 168, 100, 10 + number as u8)).collect()
}

fn plug(bench: &Bench) {
    for last in [1, 3, 4, 5, 6, 7] {
        bench.server.ip(&format!("address add 192.168.100.{last}/24 dev eth0"));
    }
    for address in addresses(64) {
        bench.client.ip(&format!("address add {address}/24 dev eth0"));
    }
}

struct Lab<'a> {
    bench: Bench,
    /// That of another pxego.
    other_bench: Option<Bench>,
    files: &'a Files,
    /// pxego is the first, and another pxego may be the last.
    servers: Vec<Server>,
    /// Who knows no protocol, with one client and with many.
    bare: SocketAddrV4,
    bare_crowd: SocketAddrV4,
}

impl<'a> Lab<'a> {
    fn new(files: &'a Files) -> Self {
        let bench = Bench::new();
        plug(&bench);
        let mut servers = vec![
            Server::pxego(&bench.server, files, &[]),
            Server::hpa(&bench.server, files),
            Server::dnsmasq(&bench.server, files),
            Server::atftpd(&bench.server, files),
        ];
        let other_bench = std::env::var_os("BEFORE").map(|program| {
            let bench = Bench::new();
            plug(&bench);
            servers.push(Server::before(&bench.server, files, &program));
            bench
        });
        let bare = bare::start(&bench.server, 6, files);
        let bare_crowd = bare::start_crowd(&bench.server, 7, files);
        let lab = Self { bench, other_bench, files, servers, bare, bare_crowd };
        for server in &lab.servers {
            // Asked until it answers; then everything was read once.
            wait_until(server.program, || lab.fetch(server, LARGE.0, 1, (1468, 1)).failures.is_empty());
        }
        lab
    }

    fn fetch(&self, server: &Server, file: &str, clients: usize, shape: (u16, u16)) -> Outcome {
        let bench = self.other_bench.as_ref().filter(|_| server.program == BEFORE).unwrap_or(&self.bench);
        self.fetch_at((bench, server.address), &server.name(file), file, clients, shape)
    }

    fn fetch_at(
        &self,
        (bench, server): (&Bench, SocketAddrV4),
        name: &str,
        file: &str,
        clients: usize,
        (block_len, window): (u16, u16),
    ) -> Outcome {
        let work = Work { server, name, file: self.files.bytes(file), block_len, window, patience: PATIENCE };
        // At most eight for an address.
        bench.client.run(|| load::run(&addresses(clients.min(64)), clients, &work))
    }

    /// MB/s of all clients together, and CPU seconds of the server for each GB; NaN when one failed.
    fn rate(&self, server: &Server, file: &str, clients: usize, shape: (u16, u16)) -> (f64, f64) {
        let before = server.cpu();
        let outcome = self.fetch(server, file, clients, shape);
        let wanted = (usize::from(shape.0), u64::from(shape.1));
        if outcome.granted != wanted && server.program.starts_with("pxego") {
            note(&format!("{wanted:?} asked, {:?} granted", outcome.granted));
        }
        if outcome.useless > 0 {
            note(&format!("{}: {} blocks came in vain", server.program, outcome.useless));
        }
        if let Some(failure) = outcome.failures.first() {
            note(&format!("{}: {} of {clients} failed: {failure}", server.program, outcome.failures.len()));
            return (f64::NAN, f64::NAN);
        }
        let mega = (self.files.bytes(file).len() * clients) as f64 / 1e6;
        (mega / outcome.seconds, (server.cpu() - before) / mega * 1e3)
    }

    /// Compares with the best of `rivals`, all in turn.
    fn compare(&self, file: &str, clients: usize, shape: (u16, u16), rivals: &[usize], target: f64) {
        let all: Vec<usize> =
            std::iter::once(0).chain(rivals.iter().copied()).chain(RIVALS + 1..self.servers.len()).collect();
        let (mut figures, mut costs) = (vec![Vec::new(); RIVALS + 2], vec![Vec::new(); RIVALS + 2]);
        for _ in 0..report::runs(RUNS) {
            for at in &all {
                let (rate, cost) = self.rate(&self.servers[*at], file, clients, shape);
                figures[*at].push(rate);
                costs[*at].push(cost);
            }
        }
        let best = rivals.iter().copied().max_by(|one, other| {
            let of = |at: &usize| Some(median(&figures[*at])).filter(|it| !it.is_nan()).unwrap_or(0.0);
            of(one).total_cmp(&of(other))
        });
        let best = best.unwrap_or(1);
        for at in &all {
            let (program, rate) = (self.servers[*at].program, median(&figures[*at]));
            let best = figures[*at].iter().copied().fold(0.0, f64::max);
            let cost = median(&costs[*at]);
            note(&format!("    {program:<13} {rate:>7.1} MB/s, at best {best:>7.1}, {cost:.2} CPU s/GB"));
        }
        let mega = self.files.bytes(file).len() >> 20;
        let case = format!("{clients} x {mega} MB, blksize {}, windowsize {}", shape.0, shape.1);
        let row = Row {
            bench: "tftp",
            case: &case,
            unit: "MB/s",
            more_is_better: true,
            ours: &figures[0],
            rival: (self.servers[best].program, &figures[best]),
            target: Some(target),
        };
        row.print();
        if clients == 1 {
            self.against_bare(self.bare, (file, 1, shape), &case, &figures[0]);
        } else if shape.1 == 1 {
            self.against_bare(self.bare_crowd, (file, clients, shape), &case, &figures[0]);
        }
    }

    /// How far it is from the limit.
    fn against_bare(
        &self,
        bare: SocketAddrV4,
        (file, clients, shape): (&str, usize, (u16, u16)),
        case: &str,
        ours: &[f64],
    ) {
        let limit: Vec<f64> = (0..ours.len())
            .map(|_| {
                let outcome = self.fetch_at((&self.bench, bare), file, file, clients, shape);
                assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
                outcome.bytes as f64 / 1e6 / outcome.seconds
            })
            .collect();
        let case = format!("{case}, against a bare loop");
        let (unit, rival) = ("MB/s", ("loop", &limit[..]));
        Row { bench: "tftp", case: &case, unit, more_is_better: true, ours, rival, target: None }.print();
    }

    fn lockstep(&self) {
        self.compare(one(), 1, (512, 1), &[1, 2, 3], 1.2);
        self.compare(one(), 1, (1468, 1), &[1, 2, 3], 1.2);
    }

    fn windows(&self) {
        self.compare(one(), 1, (1468, 16), &[3], 4.0);
        self.compare(one(), 1, (1468, 64), &[3], 4.0);
    }

    fn many(&self) {
        for window in [1, 16, 64] {
            self.compare(MIDDLE.0, 32, (1468, window), &[1, 2, 3], 2.0);
        }
    }

    /// Programs of others, as a check of our load: they start, write to a file, and are not awake.
    fn honest(&self) {
        let target = std::env::temp_dir().join(format!("pxego-bench-{}", std::process::id()));
        let path = target.to_str().unwrap();
        for server in &self.servers {
            let (host, name) = (server.address.ip().to_string(), server.name(LARGE.0));
            let url = format!("tftp://{host}/{name}");
            let atftp = |window: &'static str| {
                vec![
                    "atftp",
                    "--option",
                    "blksize 1468",
                    "--option",
                    window,
                    "-g",
                    "-r",
                    &name,
                    "-l",
                    path,
                    &host,
                ]
            };
            for (what, words) in [
                ("curl, blksize 1468", vec!["curl", "-s", "--tftp-blksize", "1468", "-o", path, &url]),
                (
                    "atftp, blksize 1468",
                    vec!["atftp", "--option", "blksize 1468", "-g", "-r", &name, "-l", path, &host],
                ),
                ("atftp, windowsize 16", atftp("windowsize 16")),
            ] {
                let start = Instant::now();
                run(self.bench.client.command(words[0]).args(&words[1..]));
                let seconds = start.elapsed().as_secs_f64();
                let is_right = std::fs::read(&target).unwrap() == self.files.bytes(LARGE.0);
                let rate = LARGE.1 as f64 / 1e6 / seconds;
                note(&format!(
                    "{} to {what}: {rate:.1} MB/s{}",
                    server.program,
                    if is_right { "" } else { " WRONG" }
                ));
            }
        }
        let _ = std::fs::remove_file(&target);
    }

    /// 500 transfers at once, and as many by HTTP beside them.
    fn crowd(&self) {
        let (mut slowest, mut http_slowest, mut failed) = (Vec::new(), Vec::new(), 0);
        for beside in [false, true, true, true] {
            let (outcome, http) = self.crowds(beside);
            failed += outcome.failures.len();
            for failure in outcome.failures.iter().take(3) {
                note(&format!("a crowd's client failed: {failure}"));
            }
            let ratio = |times: &[f64]| times.iter().copied().fold(f64::NAN, f64::max) / median(times);
            let (rate, with) = (outcome.bytes as f64 / 1e6 / outcome.seconds, http.len());
            note(&format!("500 clients, {with} by HTTP beside them: {rate:.1} MB/s"));
            slowest.push(ratio(&outcome.each));
            http_slowest.extend((with > 0).then(|| ratio(&http)));
        }
        let row = |case, unit, ours: &[f64], target| {
            Row { ours, ..Row::alone("tftp", case, unit, target) }.print();
        };
        row("500 x 2 MB at once, slowest to median", "ratio", &slowest[..1], 3.0);
        row("500 + 500 by HTTP, TFTP: slowest to median", "ratio", &slowest[1..], 3.0);
        row("500 + 500 by HTTP, HTTP: slowest to median", "ratio", &http_slowest, 3.0);
        row("500 + 500 by HTTP, failed", "clients", &[failed as f64], 0.0);
        row("500 + 500 by HTTP, peak memory", "MB", &[self.servers[0].peak_memory()], 32.0);
    }

    /// 500 clients by TFTP and, where that is wanted, 500 by HTTP in the same moment; how long each of those took.
    fn crowds(&self, beside: bool) -> (Outcome, Vec<f64>) {
        let server = &self.servers[0];
        let (address, path) = ((*server.address.ip(), 80).into(), server.name(LARGE.0));
        let fetch = || {
            let file = (&path[..], self.files.bytes(LARGE.0));
            self.bench.client.run(|| crowd::crowd(address, file, 500, SMALL.1))
        };
        std::thread::scope(|scope| {
            let http = beside.then(|| scope.spawn(fetch));
            let outcome = self.fetch(server, SMALL.0, 500, (1468, 4));
            (outcome, http.map(|it| it.join().unwrap()).unwrap_or_default())
        })
    }
}

/// A wire that loses and delays, for a client that takes a block at a time; beside it the same wire without any loss.
fn loss(files: &Files) {
    for (what, delay) in
        [("2 ms to and fro", Duration::from_millis(1)), ("2 ms each way", Duration::from_millis(2))]
    {
        let blocks = TEN.1.div_ceil(1468) as f64;
        note(&format!("{what}: the delay alone takes {:.1} s", blocks * 2.0 * delay.as_secs_f64()));
        let wires =
            [0.0, 0.02].map(|loss| LossyLab::new(files, Weather { loss, delay, ..Weather::default() }));
        let [whole, lossy] = &wires;
        let (mut ours, mut without) = (Vec::new(), Vec::new());
        for _ in 0..RUNS.div_ceil(2) {
            without.push(whole.seconds(0));
            ours.push(lossy.seconds(0));
        }
        note(&format!("tftpd-hpa: {:.0} s (as it went on until it was given up)", lossy.seconds(1)));
        let case = format!("10 MB, blksize 1468, 2 % loss, {what}");
        let row = |rival, target| Row {
            bench: "tftp",
            case: &case,
            unit: "s",
            more_is_better: false,
            ours: &ours,
            rival,
            target: Some(target),
        };
        row(("", &[]), 15.0).print();
        row(("no loss", &without), 1.2).print();
        for lab in &wires {
            let tally = &lab.wire.tally;
            let [sent, late] = [&tally.sent, &tally.late].map(|it| it.load(Ordering::Relaxed) as f64);
            note(&format!("the wire was late by {:.0} us a frame", late / sent / 1e3));
        }
        for lab in wires {
            lab.servers.into_iter().for_each(Server::stop);
        }
    }
}

struct LossyLab<'a> {
    bench: Bench,
    files: &'a Files,
    /// pxego and tftpd-hpa.
    servers: [Server; 2],
    wire: BadWire,
}

impl<'a> LossyLab<'a> {
    fn new(files: &'a Files, weather: Weather) -> Self {
        let bench = Bench::new();
        let wire = BadWire::between(&bench, weather, 1);
        plug(&bench);
        let servers = [Server::pxego(&bench.server, files, &[]), Server::hpa(&bench.server, files)];
        Self { bench, files, servers, wire }
    }

    /// What a server takes for ten megabytes; reckoned from what came until it was given up, where that is less.
    fn seconds(&self, server: usize) -> f64 {
        let server = &self.servers[server];
        let (name, patience) = (server.name(TEN.0), Duration::from_secs(40));
        let file = self.files.bytes(TEN.0);
        let work = Work { server: server.address, name: &name, file, block_len: 1468, window: 1, patience };
        let outcome = self.bench.client.run(|| load::run(&addresses(1), 1, &work));
        let Some(failure) = outcome.failures.first() else { return outcome.seconds };
        note(&format!("{}: {failure} after {:.0} s", server.program, outcome.seconds));
        outcome.seconds * file.len() as f64 / outcome.bytes.max(1) as f64
    }
}
