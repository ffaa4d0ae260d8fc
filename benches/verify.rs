//! Comparing an image with its own checksums: how fast it is, beside `checkisomd5`; and that it is not in the way of who is
//! served meanwhile. Needs root, and what `demo/setup.sh bench` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/netns.rs"]
mod netns;
#[path = "common/report.rs"]
mod report;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netns::{Bench, run, wait_until};
use report::Row;

const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 100, 1)), 80);

/// What is fetched: of the lab's image, in memory after the first time.
const FILE: &str = "images/install.img";

/// Bytes of zeros on the image, so that the check lasts longer than a measurement.
const ZEROS: &str = "3G";

/// Runs of each, in turn.
const RUNS: usize = 7;

/// Fetches of one run.
const FETCHES: u32 = 60;

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let plain = image(&folder);
    let implanted = folder.join("implanted.iso");
    run(Command::new("cp").arg("--sparse=always").arg(&plain).arg(&implanted));
    run(Command::new("implantisomd5").arg(&implanted));
    speed(&implanted);
    serving(&folder, &plain, &implanted);
    fs::remove_dir_all(&folder).unwrap();
}

/// The lab's image without what it says of its files, and with a long file of zeros.
fn image(folder: &Path) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/image.sh");
    let output = run(Command::new(script).arg("el9").stderr(Stdio::inherit()));
    let lab = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let (zeros, image, treeinfo) = (folder.join("zeros"), folder.join("plain.iso"), folder.join("treeinfo"));
    run(Command::new("truncate").args(["-s", ZEROS]).arg(&zeros));
    fs::write(&treeinfo, "[general]\nfamily = CentOS Stream\nversion = 9\narch = x86_64\n").unwrap();
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-joliet", "on", "-indev"]).arg(&lab).arg("-outdev").arg(&image);
    xorriso.arg("-map").arg(&zeros).arg("/zeros").arg("-update").arg(&treeinfo).arg("/.treeinfo");
    run(xorriso.args(["-commit", "-end"]));
    let _ = Command::new("fallocate").arg("--dig-holes").arg(&image).output();
    fs::remove_file(zeros).unwrap();
    image
}

fn speed(image: &Path) {
    let seconds = |command: &mut Command| {
        let start = Instant::now();
        run(command);
        start.elapsed().as_secs_f64()
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS.min(3) {
        ours.push(seconds(
            Command::new(env!("CARGO_BIN_EXE_pxego")).args(["inspect", "--verify"]).arg(image),
        ));
        theirs.push(seconds(Command::new("checkisomd5").arg(image)));
    }
    let row = Row {
        bench: "verify",
        case: "3 GB, implanted checksum",
        unit: "s",
        more_is_better: false,
        ours: &ours,
        rival: ("checkisomd5", &theirs),
        target: Some(1.3),
    };
    row.print();
}

fn serving(folder: &Path, plain: &Path, implanted: &Path) {
    let bench = Bench::new();
    bench.client.ip("address add 192.168.100.2/24 dev eth0");
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for number in 0..2 * RUNS {
        let (image, figures) = if number % 2 == 0 { (implanted, &mut with) } else { (plain, &mut without) };
        let state = folder.join("state");
        let mut pxego = bench.server.command(env!("CARGO_BIN_EXE_pxego"));
        pxego.args(["--iface", "eth0", "--iso"]).arg(image).arg("--state").arg(&state);
        let mut pxego = pxego.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        bench.client.run(|| {
            wait_until("it listens", || TcpStream::connect(SERVER).is_ok());
            fetch();
            let start = Instant::now();
            let bytes: u64 = (0..FETCHES).map(|_| fetch()).sum();
            figures.push(bytes as f64 / 1e6 / start.elapsed().as_secs_f64());
        });
        assert_eq!(
            number % 2 == 0,
            is_verifying(&pxego),
            "the check lasts as long as the measurement, or is none"
        );
        run(Command::new("kill").arg(pxego.id().to_string()));
        assert!(pxego.wait().unwrap().success());
    }
    let row = Row {
        bench: "verify",
        case: "HTTP from memory, while verifying",
        unit: "MB/s",
        more_is_better: true,
        ours: &with,
        rival: ("not verifying", &without),
        target: Some(0.9),
    };
    row.print();
}

/// Whether the thread is there that compares.
fn is_verifying(process: &Child) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let name = |path: PathBuf| fs::read_to_string(path.join("comm")).unwrap_or_default();
    threads.map_while(Result::ok).any(|thread| name(thread.path()).trim() == "verify")
}

/// Fetches the file and returns its length.
fn fetch() -> u64 {
    let mut connection = TcpStream::connect(SERVER).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(connection, "GET /{FILE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let (mut buffer, mut len) = (vec![0; 1 << 20], 0);
    loop {
        match connection.read(&mut buffer).unwrap() {
            0 => return len,
            count => len += count as u64,
        }
    }
}
