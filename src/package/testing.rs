//! Real packages for the tests, made by `rpmbuild`, the program that makes those on the images.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What to put into a package.
pub(crate) struct Recipe<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) release: &'a str,
    /// As `%_binary_payload` has it, such as `w9.gzdio`.
    pub(crate) payload: &'a str,
    /// Paths in the package, without a leading `/`, and their bytes. Before a path may stand what kind it is, and a space.
    pub(crate) files: &'a [(String, Vec<u8>)],
}

/// A directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pxego-rpm-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `rpmbuild` and returns the package.
pub(crate) fn build(recipe: &Recipe<'_>) -> Vec<u8> {
    let scratch = Scratch::new();
    let top = scratch.0.as_path();
    let root = top.join("files");
    let mut list = String::new();
    for (path, bytes) in recipe.files {
        let (kind, path) = path.split_once(' ').unwrap_or(("", path));
        let target = root.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
        writeln!(list, "{kind} /{path}").unwrap();
    }
    let spec = top.join("package.spec");
    fs::write(&spec, spec_text(recipe, &root, &list)).unwrap();
    let output = Command::new("rpmbuild")
        .args(["-bb", "--quiet", "--nodeps", "--define"])
        .arg(format!("_topdir {}", top.display()))
        .arg("--define")
        .arg(format!("_binary_payload {}", recipe.payload))
        .arg(&spec)
        .output()
        .expect("rpmbuild runs (apt-get install rpm)");
    assert!(output.status.success(), "rpmbuild: {}", String::from_utf8_lossy(&output.stderr));
    let name = format!("{}-{}-{}.noarch.rpm", recipe.name, recipe.version, recipe.release);
    fs::read(top.join("RPMS/noarch").join(name)).unwrap()
}

fn spec_text(recipe: &Recipe<'_>, root: &Path, list: &str) -> String {
    let Recipe { name, version, release, .. } = recipe;
    // Nothing is to touch the files: no stripping, no checks of what they are.
    format!(
        "%global __os_install_post %{{nil}}\n%global debug_package %{{nil}}\n%global _build_id_links none\n\
         Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: test\nLicense: none\nBuildArch: noarch\n\
         AutoReqProv: no\n%description\ntest\n%install\nmkdir -p %{{buildroot}}\n\
         cp -a {root}/. %{{buildroot}}/\n%files\n{list}",
        root = root.display()
    )
}

/// Runs `dpkg-deb` and returns the package; `packing` is `none`, `gzip`, `xz` or `zstd`.
pub(crate) fn build_deb(name: &str, packing: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let scratch = Scratch::new();
    let root = scratch.0.join("files");
    let mut sums = String::new();
    for (path, bytes) in files {
        let target = root.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, bytes).unwrap();
        let output = Command::new("md5sum").arg(&target).output().unwrap().stdout;
        writeln!(sums, "{}  {path}", String::from_utf8_lossy(&output[..32])).unwrap();
    }
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control).unwrap();
    fs::write(control.join("md5sums"), sums).unwrap();
    let text = format!(
        "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: test\n"
    );
    fs::write(control.join("control"), text).unwrap();
    let package = scratch.0.join("package.deb");
    let output = Command::new("dpkg-deb")
        .args(["--root-owner-group", &format!("-Z{packing}"), "--build"])
        .args([&root, &package])
        .output()
        .expect("dpkg-deb runs");
    assert!(output.status.success(), "dpkg-deb: {}", String::from_utf8_lossy(&output.stderr));
    fs::read(package).unwrap()
}

/// The PXELINUX files of this computer's distribution: flat name and bytes. Plays the part of the image's.
pub(crate) fn syslinux_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for directory in ["/usr/lib/PXELINUX", "/usr/lib/syslinux/modules/bios"] {
        let entries = fs::read_dir(directory).expect("apt-get install pxelinux syslinux-common");
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".0") || name.ends_with(".c32") {
                files.push((name, fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}
