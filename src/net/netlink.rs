//! The little of rtnetlink that is needed: list the links, take one up or down, add or remove an IPv4 address,
//! and hear that a link has changed.
//!
//! A socket belongs to the network namespace of the thread that opened it, and stays there: unlike `/sys`,
//! which shows the namespace it was mounted in. Errors carry the errno of the kernel's answer.
//!
//! Left out on purpose: routes, IPv6, rules. The `rtnetlink` crate does all that, for 1.4 MB.
//!
//! Sources: rtnetlink(7), netlink(7), `linux/if_link.h`, `linux/if_addr.h`.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;
use crate::wire::MacAddr;

/// The kernel answers within the call; this only keeps a bug from hanging the program.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The kernel fills at most this much in one piece of a listing (`NLMSG_GOODSIZE`, netlink(7)).
const BUFFER_LEN: usize = 32 * 1024;
const HEADER_LEN: usize = 16;
/// `struct ifinfomsg`.
const LINK_HEADER_LEN: usize = 16;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
/// The two top bits of an attribute's type are flags.
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

/// What the kernel says of one link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Link {
    /// Number of the interface, unique in its namespace.
    pub(super) index: u32,
    pub(super) name: String,
    /// `ARPHRD_…`; 1 is Ethernet.
    pub(super) hardware: u16,
    /// `IFF_…`.
    pub(super) flags: u32,
    pub(super) mac: Option<MacAddr>,
    pub(super) mtu: u32,
    /// Number of the bridge, bond or VRF this one is a member of.
    pub(super) master: Option<u32>,
    /// `veth`, `bridge`, `bond`…; none for a real card.
    pub(super) kind: Option<String>,
}

/// A conversation with the kernel about links and addresses.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
}

impl Link {
    /// Switched on.
    pub(super) fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// Somebody is at the other end. Says nothing while it is switched off.
    pub(super) fn has_carrier(&self) -> bool {
        self.flags & libc::IFF_LOWER_UP as u32 != 0
    }
}

impl Netlink {
    /// Opens a conversation in this thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let socket = route_socket()?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { socket })
    }

    /// All links, in the kernel's order.
    pub(super) fn links(&self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        let request = Message::new(libc::RTM_GETLINK, libc::NLM_F_DUMP).bytes(&[0; LINK_HEADER_LEN]);
        self.exchange(request, |kind, body| {
            if kind == libc::RTM_NEWLINK {
                links.extend(parse_link(body));
            }
        })?;
        Ok(links)
    }

    /// Takes link `index` up, or down. Needs CAP_NET_ADMIN.
    pub(super) fn set_up(&self, index: u32, up: bool) -> io::Result<()> {
        let up_flag = libc::IFF_UP as u32;
        let request = Message::new(libc::RTM_NEWLINK, libc::NLM_F_ACK)
            .bytes(&[0; 4])
            .bytes(&index.to_ne_bytes())
            .bytes(&(if up { up_flag } else { 0 }).to_ne_bytes())
            .bytes(&up_flag.to_ne_bytes());
        self.exchange(request, |_, _| ())
    }

    /// Gives interface `index` an address. `EEXIST` when it has that one already. Needs CAP_NET_ADMIN.
    pub(super) fn add_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        self.change_address(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, index, address, prefix)
    }

    /// Takes an address away. `EADDRNOTAVAIL` when it is not there. Needs CAP_NET_ADMIN.
    pub(super) fn remove_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        self.change_address(libc::RTM_DELADDR, 0, index, address, prefix)
    }

    fn change_address(
        &self,
        kind: u16,
        flags: i32,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> io::Result<()> {
        let mut request = Message::new(kind, flags | libc::NLM_F_ACK)
            .bytes(&[libc::AF_INET as u8, prefix, 0, libc::RT_SCOPE_UNIVERSE])
            .bytes(&index.to_ne_bytes())
            .attribute(IFA_LOCAL, &address.octets())
            .attribute(IFA_ADDRESS, &address.octets());
        // RFC 3021 §2.1: networks of one or two addresses have no broadcast address.
        if let Some(host_bits @ 2..) = 32u32.checked_sub(u32::from(prefix)) {
            let hosts = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            debug_assert_eq!(hosts.count_ones(), host_bits);
            request = request.attribute(IFA_BROADCAST, &(u32::from(address) | hosts).to_be_bytes());
        }
        self.exchange(request, |_, _| ())
    }

    /// Sends `request` and hands every message of the answer to `each`, up to the end or the error.
    fn exchange(&self, request: Message, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.socket.send(&request.finish())?;
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let length = match (&self.socket).read(&mut buffer) {
                // A socket with a time-out is not restarted after a signal (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, body, after)) = split_message(rest) {
                rest = after;
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return answer(body),
                    _ => each(kind, body),
                }
            }
        }
    }
}

