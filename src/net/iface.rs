//! Which interfaces there are, and which of them can serve a bench of machines.
//!
//! Names, flags, masters and kinds come over netlink and addresses from `pnet_datalink`: both answer for the
//! network namespace of the calling thread. `/sys` adds what only it knows, and is believed only where it shows
//! the same interface: it may be mounted for another namespace.

mod table;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use super::netlink::{Link, Netlink};
use crate::wire::MacAddr;

pub use table::describe;

/// What is known of one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// As in `--iface`.
    pub name: String,
    /// Its number in this network namespace; another one when it is pulled out and plugged in again.
    pub index: u32,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// IPv4 addresses, each with its prefix length.
    pub ipv4: Vec<(Ipv4Addr, u8)>,
    /// Switched on (`IFF_UP`).
    pub up: bool,
    /// There is a link (`IFF_LOWER_UP`). False while it is switched off, whatever the cable does.
    pub carrier: bool,
    /// Speaks to this machine only.
    pub loopback: bool,
    /// Has Ethernet frames (`ARPHRD_ETHER`). Wi-Fi has too, towards us.
    pub ethernet: bool,
    /// Wi-Fi.
    pub wireless: bool,
    /// The bridge, bond or VRF it is a member of.
    pub master: Option<String>,
    /// What makes it, for virtual ones: `veth`, `bridge`, `tun`…
    pub kind: Option<String>,
    /// Has a device behind it: a card or an adapter.
    pub physical: bool,
    /// Largest payload of a frame, in bytes.
    pub mtu: u32,
    /// In Mbit/s, where there is a link and the driver says.
    pub speed: Option<u32>,
}

/// Why an interface is not the one to serve on, as the end of "eth0: …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It speaks to this machine only.
    Loopback,
    /// It has no Ethernet frames: a tunnel, a modem.
    NotEthernet,
    /// It is a member of the bridge or bond of this name, which takes its frames.
    SlaveOf(String),
    /// Machines cannot boot over Wi-Fi.
    Wireless,
    /// Switched off.
    Down,
    /// No cable, or nobody at the other end.
    NoCarrier,
}

impl Reason {
    /// Whether it can never serve. The others can, when asked for by name: off is switched on, a link may come.
    pub fn refuses(&self) -> bool {
        matches!(self, Self::Loopback | Self::NotEthernet | Self::SlaveOf(_))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback, reaches this machine only"),
            Self::NotEthernet => f.write_str("not Ethernet"),
            Self::SlaveOf(master) => write!(f, "part of {master}, use that"),
            Self::Wireless => f.write_str("Wi-Fi, machines cannot boot over it"),
            Self::Down => f.write_str("switched off"),
            Self::NoCarrier => f.write_str("no link, is the cable in?"),
        }
    }
}

impl Interface {
    /// The first thing that speaks against serving here, the worst first.
    pub fn reason(&self) -> Option<Reason> {
        match &self.master {
            _ if self.loopback => Some(Reason::Loopback),
            _ if !self.ethernet => Some(Reason::NotEthernet),
            Some(master) => Some(Reason::SlaveOf(master.clone())),
            None if self.wireless => Some(Reason::Wireless),
            None if !self.up => Some(Reason::Down),
            None if !self.carrier => Some(Reason::NoCarrier),
            None => None,
        }
    }
}

/// An interface, and what speaks against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The interface.
    pub iface: Interface,
    /// None when it can serve as it is.
    pub unsuitable: Option<Reason>,
}

/// All interfaces of this network namespace, in the kernel's order. Needs no privilege.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let links = Netlink::open()?.links()?;
    let addressed = pnet_datalink::interfaces();
    let name_of = |index| links.iter().find(|link| link.index == index).map(|link| link.name.clone());
    Ok(links
        .iter()
        .map(|link| {
            // An address may carry a label, `eth0:1`, and is then listed apart under the same number.
            let entries = addressed.iter().filter(|entry| entry.index == link.index);
            let ipv4 = entries.flat_map(|entry| &entry.ips).filter_map(|network| match network.ip() {
                IpAddr::V4(address) => Some((address, network.prefix())),
                IpAddr::V6(_) => None,
            });
            // A master in another namespace has no name here, but takes the frames all the same.
            let master =
                link.master.map(|index| name_of(index).unwrap_or_else(|| format!("interface {index}")));
            interface(link, ipv4.collect(), master, &Sysfs::of(link))
        })
        .collect())
}

/// All interfaces, with what speaks against each.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn candidates() -> io::Result<Vec<Candidate>> {
    let with_reason = |iface: Interface| Candidate { unsuitable: iface.reason(), iface };
    Ok(interfaces()?.into_iter().map(with_reason).collect())
}

/// The interface called `name`, if it can serve or may come to.
///
/// # Errors
/// [`ChooseError`], whose text shows all interfaces and the command to type next.
pub fn choose(
    candidates: &[Candidate],
    name: Option<&str>,
    invocation: &Invocation,
) -> Result<Interface, ChooseError> {
    let table = || describe(candidates, invocation);
    let Some(name) = name else { return Err(ChooseError::NotNamed { table: table() }) };
    let Some(found) = candidates.iter().find(|candidate| candidate.iface.name == name) else {
        return Err(ChooseError::NoSuch { name: name.to_owned(), table: table() });
    };
    match &found.unsuitable {
        Some(reason) if reason.refuses() => Err(ChooseError::Refused {
            name: name.to_owned(),
            reason: reason.clone(),
            // The master is what was meant; else whatever serves best.
            remedy: match reason {
                Reason::SlaveOf(master) => format!("Type:\n\n    sudo {}\n", invocation.with_iface(master)),
                _ => table(),
            },
        }),
        _ => Ok(found.iface.clone()),
    }
}

