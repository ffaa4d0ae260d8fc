//! Every client of a boot, replayed from a script: what it asks for, how it acknowledges, and how it gives up. The scripts
//! are written after the sources of the clients and after captures.
//!
//! `>` is sent by the client, `<` is what it must get next, and nothing in between. `port` opens another port.
#![allow(clippy::disallowed_methods)]

#[path = "common/tftp_server.rs"]
mod tftp_server;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use pxego::tftp::transfer::RollOver;
use pxego::wire::tftp::{self, Packet};
use tftp_server::{bytes, config, serving};

const DEADLINE: Duration = Duration::from_secs(20);

/// A machine with its ports.
struct Machine {
    server: SocketAddrV4,
    socket: UdpSocket,
    port: Option<SocketAddr>,
    block_len: usize,
    /// What this transfer has brought, and when the last of it came.
    heard: Vec<String>,
    heard_at: Instant,
}

/// The server repeats nothing sooner than this (`SHORTEST_WAIT` in `src/tftp/retransmit.rs` is longer).
const TOO_SOON: Duration = Duration::from_millis(3);

fn open_port() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

impl Machine {
    fn new(server: SocketAddrV4) -> Self {
        let (heard, heard_at) = (Vec::new(), Instant::now());
        Self { server, socket: open_port(), port: None, block_len: 512, heard, heard_at }
    }

    fn follow(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["port"] => *self = Self::new(self.server),
            [">", "RRQ", name, mode, options @ ..] => {
                let options: Vec<_> = options.iter().map(|it| it.split_once('=').unwrap()).collect();
                let name = name.replace("%ff", "\u{ff}").chars().map(|c| c as u8).collect::<Vec<_>>();
                (self.port, self.block_len) = (None, 512);
                self.heard.clear();
                self.socket.send_to(&tftp::read_request(&name, mode, &options), self.server).unwrap();
            }
            [">", "ACK", block] => self.say(&tftp::ack(block.parse().unwrap())),
            // Microsoft's variable window: one byte more.
            [">", "ACK+", block] => {
                self.say(&[&tftp::ack(block.parse().unwrap())[..], &[4]].concat());
            }
            [">", "ERROR", code, text @ ..] => {
                let code: u8 = code.parse().unwrap();
                self.say(&[&[0, 5, 0, code], text.join(" ").as_bytes(), &[0]].concat());
            }
            ["<", expected @ ..] => {
                let expected = expected.join(" ");
                let mut got = self.hear();
                // On a busy computer what was heard before may come again, when its time has come.
                while got != expected && self.heard.contains(&got) && self.heard_at.elapsed() > TOO_SOON {
                    got = self.hear();
                }
                assert_eq!(got, expected, "at: {line}");
                self.heard.push(got);
                self.heard_at = Instant::now();
            }
            other => panic!("{other:?}"),
        }
    }

    fn say(&self, packet: &[u8]) {
        self.socket.send_to(packet, self.port.expect("an answer came before")).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut buffer = [0; 2048];
        let (len, from) = self.socket.recv_from(&mut buffer).expect("an answer");
        // Every answer of a transfer is from one port (RFC 1350 §4).
        assert_eq!(*self.port.get_or_insert(from), from, "the port of the transfer changes");
        match Packet::parse(&buffer[..len]).unwrap() {
            Packet::OptionAck(options) => {
                let mut text = "OACK".to_owned();
                for (name, value) in options.iter() {
                    let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
                    if name == "blksize" {
                        self.block_len = value.parse().unwrap();
                    }
                    text.push_str(&format!(" {name}={value}"));
                }
                text
            }
            Packet::Data { block, payload } => {
                let start = usize::from(block - 1) * self.block_len;
                let right = &bytes(start + payload.len())[start..];
                let is_right = if payload == right { "" } else { ", other bytes" };
                format!("DATA {block} {}{is_right}", payload.len())
            }
            Packet::Error { code, .. } => format!("ERROR {code}"),
            other => format!("{other:?}"),
        }
    }
}

