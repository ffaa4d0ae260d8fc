//! `pxelinux.0` out of an xz package of 60 MB, against the programs that people unpack packages with. Needs what
//! `demo/setup.sh bench` installs.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

#[path = "common/report.rs"]
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use pxego::image::{Extent, FileData, ImageFile, ReadAt};
use pxego::package::{self, Limits};
use report::Row;

/// What the package has beside the loader, packed, in bytes: some of it cannot be packed.
const BALLAST: usize = 60_000_000;
const RUNS: usize = 7;
/// The loader's place in the archive: both programs write files in the order of their names.
const PLACES: [(&str, &str); 2] = [("first", "tftpboot"), ("behind everything", "usr/share/syslinux")];

fn main() {
    // cargo asks every target of its kind; only `cargo bench` says so.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (case, place) in PLACES {
        let root = folder.join(place.replace('/', "-"));
        fs::create_dir_all(root.join(place)).unwrap();
        fs::copy("/usr/lib/PXELINUX/pxelinux.0", root.join(place).join("pxelinux.0")).unwrap();
        fs::create_dir_all(root.join("usr/lib/ballast")).unwrap();
        fs::write(root.join("usr/lib/ballast/noise"), noise(BALLAST * 7 / 10)).unwrap();
        // The rest as programs are: 5 to 1 or so.
        fs::write(root.join("usr/lib/ballast/programs"), programs(BALLAST * 3 / 2)).unwrap();
        for (kind, package) in [("rpm", rpm(&root, &folder, place)), ("deb", deb(&root, &folder))] {
            compare(&format!("{kind}, pxelinux.0 {case}"), &package, &format!("{place}/pxelinux.0"));
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

fn compare(case: &str, package: &Path, path: &str) {
    let len = fs::metadata(package).unwrap().len();
    let expected = fs::read("/usr/lib/PXELINUX/pxelinux.0").unwrap();
    let ours = (0..RUNS).map(|_| {
        let start = Instant::now();
        let file = ImageFile::open(package).unwrap();
        let extent = Extent { offset: 0, len: file.len() };
        let data = FileData::new(Arc::new(file), [extent]);
        let found =
            package::extract(package.to_str().unwrap(), &data, &|name| name == path, Limits::default());
        let took = start.elapsed().as_secs_f64() * 1000.0;
        assert!(found.unwrap()[path] == expected);
        took
    });
    let ours: Vec<f64> = ours.collect();
    let unpack = match package.extension().and_then(|it| it.to_str()) {
        Some("deb") => format!("dpkg-deb --fsys-tarfile {} | tar -xO ./{path}", package.display()),
        _ => format!("rpm2cpio {} | cpio -i --quiet --to-stdout ./{path}", package.display()),
    };
    let rival = (0..3).map(|_| {
        let start = Instant::now();
        let output = Command::new("sh").args(["-c", &unpack]).stderr(Stdio::null()).output().unwrap();
        assert!(output.stdout == expected);
        start.elapsed().as_secs_f64() * 1000.0
    });
    let rival: Vec<f64> = rival.collect();
    let case = format!("{case}, {} MB xz", len / 1_000_000);
    let name = if unpack.starts_with("dpkg") { "dpkg-deb and tar" } else { "rpm2cpio and cpio" };
    let (bench, unit) = ("package", "ms");
    Row {
        bench,
        case: &case,
        unit,
        more_is_better: false,
        ours: &ours,
        rival: ("", &[]),
        target: Some(300.0),
    }
    .print();
    Row {
        bench,
        case: &case,
        unit,
        more_is_better: false,
        ours: &ours,
        rival: (name, &rival),
        target: Some(1.0),
    }
    .print();
}

/// Bytes that cannot be packed (xorshift64*).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..len / 8).flat_map(|_| next().to_le_bytes()).collect()
}

/// Programs and libraries of this computer, one behind another.
fn programs(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut paths: Vec<PathBuf> =
        fs::read_dir("/usr/bin").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if bytes.len() >= len {
            break;
        }
        bytes.extend(fs::read(path).unwrap_or_default());
    }
    bytes.truncate(len);
    bytes
}

fn deb(root: &Path, folder: &Path) -> PathBuf {
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    let control =
        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: d\n";
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    let sums = "cd \"$0\" && find usr tftpboot -type f -exec md5sum {} + 2>/dev/null >DEBIAN/md5sums; true";
    assert!(Command::new("sh").args(["-c", sums]).arg(root).status().unwrap().success());
    let package = folder.join("package.deb");
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", "-Zxz", "-z2", "--build"]).arg(root).arg(&package);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    package
}

fn rpm(root: &Path, folder: &Path, place: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/package.sh");
    let name = format!("ballast-1-{}.noarch", place.len());
    let mut command = Command::new(script);
    assert!(command.args([&name, "w2.xzdio"]).arg(root).arg(folder).status().unwrap().success());
    folder.join(format!("{name}.rpm"))
}
