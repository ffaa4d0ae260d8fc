//! The images of the boot lab are what they imitate: pxego recognises them and finds loaders, files and packages.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use dhcp_machine::Machine;
use lab::{Pxego, scratch};
use netns::{Bench, run};
use pxego::image::{FileTree, ImageFile, IsoImage};
use pxego::media::embedded::{Role, embedded};
use pxego::media::{GrubVerb, Medium, UefiKind, find_loaders, recognise};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::MessageType;
use pxego::wire::dhcp_option::Code;
use serde_json::Value;

fn open(layout: &str) -> IsoImage {
    let file = ImageFile::open(&lab::image(layout)).unwrap();
    IsoImage::open(Arc::new(file)).unwrap()
}

#[test]
fn every_layout_is_recognised() {
    for (layout, family, name, medium, stage2) in [
        ("el7", "el7", "CentOS Linux 7.9", Medium::Minimal, "LiveOS/squashfs.img"),
        ("el8", "el8plus", "CentOS Linux 8.5", Medium::Dvd, "images/install.img"),
        ("el9", "el8plus", "CentOS Stream 9", Medium::Dvd, "images/install.img"),
    ] {
        let image = open(layout);
        assert_eq!(image.warnings(), [], "{layout}");
        let media = recognise(&image, image.volume_id()).unwrap();
        assert_eq!(media.family.id, family, "{layout}: {:?}", media.evidence);
        assert!(media.arguments().starts_with("inst.ks={answer} inst.repo={repo} "), "{layout}");
        assert_eq!(media.name, format!("{name} {}", medium.word()), "{layout}: {:?}", media.evidence);
        assert_eq!(media.kernel(), "images/pxeboot/vmlinuz", "{layout}");
        assert_eq!(media.initrds(), ["images/pxeboot/initrd.img"], "{layout}");
        assert_eq!(media.stage2.as_deref(), Some(stage2), "{layout}");
        assert_eq!(media.grub_verb, GrubVerb::Linux, "{layout}: that of the GRUB on it");
        assert!(media.packages(), "{layout}");
    }
}

#[test]
fn every_layout_has_its_loaders() {
    for (layout, package) in [
        ("el7", "Packages/syslinux-6.04-1.el7.x86_64.rpm"),
        ("el8", "BaseOS/Packages/syslinux-nonlinux-6.04-5.el8.noarch.rpm"),
        ("el9", "AppStream/Packages/syslinux-tftpboot-6.04-0.20.el9.noarch.rpm"),
    ] {
        let loaders = find_loaders(&open(layout));
        assert!(loaders.missing.is_empty(), "{layout}: {:?}", loaders.missing);
        let bios = loaders.bios.unwrap();
        let sources: Vec<_> = bios.sources().map(pxego::media::BiosSource::path).collect();
        assert_eq!(sources, [package], "{layout}");
        let files = bios.extract().unwrap();
        assert!(files.contains_key("pxelinux.0") && files.contains_key("ldlinux.c32"), "{layout}");
        let uefi = &loaders.uefi[..];
        assert!(matches!(uefi, [only] if only.kind == UefiKind::Grub2), "{layout}: {uefi:?}");
        assert_eq!(uefi[0].shim.as_deref(), Some("EFI/BOOT/BOOTX64.EFI"), "{layout}");
    }
}

/// Otherwise the boot tests that look for it on the wire could not fail.
#[test]
fn the_images_own_configurations_are_marked() {
    for layout in ["el7", "el8", "el9"] {
        let image = open(layout);
        for path in ["EFI/BOOT/grub.cfg", "isolinux/isolinux.cfg"] {
            let bytes = image.file(path.as_bytes()).unwrap().data.read_all(1 << 16).unwrap();
            assert!(String::from_utf8(bytes).unwrap().contains(lab::MARKER), "{layout}: {path}");
        }
    }
}

/// Layouts, what each is recognised as, and the first words of its kernel's arguments.
const OTHERS: [(&str, &str, &str, &str); 5] = [
    ("el5", "el5", "CentOS Linux 5.11 Minimal", "method=http://192.168.100.1/t/el5 ip=dhcp "),
    ("fedora", "fedora", "Fedora 40 Minimal", "inst.repo=http://192.168.100.1/t/f40 ip=dhcp "),
    (
        "fedora-netinst",
        "el8plus-netinst",
        "Fedora 40 network install",
        "inst.stage2=http://192.168.100.1/t/f40-2 inst.repo=http://192.168.100.1/t/f40 ip=dhcp ",
    ),
    ("clonezilla", "clonezilla", "Clonezilla live 3.1.2", "boot=live union=overlay username=user config "),
    (
        "alpine",
        "alpine",
        "Alpine Linux 3.22.0 live",
        "ip=dhcp alpine_repo=http://192.168.100.1/t/alpine/apks \
         modloop=http://192.168.100.1/t/alpine/boot/modloop-lts ",
    ),
];

