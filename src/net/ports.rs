//! The real sockets on the ports that are served.
//!
//! Ports 67 and 4011 are answered over the raw socket, but are held here too: without an owner the kernel
//! answers a unicast request with ICMP port unreachable, and EDK2 stops with PXE-E22. What arrives on a held
//! port is thrown away by a filter in the kernel.
//!
//! No `SO_REUSEADDR` on UDP: two servers that both set it would share the port in silence, and each would get
//! some of the requests. Without it, another server on the same interface (a second pxego, dnsmasq) is an
//! error that names it. A server bound to another interface (libvirt's) is no hindrance: the kernel compares
//! devices too.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

pub use super::port_owner::{Owner, Transport};
use super::{packet_filter, port_owner};

/// DHCP and BOOTP servers.
pub const DHCP_SERVER_PORT: u16 = 67;
/// TFTP servers.
pub const TFTP_PORT: u16 = 69;
/// PXE boot servers (PXE 2.1 §2.2.3).
pub const PXE_PORT: u16 = 4011;

/// Connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// A UDP port that is only held, so that the kernel does not call it unreachable. Dropping it frees the port.
#[derive(Debug)]
pub struct HeldPort {
    socket: Socket,
}

impl AsFd for HeldPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Holds UDP `port` on `interface`, on all its addresses. Everything that arrives is thrown away.
///
/// # Errors
/// See [`PortError`].
pub fn hold_udp(interface: &str, port: u16) -> Result<HeldPort, PortError> {
    bind_udp(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port), true)
        .map(|socket| HeldPort { socket })
}

/// Opens the UDP port of `address` on `interface`, to be served. Blocking.
///
/// What is sent to a broadcast address does not arrive here: a request by broadcast is not to be answered
/// (RFC 1123 §4.2.3.5).
///
/// # Errors
/// See [`PortError`].
pub fn serve_udp(interface: &str, address: SocketAddrV4) -> Result<UdpSocket, PortError> {
    bind_udp(interface, address, false).map(Into::into)
}

/// Listens on `address`. Accepted connections inherit `TCP_NODELAY`. Blocking.
///
/// Not tied to an interface: the person at the laptop opens the same page.
///
/// # Errors
/// See [`PortError`].
pub fn listen_tcp(address: SocketAddrV4) -> Result<TcpListener, PortError> {
    let fail = |step| PortError::at(Transport::Tcp, address.port(), step);
    let socket =
        Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).map_err(fail("open a socket"))?;
    // Linux shares no listening port by this; it only allows starting again at once.
    socket.set_reuse_address(true).map_err(fail("set up the socket"))?;
    socket.set_tcp_nodelay(true).map_err(fail("set up the socket"))?;
    socket.bind(&address.into()).map_err(fail("bind"))?;
    socket.listen(BACKLOG).map_err(fail("listen"))?;
    Ok(socket.into())
}

/// Ties `socket` to the interface that is called `interface` now.
///
/// A socket is tied to a number: after an adapter was pulled and is back
/// ([`super::raw::RawEvent::Reopened`]) it receives nothing until this is called. Needs CAP_NET_RAW.
///
/// # Errors
/// `ENODEV` when there is no such interface.
pub fn follow_interface(socket: &impl AsFd, interface: &str) -> io::Result<()> {
    SockRef::from(socket).bind_device(Some(interface.as_bytes()))
}

fn bind_udp(interface: &str, address: SocketAddrV4, discard: bool) -> Result<Socket, PortError> {
    let fail = |step| PortError::at(Transport::Udp, address.port(), step);
    let socket =
        Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(fail("open a socket"))?;
    if discard {
        socket.attach_filter(&packet_filter::nothing()).map_err(fail("attach a filter"))?;
    }
    socket.bind_device(Some(interface.as_bytes())).map_err(|error| match error.raw_os_error() {
        Some(libc::ENODEV) => PortError::NoSuchInterface(interface.to_owned()),
        _ => fail("tie it to the interface")(error),
    })?;
    socket.bind(&address.into()).map_err(fail("bind"))?;
    Ok(socket)
}

