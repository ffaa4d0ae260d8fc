//! An install tree with everything that makes reading an image hard, images of it, and what they hold according to xorriso.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::netns::run;

/// Names that other servers, readers and clients stumble over.
const ODD_NAMES: &[&[u8]] = &[
    b"libstdc++-11.3.1.rpm",
    b"1.0~rc1",
    b"100%",
    b"%41%2f%00",
    b"gcc_4%3a10.deb",
    b"gcc_4:11.deb",
    b" space before and after ",
    b"a&b<c>\"d'e`.txt",
    b"question?mark#hash;1",
    b"[a]{b}(c)!$*^=|,@",
    b"README",
    b"readme",
    b"ReadMe",
    b"trailing.",
    b"...",
    b".hidden",
    b"-dash",
    b"tab\tline\nend\x7f",
    b"index.html",
    b"TRANS.TBL",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
    b"\xf0\x9f\x92\xbf",
    b"not utf-8 \xff\xfe\x80",
    b"back\\slash",
    b"\\",
];

/// The longest name that a file system and Rock Ridge have.
const LONGEST_NAME: usize = 255;

/// Names of directories nested deeper than ISO 9660 allows, together longer than any path in it may be (§6.8.2.1).
const DEEP: usize = 12;

/// Makes the tree below `root`: so many files, directories and links that there are `count` entries.
pub fn make(root: &Path, count: usize) {
    let file = |path: &Path, bytes: &[u8]| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    file(&root.join("images/pxeboot/vmlinuz"), &noise(1, 100_001));
    file(&root.join("images/pxeboot/initrd.img"), &noise(2, 250_000));
    file(&root.join("images/install.img"), &noise(3, 700_000));
    file(&root.join(".treeinfo"), TREEINFO.as_bytes());
    file(&root.join(".discinfo"), b"1636882174.123456\n9\nx86_64\nALL\n");
    for (number, name) in ODD_NAMES.iter().enumerate() {
        file(&root.join("odd").join(OsStr::from_bytes(name)), &noise(number, number * 517));
    }
    for length in [28, 29, 30, 31, 64, 65, 103, 104, 127, 128, 200, 222, 254, LONGEST_NAME] {
        file(&root.join("long").join("n".repeat(length)), &noise(length, length));
        file(&root.join("long").join(format!("{}\u{e9}", "m".repeat(length - 2))), b"two bytes at its end");
    }
    for length in [0, 1, 2047, 2048, 2049, 4096, 65_535, 65_536, 65_537] {
        file(&root.join("sizes").join(length.to_string()), &noise(length, length));
    }
    let deep: PathBuf = (0..DEEP).map(|level| format!("{level}-{}", "d".repeat(70))).collect();
    for (level, directory) in root.join("deep").join(deep).ancestors().take(DEEP).enumerate() {
        file(&directory.join("file"), &noise(level, 3000 + level));
        file(&directory.join("Other~file"), b"");
        fs::create_dir(directory.join("empty")).unwrap();
    }
    // Not what an image calls the place of directories that were moved.
    file(&root.join("rr_moved_not/file"), b"stays");
    links(root);
    let packages = root.join("AppStream/Packages");
    (0..26).for_each(|number| fs::create_dir_all(packages.join(number.to_string())).unwrap());
    for number in truth(root).len()..count {
        let mode = if number % 3 == 0 { "noarch" } else { "x86_64" };
        let name = format!("package-{number}-with~a+name-{}.{mode}.rpm", "x".repeat(number % 120));
        let path = packages.join((number % 26).to_string()).join(name);
        file(&path, &noise(number, 200 + number % 5000));
        // The image keeps each file's time; a second apart, from 2001 on.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + number as u64);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
}

fn links(root: &Path) {
    let links = root.join("links");
    fs::create_dir(&links).unwrap();
    for (name, target) in [
        ("file", "../.treeinfo"),
        ("absolute", "/images/install.img"),
        ("directory", "../images"),
        ("through", "directory/pxeboot/./../pxeboot/vmlinuz"),
        ("link", "file"),
        ("up", "../../../../../../.discinfo"),
        ("itself", "."),
        ("nowhere", "no/such/file"),
        ("through_a_file", "../.treeinfo/x"),
        ("circle", "circle"),
        ("circle_a", "circle_b"),
        ("circle_b", "circle_a"),
    ] {
        symlink(target, links.join(name)).unwrap();
    }
    symlink(format!("../long/{}", "n".repeat(LONGEST_NAME)), links.join("l".repeat(LONGEST_NAME))).unwrap();
    symlink(format!("{}../.treeinfo", "./".repeat(110)), links.join("long_way")).unwrap();
    for name in ["hard", "Hard", "odd/hard"] {
        fs::hard_link(root.join("images/install.img"), root.join(name)).unwrap();
    }
}

const TREEINFO: &str = "[general]
family = CentOS Stream
version = 9
arch = x86_64
variant = BaseOS

[stage2]
mainimage = images/install.img

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
";

/// Bytes that differ between files and within each (xorshift64*).
pub fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}