/// Follows a script, with a port for each transfer and with one for all. The told endings are those of `told`, in any order:
/// transfers have sockets of their own, and which is read first is the kernel's choice.
fn replay(script: &str, told: &[&str]) {
    for single_port in [false, true] {
        let mut config = config(Ipv4Addr::LOCALHOST, 8);
        config.single_port = single_port;
        serving(
            std::sync::Arc::new(tftp_server::Files),
            &config,
            0,
            |serve| serve(),
            |server, ear| {
                let mut machine = Machine::new(server);
                for line in script.lines().filter(|line| !line.trim().is_empty()) {
                    machine.follow(line);
                }
                // The last word is on its way: another answer comes after it.
                Machine::new(server).follow("> RRQ nothing octet");
                let start = std::time::Instant::now();
                while ear.0.lock().unwrap().len() <= told.len() {
                    assert!(start.elapsed() < DEADLINE, "{:?}", ear.0.lock().unwrap());
                    std::thread::yield_now();
                }
                let heard = ear.0.lock().unwrap();
                let mut others: Vec<_> = heard.iter().filter(|it| *it != "nothing: Missing").collect();
                others.sort();
                let mut told = told.to_vec();
                told.sort_unstable();
                assert_eq!(others, told, "single port: {single_port}");
            },
        );
    }
}

/// EDK2 asks for the size first, and is gone before the answer's answer (`Mtftp4Rrq.c`, `PxeBcBoot.c`).
#[test]
fn t11_t40_edk2_asks_twice_and_takes_windows_of_four() {
    replay(
        "> RRQ EFI/BOOT/BOOTX64.EFI.9000 octet tsize=0 blksize=1468 windowsize=4
         < OACK tsize=9000 blksize=1468 windowsize=4
         > ERROR 8 User aborted the transfer
         port
         > RRQ EFI/BOOT/BOOTX64.EFI.9000 octet blksize=1468 windowsize=4
         < OACK blksize=1468 windowsize=4
         > ACK 0
         < DATA 1 1468
         < DATA 2 1468
         < DATA 3 1468
         < DATA 4 1468
         > ACK 4
         < DATA 5 1468
         < DATA 6 1468
         < DATA 7 192
         > ACK 7",
        &["EFI/BOOT/BOOTX64.EFI.9000: Probe", "EFI/BOOT/BOOTX64.EFI.9000: Done"],
    );
}

/// One acknowledgement comes for every block behind a gap (`Mtftp4RrqHandleData`).
#[test]
fn t17_t18_edk2_loses_blocks_of_a_window() {
    replay(
        "> RRQ a.9000 octet blksize=1468 windowsize=4
         < OACK blksize=1468 windowsize=4
         > ACK 0
         < DATA 1 1468
         < DATA 2 1468
         < DATA 3 1468
         < DATA 4 1468
         > ACK 0
         > ACK 0
         > ACK 0
         < DATA 1 1468
         < DATA 2 1468
         < DATA 3 1468
         < DATA 4 1468
         > ACK 2
         > ACK 2
         < DATA 3 1468
         < DATA 4 1468
         < DATA 5 1468
         < DATA 6 1468
         > ACK 6
         < DATA 7 192
         > ACK 7",
        &["a.9000: Done"],
    );
}

/// Before 2018 EDK2 knew no window, and needs the size in the first answer.
#[test]
fn t40_old_edk2() {
    replay(
        "> RRQ shim.efi.3000 octet tsize=0 blksize=1468
         < OACK tsize=3000 blksize=1468
         > ERROR 8 User aborted the transfer
         port
         > RRQ shim.efi.3000 octet blksize=1468
         < OACK blksize=1468
         > ACK 0
         < DATA 1 1468
         > ACK 1
         < DATA 2 1468
         > ACK 2
         < DATA 3 64
         > ACK 3",
        &["shim.efi.3000: Probe", "shim.efi.3000: Done"],
    );
}

