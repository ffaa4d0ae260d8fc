//! busybox's udhcpc, and ISC's dhclient.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::netns::{Running, run, wait_until};
use super::{Served, text};

/// What both clients call: notes what happened, and sets the address so that renewing can be by unicast (RFC 2131
/// §4.4.5). busybox gives the event as an argument and the prefix length as `mask`; ISC everything as variables.
const SCRIPT: &str = r#"#!/bin/sh
ip=${ip-$new_ip_address}
cd "$(dirname "$0")"
case ${1-$reason} in
    deconfig | RELEASE) ip -4 address flush dev eth0 ;;
    bound | renew | BOUND | RENEW) ip address replace "$ip/24" dev eth0 ;;
esac
echo "${1-$reason} $ip ${subnet-$new_subnet_mask} ${serverid-$new_dhcp_server_identifier} ${lease-$new_dhcp_lease_time}" >>log
"#;

impl Served {
    fn put_script(&self) -> String {
        let path = self.path("script");
        fs::write(&path, SCRIPT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The events that the script noted since this was last asked.
    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        // The last line may be half written.
        let whole = log.rfind('\n').map_or(0, |end| end + 1);
        let start = self.log_read.replace(whole);
        log[start..whole].lines().map(str::to_owned).collect()
    }

    /// The address that busybox's client gets.
    fn udhcpc(&self) -> String {
        let script = self.put_script();
        let output = self.client(&format!("busybox udhcpc -i eth0 -f -n -q -t 5 -T 2 -s {script}"));
        assert!(output.status.success(), "{}", text(&output));
        let log = self.log();
        let bound = log.iter().find_map(|line| line.strip_prefix("bound ")).expect("bound");
        let (address, rest) = bound.split_once(' ').unwrap();
        has_half_a_day(rest, "255.255.255.0 192.168.100.1");
        address.to_owned()
    }

    /// The state of an address in the lease file.
    fn lease_of(&self, address: &str) -> Option<String> {
        let leases = fs::read_to_string(self.path("state/leases")).unwrap();
        let mut of_address = leases.lines().filter(|line| line.split(' ').nth(1) == Some(address));
        of_address.next_back().map(|line| line.split(' ').nth(2).unwrap().to_owned())
    }

    fn is_in_pool(address: &str) -> bool {
        let last = address.strip_prefix("192.168.100.").and_then(|last| last.parse().ok());
        last.is_some_and(|last: u8| (100..=200).contains(&last))
    }
}

/// `text` is what is `expected`, and the length of a lease: half a day, or what is left of it where it was asked for again
/// within a few minutes.
fn has_half_a_day(text: &str, expected: &str) {
    let (told, lease) = text.rsplit_once(' ').unwrap();
    assert_eq!(told, expected);
    assert!((43_200 - 300..=43_200).contains(&lease.parse::<u32>().unwrap()), "{text}");
}

fn signal(name: &str, process: &Running) {
    run(Command::new("kill").args([name, &process.0.id().to_string()]));
}

#[test]
fn busybox_gets_renews_and_releases_an_address() {
    let served = Served::start("dhcp-udhcpc");
    let script = served.put_script();
    let udhcpc = served.bench.client.start("busybox", &["udhcpc", "-i", "eth0", "-f", "-s", &script]);
    let mut log = Vec::new();
    let mut wait_for = |event: &str| {
        let mut found = None;
        wait_until(event, || {
            log.extend(served.log());
            found = log.iter().position(|line| line.starts_with(event));
            found.is_some()
        });
        log.drain(..=found.unwrap()).next_back().unwrap()
    };
    let bound = wait_for("bound ");
    let address = bound.split(' ').nth(1).unwrap().to_owned();
    assert!(Served::is_in_pool(&address), "{bound}");
    assert_eq!(served.lease_of(&address).as_deref(), Some("bound"));

    signal("-USR1", &udhcpc);
    let expected = bound.replace("bound", "renew");
    has_half_a_day(&wait_for("renew "), expected.rsplit_once(' ').unwrap().0);
    signal("-USR2", &udhcpc);
    wait_for("deconfig ");
    wait_until("released", || served.lease_of(&address).as_deref() == Some("released"));
}

#[test]
fn dhclient_gets_and_releases_an_address() {
    let served = Served::start("dhcp-dhclient");
    let script = served.put_script();
    fs::write(served.path("dhclient.leases"), "").unwrap();
    let folder = served.folder.to_str().unwrap();
    let files =
        format!("-4 -cf /dev/null -pf {folder}/dhclient.pid -lf {folder}/dhclient.leases -sf {script} eth0");
    let arguments = format!("-d {files}");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let _dhclient = served.bench.client.start("dhclient", &arguments);
    let mut log = Vec::new();
    let mut bound = None;
    wait_until("an address", || {
        log.extend(served.log());
        bound = log.iter().find(|line| line.starts_with("BOUND ")).cloned();
        bound.is_some()
    });
    let bound = bound.unwrap();
    let words: Vec<&str> = bound.split(' ').collect();
    assert!(Served::is_in_pool(words[1]), "{bound}");
    assert_eq!(words[2..], ["255.255.255.0", "192.168.100.1", "43200"]);
    assert_eq!(served.lease_of(words[1]).as_deref(), Some("bound"));

    let output = served.client(&format!("dhclient -r {files}"));
    assert!(output.status.success(), "{}", text(&output));
    wait_until("released", || served.lease_of(words[1]).as_deref() == Some("released"));
}

/// Without what was kept, the machine's hash would lead to another address once the range is another: only the lease
/// file can give the first one again. The ACK leaves when the lease is on the disk, so a crash right after it is no harm.
#[test]
fn an_address_is_kept_over_a_crash_and_a_restart() {
    let mut served = Served::start("dhcp-restart");
    served.bench.client.ip("link set eth0 address 52:54:00:12:34:56");
    served.switch_off();
    served.switch_on(&["--range", "100-150"]);
    let address = served.udhcpc();
    served.kill();
    assert_eq!(served.lease_of(&address).as_deref(), Some("bound"));
    served.switch_on(&[]);
    assert_eq!(served.udhcpc(), address, "after a crash");
    served.switch_off();
    served.switch_on(&[]);
    assert_eq!(served.udhcpc(), address, "after a restart");
    served.switch_off();
    fs::remove_dir_all(served.path("state")).unwrap();
    served.switch_on(&[]);
    assert_ne!(served.udhcpc(), address, "by chance: take another MAC for this test");
}
