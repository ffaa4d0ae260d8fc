//! HTTP against nginx, in turn, over a cable between two network namespaces: pxego from the image, nginx from the same tree
//! unpacked. Needs root, and what `demo/setup.sh bench` installs.
//!
//! `cargo bench --bench http -- large` (or `small`, `crowd`) does a part of it; `large 16` that with so many connections.
#![allow(unsafe_code, clippy::disallowed_methods, clippy::print_stdout)]

use std::net::SocketAddr;

#[path = "common/crowd.rs"]
mod crowd;
#[path = "http/files.rs"]
mod files;
#[path = "http/load.rs"]
mod load;
#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;
#[path = "http/servers.rs"]
mod servers;

use files::{Files, LARGE};
use netns::Bench;
use report::{Row, median};
use servers::{Bare, Server};

/// How often each measurement is made, unless `RUNS` in the environment says otherwise; the middle one counts.
const RUNS: usize = 5;

fn main() {
    let (mut parts, mut connections) = (Vec::new(), Vec::new());
    for word in std::env::args().skip(1).filter(|it| !it.starts_with('-')) {
        match word.parse::<u32>() {
            Ok(number) => connections.push(number),
            Err(_) => parts.push(word),
        }
    }
    if connections.is_empty() {
        connections.extend([1, 16, 128]);
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|it| it == part);
    let files = Files::make();
    let bench = Bench::new();
    bench.client.ip("address add 192.168.100.2/24 dev eth0");
    for netns in [&bench.server, &bench.client] {
        // Not paced by timers, and allowed in a namespace.
        netns::run(netns.command("sysctl").args(["-qw", "net.ipv4.tcp_congestion_control=reno"]));
    }
    let pxego = Server::pxego(&bench.server, &files);
    let nginx = Server::nginx(&bench.server, &files);
    let bare = Bare::start(&bench.server, &files.image);
    let large = files.tree.join(files::FOLDER).join(files::name(0));
    let runs = report::runs(RUNS);
    let both = Both { bench: &bench, pxego: &pxego, nginx: &nginx, large, connections, runs };
    for path in [&files.image, &both.large] {
        files::read_anew(path);
    }
    for server in [&pxego, &nginx] {
        bench.client.run(|| load::verify_all(server.address));
    }
    if wants("large") {
        both.large(&bare);
    }
    if wants("small") {
        both.small(servers::start_bare_small(&bench.server, &files.tree));
    }
    if wants("crowd") {
        both.crowd();
    }
}

struct Both<'a> {
    bench: &'a Bench,
    pxego: &'a Server,
    nginx: &'a Server,
    /// The large file, unpacked.
    large: std::path::PathBuf,
    /// How many at once.
    connections: Vec<u32>,
    /// How often each measurement is made.
    runs: usize,
}

impl Both<'_> {
    /// Runs `work` against pxego, then against nginx, so many times. Returns the rates and the CPU times of both.
    fn in_turn(&self, work: impl Fn(&Server) -> f64 + Sync) -> [Vec<(f64, f64)>; 2] {
        let one = |server: &Server| {
            let before = server.cpu();
            let rate = self.bench.client.run(|| work(server));
            (rate, server.cpu() - before)
        };
        let mut figures = [Vec::new(), Vec::new()];
        for _ in 0..self.runs {
            figures[0].push(one(self.pxego));
            figures[1].push(one(self.nginx));
        }
        figures
    }

    fn large(&self, bare: &Bare) {
        for &connections in &self.connections {
            let times = (16 / connections).max(1);
            let gigabytes = f64::from(connections * times) * LARGE as f64 / 1e9;
            let [ours, theirs] = self.in_turn(|server| load::large(server.address, connections, times));
            let case = format!("{} MB, {connections} connections", LARGE >> 20);
            row(&case, "MB/s", true, (&first(&ours), &first(&theirs)), Some(1.0));
            let cpu = |runs: &[(f64, f64)]| runs.iter().map(|run| run.1 / gigabytes).collect::<Vec<_>>();
            row(&case, "CPU s/GB", false, (&cpu(&ours), &cpu(&theirs)), Some(0.9));

            let limit: Vec<(f64, f64)> = (0..self.runs)
                .map(|_| {
                    let before = bare.cpu();
                    let rate = self.bench.client.run(|| load::bare(bare.address, connections, times));
                    (rate, bare.cpu() - before)
                })
                .collect();
            let case = format!("{case}, against bare sendfile");
            let against = |unit, more_is_better, ours: &[f64], limit: &[f64]| {
                let (bench, rival) = ("http", ("sendfile", limit));
                Row { bench, case: &case, unit, more_is_better, ours, rival, target: None }.print()
            };
            against("MB/s", true, &first(&ours), &first(&limit));
            against("CPU s/GB", false, &cpu(&ours), &cpu(&limit));
        }
    }

    fn small(&self, bare: SocketAddr) {
        for &connections in &self.connections {
            let requests = if connections == 1 { 15_000 } else { 60_000 };
            let [ours, theirs] = self.in_turn(|server| load::small(server.address, connections, requests));
            let case = format!("3000 small files, {connections} connections");
            row(&case, "requests/s", true, (&first(&ours), &first(&theirs)), Some(1.5));
            let cpu = |runs: &[(f64, f64)]| {
                runs.iter().map(|run| run.1 * 1e6 / f64::from(requests)).collect::<Vec<_>>()
            };
            row(&case, "CPU us/req", false, (&cpu(&ours), &cpu(&theirs)), None);
            let limit: Vec<f64> = (0..self.runs)
                .map(|_| self.bench.client.run(|| load::small(bare, connections, requests)))
                .collect();
            let (ours, case) = (first(&ours), format!("{case}, against a bare loop"));
            let (bench, unit, rival) = ("http", "requests/s", ("loop", &limit[..]));
            Row { bench, case: &case, unit, more_is_better: true, ours: &ours, rival, target: None }.print();
        }
    }

    fn crowd(&self) {
        let file = std::fs::read(&self.large).unwrap();
        let path = format!("{}/{}", files::FOLDER, files::name(0));
        let ratios: Vec<f64> = (0..self.runs)
            .map(|_| {
                let times =
                    self.bench.client.run(|| crowd::crowd(self.pxego.address, (&path, &file), 500, 4 << 20));
                times.iter().copied().fold(0.0, f64::max) / median(&times)
            })
            .collect();
        let case = "500 transfers at once: slowest / median";
        Row { ours: &ratios, ..Row::alone("http", case, "ratio", 3.0) }.print();
        alone("peak memory after everything", "MB", self.pxego.peak_memory(), 32.0);
    }
}

fn first(runs: &[(f64, f64)]) -> Vec<f64> {
    runs.iter().map(|run| run.0).collect()
}

fn row(case: &str, unit: &str, more_is_better: bool, (ours, theirs): (&[f64], &[f64]), target: Option<f64>) {
    Row { bench: "http", case, unit, more_is_better, ours, rival: ("nginx", theirs), target }.print();
}

fn alone(case: &str, unit: &str, figure: f64, at_most: f64) {
    Row { ours: &[figure], ..Row::alone("http", case, unit, at_most) }.print();
}
