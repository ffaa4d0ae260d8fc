//! What to boot, without an address: proxyDHCP on port 67 and the boot service on port 4011 (PXE 2.1 §2.2).

use std::net::Ipv4Addr;

use crate::boot::boot_file::BootFile;
use crate::boot::client::Firmware;
use crate::wire::dhcp_option::Code;
use crate::wire::pxe::VendorClass;

use super::ladder::Shape;
use super::reaction::{Ignored, ReplyKind, Verdict};
use super::server::{Asking, Decision, Server};

impl Server {
    /// DISCOVER beside another server: boot information for who boots from the network, silence for everybody else.
    pub(super) fn proxy_discover(&mut self, asking: &Asking<'_>) -> Decision {
        let is_ipxe = matches!(asking.client.firmware, Firmware::Ipxe { .. });
        if !is_ipxe && !matches!(asking.vendor_class(), VendorClass::Pxe | VendorClass::Http) {
            return Ignored::NotForProxy.into();
        }
        let boot_file = self.boot_file(asking);
        if let BootFile::None(reason) = boot_file {
            return Ignored::NoBoot(reason).into();
        }
        let (shape, rung) = self.next_shape(asking);
        let none = Ipv4Addr::UNSPECIFIED;
        let verdict = self.reply_with(asking, ReplyKind::ProxyOffer, none, shape, boot_file);
        Decision { verdict, commit: None, shape: Some(shape), rung }
    }

    /// REQUEST beside another server. Its clients are its own; a lease that we gave before it turned up is still ours to
    /// renew. Nobody is ever refused.
    pub(super) fn proxy_request(&mut self, asking: &Asking<'_>) -> Decision {
        if asking.names_other_server() {
            self.pool_mut(asking).withdraw_offer(&asking.identity);
            return Ignored::OtherServer.into();
        }
        let message = asking.message;
        let ciaddr = Some(message.ciaddr).filter(|address| !address.is_unspecified());
        let requested = message.options.ipv4(Code::REQUESTED_IP);
        if asking.boot_item().is_some() && ciaddr.is_some() && requested.is_none() {
            return self.boot_server(asking);
        }
        let own = self.subnet(asking).pool().binding(&asking.identity, asking.now);
        match (own.filter(|binding| binding.is_live), requested.or(ciaddr)) {
            (Some(binding), Some(address)) if binding.address == address => {
                let decision = self.selecting(asking, address);
                // It is to move to an address reserved for it meanwhile; not while another server is there.
                let is_nak =
                    matches!(&decision.verdict, Verdict::Reply(reply) if reply.kind == ReplyKind::Nak);
                if is_nak { Ignored::NotForProxy.into() } else { decision }
            }
            _ => Ignored::NotForProxy.into(),
        }
    }

    /// INFORM beside another server: only who boots from the network is told what.
    pub(super) fn proxy_inform(&mut self, asking: &Asking<'_>) -> Decision {
        match asking.vendor_class() {
            VendorClass::Pxe => self.boot_server(asking),
            _ => Ignored::NotForProxy.into(),
        }
    }

    /// The PXE boot server: port 4011, or broadcast discovery on port 67 (PXE 2.1 §2.2.3). Option 54 is not needed: EDK2
    /// sends none here.
    pub(super) fn boot_server(&mut self, asking: &Asking<'_>) -> Decision {
        if !self.is_other_host(asking.received.src_ip) {
            return Ignored::BadSource.into();
        }
        if asking.names_other_server() {
            return Ignored::OtherServer.into();
        }
        if asking.vendor_class() != VendorClass::Pxe {
            return Ignored::NotNetboot.into();
        }
        let asks_for_local_disk = asking.boot_item().is_some_and(|item| item.kind == 0);
        if !asks_for_local_disk && let BootFile::None(reason) = self.boot_file(asking) {
            return Ignored::NoBoot(reason).into();
        }
        self.ladder.moved_on(asking.client.mac);
        self.reply(asking, ReplyKind::BootAck, Ipv4Addr::UNSPECIFIED, Shape::Direct).into()
    }
}
