//! Ten images of 10 GB and 30,000 files each: the time from exec to the first answered request for the last of them, and
//! the memory; and how long a name takes to be looked up. Needs root, and what `demo/setup.sh bench` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;

use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netns::{Bench, DEADLINE, run};
use pxego::image::{FileTree, ImageFile, IsoImage, UnionTree};
use report::Row;

/// The address that pxego gives itself, and its HTTP port.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 168, 100, 1)), 80);

/// One of the files of `large_image.sh`.
const PACKAGE: &str =
    "AppStream/Packages/perl-Some-Module-19999-1.20-396.module_el8+2464+d274aed1.noarch.rpm";

const IMAGES: usize = 10;

/// Measured runs; one before them fills the page cache.
const RUNS: usize = 9;

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let image = image();
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("many");
    let folder = work.join("images");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&folder).unwrap();
    for number in 0..IMAGES {
        // One file under ten names: it is read ten times, and found in the page cache as ten files would be.
        fs::hard_link(&image, folder.join(format!("{number}.iso"))).unwrap();
    }
    let bench = Bench::new();
    measure(&bench, &folder, &work);
    let runs: Vec<(f64, f64)> = (0..RUNS).map(|_| measure(&bench, &folder, &work)).collect();
    let (ready, memory): (Vec<f64>, Vec<f64>) = runs.into_iter().unzip();
    fs::remove_dir_all(&work).unwrap();
    let row = Row {
        bench: "many",
        case: "ten images of 30,000 files, first request answered",
        unit: "ms",
        more_is_better: false,
        ours: &ready,
        rival: ("", &[]),
        target: Some(200.0),
    };
    row.print();
    Row { case: "the same, peak resident memory", unit: "MB", ours: &memory, target: None, ..row }.print();

    let open = || -> Arc<dyn FileTree> {
        Arc::new(IsoImage::open(Arc::new(ImageFile::open(&image).unwrap())).unwrap())
    };
    let names = names(&image);
    for (case, tree) in [
        ("a name among 30,000", open()),
        ("the same, two discs of a set", Arc::new(UnionTree::new(vec![open(), open()])) as Arc<dyn FileTree>),
    ] {
        let lookups: Vec<f64> = (0..RUNS).map(|_| look_up(tree.as_ref(), &names)).collect();
        Row { case, unit: "us", ours: &lookups, target: Some(2.0), ..row }.print();
    }
}

/// The large image; made unless it is there.
fn image() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/large_image.sh");
    let output = run(Command::new(script).stderr(Stdio::inherit()));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Every path of the image.
fn names(image: &Path) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let image = IsoImage::open(Arc::new(ImageFile::open(image).unwrap())).unwrap();
    image.walk(|path, _| names.push(path.to_vec()));
    // Not in the order in which they lie in memory.
    let mut state = 1_u64;
    names.sort_by_cached_key(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state
    });
    names
}

/// How long each name takes, in microseconds.
fn look_up(tree: &dyn FileTree, names: &[Vec<u8>]) -> f64 {
    let start = Instant::now();
    for name in names {
        black_box(tree.find(black_box(name)).unwrap());
    }
    start.elapsed().as_secs_f64() * 1e6 / names.len() as f64
}

/// Starts pxego, asks for a file of the last image until it is there, and stops it. How many milliseconds that took, and
/// the megabytes then.
fn measure(bench: &Bench, folder: &Path, work: &Path) -> (f64, f64) {
    bench.server.run(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--iso"]).arg(folder).arg("--state").arg(work.join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let start = Instant::now();
        let mut pxego = command.spawn().unwrap();
        while !is_answered() {
            assert!(start.elapsed() < DEADLINE, "no answer");
            assert_eq!(pxego.try_wait().unwrap(), None, "pxego ended");
            // Asking all the time would take a core from it.
            std::thread::sleep(Duration::from_micros(100));
        }
        let ready = start.elapsed().as_secs_f64() * 1000.0;
        let memory = peak_memory(&pxego);
        run(Command::new("kill").arg(pxego.id().to_string()));
        assert!(pxego.wait().unwrap().success());
        (ready, memory)
    })
}

/// Whether a package of the last image is served.
fn is_answered() -> bool {
    let Ok(mut connection) = TcpStream::connect_timeout(&SERVER, DEADLINE) else { return false };
    let head = format!("HEAD /t/el8-{IMAGES}/{PACKAGE} HTTP/1.1\r\nHost: pxego\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    true
}

/// `VmHWM` of proc_pid_status(5), in MB.
fn peak_memory(process: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1000.0
}
