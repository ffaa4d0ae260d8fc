//! What the fuzzers start from and what they ever found, replayed without a fuzzer, and mutated a little.
//!
//! `PXEGO_MUTATIONS=100000 cargo test --test fuzz_replay` looks longer.

// The fuzz targets see the same files from another place.
#[allow(unreachable_pub)]
#[path = "fuzz/checks/mod.rs"]
mod checks;
#[path = "fuzz/mutate.rs"]
mod mutate;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use checks::{CHECKS, Check};
use mutate::Mutator;

/// How many mutations of each seed.
const MUTATIONS: u32 = 300;

/// One input that takes longer hangs, however busy the computer is.
const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The files in `folder` with their names; none when there is no such folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes)
        })
        .collect()
}

/// An input and where it is from.
struct Input {
    origin: String,
    bytes: Vec<u8>,
}

/// The input a check is busy with, for who waits in vain.
type Busy = Mutex<Option<Input>>;

/// Replays everything that belongs to a check. Says of each input that it begins.
fn replay(
    name: &str,
    check: Check,
    mutations: u32,
    busy: &Busy,
    begin: &mpsc::Sender<()>,
) -> Result<u32, String> {
    let seeds = files(&folder().join("seeds").join(name));
    let crashes = files(&folder().join("crashes").join(name));
    let mut count = 0;
    let mut run = |origin: String, bytes: Vec<u8>| {
        count += 1;
        *busy.lock().expect("nobody panics with it") =
            Some(Input { origin: origin.clone(), bytes: bytes.clone() });
        let _ = begin.send(());
        catch_unwind(AssertUnwindSafe(|| check(&bytes))).map_err(|_| broken(name, &origin, &bytes))
    };
    for (kind, files) in [("seeds", &seeds), ("crashes", &crashes)] {
        for (file, bytes) in files {
            run(format!("{kind}/{name}/{file}"), bytes.clone())?;
        }
    }
    let others: Vec<&[u8]> = seeds.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    for (file, bytes) in seeds.iter().chain(&crashes) {
        let mut mutator = Mutator::new(&format!("{name}/{file}"));
        for number in 0..mutations {
            run(format!("mutation {number} of {name}/{file}"), mutator.mutate(bytes, &others))?;
        }
    }
    Ok(count)
}

/// Keeps the input and says what to do with it.
fn broken(name: &str, origin: &str, bytes: &[u8]) -> String {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    fs::write(&kept, bytes).expect("the input is kept");
    format!(
        "{origin} breaks the check. Keep it: mkdir -p tests/fuzz/crashes/{name} && cp {} tests/fuzz/crashes/{name}/",
        kept.display()
    )
}

fn mutations() -> u32 {
    std::env::var("PXEGO_MUTATIONS").ok().map_or(MUTATIONS, |text| text.parse().expect("a number"))
}

#[test]
fn every_seed_and_crash_passes_its_check_mutated_too() {
    let (send, receive) = mpsc::channel();
    for (name, check) in CHECKS {
        let send = send.clone();
        // Not scoped: a check that hangs must not keep the test from ending.
        std::thread::spawn(move || {
            let (begin, begun) = mpsc::channel();
            let busy = std::sync::Arc::new(Busy::default());
            let worker = std::thread::spawn({
                let busy = busy.clone();
                move || replay(name, *check, mutations(), &busy, &begin)
            });
            let result = loop {
                match begun.recv_timeout(PATIENCE) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Disconnected) => {
                        break worker.join().unwrap_or_else(|_| Err("the harness broke".to_owned()));
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        let input = busy.lock().expect("nobody panics with it").take().expect("it began");
                        break Err(format!(
                            "no end within {PATIENCE:?}: {}",
                            broken(name, &input.origin, &input.bytes)
                        ));
                    }
                }
            };
            let _ = send.send((*name, result));
        });
    }
    drop(send);
    let mut failures = Vec::new();
    for (name, result) in receive {
        match result {
            Ok(count) => assert!(count > 0, "{name}: nothing was replayed"),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_check_is_listed_has_seeds_and_is_a_target() {
    let listed: BTreeSet<String> = CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), CHECKS.len(), "one is listed twice");
    let written: BTreeSet<String> = files(&folder().join("checks"))
        .into_iter()
        .filter_map(|(name, _)| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "mod")
        .collect();
    let manifest = fs::read_to_string(folder().join("Cargo.toml")).expect("a manifest");
    let mut missing = Vec::new();
    for name in &written {
        if !listed.contains(name) {
            missing.push(format!("{name} in the list of tests/fuzz/checks/mod.rs"));
        }
        let line = format!("    {{ name = \"{name}\", path = \"target.rs\" }},");
        if !manifest.lines().any(|other| other == line) {
            missing.push(format!("in tests/fuzz/Cargo.toml: {line}"));
        }
        if files(&folder().join("seeds").join(name)).is_empty() {
            missing.push(format!("a file in tests/fuzz/seeds/{name}/"));
        }
    }
    let targets = manifest.lines().filter(|line| line.contains("path = \"target.rs\"")).count();
    assert!(missing.is_empty(), "missing: {missing:#?}");
    assert_eq!((targets, &written), (listed.len(), &listed), "a target or a listed check without a file");
}

#[test]
fn every_folder_of_inputs_belongs_to_a_check() {
    for kind in ["seeds", "crashes", "artifacts", "corpus"] {
        let Ok(entries) = fs::read_dir(folder().join(kind)) else { continue };
        for path in entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()) {
            let is_known = CHECKS.iter().any(|(name, _)| path.ends_with(name));
            assert!(is_known, "{} belongs to no check", path.display());
        }
    }
}

/// Where code breaks that trusts a length, a count, or that a value never comes.
fn breaks_trusting_code(data: &[u8]) -> bool {
    let [kind, len, rest @ ..] = data else { return false };
    match kind {
        1 => rest.get(..usize::from(*len)).is_none(),
        2 => rest.len() >= 4096,
        3 => rest == b"deep",
        _ => false,
    }
}

#[test]
fn mutations_find_planted_faults_and_are_the_same_each_time() {
    for (fault, seed) in [
        ("a length beyond the end", &b"\x01\x04abcd"[..]),
        ("more than there is room for", b"\x02\x00abcd"),
        ("one flipped bit", b"\x03\x00deeq"),
    ] {
        assert!(!breaks_trusting_code(seed));
        let mutants = || {
            let mut mutator = Mutator::new(fault);
            (0..MUTATIONS).map(move |_| mutator.mutate(seed, &[seed, b"other"]))
        };
        assert!(mutants().any(|mutant| breaks_trusting_code(&mutant)), "{fault} is not found");
        assert!(mutants().eq(mutants()), "{fault}");
    }
}
