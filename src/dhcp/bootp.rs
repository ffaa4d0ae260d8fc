//! BOOTP: an address for good and a boot file, in one question and one answer (RFC 951, RFC 1497, RFC 1534).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::arch::Arch;
use crate::boot::boot_file::BootFile;
use crate::boot::client::{Client, Firmware, Stage};

use super::Mode;
use super::ladder::Shape;
use super::lease::LeaseRecord;
use super::reaction::{Ignored, ReplyKind};
use super::server::{Asking, Decision, OFFER_HOLD, Server, bound};

/// A BOOTP client never renews: how long its address is kept, in a server that is there for a job.
pub(super) const BOOTP_LEASE: Duration = Duration::from_secs(24 * 3600);

/// How long one that was never heard of before is believed to be there. It asks for its file at once, and for our Ethernet
/// address before that: that it lives is seen then, and the day begins ([`Server::on_traffic`]).
const UNSEEN: Duration = Duration::from_secs(600);

impl Server {
    /// A BOOTREQUEST without a message type.
    pub(super) fn bootp(&mut self, asking: &Asking<'_>) -> Decision {
        if !self.config.bootp || self.mode != Mode::Full || !self.is_called(asking.message.server_name()) {
            return Ignored::Bootp.into();
        }
        let address = match self.hold_address(asking, OFFER_HOLD) {
            Ok(address) => address,
            Err(decision) => return decision,
        };
        let commit = self.grant_for_good(asking, address);
        if commit.is_none() {
            return Ignored::PoolExhausted.into();
        }
        let boot_file = bootp_file(asking);
        let verdict = self.reply_with(asking, ReplyKind::Bootp, address, Shape::Direct, boot_file);
        Decision { commit, ..verdict.into() }
    }

    /// The address is the client's, for a day if it was here before. Behind a relay nobody is seen.
    fn grant_for_good(&mut self, asking: &Asking<'_>, address: Ipv4Addr) -> Option<LeaseRecord> {
        let Asking { identity, now, subnet, .. } = asking;
        let binding = self.subnet(asking).pool().binding(identity, *now);
        if binding.is_some_and(|binding| binding.is_known) {
            return self.grant_on(*subnet, identity, address, BOOTP_LEASE, *now);
        }
        let can_be_seen = *subnet == 0 && asking.message.giaddr.is_unspecified();
        let hold = if can_be_seen { UNSEEN } else { BOOTP_LEASE };
        let is_granted = self.pool_mut(asking).bind_unseen(identity, address, hold, *now);
        is_granted.then(|| bound(identity, address, hold, *now))
    }

    /// Whether a client that names a server means us: no name, or our address (RFC 951 §7.1).
    fn is_called(&self, name: &[u8]) -> bool {
        name.is_empty() || name == self.config.server_ip.to_string().as_bytes()
    }
}

/// The file the client names if there is one of that name, else what a BIOS boots: who speaks BOOTP does not say what it is.
fn bootp_file(asking: &Asking<'_>) -> BootFile {
    if let Ok(name) = std::str::from_utf8(asking.message.file_name())
        && !name.is_empty()
        && asking.boot.has_file(name)
    {
        return BootFile::Name(name.to_owned());
    }
    let client = asking.client;
    let as_bios = Client {
        arch: client.arch.or(Some(Arch::Bios)),
        firmware: Firmware::Pxe,
        stage: Stage::Rom,
        ..client.clone()
    };
    asking.boot.boot_file(&as_bios)
}
