//! Who holds a port: the process, its service, and how to stop it.
//!
//! The kernel lists sockets by inode (`/proc/net/udp`, proc(5)); whose they are is found by looking through
//! every process's descriptors, which takes root for processes of others.

use crate::order;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Transport of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP, listening.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        })
    }
}

/// A process that holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its name, at most 15 bytes (`comm`).
    pub command: String,
    /// The systemd service it runs in, without `.service`.
    pub service: Option<String>,
    /// The libvirt network it serves.
    pub libvirt_network: Option<String>,
}

impl Owner {
    /// The commands that stop it, any one of them.
    pub fn stop_commands(&self) -> Vec<String> {
        let kill = format!("sudo kill {}", self.pid);
        match (&self.libvirt_network, &self.service) {
            // Its dnsmasq outlives a restart of libvirtd, and is started again with the network.
            (Some(network), _) => vec![format!("sudo virsh net-destroy {network}")],
            // systemd itself listens for a service that it starts on demand.
            _ if self.pid == 1 => vec!["sudo systemctl stop NAME.socket".to_owned()],
            (None, Some(service)) => vec![format!("sudo systemctl stop {service}"), kill],
            (None, None) => vec![kill],
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}", self.command, self.pid)?;
        match (&self.libvirt_network, &self.service) {
            (Some(network), _) => write!(f, ", libvirt network \"{network}\"")?,
            _ if self.pid == 1 => f.write_str(", a socket unit: see \"systemctl list-sockets\"")?,
            (None, Some(service)) if *service != self.command => write!(f, ", service {service}")?,
            _ => {}
        }
        f.write_str(")")
    }
}

/// The processes that hold `port` in this thread's network namespace, on any address or device.
///
/// Empty when they cannot be seen from here.
pub(super) fn owners(transport: Transport, port: u16) -> Vec<Owner> {
    let tables = match transport {
        Transport::Udp => ["udp", "udp6"],
        Transport::Tcp => ["tcp", "tcp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok())
        .flat_map(|table| inodes_of_port(&table, transport, port))
        .collect();
    if inodes.is_empty() {
        return Vec::new();
    }
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<_> = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(|pid: u32| (pid, entry.path())))
        .filter(|(_, folder)| holds_any(folder, &inodes))
        .map(|(pid, folder)| owner(pid, &folder))
        .collect();
    order::by_key(&mut found, |owner| owner.pid);
    found
}

/// The inodes of sockets on local `port` in a table of proc(5); of TCP only those that listen (state 0A).
fn inodes_of_port(table: &str, transport: Transport, port: u16) -> Vec<u64> {
    let inode_if_matching = |line: &str| -> Option<u64> {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        let (_, local_port) = columns.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(local_port, 16) == Ok(port)
            && (transport == Transport::Udp || *columns.get(3)? == "0A");
        // Zero is a socket that no process has any more.
        columns.get(9)?.parse().ok().filter(|inode| matches && *inode != 0)
    };
    table.lines().skip(1).filter_map(inode_if_matching).collect()
}

fn holds_any(process: &Path, inodes: &[u64]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target: PathBuf| {
        let inode =
            target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode: u64| inodes.contains(&inode))
    })
}

fn owner(pid: u32, process: &Path) -> Owner {
    let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
    let text = |name: &str| String::from_utf8_lossy(&read(name)).trim().to_owned();
    Owner {
        pid,
        command: printable(&text("comm")),
        service: service_of(&text("cgroup")).map(|name| printable(&name)),
        libvirt_network: libvirt_network(&read("cmdline")).map(|name| printable(&name)),
    }
}

/// Names come from other processes and end up in a terminal.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The system service in `/proc/PID/cgroup` (cgroups(7)): `0::/system.slice/dnsmasq.service`.
fn service_of(cgroups: &str) -> Option<String> {
    cgroups.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?.strip_prefix("/system.slice/")?;
        path.split('/').find_map(|part| part.strip_suffix(".service")).map(str::to_owned)
    })
}

/// libvirt starts `dnsmasq --conf-file=/var/lib/libvirt/dnsmasq/NETWORK.conf`.
fn libvirt_network(command_line: &[u8]) -> Option<String> {
    command_line.split(|byte| *byte == 0).find_map(|argument| {
        let path = std::str::from_utf8(argument).ok()?.strip_prefix("--conf-file=")?;
        let (folder, file) = path.rsplit_once('/')?;
        let network = file.strip_suffix(".conf")?;
        folder.ends_with("/libvirt/dnsmasq").then(|| network.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as Linux 6.1 prints them.
    const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  512: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23456 2 0000000000000000 0
  514: 0100007F:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23457 2 0000000000000000 0
  515: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
";
    const TCP6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0123 06 00000000:00000000 00:00000000 00000000     0        0 778 1 0000000000000000 100 0 0 10 0
";

    #[test]
    fn sockets_are_found_by_their_local_port() {
        assert_eq!(inodes_of_port(UDP, Transport::Udp, 67), [23456]);
        assert_eq!(inodes_of_port(UDP, Transport::Udp, 69), [23457]);
        assert!(inodes_of_port(UDP, Transport::Udp, 4011).is_empty());
        assert_eq!(inodes_of_port(TCP6, Transport::Tcp, 80), [777], "TIME_WAIT holds nothing");
        assert!(inodes_of_port("heading\nx:y z\n1: a:0043\n", Transport::Udp, 67).is_empty());
    }

    #[test]
    fn services_and_networks_are_recognised() {
        for (cgroups, expected) in [
            ("0::/system.slice/dnsmasq.service", Some("dnsmasq")),
            ("12:cpu:/\n1:name=systemd:/system.slice/isc-dhcp-server.service\n", Some("isc-dhcp-server")),
            ("0::/system.slice/kea.service/worker", Some("kea")),
            ("0::/user.slice/user-1000.slice/session-2.scope", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service", None),
            ("0::/init.scope", None),
            ("", None),
        ] {
            assert_eq!(service_of(cgroups).as_deref(), expected, "{cgroups}");
        }
        let line = b"/usr/sbin/dnsmasq\0--conf-file=/var/lib/libvirt/dnsmasq/default.conf\0--leasefile-ro\0";
        assert_eq!(libvirt_network(line).as_deref(), Some("default"));
        assert_eq!(libvirt_network(b"dnsmasq\0--conf-file=/etc/dnsmasq.conf\0"), None);
    }

    #[test]
    fn each_owner_comes_with_the_command_that_stops_it() {
        let plain = Owner { pid: 812, command: "dnsmasq".into(), service: None, libvirt_network: None };
        let service = Owner { service: Some("dnsmasq".into()), ..plain.clone() };
        let libvirt = Owner {
            service: Some("libvirtd".into()),
            libvirt_network: Some("default".into()),
            ..plain.clone()
        };
        let systemd = Owner { pid: 1, command: "systemd".into(), ..plain.clone() };
        for (owner, shown, commands) in [
            (&plain, "dnsmasq (pid 812)", &["sudo kill 812"][..]),
            (&service, "dnsmasq (pid 812)", &["sudo systemctl stop dnsmasq", "sudo kill 812"]),
            (&libvirt, "dnsmasq (pid 812, libvirt network \"default\")", &["sudo virsh net-destroy default"]),
            (
                &systemd,
                "systemd (pid 1, a socket unit: see \"systemctl list-sockets\")",
                &["sudo systemctl stop NAME.socket"],
            ),
        ] {
            assert_eq!(owner.to_string(), shown);
            assert_eq!(owner.stop_commands(), commands);
        }
    }
}
