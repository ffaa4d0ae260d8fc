//! What is served: an install image with a large file and many small ones, and the same tree unpacked.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::netns::run;

/// Length of the large file, in bytes.
pub(crate) const LARGE: u64 = 320 << 20;

/// How many small files.
pub(crate) const SMALL: u64 = 3000;

/// Where they are in the tree.
pub(crate) const FOLDER: &str = "Packages/bench";

/// The image and the unpacked tree.
pub(crate) struct Files {
    pub(crate) image: PathBuf,
    pub(crate) tree: PathBuf,
}

/// Eight bytes of file `file` at eight times `word`: the same in each run, and different everywhere.
fn word(file: u64, word: u64) -> [u8; 8] {
    let mut state = (file << 40 | word).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^= state >> 29;
    state.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()
}

/// Whether these are the bytes of `file` from `offset` on.
pub(crate) fn is_right(file: u64, offset: u64, bytes: &[u8]) -> bool {
    let first = offset / 8;
    let skip = (offset % 8) as usize;
    let expected = (first..).flat_map(|at| word(file, at)).skip(skip);
    bytes.iter().zip(expected).all(|(one, other)| *one == other)
}

/// Length of a small file: 512 bytes to 16 kB, as the headers of packages and their descriptions.
pub(crate) fn small_len(file: u64) -> u64 {
    512 + file.wrapping_mul(7919) % 15_873
}

/// File 0 is the large one.
pub(crate) fn name(file: u64) -> String {
    if file == 0 { "large.img".to_owned() } else { format!("small-{file:04}.rpm") }
}

pub(crate) fn len(file: u64) -> u64 {
    if file == 0 { LARGE } else { small_len(file) }
}

/// Has a file in memory as one pass over it leaves it there: in how large pieces the kernel keeps it decides what sending costs,
/// and that depends on who wrote or read it last.
pub(crate) fn read_anew(path: &Path) {
    let mut file = File::open(path).unwrap();
    file.sync_all().unwrap();
    // SAFETY: the descriptor is open; the call takes nothing but numbers.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    std::io::copy(&mut file, &mut std::io::sink()).unwrap();
}

impl Files {
    /// Makes them, unless they are there.
    pub(crate) fn make() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-http");
        let files = Self { image: folder.join("bench.iso"), tree: folder.join("tree") };
        if files.image.exists() {
            return files;
        }
        let _ = fs::remove_dir_all(&folder);
        let bench = files.tree.join(FOLDER);
        fs::create_dir_all(&bench).unwrap();
        for file in 0..=SMALL {
            let mut out = BufWriter::new(File::create(bench.join(name(file))).unwrap());
            for at in 0..len(file).div_ceil(8) {
                let bytes = word(file, at);
                let count = (len(file) - at * 8).min(8) as usize;
                out.write_all(&bytes[..count]).unwrap();
            }
            out.flush().unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/image.sh");
        let base = run(Command::new(script).arg("el9"));
        let base = String::from_utf8(base.stdout).unwrap();
        let partial = folder.join("partial.iso");
        run(Command::new("xorriso")
            .args(["-indev", base.trim(), "-outdev"])
            .arg(&partial)
            .args(["-map"])
            .arg(&bench)
            .arg(format!("/{FOLDER}"))
            .args(["-commit"]));
        fs::rename(partial, &files.image).unwrap();
        files
    }
}
