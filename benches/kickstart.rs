//! Kickstarts: writing and checking one of 200 lines beside pykickstart, and the package names of an image with 10,000.
//! Needs what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "../tests/common/pykickstart.rs"]
mod pykickstart;
#[path = "common/report.rs"]
mod report;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use pxego::answer::check::{Against, check};
use pxego::answer::repository::Repository;
use pxego::answer::write::{Sources, write};
use pxego::answer::{Profile, Release};
use pxego::image::{Entry, File, FileData, FileTree, Node};
use report::Row;

/// Measured runs; one before them fills caches.
const RUNS: usize = 15;

/// How often a run does something that takes no time.
const TIMES: u32 = 100;

const RELEASE: Release = Release::Enterprise(9);

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let profile = Profile::from_toml(LONG.as_bytes()).expect("the profile is right");
    let text = write(&profile, RELEASE, &Sources::default()).expect("it is written");
    let lines = text.lines().count();
    assert!(lines >= 200, "{lines} lines");
    let written = runs(|| drop(black_box(write(&profile, RELEASE, &Sources::default()))));
    let checked = runs(|| {
        drop(black_box(check(text.as_bytes(), Against { release: RELEASE, repository: None, served: None })));
    });
    let row = Row {
        bench: "ks",
        case: "200 lines written",
        unit: "ms",
        more_is_better: false,
        ours: &written,
        rival: ("", &[]),
        target: Some(1.0),
    };
    row.print();
    Row { case: "200 lines checked", ours: &checked, ..row }.print();
    let theirs = theirs(&text);
    Row { case: "the same beside the parser", ours: &checked, rival: ("pykickstart", &theirs), ..row }
        .print();
    for packing in ["gzip", "zstd", "xz"] {
        let tree = Tree::new(packing);
        let load = || {
            let repository = Repository::load(&tree, &[String::new()], true).expect("it is read");
            assert_eq!(repository.packages.expect("packages").names().len(), 10_000);
        };
        load();
        let loaded: Vec<f64> = (0..RUNS)
            .map(|_| {
                let start = Instant::now();
                load();
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        let case = format!("names of 10,000 packages, {packing}");
        Row { case: &case, ours: &loaded, target: Some(300.0), ..row }.print();
    }
}

/// Milliseconds that one call takes, in each run.
fn runs(mut work: impl FnMut()) -> Vec<f64> {
    work();
    (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            (0..TIMES).for_each(|_| work());
            start.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES)
        })
        .collect()
}

/// The same for pykickstart, in one process: starting Python takes longer than the rest.
fn theirs(text: &str) -> Vec<f64> {
    const SCRIPT: &str = "
import sys, time
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion
text = sys.stdin.read()
for run in range(16):
    start = time.perf_counter()
    KickstartParser(makeVersion('RHEL9'), followIncludes=False).readKickstartFromString(text)
    print((time.perf_counter() - start) * 1000)
";
    let mut command = Command::new(pykickstart::python());
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().expect("Python starts");
    process.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = process.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("numbers");
    text.lines().skip(1).map(|line| line.parse().expect("a number")).collect()
}

/// A tree that has a repository and nothing else.
struct Tree {
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl Tree {
    /// With 10,000 packages of EL9's size: 3 KB each, seven provides.
    fn new(packing: &str) -> Self {
        let mut primary = String::from("<?xml version=\"1.0\"?>\n<metadata packages=\"10000\">\n");
        for number in 0..10_000 {
            primary += &format!(
                "<package type=\"rpm\">\n  <name>package-{number}</name>\n  <arch>x86_64</arch>\n  \
                 <checksum type=\"sha256\" pkgid=\"YES\">{number:064x}</checksum>\n  <description>{}</description>\n  \
                 <format>\n    <rpm:provides>\n",
                "What it does, at the length of a paragraph. ".repeat(20)
            );
            for provide in 0..7 {
                primary += &format!(
                    "      <rpm:entry name=\"lib{number}-{provide}.so.1()(64bit)\" flags=\"EQ\" epoch=\"0\" ver=\"1\"/>\n"
                );
            }
            primary += "    </rpm:provides>\n    <rpm:requires>\n";
            for require in 0..10 {
                primary += &format!("      <rpm:entry name=\"lib{require}.so.6(GLIBC_2.34)(64bit)\"/>\n");
            }
            primary += "    </rpm:requires>\n  </format>\n</package>\n";
        }
        primary += "</metadata>\n";
        let mut command = Command::new(packing);
        command.args(["-c", "-q"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it is installed");
        let mut input = process.stdin.take().expect("its input");
        let writer = std::thread::spawn(move || input.write_all(primary.as_bytes()).expect("it reads"));
        let packed = process.wait_with_output().expect("it ends").stdout;
        writer.join().expect("everything is written");
        let repomd = b"<repomd><data type=\"primary\"><location href=\"repodata/primary\"/></data></repomd>";
        let files = BTreeMap::from([("repodata/repomd.xml", repomd.to_vec()), ("repodata/primary", packed)]);
        Self { files }
    }
}

impl FileTree for Tree {
    fn find(&self, path: &[u8]) -> Option<Node> {
        let bytes = self.files.get(std::str::from_utf8(path).ok()?)?;
        Some(Node::File(File { data: FileData::from_bytes(bytes.clone()), modified: 0 }))
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path)
    }

    fn list(&self, _: &[u8]) -> Option<Vec<Entry>> {
        None
    }
}

/// A profile whose kickstart is long: most of it are packages, as in real ones.
const LONG: &str = r#"
hostname = "node1.example.org"
root = "locked"
ntp = ["a.example.org", "b.example.org"]
[[network]]
device = "eth0"
address = "10.0.0.5/24"
[packages]
groups = ["core", "base"]
install = ["acl", "at", "attr", "bash-completion", "bc", "bind-utils", "bzip2", "chrony", "cockpit", "cronie", "curl",
 "dmidecode", "dosfstools", "ethtool", "file", "gdisk", "git", "iotop", "jq", "lsof", "lvm2", "man-db", "mtr", "nano"]
[disk]
wipe = "size>=100GB,smallest"
[[script]]
body = '''
echo installed >/etc/motd
systemctl enable chronyd
'''
"#;
