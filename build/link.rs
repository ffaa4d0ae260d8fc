//! What makes the released binary smaller when it is linked, where the linker and the C library can.

use std::env;
use std::process::Command;

/// The flags for the binary.
pub(crate) fn flags() -> Vec<&'static str> {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let is_at_home = env::var("HOST").ok() == env::var("TARGET").ok();
    if !is("PROFILE", "release") || !is("TARGET", "x86_64-unknown-linux-gnu") || !is_at_home {
        return Vec::new();
    }
    let mut flags = Vec::new();
    // 150 KB of relocations in 4: glibc 2.36 applies them in a static binary, too.
    if glibc().is_some_and(|version| version >= (2, 36)) {
        flags.push("-Wl,-z,pack-relative-relocs");
    }
    // Functions that came out the same: rustc's own linker for this target, since 1.90, can fold them.
    if is_linked_by_lld() {
        flags.push("-Wl,--icf=all");
        // Texts that end alike.
        flags.push("-Wl,-O2");
    }
    flags
}

/// Whether nobody chose another linker.
fn is_linked_by_lld() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let is_chosen = env::vars_os().any(|(name, _)| {
        name.to_str().is_some_and(|name| name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER"))
    });
    !is_chosen && env::var_os("RUSTC_LINKER").is_none() && !flags.contains("link")
}

/// The C library's version.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