/// Why a port could not be opened.
#[derive(Debug)]
pub enum PortError {
    /// Somebody else has it.
    Taken {
        /// UDP or TCP.
        transport: Transport,
        /// The port.
        port: u16,
        /// Who, where it can be seen.
        owners: Vec<Owner>,
    },
    /// Ports below 1024 need CAP_NET_BIND_SERVICE, as a rule.
    NotPermitted {
        /// UDP or TCP.
        transport: Transport,
        /// The port.
        port: u16,
    },
    /// There is no interface of this name.
    NoSuchInterface(String),
    /// The system refused something else.
    System {
        /// UDP or TCP.
        transport: Transport,
        /// The port.
        port: u16,
        /// What was being done, as the end of "cannot …".
        step: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl PortError {
    fn at(transport: Transport, port: u16, step: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                Self::Taken { transport, port, owners: port_owner::owners(transport, port) }
            }
            io::ErrorKind::PermissionDenied => Self::NotPermitted { transport, port },
            _ => Self::System { transport, port, step, error },
        }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { transport, port, owners } if owners.is_empty() => {
                let table = if *transport == Transport::Udp { "-ulpn" } else { "-tlpn" };
                write!(
                    f,
                    "{transport} port {port} is taken by a process that cannot be seen from here: \
                     find it with \"sudo ss {table} 'sport = :{port}'\" and stop it, then run pxego again"
                )
            }
            Self::Taken { transport, port, owners } => {
                let names: Vec<_> = owners.iter().map(Owner::to_string).collect();
                // Who holds it on another interface may be listed as well: the kernel's table has no devices.
                let pronoun = if owners.len() == 1 { "it" } else { "the one on this interface" };
                let commands: Vec<_> = owners
                    .iter()
                    .flat_map(Owner::stop_commands)
                    .map(|command| format!("\"{command}\""))
                    .collect();
                write!(
                    f,
                    "{transport} port {port} is taken by {}: stop {pronoun} with {}, then run pxego again",
                    names.join(" and "),
                    commands.join(" or ")
                )
            }
            Self::NotPermitted { transport, port } => {
                write!(f, "no permission to open {transport} port {port} (CAP_NET_BIND_SERVICE)")
            }
            Self::NoSuchInterface(name) => write!(f, "there is no interface {name} any more"),
            Self::System { transport, port, step, error } => {
                write!(f, "{transport} port {port}: cannot {step}: {error}")
            }
        }
    }
}

impl std::error::Error for PortError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l13_a_taken_port_comes_with_its_owner_and_the_command() {
        let libvirt = Owner {
            pid: 812,
            command: "dnsmasq".into(),
            service: Some("libvirtd".into()),
            libvirt_network: Some("default".into()),
        };
        let dhcpd = Owner {
            pid: 90,
            command: "dhcpd".into(),
            service: Some("isc-dhcp-server".into()),
            libvirt_network: None,
        };
        let taken = |owners| PortError::Taken { transport: Transport::Udp, port: 67, owners }.to_string();
        assert_eq!(
            taken(vec![libvirt.clone()]),
            "UDP port 67 is taken by dnsmasq (pid 812, libvirt network \"default\"): stop it with \"sudo virsh \
             net-destroy default\", then run pxego again"
        );
        assert_eq!(
            taken(vec![dhcpd.clone()]),
            "UDP port 67 is taken by dhcpd (pid 90, service isc-dhcp-server): stop it with \"sudo systemctl stop \
             isc-dhcp-server\" or \"sudo kill 90\", then run pxego again"
        );
        assert!(taken(vec![dhcpd, libvirt]).contains(") and dnsmasq"));
        assert!(taken(vec![]).contains("sudo ss -ulpn 'sport = :67'"));
    }

    #[test]
    fn a_listener_names_itself_as_the_owner_of_its_port() {
        let first = listen_tcp(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        match listen_tcp(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
            Err(PortError::Taken { owners, .. }) => {
                assert_eq!(owners.iter().map(|o| o.pid).collect::<Vec<_>>(), [std::process::id()]);
            }
            other => panic!("{other:?}"),
        }
    }
}
