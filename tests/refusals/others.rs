//! Other servers: on our ports, and on our wire.

use super::lab::Pxego;
use super::netns::{Bench, Netns, Running, run, wait_until};
use super::{Folder, REFUSED, addresses, iso, pxego};

/// Waits until somebody has a port; `table` is an option of ss(8).
fn wait_for_port(netns: &Netns, table: &str, port: u16) {
    wait_until("a port is taken", || {
        let mut command = netns.command("ss");
        let output = command.args(["-H", table, &format!("sport = :{port}")]).output().unwrap();
        !output.stdout.is_empty()
    });
}

/// Another DHCP and TFTP server, on `eth0` of a namespace.
fn dnsmasq(netns: &Netns, more: &[&str]) -> Running {
    let common =
        ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--pid-file="];
    netns.start("dnsmasq", &[&common, more].concat())
}

#[test]
fn l13_a_taken_port_comes_with_its_owner_and_what_stops_it() {
    let (bench, folder) = (Bench::new(), Folder::new("ports"));
    let server = &bench.server;
    let arguments = format!("--iface eth0 --iso {} --state {}", iso(), folder.path("state"));
    let leases = format!("--dhcp-leasefile={}", folder.path("leases"));
    let root = format!("--tftp-root={}", folder.path(""));
    for (port, address) in [(69, false), (67, true), (80, false)] {
        if address {
            server.ip("address add 192.168.100.1/24 dev eth0");
        }
        let before = addresses(server);
        let (other, name) = match port {
            69 => {
                (dnsmasq(server, &["--enable-tftp", &root, "--user=root"]), "UDP port 69 is taken by dnsmasq")
            }
            67 => (
                dnsmasq(server, &["--dhcp-range=192.168.100.50,192.168.100.60", &leases, "--user=root"]),
                "UDP port 67 is taken by dnsmasq",
            ),
            _ => (server.start("busybox", &["httpd", "-f", "-p", "80"]), "TCP port 80 is taken by busybox"),
        };
        wait_for_port(server, if port == 80 { "-ltn" } else { "-lun" }, port);
        let ended = pxego(server, &arguments);
        let pid = other.0.id();
        ended.is(REFUSED, &[&format!("{name} (pid {pid})")]);
        assert_eq!(ended.next_command(), format!("kill {pid}"));
        assert_eq!(addresses(server), before, "what was changed until then was taken back");
    }
}

#[test]
fn l32_a_second_pxego_is_refused() {
    let (bench, folder) = (Bench::new(), Folder::new("second"));
    let (iso, state) = (iso(), folder.path("state"));
    let first = Pxego::start(&bench.server, &["--iso", &iso, "--state", &state]);
    let same = pxego(&bench.server, &format!("--iface eth0 --iso {iso} --state {state}"));
    same.is(REFUSED, &["another pxego (pid "]);
    let other = folder.path("other");
    let other = pxego(&bench.server, &format!("--iface eth0 --iso {iso} --state {other}"));
    other.is(REFUSED, &["UDP port 67 is taken by pxego (pid "]);
    assert!(other.next_command().starts_with("kill "), "{}", other.text);
    assert_eq!(addresses(&bench.server), ["192.168.100.1/24"], "the first one's");
    first.stop();
}

/// It is named by address and MAC, and the interface is as it was.
#[test]
fn another_dhcp_server_of_another_network_is_named() {
    let (bench, folder) = (Bench::new(), Folder::new("foreign"));
    bench.client.ip("address add 10.7.7.1/24 dev eth0");
    let leases = format!("--dhcp-leasefile={}", folder.path("leases"));
    let _other =
        dnsmasq(&bench.client, &["--dhcp-range=10.7.7.50,10.7.7.60", "--no-ping", &leases, "--user=root"]);
    wait_for_port(&bench.client, "-lun", 67);
    let show = run(bench.client.command("cat").arg("/sys/class/net/eth0/address"));
    let mac = String::from_utf8(show.stdout).unwrap();
    let arguments = format!("--iface eth0 --iso {} --state {}", iso(), folder.path("state"));
    let ended = pxego(&bench.server, &arguments);
    ended.is(REFUSED, &["another DHCP server answers on eth0", "10.7.7.1", mac.trim()]);
    let ended = pxego(&bench.server, &format!("{arguments} --dhcp full"));
    ended.is(REFUSED, &["another DHCP server answers on eth0", "10.7.7.1", mac.trim()]);
    assert!(ended.next_command().ends_with(" --dhcp full --force"), "{}", ended.text);
    assert!(addresses(&bench.server).is_empty());
}