/// shim gives up where its buffer ends, and starts again with a larger one.
#[test]
fn t41_shim_overflows_its_buffer_and_starts_again() {
    replay(
        "> RRQ EFI/BOOT//grubx64.efi.2100 octet blksize=512 windowsize=4
         < OACK blksize=512 windowsize=4
         > ACK 0
         < DATA 1 512
         < DATA 2 512
         < DATA 3 512
         < DATA 4 512
         > ERROR 3 User aborted the transfer
         port
         > RRQ EFI/BOOT//grubx64.efi.2100 octet blksize=512 windowsize=4
         < OACK blksize=512 windowsize=4
         > ACK 0
         < DATA 1 512
         < DATA 2 512
         < DATA 3 512
         < DATA 4 512
         > ACK 4
         < DATA 5 52
         > ACK 5
         port
         > RRQ /revocations.efi octet blksize=512 windowsize=4
         < ERROR 1",
        &[
            "EFI/BOOT/grubx64.efi.2100: Aborted(\"the machine says: User aborted the transfer\")",
            "EFI/BOOT/grubx64.efi.2100: Done",
            "revocations.efi: Missing",
        ],
    );
}

/// `grub-core/net/tftp.c`: a leading slash, options in this order, an ERROR where it closes.
#[test]
fn t38_grub() {
    replay(
        "> RRQ /grub/x86_64-efi/command.lst octet blksize=1024 tsize=0
         < ERROR 1
         port
         > RRQ /grub/grub.cfg.2048 octet blksize=1024 tsize=0
         < OACK blksize=1024 tsize=2048
         > ACK 0
         < DATA 1 1024
         > ACK 1
         < DATA 2 1024
         > ACK 2
         < DATA 3 0
         > ACK 3
         port
         > RRQ /images/pxeboot/vmlinuz.5000 octet blksize=1024 tsize=0
         < OACK blksize=1024 tsize=5000
         > ACK 0
         < DATA 1 1024
         > ERROR 0 closed",
        &[
            "grub/x86_64-efi/command.lst: Missing",
            "grub/grub.cfg.2048: Done",
            "images/pxeboot/vmlinuz.5000: Aborted(\"the machine says: closed\")",
        ],
    );
}

#[test]
fn ipxe() {
    replay(
        "> RRQ boot.ipxe.1500 octet blksize=1432 tsize=0
         < OACK blksize=1432 tsize=1500
         > ACK 0
         < DATA 1 1432
         > ACK 1
         < DATA 2 68
         > ACK 2
         port
         > RRQ initrd.img.3000 octet blksize=1432 tsize=0
         < OACK blksize=1432 tsize=3000
         > ACK 0
         < DATA 1 1432
         > ERROR 0 TFTP Aborted",
        &["boot.ipxe.1500: Done", "initrd.img.3000: Aborted(\"the machine says: TFTP Aborted\")"],
    );
}

/// `core/fs/pxe/tftp.c` stops on any option but these two; it asks for many names that are not there.
#[test]
fn t39_t30_pxelinux() {
    replay(
        "> RRQ pxelinux.cfg/01-52-54-00-12-34-56 octet tsize=0 blksize=1408
         < ERROR 1
         > RRQ pxelinux.cfg/C0A86464 octet tsize=0 blksize=1408
         < ERROR 1
         > RRQ pxelinux.cfg/default.1000 octet tsize=0 blksize=1408
         < OACK tsize=1000 blksize=1408
         > ACK 0
         < DATA 1 1000
         > ACK 1
         port
         > RRQ ldlinux.c32.3000 octet tsize=0 blksize=1408
         < OACK tsize=3000 blksize=1408
         > ACK 0
         < DATA 1 1408
         > ACK 1
         > ACK 1
         < DATA 2 1408
         > ACK 2
         < DATA 3 184
         > ACK 3",
        &[
            "pxelinux.cfg/01-52-54-00-12-34-56: Missing",
            "pxelinux.cfg/C0A86464: Missing",
            "pxelinux.cfg/default.1000: Done",
            "ldlinux.c32.3000: Done",
        ],
    );
}

/// The Intel Boot Agent and its many children: two ports, one after the other.
#[test]
fn t12_intel_boot_agent() {
    replay(
        "> RRQ pxelinux.0.2000 octet tsize=0
         < OACK tsize=2000
         > ERROR 0 TFTP Aborted
         port
         > RRQ pxelinux.0.2000 octet blksize=1456
         < OACK blksize=1456
         > ACK 0
         < DATA 1 1456
         > ACK 1
         < DATA 2 544
         > ACK 2",
        &["pxelinux.0.2000: Probe", "pxelinux.0.2000: Done"],
    );
}

