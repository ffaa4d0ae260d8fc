//! Strangers' programs as clients of the real binary: what they fetch is what is on the image, and addresses are kept.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/netns.rs"]
mod netns;
#[path = "../common/wire.rs"]
mod wire;

mod dhcp;
mod http;
mod tftp;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::{Pxego, image, scratch};
use netns::{Bench, run};

/// The kernel, large; small files; names with `+` and `~`.
const KERNEL: &str = "images/pxeboot/vmlinuz";
const INITRD: &str = "images/pxeboot/initrd.img";
const TREEINFO: &str = ".treeinfo";
const PLUS: &str = "BaseOS/Packages/libstdc++-11.3.1-4.3.el9.x86_64.rpm";
const TILDE: &str = "AppStream/Packages/perl-Module-Install-AutomatedTester-and-more-than-sixty-four-letters-1.0~rc1-1.el9.noarch.rpm";
const FILES: [&str; 5] = [KERNEL, INITRD, TREEINFO, PLUS, TILDE];

/// An image that is served to a client's namespace, and what is on it by another program's account.
struct Served {
    bench: Bench,
    pxego: Option<Pxego>,
    folder: PathBuf,
    /// Bytes of the clients' log that were read.
    log_read: Cell<usize>,
}

impl Served {
    /// `name` is the test's own.
    fn start(name: &str) -> Self {
        let folder = scratch(&format!("clients-{name}"));
        let image = image("el9");
        run(Command::new("xorriso")
            .args(["-report_about", "WARNING", "-osirrox", "on", "-indev"])
            .arg(&image)
            .args(["-extract", "/"])
            .arg(folder.join("tree")));
        let mut served = Self { bench: Bench::new(), pxego: None, folder, log_read: Cell::new(0) };
        served.switch_on(&[]);
        served
    }

    /// The same for clients that bring an address along.
    fn start_for_files(name: &str) -> Self {
        let served = Self::start(name);
        served.bench.client.ip("address add 192.168.100.9/24 dev eth0");
        served
    }

    /// Starts pxego, with the state that it left.
    fn switch_on(&mut self, more: &[&str]) {
        let (image, state) = (image("el9"), self.path("state"));
        let arguments = ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let arguments = [&arguments, more].concat();
        self.pxego = Some(Pxego::start(&self.bench.server, &arguments));
    }

    /// Ends it as Ctrl-C does.
    fn switch_off(&mut self) {
        self.pxego.take().unwrap().stop();
    }

    /// Ends it with SIGKILL: it has no last word.
    fn kill(&mut self) {
        drop(self.pxego.take().unwrap());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a client. Arguments are separated by blanks; `OUT` stands for the file [`Served::got`] reads.
    fn client(&self, command_line: &str) -> Output {
        let out = self.path("out");
        let _ = fs::remove_file(&out);
        self.client_again(command_line)
    }

    /// The same, with the file of the last one kept.
    fn client_again(&self, command_line: &str) -> Output {
        let out = self.path("out");
        // Nothing here takes long; a client that hangs is to be seen as one.
        let mut command = self.bench.client.command("timeout");
        let arguments = command_line.split(' ').map(|word| match word {
            "OUT" => out.to_str().unwrap(),
            word => word,
        });
        command.arg("60").args(arguments).current_dir(&self.folder);
        command.output().unwrap()
    }

    /// What the last client wrote into `OUT`.
    fn got(&self) -> Vec<u8> {
        fs::read(self.path("out")).unwrap_or_default()
    }

    /// A file of the image.
    fn original(&self, path: &str) -> Vec<u8> {
        fs::read(self.path("tree").join(path)).unwrap()
    }

    /// Runs a client that has to end well and to write this file of the image into `OUT`.
    fn fetches(&self, path: &str, command_line: &str) {
        let output = self.client(command_line);
        assert!(output.status.success(), "{command_line}: {}", text(&output));
        assert!(self.got() == self.original(path), "{command_line}: other bytes; {}", text(&output));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.pxego = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a program wrote.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// All files below a directory, by their paths in it.
fn files_below(directory: &Path) -> Vec<String> {
    let output = run(Command::new("find").arg(directory).args(["-type", "f", "-printf", "%P\n"]));
    let mut files: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}