/// Why there is no interface to serve on. The text ends with the command to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChooseError {
    /// No `--iface` was given.
    NotNamed {
        /// All interfaces and the command.
        table: String,
    },
    /// None has that name.
    NoSuch {
        /// What was asked for.
        name: String,
        /// All interfaces and the command.
        table: String,
    },
    /// That one cannot serve.
    Refused {
        /// What was asked for.
        name: String,
        /// Why not.
        reason: Reason,
        /// What to type instead.
        remedy: String,
    },
}

impl fmt::Display for ChooseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNamed { table } => write!(f, "which interface are the machines on?\n\n{table}"),
            Self::NoSuch { name, table } => write!(f, "there is no interface {name}\n\n{table}"),
            Self::Refused { name, reason, remedy } => write!(f, "{name} cannot serve: {reason}\n\n{remedy}"),
        }
    }
}

impl std::error::Error for ChooseError {}

fn interface(link: &Link, ipv4: Vec<(Ipv4Addr, u8)>, master: Option<String>, sysfs: &Sysfs) -> Interface {
    Interface {
        name: link.name.clone(),
        index: link.index,
        mac: link.mac,
        ipv4,
        up: link.is_up(),
        carrier: link.is_up() && link.has_carrier(),
        loopback: link.flags & libc::IFF_LOOPBACK as u32 != 0,
        ethernet: link.hardware == libc::ARPHRD_ETHER,
        wireless: sysfs.exists("wireless") || sysfs.exists("phy80211"),
        master,
        kind: link.kind.clone(),
        physical: link.kind.is_none() && sysfs.exists("device"),
        mtu: link.mtu,
        // Unknown is -1 there.
        speed: sysfs.read("speed").and_then(|text| text.parse().ok()).filter(|speed| *speed > 0),
    }
}

/// The interface's folder in `/sys/class/net`, where it is this namespace's.
struct Sysfs(Option<PathBuf>);

impl Sysfs {
    fn of(link: &Link) -> Self {
        let folder = Self(Some(Path::new("/sys/class/net").join(&link.name)));
        let same_index = folder.read("ifindex") == Some(link.index.to_string());
        let same_mac = folder.read("address").and_then(|text| text.parse().ok()) == link.mac;
        if same_index && same_mac { folder } else { Self(None) }
    }

    fn exists(&self, entry: &str) -> bool {
        self.0.as_ref().is_some_and(|folder| folder.join(entry).exists())
    }

    fn read(&self, entry: &str) -> Option<String> {
        std::fs::read_to_string(self.0.as_ref()?.join(entry)).ok().map(|text| text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn card(name: &str) -> Interface {
        Interface {
            name: name.to_owned(),
            index: 2,
            mac: Some(MacAddr([0x52, 0x54, 0, 1, 2, 3])),
            ipv4: vec![],
            up: true,
            carrier: true,
            loopback: false,
            ethernet: true,
            wireless: false,
            master: None,
            kind: None,
            physical: true,
            mtu: 1500,
            speed: Some(1000),
        }
    }

    #[test]
    fn the_worst_reason_is_the_one_given() {
        let base = card("eth0");
        let slave = Some("br0".to_owned());
        for (name, iface, expected) in [
            ("a card with a link", base.clone(), None),
            ("off", Interface { up: false, carrier: false, ..base.clone() }, Some(Reason::Down)),
            ("no cable", Interface { carrier: false, ..base.clone() }, Some(Reason::NoCarrier)),
            ("Wi-Fi, off", Interface { wireless: true, up: false, ..base.clone() }, Some(Reason::Wireless)),
            (
                "in a bridge, off",
                Interface { master: slave, up: false, ..base.clone() },
                Some(Reason::SlaveOf("br0".into())),
            ),
            ("a tunnel", Interface { ethernet: false, up: false, ..base.clone() }, Some(Reason::NotEthernet)),
            ("lo", Interface { loopback: true, ethernet: false, ..base.clone() }, Some(Reason::Loopback)),
        ] {
            assert_eq!(iface.reason(), expected, "{name}");
        }
    }

    #[test]
    fn l10_what_cannot_serve_is_refused_with_what_can() {
        let invocation =
            Invocation { program: "pxego".into(), arguments: vec!["--iface".into(), "x".into()] };
        let slave = Interface { master: Some("br0".into()), ..card("eth0") };
        let list: Vec<_> = [slave, card("br0"), Interface { up: false, ..card("eth1") }]
            .map(|iface| Candidate { unsuitable: iface.reason(), iface })
            .into();
        let refused = choose(&list, Some("eth0"), &invocation).unwrap_err().to_string();
        assert!(refused.starts_with("eth0 cannot serve: part of br0"), "{refused}");
        assert!(refused.ends_with("    sudo pxego --iface br0\n"), "{refused}");
        let missing = choose(&list, Some("eht0"), &invocation).unwrap_err().to_string();
        assert!(missing.starts_with("there is no interface eht0\n"), "{missing}");
        assert!(missing.ends_with("    sudo pxego --iface br0\n"), "{missing}");
        assert!(choose(&list, None, &invocation).is_err());
        assert_eq!(choose(&list, Some("eth1"), &invocation).unwrap().name, "eth1", "off is no hindrance");
    }
}
