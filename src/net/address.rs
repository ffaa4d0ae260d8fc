//! The laptop's own address on the bench: lent for the run, and taken back after it.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use super::iface::Interface;
use super::netlink::Netlink;
use super::state::Note;

/// What was changed on an interface, so that exactly that can be undone.
///
/// Nothing that was there before is ever removed. It is undone by [`AddressGuard::restore`], or when the guard
/// is dropped; or, when the process is killed, by the next run, which finds it in the [`Note`]. It works in the network namespace it was made in, from whatever thread.
#[derive(Debug)]
pub struct AddressGuard {
    interface: String,
    netlink: Netlink,
    wanted: Option<(Ipv4Addr, u8)>,
    made: Mutex<Made>,
    note: Option<Note>,
}

/// What was changed on an interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub index: u32,
    /// The address that was added, with its prefix length.
    pub address: Option<(Ipv4Addr, u8)>,
    /// Whether it was switched on.
    pub link_up: bool,
}

impl Made {
    /// What a run that was killed has left on this interface.
    pub fn left(note: &Note, interface: &Interface) -> Self {
        let text = note.read().unwrap_or_default();
        let left = Self::from_line(&text)
            .filter(|(name, left)| *name == interface.name && left.index == interface.index);
        let mut left = left.map(|(_, left)| left).unwrap_or_default();
        // Somebody has taken it back already.
        left.address = left.address.filter(|address| interface.ipv4.contains(address));
        left.link_up &= interface.up;
        left
    }

    /// `eth0 3 192.168.100.1/24 on`; `-` for what was not changed.
    fn to_line(self, name: &str) -> String {
        let address = self.address.map_or_else(|| "-".to_owned(), |(ip, prefix)| format!("{ip}/{prefix}"));
        format!("{name} {} {address} {}\n", self.index, if self.link_up { "on" } else { "-" })
    }

    fn from_line(line: &str) -> Option<(&str, Self)> {
        let mut words = line.split_ascii_whitespace();
        let (name, index) = (words.next()?, words.next()?.parse().ok()?);
        let address = match words.next()? {
            "-" => None,
            text => {
                text.split_once('/').and_then(|(ip, prefix)| Some((ip.parse().ok()?, prefix.parse().ok()?)))
            }
        };
        Some((name, Self { index, address, link_up: words.next()? == "on" }))
    }
}

