//! Many datagrams in one system call: `sendmmsg(2)` with the kernel's segmentation of UDP where it has it, `recvmmsg(2)`.
//!
//! The packets are gathered from where their bytes are; nothing is put together first.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd};

/// The most segments of one send that every kernel since 4.18 takes (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 64;

/// The longest payload of a UDP packet, segmented or not.
const MAX_PAYLOAD: usize = 65_507;

/// The most messages in one call.
const MAX_MESSAGES: usize = 64;

/// Packets for one receiver, all of the same length but the last, which may be shorter.
pub(super) struct Batch<'a> {
    parts: Vec<IoSlice<'a>>,
    /// Where the parts of each packet end in `parts`.
    ends: Vec<usize>,
    packet_len: usize,
}

impl<'a> Batch<'a> {
    /// Room for `count` packets of `packet_len` bytes.
    pub(super) fn new(count: usize, packet_len: usize) -> Self {
        Self { parts: Vec::with_capacity(count * 3), ends: Vec::with_capacity(count), packet_len }
    }

    /// The next bytes of the packet that is begun.
    pub(super) fn push(&mut self, part: &'a [u8]) {
        self.parts.push(IoSlice::new(part));
    }

    /// The packet that is begun has all its bytes.
    pub(super) fn end_packet(&mut self) {
        self.ends.push(self.parts.len());
    }

    /// All that was put in, one after the other.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.iter().copied()).collect()
    }

    fn first_part(&self, packet: usize) -> usize {
        packet.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The parts of the packets from `first` up to `end`.
    fn parts(&self, first: usize, end: usize) -> &[IoSlice<'a>] {
        &self.parts[self.first_part(first)..self.first_part(end)]
    }
}

/// Sends datagrams, in as few calls as the kernel allows.
#[derive(Debug, Default)]
pub(super) struct Sender {
    /// The kernel or the card does not segment; found out once.
    without_segmentation: bool,
}

impl Sender {
    /// Sends all packets of `batch` to `peer`, or to whom the socket is connected. `confirmed` tells the kernel that the peer
    /// answers: its address is not asked for again, which some ROMs would not answer in the middle of a file
    /// (`MSG_CONFIRM`).
    ///
    /// # Errors
    /// When not all were sent, with the reason for the first one.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        peer: Option<SocketAddrV4>,
        batch: &Batch<'_>,
        confirmed: bool,
    ) -> io::Result<()> {
        let mut may_be_of_others = peer.is_none();
        let flags = libc::MSG_DONTWAIT | if confirmed { libc::MSG_CONFIRM } else { 0 };
        let count = batch.ends.len();
        let mut sent = 0;
        while sent < count {
            let per_message = self.packets_per_message(batch.packet_len, count - sent);
            match send_messages(socket, peer, batch, sent, per_message, flags) {
                Ok(messages) => sent = (sent + messages * per_message).min(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A connected socket tells here what ICMP said of an earlier packet, and has sent nothing.
                Err(error) if may_be_of_others && error.kind() != io::ErrorKind::WouldBlock => {
                    may_be_of_others = false;
                }
                Err(error) if per_message > 1 && cannot_segment(&error) => {
                    log::debug!("UDP packets are sent one by one: {error}");
                    self.without_segmentation = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn packets_per_message(&self, packet_len: usize, left: usize) -> usize {
        if self.without_segmentation {
            return 1;
        }
        (MAX_PAYLOAD / packet_len.max(1)).clamp(1, MAX_SEGMENTS).min(left)
    }
}

/// The kernel is older than 4.18, the card has no checksums, or its frames have become shorter.
fn cannot_segment(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EIO | libc::EINVAL | libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EMSGSIZE)
    )
}

/// A control message with the length of the segments, as `cmsghdr` wants it aligned.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 24]);

/// Sends packets from number `first` on, `per_message` in each message. Returns how many messages went.
fn send_messages(
    socket: BorrowedFd<'_>,
    peer: Option<SocketAddrV4>,
    batch: &Batch<'_>,
    first: usize,
    per_message: usize,
    flags: i32,
) -> io::Result<usize> {
    let mut address = peer.map(to_sockaddr);
    let count = batch.ends.len();
    let mut control = segmented(u16::try_from(batch.packet_len).map_err(|_| io::ErrorKind::InvalidInput)?);
    let (address, control) = (address.as_mut().map(std::ptr::from_mut), &raw mut control);
    let message = |number: usize| {
        let from = first + number * per_message;
        let end = (from + per_message).min(count);
        let parts = batch.parts(from, end);
        let is_segmented = end - from > 1;
        libc::msghdr {
            msg_name: address.map_or(std::ptr::null_mut(), |address| address.cast()),
            msg_namelen: address.map_or(0, |_| size_of::<libc::sockaddr_in>() as libc::socklen_t),
            // An `IoSlice` is an `iovec` in memory, as `std` promises. Sending does not write to it.
            msg_iov: parts.as_ptr().cast_mut().cast(),
            msg_iovlen: parts.len() as _,
            msg_control: if is_segmented { control.cast() } else { std::ptr::null_mut() },
            msg_controllen: if is_segmented { size_of::<Control>() as _ } else { 0 },
            msg_flags: 0,
        }
    };
    let messages = (count - first).div_ceil(per_message).min(MAX_MESSAGES);
    if messages == 1 {
        // SAFETY: the message describes the address, the parts and the control message, which all outlive the call.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &message(0), flags) };
        return if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(1) };
    }
    // SAFETY: `mmsghdr` is integers and pointers, for which all zeros is a value.
    let mut headers: [libc::mmsghdr; MAX_MESSAGES] = unsafe { std::mem::zeroed() };
    for (number, header) in headers[..messages].iter_mut().enumerate() {
        header.msg_hdr = message(number);
    }
    // SAFETY: as above, for each of the first `messages` headers; the kernel writes their `msg_len` only.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), messages as u32, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

fn segmented(len: u16) -> Control {
    let mut control = Control([0; 24]);
    let mut message = libc::msghdr {
        msg_name: std::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: std::ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: control.0.as_mut_ptr().cast(),
        msg_controllen: control.0.len() as _,
        msg_flags: 0,
    };
    // SAFETY: the buffer has room for one `cmsghdr` and a value of two bytes, aligned; the CMSG_ functions stay within.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw mut message);
        (*header).cmsg_level = libc::SOL_UDP;
        (*header).cmsg_type = libc::UDP_SEGMENT;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        std::ptr::write_unaligned(libc::CMSG_DATA(header).cast::<u16>(), len);
    }
    control
}

/// Room for the datagrams of one call.
pub(super) struct Inbox {
    buffers: Vec<u8>,
    buffer_len: usize,
    received: Vec<(usize, SocketAddrV4)>,
}

impl Inbox {
    /// Room for `count` datagrams, of which `buffer_len` bytes are kept each.
    pub(super) fn new(count: usize, buffer_len: usize) -> Self {
        let count = count.min(MAX_MESSAGES);
        Self { buffers: vec![0; count * buffer_len], buffer_len, received: Vec::with_capacity(count) }
    }

    /// Takes what is there, without waiting. What is not from an IPv4 address is left out.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, or what the system says.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.received.clear();
        let count = self.buffers.len() / self.buffer_len;
        // SAFETY: `sockaddr_in`, `iovec` and `mmsghdr` are integers and pointers, for which all zeros is a value.
        let mut addresses: [libc::sockaddr_in; MAX_MESSAGES] = unsafe { std::mem::zeroed() };
        let mut parts: [libc::iovec; MAX_MESSAGES] = unsafe { std::mem::zeroed() };
        let mut headers: [libc::mmsghdr; MAX_MESSAGES] = unsafe { std::mem::zeroed() };
        for (number, buffer) in self.buffers.chunks_exact_mut(self.buffer_len).enumerate() {
            parts[number] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let message = &mut headers[number].msg_hdr;
            message.msg_name = std::ptr::from_mut(&mut addresses[number]).cast();
            message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            message.msg_iov = &mut parts[number];
            message.msg_iovlen = 1;
        }
        // SAFETY: the first `count` headers describe addresses and buffers that outlive the call and are ours alone.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count as u32,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (header, address) in headers.iter().zip(&addresses).take(received) {
            let peer = from_sockaddr(address);
            self.received.push((header.msg_len as usize, peer));
        }
        Ok(())
    }

    /// How many datagrams came.
    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    /// Datagram `number` and who sent it.
    pub(super) fn get(&self, number: usize) -> (&[u8], SocketAddrV4) {
        let (len, peer) = self.received[number];
        let start = number * self.buffer_len;
        (&self.buffers[start..start + len.min(self.buffer_len)], peer)
    }
}

