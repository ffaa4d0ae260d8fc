//! The system calls that neither `std` nor `socket2` has, each behind a safe function.
//!
//! What is `unsafe` in this folder is here, but for epoll(7), batches of datagrams and cores, which have files of their own.
#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Waits until one of `descriptors` is readable, hung up or in error, or until `timeout` has passed.
///
/// Element `n` of the result says so for descriptor `n`. A signal does not end the wait.
pub(super) fn wait_readable<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    wait(descriptors, libc::POLLIN, timeout)
}

/// Waits until `descriptor` takes another write, or until `timeout` has passed.
pub(super) fn wait_writable(descriptor: BorrowedFd<'_>, timeout: Duration) -> io::Result<bool> {
    wait([descriptor], libc::POLLOUT, timeout).map(|[ready]| ready)
}

fn wait<const N: usize>(
    descriptors: [BorrowedFd<'_>; N],
    events: libc::c_short,
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|fd| entry(fd, events));
    poll(&mut polled, timeout)?;
    Ok(polled.map(|entry| entry.revents != 0))
}

fn entry(descriptor: BorrowedFd<'_>, events: libc::c_short) -> libc::pollfd {
    libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 }
}

fn poll(polled: &mut [libc::pollfd], timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now().checked_add(timeout);
    loop {
        let left =
            deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        // Rounded up, or the last millisecond would be spent asking again and again.
        let milliseconds = left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
        // SAFETY: `polled` is a slice of initialised `pollfd` that outlives the call.
        let ready = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, milliseconds) };
        if ready >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends up to `count` bytes of `file` from `offset` on; 0 when the file ends there (sendfile(2)).
pub(super) fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: both descriptors are open for the call, and `offset` is an initialised value that outlives it.
    let sent = unsafe { libc::sendfile64(socket.as_raw_fd(), file.as_raw_fd(), &mut offset, count) };
    check(sent)
}

/// Fills `buffer` from `offset` of `file` on, as far as that is in memory: fewer bytes, or `WouldBlock`, when the disk would
/// have to be asked (preadv2(2), `RWF_NOWAIT`). File systems that cannot tell say `WouldBlock` too.
pub(super) fn read_cached(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `part` describes `buffer`, which is exclusively ours during the call.
    let read = unsafe { libc::preadv64v2(file.as_raw_fd(), &part, 1, offset, libc::RWF_NOWAIT) };
    check(read).map_err(|error| match error.raw_os_error() {
        // Linux before 4.14, and file systems without it (`kiocb_set_rw_flags` of Linux `include/linux/fs.h`).
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL) => io::ErrorKind::WouldBlock.into(),
        _ => error,
    })
}

/// Makes `descriptor` another name for the open file behind `by` (dup3(2)). What the kernel is doing with the old one it
/// brings to an end; whatever uses the number afterwards has the new one.
pub(super) fn replace(descriptor: BorrowedFd<'_>, by: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are open; whoever owns the number still owns a file by it afterwards.
    let result = unsafe { libc::dup3(by.as_raw_fd(), descriptor.as_raw_fd(), libc::O_CLOEXEC) };
    check(result as isize).map(|_| ())
}

/// Tells the kernel how a part of `file` will be used (posix_fadvise(2)); a length of 0 is the whole file. Nothing depends on
/// that it listens.
pub(super) fn advise(file: BorrowedFd<'_>, offset: u64, len: u64, advice: libc::c_int) {
    let (Ok(offset), Ok(len)) = (libc::off64_t::try_from(offset), libc::off64_t::try_from(len)) else {
        return;
    };
    // SAFETY: the descriptor is open for the call, which takes nothing but numbers.
    unsafe { libc::posix_fadvise64(file.as_raw_fd(), offset, len, advice) };
}

