//! Who serves: pxego and the three servers that it replaces, each at an address of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::netns::{Netns, Running, run};

/// What is fetched: a boot image of 52 MB, and the one of a crowd.
pub(crate) const LARGE: (&str, usize) = ("large.bin", 52 << 20);
pub(crate) const MIDDLE: (&str, usize) = ("middle.bin", 8 << 20);
pub(crate) const SMALL: (&str, usize) = ("small.bin", 2 << 20);
pub(crate) const TEN: (&str, usize) = ("ten.bin", 10_000_000);

/// What a pxego is called that is not this one.
pub(crate) const BEFORE: &str = "pxego before";

/// The files, in an install image and in a folder.
pub(crate) struct Files {
    pub(crate) image: PathBuf,
    pub(crate) tree: PathBuf,
    bytes: Arc<[u8]>,
}

impl Files {
    /// Makes them, unless they are there.
    pub(crate) fn make() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-tftp");
        let (image, tree) = (folder.join("bench.iso"), folder.join("tree"));
        let mut state = 1_u64;
        let words = (0..LARGE.1 / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let files = Self { image, tree, bytes: words.collect() };
        if files.image.exists() {
            return files;
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&files.tree).unwrap();
        for (name, _) in [LARGE, MIDDLE, SMALL, TEN] {
            fs::write(files.tree.join(name), files.bytes(name)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/image.sh");
        let base = run(Command::new(script).arg("el9"));
        let base = String::from_utf8(base.stdout).unwrap();
        let partial = folder.join("partial.iso");
        let mut xorriso = Command::new("xorriso");
        xorriso.args(["-indev", base.trim(), "-outdev"]).arg(&partial).arg("-map").arg(&files.tree);
        run(xorriso.args(["/bench", "-commit"]));
        fs::rename(partial, &files.image).unwrap();
        files
    }

    /// What is in a file.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        &self.bytes[..Self::len(name)]
    }

    /// How long it is.
    pub(crate) fn len(name: &str) -> usize {
        let (_, len) = [LARGE, MIDDLE, SMALL, TEN].into_iter().find(|(other, _)| *other == name).unwrap();
        len
    }

    /// The large file.
    pub(crate) fn large(&self) -> Arc<[u8]> {
        self.bytes.clone()
    }
}

/// A server, and where it listens.
pub(crate) struct Server {
    pub(crate) process: Running,
    pub(crate) program: &'static str,
    pub(crate) address: SocketAddrV4,
    /// Where its files are.
    folder: &'static str,
}

/// A program that was unpacked aside, or is installed.
fn program(name: &str) -> String {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let places = cache.map(|cache| cache.join("pxego-lab/packages/usr/sbin")).into_iter();
    let place = places.chain(["/usr/sbin".into()]).map(|place| place.join(name)).find(|path| path.exists());
    place.unwrap_or_else(|| panic!("{name} is missing: demo/setup.sh bench")).to_str().unwrap().to_owned()
}

impl Server {
    fn new(process: Running, program: &'static str, last: u8, folder: &'static str) -> Self {
        let address = SocketAddrV4::new(Ipv4Addr::new(192, 168, 100, last), 69);
        Self { process, program, address, folder }
    }

    /// pxego, at the first address of the namespace.
    pub(crate) fn pxego(netns: &Netns, files: &Files, more: &[&str]) -> Self {
        let command = netns.command(env!("CARGO_BIN_EXE_pxego"));
        Self::start_pxego(command, files, more, "pxego")
    }

    /// Another pxego, in another namespace.
    pub(crate) fn before(netns: &Netns, files: &Files, program: &OsStr) -> Self {
        Self::start_pxego(netns.command(program.to_str().unwrap()), files, &[], BEFORE)
    }

    fn start_pxego(mut command: Command, files: &Files, more: &[&str], program: &'static str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let state = files.image.with_file_name(format!("state {number} of {program}"));
        command.args(["--iface", "eth0", "--log", "json", "--address", "192.168.100.1/24", "--iso"]);
        command.arg(&files.image).arg("--state").arg(&state).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running(command.spawn().unwrap());
        let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.contains("\"ready\"")), "pxego starts");
        // Its events are read as a terminal would.
        std::thread::spawn(move || lines.for_each(drop));
        Self::new(process, program, 1, "bench/")
    }

    /// tftpd-hpa, as Debian starts it.
    pub(crate) fn hpa(netns: &Netns, files: &Files) -> Self {
        let arguments = ["-L", "-s", "-u", "root", "-a", "192.168.100.3:69", files.tree.to_str().unwrap()];
        Self::new(netns.start(&program("in.tftpd"), &arguments), "tftpd-hpa", 3, "")
    }

    pub(crate) fn dnsmasq(netns: &Netns, files: &Files) -> Self {
        let root = format!("--tftp-root={}", files.tree.display());
        let arguments = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            "--enable-tftp",
            "--user=root",
            "--pid-file=",
            "--bind-interfaces",
            "--listen-address=192.168.100.4",
            "--tftp-max=1000",
            &root,
        ];
        Self::new(netns.start("dnsmasq", &arguments), "dnsmasq", 4, "")
    }

    pub(crate) fn atftpd(netns: &Netns, files: &Files) -> Self {
        let tree = files.tree.to_str().unwrap();
        let arguments = [
            "--daemon",
            "--no-fork",
            "--user",
            "root.root",
            "--bind-address",
            "192.168.100.5",
            "--maxthread",
            "600",
            "--logfile",
            "/dev/null",
            "--verbose=0",
            tree,
        ];
        Self::new(netns.start(&program("atftpd"), &arguments), "atftpd", 5, "")
    }

    /// What this server calls a file.
    pub(crate) fn name(&self, file: &str) -> String {
        format!("{}{file}", self.folder)
    }

    /// CPU time that it and its children have used, in seconds. A child that has ended counts with its parent.
    pub(crate) fn cpu(&self) -> f64 {
        let pid = self.process.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let all = children.split_whitespace().filter_map(|it| it.parse().ok()).chain([pid]);
        all.map(cpu_of).sum()
    }

    /// The most memory it had, in MB.
    pub(crate) fn peak_memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1024.0 / 1e6
    }

    /// Ends the server as its service would. What it was that served is gone then.
    pub(crate) fn stop(mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.0.id().to_string()]).status();
        let _ = self.process.0.wait();
    }
}

/// `utime`, `stime` and those of the children that were waited for, in ticks of 10 ms (`proc_pid_stat(5)`).
fn cpu_of(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(4).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Says something that is no figure.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "tftp   {text}");
}
