//! A socket for many clients with addresses of their own: `recvmmsg(2)` and `sendmmsg(2)` with `IP_PKTINFO`, windows in
//! one piece with `UDP_GRO`.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

/// Messages in one call, and the longest of them.
const MESSAGES: usize = 64;
const MESSAGE_LEN: usize = 1 << 16;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 96]);

struct Slot {
    address: libc::sockaddr_in,
    control: Control,
    part: libc::iovec,
}

pub(crate) struct Post {
    socket: UdpSocket,
    buffers: Vec<u8>,
    /// For what comes; made once, as filling them costs more than a call that brings one packet.
    slots: Vec<Slot>,
    headers: Vec<libc::mmsghdr>,
    /// For what goes.
    outgoing_slots: Vec<Slot>,
    outgoing_headers: Vec<libc::mmsghdr>,
    /// Of each message received: its length, that of its packets, whom it is for and from whom.
    received: Vec<(usize, usize, Ipv4Addr, SocketAddrV4)>,
    outgoing: Vec<(Ipv4Addr, SocketAddrV4, std::ops::Range<usize>)>,
    words: Vec<u8>,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self::of(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
    }

    pub(crate) fn of(socket: UdpSocket) -> Self {
        socket.set_nonblocking(true).unwrap();
        let (one, room): (libc::c_int, libc::c_int) = (1, 8 << 20);
        for (level, option, value) in [
            (libc::SOL_UDP, libc::UDP_GRO, &one),
            (libc::IPPROTO_IP, libc::IP_PKTINFO, &one),
            (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &room),
        ] {
            // SAFETY: the kernel reads one C int.
            let result = unsafe {
                libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), 4)
            };
            assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        }
        // SAFETY: these are integers and pointers, for which all zeros is a value.
        let (slot, header) =
            unsafe { (|| std::mem::zeroed::<Slot>(), || std::mem::zeroed::<libc::mmsghdr>()) };
        let slots = || (0..MESSAGES).map(|_| slot()).collect::<Vec<_>>();
        let headers = || (0..MESSAGES).map(|_| header()).collect::<Vec<_>>();
        let mut post = Self {
            socket,
            buffers: vec![0; MESSAGES * MESSAGE_LEN],
            slots: slots(),
            headers: headers(),
            outgoing_slots: slots(),
            outgoing_headers: headers(),
            received: Vec::with_capacity(MESSAGES),
            outgoing: Vec::with_capacity(MESSAGES),
            words: Vec::with_capacity(MESSAGE_LEN),
        };
        let parts = post.buffers.chunks_exact_mut(MESSAGE_LEN);
        for ((slot, header), buffer) in post.slots.iter_mut().zip(&mut post.headers).zip(parts) {
            slot.part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            header.msg_hdr = message(slot, size_of::<Control>());
        }
        post
    }

    /// Takes what is there; returns how many messages.
    pub(crate) fn receive(&mut self) -> usize {
        self.received.clear();
        let (headers, flags) = (self.headers.as_mut_ptr(), libc::MSG_DONTWAIT as _);
        // SAFETY: every header describes a slot and a buffer that are ours alone during the call.
        let count = unsafe {
            libc::recvmmsg(self.socket.as_raw_fd(), headers, MESSAGES as u32, flags, std::ptr::null_mut())
        };
        let count = usize::try_from(count).unwrap_or(0);
        for (slot, header) in self.slots.iter().zip(&mut self.headers).take(count) {
            let len = header.msg_len as usize;
            let (mut segment, mut to) = (len.max(1), Ipv4Addr::UNSPECIFIED);
            // SAFETY: the kernel has filled the control messages; the CMSG_ functions stay within.
            unsafe {
                let mut found = libc::CMSG_FIRSTHDR(&header.msg_hdr);
                while let Some(control) = found.as_ref() {
                    let data = libc::CMSG_DATA(found);
                    match (control.cmsg_level, control.cmsg_type) {
                        (libc::SOL_UDP, libc::UDP_GRO) => {
                            segment = std::ptr::read_unaligned(data.cast::<libc::c_int>()) as usize;
                        }
                        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                            let info = std::ptr::read_unaligned(data.cast::<libc::in_pktinfo>());
                            to = u32::from_be(info.ipi_addr.s_addr).into();
                        }
                        _ => {}
                    }
                    found = libc::CMSG_NXTHDR(&header.msg_hdr, found);
                }
            }
            let ip = Ipv4Addr::from(u32::from_be(slot.address.sin_addr.s_addr));
            let from = SocketAddrV4::new(ip, u16::from_be(slot.address.sin_port));
            self.received.push((len, segment, to, from));
            // What the kernel has written over.
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = size_of::<Control>() as _;
        }
        self.received.len()
    }

    /// Whom message `number` is for, and from whom.
    pub(crate) fn ends(&self, number: usize) -> (Ipv4Addr, SocketAddrV4) {
        let (_, _, to, from) = self.received[number];
        (to, from)
    }

    /// The packets in message `number`.
    pub(crate) fn packets(&self, number: usize) -> impl Iterator<Item = &[u8]> {
        let (len, segment, ..) = self.received[number];
        self.buffers[number * MESSAGE_LEN..][..len].chunks(segment)
    }

    /// Something to be sent from `address` to `peer`.
    pub(crate) fn push(&mut self, address: Ipv4Addr, peer: SocketAddrV4, bytes: &[u8]) {
        let start = self.words.len();
        self.words.extend(bytes);
        self.outgoing.push((address, peer, start..self.words.len()));
    }

    /// Sends it.
    pub(crate) fn send(&mut self) {
        for outgoing in self.outgoing.chunks(MESSAGES) {
            for ((slot, header), (address, peer, bytes)) in
                self.outgoing_slots.iter_mut().zip(&mut self.outgoing_headers).zip(outgoing)
            {
                let bytes = &self.words[bytes.clone()];
                slot.address.sin_family = libc::AF_INET as libc::sa_family_t;
                slot.address.sin_port = peer.port().to_be();
                slot.address.sin_addr.s_addr = u32::from(*peer.ip()).to_be();
                slot.part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
                // SAFETY: there is room for one control message with an `in_pktinfo`.
                unsafe {
                    let len = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) as usize;
                    header.msg_hdr = message(slot, len);
                    let control = libc::CMSG_FIRSTHDR(&header.msg_hdr);
                    (*control).cmsg_level = libc::IPPROTO_IP;
                    (*control).cmsg_type = libc::IP_PKTINFO;
                    (*control).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) as _;
                    let mut info: libc::in_pktinfo = std::mem::zeroed();
                    info.ipi_spec_dst.s_addr = u32::from(*address).to_be();
                    std::ptr::write_unaligned(libc::CMSG_DATA(control).cast(), info);
                }
            }
            let (headers, count) = (self.outgoing_headers.as_mut_ptr(), outgoing.len() as u32);
            // SAFETY: the first `count` headers describe slots and bytes that outlive the call.
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers, count, 0) };
        }
        self.outgoing.clear();
        self.words.clear();
    }
}

fn message(slot: &mut Slot, control_len: usize) -> libc::msghdr {
    libc::msghdr {
        msg_name: (&raw mut slot.address).cast(),
        msg_namelen: size_of::<libc::sockaddr_in>() as libc::socklen_t,
        msg_iov: &mut slot.part,
        msg_iovlen: 1,
        msg_control: slot.control.0.as_mut_ptr().cast(),
        msg_controllen: control_len as _,
        msg_flags: 0,
    }
}

/// Waits until something has come to one of them, some milliseconds at most.
pub(crate) fn wait(posts: &[Post]) {
    let polled = posts.iter().map(|post| libc::pollfd {
        fd: post.socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let mut polled: Vec<_> = polled.collect();
    // SAFETY: an initialised slice that outlives the call.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 10) };
}