/// Lets this thread have what nobody else wants: of the processors (sched(7), `SCHED_IDLE`) and of the disks
/// (ioprio_set(2), `IOPRIO_CLASS_IDLE`).
pub(super) fn be_idle() -> io::Result<()> {
    // `IOPRIO_WHO_PROCESS`, `IOPRIO_CLASS_IDLE` and `IOPRIO_CLASS_SHIFT` of `linux/ioprio.h`.
    const WHO_PROCESS: libc::c_int = 1;
    const IDLE_CLASS: libc::c_int = 3 << 13;
    // SAFETY: `sched_param` is integers, for which all zeros is a value.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // By its number: musl's own function refuses everything (`src/sched/sched_setscheduler.c`).
    // SAFETY: 0 is this thread; the kernel reads one initialised `sched_param`.
    let scheduled =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, libc::SCHED_IDLE, &raw const parameters) };
    check(scheduled as isize)?;
    // SAFETY: the call takes nothing but numbers; 0 is this thread.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, IDLE_CLASS) } as isize).map(|_| ())
}

/// The next connection to a listener, which does not make its callers wait, as this does not either; `None` for a peer
/// that is not at an IPv4 address. Other than with `std` that is one system call (accept4(2)).
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<Option<(TcpStream, SocketAddrV4)>> {
    // SAFETY: `sockaddr_in` is integers, for which all zeros is a value.
    let mut peer: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `peer`, which has that many.
    let descriptor = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            std::ptr::from_mut(&mut peer).cast(),
            &mut length,
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    let stream = unsafe { TcpStream::from_raw_fd(descriptor) };
    let is_ipv4 = i32::from(peer.sin_family) == libc::AF_INET;
    let address = Ipv4Addr::from(u32::from_be(peer.sin_addr.s_addr));
    Ok(is_ipv4.then(|| (stream, SocketAddrV4::new(address, u16::from_be(peer.sin_port)))))
}

/// Bytes written to a TCP socket that its peer has not acknowledged yet, and for how long that has acknowledged nothing
/// (tcp(7): `SIOCOUTQ`, `TCP_INFO`).
pub(super) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<(u32, Duration)> {
    let mut queued: libc::c_int = 0;
    // SAFETY: the kernel writes one `int`.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &mut queued) } as isize)?;
    // SAFETY: `tcp_info` is integers, for which all zeros is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `info`, which has that many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            std::ptr::from_mut(&mut info).cast(),
            &mut length,
        )
    };
    check(result as isize)?;
    Ok((u32::try_from(queued).unwrap_or(0), Duration::from_millis(u64::from(info.tcpi_last_ack_recv))))
}

/// Takes all capabilities but those of the mask `kept` from this thread and those it will start, and keeps programs that they
/// run from having more (capset(2), prctl(2) `PR_SET_NO_NEW_PRIVS`).
pub(super) fn keep_capabilities(kept: u32) -> io::Result<()> {
    /// `__user_cap_header_struct` of `linux/capability.h`; 0 is this thread.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    // `_LINUX_CAPABILITY_VERSION_3`: twice 32 of the effective, the permitted, the inheritable ones.
    let mut header = Header { version: 0x2008_0522, pid: 0 };
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: of this version the kernel reads one header, and writes two structures of three words.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } as isize)?;
    let [[effective, permitted, _], _] = sets;
    let sets = [[effective & kept, permitted & kept, 0], [0; 3]];
    // SAFETY: the kernel reads the same.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) } as isize)?;
    // SAFETY: the call takes nothing but numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } as isize).map(|_| ())
}

/// Raises the number of files this process may have open to what it is allowed at most. Returns that number.
pub(super) fn raise_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes one `rlimit`, which `limit` is.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } as isize)?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads one initialised `rlimit`.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } as isize)?;
    Ok(limit.rlim_cur)
}

/// Keeps `signal` from this thread and those it starts, and returns a descriptor that is readable when it came
/// (signalfd(2)).
pub(super) fn watch_signal(signal: i32) -> io::Result<OwnedFd> {
    // SAFETY: `sigset_t` is integers, for which all zeros is a value; the calls fill and read one whole set.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, signal);
        let error = libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut());
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let descriptor = libc::signalfd(-1, &signals, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
        check(descriptor as isize)?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Sets a socket option whose value is one C `int`.
pub(super) fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    set_option_value(socket, level, name, &value)
}

