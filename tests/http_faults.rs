//! The real server under attack and with system calls that fail: the next honest client is served each time.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lab::{image, scratch};
use netns::{Bench, run, wait_until};

const SERVER: &str = "http://192.168.100.1";

/// A file of some megabytes on the image, and a small one.
const LARGE: &str = "images/pxeboot/initrd.img";
const SMALL: &str = ".treeinfo";

/// A cable with an address at the client's end.
fn cable() -> Bench {
    let bench = Bench::new();
    bench.client.ip("address add 192.168.100.2/24 dev eth0");
    bench
}

/// A pxego that some other program may be wrapped around.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(bench: &Bench, name: &str, around: &[String]) -> Self {
        let folder = scratch(&format!("http-fault-{name}"));
        let image = image("el9");
        let state = folder.join("state");
        let mut words: Vec<&str> = around.iter().map(String::as_str).collect();
        words.push(env!("CARGO_BIN_EXE_pxego"));
        words.extend(["--iface", "eth0", "--log", "json", "--iso", image.to_str().unwrap()]);
        words.extend(["--state", state.to_str().unwrap()]);
        let mut command = bench.server.command(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(folder.join("log")).unwrap());
        let server = Self { child: command.spawn().unwrap(), folder };
        bench.client.run(|| {
            wait_until("it listens", || std::net::TcpStream::connect(("192.168.100.1", 80)).is_ok());
        });
        server
    }

    /// A line of `/proc/PID/status` in kB, of pxego itself.
    fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.split_whitespace().nth(1).or(line.split_whitespace().next()).unwrap().parse().unwrap()
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What an honest client gets: curl's exit code and the bytes.
fn fetch(bench: &Bench, path: &str) -> (i32, Vec<u8>) {
    fetch_with(bench, path, "Connection: keep-alive")
}

fn fetch_with(bench: &Bench, path: &str, header: &str) -> (i32, Vec<u8>) {
    let url = format!("{SERVER}/{path}");
    let mut curl = bench.client.command("curl");
    curl.args(["--silent", "--fail", "--max-time", "20", "--header", header, &url]);
    let output = curl.output().unwrap();
    (output.status.code().unwrap(), output.stdout)
}

/// The file as it is on the image, read by another program.
fn on_image(folder: &Path, path: &str) -> Vec<u8> {
    let to = folder.join("reference");
    run(Command::new("xorriso")
        .args(["-osirrox", "on", "-indev", image("el9").to_str().unwrap(), "-extract", &format!("/{path}")])
        .arg(&to));
    let bytes = fs::read(&to).unwrap();
    fs::remove_file(to).unwrap();
    bytes
}

/// An attack by slowhttptest with 4,000 connections; what it says about the server meanwhile.
fn attack(kind: &str, options: &[&str]) {
    let bench = cable();
    let mut server = Server::start(&bench, kind, &[]);
    let url = format!("{SERVER}/{LARGE}");
    let mut command = bench.client.command("prlimit");
    command.args([
        "--nofile=20000",
        "slowhttptest",
        "-c",
        "4000",
        "-r",
        "1000",
        "-l",
        "12",
        "-p",
        "3",
        "-u",
        &url,
    ]);
    let output = command.args(options).env("TERM", "dumb").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace(char::from(27), "");
    assert!(said.contains("service available"), "{said}");
    let of = |answer: &str| said.matches(&format!("service available:{answer}")).count();
    let no = said.lines().filter(|line| line.contains("service available") && line.contains("NO")).count();
    assert_eq!((no, of("NO")), (0, 0), "{said}");
    assert!(server.is_alive());
    let peak = server.memory("VmHWM");
    eprintln!("slowhttptest {kind}: peak memory {peak} kB");
    assert!(peak < 64_000, "{peak} kB");
    assert_eq!(fetch(&bench, SMALL).0, 0);
}

#[test]
fn w30_slow_heads_hold_up_nobody() {
    attack("-H", &["-H", "-i", "3", "-x", "24"]);
}

#[test]
fn w30_slow_bodies_hold_up_nobody() {
    attack("-B", &["-B", "-i", "3", "-x", "24", "-s", "8192"]);
}

#[test]
fn requests_for_very_many_parts_hold_up_nobody() {
    attack("-R", &["-R", "-a", "10", "-b", "3000"]);
}

#[test]
fn slow_readers_hold_up_nobody() {
    attack("-X", &["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"]);
}

