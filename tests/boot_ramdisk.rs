//! UEFI HTTP Boot of a whole image: OVMF fetches it into memory and boots it there. Another server names it; pxego only
//! serves it. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::{Firmware, Machine, Pxego};
use netns::{Bench, Running, run};

/// What another server tells UEFI HTTP Boot (UEFI 2.10 §24.7.3.1).
const URL: &str = "http://192.168.100.1/images/small.iso";

#[test]
fn h18_a_small_image_is_booted_from_memory() {
    let power = lab::power();
    let scratch = lab::scratch("ramdisk");
    let image = image_with_a_small_one(&scratch);
    let bench = Bench::new();
    wire::bridge(&bench);
    let other = wire::neighbour(&bench, "other", "192.168.100.254/24");
    let dnsmasq = dnsmasq(&other, &scratch);
    let state = scratch.join("state");
    let arguments = ["--iso", &image, "--dhcp", "off", "--address", "192.168.100.1/24", "--state"];
    let pxego = Pxego::start(&bench.server, &[&arguments[..], &[state.to_str().unwrap()]].concat());
    let mut machine = Machine::power_on(&bench.client, Firmware::UefiHttp, "52:54:00:12:34:56");
    assert_eq!(machine.install(), ["read from the image in memory", "install ok"]);
    pxego.stop();
    drop((dnsmasq, other, bench));
    fs::remove_dir_all(scratch).unwrap();
    drop(power);
}

/// An install image, as far as pxego looks, with the small one among its files.
fn image_with_a_small_one(scratch: &Path) -> String {
    let tree = scratch.join("tree");
    let treeinfo = "[general]\nfamily = CentOS Stream\nversion = 9\narch = x86_64\n";
    for (name, text) in [
        (".treeinfo", treeinfo),
        ("images/pxeboot/vmlinuz", "kernel"),
        ("images/pxeboot/initrd.img", "initrd"),
        ("images/install.img", "hsqs"),
        ("BaseOS/repodata/repomd.xml", "<repomd/>"),
    ] {
        fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
        fs::write(tree.join(name), text).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/ramdisk.sh");
    run(Command::new(script).arg(tree.join("images/small.iso")));
    let image = scratch.join("image.iso");
    run(Command::new("genisoimage").args(["-quiet", "-R", "-V", "LAB", "-o"]).args([&image, &tree]));
    image.to_str().unwrap().to_owned()
}

fn dnsmasq(netns: &netns::Netns, scratch: &Path) -> Running {
    let leases = format!("--dhcp-leasefile={}", scratch.join("leases").display());
    let pid = format!("--pid-file={}", scratch.join("pid").display());
    let boot = format!("--dhcp-boot=tag:http,{URL}");
    let arguments = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--port=0",
        "--interface=eth0",
        "--no-ping",
        "--dhcp-authoritative",
        "--dhcp-range=192.168.100.50,192.168.100.60,1h",
        "--dhcp-vendorclass=set:http,HTTPClient",
        "--dhcp-option-force=tag:http,60,HTTPClient",
        &boot,
        &leases,
        &pid,
    ];
    netns.start("dnsmasq", &arguments)
}
