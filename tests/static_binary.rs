//! The promise of one static file: no interpreter, no shared library, small.

use std::path::PathBuf;
use std::process::Command;

/// Largest release binary without loaders, in bytes.
const MAX_LEN: u64 = 4 << 20;

/// `PT_INTERP` and `PT_DYNAMIC` of the ELF specification (System V ABI, chapter 5), and `DT_NEEDED`.
const PT_INTERP: u32 = 3;
const PT_DYNAMIC: u32 = 2;
const DT_NEEDED: u64 = 1;

/// Builds the release binary without loaders, into a directory of its own so that nobody else's is replaced.
fn release_binary() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("release-without-loaders");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "pxego", "--target-dir"])
        .arg(&target)
        .env("PXEGO_NO_VENDOR", "1")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cargo build --release failed");
    let name = PathBuf::from(env!("CARGO_BIN_EXE_pxego"));
    let tuple =
        name.ancestors().nth(2).and_then(|path| path.file_name()).expect("target/<tuple>/<profile>/pxego");
    target.join(tuple).join("release").join("pxego")
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn the_release_binary_is_static_and_small() {
    let path = release_binary();
    let bytes = std::fs::read(&path).expect("the binary is there");
    assert_eq!(&bytes[..6], b"\x7fELF\x02\x01", "a 64-bit little-endian ELF file");
    let (offset, size, count) = (number(&bytes, 32, 8), number(&bytes, 54, 2), number(&bytes, 56, 2));
    for index in 0..count {
        let header = (offset + index * size) as usize;
        let kind = number(&bytes, header, 4) as u32;
        assert_ne!(kind, PT_INTERP, "the binary asks for an interpreter");
        if kind == PT_DYNAMIC {
            let (start, len) =
                (number(&bytes, header + 8, 8) as usize, number(&bytes, header + 32, 8) as usize);
            let needed =
                bytes[start..start + len].chunks_exact(16).any(|entry| number(entry, 0, 8) == DT_NEEDED);
            assert!(!needed, "the binary needs a shared library");
        }
    }
    let len = bytes.len() as u64;
    assert!(len <= MAX_LEN, "{len} bytes, more than {MAX_LEN}");
    println!("{len} bytes without loaders");
    let output = Command::new(&path).arg("--version").output().expect("it runs");
    let version = String::from_utf8_lossy(&output.stdout);
    assert!(version.contains("left out by PXEGO_NO_VENDOR") && !version.contains("SHA-256"), "{version}");
}
