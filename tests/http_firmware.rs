//! Large files and loaders of old with real firmware: our servers give the bytes, somebody else's DHCP server the addresses.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lab::{Firmware, Machine, power, scratch};
use netns::{Bench, Running, run};
use pxego::content::networks::Networks;
use pxego::content::{Body, Content, Found, Library, Observer, Outcome, Protocol, Request, Role, Transfer};
use pxego::image::{Extent, FileData, ImageFile};
use pxego::net::http::{self, HttpConfig};
use pxego::net::signals::Stop;
use pxego::net::tftp::{self, TftpConfig};
use pxego::tftp::transfer::RollOver;
use wire::{Capture, bridge};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);
const MAC: &str = "52:54:00:12:34:56";

/// What is served, by name.
#[derive(Default)]
struct Shelf(HashMap<String, Content>);

impl Shelf {
    fn put(&mut self, name: &str, bytes: impl Into<Arc<[u8]>>) {
        self.0.insert(name.to_owned(), Content::from_bytes(bytes, Role::Other, 0));
    }

    /// A file of this computer, from where it lies.
    fn put_file(&mut self, name: &str, path: &Path) {
        let file = ImageFile::open(path).unwrap();
        let extent = Extent { offset: 0, len: fs::metadata(path).unwrap().len() };
        let body = Body::Image(FileData::new(Arc::new(file), [extent]));
        self.0.insert(name.to_owned(), Content { body, role: Role::Other, modified: 0 });
    }
}

impl Library for Shelf {
    fn find(&self, request: &Request<'_>) -> Found {
        let name = String::from_utf8_lossy(request.name);
        self.0.get(&*name).cloned().map_or(Found::Missing, Found::Content)
    }
}

/// Every transfer of bytes that ended: its name, how much was sent, and how it ended.
#[derive(Default)]
struct Ear(Mutex<Vec<(String, u64, Outcome)>>);

impl Observer for Ear {
    fn started(&self, _: Ipv4Addr, _: Protocol, _: &[u8], _: Role) {}

    fn ended(&self, transfer: &Transfer<'_>) {
        let name = String::from_utf8_lossy(transfer.name).into_owned();
        self.0.lock().unwrap().push((name, transfer.sent, transfer.outcome.clone()));
    }
}

/// A machine in front of our two servers and dnsmasq, which says what to boot.
struct Room {
    bench: Bench,
    scratch: PathBuf,
    ear: Arc<Ear>,
    stop: Stop,
    servers: Vec<JoinHandle<()>>,
    _dhcp: Running,
    _power: File,
}

