//! A machine made of a script: what firmware sends, byte by byte, and what comes back.
#![allow(dead_code, unreachable_pub, unsafe_code, clippy::disallowed_methods)]

use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::time::{Duration, Instant};

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender};
use pxego::wire::MacAddr;
use pxego::wire::arp::Arp;
use pxego::wire::dhcp::{BOOT_REPLY, BOOT_REQUEST, FLAG_BROADCAST, Message, MessageType};
use pxego::wire::dhcp_option::Code;
use pxego::wire::frame::{self, Checksum, Datagram};

use super::netns::{DEADLINE, Netns};

/// Whatever a server has to say is said by then.
pub const SILENCE: Duration = Duration::from_secs(2);

/// A message from a server, with where it came from and went to.
#[derive(Clone, Debug)]
pub struct Heard {
    pub message: Message,
    pub payload: Vec<u8>,
    pub src_mac: MacAddr,
    pub src_ip: Ipv4Addr,
    pub src_port: u16,
    pub dst_mac: MacAddr,
    pub dst_ip: Ipv4Addr,
    pub dst_port: u16,
}

impl Heard {
    pub fn kind(&self) -> Option<MessageType> {
        self.message.message_type()
    }

    pub fn server(&self) -> Option<Ipv4Addr> {
        self.message.options.ipv4(Code::SERVER_ID)
    }
}

/// A packet socket with room for the answers to a whole bench, its own frames and the server's questions about addresses:
/// what the system gives is not enough for a machine that is slow to read.
fn roomy_socket() -> i32 {
    let every = i32::from((libc::ETH_P_ALL as u16).to_be());
    let socket =
        socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, Some(every.into())).unwrap();
    let size: i32 = 8 << 20;
    // SAFETY: the kernel reads the four bytes of `size`.
    let result = unsafe {
        let value = (&raw const size).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, value, 4)
    };
    assert_eq!(result, 0, "{}", Error::last_os_error());
    socket.into_raw_fd()
}

/// A card with a program that we are.
pub struct Machine {
    pub mac: MacAddr,
    pub xid: u32,
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
}

impl Machine {
    /// On `eth0` of a namespace, with an Ethernet address of its own.
    pub fn new(netns: &Netns, mac: [u8; 6]) -> Self {
        let (sender, receiver) = netns.run(|| {
            let eth0 = pnet_datalink::interfaces().into_iter().find(|found| found.name == "eth0").unwrap();
            let config = Config {
                read_timeout: Some(Duration::from_millis(20)),
                read_buffer_size: 65536,
                socket_fd: Some(roomy_socket()),
                ..Config::default()
            };
            match pnet_datalink::channel(&eth0, config).unwrap() {
                Channel::Ethernet(sender, receiver) => (sender, receiver),
                _ => panic!("eth0 is not Ethernet"),
            }
        });
        Self { mac: MacAddr(mac), xid: u32::from_be_bytes([0xc0, mac[3], mac[4], mac[5]]), sender, receiver }
    }

    /// A request of this kind with nothing else in it.
    pub fn request(&self, kind: MessageType) -> Message {
        let mut message = Message::new(BOOT_REQUEST);
        message.xid = self.xid;
        message.flags = FLAG_BROADCAST;
        message.chaddr[..6].copy_from_slice(&self.mac.0);
        message.options.push(Code::MESSAGE_TYPE, &[kind.code()]);
        message
    }

    /// The same as a PXE ROM sends it: BIOS 0, x64 UEFI 7.
    pub fn pxe_request(&self, kind: MessageType, arch: u8) -> Message {
        let mut message = self.request(kind);
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:003016");
        message.options.push(Code::VENDOR_CLASS, class.as_bytes());
        message.options.push(Code(93), &[0, arch]);
        message.options.push(Code(94), &[1, 3, 16]);
        let guid = [[0].as_slice(), &[7; 16]].concat();
        message.options.push(Code(97), &guid);
        message.options.push(Code::PARAMETER_LIST, &[1, 3, 43, 54, 60, 66, 67, 97]);
        message
    }

