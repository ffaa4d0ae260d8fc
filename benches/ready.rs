//! Ready time: from exec to the first answered request, with images of 10 GB and 30,000 files, and of 100,000 files. And
//! the memory it takes, and how long a path is looked up. Needs root, and what `demo/setup.sh bench` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netns::{Bench, DEADLINE, run};
use pxego::image::{FileTree, ImageFile, IsoImage};
use report::Row;

/// The address that pxego gives itself, and its HTTP port.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 100, 1)), 80);

/// One of the files of `large_image.sh`.
const PACKAGE: &str =
    "AppStream/Packages/perl-Some-Module-19999-1.20-396.module_el8+2464+d274aed1.noarch.rpm";

/// Look-ups of one run.
const LOOKUPS: u32 = 20_000;

/// Measured runs; one before them fills the page cache.
const RUNS: usize = 15;

/// What one run came to.
struct Run {
    /// From exec to the first byte of the answer.
    ready: Duration,
    /// Peak resident memory then, in kB.
    memory: u64,
}

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let bench = Bench::new();
    for image in &IMAGES {
        ready(&bench, image);
        lookup(image);
    }
}

/// An image to start with.
struct Large {
    files: &'static str,
    /// What `large_image.sh` calls it.
    count: &'static str,
    /// Length of each package.
    len: u64,
    /// What is wanted, in milliseconds.
    target: f64,
}

const IMAGES: [Large; 2] = [
    Large { files: "10 GB, 30,000 files", count: "30000", len: 333 << 10, target: 30.0 },
    Large { files: "100,000 files", count: "100000", len: 10 << 10, target: 100.0 },
];

/// Measures the time until the first answer, and the memory that it takes.
fn ready(bench: &Bench, large: &Large) {
    let path = image(large);
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ready");
    std::fs::create_dir_all(&state).unwrap();
    measure(bench, &path, &state, large.len);
    let runs: Vec<Run> = (0..RUNS).map(|_| measure(bench, &path, &state, large.len)).collect();
    std::fs::remove_dir_all(&state).unwrap();

    let ready: Vec<f64> = runs.iter().map(|run| run.ready.as_secs_f64() * 1000.0).collect();
    let memory: Vec<f64> = runs.iter().map(|run| run.memory as f64 / 1000.0).collect();
    let row = Row {
        bench: "ready",
        case: &format!("{}, first request answered", large.files),
        unit: "ms",
        more_is_better: false,
        ours: &ready,
        rival: ("", &[]),
        target: Some(large.target),
    };
    row.print();
    let case = "the same, peak resident memory";
    Row { case, unit: "MB", ours: &memory, target: Some(32.0), ..row }.print();
}

/// Measures how long a path takes that is near the end of the largest directory, and one that is nowhere.
fn lookup(large: &Large) {
    let opened = IsoImage::open(Arc::new(ImageFile::open(&image(large)).unwrap())).unwrap();
    let missing = PACKAGE.replace("noarch", "i686");
    for (case, path, is_there) in
        [("a path is found", PACKAGE, true), ("a path is not found", &missing, false)]
    {
        let figures: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..LOOKUPS {
                    assert_eq!(black_box(opened.find(black_box(path.as_bytes()))).is_some(), is_there);
                }
                start.elapsed().as_secs_f64() * 1e6 / f64::from(LOOKUPS)
            })
            .collect();
        let row = Row {
            bench: "ready",
            case: &format!("{}, {case}", large.files),
            unit: "us",
            more_is_better: false,
            ours: &figures,
            rival: ("", &[]),
            target: Some(2.0),
        };
        row.print();
    }
}

/// The large image; made unless it is there.
fn image(large: &Large) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/large_image.sh");
    let output = run(Command::new(script).arg(large.count).stderr(Stdio::inherit()));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Starts pxego on an interface that has no address, asks for a file of the image until it is there, and stops it.
fn measure(bench: &Bench, image: &Path, state: &Path, len: u64) -> Run {
    bench.server.run(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--iso"]).arg(image).arg("--state").arg(state);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let mut pxego = command.spawn().unwrap();
        while !is_answered(len) {
            assert!(start.elapsed() < DEADLINE, "no answer");
            assert_eq!(pxego.try_wait().unwrap(), None, "pxego ended");
            // Asking all the time would take a core from it.
            std::thread::sleep(Duration::from_micros(100));
        }
        let ready = start.elapsed();
        let memory = peak_memory(&pxego);
        run(Command::new("kill").arg(pxego.id().to_string()));
        assert!(pxego.wait().unwrap().success());
        Run { ready, memory }
    })
}

/// Whether a package that stands near the end of the largest directory is served.
fn is_answered(len: u64) -> bool {
    let Ok(mut connection) = TcpStream::connect_timeout(&SERVER, DEADLINE) else { return false };
    let head = format!("HEAD /{PACKAGE} HTTP/1.1\r\nHost: pxego\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(&format!("Content-Length: {len}\r\n")),
        "{answer}"
    );
    true
}

/// `VmHWM` of proc_pid_status(5), in kB.
fn peak_memory(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
