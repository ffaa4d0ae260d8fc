//! Compiles in the families of install images, packs the rules of kickstarts, and embeds the fallback loaders named in
//! `vendor/manifest.toml`.
//!
//! The loaders are looked for in `PXEGO_VENDOR_DIR` (relative to this file), then where packages put them. None has to be
//! there. `PXEGO_NO_VENDOR=1` embeds none.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

#[path = "build/collect.rs"]
mod collect;
#[path = "build/families.rs"]
mod families;
#[path = "build/link.rs"]
mod link;
#[path = "build/manifest.rs"]
mod manifest;
#[path = "build/sha256.rs"]
mod sha256;
#[path = "build/toml.rs"]
mod toml;

use std::env;
use std::fs;
use std::io::Error;
use std::path::{Path, PathBuf};

use collect::Source;
use manifest::Loader;

const MANIFEST: &str = "vendor/manifest.toml";
const FAMILIES: &str = "src/media/families.toml";
const RULES: &str = "src/answer/rules.tsv";

/// What changes whenever a package is installed: dpkg, rpm, pacman.
const PACKAGE_DATABASES: [&str; 4] = [
    "/var/lib/dpkg/status",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/pacman/local",
];

fn main() {
    for path in ["build.rs", "build", MANIFEST, FAMILIES, RULES] {
        println!("cargo::rerun-if-changed={path}");
    }
    for flag in link::flags() {
        println!("cargo::rustc-link-arg-bins={flag}");
    }
    if let Err(error) = tabulate().and_then(|()| pack()).and_then(|()| embed()) {
        println!("cargo::error={error}");
    }
}

fn tabulate() -> Result<(), String> {
    let text = fs::read_to_string(FAMILIES).map_err(|error| format!("{FAMILIES}: {error}"))?;
    let source = families::source(&text).map_err(|error| format!("{FAMILIES}: {error}"))?;
    let path = out()?.join("families.rs");
    fs::write(&path, source).map_err(|error| format!("{}: {error}", path.display()))
}

fn pack() -> Result<(), String> {
    let packed = fs::read(RULES).and_then(|table| collect::gzip(&table));
    let written =
        packed.and_then(|packed| fs::write(out().map_err(Error::other)?.join("rules.tsv.gz"), packed));
    written.map_err(|error| format!("{RULES}: {error}"))
}

fn out() -> Result<PathBuf, String> {
    env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| "cargo gives no OUT_DIR".to_owned())
}

fn embed() -> Result<(), String> {
    let text = fs::read_to_string(MANIFEST).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let loaders = manifest::parse(&text).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let source = source()?;
    let found = collect::find(&loaders, &source)?;
    if let Source::Computer { folder, .. } = &source {
        let missing = || found.iter().filter_map(|it| Some((&it.loader.file, it.bytes.as_ref().err()?)));
        watch(&loaders, folder.as_deref(), missing().next().is_none());
        for (file, remedy) in missing() {
            println!("cargo::warning={file} is not built in: {remedy}");
        }
    }
    let out = out()?;
    collect::write(&found, &out).map_err(|error| format!("{}: {error}", out.display()))
}

/// Where the environment says to look.
fn source() -> Result<Source, String> {
    for name in ["PXEGO_VENDOR_DIR", "PXEGO_NO_VENDOR"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let given = |name| env::var_os(name).filter(|value| !value.is_empty() && value != "0");
    if given("PXEGO_NO_VENDOR").is_some() {
        return Ok(Source::Nowhere);
    }
    let folder = given("PXEGO_VENDOR_DIR").map(PathBuf::from);
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(format!(
            "PXEGO_VENDOR_DIR is {}, which is no folder; make it, or unset the variable",
            folder.display()
        ));
    }
    Ok(Source::Computer { folder, root: PathBuf::from("/") })
}

/// Has cargo run this again when a loader comes or goes.
///
/// A path that is not there would make cargo build everything anew each time. So the folders that are there are
/// watched, and while something is missing, the list of installed packages.
fn watch(loaders: &[Loader], folder: Option<&Path>, is_whole: bool) {
    let paths = loaders.iter().flat_map(|loader| &loader.packages).flat_map(|package| &package.paths);
    let mut watched: Vec<&Path> = paths.filter_map(|path| path.parent()).chain(folder).collect();
    if !is_whole {
        watched.extend(PACKAGE_DATABASES.map(Path::new));
    }
    watched.sort_unstable();
    watched.dedup();
    for path in watched.into_iter().filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}