fn to_sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// Of another family it is an address that nobody has.
fn from_sockaddr(address: &libc::sockaddr_in) -> SocketAddrV4 {
    if address.sin_family != libc::AF_INET as libc::sa_family_t {
        return SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    }
    SocketAddrV4::new(u32::from_be(address.sin_addr.s_addr).into(), u16::from_be(address.sin_port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn pair() -> (UdpSocket, UdpSocket, SocketAddrV4) {
        let socket = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (sender, receiver) = (socket(), socket());
        receiver.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let std::net::SocketAddr::V4(peer) = receiver.local_addr().unwrap() else { unreachable!() };
        (sender, receiver, peer)
    }

    #[test]
    fn a_window_arrives_as_single_packets_with_and_without_segmentation() {
        for without_segmentation in [false, true] {
            // 64 blocks of 1468 are more than one segmented send can hold.
            for (count, packet_len) in [(1, 1472), (4, 516), (64, 1472), (64, 12)] {
                let (from, to, peer) = pair();
                let packets: Vec<Vec<u8>> = (0..count)
                    .map(|number| vec![number as u8; packet_len - (number + 1 == count) as usize])
                    .collect();
                let mut batch = Batch::new(count, packet_len);
                for packet in &packets {
                    batch.push(&packet[..4]);
                    batch.push(&packet[4..5]);
                    batch.push(&packet[5..]);
                    batch.end_packet();
                }
                let mut sender = Sender { without_segmentation };
                sender.send(from.as_fd(), Some(peer), &batch, true).unwrap();
                let mut buffer = [0; 2000];
                for packet in &packets {
                    let len = to.recv(&mut buffer).unwrap();
                    assert!(buffer[..len] == packet[..], "{count} of {packet_len}, {without_segmentation}");
                }
            }
        }
    }

    #[test]
    fn datagrams_are_taken_together_with_their_senders() {
        let (first, receiver, peer) = pair();
        let second = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        first.send_to(b"one", peer).unwrap();
        second.send_to(&[7; 100], peer).unwrap();
        let mut inbox = Inbox::new(8, 10);
        inbox.receive(receiver.as_fd()).unwrap();
        let got: Vec<_> = (0..inbox.len()).map(|number| inbox.get(number)).collect();
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].0, b"one");
        assert_eq!(got[1].0, [7; 10]);
        assert_eq!(std::net::SocketAddr::V4(got[1].1), second.local_addr().unwrap());
        assert_eq!(inbox.receive(receiver.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