/// The ROM of the Pi 2 and 3 knows no options, `bootcode.bin` only the size, and names have the serial number before them.
#[test]
fn t42_raspberry_pi_2_and_3() {
    replay(
        "> RRQ bootcode.bin.600 octet
         < DATA 1 512
         > ACK 1
         < DATA 2 88
         > ACK 2
         port
         > RRQ 1234abcd/start.elf octet tsize=0
         < ERROR 1
         port
         > RRQ 1234abcd//config.txt.700 octet tsize=0
         < OACK tsize=700
         > ERROR 0 Early Terminate
         port
         > RRQ 1234abcd//config.txt.700 octet tsize=0
         < OACK tsize=700
         > ACK 0
         < DATA 1 512
         > ACK 1
         < DATA 2 188
         > ACK 2",
        &[
            "bootcode.bin.600: Done",
            "1234abcd/start.elf: Missing",
            "1234abcd/config.txt.700: Probe",
            "1234abcd/config.txt.700: Done",
        ],
    );
}

/// The Pi 4 and 5 ask for some twenty files that need not be there, faster than one is answered.
#[test]
fn t30_raspberry_pi_4_and_5() {
    let mut script = String::new();
    let mut told = Vec::new();
    for number in 0..20 {
        script += &format!("port\n> RRQ dtb-{number}/overlay octet tsize=0 blksize=1024\n< ERROR 1\n");
        told.push(format!("dtb-{number}/overlay: Missing"));
    }
    script += "port
         > RRQ kernel8.img.2000 octet tsize=0 blksize=1024
         < OACK tsize=2000 blksize=1024
         > ACK 0
         < DATA 1 1024
         > ACK 1
         < DATA 2 976
         > ACK 2
         port
         > RRQ kernel_2712.img.2000 octet tsize=0 blksize=1468
         < OACK tsize=2000 blksize=1468
         > ACK 0
         < DATA 1 1468
         > ACK 1
         < DATA 2 532
         > ACK 2";
    told.extend(["kernel8.img.2000: Done".to_owned(), "kernel_2712.img.2000: Done".to_owned()]);
    replay(&script, &told.iter().map(String::as_str).collect::<Vec<_>>());
}

/// U-Boot wants its time-out back as it said it, with and without a window (`net/tftp.c`, `net/lwip/tftp.c`).
#[test]
fn t43_u_boot() {
    replay(
        "> RRQ Image.2000 octet timeout=5 tsize=0 blksize=1468
         < OACK timeout=5 tsize=2000 blksize=1468
         > ACK 0
         < DATA 1 1468
         > ACK 1
         < DATA 2 532
         > ACK 2
         port
         > RRQ Image.9000 octet timeout=5 tsize=0 blksize=1468 windowsize=2
         < OACK timeout=5 tsize=9000 blksize=1468 windowsize=2
         > ACK 0
         < DATA 1 1468
         < DATA 2 1468
         > ACK 2
         < DATA 3 1468
         < DATA 4 1468
         > ACK 4
         < DATA 5 1468
         < DATA 6 1468
         > ACK 6
         < DATA 7 192
         > ACK 7
         port
         > RRQ uboot.env octet timeout=5 tsize=0 blksize=1468
         < ERROR 1
         port
         > RRQ lwip.100 octet blksize=1468
         < OACK blksize=1468
         > ACK 0
         < DATA 1 100
         > ACK 1",
        &["Image.2000: Done", "Image.9000: Done", "uboot.env: Missing", "lwip.100: Done"],
    );
}

/// tftp-hpa: nothing, or a block length and the size; atftp and curl: everything there is.
#[test]
fn t06_tftp_hpa_atftp_and_curl() {
    replay(
        "> RRQ a.600 octet
         < DATA 1 512
         > ACK 1
         < DATA 2 88
         > ACK 2
         port
         > RRQ a.600 octet tsize=0 blksize=1468 timeout=3 windowsize=8
         < OACK tsize=600 blksize=1468 timeout=3 windowsize=8
         > ACK 0
         < DATA 1 600
         > ACK 1
         port
         > RRQ a.600 octet tsize=0 blksize=512 timeout=6
         < OACK tsize=600 blksize=512 timeout=6
         > ACK 0
         < DATA 1 512
         > ACK 1
         < DATA 2 88
         > ACK 2",
        &["a.600: Done", "a.600: Done", "a.600: Done"],
    );
}