/// What a URL gives, by curl; `None` when it is not there.
fn fetch(bench: &Bench, url: &str) -> Option<Vec<u8>> {
    let mut curl = bench.client.command("curl");
    curl.args(["--disable", "--silent", "--fail", "--max-time", "60", url]);
    let output = curl.output().unwrap();
    output.status.success().then_some(output.stdout)
}

/// All at once: what they are, their menus by HTTP and TFTP, and that what these name is what is on the image.
#[test]
fn c07_c08_menus_of_other_layouts_name_what_is_there() {
    let scratch = scratch("lab_menus");
    let state = scratch.join("state").to_string_lossy().into_owned();
    let images = OTHERS.map(|(layout, ..)| lab::image(layout));
    let mut arguments = vec!["--state", &state];
    arguments.extend(images.iter().flat_map(|image| ["--iso", image.to_str().unwrap()]));
    let bench = Bench::new();
    let pxego = Pxego::start(&bench.server, &arguments);
    bench.client.ip("address add 192.168.100.9/24 dev eth0");
    let text = |url: &str| String::from_utf8(fetch(&bench, url).unwrap_or_else(|| panic!("{url}"))).unwrap();
    let script = text("http://192.168.100.1/boot.ipxe");
    let grub = text("http://192.168.100.1/EFI/BOOT/grub.cfg");
    let pxelinux = text("tftp://192.168.100.1/pxelinux.cfg/default");
    for ((layout, family, name, arguments), path) in OTHERS.iter().zip(&images) {
        let image = IsoImage::open(Arc::new(ImageFile::open(path).unwrap())).unwrap();
        let media = recognise(&image, image.volume_id()).unwrap();
        assert_eq!((media.family.id, media.name.as_str()), (*family, *name), "{:?}", media.evidence);
        for menu in [&script, &pxelinux] {
            assert!(menu.contains(arguments), "{layout}: {arguments}: {menu}");
        }
        assert!(grub.contains(arguments.split(' ').next().unwrap()), "{layout}: {grub}");
    }
    for menu in [&script, &grub, &pxelinux] {
        assert!(!menu.contains(lab::MARKER), "the image's own configuration was taken: {menu}");
    }
    assert!(pxelinux.contains("memtest86") && script.contains("/live/memtest"), "{pxelinux}");
    // What needs a BIOS: a memory test wholly, a kernel of EL5 unless a GRUB starts it.
    assert!(script.contains("\niseq ${platform} efi || item --key 1 el5 "), "{script}");
    assert!(!grub.contains("memtest86") && grub.contains("--id el5 "), "{grub}");
    let inspected = run(Command::new(env!("CARGO_BIN_EXE_pxego")).arg("inspect").arg(&images[0])).stdout;
    let inspected = String::from_utf8(inspected).unwrap();
    assert!(inspected.contains(" memtest86  memtest86 (needs a BIOS)\n"), "{inspected}");

    // Words that end where a blank or a quote does.
    let urls =
        script.split([' ', '\n', '"', '\'']).filter(|word| word.starts_with("http://192.168.100.1/t/"));
    let files: BTreeSet<&str> = urls.filter(|url| url.rsplit('/').next() != Some("apks")).collect();
    assert!(files.len() > 2 * OTHERS.len(), "{files:?}");
    let unpacked = scratch.join("unpacked");
    let mut compared = 0;
    for url in files {
        let (id, path) =
            url.strip_prefix("http://192.168.100.1/t/").unwrap().split_once('/').unwrap_or_default();
        let Some(at) = ["el5", "f40", "f40-2", "clonezilla", "alpine"].iter().position(|it| *it == id) else {
            continue;
        };
        let mut xorriso = Command::new("osirrox");
        xorriso.args(["-overwrite", "on", "-indev"]).arg(&images[at]);
        run(xorriso.args(["-extract", &format!("/{path}")]).arg(&unpacked));
        assert!(fetch(&bench, url).as_deref() == Some(&fs::read(&unpacked).unwrap()[..]), "{url}");
        compared += 1;
    }
    assert!(compared > OTHERS.len(), "{compared}");
    pxego.stop();
    fs::remove_dir_all(scratch).unwrap();
}

/// A client's card, and a boot ROM for BIOS on it.
struct Rom {
    bench: Bench,
    pxego: Pxego,
    starts: u32,
}

/// The card's own address: its kernel fetches, and says who it is.
const CARD: [u8; 6] = [0x52, 0x54, 0, 0, 0, 0xc1];