impl Room {
    /// `boot_file` is what dnsmasq takes for `--dhcp-boot`.
    fn new(name: &str, shelf: Shelf, boot_file: &str) -> Self {
        let power = power();
        let scratch = scratch(name);
        let bench = Bench::new();
        bridge(&bench);
        bench.server.ip("address add 192.168.100.1/24 dev eth0");
        let (stop, ear) = (Stop::new().unwrap(), Arc::new(Ear::default()));
        let library: Arc<dyn Library> = Arc::new(shelf);
        let observer: Arc<dyn Observer> = ear.clone();
        let networks = Networks::local(SERVER, 24);
        let (listener, socket) = bench
            .server
            .run(|| (TcpListener::bind((SERVER, 80)).unwrap(), UdpSocket::bind((SERVER, 69)).unwrap()));
        let http = HttpConfig::new(networks.clone());
        let tftp = TftpConfig {
            networks,
            interface: None,
            mtu: 1500,
            single_port: false,
            roll_over: RollOver::ToZero,
        };
        let inside = bench.server.door();
        let http = {
            let (library, observer, stop) = (library.clone(), observer.clone(), stop.clone());
            std::thread::spawn(move || http::serve(&listener, &http, &library, &observer, &stop).unwrap())
        };
        let tftp = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                // It opens sockets.
                inside.enter();
                tftp::serve(&socket, &tftp, &library, &observer, &stop).unwrap();
            })
        };
        let boot = format!("--dhcp-boot={boot_file}");
        let leases = format!("--dhcp-leasefile={}", scratch.join("leases").display());
        let arguments = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
            "--port=0",
            "--interface=eth0",
            "--no-ping",
            "--dhcp-authoritative",
            "--dhcp-range=192.168.100.50,192.168.100.60,1h",
            &leases,
            &boot,
        ];
        let dhcp = bench.server.start("dnsmasq", &arguments);
        Self { bench, scratch, ear, stop, servers: vec![http, tftp], _dhcp: dhcp, _power: power }
    }

    /// How the transfers of a name ended.
    fn told(&self, name: &str) -> Vec<(u64, Outcome)> {
        let told = self.ear.0.lock().unwrap();
        told.iter().filter(|it| it.0 == name).map(|(_, sent, outcome)| (*sent, outcome.clone())).collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stop.set();
        for server in self.servers.drain(..) {
            let _ = server.join();
        }
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A boot sector that says `text` on the first serial port and stops there. It may lie anywhere.
fn boot_sector(text: &str) -> Vec<u8> {
    let mut code = vec![
        0xe8, 0x00, 0x00, // call next
        0x5e, // next: pop si
        0x0e, 0x1f, // push cs; pop ds
        0x83, 0xc6, 0x21, // add si, text - next
        0xfc, // cld
        0xac, // letter: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x12, // jz end
        0x88, 0xc3, // mov bl, al
        0xba, 0xfd, 0x03, // mov dx, 0x3fd
        0xec, // busy: in al, dx
        0xa8, 0x20, // test al, 0x20
        0x74, 0xfb, // jz busy
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0x88, 0xd8, // mov al, bl
        0xee, // out dx, al
        0xeb, 0xe9, // jmp letter
        0xf4, // end: hlt
        0xeb, 0xfd, // jmp end
    ];
    code.extend(text.bytes());
    code.extend([13, 10, 0]);
    code.resize(code.len().next_multiple_of(512), 0);
    code
}

/// A disc of 3 GB, nearly all of it a hole, that boots what lies at `block` (ECMA-119, El Torito 1.0).
fn disc(path: &Path, block: u32, boot: &[u8]) {
    const BLOCKS: u32 = 3 << 19;
    let file = File::create(path).unwrap();
    file.set_len(u64::from(BLOCKS) * 2048).unwrap();
    let put = |at: u32, sector: &[u8]| file.write_all_at(sector, u64::from(at) * 2048).unwrap();
    let descriptor = |kind: u8| {
        let mut sector = vec![0; 2048];
        sector[..7].copy_from_slice(&[kind, b'C', b'D', b'0', b'0', b'1', 1]);
        sector
    };
    let mut primary = descriptor(1);
    primary[80..84].copy_from_slice(&BLOCKS.to_le_bytes());
    primary[84..88].copy_from_slice(&BLOCKS.to_be_bytes());
    primary[128..132].copy_from_slice(&[0, 8, 8, 0]);
    put(16, &primary);
    let mut record = descriptor(0);
    record[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    record[71..75].copy_from_slice(&19_u32.to_le_bytes());
    put(17, &record);
    put(18, &descriptor(255));
    let mut catalog = vec![0; 64];
    // The words of the validation entry add up to 0.
    catalog[..2].copy_from_slice(&[1, 0]);
    catalog[28..32].copy_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
    // Bootable, without emulation, one sector of 512 bytes.
    catalog[32] = 0x88;
    catalog[38..40].copy_from_slice(&[1, 0]);
    catalog[40..44].copy_from_slice(&block.to_le_bytes());
    put(19, &catalog);
    put(block, boot);
}

/// iPXE boots from a disc of more than 2 GiB, part by part. It is of 32 bits, as distributions build it for BIOS: what lies
/// beyond 2 GiB it asks for with a negative number (iPXE issue 767), so what it boots lies just before.
#[test]
fn w26_ipxe_boots_from_a_large_disc() {
    let folder = scratch("firmware_disc");
    let path = folder.join("disc.iso");
    disc(&path, (1 << 20) - 100, &boot_sector("pxego-lab: booted from the disc"));
    let mut shelf = Shelf::default();
    shelf.put_file("disc.iso", &path);
    shelf.put("boot.ipxe", &b"#!ipxe\nsanboot --no-describe http://192.168.100.1/disc.iso\n"[..]);
    let room = Room::new("firmware_sanboot", shelf, "http://192.168.100.1/boot.ipxe");
    let machine = Machine::power_on(&room.bench.client, Firmware::Bios, MAC);
    machine.says("booted from the disc");
    let told = room.told("disc.iso");
    assert!(told.iter().all(|(_, outcome)| matches!(outcome, Outcome::Done | Outcome::Probe)), "{told:?}");
    drop((machine, room));
    fs::remove_dir_all(folder).unwrap();
}

/// PXELINUX with HTTP gets its program by HTTP/1.0.
#[test]
fn w28_lpxelinux_loads_by_http() {
    let mut program = boot_sector("pxego-lab: loaded by lpxelinux");
    // As long as a program may be that has not left real mode; the last word of it is looked for below.
    program.resize(300_000, 0x90);
    let mut shelf = Shelf::default();
    for (name, patterns) in [
        ("lpxelinux.0", "/usr/lib/PXELINUX/lpxelinux.0"),
        ("ldlinux.c32", "/usr/lib/syslinux/modules/bios/ldlinux.c32"),
    ] {
        shelf.put_file(name, &file_of(patterns));
    }
    let menu = "default it\nprompt 0\nlabel it\n  kernel http://192.168.100.1/program.0\n";
    shelf.put("pxelinux.cfg/default", menu.as_bytes());
    shelf.put("program.0", program.clone());
    let room = Room::new("firmware_lpxelinux", shelf, "lpxelinux.0,,192.168.100.1");
    let machine = Machine::power_on(&room.bench.client, Firmware::Bios, MAC);
    machine.says("loaded by lpxelinux");
    assert_eq!(room.told("program.0"), [(program.len() as u64, Outcome::Done)]);
}

/// A file of the lab's packages.
fn file_of(pattern: &str) -> PathBuf {
    let common = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/common.sh");
    let script = format!(". '{}'; file_of '{pattern}'", common.display());
    let output = run(Command::new("bash").args(["-c", &script]));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// GRUB that prints the MD5 of a file that it gets by HTTP, made to be `len` bytes long: firmware ignores what is behind.
fn grub(folder: &Path, len: usize) -> Vec<u8> {
    let (script, out) = (folder.join("grub.cfg"), folder.join("grub.efi"));
    fs::write(&script, "set root=(http,192.168.100.1)\nmd5sum /initrd.img\necho pxego-lab: end\n").unwrap();
    let module = file_of("/usr/lib/grub/x86_64-efi/http.mod");
    let mut command = Command::new(file_of("/usr/bin/grub-mkimage"));
    command.args(["-O", "x86_64-efi", "-p", "/", "-d"]).arg(module.parent().unwrap());
    command.arg("-c").arg(&script).arg("-o").arg(&out);
    run(command.args(["efinet", "http", "net", "normal", "echo", "hashsum", "gcry_md5"]));
    let mut bytes = fs::read(out).unwrap();
    assert!(bytes.len() < len);
    bytes.resize(len, 0);
    bytes
}

/// OVMF fetches 30 MB in windows of four, and GRUB 80 MB by HTTP.
#[test]
fn t48_w27_ovmf_and_grub_load_large_files() {
    const LOADER: usize = 30_000_000;
    let folder = scratch("firmware_large_files");
    let initrd: Vec<u8> =
        (0..80_000_000_u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
    fs::write(folder.join("initrd.img"), &initrd).unwrap();
    let sum = run(Command::new("md5sum").arg(folder.join("initrd.img"))).stdout;
    let sum = String::from_utf8(sum).unwrap()[..32].to_owned();
    let mut shelf = Shelf::default();
    shelf.put("grub.efi", grub(&folder, LOADER));
    shelf.put_file("initrd.img", &folder.join("initrd.img"));
    let room = Room::new("firmware_large", shelf, "grub.efi,,192.168.100.1");
    let capture = Capture::start(&room.bench, &folder.join("cable.pcap"));
    let machine = Machine::power_on(&room.bench.client, Firmware::Uefi, MAC);
    let said = machine.says("/initrd.img");
    assert!(said.contains(&sum), "{said}, not {sum}");
    assert!(room.told("initrd.img").contains(&(80_000_000, Outcome::Done)));
    assert!(room.told("grub.efi").contains(&(LOADER as u64, Outcome::Done)));

    // Each DATA once: what comes again, comes because the machine was silent for a tenth of a second, as one that is
    // emulated on a busy computer may be.
    let data = capture.packets(&["-q", "-x"], "udp and src host 192.168.100.1 and udp[8:2] = 3");
    let (mut last, mut before, mut count) = (0_u64, 0.0, 0);
    let mut lines = data.iter();
    while let Some(line) = lines.next() {
        let Some(time) = line.split(' ').next().and_then(|time| time.parse::<f64>().ok()) else { continue };
        // IPv4 20, UDP 8, opcode 2: the block's number is the 16th word of the packet, in the second line.
        let words: Vec<&str> =
            lines.by_ref().take(2).flat_map(|line| line.split_whitespace().skip(1)).collect();
        let block = u64::from(u16::from_str_radix(words[15], 16).unwrap());
        let is_new = block == (last + 1) % 65536;
        assert!(is_new || time - before >= 0.099, "block {block} after {last}, {} s later", time - before);
        (last, before, count) = (block, time, count + 1);
    }
    assert!(count >= LOADER.div_ceil(1468), "{count} packets");
    drop((machine, capture, room));
    fs::remove_dir_all(folder).unwrap();
}
