//! A client's message as bytes, built field by field: nothing of `wire::dhcp` is used.

use std::net::Ipv4Addr;

use crate::dhcp::reaction::Port;
use crate::wire::MacAddr;
use crate::wire::dhcp_decoder::Decoded;

use super::lab::SERVER_IP;

/// A message in the making, and the addresses of its frame. A DISCOVER, unless made something else.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) op: u8,
    pub(crate) htype: u8,
    pub(crate) hlen: u8,
    pub(crate) hops: u8,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 16],
    pub(crate) options: Vec<(u8, Vec<u8>)>,
    pub(crate) src_mac: MacAddr,
    pub(crate) src_ip: Ipv4Addr,
    pub(crate) src_port: u16,
    pub(crate) dst_ip: Ipv4Addr,
    pub(crate) port: Port,
}

impl Packet {
    /// A broadcast DISCOVER with option 53 and nothing else.
    pub(crate) fn discover(mac: MacAddr) -> Self {
        let mut chaddr = [0; 16];
        chaddr[..6].copy_from_slice(&mac.0);
        Self {
            op: 1,
            htype: 1,
            hlen: 6,
            hops: 0,
            xid: 0x3903_f326,
            secs: 0,
            flags: 0,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            options: vec![(53, vec![1])],
            src_mac: mac,
            src_ip: Ipv4Addr::UNSPECIFIED,
            src_port: 68,
            dst_ip: Ipv4Addr::BROADCAST,
            port: Port::Dhcp,
        }
    }

    /// With an option set: where it is, or at the end.
    pub(crate) fn option(mut self, code: u8, data: &[u8]) -> Self {
        match self.options.iter_mut().find(|option| option.0 == code) {
            Some(option) => option.1 = data.to_vec(),
            None => self.options.push((code, data.to_vec())),
        }
        self
    }

    /// With an option once more at the end, whether it is there or not (RFC 3396).
    pub(crate) fn again(mut self, code: u8, data: &[u8]) -> Self {
        self.options.push((code, data.to_vec()));
        self
    }

    pub(crate) fn without(mut self, code: u8) -> Self {
        self.options.retain(|option| option.0 != code);
        self
    }

    pub(crate) fn get(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|option| option.0 == code).map(|option| &option.1[..])
    }

    pub(crate) fn kind(self, message_type: u8) -> Self {
        self.option(53, &[message_type])
    }

    pub(crate) fn xid(mut self, xid: u32) -> Self {
        self.xid = xid;
        self
    }

    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags = flags;
        self
    }

    /// Takes an offer (RFC 2131 table 4, SELECTING).
    pub(crate) fn selecting(&self, offer: &Decoded) -> Self {
        let server = offer.option(54).expect("a server identifier");
        self.clone().kind(3).option(54, server).option(50, &offer.yiaddr.octets())
    }

    /// Asks for an address from before (INIT-REBOOT).
    pub(crate) fn init_reboot(&self, address: Ipv4Addr) -> Self {
        self.clone().kind(3).without(54).option(50, &address.octets())
    }

    /// Extends its lease, to us alone (RENEWING).
    pub(crate) fn renewing(&self, address: Ipv4Addr) -> Self {
        let packet = self.clone().kind(3).without(54).without(50).flags(0);
        Self { ciaddr: address, src_ip: address, dst_ip: SERVER_IP, ..packet }
    }

    /// Extends its lease with whoever answers (REBINDING).
    pub(crate) fn rebinding(&self, address: Ipv4Addr) -> Self {
        Self { dst_ip: Ipv4Addr::BROADCAST, ..self.renewing(address) }
    }

    pub(crate) fn inform(&self, address: Ipv4Addr) -> Self {
        Self { ciaddr: address, src_ip: address, ..self.clone().kind(8).without(50).without(54) }
    }

    pub(crate) fn release(&self, address: Ipv4Addr) -> Self {
        let packet = self.clone().kind(7).without(50).option(54, &SERVER_IP.octets()).flags(0);
        Self { ciaddr: address, src_ip: address, dst_ip: SERVER_IP, ..packet }
    }

    pub(crate) fn decline(&self, address: Ipv4Addr) -> Self {
        self.clone().kind(4).option(50, &address.octets()).option(54, &SERVER_IP.octets())
    }

    /// Asks the boot server on port 4011, as EDK2 does: from that port too, without option 54
    /// (UefiPxeBcDxe/PxeBcDhcp4.c, `PxeBcDhcp4Discover`).
    pub(crate) fn boot_server(&self, address: Ipv4Addr) -> Self {
        Self { src_port: 4011, port: Port::BootServer, ..self.renewing(address) }
    }

    /// The UDP payload: what is set, END, and zeros up to 300 bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, self.htype, self.hlen, self.hops];
        bytes.extend_from_slice(&self.xid.to_be_bytes());
        bytes.extend_from_slice(&self.secs.to_be_bytes());
        bytes.extend_from_slice(&self.flags.to_be_bytes());
        for address in [self.ciaddr, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, self.giaddr] {
            bytes.extend_from_slice(&address.octets());
        }
        bytes.extend_from_slice(&self.chaddr);
        bytes.resize(236, 0);
        bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        for (code, data) in &self.options {
            bytes.extend_from_slice(&[*code, u8::try_from(data.len()).expect("at most 255 bytes")]);
            bytes.extend_from_slice(data);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        bytes
    }
}
