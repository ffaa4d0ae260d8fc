//! The part we play on this wire, and what is told about it.

use super::{LinkAtStart, Running, TO_SERVERS};
use crate::dhcp::Mode;
use crate::dhcp::probe::{self, ForeignServer};
use crate::dhcp::watch::{Action, Wish};
use crate::event::What;
use crate::net::ports;
use crate::net::raw::RawEvent;

use std::net::Ipv4Addr;

impl Running<'_> {
    /// A person who waits wants to know for what.
    pub(super) fn tell_that_we_ask(&self) {
        let text = match self.link {
            LinkAtStart { is_there: false, .. } => return,
            LinkAtStart { is_fresh: true, .. } => {
                "asking whether another DHCP server is on this wire; the link is new and a switch may hold it back, so this \
                 takes up to 35 seconds, or until a machine is heard"
            }
            LinkAtStart { .. } => "asking whether another DHCP server is on this wire; a few seconds",
        };
        self.given.chronicle.tell(What::Asking { text: text.to_owned() });
    }

    pub(super) fn act(&mut self, actions: Vec<Action>) -> Option<ForeignServer> {
        for action in actions {
            match action {
                Action::Ask => {
                    let question = probe::discover(self.given.mac, self.given.xid);
                    self.send(Ipv4Addr::UNSPECIFIED, 68, &question, &TO_SERVERS);
                    if !self.is_ready_told {
                        self.probe(self.given.ip);
                    }
                }
                Action::Become(mode, foreign) => {
                    if let Some(foreign) = foreign.filter(|it| !self.is_ready_told && self.is_elsewhere(it)) {
                        return Some(foreign);
                    }
                    self.become_part(mode, foreign);
                }
                Action::Refuse(foreign) => return Some(foreign),
                Action::Tell(foreign) => self.tell_of_foreign(&foreign),
                Action::NobodyGivesAddresses => self.warn(
                    "nobody gives addresses on this wire, and with --dhcp proxy neither do we: machines will not boot. \
                     Start without --dhcp"
                        .to_owned(),
                ),
                Action::Silent => self.warn(format!(
                    "{}: not one frame in half a minute. Is a machine switched on? A managed switch: enable portfast \
                     (spanning tree holds new links back), and check the VLAN of the port",
                    self.given.raw.interface_name()
                )),
            }
        }
        None
    }

    /// Whether a server's clients could not reach us: it gives addresses of another network than ours.
    pub(super) fn is_elsewhere(&self, foreign: &ForeignServer) -> bool {
        let offered = foreign.offered.filter(|offered| !offered.is_unspecified());
        offered.is_some_and(|offered| !self.given.server.is_local(offered))
    }

    pub(super) fn become_part(&mut self, mode: Mode, foreign: Option<ForeignServer>) {
        self.given.server.set_mode(mode);
        if !self.is_ready_told {
            self.is_ready_told = true;
            let mut ready = self.given.ready.clone();
            if let What::Ready { pool, .. } = &mut ready {
                *pool = pool.filter(|_| mode == Mode::Full);
            }
            self.given.chronicle.tell(ready);
        }
        let beside = foreign.map(|foreign| format!(" beside {foreign}")).unwrap_or_default();
        let (mode_name, text) = match mode {
            Mode::Full => {
                ("full", "no other DHCP server answers: machines get their addresses from us".to_owned())
            }
            Mode::Proxy => (
                "proxy",
                format!("proxyDHCP{beside}: machines get their addresses there, and from us what to boot"),
            ),
            Mode::Off => ("off", format!("DHCP is off; {}", self.given.advice)),
        };
        self.given.chronicle.tell(What::Dhcp { mode: mode_name, text });
        if mode == Mode::Proxy && foreign.is_some_and(|foreign| self.is_elsewhere(&foreign)) {
            let ip = self.given.ip;
            self.warn(format!(
                "machines with addresses of that server cannot reach {ip}, which is another network: unplug one of the two, \
                 or start pxego again with an address from it (sudo dhclient {})",
                self.given.raw.interface_name()
            ));
        }
        for held in std::mem::take(&mut self.waiting).into_values() {
            self.answer(held);
        }
    }

    pub(super) fn tell_of_foreign(&self, foreign: &ForeignServer) {
        let is_full = self.watch.mode() == Some(Mode::Full) || matches!(self.given.wish, Wish::Full { .. });
        let rest = match foreign.offered {
            Some(_) if is_full => {
                "Machines may take its answer instead of ours; unplug it, or start pxego without --dhcp full"
            }
            _ if foreign.has_boot_info => {
                "Machines may follow its boot information instead of ours; switch network boot off there"
            }
            _ => "It is left alone",
        };
        self.warn(format!("another DHCP server answers on this wire: {foreign}. {rest}"));
    }

    pub(super) fn link_changed(&mut self, event: &RawEvent) {
        let name = self.given.raw.interface_name().to_owned();
        match event {
            RawEvent::Reopened { index, mac } => {
                if let Err(error) = self.given.address.renew(*index) {
                    self.warn(error.to_string());
                }
                for socket in &self.given.tied {
                    if let Err(error) = ports::follow_interface(socket, &name) {
                        self.warn(format!("{name}: cannot serve files there again: {error}; restart pxego"));
                    }
                }
                self.given.mac = mac.unwrap_or(self.given.mac);
            }
            RawEvent::CarrierBack => self.watch.on_link(self.elapsed()),
            _ => {}
        }
        match event {
            RawEvent::CarrierLost | RawEvent::CarrierBack | RawEvent::Up => log::info!("{name}: {event}"),
            _ => self.warn(format!("{name}: {event}")),
        }
    }
}
