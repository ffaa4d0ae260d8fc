//! The stick with the image is pulled while machines are served, and put back; or another one. Needs root, `/dev/fuse`, loop
//! devices, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/stick.rs"]
mod stick;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lab::{Pxego, image, packaged, scratch};
use netns::{Bench, run, wait_until};
use stick::{Slot, Stick};

const SERVER: &str = "192.168.100.1";

/// A file of 16 MB, more than sockets hold.
const LARGE: &str = "images/install.img";

/// A small one.
const SMALL: &str = ".treeinfo";

/// Loaders in packages: RPM and Debian's.
const PACKED: [&str; 3] = ["pxelinux.0", "ldlinux.c32", "loaders/x64/grubx64.efi"];

/// An image of EL9 whose shim and GRUB are in Debian packages alone.
fn disc(scratch: &Path) -> PathBuf {
    let mut packages = Vec::new();
    for (name, place, file) in [
        ("shim-signed", "usr/lib/shim", "shimx64.efi.signed"),
        ("grub-efi-amd64-signed", "usr/lib/grub/x86_64-efi-signed", "grubnetx64.efi.signed"),
    ] {
        let root = scratch.join(name);
        fs::create_dir_all(root.join(place)).unwrap();
        fs::create_dir(root.join("DEBIAN")).unwrap();
        fs::copy(packaged(&[&format!("/{place}/{file}")]), root.join(place).join(file)).unwrap();
        let control = format!(
            "Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@example.org>\n\
             Description: a package of the boot lab\n"
        );
        fs::write(root.join("DEBIAN/control"), control).unwrap();
        let package = scratch.join(format!("{name}_1_amd64.deb"));
        run(Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .arg(&root)
            .arg(&package));
        packages.push((package, format!("/pool/main/{}/{name}/{name}_1_amd64.deb", &name[..1])));
    }
    let to = scratch.join("disc.iso");
    let mut xorriso = Command::new("xorriso");
    xorriso.arg("-indev").arg(image("el9-bare")).arg("-outdev").arg(&to).args(["-boot_image", "any", "keep"]);
    for (file, path) in &packages {
        xorriso.arg("-map").arg(file).arg(path);
    }
    let syslinux = "/AppStream/Packages/syslinux-tftpboot-6.04-0.20.el9.noarch.rpm";
    let whole = scratch.join("syslinux.rpm");
    run(Command::new("osirrox").arg("-indev").arg(image("el9")).args(["-extract", syslinux]).arg(&whole));
    xorriso.arg("-map").arg(&whole).arg(syslinux);
    run(&mut xorriso);
    to
}

/// A server with an image on a stick, and a client.
struct Room {
    bench: Bench,
    scratch: PathBuf,
    pxego: Pxego,
}

impl Room {
    fn new(name: &str, image: &Path, scratch: PathBuf) -> Self {
        let bench = Bench::new();
        bench.client.ip("address add 192.168.100.2/24 dev eth0");
        let state = scratch.join(format!("state-{name}"));
        let arguments = ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let pxego = Pxego::start(&bench.server, &arguments);
        Self { bench, scratch, pxego }
    }

    /// curl's status code for a path, with the head and the body.
    fn get(&self, path: &str, more: &[&str]) -> (String, String, Vec<u8>) {
        let (head, body) = (self.scratch.join("head"), self.scratch.join("body"));
        let mut curl = self.bench.client.command("curl");
        curl.args([
            "--disable",
            "--silent",
            "--max-time",
            "60",
            "--write-out",
            "%{http_code}",
            "--dump-header",
        ]);
        curl.arg(&head).arg("--output").arg(&body).args(more).arg(format!("http://{SERVER}/{path}"));
        let code = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let read = |path: &Path| fs::read(path).unwrap_or_default();
        let result = (code, String::from_utf8(read(&head)).unwrap(), read(&body));
        let _ = fs::remove_file(body);
        result
    }

    /// What tftp-hpa says when it asks for a path; empty when it got it.
    fn tftp(&self, path: &str) -> String {
        let mut tftp = self.bench.client.command("timeout");
        tftp.args(["60", "tftp", "-m", "binary", SERVER, "-c", "get", path]).arg(self.scratch.join("tftp"));
        let output = tftp.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    }

