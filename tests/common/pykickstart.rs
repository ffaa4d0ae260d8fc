//! pykickstart, the installers' own parser, as a judge: `demo/setup.sh test` puts it into the lab's cache.
#![allow(dead_code, unreachable_pub, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pxego::answer::Release;
use serde_json::Value;

/// What pykickstart makes of one kickstart.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// `clean`, `deprecated` or `error`.
    pub verdict: String,
    /// Lines with errors and what they are; line 0 where it does not say.
    pub errors: Vec<(usize, String)>,
    /// Lines with warnings, likewise.
    pub warnings: Vec<(usize, String)>,
    /// Whether it gave up at the last error, and did not look at what is behind.
    pub fatal: bool,
}

impl Judgement {
    /// The lines with errors, in which those are that it gave up at.
    pub fn error_lines(&self) -> BTreeSet<usize> {
        self.errors.iter().map(|(line, _)| *line).collect()
    }

    /// The lines with warnings.
    pub fn warning_lines(&self) -> BTreeSet<usize> {
        self.warnings.iter().map(|(line, _)| *line).collect()
    }
}

/// The Python that has pykickstart.
///
/// # Panics
/// When it is not there.
pub fn python() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || {
        let user = std::env::var("SUDO_USER").ok();
        let entry = user.and_then(|user| Command::new("getent").args(["passwd", &user]).output().ok());
        let entry = entry.and_then(|entry| String::from_utf8(entry.stdout).ok());
        let home = entry.as_deref().and_then(|entry| entry.split(':').nth(5)).map(PathBuf::from);
        home.or_else(|| std::env::var_os("HOME").map(PathBuf::from)).expect("a home directory")
    };
    let cache = cache.unwrap_or_else(|| home().join(".cache"));
    let python = cache.join("pxego-lab/pykickstart/bin/python");
    assert!(python.exists(), "{} is missing; type: demo/setup.sh test", python.display());
    python
}

/// A script in `tests/kickstart/`.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kickstart").join(name)
}

/// The release as pykickstart calls it.
pub fn version(release: Release) -> String {
    release.to_string().replace("EL", "RHEL")
}

/// Judges many kickstarts, in one process for each core: starting one takes longer than judging.
pub fn judge(cases: &[(Release, Vec<u8>)]) -> Vec<Judgement> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let size = cases.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = cases.chunks(size).map(|part| scope.spawn(|| judge_part(part))).collect();
        parts.into_iter().flat_map(|part| part.join().expect("the judge's thread ends")).collect()
    })
}

fn judge_part(cases: &[(Release, Vec<u8>)]) -> Vec<Judgement> {
    let mut command = Command::new(python());
    command.arg(script("oracle.py")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut process = command.spawn().expect("Python starts");
    let mut input = process.stdin.take().expect("its input");
    let lines: Vec<String> = cases
        .iter()
        .map(|(release, text)| serde_json::json!([version(*release), base64(text)]).to_string())
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").expect("it reads");
        }
    });
    let output = process.wait_with_output().expect("it ends");
    writer.join().expect("everything is written");
    assert!(output.status.success(), "the judge ended with {}", output.status);
    let text = String::from_utf8(output.stdout).expect("its answers are text");
    let judgements: Vec<Judgement> = text.lines().map(read).collect();
    assert_eq!(judgements.len(), cases.len(), "an answer for each");
    judgements
}

fn read(line: &str) -> Judgement {
    let value: Value = serde_json::from_str(line).expect("a JSON object");
    let list = |name: &str| {
        let list = value[name].as_array().expect("a list");
        list.iter()
            .map(|pair| {
                let line = pair[0].as_u64().expect("a line");
                (usize::try_from(line).expect("a line"), pair[1].as_str().expect("a message").to_owned())
            })
            .collect()
    };
    Judgement {
        verdict: value["verdict"].as_str().expect("a verdict").to_owned(),
        errors: list("errors"),
        warnings: list("warnings"),
        fatal: value["fatal"].as_bool().expect("whether it gave up"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]));
        }
        text.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    text
}
