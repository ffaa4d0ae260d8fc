//! Ready time: from exec to the first answered request, with an image of 10 GB and 30,000 files. And the memory it
//! takes. Needs root, and what `demo/setup.sh bench` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netns::{Bench, DEADLINE, run};
use report::Row;

/// The address that pxego gives itself, and its HTTP port.
const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 100, 1)), 80);

/// One of the files of `large_image.sh`.
const PACKAGE: &str =
    "AppStream/Packages/perl-Some-Module-19999-1.20-396.module_el8+2464+d274aed1.noarch.rpm";

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
    let image = image();
    let bench = Bench::new();
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ready");
    std::fs::create_dir_all(&state).unwrap();
    measure(&bench, &image, &state);
    let runs: Vec<Run> = (0..RUNS).map(|_| measure(&bench, &image, &state)).collect();
    std::fs::remove_dir_all(&state).unwrap();

    let ready: Vec<f64> = runs.iter().map(|run| run.ready.as_secs_f64() * 1000.0).collect();
    let memory: Vec<f64> = runs.iter().map(|run| run.memory as f64 / 1000.0).collect();
    let row = Row {
        bench: "ready",
        case: "10 GB, 30,000 files, first request answered",
        unit: "ms",
        more_is_better: false,
        ours: &ready,
        rival: ("", &[]),
        target: Some(30.0),
    };
    row.print();
    Row { case: "the same, peak resident memory", unit: "MB", ours: &memory, target: None, ..row }.print();
}

/// The large image; made unless it is there.
fn image() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/large_image.sh");
    let output = run(Command::new(script).stderr(Stdio::inherit()));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Starts pxego on an interface that has no address, asks for a file of the image until it is there, and stops it.
fn measure(bench: &Bench, image: &Path, state: &Path) -> Run {
    bench.server.run(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--iso"]).arg(image).arg("--state").arg(state);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let mut pxego = command.spawn().unwrap();
        while !is_answered() {
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
fn is_answered() -> bool {
    let Ok(mut connection) = TcpStream::connect_timeout(&SERVER, DEADLINE) else { return false };
    let head = format!("HEAD /{PACKAGE} HTTP/1.1\r\nHost: pxego\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Content-Length: 340992\r\n"),
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