    /// Waits for the next word about the medium.
    fn medium(&mut self) -> (String, String) {
        let event = self.pxego.wait_for_step("medium");
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("state"), text("text"))
    }

    /// Everything of the image is refused, and nothing else.
    fn is_refused(&self, because: &str) {
        for more in [&[][..], &["--head"], &["--range", "5-9"]] {
            let (code, head, body) = self.get(LARGE, more);
            assert_eq!(code, "503", "{more:?}: {head}");
            assert!(head.contains("Retry-After: "), "{head}");
            let body = String::from_utf8(body).unwrap();
            assert!(more == ["--head"] || body.contains(because), "{body}");
        }
        assert_eq!(self.get("images", &[]).0, "200", "names are known");
        assert_eq!(self.get("images/updates.img", &[]).0, "404", "what never was there is not there");
        assert_eq!(self.get("boot.ipxe", &[]).0, "200", "what is made is made");
        // What is to be unpacked from a package on the image, of which nobody asked before, is to be waited for likewise.
        for name in PACKED {
            let (code, head, _) = self.get(name, &[]);
            assert!(code == "503" && head.contains("Retry-After: "), "{name}: {head}");
            let said = self.tftp(name);
            assert!(said.contains("Error code 0") && said.contains("waited for"), "{name}: {said}");
        }
        let said = self.tftp(SMALL);
        assert!(said.contains("Error code 0") && said.contains(because), "{said}");
    }

    fn is_served(&self, original: &[u8]) {
        let (code, _, body) = self.get(LARGE, &[]);
        assert!(code == "200" && body == original, "{code}, {} bytes", body.len());
        for name in PACKED {
            let (code, _, body) = self.get(name, &[]);
            assert!(code == "200" && !body.is_empty(), "that {name} could not be unpacked is forgotten");
            assert_eq!(self.tftp(name), "");
        }
        assert_eq!(self.tftp(SMALL), "");
    }

    /// A client that has begun with the large file and reads no further.
    fn slow_client(&self) -> TcpStream {
        self.bench.client.run(|| {
            let mut client = TcpStream::connect((SERVER, 80)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            write!(client, "GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            client.read_exact(&mut [0; 1000]).unwrap();
            client
        })
    }
}

/// What is on the image, read by another program.
fn on_image(image: &Path, scratch: &Path) -> Vec<u8> {
    let to = scratch.join("reference");
    let path = format!("/{LARGE}");
    run(Command::new("osirrox").arg("-indev").arg(image).args(["-extract", &path]).arg(&to));
    fs::read(to).unwrap()
}

/// Reads to the end, and returns whether that was a reset.
fn is_reset(mut client: TcpStream) -> bool {
    let mut rest = Vec::new();
    match client.read_to_end(&mut rest) {
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        Ok(_) => false,
    }
}

#[test]
fn a_pulled_stick_is_waited_for_and_no_other_is_taken() {
    let scratch = scratch("pulled-stick");
    let (disc, other) = (disc(&scratch), image("el8"));
    let original = on_image(&disc, &scratch);
    let slot = Slot::new(&scratch.join("slot"));
    let first = Stick::plug(&slot, &disc);
    let mut room = Room::new("file", &first.file(), scratch.clone());
    assert_eq!(room.get(SMALL, &[]).0, "200");
    let client = room.slow_client();

    first.pull();
    assert!(is_reset(client), "nobody takes a part for the whole");
    let (state, text) = room.medium();
    assert_eq!(state, "gone", "{text}");
    room.is_refused("taken away");
    // Nothing is held any more: the stick's file system ends with this.
    drop(first);
    room.is_refused("taken away");

    let second = Stick::plug(&slot, &other);
    let (state, text) = room.medium();
    assert_eq!(state, "replaced", "{text}");
    assert!(text.contains("CentOS-8-5-2111") && text.contains("CentOS-Stream-9"), "{text}");
    room.is_refused("another medium");
    drop(second);

    let third = Stick::plug(&slot, &disc);
    let (state, text) = room.medium();
    assert_eq!(state, "back", "{text}");
    room.is_served(&original);

    let Room { pxego, .. } = room;
    let events = pxego.stop();
    let told = events.iter().filter(|event| event["event"] == "medium").count();
    assert_eq!(told, 3, "each change is told once");
    drop((third, slot));
    fs::remove_dir_all(scratch).unwrap();
}

/// A loop device on a file that is on a stick: a drive whose reads fail. What it was asked before it does not keep.
struct Drive(PathBuf);

impl Drive {
    fn plug(file: &Path) -> Self {
        let output = run(Command::new("losetup")
            .args(["--find", "--show", "--read-only", "--direct-io=on"])
            .arg(file));
        Self(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()))
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // While somebody has it open it is only marked to go.
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).output();
    }
}

#[test]
fn a_drive_without_its_disc_is_waited_for() {
    let scratch = scratch("pulled-drive");
    let disc = disc(&scratch);
    let original = on_image(&disc, &scratch);
    let slot = Slot::new(&scratch.join("slot"));
    let first = Stick::plug(&slot, &disc);
    let drive = Drive::plug(&first.file());
    // As in /dev/disk/by-id: the drive may have another number when it comes back.
    let path = scratch.join("drive");
    symlink(&drive.0, &path).unwrap();
    let mut room = Room::new("drive", &path, scratch.clone());
    assert_eq!(room.get(SMALL, &[]).0, "200");

    first.pull();
    let (state, text) = room.medium();
    assert_eq!(state, "gone", "found without a request: {text}");
    room.is_refused("taken away");
    let device = drive.0.clone();
    drop(drive);
    fs::remove_file(&path).unwrap();
    // Nothing is held any more: neither the drive nor the stick below it.
    wait_until("the drive is gone", || attached(&device).is_empty());
    drop(first);

    let second = Stick::plug(&slot, &disc);
    let drive = Drive::plug(&second.file());
    symlink(&drive.0, &path).unwrap();
    let (state, text) = room.medium();
    assert_eq!(state, "back", "{text}");
    room.is_served(&original);
    let Room { pxego, .. } = room;
    pxego.stop();
    let device = drive.0.clone();
    drop(drive);
    wait_until("the drive is gone", || attached(&device).is_empty());
    drop((second, slot));
    fs::remove_dir_all(scratch).unwrap();
}

/// What a loop device shows, if anything.
fn attached(device: &Path) -> String {
    let output = Command::new("losetup").arg(device).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