    pub fn broadcast(&mut self, message: &Message) {
        let to = (MacAddr::BROADCAST, Ipv4Addr::BROADCAST, 67);
        self.send(message, (Ipv4Addr::UNSPECIFIED, 68), to);
    }

    pub fn send(&mut self, message: &Message, from: (Ipv4Addr, u16), to: (MacAddr, Ipv4Addr, u16)) {
        let mut payload = Vec::new();
        message.emit(1472, &mut payload).unwrap();
        self.send_payload(&payload, from, to);
    }

    pub fn send_payload(&mut self, payload: &[u8], from: (Ipv4Addr, u16), to: (MacAddr, Ipv4Addr, u16)) {
        let datagram = Datagram {
            src_mac: self.mac,
            dst_mac: to.0,
            src_ip: from.0,
            dst_ip: to.1,
            src_port: from.1,
            dst_port: to.2,
            payload,
        };
        let mut bytes = Vec::new();
        frame::emit(&datagram, 7, &mut bytes).unwrap();
        self.transmit(&bytes);
    }

    pub fn transmit(&mut self, frame: &[u8]) {
        self.sender.send_to(frame, None).unwrap().unwrap();
    }

    /// The next frame until then.
    fn next_frame(&mut self, until: Instant) -> Option<Vec<u8>> {
        while Instant::now() < until {
            match self.receiver.next() {
                Ok(frame) => return Some(frame.to_vec()),
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => panic!("{error}"),
            }
        }
        None
    }

    /// Every answer to our transaction that comes within `patience`, until `is_enough` of them.
    pub fn collect(&mut self, patience: Duration, is_enough: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let until = Instant::now() + patience;
        let mut heard = Vec::new();
        while !is_enough(&heard) {
            let Some(bytes) = self.next_frame(until) else { break };
            let Ok(datagram) = frame::parse(&bytes, Checksum::NotReady) else { continue };
            let Ok(message) = Message::parse(datagram.payload) else { continue };
            if message.op != BOOT_REPLY || message.xid != self.xid {
                continue;
            }
            heard.push(Heard {
                message,
                payload: datagram.payload.to_vec(),
                src_mac: datagram.src_mac,
                src_ip: datagram.src_ip,
                src_port: datagram.src_port,
                dst_mac: datagram.dst_mac,
                dst_ip: datagram.dst_ip,
                dst_port: datagram.dst_port,
            });
        }
        heard
    }

    /// The one answer that has to come.
    pub fn answer(&mut self) -> Heard {
        let heard = self.collect(DEADLINE, |heard| !heard.is_empty());
        heard.into_iter().next().expect("an answer")
    }

    /// Answers that should not come.
    pub fn hears_nothing(&mut self) {
        let heard = self.collect(SILENCE, |heard| !heard.is_empty());
        assert!(heard.is_empty(), "{heard:?}");
    }

    /// DISCOVER, OFFER, REQUEST, ACK: the address, in whatever way `dress` changes our messages.
    pub fn lease(&mut self, dress: impl Fn(&mut Message)) -> Heard {
        let mut discover = self.request(MessageType::Discover);
        dress(&mut discover);
        self.broadcast(&discover);
        let offer = self.answer();
        assert_eq!(offer.kind(), Some(MessageType::Offer));
        let mut request = self.request(MessageType::Request);
        dress(&mut request);
        request.options.remove(Code::REQUESTED_IP);
        request.options.push_ipv4(Code::REQUESTED_IP, offer.message.yiaddr);
        request.options.push_ipv4(Code::SERVER_ID, offer.server().unwrap());
        self.broadcast(&request);
        let ack = self.answer();
        assert_eq!(ack.kind(), Some(MessageType::Ack), "{ack:?}");
        assert_eq!(ack.message.yiaddr, offer.message.yiaddr);
        ack
    }

    /// The next ARP packet that `is_it`.
    pub fn arp(&mut self, patience: Duration, is_it: impl Fn(&Arp) -> bool) -> Option<Arp> {
        let until = Instant::now() + patience;
        while let Some(bytes) = self.next_frame(until) {
            if let Ok(arp) = Arp::parse(&bytes)
                && is_it(&arp)
            {
                return Some(arp);
            }
        }
        None
    }
}
