//! The real binary, used wrongly or in the wrong place: it ends with 2 or 3 and says the cause and the next command.
//! And what it changes on an interface it takes back. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/netns.rs"]
mod netns;
#[path = "../common/wire.rs"]
mod wire;

mod files;
mod interfaces;
mod others;
mod rights;

use std::path::PathBuf;

use lab::image;
use netns::{Netns, run};

const WRONG_USE: i32 = 2;
const REFUSED: i32 = 3;

/// How a run ended that was not to start.
struct Ended {
    code: Option<i32>,
    /// What it wrote on standard error.
    text: String,
}

/// Runs pxego in a namespace; arguments are separated by blanks.
fn pxego(netns: &Netns, arguments: &str) -> Ended {
    run_as(netns, &[env!("CARGO_BIN_EXE_pxego")], arguments)
}

/// The same by another program, which comes with its arguments.
fn run_as(netns: &Netns, program: &[&str], arguments: &str) -> Ended {
    // A refusal takes no time; if it starts instead, it is ended with SIGTERM.
    let output =
        netns.command("timeout").arg("20").args(program).args(arguments.split(' ')).output().unwrap();
    Ended { code: output.status.code(), text: String::from_utf8(output.stderr).unwrap() }
}

impl Ended {
    /// Fails unless it ended with this code and its text has all of these in it.
    #[track_caller]
    fn is(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        for part in parts {
            assert!(self.text.contains(part), "no {part:?} in: {}", self.text);
        }
    }

    /// The command to type next, without its `sudo`: what is indented by four, or in quotes.
    #[track_caller]
    fn next_command(&self) -> &str {
        let indented = self.text.lines().find_map(|line| line.strip_prefix("    sudo "));
        let quoted = || self.text.split('"').find_map(|part| part.strip_prefix("sudo "));
        indented.or_else(quoted).unwrap_or_else(|| panic!("no command in: {}", self.text))
    }
}

/// An install image, as an argument.
fn iso() -> String {
    image("el9").to_str().unwrap().to_owned()
}

/// An empty folder below the target directory, as an argument; removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        Self(lab::scratch(&format!("refusals-{test}")))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The IPv4 addresses of `eth0`.
fn addresses(netns: &Netns) -> Vec<String> {
    let output = run(netns.command("ip").args(["-4", "-o", "address", "show", "dev", "eth0"]));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.split_ascii_whitespace().nth(3).unwrap().to_owned()).collect()
}

/// Whether `eth0` is switched on.
fn is_up(netns: &Netns) -> bool {
    let output = run(netns.command("ip").args(["-o", "link", "show", "dev", "eth0", "up"]));
    !output.stdout.is_empty()
}