/// What could not be changed on the interface, or changed back.
#[derive(Debug)]
pub struct AddressError {
    /// The interface.
    pub interface: String,
    /// What was being done, as the end of "cannot …": "add 192.168.7.1/24".
    pub step: String,
    /// What the system said.
    pub error: io::Error,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {}: {}", self.interface, self.step, self.error)?;
        match self.error.kind() {
            io::ErrorKind::PermissionDenied => f.write_str(" (it needs CAP_NET_ADMIN: start with sudo)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for AddressError {}

impl AddressGuard {
    /// Brings `interface` up if it is down, and gives it `address`/`prefix`, beside those it has.
    ///
    /// With `None` only the link is brought up. Changing something needs CAP_NET_ADMIN; an interface that is up
    /// and needs no address needs nothing.
    ///
    /// # Errors
    /// With what could not be done; what was done before it is undone.
    pub fn apply(interface: &Interface, address: Option<(Ipv4Addr, u8)>) -> Result<Self, AddressError> {
        Self::apply_noted(interface, address, Made::default(), None)
    }

    /// The same; what a run that was killed has `left` counts as made by this one, and what is made is written into `note`.
    ///
    /// # Errors
    /// As [`AddressGuard::apply`].
    pub fn apply_noted(
        interface: &Interface,
        address: Option<(Ipv4Addr, u8)>,
        left: Made,
        note: Option<Note>,
    ) -> Result<Self, AddressError> {
        let fail = |error| AddressError {
            interface: interface.name.clone(),
            step: "ask for the links".to_owned(),
            error,
        };
        let guard = Self {
            interface: interface.name.clone(),
            netlink: Netlink::open().map_err(fail)?,
            wanted: address,
            made: Mutex::new(Made { index: interface.index, ..left }),
            note,
        };
        if let Some((old, prefix)) = left.address.filter(|_| left.address != address) {
            let removed = gone_is_fine(guard.netlink.remove_address(interface.index, old, prefix));
            removed.map_err(|error| guard.failed(&format!("remove {old}/{prefix}"), error))?;
            guard.made.lock().unwrap_or_else(PoisonError::into_inner).address = None;
        }
        guard.renew(interface.index)?;
        Ok(guard)
    }

    /// Does the same again for the interface that has number `index` now.
    ///
    /// For an adapter that was pulled and is back, and for an address that somebody flushed. Doing it once too
    /// often changes nothing.
    ///
    /// # Errors
    /// As [`AddressGuard::apply`].
    pub fn renew(&self, index: u32) -> Result<(), AddressError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.index != index {
            // The old interface took its address with it.
            *made = Made { index, ..Made::default() };
        }
        let links = self.netlink.links().map_err(|error| self.failed("ask for the links", error))?;
        if !links.iter().any(|link| link.index == index && link.is_up()) {
            self.netlink.set_up(index, true).map_err(|error| self.failed("switch it on", error))?;
            made.link_up = true;
        }
        if let Some((address, prefix)) = self.wanted {
            match self.netlink.add_address(index, address, prefix) {
                Ok(()) => made.address = self.wanted,
                Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
                Err(error) => return Err(self.failed(&format!("add {address}/{prefix}"), error)),
            }
        }
        self.write_down(*made);
        Ok(())
    }

    /// On a full disk it is not written down: then a run that is killed leaves its address behind.
    fn write_down(&self, made: Made) {
        let Some(note) = &self.note else { return };
        if made.address.is_none() && !made.link_up {
            note.clear();
        } else if let Err(error) = note.write(&made.to_line(&self.interface)) {
            log::debug!("{}: what was changed is not written down: {error}", self.interface);
        }
    }

    /// The address that was added, with its prefix length; none when the interface had it already.
    pub fn added_address(&self) -> Option<(Ipv4Addr, u8)> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).address
    }

    /// Whether the link was down and has been brought up.
    pub fn brought_up(&self) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).link_up
    }

    /// Takes back what was changed and is still so. The second time it does nothing.
    ///
    /// # Errors
    /// With what could not be taken back; it tries everything and says the first.
    pub fn restore(&self) -> Result<(), AddressError> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        if let Some((address, prefix)) = made.address {
            let removed = gone_is_fine(self.netlink.remove_address(made.index, address, prefix));
            result = removed.map_err(|error| self.failed(&format!("remove {address}/{prefix}"), error));
        }
        if made.link_up {
            let down = gone_is_fine(self.netlink.set_up(made.index, false));
            result = result.and(down.map_err(|error| self.failed("switch it off again", error)));
        }
        if result.is_ok() {
            self.write_down(Made::default());
        }
        result
    }

    fn failed(&self, step: &str, error: io::Error) -> AddressError {
        AddressError { interface: self.interface.clone(), step: step.to_owned(), error }
    }
}

impl Drop for AddressGuard {
    fn drop(&mut self) {
        if let Err(error) = self.restore() {
            log::warn!("{error}");
        }
    }
}

/// Somebody else was faster: the address, or the whole interface, is not there any more.
fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV)) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_reads_as_it_was_written() {
        let address = Some((Ipv4Addr::new(192, 168, 100, 1), 24));
        for made in [
            Made { index: 3, address, link_up: true },
            Made { index: 3, address, link_up: false },
            Made { index: 7, address: None, link_up: true },
        ] {
            let line = made.to_line("eth0");
            assert_eq!(Made::from_line(&line), Some(("eth0", made)), "{line}");
        }
        assert_eq!(Made { index: 3, address, link_up: true }.to_line("eth0"), "eth0 3 192.168.100.1/24 on\n");
        for line in ["", "eth0", "eth0 x - -", "eth0 3", "eth0 3 -"] {
            assert_eq!(Made::from_line(line), None, "{line}");
        }
    }
}