/// An image of the tree as distributions make them: Rock Ridge, Joliet beside it, deep directories relocated.
pub fn with_xorriso(tree: &Path, image: &Path) {
    run(xorriso().arg("-o").arg(image).arg(tree));
}

/// The same with holes where there are zeros: it goes through a pipe, so that they are never written.
pub fn with_xorriso_sparse(tree: &Path, image: &Path) {
    let mut xorriso =
        xorriso().arg("-quiet").args(["-o", "-"]).arg(tree).stdout(Stdio::piped()).spawn().unwrap();
    let mut command = Command::new("dd");
    let of = [OsStr::new("of="), image.as_os_str()].join(OsStr::new(""));
    command.args(["conv=sparse", "bs=1M", "iflag=fullblock"]).arg(of);
    run(command.stdin(xorriso.stdout.take().unwrap()));
    assert!(xorriso.wait().unwrap().success());
}

fn xorriso() -> Command {
    let mut command = Command::new("xorriso");
    command.args(["-as", "mkisofs", "-V", "Compare-9-x86_64", "-R", "-rr_reloc_dir", "/rr_moved"]);
    command.args(["-iso-level", "3", "-J", "-joliet-long"]);
    command
}

/// The same by another program, without the links whose targets are long: some of these it writes so that nobody reads them,
/// with others it never ends.
pub fn with_genisoimage(tree: &Path, image: &Path) {
    let mut command = Command::new("genisoimage");
    command.args(["-quiet", "-V", "Compare-9-x86_64", "-R", "-m", "long_way", "-m", "lll*"]);
    run(command.arg("-o").arg(image).arg(tree));
}

/// What is on the image, unpacked by xorriso below `to`. The place of directories that were moved is not part of the tree; it
/// is empty once they are back.
pub fn extract(image: &Path, to: &Path) {
    let mut command = Command::new("osirrox");
    run(command.arg("-indev").arg(image).args(["-extract", "/"]).arg(to));
    let holder = to.join("rr_moved");
    if holder.exists() {
        fs::remove_dir(holder).expect("nothing is left in it");
    }
}

/// What a path of a tree leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Truth {
    Directory,
    /// Where its bytes are.
    File(PathBuf),
}

/// Every path below `root` with what it leads to; links that lead nowhere are left out. What is below a link to a directory
/// is not shown again.
pub fn truth(root: &Path) -> BTreeMap<Vec<u8>, Truth> {
    let mut found = BTreeMap::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root.join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            let kind = root.join(&path).symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                directories.push(path.clone());
            }
            if let Some(truth) = leads_to(root, &path) {
                found.insert(path.into_os_string().into_vec(), truth);
            }
        }
    }
    found
}

/// Links are followed as in a chroot to `root`; that `..` of the root is the root is not needed for what is there.
fn leads_to(root: &Path, path: &Path) -> Option<Truth> {
    let whole = root.join(path);
    let target = match fs::read_link(&whole) {
        Ok(target) if target.is_absolute() => root.join(target.strip_prefix("/").unwrap()),
        Ok(target) if target.starts_with("../../..") => root.join(target.file_name().unwrap()),
        _ => whole,
    };
    let metadata = fs::metadata(&target).ok()?;
    Some(if metadata.is_dir() { Truth::Directory } else { Truth::File(target.canonicalize().unwrap()) })
}