/// Joins the Ethernet group `mac` on interface `index` for as long as the packet socket lives.
pub(super) fn join_ethernet_group(socket: BorrowedFd<'_>, index: u32, mac: [u8; 6]) -> io::Result<()> {
    let mut request = libc::packet_mreq {
        mr_ifindex: index as i32,
        mr_type: libc::PACKET_MR_MULTICAST as u16,
        mr_alen: 6,
        mr_address: [0; 8],
    };
    request.mr_address[..6].copy_from_slice(&mac);
    set_option_value(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

fn set_option_value<T>(socket: BorrowedFd<'_>, level: i32, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: `value` points to an initialised T of the size that is passed; the kernel copies it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    check(result as isize).map(|_| ())
}

/// Binds a packet socket to one interface and one EtherType (host byte order); only now does it receive.
pub(super) fn bind_packet(socket: BorrowedFd<'_>, index: u32, ethertype: u16) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` is integers and arrays of integers, for which all zeros is a value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = index as i32;
    bind(socket, &address)
}

/// Binds a netlink socket to a port that the kernel chooses. One without a port hears no multicast: the kernel's own
/// port is 0 too, and a sender is left out (`do_one_broadcast` of Linux `net/netlink/af_netlink.c`).
pub(super) fn bind_netlink(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: `sockaddr_nl` is integers, for which all zeros is a value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as u16;
    bind(socket, &address)
}

fn bind<T>(socket: BorrowedFd<'_>, address: &T) -> io::Result<()> {
    // SAFETY: `address` is a whole, initialised T of the size that is passed; the kernel copies it.
    let result = unsafe {
        libc::bind(socket.as_raw_fd(), std::ptr::from_ref(address).cast(), size_of::<T>() as libc::socklen_t)
    };
    check(result as isize).map(|_| ())
}

/// The interface a packet socket is bound to; `None` once that interface has gone (the kernel then says -1).
pub(super) fn bound_interface(socket: BorrowedFd<'_>) -> Option<u32> {
    // SAFETY: as in `bind_packet`.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `address`, which has that many.
    let result = unsafe {
        libc::getsockname(socket.as_raw_fd(), std::ptr::from_mut(&mut address).cast(), &mut length)
    };
    (result == 0)
        .then_some(address.sll_ifindex)
        .and_then(|index| u32::try_from(index).ok())
        .filter(|i| *i != 0)
}

/// Frames this packet socket has lost since the last call, because its buffer was full (`tp_drops`).
pub(super) fn take_packet_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `statistics`, which has that many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut statistics).cast(),
            &mut length,
        )
    };
    check(result as isize).map(|_| statistics.tp_drops)
}

/// One frame from a packet socket: its whole length on the wire (more than `buffer` when it was cut), and
/// the `tp_status` bits of its auxiliary data (zero when there are none). Does not wait.
pub(super) fn receive_packet(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, u32)> {
    /// Room for one control message, aligned as `cmsghdr` wants it.
    #[repr(C, align(8))]
    struct Control([u8; 128]);

    let mut control = Control([0; 128]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: `msghdr` is integers and pointers, for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len() as _;
    // SAFETY: `message` describes `buffer` and `control`, both exclusively ours during the call.
    let length = check(unsafe {
        libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_DONTWAIT | libc::MSG_TRUNC)
    })?;
    let mut status = 0;
    // SAFETY: the kernel has filled `control` and set its length in `message`; the CMSG_ functions stay within.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while let Some(found) = header.as_ref() {
            if found.cmsg_level == libc::SOL_PACKET && found.cmsg_type == libc::PACKET_AUXDATA {
                let data = libc::CMSG_DATA(header).cast::<libc::tpacket_auxdata>();
                status = std::ptr::read_unaligned(data).tp_status;
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok((length, status))
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