impl Rom {
    fn new(arguments: &[&str]) -> Self {
        let bench = Bench::new();
        let pxego = Pxego::start(&bench.server, arguments);
        bench.client.ip(&format!("link set eth0 address {}", MacAddr(CARD)));
        Self { bench, pxego, starts: 0 }
    }

    /// Switched on: the program that it is offered. Its kernel has the address then.
    fn starts(&mut self) -> String {
        // A socket of its own each time: what was fetched fills its queue, too.
        let mut machine = Machine::new(&self.bench.client, CARD);
        self.starts += 1;
        machine.xid += self.starts;
        machine.broadcast(&machine.pxe_request(MessageType::Discover, 0));
        let offer = machine.answer();
        let mut request = machine.pxe_request(MessageType::Request, 0);
        request.options.push_ipv4(Code::REQUESTED_IP, offer.message.yiaddr);
        request.options.push_ipv4(Code::SERVER_ID, offer.server().unwrap());
        machine.broadcast(&request);
        assert_eq!(machine.answer().kind(), Some(MessageType::Ack));
        self.bench.client.ip(&format!("address replace {}/24 dev eth0", offer.message.yiaddr));
        String::from_utf8(offer.message.file_name().to_vec()).unwrap()
    }

    /// Fetches something, and waits until the server has told of it.
    fn fetches(&mut self, url: &str, step: &str) -> String {
        let bytes = fetch(&self.bench, url).unwrap_or_else(|| panic!("{url}"));
        self.pxego.wait_for_step(step);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[test]
fn c15_a_rom_that_gets_nowhere_with_pxelinux_is_given_ipxe() {
    let scratch = scratch("lab_fallback");
    let (state, image) = (scratch.join("state"), lab::image("el9"));
    let mut rom = Rom::new(&["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()]);
    let built_in = embedded().iter().find(|loader| loader.role == Role::Bios).expect("ipxe is installed");
    for _ in 0..2 {
        assert_eq!(rom.starts(), "pxelinux.0");
        rom.fetches("tftp://192.168.100.1/pxelinux.0", "loader");
    }
    for _ in 0..3 {
        assert_eq!(rom.starts(), built_in.name);
        rom.fetches(&format!("tftp://192.168.100.1/{}", built_in.name), "loader");
        rom.fetches("http://192.168.100.1/boot.ipxe", "menu");
    }
    rom.pxego.stop();
    fs::remove_dir_all(scratch).unwrap();
}

/// The disk that was named is in the menu of the machine that has an answer file, and in no other.
#[test]
fn coreos_is_told_of_the_disk_that_was_named() {
    let scratch = scratch("lab_disk");
    let (state, image) = (scratch.join("state"), lab::image("coreos"));
    let answer = scratch.join("node.ign");
    fs::write(&answer, "{\"ignition\": {\"version\": \"3.4.0\"}}\n").unwrap();
    let [state, image, answer] = [&state, &image, &answer].map(|path| path.to_str().unwrap());
    for (more, told) in [
        (
            &["--wipe", "nvme0n1"][..],
            Some("coreos.inst.install_dev=/dev/nvme0n1 coreos.inst.ignition_url=http://"),
        ),
        (&[][..], None),
    ] {
        let mut rom = Rom::new(&[&["--iso", image, "--state", state, "--ks", answer], more].concat());
        rom.starts();
        let menu = rom.fetches("http://192.168.100.1/boot.ipxe", "menu");
        match told {
            Some(told) => assert!(menu.contains(told) && menu.contains("which erases it"), "{menu}"),
            None => assert!(
                menu.contains("ignition.config.url=")
                    && !menu.contains("coreos.inst.")
                    && !menu.contains("erases"),
                "{menu}"
            ),
        }
        rom.bench.client.ip("address flush dev eth0");
        rom.bench.client.ip("address add 192.168.100.250/24 dev eth0");
        let menu = fetch(&rom.bench, "http://192.168.100.1/boot.ipxe").unwrap();
        assert!(!String::from_utf8(menu).unwrap().contains("coreos.inst."));
        rom.pxego.stop();
    }
    // Without an answer file nothing is erased, and that is said.
    let mut rom = Rom::new(&["--iso", image, "--state", state, "--wipe", "nvme0n1"]);
    rom.starts();
    let menu = rom.fetches("http://192.168.100.1/boot.ipxe", "menu");
    assert!(!menu.contains("coreos.inst."), "{menu}");
    let events = rom.pxego.stop();
    let is_said = |event: &Value| event["text"].as_str().is_some_and(|text| text.contains("nothing erased"));
    assert!(events.iter().any(is_said), "{events:#?}");
    fs::remove_dir_all(scratch).unwrap();
}