/// bootmgr mixes slashes, wants a window of Microsoft's that we do not know, and its acknowledgements are a byte longer.
#[test]
fn t08_t32_t37_windows() {
    replay(
        r"> RRQ \Boot\BCD.9000 octet tsize=0 blksize=1456 windowsize=4 msftwindow=31416
         < OACK tsize=9000 blksize=1456 windowsize=4
         > ACK 0
         < DATA 1 1456
         < DATA 2 1456
         < DATA 3 1456
         < DATA 4 1456
         > ACK+ 4
         < DATA 5 1456
         < DATA 6 1456
         < DATA 7 264
         > ACK+ 7
         port
         > RRQ \boot\fonts/wgl4_boot.ttf octet tsize=0 blksize=1456 windowsize=4 msftwindow=31416
         < ERROR 1
         port
         > RRQ C:\startrom.n12.100 octet tsize=0
         < OACK tsize=100
         > ACK 0
         < DATA 1 100
         > ACK 1",
        &["Boot/BCD.9000: Done", "boot/fonts/wgl4_boot.ttf: Missing", "startrom.n12.100: Done"],
    );
}

/// What stands behind option 67 in a ROM's memory, a URL, and what leads outside.
#[test]
fn t31_t32_t34_names_as_firmware_writes_them() {
    replay(
        r"> RRQ pxelinux.0.100%ff octet
         < DATA 1 100
         > ACK 1
         > RRQ tftp://192.168.100.1//x//y.100 octet
         < DATA 1 100
         > ACK 1
         > RRQ ../../etc/passwd octet
         < ERROR 2
         > RRQ \..\100 octet
         < ERROR 2
         > RRQ a/../../100 octet
         < ERROR 2",
        &[
            "pxelinux.0.100: Done",
            "x/y.100: Done",
            "../../etc/passwd: Failed(\"the name leads outside of what is served\")",
            r#"\..\100: Failed("the name leads outside of what is served")"#,
            "a/../../100: Failed(\"the name leads outside of what is served\")",
        ],
    );
}

/// A few old clients count 65535, 1, 2 (tftp-hpa's `--rollover 1`): 8 bytes a block, so that it is soon over.
#[test]
fn t25_a_client_that_rolls_over_to_one() {
    let mut config = config(Ipv4Addr::LOCALHOST, 8);
    config.roll_over = RollOver::ToOne;
    let blocks = 65_540;
    serving(
        std::sync::Arc::new(tftp_server::Files),
        &config,
        0,
        |serve| serve(),
        |server, _| {
            let (len, right) = (blocks * 8 - 1, bytes(blocks * 8 - 1));
            let socket = open_port();
            let options = [("blksize", "8"), ("windowsize", "64")];
            socket
                .send_to(&tftp::read_request(format!("{len}").as_bytes(), "octet", &options), server)
                .unwrap();
            let mut buffer = [0; 100];
            let (_, port) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to(&tftp::ack(0), port).unwrap();
            let mut got: Vec<u8> = Vec::new();
            let number_of = |block: usize| ((block - 1) % 65_535 + 1) as u16;
            for block in 1..=blocks {
                let mut count = socket.recv(&mut buffer).unwrap();
                let number = number_of(block);
                // On a busy computer the window before may come again.
                let is_old = |header: &[u8]| {
                    let before = block.saturating_sub(64).max(1)..block;
                    before.rev().any(|old| *header == tftp::data_header(number_of(old)))
                };
                while is_old(&buffer[..4]) {
                    count = socket.recv(&mut buffer).unwrap();
                }
                assert_eq!(buffer[..4], tftp::data_header(number), "block {block}");
                got.extend(&buffer[4..count]);
                if block % 64 == 0 || block == blocks {
                    socket.send_to(&tftp::ack(number), port).unwrap();
                }
            }
            assert!(got == right);
        },
    );
}