#[test]
fn w34_memory_is_bounded_for_256_clients_that_read_slowly() {
    let bench = cable();
    let server = Server::start(&bench, "memory", &[]);
    let before = server.memory("VmHWM");
    bench.client.run(|| {
        use std::io::{Read, Write};
        let mut clients: Vec<_> =
            (0..256).map(|_| std::net::TcpStream::connect(("192.168.100.1", 80)).unwrap()).collect();
        for client in &mut clients {
            write!(client, "GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            client.read_exact(&mut [0; 100]).unwrap();
        }
    });
    let more = server.memory("VmHWM") - before;
    assert!(more < 16_000, "{more} kB more");
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let bench = cable();
    let around: Vec<String> = ["prlimit", "--nofile=48:48"].map(str::to_owned).into();
    let mut server = Server::start(&bench, "descriptors", &around);
    let crowd: Vec<_> = bench
        .client
        .run(|| (0..200).map(|_| std::net::TcpStream::connect(("192.168.100.1", 80)).unwrap()).collect());
    assert_eq!(fetch(&bench, SMALL).0, 0, "{}", server.log());
    drop(crowd);
    assert_eq!(fetch(&bench, SMALL).0, 0, "{}", server.log());
    assert!(server.is_alive());
}

/// strace, which lets calls of a running server fail until it is dropped.
struct Fault {
    strace: netns::Running,
    /// What it writes of the calls.
    trace: PathBuf,
}

impl Fault {
    fn inject(server: &Server, call: &str, error: &str, number: u32) -> Self {
        let pid = server.child.id().to_string();
        let (trace, inject) =
            (format!("trace={call}"), format!("inject={call}:error={error}:when={number}+4"));
        let file = server.folder.join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &trace, "-e", &inject, "-p", &pid, "-o"]).arg(&file);
        let strace = strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let fault = Self { strace: netns::Running(strace), trace: file };
        // Every thread has to be caught: the last one is.
        wait_until("strace is attached", || {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            threads.map_while(Result::ok).all(|thread| {
                let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
                !status.contains("TracerPid:\t0\n")
            })
        });
        fault
    }

    /// Whether a call has failed.
    fn is_met(&self) -> bool {
        fs::read_to_string(&self.trace).unwrap().contains("(INJECTED)")
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // It lets go of the server only when it is asked to.
        let _ = Command::new("kill").args(["-TERM", &self.strace.0.id().to_string()]).status();
        let _ = self.strace.0.wait();
    }
}

/// Both a client that does not read and a file that is not in memory have to be waited for, which is what fails.
#[test]
fn who_cannot_be_waited_for_is_cut() {
    use std::io::{Read, Write};
    let bench = cable();
    let scratch = scratch("http-fault-large");
    let large = on_image(&scratch, LARGE);
    for is_cached in [true, false] {
        let mut server = Server::start(&bench, "waiting", &[]);
        let fault = Fault::inject(&server, "epoll_ctl", "ENOMEM", 1);
        let file = format!("if={}", image("el9").display());
        run(Command::new("dd").args([&file, "of=/dev/null", "bs=1M"]));
        if !is_cached {
            // All of it leaves the page cache.
            run(Command::new("dd").args([&file, "of=/dev/null", "iflag=nocache", "count=0"]));
        }
        let (result, bytes) = bench.client.run(|| {
            let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            client.set_recv_buffer_size(4096).unwrap();
            client.connect(&std::net::SocketAddr::from(([192, 168, 100, 1], 80)).into()).unwrap();
            let mut client = std::net::TcpStream::from(client);
            client.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
            write!(client, "GET /{LARGE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            // In the thread that accepts, a failure is made up for by the next attempt, and nobody is cut.
            wait_until("a wait fails", || server.log().contains("is cut: epoll"));
            let mut bytes = Vec::new();
            (client.read_to_end(&mut bytes), bytes)
        });
        assert!(result.is_err() || bytes.len() < large.len(), "{result:?}, {} bytes", bytes.len());
        assert!(fault.is_met());
        drop(fault);
        assert_eq!(fetch(&bench, LARGE), (0, large.clone()));
        assert!(server.is_alive());
    }
    fs::remove_dir_all(scratch).unwrap();
}

/// The Nth call fails and every fourth after it, for each of the calls that serve HTTP.
#[test]
fn any_system_call_may_fail() {
    let bench = cable();
    let scratch = scratch("http-fault-reference");
    let (small, large) = (on_image(&scratch, SMALL), on_image(&scratch, LARGE));
    let mut server = Server::start(&bench, "calls", &[]);
    let (mut met, mut hit) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    let faults = [
        ("accept4", "EMFILE"),
        ("accept4", "ECONNABORTED"),
        ("epoll_wait", "EINTR"),
        ("epoll_wait", "EINVAL"),
        ("epoll_ctl", "ENOMEM"),
        ("poll", "ENOMEM"),
        ("recvfrom", "EIO"),
        ("sendmsg", "ENOBUFS"),
        ("sendmsg", "EPIPE"),
        ("sendfile", "EIO"),
        ("sendfile", "EINVAL"),
        ("sendfile", "EAGAIN"),
        ("preadv2", "EOPNOTSUPP"),
        ("preadv2", "EIO"),
        ("shutdown", "ENOTCONN"),
    ];
    for (call, error) in faults {
        for number in [1, 2, 3] {
            let fault = Fault::inject(&server, call, error, number);
            let what = format!("{call}, {error}, {number}");
            for (path, expected, header) in
                [(SMALL, &small, "Connection: close"), (LARGE, &large, "Connection: keep-alive")]
            {
                let mut tries = 0;
                loop {
                    // Who meets the fault sees an error: never other bytes, or fewer as if they were all.
                    let (code, bytes) = fetch_with(&bench, path, header);
                    if code == 0 {
                        assert!(&bytes == expected, "{what}: {path} is not what it was");
                        break;
                    }
                    tries += 1;
                    hit.insert(call);
                    assert!(tries < 8, "{what}: {path} is not served any more: {}", server.log());
                }
            }
            met.extend(fault.is_met().then_some((call, error)));
            drop(fault);
            let (code, bytes) = fetch(&bench, LARGE);
            assert!(code == 0 && bytes == large, "{what}: not served afterwards: {code}");
            assert!(server.is_alive(), "{what}: {}", server.log());
        }
    }
    let missed: Vec<_> = faults.iter().filter(|fault| !met.contains(fault)).collect();
    assert!(missed.is_empty(), "these never happened: {missed:?}");
    // Those that no client can be spared; the others are made up for.
    for call in ["recvfrom", "sendmsg", "sendfile", "preadv2"] {
        assert!(hit.contains(call), "{call} harmed nobody: {hit:?}");
    }
    fs::remove_dir_all(scratch).unwrap();
}