/// Hears of every change to a link, without saying which: whoever listens looks again.
#[derive(Debug)]
pub(super) struct LinkWatch {
    socket: Socket,
}

impl LinkWatch {
    pub(super) fn open() -> io::Result<Self> {
        let socket = route_socket()?;
        sys::bind_netlink(socket.as_fd())?;
        sys::set_option(
            socket.as_fd(),
            libc::SOL_NETLINK,
            libc::NETLINK_ADD_MEMBERSHIP,
            libc::RTNLGRP_LINK as i32,
        )?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// Readable when something has changed.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Forgets the changes heard so far.
    pub(super) fn drain(&self) {
        let mut buffer = [0; 4096];
        // ENOBUFS says that some were lost, which is news too. It ends with EAGAIN; the bound is for the
        // case that changes come faster than they are read.
        for _ in 0..1000 {
            match (&self.socket).read(&mut buffer) {
                Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return,
                _ => {}
            }
        }
    }
}

fn route_socket() -> io::Result<Socket> {
    Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE)))
}

/// A request under construction: its length is filled in at the end.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: i32) -> Self {
        let flags = (libc::NLM_F_REQUEST | flags) as u16;
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// Adds bytes; callers keep the length a multiple of four.
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn attribute(self, kind: u16, value: &[u8; 4]) -> Self {
        self.bytes(&8u16.to_ne_bytes()).bytes(&kind.to_ne_bytes()).bytes(value)
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(0).to_ne_bytes();
        self.0.splice(..4, length);
        self.0
    }
}

/// `NLMSG_ERROR`: zero is the acknowledgement, else a negative errno.
fn answer(body: &[u8]) -> io::Result<()> {
    match read_u32(body, 0).map(|code| code as i32) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The first message's type and body, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    let kind = read_u16(bytes, 4)?;
    let body = bytes.get(HEADER_LEN..length)?;
    Some((kind, body, bytes.get(length.checked_next_multiple_of(4)?..).unwrap_or_default()))
}

fn parse_link(body: &[u8]) -> Option<Link> {
    let mut link = Link {
        hardware: read_u16(body, 2)?,
        index: read_u32(body, 4)?,
        flags: read_u32(body, 8)?,
        ..Link::default()
    };
    for (kind, value) in attributes(body.get(LINK_HEADER_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_ADDRESS => link.mac = value.try_into().ok().map(MacAddr),
            IFLA_MTU => link.mtu = read_u32(value, 0)?,
            IFLA_MASTER => link.master = read_u32(value, 0),
            IFLA_LINKINFO => {
                link.kind = attributes(value).find(|(kind, _)| *kind == IFLA_INFO_KIND).map(|(_, v)| text(v));
            }
            _ => {}
        }
    }
    Some(link)
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(rest, 0)?);
        let kind = read_u16(rest, 2)? & ATTRIBUTE_TYPE_MASK;
        let value = rest.get(4..length)?;
        rest = rest.get(length.checked_next_multiple_of(4)?..).unwrap_or_default();
        Some((kind, value))
    })
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_listed_as_such() {
        let links = Netlink::open().unwrap().links().unwrap();
        let lo = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!((lo.index, lo.hardware), (1, libc::ARPHRD_LOOPBACK));
        assert_ne!(lo.flags & libc::IFF_LOOPBACK as u32, 0);
        assert_eq!((lo.master, &lo.kind), (None, &None));
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        for bytes in [&[0; 3][..], &[0; 16], &[255; 40], &[17, 0, 0, 0, 16, 0, 0, 0]] {
            assert!(split_message(bytes).is_none(), "{bytes:?}");
        }
        assert_eq!(attributes(&[3, 0, 1, 0, 9, 9, 9, 9]).count(), 0);
        assert_eq!(attributes(&[8, 0, 1, 0, 9, 9, 9, 9, 200, 0, 1, 0]).count(), 1);
    }

    #[test]
    fn an_unknown_index_is_refused_by_errno() {
        let error =
            Netlink::open().unwrap().remove_address(i32::MAX as u32, Ipv4Addr::LOCALHOST, 8).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EPERM)), "{error}");
    }
}
