//! Where the packets of a transfer leave, and where their answers come.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Socket, Type};

use super::TftpConfig;
use crate::net::datagram::{Batch, Sender};
use crate::net::sys;

/// The most packets that are looked for in a socket that was just opened.
const EARLY: usize = 64;

/// The port of a transfer.
pub(super) enum Port<'a> {
    /// One of its own, as RFC 1350 §4 has it.
    Own {
        /// Takes what anybody sends there.
        open: UdpSocket,
        /// Takes what the client sends there, once there is one.
        line: Option<UdpSocket>,
    },
    /// The request port, for all transfers.
    Shared(&'a UdpSocket),
}

impl Port<'_> {
    /// A port of its own on our address, tied to the interface.
    pub(super) fn open(config: &TftpConfig) -> io::Result<Self> {
        let socket = new_socket(config)?;
        socket.bind(&SocketAddrV4::new(config.networks.server, 0).into())?;
        Ok(Self::Own { open: socket.into(), line: None })
    }

    /// Opens a second socket at the same port that hears `peer` alone: the way of its packets is then looked up once, not
    /// for each of them. What others send comes to the first one as before: of two sockets the kernel takes the one that
    /// fits better (`compute_score` of Linux `net/ipv4/udp.c`).
    pub(super) fn connect(
        &mut self,
        config: &TftpConfig,
        peer: SocketAddrV4,
    ) -> io::Result<Option<BorrowedFd<'_>>> {
        let Self::Own { open, line } = self else { return Ok(None) };
        let socket = new_socket(config)?;
        // Only now, and not when the first was bound: the kernel would give the same port to another transfer.
        for socket in [open.as_fd(), socket.as_fd()] {
            sys::set_option(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        }
        socket.bind(&open.local_addr()?.into())?;
        socket.connect(&peer.into())?;
        let socket: UdpSocket = socket.into();
        // What came before it was connected may be of anybody, and is lost as on a wire.
        let _ = (0..EARLY).take_while(|_| socket.recv(&mut []).is_ok()).count();
        let line: &UdpSocket = line.insert(socket);
        Ok(Some(line.as_fd()))
    }

    /// Goes back to one socket.
    pub(super) fn disconnect(&mut self) {
        if let Self::Own { line, .. } = self {
            *line = None;
        }
    }

    /// The socket that anybody can send to, when it is the transfer's own.
    pub(super) fn own(&self) -> Option<&UdpSocket> {
        match self {
            Self::Own { open, .. } => Some(open),
            Self::Shared(_) => None,
        }
    }

    /// Where the client's packets come, and whatever else: its own socket, or the one for all who are not connected.
    pub(super) fn inlet(&self, inlet: Inlet) -> Option<&UdpSocket> {
        match (self, inlet) {
            (Self::Own { open, .. }, Inlet::Open) => Some(open),
            (Self::Own { line, .. }, Inlet::Line) => line.as_ref(),
            (Self::Shared(_), _) => None,
        }
    }

    /// Whether there is a socket for the client alone.
    pub(super) fn has_line(&self) -> bool {
        matches!(self, Self::Own { line: Some(_), .. })
    }

    /// Sends to the client.
    pub(super) fn send(
        &self,
        sender: &mut Sender,
        peer: SocketAddrV4,
        batch: &Batch<'_>,
        confirmed: bool,
    ) -> io::Result<()> {
        let peer = (!self.has_line()).then_some(peer);
        sender.send(self.outlet().as_fd(), peer, batch, confirmed)
    }

    /// Sends a packet to whomever.
    pub(super) fn send_to(&self, packet: &[u8], peer: impl Into<SocketAddr>) -> io::Result<usize> {
        match self {
            Self::Own { open, .. } => open.send_to(packet, peer.into()),
            Self::Shared(socket) => socket.send_to(packet, peer.into()),
        }
    }

    /// The socket that sends to the client.
    pub(super) fn outlet(&self) -> &UdpSocket {
        match self {
            Self::Own { open, line } => line.as_ref().unwrap_or(open),
            Self::Shared(socket) => socket,
        }
    }
}

/// Which of the two sockets of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inlet {
    /// Anybody's.
    Open,
    /// The client's.
    Line,
}

fn new_socket(config: &TftpConfig) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    if let Some(interface) = &config.interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.set_nonblocking(true)?;
    never_fragment(socket.as_fd())?;
    Ok(socket)
}

/// Boot ROMs cannot put fragments together, and need not: packets are made to fit the link. What the kernel believes of
/// the path is not asked, since anybody can make it believe something.
pub(super) fn never_fragment(socket: BorrowedFd<'_>) -> io::Result<()> {
    sys::set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)
}
